"""Requests that lean on what was said: ellipsis, "it" and "them", corrections, complaints, several requests at once."""

from __future__ import annotations

import random
import re
from functools import partial
from typing import Any

from ...scenes.language.phrases import SIZE_WORDS
from ...scenes.scene import COLORS, MATERIALS
from . import plans
from .chatter import NO_THING
from .making import edit_it
from .plans import Plan, Seen
from .qualities import it_is
from .requests import JOINED, draw_request
from .state import Last, Request, State
from .targets import (
    ADJECTIVES,
    ORDER_WORDS,
    RANKS,
    RELATION_WORDS,
    Target,
    anchor_phrase,
    draw_target,
    one_thing,
    plain,
    typed,
)
from .things import QUERIES
from .wording import FACET_WORDS, TYPOS, lines, said, worded

# Of the same things in other words: {x} is a noun phrase with its article or in the plural.
_AND = lines("and")
_PICTURE = lines("picture")
_MEANT = lines("meant")
_WRONG = lines("wrong")
_IT_FACET = {key: lines(f"it_facet_{key}") for key in ("color", "material", "shape", "size")}
_IT_WHERE = lines("it_where")
_IT_DO = {key: lines(f"it_do_{key}") for key in ("cut", "crop", "outline")}
_IT_READ = lines("it_read")
_IT_DESCRIBE = lines("it_describe")
_THEM_COUNT = lines("them_count")
_THEM_EXIST = lines("them_exist")
_THEM_WHICH = lines("them_which")
_THEM_NOT = lines("them_not")
_THEM_ORDER = lines("them_order")
_THEM_RANK = lines("them_rank")
_THEM_FACET = lines("them_facet")
_THEM_SAME = lines("them_same")
_THEM_WHERE = lines("them_where")
_BESIDE = lines("beside_it")
_IT = ("it", "it", "it", "that", "that one", "this one", "the thing", "that thing")
_THEM = ("them", "them", "those", "these", "them all")
_OTHER = lines("other")


def _fill(frame: str, rng: random.Random, **words: str) -> str:
    return frame.format(it=rng.choice(_IT), them=rng.choice(_THEM), those=rng.choice(("those", "these", "them")),
                        that=rng.choice(("that", "that one")), **words)  # fmt: skip


def follow_up(state: State) -> Request | None:
    """A request that leans on the last one; None where nothing fits."""
    rng, last = state.rng, state.last
    options: list[tuple[Any, float]] = []
    if last.again is not None and last.target is not None:
        options += [(_ellipsis, 10), (_correction, 5), (_complaint, 5)]
        if len(state.given) > 1:
            options.append((_other_picture, 7))
    if last.more is not None:
        options.append((last.more, 16))
    if len(state.it) == 1:
        options += [(_it, 10), (_beside_it, 4), (it_is, 4)]
    if len(state.it) > 1:
        options += [(_them, 12), (it_is, 1.5)]
    if state.it and len({state.workspace.region(handle).image for handle in state.it}) == 1:
        options += [(edit_it, 4)]
    if len(state.it) == 2 and last.again is not None:
        options += [(_the_other, 2)]
    if not options:
        return None
    return rng.choices([draw for draw, _ in options], [weight for _, weight in options])[0](state)


def _again(state: State, target: Target, image: str | list[str], words: str, kind: str) -> Request:
    last = state.last
    assert last.again is not None
    return Request(kind, words, last.again(image, target), Last(last.again, image, target, last.one))


