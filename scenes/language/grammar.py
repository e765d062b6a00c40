"""From programs to questions in words: a frame for the whole, noun phrases for what it is about."""

from __future__ import annotations

import random
from dataclasses import dataclass

from ...queries.nodes import (
    Compare,
    Count,
    Everything,
    Exist,
    Filter,
    Intersect,
    Ordinal,
    Program,
    Query,
    Read,
    Relate,
    Same,
    SetNode,
    ThingNode,
    Union,
    Unique,
)
from .frames import BARE, FACET_WORDS, FRAMES, families
from .made_up_words import strange
from .phrases import article, noun_phrase

_RANKS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
_RELATION_WORDS = {
    "left": ("left of", "to the left of", "on the left side of"),
    "right": ("right of", "to the right of", "on the right side of"),
    "above": ("above", "higher than", "further up than"),
    "below": ("below", "lower than", "further down than"),
}
_FIRST_WORDS = {
    "left": ("leftmost {}", "first {} from the left", "{} furthest to the left"),
    "right": ("rightmost {}", "first {} from the right", "{} furthest to the right"),
    "top": ("topmost {}", "highest {}", "{} nearest to the top"),
    "bottom": ("lowest {}", "bottommost {}", "{} nearest to the bottom"),
    "largest": ("largest {}", "biggest {}"),
    "smallest": ("smallest {}", "tiniest {}"),
}
_SAME_WORDS = {
    "color": ("with the same colour as", "of the same color as", "in the colour of"),
    "material": ("made of the same material as", "of the same material as"),
    "shape": ("with the same shape as", "of the same shape as"),
    "size": ("of the same size as", "as big as"),
}
# All words by which things are reached.
PLACING = (
    *_RANKS,
    *(phrase for words in (_RELATION_WORDS, _FIRST_WORDS, _SAME_WORDS) for some in words.values() for phrase in some),
)
_OPENINGS = ("please, ", "hey, ", "hi! ", "ok, ", "well, ", "so, ", "quick question: ", "um, ")
_ENDINGS = (" thanks", " please", " thank you", " I wonder", " now")


@dataclass(frozen=True)
class Wording:
    """A question in words, and the family of phrasings that it was worded by."""

    text: str
    intent: str  # a key of frames.FRAMES
    family: str


def intent_of(program: Program) -> str:
    """What a program asks for, as frames.FRAMES names it."""
    match program:
        case Count():
            return "count"
        case Exist():
            return "exist"
        case Read():
            return "read"
        case Query(_, facet):
            return facet
        case Compare(Count(), _, by):
            return by
        case Compare():
            return "same"
        case _:
            raise ValueError(f"no words for {program!r}")


def word_question(
    program: Program,
    rng: random.Random,
    held_out: bool = False,
    fillers: float = 0.0,
    typos: float = 0.0,
    strangers: float = 0.0,
) -> Wording:
    """A random wording of a program.

    Args:
        program: what is asked.
        rng: draws the family, the frame and the words.
        held_out: word it by a family that training never uses, instead of by one that it does.
        fillers: how often to add an opening such as "hey," or an ending such as "thanks".
        typos: how often to misspell one longer word.
        strangers: how often to put a made-up word in the place of one that matters little.

    Raises:
        ValueError: the grammar has no words for such a program.
    """
    intent = intent_of(program)
    family = rng.choice(families(intent, held_out))
    frame = strange(rng.choice(FRAMES[intent][family]), rng, strangers)
    slots: dict[str, str] = {}
    match program:
        case Query(Unique(Relate() | Intersect() as place), "shape") if not held_out and rng.random() < 0.5:
            family, frame, slots = "bare", rng.choice(BARE), {"beside": _place(place, rng)}
        case Count(source) | Exist(source):
            slots = _set_slots(source, frame, rng)
        case Query(anchor, _) | Read(anchor):
            slots = {"the": "the " + thing_words(anchor, rng)} if "{the}" in frame else {"a": _a(anchor, rng)}
        case Compare(Count(first), Count(second), _):
            slots = {"things": set_words(first, rng, plural=True), "others": set_words(second, rng, plural=True)}
        case Compare(Unique() | Ordinal() as first, Unique() | Ordinal() as second, _):
            slots = {"the": "the " + thing_words(first, rng), "other": "the " + thing_words(second, rng)}
    if "{facet}" in frame:
        facet = program.by if isinstance(program, Compare) else intent
        slots["facet"] = rng.choice(FACET_WORDS[facet])
    text = frame.format(**slots)
    text = text[0].upper() + text[1:]
    if rng.random() < fillers:
        text = _filled(text, rng)
    if rng.random() < typos:
        text = misspell(text, rng)
    return Wording(text, intent, family)


