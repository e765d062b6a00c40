"""Requests by what things are and are not at once, and about all of a kind: "metal but not large", "are both red"."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from ...scenes.language.phrases import SIZE_WORDS
from ...scenes.scene import COLORS, MATERIALS
from . import comparing, plans
from .plans import Plan
from .state import Last, Request, State
from .targets import ADJECTIVES, Target, plain, some_facets, typed
from .things import QUERIES, count, exist
from .wording import FACET_WORDS, TYPOS, a_picture, ended, lines, said, worded

POOLS: dict[str, tuple[str, ...]] = {"color": tuple(COLORS), "material": MATERIALS, "size": ("small", "large")}
_NOUNS = (("things", "thing"), ("things", "thing"), ("objects", "object"), ("items", "item"), ("shapes", "shape"))
_TOLD: dict[str, Callable[..., Plan]] = {"count": plans.count, "which": plans.which, "exist": plans.exist}


def _adjective(name: str, value: str, rng: random.Random) -> str:
    """A facet's value as it is said after "are": "wooden", "made of wood", "big"."""
    if name == "size":
        return rng.choice(SIZE_WORDS[value])
    if name == "material":
        return rng.choice((ADJECTIVES[value], value, f"made of {value}", f"made out of {value}"))
    return value


def _value(state: State, image: str, name: str) -> str:
    sheet = state.sheet(image)
    if sheet is not None and sheet.items and state.rng.random() < 0.75:
        return state.rng.choice(sheet.items).attributes[name]
    return state.rng.choice(POOLS[name])


def _kind(state: State, image: str) -> str:
    return some_facets(state.rng, state.sheet(image), ("shape",))["shape"]


def _asked(state: State, kind: str, target: Target, **slots: str) -> Request:
    """A request of a kind, put in one of the ways of its files: `kind`_count, `kind`_which or `kind`_exist."""
    rng = state.rng
    image, named = a_picture(state, front=True)
    how = rng.choice(("count", "count", "which", "exist"))
    many, one = rng.choice(_NOUNS)
    words = rng.choice(lines(f"{kind}_{how}")).format(w=many, o=one, **slots)
    make: Any = _TOLD[how]
    return Request(kind, ended(typed(words, rng, TYPOS), named), make(image, target), Last(make, image, target))


def at_once(state: State) -> Request:
    """What is both: "how many are small and wooden"."""
    rng = state.rng
    first, second = rng.sample(tuple(POOLS), 2)
    facets = {first: _value(state, state.image, first), second: _value(state, state.image, second)}
    words = {name: _adjective(name, value, rng) for name, value in facets.items()}
    target = plain({name: facets[name] for name in ("size", "color", "material") if name in facets}, rng)
    return _asked(state, "at_once", target, x=words[first], y=words[second])


def bare_not(state: State) -> Request:
    """What is not so, without saying what kind of thing is meant: "which ones are not wood"."""
    rng = state.rng
    name = rng.choice(("color", "color", "color", "material", "material", "size", "shape"))
    value = some_facets(rng, state.sheet(state.image), (name,))[name]
    kept: dict[str, Any] = {"phrase": "everything"}
    if name == "size":
        said_so = _adjective(name, value, rng)
        kept["size"] = "large" if value == "small" else "small"
    else:
        denied = [plain({name: value}, rng)]
        said_so = denied[0].a if name == "shape" else _adjective(name, value, rng)
        other = "" if name == "shape" else _value(state, state.image, name)
        if rng.random() < 0.25 and other not in ("", value):
            denied.append(plain({name: other}, rng))
            said_so += f" {rng.choice(('or', 'nor'))} {_adjective(name, other, rng)}"
        kept["exceptions"] = [str(one.arguments["phrase"]) for one in denied]
    target = Target(f"thing that is not {said_so}", f"things that are not {said_so}", kept)
    return _asked(state, "bare_not", target, x=said_so)


def but_not(state: State) -> Request:
    """What is so and not so: "whatever is metal but not large"."""
    rng = state.rng
    first, second = rng.sample(tuple(POOLS), 2)
    kept, gone = _value(state, state.image, first), _value(state, state.image, second)
    many, one = rng.choice(_NOUNS)
    pair = rng.choice(lines("but_not")).format(x=_adjective(first, kept, rng), y=_adjective(second, gone, rng))
    arguments: dict[str, Any] = dict(plain({first: kept}, rng).arguments)
    if second == "size":
        arguments["size"] = "large" if gone == "small" else "small"
    else:
        arguments["exceptions"] = [str(plain({second: gone}, rng).arguments["phrase"])]
    target = Target(f"{one} that is {pair}", f"{many} that are {pair}", arguments)
    how = rng.choice(("count", "which", "exist"))
    words = {
        "count": (f"how many {many} are {pair}", f"count the {many} that are {pair}", f"how many are {pair}",
                  f"count whatever is {pair}"),
        "which": (f"which {many} are {pair}", f"point out whatever is {pair}", f"show me what is {pair}",
                  f"what's {pair}", f"find everything that is {pair}", f"which one is {pair}"),
        "exist": (f"is there anything that's {pair}", f"is anything {pair}", f"anything {pair}?",
                  f"is there {target.a}"),
    }[how]  # fmt: skip
    image, named = a_picture(state, front=True)
    make: Any = _TOLD[how]
    return Request("but_not", ended(typed(rng.choice(words), rng, TYPOS), named), make(image, target),
                   Last(make, image, target))  # fmt: skip


