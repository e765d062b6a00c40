"""Statements about two pictures, true or false, after NLVR2 (Suhr et al. 2019).

A statement is a small form over counts in the first and the second picture; `holds_of` decides it by the
question language's one executor. Wordings are drawn from families, of which some are held out.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from ...queries.nodes import Count, Everything, Filter, SetNode
from ..scene import Scene
from .captions import NUMBERS
from .forms import Said
from .made_up_words import strange
from .phrases import article, attributes_of, changed, held_out, noun_phrase
from .programs import execute
from .wordings import Families, frames_of, held_out_of, widened

# kind -> family -> frames; `wordings` adds more to train with. {a} "a red cube", {things} "red cubes", {n} "two",
# {which} "first", {b} of the other.
_CORE: dict[str, Families] = {
    "both": {
        "both": ("both pictures show {a}", "there is {a} in both pictures"),
        "each": ("each picture has {a}", "in each picture there is {a}"),
        "contain": ("both images contain {a}",),
        "without": ("neither picture is without {a}",),
        "the two": ("the two pictures both have {a}", "each of the two pictures shows {a}"),
        "and": ("the first picture has {a}, and so has the second", "{a} is in the one picture and in the other"),
    },
    "one": {
        "exactly": ("exactly one of the pictures shows {a}", "{a} is in exactly one of the pictures"),
        "only": ("only one of the pictures has {a}", "only one image contains {a}"),
        "not both": ("one picture, and not the other, has {a}",),
        "just": ("just one of the two pictures has {a}", "{a} stands in just one picture"),
        "single": ("a single picture of the two shows {a}",),
        "none": ("one of the pictures has {a}, the other has none",),
    },
    "any": {
        "at least": ("at least one of the pictures shows {a}", "there is {a} in at least one picture"),
        "either": ("there is {a} in either picture", "either picture has {a}"),
        "some": ("somewhere in the two pictures there is {a}",),
        "one or both": ("{a} is in one or both of the pictures", "one or both of the pictures show {a}"),
        "or": ("the first or the second picture has {a}",),
    },
    "more": {
        "more": ("there are more {things} in the {which} picture", "the {which} picture has more {things}"),
        "than": ("there are more {things} in the {which} picture than in the {other}",),
        "contain": ("the {which} image contains more {things} than the {other}",),
        "beat": ("the {which} picture beats the {other} in the number of {things}",),
        "larger": ("the {which} picture has a larger number of {things}",),
        "compared": ("compared with the {other} picture, the {which} has more {things}",),
        "fewer": ("there are fewer {things} in the {other} picture than in the {which}",),
    },
    "as many": {
        "as many": ("there are as many {things} in the first picture as in the second",),
        "same number": ("both pictures have the same number of {things}", "the pictures show equally many {things}"),
        "match": ("the counts of {things} match in the two pictures",),
        "equal": ("the two pictures have an equal number of {things}", "{things} are equally many in both pictures"),
        "neither": ("neither picture has more {things} than the other",),
        "number is": ("the number of {things} is the same in both pictures",),
    },
    "count": {
        "exactly": ("there are exactly {n} {things} in the {which} picture",),
        "has": ("the {which} picture has {n} {things}", "the {which} image contains {n} {things}"),
        "shows": ("the {which} picture shows {n} {things}",),
        "amount": ("the {things} in the {which} picture amount to {n}",),
        "in the": ("in the {which} picture there are {n} {things}",),
        "count": ("one can count {n} {things} in the {which} picture",),
    },
    "total": {
        "together": ("there are {n} {things} in the two pictures together", "together the pictures have {n} {things}"),
        "in all": ("in all there are {n} {things} in the pictures", "the two images contain {n} {things} in all"),
        "sum": ("the {things} of both pictures come to {n}",),
        "between": ("the two pictures have {n} {things} between them",),
        "altogether": ("altogether there are {n} {things} in the two pictures",),
        "added": ("added up, the pictures have {n} {things}",),
    },
    "and": {
        "and": ("the first picture has {a} and the second has {b}", "there is {a} in the first and {b} in the second"),
        "while": ("the first picture shows {a}, while the second shows {b}",),
        "whereas": ("{a} stands in the first image, whereas {b} stands in the second",),
        "in the": ("in the first picture there is {a}, in the second {b}",),
        "with": ("the first picture comes with {a} and the second with {b}",),
        "contain": ("the first image contains {a} and the second contains {b}",),
    },
}
HELD_OUT = held_out_of("pairs")
FRAMES = {kind: widened(core, frames_of("pairs")[kind], HELD_OUT[kind]) for kind, core in _CORE.items()}
KINDS = tuple(FRAMES)
_WHICH = ("first", "second")


@dataclass(frozen=True)
class Pair:
    """What a statement claims: a kind of FRAMES about things like `said` (and `other` in "and")."""

    kind: str
    said: Said
    which: int = 0  # 0 the first picture, 1 the second
    number: int = 0
    other: Said = ()


@dataclass(frozen=True)
class Statement:
    """A statement in words, its form, and whether it is true of the two scenes."""

    text: str
    form: Pair
    true: bool
    family: str


def _set(said: Said) -> SetNode:
    node: SetNode = Everything()
    for facet, value in said:
        node = Filter(node, facet, value)
    return node


def count_of(said: Said, scene: Scene) -> int:
    """How many things of a scene are like this, by the executor."""
    return int(execute(Count(_set(said)), scene))


def holds_of(form: Pair, first: Scene, second: Scene) -> bool:
    """Whether a form is true of two scenes."""
    counts = (count_of(form.said, first), count_of(form.said, second))
    one, other = counts[form.which], counts[1 - form.which]
    match form.kind:
        case "both":
            return min(counts) > 0
        case "one":
            return (counts[0] > 0) != (counts[1] > 0)
        case "any":
            return max(counts) > 0
        case "more":
            return one > other
        case "as many":
            return one == other
        case "count":
            return one == form.number
        case "total":
            return sum(counts) == form.number
        case "and":
            return counts[0] > 0 and count_of(form.other, second) > 0
    raise ValueError(f"no kind of statement: {form.kind!r}")


def words_for(form: Pair, rng: random.Random, unseen: bool = False, strangers: float = 0.0) -> tuple[str, str]:
    """A wording of a form, and its family; `unseen` words it by one that training never uses."""
    names = [name for name in FRAMES[form.kind] if (name in HELD_OUT[form.kind]) == unseen]
    family = rng.choice(names)
    frame = strange(rng.choice(FRAMES[form.kind][family]), rng, strangers)
    said, other = dict(form.said), dict(form.other)
    text = frame.format(
        a=article(noun_phrase(said, rng)),
        b=article(noun_phrase(other or said, rng)),
        things=noun_phrase(said, rng, plural=form.number != 1 or form.kind not in ("count", "total")),
        n=NUMBERS[form.number] if form.number < len(NUMBERS) else str(form.number),
        which=_WHICH[form.which],
        other=_WHICH[1 - form.which],
    )
    return text, f"{form.kind}/{family}"


def statement(
    scenes: Sequence[Scene],
    rng: random.Random,
    unseen: bool = False,
    tries: int = 30,
    kind: str | None = None,
    strangers: float = 0.0,
) -> Statement:
    """A statement about two scenes, true as often as not.

    Args:
        scenes: the first and the second.
        rng: draws the form, whether it shall be true, and the words.
        unseen: word it by a held-out family.
        tries: how many forms to try for the truth that was drawn.
        kind: one of KINDS; drawn unless told.
        strangers: how often a made-up word stands for one that matters little.
    """
    wanted = rng.random() < 0.5
    kind = kind or rng.choice(KINDS)
    form = _form(kind, scenes, rng)
    for _ in range(tries):
        if holds_of(form, *scenes) == wanted:
            break
        form = _form(kind, scenes, rng)
    text, family = words_for(form, rng, unseen, strangers)
    return Statement(text, form, holds_of(form, *scenes), family)


def _said(scene: Scene, rng: random.Random) -> Said:
    """One or two facets of a thing of the scene, now and then with one of them changed; never a held-out pair."""
    while True:
        thing = rng.choice(scene.things)
        facets = rng.sample(("color", "shape", "shape", "color", "material", "size"), 2)
        attributes = attributes_of(thing, facets[: 1 if rng.random() < 0.6 else 2])
        if rng.random() < 0.3:
            attributes = changed(attributes, rng.choice(list(attributes)), rng)
        if not held_out(attributes) or thing.shape == attributes.get("shape"):
            return tuple(attributes.items())


def _form(kind: str, scenes: Sequence[Scene], rng: random.Random) -> Pair:
    which = rng.randrange(2)
    said = _said(rng.choice(scenes), rng)
    counts = [count_of(said, scene) for scene in scenes]
    near = lambda n: max(0, min(8, n + rng.choice((0, 0, -1, 1, 2))))  # noqa: E731
    match kind:
        case "count":
            return Pair(kind, said, which, near(counts[which]))
        case "total":
            return Pair(kind, said, 0, near(sum(counts)))
        case "and":
            return Pair(kind, _said(scenes[0], rng), 0, 0, _said(scenes[1], rng))
        case "more":
            return Pair(kind, said, which)
        case _:
            return Pair(kind, said)
