"""Requests about things: which, where, of what colour, beside what, how many more, and what to do with them."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from ...scenes.language.phrases import SIZE_WORDS
from . import comparing, plans
from .plans import Plan
from .state import Last, Request, State
from .targets import (
    ADJECTIVES,
    RELATION_WORDS,
    Target,
    anchor_phrase,
    any_plain,
    draw_target,
    one_thing,
    ordered,
    plain,
    related,
    some_facets,
    typed,
)
from .wording import FACET_WORDS, TYPOS, a_picture, ended, lines, said, worded

Draw = Callable[[State], Request]


QUERIES = ("color", "material", "shape")


COMPARED = {
    "largest": ("bigger", "larger", "taller"), "smallest": ("smaller", "tinier"), "leftmost": ("further left",
    "more to the left"), "rightmost": ("further right", "more to the right"), "topmost": ("higher", "higher up"),
    "bottommost": ("lower", "further down"),
}  # fmt: skip


def of_kind(kind: str, make: Callable[[str, Target], Plan], *, one: bool, intent: str = "", own: bool = False) -> Draw:
    """A request of an intent about a target."""

    def draw(state: State) -> Request:
        image, named = a_picture(state, front=True)
        target = draw_target(state.rng, state.sheet(image), one=one)
        slots = said(target, state.rng) | ({"the picture": ""} if named else {})
        words = worded(state, intent or kind, slots, own)
        last = Last(make, image, target, one)  # pyright: ignore[reportArgumentType]
        return Request(kind, ended(words, named), make(image, target), last)

    return draw


def what_place(state: State) -> Request:
    """What stands somewhere: "what is left of the ball"."""
    image, named = a_picture(state, front=True)
    target = related(state.rng, state.sheet(image))
    base = target.arguments["phrase"]
    if base != "everything" or "exceptions" in target.arguments or "size" in target.arguments:
        arguments = {k: v for k, v in target.arguments.items() if k not in ("exceptions", "size")}
        target = Target(target.one, target.many, arguments | {"phrase": "everything"}, target.before,
                        anchors=target.anchors)  # fmt: skip
        place = target.one.rpartition(" the ")[0].rpartition(" ")[0]
        at = max(target.one.find(f" {words} ") for some in RELATION_WORDS.values() for words in (*some, "between",
                 "in between", "that stand between"))  # fmt: skip
        place = target.one[at + 1 :] if at >= 0 else place
        head = state.rng.choice(("thing", "object"))
        target = Target(f"{head} {place}", f"{head}s {place}", target.arguments, target.before, anchors=target.anchors)
    place = target.one.split(" ", 1)[1] if target.one.split(" ")[0] in ("thing", "object", "item") else target.one
    if not any(place.startswith(words) for some in (*RELATION_WORDS.values(), ("between", "in between", "that"))
               for words in some):  # fmt: skip
        return which(state)
    facet = state.rng.choice((None, None, None, *QUERIES))
    if facet in ("color", "material"):
        words = f"what {state.rng.choice(FACET_WORDS[facet])} is the thing {place}"
        make: Any = partial(plans.query, facet)
        return Request("query", ended(words, named), make(image, target), Last(make, image, target, True))
    slots = {"place": typed(place, state.rng, TYPOS), "the picture": ""}
    make = plans.which
    return Request("what_place", ended(worded(state, "what_place", slots, own=True), named), make(image, target),
                   Last(make, image, target))  # fmt: skip


which = of_kind("which", plans.which, one=False, own=True)


def two_things(state: State, image: str) -> tuple[Target, Target]:
    """Two plain targets that differ."""
    sheet = state.sheet(image)
    one, two = one_thing(state.rng, sheet), one_thing(state.rng, sheet)
    while two.arguments == one.arguments:
        two = one_thing(state.rng, None)
    return one, two


def stands(state: State) -> Request:
    """Whether one thing stands so to another."""
    image, named = a_picture(state, front=True)
    one, two = two_things(state, image)
    relation = state.rng.choice(("left of", "right of", "above", "below", "left of", "right of", "next to", "inside"))
    slots = said(one, state.rng) | said(two, state.rng, "2")
    slots |= {"relation": state.rng.choice(RELATION_WORDS[relation]), "the picture": ""}
    return Request("stands", ended(worded(state, "stands", slots, own=True), named),
                   comparing.stands(image, one, relation, two))  # fmt: skip


def larger(state: State) -> Request:
    """Which of two things is larger, or further on a side."""
    image, named = a_picture(state, front=True)
    one, two = two_things(state, image)
    order = state.rng.choice(("largest", "largest", "largest", "smallest", *COMPARED))
    asked = state.rng.choice(("either", "more"))
    slots = (
        said(one, state.rng)
        | said(two, state.rng, "2")
        | {"comp": state.rng.choice(COMPARED[order]), "the picture": ""}
    )
    words = worded(state, "larger_either" if asked == "either" else "larger", slots, own=True)
    return Request("larger", ended(words, named), comparing.larger(image, one, two, asked, order))


_FEWER = lines("fewer")


_EQUAL = lines("equal")


def versus(state: State) -> Request:
    """Counts of two kinds compared, or added up."""
    rng = state.rng
    image, named = a_picture(state, front=True)
    one, two = (plain(some_facets(rng, state.sheet(image)), rng) for _ in range(2))
    while two.arguments["phrase"] == one.arguments["phrase"] or {"size"} & {*one.arguments, *two.arguments}:
        one, two = any_plain(rng, state.sheet(image)), any_plain(rng, None)
    asked = rng.choice(("more", "more", "fewer", "equal", "difference", "total", "either"))
    slots = said(one, rng) | said(two, rng, "2") | ({"the picture": ""} if named else {})
    if asked in ("fewer", "equal"):
        words = rng.choice(_FEWER if asked == "fewer" else _EQUAL)
        words = words.format(**{"things": slots["things"], "things2": slots["things2"]})
    elif asked in ("more", "either"):
        words = worded(state, "compare_more", slots)
        asked = "either" if re.search(r"\bor\b|^which", words.replace(one.many, "").replace(two.many, "")) else "more"
    else:
        words = worded(state, asked, slots)
    return Request("versus", ended(words, named), comparing.versus(image, one, two, asked))


def groups(state: State) -> Request:
    """Things counted by what they are."""
    rng = state.rng
    image, named = a_picture(state, front=True)
    facet = rng.choice(("color", "color", "material", "shape", "size"))
    target = plain({}, rng)
    if rng.random() < 0.5:
        target = plain({k: v for k, v in some_facets(rng, state.sheet(image)).items() if k not in (facet, "size")}, rng)
    asked = rng.choice(("each", "most"))
    slots = said(target, rng) | {"facet": rng.choice(FACET_WORDS[facet]), "the picture": ""}
    words = worded(state, "groups" if asked == "each" else "most", slots, own=True)
    if "{things}" not in words and target.many not in words and target.arguments["phrase"] != "everything":
        target = plain({}, rng) if all(word not in words for word in target.many.split()) else target
    return Request("groups", ended(words, named), comparing.grouped(image, target, plans.TELLS[facet], asked))


def distance(state: State) -> Request:
    """How far apart two things are."""
    image, named = a_picture(state, front=True)
    one, two = two_things(state, image)
    words = worded(state, "distance", said(one, state.rng) | said(two, state.rng, "2"), own=True)
    return Request("distance", ended(words, named), comparing.distance(image, one, two))


_IS = {key: lines(f"is_{key}") for key in ("color", "material", "shape", "size")}


def is_facet(state: State) -> Request:
    """Whether a thing has a colour, a material, a kind or a size."""
    rng = state.rng
    image, named = a_picture(state, front=True)
    sheet = state.sheet(image)
    facet = rng.choice(("color", "color", "material", "shape", "size"))
    target = draw_target(rng, sheet, one=True)
    if facet == "shape" or facet in (target.facets or {}):
        facts = {k: v for k, v in some_facets(rng, sheet, ("color",)).items() if k not in (facet, "shape")}
        target = plain(facts, rng) if facet == "shape" else ordered(rng, sheet)
    there = rng.choice(sheet.items).attributes if sheet is not None and sheet.items else None
    value = there[facet] if there else some_facets(rng, None, (facet,))[facet]
    words = said(target, rng)
    frame = rng.choice(_IS[facet]).format(
        t=words["the thing"], o=words["thing"], a=ADJECTIVES.get(value, value),
        v=rng.choice(SIZE_WORDS[value]) if facet == "size" else value,
    )  # fmt: skip
    return Request("is_facet", ended(frame, named), comparing.is_facet(facet, image, target, value))


def is_ordered(state: State) -> Request:
    """Whether a thing is the largest, the second from the left and the like."""
    rng = state.rng
    image, named = a_picture(state, front=True)
    place = ordered(rng, state.sheet(image))
    facets = some_facets(rng, state.sheet(image), ("shape",))
    one = plain({name: value for name, value in facets.items() if name != "size"}, rng)
    slots = said(one, rng)
    words = rng.choice(lines("is_ordered")).format(
        a=slots["the thing"], b=slots["a thing"], x=said(place, rng)["thing"]
    )
    return Request("is_ordered", ended(words, named), comparing.is_so(image, place, one))


_ALL_ARE = lines("all_are")


def all_are(state: State) -> Request:
    """Whether all of some things are of a colour or a material."""
    rng = state.rng
    image, named = a_picture(state, front=True)
    shape = plain(
        {"shape": some_facets(rng, state.sheet(image), ("shape",))["shape"]} if rng.random() < 0.8 else {}, rng
    )
    facet = rng.choice(("color", "color", "material", "size"))
    value = some_facets(rng, state.sheet(image), (facet,))[facet]
    words = said(shape, rng)
    frame = rng.choice(_ALL_ARE).format(t=words["things"], o=words["thing"], v={"wood": "wooden"}.get(value, value))
    return Request("all_are", ended(frame, named), comparing.all_are(image, shape, value))


_TWO = ("{a} {r} and {s}", "{a} {r} but also {s}", "{a} {r} and at the same time {s}", "{a} that are {r} and {s}")


def two_relations(state: State) -> Request:
    """What stands so to one thing and so to another."""
    rng = state.rng
    image, named = a_picture(state, front=True)
    sheet = state.sheet(image)
    first, second = two_things(state, image)
    kinds = ("left of", "right of", "above", "below", "next to")
    one, two = rng.sample(kinds, 2)
    base = plain({} if rng.random() < 0.6 else some_facets(rng, sheet), rng)
    place = f"{rng.choice(RELATION_WORDS[one])} the {first.one} and {rng.choice(RELATION_WORDS[two])} the {second.one}"
    target = Target(f"{base.one} {place}", f"{base.many} {place}",
                    base.arguments | {"relation": one, "anchor": anchor_phrase(first)})  # fmt: skip
    kind, told = rng.choice((("count", plans.told_count), ("exist", plans.told_exist), ("which", plans.told_which)))
    words = worded(state, kind, said(target, rng) | {"the picture": ""}, own=kind == "which")
    return Request("two_relations", ended(words, named), comparing.two_relations(image, target, two, second, told))


_SIZES = lines("sizes")


def size_query(state: State) -> Request:
    """How big something is."""
    image, named = a_picture(state, front=True)
    target = draw_target(state.rng, state.sheet(image), one=True)
    make: Any = partial(plans.query, "size")
    words = state.rng.choice(_SIZES).format(t=said(target, state.rng)["the thing"])
    return Request("size", ended(words, named), make(image, target), Last(make, image, target, True))


_DIFFERENT = lines("different")


def different(state: State) -> Request:
    """How many colours and the like there are."""
    rng = state.rng
    image, named = a_picture(state, front=True)
    facet = rng.choice(("color", "color", "material", "shape"))
    target = plain({}, rng)
    frame = rng.choice(_DIFFERENT)
    if "{t}" in frame and rng.random() < 0.6:
        target = plain({k: v for k, v in some_facets(rng, state.sheet(image)).items() if k not in (facet, "size")}, rng)
    words = frame.format(f=rng.choice(FACET_WORDS[facet]), t=target.many)
    return Request("different", ended(words, named), comparing.grouped(image, target, plans.TELLS[facet], "different"))


def how_many_are(state: State) -> Request:
    """How many of some things are, or are not, of a colour, a material or a size."""
    rng = state.rng
    image, named = a_picture(state, front=True)
    sheet = state.sheet(image)
    whole = plain({"shape": some_facets(rng, sheet, ("shape",))["shape"]}, rng)
    facet = rng.choice(("color", "color", "material", "material", "size"))
    value = some_facets(rng, sheet, (facet,))[facet]
    word = {"wood": "wooden"}.get(value, value)
    denied = facet != "size" and rng.random() < 0.3
    frame = rng.choice(lines("how_many_are_not" if denied else "how_many_are"))
    words = frame.format(**said(whole, rng, "2"), x=word)
    if denied:
        told = f"{whole.many} that are not {word}"
        arguments = whole.arguments | {"exceptions": [str(plain({facet: value}, rng).arguments["phrase"])]}
        target = Target(told.replace(whole.many, whole.one, 1), told, arguments)
    else:
        target = plain({facet: value} | (whole.facets or {}), rng)
    return Request("how_many_are", ended(words, named), plans.count(image, target), Last(plans.count, image, target))


def see_then(state: State) -> Request:
    """What stands so to a thing that the person names first."""
    rng = state.rng
    image, named = a_picture(state, front=True)
    anchor = one_thing(rng, state.sheet(image))
    relation = rng.choice(("left of", "right of", "above", "below", "next to", "nearest to"))
    place = rng.choice(RELATION_WORDS[relation])
    words = rng.choice(lines("see_then")).format(**said(anchor, rng), place=place)
    arguments = {"phrase": "everything", "relation": relation, "anchor": anchor_phrase(anchor)}
    target = Target(f"thing {place} the {anchor.one}", f"things {place} the {anchor.one}", arguments,
                    anchors=(anchor.one,))  # fmt: skip
    return Request("see_then", ended(words, named), plans.which(image, target), Last(plans.which, image, target))


def facet_short(state: State) -> Request:
    """A facet of a thing in as few words as can be."""
    rng = state.rng
    image, named = a_picture(state, front=True)
    target = draw_target(rng, state.sheet(image), one=True)
    facet = rng.choice((*QUERIES, "size"))
    make: Any = partial(plans.query, facet)
    words = rng.choice(lines("facet_short")).format(**said(target, rng), facet=rng.choice(FACET_WORDS[facet]))
    return Request("facet_short", ended(words, named), make(image, target), Last(make, image, target, True))


_CROP_ALL = lines("crop_all")


def do_all(state: State) -> Request:
    """Several things cut out or cropped at once."""
    rng = state.rng
    image, named = a_picture(state, front=True)
    target = draw_target(rng, state.sheet(image))
    frame = rng.choice(_CROP_ALL)
    if "{color}" in frame:
        target = plain({"color": some_facets(rng, state.sheet(image), ("color",))["color"]}, rng)
    slots = said(target, rng) | {"color": (target.facets or {}).get("color", "")}
    how = "crop" if "crop" in frame else "cut"
    make = partial(plans.do, how)
    return Request("do", ended(frame.format(**slots), named), make(image, target),
                   Last(make, image, target))  # pyright: ignore[reportArgumentType]  # fmt: skip


def ordered_query(state: State) -> Request:
    """A facet of the largest, the second from the left, and so on."""
    image, named = a_picture(state, front=True)
    target = ordered(state.rng, state.sheet(image))
    facet = state.rng.choice(QUERIES)
    make: Any = partial(plans.query, facet)
    words = worded(state, facet, said(target, state.rng) | {"the picture": ""})
    return Request("query", ended(words, named), make(image, target), Last(make, image, target, True))


count = of_kind("count", plans.count, one=False)


exist = of_kind("exist", plans.exist, one=False)


doing = [of_kind(kind, partial(plans.do, how), one=True)  # pyright: ignore[reportArgumentType]
          for kind, how in (("cut_out", "cut"), ("crop", "crop"), ("outline", "outline"))]  # fmt: skip


queries = [of_kind(facet, partial(plans.query, facet), one=True) for facet in QUERIES]  # pyright: ignore


where = of_kind("where", plans.where, one=True)  # pyright: ignore[reportArgumentType]
