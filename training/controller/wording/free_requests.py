"""What users ask and say in sentences of their own: questions, statements about pictures, notes, and times.

The controller passes these on word for word, so it must not matter what they say: they are as wide as a program
can make them, with nouns from inside and outside the drawn world.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from ....scenes.language.frames import FRAMES, families
from ....scenes.scene import COLORS, MATERIALS
from .noun_phrases import NounPhrase, any_world_noun, invented, outside_noun

Draw = Callable[[], NounPhrase]

RELATIONS = (
    "left of", "right of", "to the left of", "to the right of", "above", "below", "behind", "in front of", "next to",
    "beside", "near", "under", "on top of", "close to", "over", "beneath", "on the left side of", "on the right of",
    "by", "underneath", "opposite", "around", "inside", "against", "left from", "just above", "directly below",
)  # fmt: skip
FACETS = ("colour", "color", "material", "shape", "size", "hue", "form", "kind of material")
TIMES = (
    "today", "this morning", "earlier today", "yesterday", "last week", "this week", "a few days ago", "two days ago",
    "last month", "this month", "two weeks ago", "a month ago", "on monday", "last tuesday", "on sunday", "last friday",
    "some time ago", "once", "in the past", "earlier", "a while ago", "last year", "recently", "an hour ago",
)  # fmt: skip
PAST = (
    "today", "this morning", "yesterday", "last week", "this week", "a few days ago", "last month", "this month",
    "two weeks ago", "monday", "last saturday", "before", "earlier", "last year", "the past week", "last summer",
)  # fmt: skip

# {n}, {m}: bare nouns; {ns}: plural; {a}: with its article; {r}: a relation; {f}: a facet.
_QUESTIONS = """
what is {r} the {n}
what is {r} the {n}
what stands {r} the {n}
what can be seen {r} the {n}
what thing is {r} the {n}
what things are {r} the {n}
what do you see {r} the {n}
what lies {r} the {n}
what is the thing {r} the {n}
what is the thing {r} the {n} made of
what is the {m} {r} the {n} made of
what is the {f} of the {m} {r} the {n}
what is the {f} of the thing {r} the {n}
what is there {r} the {n}
what is between the {n} and the {m}
what is closest to the {n}
what is the nearest thing to the {n}
what {f} is the {m} {r} the {n}
what {f} is the thing {r} the {n}
what {f} is the object {r} the {n}
what {f} does the thing {r} the {n} have
what {f} are the {ms} {r} the {n}
what does the sign {r} the {n} say
what does the sign beside the {n} say
what does the sign by the {n} say
what word is {r} the {n}
what is written {r} the {n}
what is written on the sign beside the {n}
what do the {n} and the {m} have in common
what is the difference between the {n} and the {m}
what is the {nth} thing from the {side}
what {f} is the {nth} thing from the {side}
what {f} is the {nth} {n} from the {side}
what could the {n} be for
what might happen to the {n}
what would one do with the {n}
which thing is {r} the {n}
which thing stands {r} the {n}
which object is {r} the {n}
which {n} is {r} the {m}
which is bigger, the {n} or the {m}
which is further {side}, the {n} or the {m}
which of the {ns} is {r} the {m}
which {f} is the {m} {r} the {n}
which {f} does the {m} {r} the {n} have
which word is on the sign by the {n}
which of the two is higher, the {n} or the {m}
is the {n} {r} the {m}
is the {n} {r} the {m}
is the {n} {r} the {m}
is the {n} standing {r} the {m}
is the {n} bigger than the {m}
is the {n} smaller than the {m}
is the {n} the same {f} as the {m}
is the {n} as big as the {m}
is the {n} closer to the {m} or to the {k}
is the {f} of the {n} the same as the {f} of the {m}
is there {am} {r} the {n}
is there {am} {r} the {n}
is there anything {r} the {n}
is there something {r} the {n}
is there a sign {r} the {n}
is anything {r} the {n}
is it the {n} or the {m} that is {r} the {k}
is one of the {ns} {r} the {m}
is the thing {r} the {n} {color}
is the {m} {r} the {n} made of {material}
are there any {ms} {r} the {n}
are there {ms} {r} the {n}
are the {n} and the {m} the same {f}
are the {n} and the {m} of the same {f}
are the {n} and the {m} side by side
are all the {ns} {r} the {m}
are the {ns} all of the same {f}
does the {n} stand {r} the {m}
does the {n} have the same {f} as the {m}
does the {n} touch the {m}
does the {n} look heavy
does the {f} of the {n} match that of the {m}
does anything stand {r} the {n}
do the {n} and the {m} have the same {f}
do the {n} and the {m} match in {f}
do you see {am} {r} the {n}
can you see {am} {r} the {n}
can the {n} be seen from the {m}
could the {n} fit into the {m}
how many {ms} are {r} the {n}
how many {ms} are {r} the {n}
how many {ms} stand {r} the {n}
how many things are {r} the {n}
how many objects are {r} the {n}
how many things have the same {f} as the {n}
how many other things share the {f} of the {n}
how far is the {n} from the {m}
how big is the {n} next to the {m}
how is the {n} placed relative to the {m}
where is the {n} in relation to the {m}
where is the {n} relative to the {m}
where does the {n} stand, seen from the {m}
who is {r} the {n}
who could own the {n}
why is the {n} {r} the {m}
why might the {n} be there
when would one use the {n}
there is a thing {r} the {n}; what {f} is it
there is {am} {r} the {n}; what {f} is it
there is {am} {r} the {n}; what is it made of
"""
QUESTIONS = tuple(_QUESTIONS.strip().splitlines())
_STATEMENTS = """
both pictures show {a}
both pictures contain {a}
both images have {a}
there is {a} in both pictures
there is {a} in each picture
each picture has {a}
each of the pictures shows {a}
neither picture shows {a}
none of the pictures has {a}
exactly one of the pictures shows {a}
only one of the pictures has {a}
only one image contains {a}
only the {which} picture has {a}
{a} is in exactly one of the pictures
at least one of the pictures shows {a}
at least one picture has {a}
there is {a} in either picture
either picture has {a}
there are more {ns} in the {which} picture
there are more {ns} in the {which} picture than in the {other}
there are fewer {ns} in the {which} picture
there are fewer {ns} in the {which} picture than in the {other}
there are as many {ns} in the first picture as in the second
the {which} picture has more {ns}
the {which} picture has more {ns} than the {other}
the {which} picture shows fewer {ns}
the {which} image contains more {ns} than the {other}
the {which} one has more {ns}
both pictures have the same number of {ns}
the pictures show equally many {ns}
there are exactly {number} {ns} in the {which} picture
there are {number} {ns} in the {which} picture
the {which} picture has {number} {ns}
the {which} image contains {number} {ns}
the {which} picture shows {number} {ns}
there are {number} {ns} in the two pictures together
together the pictures have {number} {ns}
in all there are {number} {ns} in the pictures
the two images contain {number} {ns} in all
the first picture has {a} and the second has {am}
there is {a} in the first and {am} in the second
the first picture shows {a}, while the second shows {am}
the first has {a} but the second has none
the {n} is bigger in the {which} picture
the {n} is {r} the {m} in both pictures
the {n} in the {which} picture is {color}
the {which} picture shows {a} {r} {am}
every {n} in the {which} picture is {color}
there are no {ns} in the {which} picture
the {ns} in the two pictures have the same colour
the pictures have the same backdrop
"""
STATEMENTS = tuple(_STATEMENTS.strip().splitlines())
LONGEST = 190  # characters of a question; the tool takes 200
# The frames of the drawn world's questions that end in a question mark, by intent.
_ASKED = {
    intent: tuple(
        frame for family in families(intent, held_out=False) for frame in FRAMES[intent][family] if frame[-1] == "?"
    )
    for intent in FRAMES
}
_NOTES = """
my desk; my table; the desk at home; holiday; the summer holiday; my daughter's drawing; grandma's garden; the old one;
table three; shelf number 2; the blue room; exhibit A; exhibit B; version 2; draft 7; the winner; the best one;
before the move; after the move; the starting point; the reference; our street; the toy box; the first try; the spare
part; order 4711; the lost key; my favourite; the workshop; kitchen shelf; box 12; sample 5; the cat picture; the night
shift; monday's picture; the broken one; the good one; street corner; the shop window; a birthday present
"""
NOTES = tuple(" ".join(note.split()) for note in _NOTES.split(";"))
_NUMBERS = ("one", "two", "three", "four", "five", "2", "3", "4")


def _fill(frame: str, rng: random.Random, draw: Draw) -> str:
    one, two, three = draw(), draw(), draw()
    which = rng.choice(("first", "second"))
    return frame.format(
        n=one.one, ns=one.many, a=one.a, m=two.one, ms=two.many, am=two.a, k=three.one, r=rng.choice(RELATIONS),
        f=rng.choice(FACETS), nth=rng.choice(("first", "second", "third", "fourth", "last")),
        side=rng.choice(("left", "right", "top", "bottom")), color=rng.choice(tuple(COLORS)),
        material=rng.choice(MATERIALS), which=which, other="second" if which == "first" else "first",
        number=rng.choice(_NUMBERS),
    )  # fmt: skip


def draw_question(rng: random.Random, draw: Draw) -> str:
    """A question about relations and the like, without its question mark; half are worded as LLaVA's are."""
    asked = _fill(rng.choice(QUESTIONS), rng, draw) if rng.random() < 0.5 else _as_llava_is_asked(rng, draw)
    return asked if len(asked) <= LONGEST else draw_question(rng, draw)