def _changed(state: State) -> tuple[Target, str]:
    """Another target than the last one, and how it is put: "the blue one", "balls", "the small ones"."""
    rng, last = state.rng, state.last
    old = last.target
    assert old is not None
    sheet = state.sheet(last.image if isinstance(last.image, str) else last.image[0])
    facets = old.facets
    end = "one" if last.one else rng.choice(("ones", "ones", "one"))
    if facets and rng.random() < 0.65:
        change = rng.choice(("color", "color", "color", "shape", "shape", "material", "size"))
        value = _other_value(change, facets.get(change), sheet, rng)
        if change == "shape":
            kept = {"color": facets["color"]} if "color" in facets and rng.random() < 0.0 else {}
            target = plain(kept | {"shape": value}, rng)
            return target, f"the {target.one}" if last.one else rng.choice((target.many, f"the {target.many}"))
        kept = {name: old for name, old in facets.items() if name not in ("size", change)} if change == "size" else {}
        target = plain(kept | {change: value}, rng)
        if change != "size" and "shape" in facets:
            target = plain({change: value, "shape": facets["shape"]}, rng)
        word = ADJECTIVES.get(value, value) if change != "size" else rng.choice(SIZE_WORDS[value])
        return target, f"the {word} {end}" if rng.random() < 0.75 else f"{'a ' if last.one else ''}{word} {end}"
    if old.anchors and old.before is None and rng.random() < 0.6 and "anchor2" not in old.arguments:
        if rng.random() < 0.5:
            relation = rng.choice(("left of", "right of", "above", "below", "next to"))
            words = rng.choice(RELATION_WORDS[relation])
            target = Target(f"thing {words} it", f"things {words} the {old.anchors[0]}",
                            old.arguments | {"relation": relation}, anchors=old.anchors)  # fmt: skip
            return target, rng.choice((f"{words} it", f"{words} the {old.anchors[0]}"))
        anchor = one_thing(rng, sheet)
        relation = str(old.arguments["relation"])
        words = rng.choice(RELATION_WORDS[relation])
        target = Target(f"thing {words} the {anchor.one}", f"things {words} the {anchor.one}",
                        old.arguments | {"anchor": anchor_phrase(anchor)}, anchors=(anchor.one,))  # fmt: skip
        return target, rng.choice((f"{words} the {anchor.one}", f"the {anchor.one}"))
    target = draw_target(rng, sheet, one=last.one)
    return target, f"the {target.one}" if last.one else rng.choice((target.many, f"the {target.many}"))


def _other_value(name: str, old: str | None, sheet: Any, rng: random.Random) -> str:
    from ...scenes.scene import SHAPES

    pool = {"color": tuple(COLORS), "material": MATERIALS, "shape": SHAPES, "size": ("small", "large")}[name]
    there = [item.attributes[name] for item in sheet.items] if sheet is not None else []
    options = [value for value in (there if rng.random() < 0.75 and there else pool) if value != old]
    return rng.choice(options or [value for value in pool if value != old])


def _ellipsis(state: State) -> Request:
    target, words = _changed(state)
    text = state.rng.choice(_AND).format(x=typed(words, state.rng, TYPOS))
    return _again(state, target, state.last.image, text, "ellipsis")


def _correction(state: State) -> Request:
    target, words = _changed(state)
    text = state.rng.choice(_MEANT).format(x=typed(words, state.rng, TYPOS))
    return _again(state, target, state.last.image, text, "correction")


def _other_picture(state: State) -> Request:
    rng = state.rng
    old = state.last.image
    others = [handle for handle in state.given if handle != old]
    target = state.last.target
    assert target is not None
    if (
        isinstance(old, str)
        and rng.random() < 0.15
        and target.before is None
        and state.last.again in (plans.count, plans.exist)
    ):
        words = rng.choice(
            ("and in both?", "and in all of them?", "and altogether?", "in both pictures together?", "and in total?")
        )
        return _again(state, target, list(state.given[:4]), words, "other_picture")
    image = rng.choice(others)
    at = state.given.index(image)
    ways = [
        image,
        f"the {('first', 'second', 'third', 'fourth')[min(at, 3)]} {rng.choice(('picture', 'one', 'image'))}",
    ]
    ways += ["the other picture", "the other one", "the other image"] if len(state.given) == 2 else []
    ways += ["the last one", "the last picture"] if at == len(state.given) - 1 else []
    ways += ["the first one I sent"] if at == 0 else []
    words = rng.choice(_PICTURE).format(p=rng.choice(ways))
    if rng.random() < 0.15:
        words = rng.choice(("no, i meant in {p}", "sorry, {p}", "not this picture, {p}", "i meant {p}")).format(
            p=rng.choice(ways)
        )
    return _again(state, target, image, words, "other_picture")


def _complaint(state: State) -> Request:
    last = state.last
    assert last.again is not None
    assert last.target is not None
    plan = _looked_again(last.again(last.image, last.target))
    return Request("complaint", state.rng.choice(_WRONG), plan, last)


def _looked_again(plan: Plan) -> Plan:
    answer = yield from plan
    return f"I looked again. {answer}"


def _the_other(state: State) -> Request:
    return _regions(state, "the_other", state.rng.choice(_OTHER), [state.it[1]], {"tell": ["color"]},
                    lambda seen, at: f"The other one: {plans.n('list', at)}, {plans.n('color', at)}.")  # fmt: skip


def _regions(state: State, kind: str, words: str, handles: list[str], arguments: dict[str, Any], told: Any) -> Request:
    return Request(kind, words, plans.among(handles, arguments, told), state.last)


