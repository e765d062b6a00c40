"""Requests about several pictures: things in all of them, and the pictures as wholes."""

from __future__ import annotations

from ..controller.wording.free_requests import draw_statement
from ..controller.wording.mentions import draw_pictures
from ..controller.wording.noun_phrases import any_world_noun
from . import comparing, plans
from .plans import Plan
from .state import Last, Request, State
from .targets import Target, draw_target
from .things import count
from .wholes import describe
from .wording import ended, lines, said, worded

_IN_ALL = lines("in_all")


_WHICH_PICTURE = lines("which_picture")


_EACH_PICTURE = lines("each_picture")


_WHICH_HAS = lines("which_has")


def over_pictures(state: State) -> Request:
    """Something of several pictures at once."""
    rng = state.rng
    if len(state.given) < 2:
        return count(state)
    images = list(state.given[:4]) if len(state.given) <= 4 else list(state.given[-2:])
    target = draw_target(rng, state.sheet(rng.choice(images)))
    while target.before is not None or target.ordered or "relation" in target.arguments:
        target = draw_target(rng, state.sheet(rng.choice(images)))
    slots = said(target, rng)
    draw = rng.random()
    if draw < 0.3:
        words = rng.choice(_WHICH_PICTURE).format(**{"things": slots["things"]})
        return Request("which_picture", words, comparing.grouped(images, target, "picture", "most"))
    if draw < 0.5:
        words = rng.choice(_EACH_PICTURE).format(**{"things": slots["things"]})
        return Request("each_picture", words, comparing.grouped(images, target, "picture", "each"))
    if draw < 0.65:
        words = rng.choice(_WHICH_HAS).format(**slots)
        return Request("which_has", words, _which_has(images, target))
    place = rng.choice(_IN_ALL)
    kind, make = rng.choice(
        (("count", plans.count), ("count", plans.count), ("exist", plans.exist), ("which", plans.which))
    )
    words = ended(worded(state, kind, slots | {"the picture": ""}, own=kind == "which"), f" {place}")
    return Request("over_pictures", words, make(images, target), Last(make, images, target))


def _which_has(images: list[str], target: Target) -> Plan:
    (seen,) = yield [plans.find(images, target, count_by="picture")]
    if not seen.count:
        return plans.nothing(target, seen)
    return (
        "{most}: {list}." if seen.references.get("groups", "").count(": 0") == len(images) - 1 else "{groups}: {list}."
    )


def pictures_together(state: State) -> Request:
    """Pictures compared as wholes: what differs, how alike, or whether a statement is true of them."""
    rng = state.rng
    if len(state.given) < 2:
        return describe(state)
    images = state.given[-2:]
    named = draw_pictures(rng, images, images == state.given and images[0] == "img_1")
    kind = rng.choice(("compare", "compare", "likeness", "statement", "describe_each"))
    if kind == "describe_each":
        words = rng.choice(("describe both pictures", "describe both", "describe each picture", "describe the pictures",
                            "what is in both pictures", "tell me about both", "say what each picture shows",
                            "what do the two pictures show", "describe all of them"))  # fmt: skip
        return Request(kind, words, plans.describe_each(state.given[-2:] if len(state.given) == 2 else state.given[:3]))
    if kind == "statement":
        own = draw_statement(rng, lambda: any_world_noun(rng))
        words = worded(state, "statement", {"statement": own, "the pictures": named})
        return Request(kind, words, plans.statement(images, own), frame=False)
    words = worded(state, kind, {"the pictures": named})
    return Request(kind, words, plans.say("compare_images", {"images": images}, "{comparison}"))
