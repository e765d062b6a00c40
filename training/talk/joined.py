"""Requests that join two wants: a look and a cut, two facets of one thing, what two things have in common."""

from __future__ import annotations

from functools import partial
from typing import Any

from . import comparing, plans
from .plans import Plan, Seen, n
from .state import Last, Request, State
from .targets import RELATION_WORDS, Target, anchor_phrase, draw_target, one_thing, plain, some_facets
from .things import two_things
from .wording import FACET_WORDS, a_picture, ended, lines, said, worded

_PLACES = ("left of", "right of", "above", "below", "next to", "nearest to", "farthest from")
_FACETS = ("color", "material", "size")


def look_then(state: State) -> Request:
    """Look for something, then cut it out or crop it: "what's left of the bottle? cut that out"."""
    rng = state.rng
    image, named = a_picture(state, front=True)
    sheet = state.sheet(image)
    how = rng.choice(("cut", "crop"))
    frame = rng.choice(lines(f"look_then_{how}"))
    if "{q}" in frame:
        anchor, relation = one_thing(rng, sheet), rng.choice(_PLACES)
        place = f"{rng.choice(RELATION_WORDS[relation])} the {anchor.one}"
        arguments = {"phrase": "everything", "relation": relation, "anchor": anchor_phrase(anchor)}
        target = Target(f"thing {place}", f"things {place}", arguments, anchors=(anchor.one,))
        words = frame.format(q=rng.choice(("what's {p}", "what is {p}", "which thing is {p}")).format(p=place))
    elif "{b}" in frame:
        name = rng.choice(("color", "material"))
        facets = {name: some_facets(rng, sheet, (name,))[name]}
        target = plain(facets, rng)
        words = frame.format(b={"wood": "wooden"}.get(facets[name], facets[name]))
    else:
        target = draw_target(rng, sheet, one=rng.random() < 0.5)
        slots = said(target, rng)
        words = frame.format(x=slots["the thing"] if rng.random() < 0.6 else f"all {slots['things']}")
    make: Any = partial(plans.do, how)
    return Request("look_then", ended(words, named), make(image, target), Last(make, image, target))


def done_then_placed(state: State) -> Request:
    """A thing cut out, and what stands so to it: "cut out the mug, then say what is left of it"."""
    rng = state.rng
    image, named = a_picture(state, front=True)
    target, relation = one_thing(rng, state.sheet(image)), rng.choice(_PLACES)
    how, frame = rng.choice(lines("do_then_placed")).split("|")
    place = rng.choice(RELATION_WORDS[relation])
    arguments = {"phrase": "everything", "relation": relation, "anchor": anchor_phrase(target)}
    beside = Target(f"thing {place} the {target.one}", f"things {place} the {target.one}", arguments,
                    anchors=(target.one,))  # fmt: skip
    words = frame.format(x=said(target, rng)["thing"], place=place)
    plan = plans.together([plans.do(how, image, target), plans.which(image, beside)])
    return Request("done_then_placed", ended(words, named), plan, Last(plans.which, image, beside))


def where_and_color(state: State) -> Request:
    """Where a thing is and of what colour, or whether there is one and of what colour: told by one call."""
    rng = state.rng
    image, named = a_picture(state, front=True)
    target = draw_target(rng, state.sheet(image), one=True)
    frame = rng.choice(lines("where_facet"))
    slots = said(target, rng)
    told = _there_and_color if "{t0}" in frame else _where_and_color

    def make(image: str | list[str], target: Target) -> Plan:
        return plans.look_for(image, target, told, tell=["color"])

    words = frame.format(t=slots["the thing"], t0=slots["a thing"])
    return Request("where_and_color", ended(words, named), make(image, target), Last(make, image, target, True))


def _where_and_color(target: Target, seen: Seen, at: int) -> str:
    if not seen.count:
        return plans.nothing(target, seen)
    if seen.count > 1:
        return f"{n('places', at)}; {n('each', at)}."
    return f"The {target.one} is here: {n('place', at)} ({n('regions', at)}). It is {n('color', at)}."


def _there_and_color(target: Target, seen: Seen, at: int) -> str:
    if not seen.count:
        return plans.told_exist(target, seen, at)
    return f"Yes, {n('count', at)}: {n('each', at)}."


def two_facets(state: State) -> Request:
    """Two facets of one thing, told by one call."""
    rng = state.rng
    image, named = a_picture(state, front=True)
    target = draw_target(rng, state.sheet(image), one=True)
    second = rng.choice(("material", "material", "size"))
    frame = rng.choice(lines("two_facets" if second == "material" else "two_facets_size"))

    def make(image: str | list[str], target: Target) -> Plan:
        return plans.look_for(image, target, partial(_two_told, second), tell=["color", second])

    words = frame.format(t=said(target, rng)["the thing"])
    return Request("two_facets", ended(words, named), make(image, target), Last(make, image, target, True))


def _two_told(second: str, target: Target, seen: Seen, at: int) -> str:
    if not seen.count:
        return plans.nothing(target, seen)
    if seen.count > 1:
        return f"{n('each', at)}."
    made = "made of " if second == "material" else ""
    return f"The {target.one} ({n('regions', at)}) is {n('color', at)} and {made}{n(second, at)}."


def in_common(state: State) -> Request:
    """The facet that two things share."""
    rng = state.rng
    image, named = a_picture(state, front=True)
    one, two = two_things(state, image)
    facet = rng.choice(("color", "color", "material"))
    words = rng.choice(lines("in_common")).format(
        f=rng.choice(FACET_WORDS[facet]), a=said(one, rng)["the thing"], b=said(two, rng)["the thing"]
    )
    return Request("in_common", ended(words, named), comparing.same(facet, image, one, two),
                   Last(more=partial(_same_too, image, one, two)))  # fmt: skip


def same(state: State) -> Request:
    """Whether two things are alike in a facet."""
    rng = state.rng
    image, named = a_picture(state, front=True)
    one, two = two_things(state, image)
    facet = rng.choice(("color", "color", "material", "material", "size"))
    slots = said(one, rng) | said(two, rng, "2") | {"facet": rng.choice(FACET_WORDS[facet])}
    return Request("same", ended(worded(state, "same", slots, own=True), named),
                   comparing.same(facet, image, one, two), Last(more=partial(_same_too, image, one, two)))  # fmt: skip


def _same_too(image: str, one: Target, two: Target, state: State) -> Request:
    facet = state.rng.choice(_FACETS)
    words = state.rng.choice(lines("same_too")).format(f=state.rng.choice(FACET_WORDS[facet]))
    return Request("same_too", words, comparing.same(facet, image, one, two), state.last)