def _it(state: State) -> Request:
    rng = state.rng
    handle = state.it[0]
    draw = rng.random()
    if draw < 0.4:
        facet = rng.choice((*QUERIES, "color", "size"))
        words = _fill(rng.choice(_IT_FACET[facet]), rng)
        return _regions(state, "it_facet", words, [handle], {"tell": [plans.TELLS[facet]]},
                        lambda seen, at: plans.is_(facet, "It", at))  # fmt: skip
    if draw < 0.55:
        return _regions(state, "it_where", _fill(rng.choice(_IT_WHERE), rng), [handle], {},
                        lambda seen, at: f"It is here: {plans.n('place', at)}, in the box {plans.n('box', at)} "
                        f"({plans.n('regions', at)}).")  # fmt: skip
    if draw < 0.82:
        how = rng.choice(("cut", "cut", "crop", "outline"))
        return Request("it_do", _fill(rng.choice(_IT_DO[how]), rng), plans.made([handle], 0, how), state.last)
    if draw < 0.92:
        return Request("it_read", _fill(rng.choice(_IT_READ), rng), _read(handle), state.last)
    return Request("it_describe", _fill(rng.choice(_IT_DESCRIBE), rng),
                   plans.say("describe_image", {"image": handle}, "{description}"), state.last)  # fmt: skip


def _read(handle: str) -> Plan:
    (seen,) = yield [("read_text", {"image": handle})]
    return plans.told_words(seen, 1)


def _beside_it(state: State) -> Request:
    rng = state.rng
    relation = rng.choice(("left of", "right of", "above", "below", "next to", "nearest to", "left of", "right of"))
    words = rng.choice(RELATION_WORDS[relation])
    frame = rng.choice(_BESIDE)
    target = Target(f"thing {words} it", f"things {words} it",
                    {"phrase": "everything", "relation": relation, "anchor": state.it[0]}, anchors=("it",))  # fmt: skip
    make: Any = plans.which
    if frame.startswith(("how many", "count")):
        make = plans.count
    elif frame.startswith(("is there", "anything")):
        make = plans.exist
    return Request("beside_it", _fill(frame, rng, r=words), make(state.image, target), state.last)


def _them(state: State) -> Request:
    rng = state.rng
    handles = state.it
    draw = rng.random()
    facet = rng.choice(("color", "color", "material"))
    value = _other_value(facet, None, state.sheet(state.image), rng)
    word = ADJECTIVES.get(value, value)
    thing = plain({facet: value}, rng).arguments
    named = Target(f"{word} one", f"{word} ones", thing)
    if rng.random() < 0.2:
        size = rng.choice(("small", "large"))
        word = rng.choice(SIZE_WORDS[size])
        named = Target(f"{word} one", f"{word} ones", {"phrase": "everything", "size": size})
    if draw < 0.2:
        return _regions(state, "them_count", _fill(rng.choice(_THEM_COUNT), rng, x=word), handles, named.arguments,
                        lambda seen, at: plans.told_count(named, seen, at))  # fmt: skip
    if draw < 0.27:
        return _regions(state, "them_exist", _fill(rng.choice(_THEM_EXIST), rng, x=word), handles, named.arguments,
                        lambda seen, at: plans.told_exist(named, seen, at))  # fmt: skip
    if draw < 0.37:
        return _regions(state, "them_which", _fill(rng.choice(_THEM_WHICH), rng, x=word), handles, named.arguments,
                        lambda seen, at: _which_told(named, seen, at))  # fmt: skip
    if draw < 0.44 and "size" not in named.arguments:
        frame = rng.choice(_THEM_NOT)
        other = Target(f"one that is not {word}", f"ones that are not {word}", {})
        told: Any = plans.told_count if frame.startswith("how many") else _which_told
        arguments = {"phrase": "everything", "exceptions": [named.arguments["phrase"]]}
        return _regions(state, "them_not", _fill(frame, rng, x=word), handles, arguments,
                        lambda seen, at: told(other, seen, at))  # fmt: skip
    if draw < 0.62:
        order = rng.choice(tuple(ORDER_WORDS))
        words = _fill(rng.choice(_THEM_ORDER), rng, s=rng.choice(ORDER_WORDS[order]))
        return _regions(state, "them_order", words, handles,
                        {"order": order, "at_most": 1}, lambda seen, at: f"That is {plans.n('list', at)}.")  # fmt: skip
    if draw < 0.68:
        rank = rng.randrange(1, min(4, len(handles) + 1))
        side, order = rng.choice(
            (("left", "leftmost"), ("right", "rightmost"), ("top", "topmost"), ("bottom", "bottommost"))
        )
        words = rng.choice(_THEM_RANK).format(r=RANKS[rank - 1], f=side)
        return _regions(state, "them_rank", words, handles, {"order": order, "rank": rank},
                        lambda seen, at: f"That is {plans.n('list', at)}.")  # fmt: skip
    name = rng.choice(("color", "color", "material", "size"))
    if draw < 0.8:
        words = _fill(rng.choice(_THEM_FACET), rng, f=rng.choice(FACET_WORDS[name]))
        return _regions(state, "them_facet", words, handles, {"tell": [plans.TELLS[name]]},
                        lambda seen, at: f"{plans.n('each', at)}.")  # fmt: skip
    if draw < 0.87:
        words = _fill(rng.choice(_THEM_SAME), rng, f=rng.choice(FACET_WORDS[name]))
        return _regions(state, "them_same", words, handles, {"tell": [plans.TELLS[name]]},
                        lambda seen, at: f"{plans.n('same', at)}: {plans.n('each', at)}.")  # fmt: skip
    if draw < 0.92:
        return _regions(state, "them_where", _fill(rng.choice(_THEM_WHERE), rng), handles, {},
                        lambda seen, at: f"{plans.n('places', at)}.")  # fmt: skip
    how = rng.choice(("cut", "crop", "outline"))
    everyone = "both" if len(handles) == 2 else "each of them"
    words = rng.choice(_IT_DO[how]).format(it=rng.choice(("them", "those", "them all", "all of them", everyone)))
    return Request("them_do", words, plans.made(handles, 0, how), state.last)