def _as_llava_is_asked(rng: random.Random, draw: Draw) -> str:
    """A question by one of the drawn world's frames for training, about any things."""
    frame = rng.choice(_ASKED[rng.choice(tuple(_ASKED))])
    one, two, three = draw(), draw(), draw()
    beside = "".join(f" {rng.choice(RELATIONS)} the {noun.one}" for noun in (two, three)[: rng.choice((0, 1, 1, 2))])
    text = frame.format(
        the=f"the {one.one}{beside}", a=one.a + beside, things=one.many + beside, other=f"the {two.one}",
        others=two.many, facet=rng.choice(FACETS),
    )  # fmt: skip
    text = text.removesuffix("?")
    return text if text.startswith(("I ", "I'")) else text[0].lower() + text[1:]


def draw_statement(rng: random.Random, draw: Draw) -> str:
    """A statement about two pictures, true or false, without its full stop."""
    return _fill(rng.choice(STATEMENTS), rng, draw)


def draw_note(rng: random.Random) -> str:
    """What a user calls a picture."""
    share = rng.random()
    if share < 0.35:
        return rng.choice(NOTES)
    noun = outside_noun(rng) if rng.random() < 0.7 else any_world_noun(rng)
    if share < 0.6:
        return f"{rng.choice(('my', 'the', 'our', 'his', 'her'))} {noun.one}"
    if share < 0.75:
        return f"{noun.one} {rng.randrange(1, 100)}"
    return noun.one if share < 0.9 else f"{invented(rng)} {invented(rng)}"


def draw_change(rng: random.Random, draw: Draw) -> tuple[str, str]:
    """How something like a picture should differ: as the user says it, and the words to search for."""
    share = rng.random()
    if share < 0.4:
        word = rng.choice((*COLORS, *MATERIALS, "wooden", "smaller", "bigger", "darker", "brighter", invented(rng)))
        return word, word
    noun = draw()
    if share < 0.65:
        return f"with {noun.a}", noun.one
    if share < 0.8:
        return f"with {noun.many}", noun.one
    backdrop = rng.choice(("on a desk", "on a shelf", "on a street", "on a plain background", "in the dark", "outside"))
    return (backdrop, backdrop) if share < 0.9 else (noun.one, noun.one)