def _set_slots(source: SetNode, frame: str, rng: random.Random) -> dict[str, str]:
    if "{things}" in frame:
        return {"things": set_words(source, rng, plural=True)}
    return {"a": set_words(source, rng, indefinite=True)}


def _a(anchor: ThingNode, rng: random.Random) -> str:
    """An anchor that is introduced: "a red cube"; what an ordinal names is always "the"."""
    if isinstance(anchor, Unique):
        return set_words(anchor.source, rng, indefinite=True)
    return "the " + thing_words(anchor, rng)


def thing_words(node: ThingNode, rng: random.Random) -> str:
    """One thing, without its article: "red cube left of the ball", "second fish from the left"."""
    if isinstance(node, Unique):
        return set_words(node.source, rng)
    if not isinstance(node, Ordinal):
        raise ValueError(f"no words for {node!r}")
    phrase = set_words(node.source, rng)
    if node.rank == 1:
        return rng.choice(_FIRST_WORDS[node.towards]).format(phrase)
    if node.towards in ("largest", "smallest"):
        return f"{_RANKS[node.rank - 1]} {node.towards} {phrase}"
    return f"{_RANKS[node.rank - 1]} {phrase} from the {node.towards}"


def set_words(node: SetNode, rng: random.Random, plural: bool = False, indefinite: bool = False) -> str:
    """A set in words: "red cubes left of the ball"; singular unless `plural`, with "a" where `indefinite`."""
    attributes, base = _filters(node)
    if isinstance(base, Union):
        if attributes:
            raise ValueError("no words for a filtered union")
        sides = (set_words(side, rng, plural, indefinite) for side in (base.first, base.second))
        return " or ".join(sides)
    phrase = noun_phrase(attributes, rng, plural)
    if isinstance(base, Same) and rng.random() < 0.5:
        phrase = "other " + phrase
    if indefinite:
        phrase = article(phrase).replace("an other ", "another ")
    if isinstance(base, Everything):
        return phrase
    that = rng.choice(("", "that are " if plural else "that is "))
    return f"{phrase} {'' if isinstance(base, Same) else that}{_place(base, rng)}"


def _filters(node: SetNode) -> tuple[dict[str, str], SetNode]:
    """The attributes that a chain of filters says, and what stands below the chain."""
    attributes: dict[str, str] = {}
    while isinstance(node, Filter):
        attributes[node.facet] = node.value
        node = node.source
    return attributes, node


def _place(node: SetNode, rng: random.Random) -> str:
    """What follows the noun: "left of the ball and above the cone"."""
    if isinstance(node, Intersect):
        return f"{_modifier(node.first, rng)} and {_modifier(node.second, rng)}"
    return _modifier(node, rng)


def _modifier(node: SetNode, rng: random.Random) -> str:
    match node:
        case Relate(anchor, relation):
            return f"{rng.choice(_RELATION_WORDS[relation])} the {thing_words(anchor, rng)}"
        case Same(anchor, facet):
            return f"{rng.choice(_SAME_WORDS[facet])} the {thing_words(anchor, rng)}"
        case _:
            raise ValueError(f"no words for an intersection with {type(node).__name__}")


def _filled(text: str, rng: random.Random) -> str:
    if rng.random() < 0.6:
        opening = rng.choice(_OPENINGS)
        return (
            opening[0].upper() + opening[1:] + (text if text.startswith(("I ", "I'")) else text[0].lower() + text[1:])
        )
    return text.rstrip(".?") + "," + rng.choice(_ENDINGS) + text[-1]


def misspell(text: str, rng: random.Random) -> str:
    """The text with one word of five letters or more misspelt: two letters swapped, one lost or one doubled."""
    words = text.split(" ")
    long = [i for i, word in enumerate(words) if len(word.strip(".,?!:;")) >= 5 and word.strip(".,?!:;").isalpha()]
    if not long:
        return text
    at = rng.choice(long)
    word = words[at]
    i = rng.randrange(1, len(word.strip(".,?!:;")) - 1)
    change = rng.randrange(3)
    if change == 0 and word[i] != word[i + 1]:
        words[at] = word[:i] + word[i + 1] + word[i] + word[i + 2 :]
    elif change == 1:
        words[at] = word[:i] + word[i + 1 :]
    else:
        words[at] = word[:i] + word[i] + word[i:]
    return " ".join(words)