def _twins(state: State, image: str) -> Target:
    """A kind of thing of which there are several, where there is one."""
    sheet = state.sheet(image)
    shapes = [item.attributes["shape"] for item in sheet.items] if sheet is not None else []
    several = sorted({shape for shape in shapes if shapes.count(shape) > 1})
    if several and state.rng.random() < 0.8:
        return plain({"shape": state.rng.choice(several)}, state.rng)
    return plain({"shape": some_facets(state.rng, sheet, ("shape",))["shape"]}, state.rng)


def both_of(state: State) -> Request:
    """Whether both of a kind are so: "are both cubes red"."""
    rng = state.rng
    image, named = a_picture(state, front=True)
    target, name = _twins(state, image), rng.choice(tuple(POOLS))
    value = _value(state, image, name)
    words = rng.choice(lines("both_of")).format(**said(target, rng), v=_adjective(name, value, rng))
    return Request("both_of", ended(words, named), comparing.all_are(image, target, value))


def alike(state: State) -> Request:
    """Whether things of a kind are alike in a facet: "are the two houses the same colour"."""
    rng = state.rng
    image, named = a_picture(state, front=True)
    target, facet = _twins(state, image), rng.choice(("color", "color", "material", "size"))
    frame = rng.choice(lines("alike"))
    words = frame.format(**said(target, rng), f=rng.choice(FACET_WORDS[facet]))
    denied = "differ" in frame
    return Request("alike", ended(words, named), comparing.alike(image, target, plans.TELLS[facet], denied))


def than_else(state: State) -> Request:
    """Whether some are more than all the rest."""
    rng = state.rng
    image, named = a_picture(state, front=True)
    facets = {name: value for name, value in some_facets(rng, state.sheet(image)).items() if name != "size"}
    if not facets:
        return count(state)
    target = plain(facets, rng)
    words = worded(state, "than_else", said(target, rng), own=True)
    return Request("than_else", ended(words, named), comparing.than_rest(image, target))


def how_many_pictures(state: State) -> Request:
    """In how many pictures something is."""
    rng = state.rng
    if len(state.given) < 2:
        return exist(state)
    images = list(state.given[:4])
    target = plain(some_facets(rng, state.sheet(rng.choice(images)), (rng.choice(QUERIES),)), rng)
    words = worded(state, "how_many_pictures", said(target, rng), own=True)
    return Request("how_many_pictures", words, comparing.grouped(images, target, "picture", "pictures"))


def except_has(state: State) -> Request:
    """What is so, some things left aside: "other than the star, is there something yellow"."""
    rng = state.rng
    image, named = a_picture(state, front=True)
    gone = plain({"shape": _kind(state, image)}, rng)
    name = rng.choice(("color", "color", "material"))
    value = _value(state, image, name)
    kept = plain({name: value}, rng)
    frame, how = rng.choice(lines("except_has")).split("|")
    slots = said(gone, rng)
    those = rng.choice((slots["the thing"], slots["the thing"], f"the {slots['things']}", slots["things"]))
    words = frame.format(x=those, y=_adjective(name, value, rng))
    target = Target(f"{kept.one} except the {gone.one}", f"{kept.many} except the {gone.many}",
                    kept.arguments | {"exceptions": [str(gone.arguments["phrase"])]})  # fmt: skip
    make: Any = _TOLD[how]
    return Request("except_has", ended(words, named), make(image, target), Last(make, image, target))


_IS = {name: lines(f"is_{name}") for name in (*POOLS, "shape")}


def it_is(state: State) -> Request:
    """Whether what was spoken of last is so: "is it metal"; of several, whether all are."""
    rng = state.rng
    name = rng.choice(("color", "color", "material", "material", "shape", "size"))
    value = _kind(state, state.image) if name == "shape" else _value(state, state.image, name)
    if len(state.it) > 1:
        frame = rng.choice(lines("them_are")).replace("{x}", _adjective(name, value, rng) if name != "shape" else
                                                      plain({name: value}, rng).many)  # fmt: skip
        words = frame.format(them=rng.choice(("them", "those", "these")), those=rng.choice(("those", "these", "them")))
        plan = plans.among(state.it[:20], {"are": value}, lambda seen, at: _all_told(at))
        return Request("them_are", words, plan, state.last)
    frame = rng.choice(_IS[name])
    words = frame.format(t=rng.choice(("it", "it", "it", "that", "that one", "this one")), o="one",
                         a=ADJECTIVES.get(value, value),
                         v=rng.choice(SIZE_WORDS[value]) if name == "size" else value)  # fmt: skip
    tell = plans.TELLS[name]
    plan = plans.among(state.it, {"tell": [tell], "are": value}, lambda seen, at: (
        f"{plans.n('are', at)}, {plans.is_(name, 'it', at)[:-1]} ({plans.n('regions', at)})."))  # fmt: skip
    return Request("it_is", words, plan, state.last)


def _all_told(at: int) -> str:
    return f"{plans.n('are', at)}, {plans.n('so', at)} of {plans.n('count', at)}: {plans.n('regions', at)}."