def _which_told(target: Target, seen: Seen, at: int) -> str:
    if not seen.count:
        return f"None of them is {target.one.removesuffix(' one').removeprefix('one that is ')}."
    return f"{'That is' if seen.count == 1 else 'These are'} {plans.n('list', at)}."


# Several requests in one message --------------------------------------------------------------------------------------

_TWO, _THREE = lines("several_two"), lines("several_three")


def several(state: State) -> Request:
    """Two or three requests in one message: short ones mostly, as people put them when they have several."""
    rng = state.rng
    frame = rng.choice(_TWO if rng.random() < 0.8 else _THREE)
    tries = 3 if rng.random() < 0.6 else 1
    parts = [min((rng.choice(JOINED)(state) for _ in range(tries)), key=lambda one: len(one.words))
             for _ in range(3 if "{r}" in frame else 2)]  # fmt: skip
    words = [re.sub(r"[?.! ]+$", "", one.words) for one in parts]
    text = frame.replace("\\n", "\n").format(p=words[0], q=words[1], r=words[-1])
    return Request("several", text, plans.together([one.plan for one in parts]), Last())


_BOTH = {key: lines(f"both_{key}") for key in ("material", "where", "count", "exist")}


def both(state: State) -> Request:
    """One thing asked of two: "what colour are the cube and the ball", with a call for each."""
    rng = state.rng
    image = state.image
    sheet = state.sheet(image)
    one, two = (draw_target(rng, sheet, one=True) for _ in range(2))
    while one.before is not None or two.before is not None or one.one == two.one:
        one, two = (draw_target(rng, sheet, one=True) for _ in range(2))
    kind = rng.choice(("color", "color", "material", "where", "count", "exist"))
    if kind == "color":
        words = worded(state, "facets_of_two", said(one, rng) | said(two, rng, "2"), own=True)
        made = [plans.query("color", image, target) for target in (one, two)]
    elif kind == "material":
        words = rng.choice(_BOTH["material"])
        made = [plans.query("material", image, target) for target in (one, two)]
    elif kind == "where":
        words = rng.choice(_BOTH["where"])
        made = [plans.where(image, target) for target in (one, two)]
    elif kind == "count":
        words = rng.choice(_BOTH["count"])
        made = [plans.count(image, target) for target in (one, two)]
    else:
        words = rng.choice(_BOTH["exist"])
        made = [plans.exist(image, target) for target in (one, two)]
    slots = said(one, rng) | said(two, rng, "2")
    words = words.format(a=slots["thing"], b=slots["thing2"], c=slots["things"], d=slots["things2"])
    return Request("both", words, plans.together(made), Last())


def no_thing(state: State) -> Request:
    """What "it" is, where nothing was spoken of."""
    facet = state.rng.choice(QUERIES)
    return Request("no_thing", _fill(state.rng.choice(_IT_FACET[facet][1:]), state.rng), plans.only(NO_THING))


def draw_any(state: State, followed: float) -> Request:
    """A request: one that leans on the last (`followed` of the time, where there is one), several at once, or new."""
    rng = state.rng
    if rng.random() < followed:
        made = follow_up(state)
        if made is not None:
            return made
    draw = rng.random()
    if draw < 0.13:
        return several(state)
    if draw < 0.19:
        return both(state)
    return draw_request(state)


EACH = partial(draw_any, followed=0.6)
