"""Requests to make pictures and to change them: painted from words, things removed and recoloured, the whole edited."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import partial
from typing import Any

from ...scenes.language.phrases import article
from ...scenes.scene import COLORS, SHAPES
from . import plans
from .plans import Plan, Seen
from .state import Last, Request, State
from .targets import RELATION_WORDS, Target, draw_target, plain, stranger
from .wording import a_picture, ended, lines, said

Change = Callable[[list[str]], dict[str, Any]]  # regions -> an edit

_MAKE, _SEVERAL, _OTHER, _AGAIN = (lines(f"make_{key}") for key in ("picture", "several", "other", "again"))
_EDIT = {key: lines(f"edit_{key}") for key in ("remove", "replace", "recolour", "add", "hide", "hide_others")}
_WHOLE, _WIDTH, _COLLAGE, _IT = (lines(f"edit_{key}") for key in ("whole", "width", "collage", "it"))
_DEGREES, _PERCENT, _UNDO, _FIRST = (lines(f"edit_{key}") for key in ("degrees", "percent", "undo", "undo_first"))
_NUMBERS = ("two", "three", "four")
_PLACES = ("on the left", "on the right", "in the middle", "in the centre", "in the upper left corner", "at the top",
           "in the lower right corner", "at the bottom", "in the top right corner", "on the left side")  # fmt: skip
_BACKDROPS = ("on a desk", "on a street", "in a street", "on a shelf", "on a plain background", "on a table",
              "before a plain background", "on the desk", "standing on a shelf")  # fmt: skip
_COLORS = tuple(COLORS)
_OUTSIDE_COLORS = ("turquoise", "beige", "silver", "navy blue", "transparent", "golden", "magenta")
_SIDES = (100, 128, 200, 256, 300, 320, 400, 480, 500, 512, 600, 640, 720, 800, 1000, 1024, 1200, 1920)


# Painted from words ---------------------------------------------------------------------------------------------------


def paint(state: State) -> Request:
    """A new picture from words; several now and then."""
    rng = state.rng
    words = _described(rng)
    if rng.random() < 0.1:
        count = rng.choice((2, 2, 3, 3, 4))
        number = rng.choice((str(count), _NUMBERS[count - 2]))
        return _paint(state, "paint", rng.choice(_SEVERAL).format(n=number, x=words), words, count)
    return _paint(state, "paint", rng.choice(_MAKE).format(x=words), words)


def _paint(state: State, kind: str, request: str, words: str, count: int = 1) -> Request:
    more = partial(_paint_more, words)
    return Request(kind, request, _painted(state, words, count), Last(more=more))


def _paint_more(words: str, state: State) -> Request:
    """Another of the same, the same with other things, or a change to what was painted."""
    rng = state.rng
    draw = rng.random()
    if draw < 0.2:
        return _paint(state, "paint_again", rng.choice(_AGAIN), words)
    if draw < 0.55 or not state.given:
        other = _described(rng)
        return _paint(state, "paint_other", rng.choice(_OTHER).format(x=other), other)
    return edit_thing(state) if draw < 0.85 else edit_whole(state)


def _painted(state: State, words: str, count: int) -> Plan:
    (seen,) = yield [("generate_image", {"prompt": words} | ({"count": count} if count > 1 else {}))]
    if "why" in seen.references:
        return "I could not paint that: {why}."
    handles = seen.references["pictures"].split(", ")
    state.took(handles, state.generate.sheets)
    return _shown(seen, 1, "pictures" if len(handles) > 1 else "picture")


def _shown(seen: Seen, at: int, name: str = "picture") -> str:
    """The answer that shows new pictures, and says what did not come out."""
    here = f"Here {'they are' if name == 'pictures' else 'it is'}: {plans.n(name, at)}."
    if seen.references["lacks"] == "nothing":
        return here
    return f"{here} It did not all come out: {plans.n('lacks', at)}."


def _described(rng: random.Random) -> str:
    """What a picture is to show: "a red cube left of two blue balls on a desk"."""
    number = rng.choices((1, 2, 3), (50, 40, 10))[0]
    parts = [_some(rng, rng.random() < 0.1) for _ in range(number)]
    draw = rng.random()
    if number == 1:
        words = f"{parts[0]} {rng.choice(_PLACES)}" if draw < 0.15 else parts[0]
    elif draw < 0.5:
        relation = rng.choice(("left of", "right of", "above", "below", "next to"))
        words = f"{parts[0]} {rng.choice(RELATION_WORDS[relation])} {parts[1]}"
        words += f" and {parts[2]}" if number > 2 else ""
    else:
        words = f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"{words} {rng.choice(_BACKDROPS)}" if rng.random() < 0.3 else words


def _some(rng: random.Random, strange: bool) -> str:
    """One or several of a kind: "a small red cube", "three balls", "a dragon"."""
    if strange:
        target = stranger(rng)
    else:
        names = rng.choice((("color", "shape"), ("color", "shape"), ("shape",), ("material", "shape"),
                            ("size", "color", "shape"), ("color", "material", "shape")))  # fmt: skip
        target = plain({name: _value(name, rng) for name in names}, rng)
    if rng.random() < 0.2:
        count = rng.randrange(3)
        return f"{_NUMBERS[count] if rng.random() < 0.8 else count + 2} {target.many}"
    return article(target.one)


def _value(name: str, rng: random.Random) -> str:
    return rng.choice({"color": _COLORS, "shape": SHAPES, "material": ("rubber", "metal", "wood"),
                       "size": ("small", "large")}[name])  # fmt: skip


# Changed --------------------------------------------------------------------------------------------------------------


def edit_thing(state: State) -> Request:
    """A thing, or all of a kind, removed, replaced, recoloured, hidden; one more added; two such at once."""
    rng = state.rng
    image, named = a_picture(state, front=True)
    draw = rng.random()
    if draw < 0.14:
        new = _new_thing(rng)
        words = rng.choice(_EDIT["add"]).format(y=article(new))
        plan = _edited(state, image, [{"do": "add", "what": new}])
        return Request("edit_add", ended(words, named), plan, Last(more=_edit_more))
    if draw < 0.26:
        (one, first), (two, second) = (_change(state, image) for _ in range(2))
        words = f"{one[0]}{rng.choice((' and ', ' and ', ', then ', '. also ', ' and then '))}{two[0]}"
        plan = _found_and_edited(state, image, [(one[1], first), (two[1], second)])
        return Request("edit_two", ended(words, named), plan, Last(more=_edit_more))
    (words, target), change = _change(state, image)
    plan = _found_and_edited(state, image, [(target, change)])
    return Request("edit", ended(words, named), plan, Last(more=_edit_more))


def _change(state: State, image: str) -> tuple[tuple[str, Target], Change]:
    """A request for one change with what it is to be done to, and the edit."""
    rng = state.rng
    target = draw_target(rng, state.sheet(image), one=rng.random() < 0.8)
    while target.before is not None:
        target = draw_target(rng, state.sheet(image), one=rng.random() < 0.8)
    slots = said(target, rng)
    thing = slots["thing"] if rng.random() < 0.75 else slots["things"]
    kind = rng.choices(("remove", "replace", "recolour", "hide", "hide_others"), (32, 18, 26, 18, 6))[0]
    if kind.startswith("hide"):
        words, do = rng.choice(_EDIT[kind]).split("|")
        more = {"others": True} if kind == "hide_others" else {}
        return (words.format(x=thing), target), lambda regions: {"do": do, "regions": regions} | more
    frame = rng.choice(_EDIT[kind])
    if kind == "remove":
        return (frame.format(x=thing), target), lambda regions: {"do": "remove", "regions": regions}
    if kind == "replace":
        new = _new_thing(rng)
        words = frame.format(x=thing, y=article(new))
        return (words, target), lambda regions: {"do": "replace", "regions": regions, "by": new}
    color = _color(rng)
    words = frame.format(x=thing, c=color)
    return (words, target), lambda regions: {"do": "recolour", "regions": regions, "color": color}


def _new_thing(rng: random.Random) -> str:
    if rng.random() < 0.1:
        return stranger(rng).one
    names = rng.choice((("color", "shape"), ("color", "shape"), ("shape",), ("color", "material", "shape")))
    return plain({name: _value(name, rng) for name in names}, rng).one


def _color(rng: random.Random) -> str:
    return rng.choice(_OUTSIDE_COLORS if rng.random() < 0.06 else _COLORS)


def _found_and_edited(state: State, image: str, changes: list[tuple[Target, Change]]) -> Plan:
    """Look for all that is to change at once, then change it in one go."""
    seen = yield [plans.find(image, target) for target, _ in changes]
    for at, ((target, _), found) in enumerate(zip(changes, seen, strict=True)):
        if not found.handles:
            return plans.nothing(target, found) if not at else f"I see no {target.one} there."
    made = [change(found.handles[:8]) for (_, change), found in zip(changes, seen, strict=True)]
    return (yield from _edited(state, image, made, len(changes)))


def _edited(state: State, image: str, made: list[dict[str, Any]], before: int = 0) -> Plan:
    (seen,) = yield [("edit_image", {"image": image, "edits": made})]
    if "why" in seen.references:
        return f"I could not do that: {plans.n('why', before + 1)}."
    state.took([seen.references["picture"]], state.edit.sheets)
    return _shown(seen, before + 1)


def edit_whole(state: State) -> Request:
    """The whole picture turned, mirrored, made brighter, resized, or set beside others."""
    rng = state.rng
    if len(state.given) > 1 and rng.random() < 0.12:
        images = state.given[-4:]
        plan = _edited(state, images[0], [{"do": "collage", "pictures": images[1:]}])
        return Request("collage", rng.choice(_COLLAGE), plan, Last(more=_edit_more))
    image, named = a_picture(state, front=True)
    words, edit = _whole(rng)
    edits = [edit]
    if rng.random() < 0.15:
        more, second = _whole(rng)
        if second["do"] != edit["do"]:
            words, edits = (
                f"{words.rstrip('.')}{rng.choice((' and ', ' and ', ', then ', ' and then '))}{more}",
                [edit, second],
            )
    return Request("edit_whole", ended(words, named), _edited(state, image, edits), Last(more=_edit_more))


def _whole(rng: random.Random) -> tuple[str, dict[str, Any]]:
    """A request for a change to a whole picture, and the edit: with a number of the request's own now and then."""
    draw = rng.random()
    if draw < 0.1:
        words, side = rng.choice(_WIDTH).split("|")
        number = rng.choice(_SIDES) if rng.random() < 0.7 else rng.randrange(40, 2000)
        return words.format(n=number), {"do": "resize", side: number}
    if draw < 0.2:
        words, way = rng.choice(_DEGREES).split("|")
        number = rng.choice((90, 90, 180, 45, 30, 15, 10, 5, 20, 60, rng.randrange(1, 180)))
        return words.format(n=number), {"do": "rotate", "degrees": number * int(way)}
    if draw < 0.26:
        words, do, way = rng.choice(_PERCENT).split("|")
        number = rng.choice((10, 20, 20, 30, 40, 50, 60, 80))
        return words.format(n=number), {"do": do, "amount": round(1 + int(way) * number / 100, 1)}
    words, written = rng.choice(_WHOLE).split("|")
    return words, json.loads(written)


def _edit_more(state: State) -> Request:
    """Another change, to what has been changed already; or the last one is taken back, or all of them."""
    draw = state.rng.random()
    if draw < 0.25 and state.workspace.picture(state.image).kind == "edit":
        return undo(state)
    return edit_whole(state) if draw < 0.5 else edit_thing(state)


def undo(state: State) -> Request:
    """The last change taken back, or all of them; where none was made, that is said."""
    first = state.rng.random() < 0.25
    words = state.rng.choice(_FIRST if first else _UNDO)
    return Request("undo", words, _undone(state, {"to": "first"} if first else {}), Last(more=_edit_more))


def _undone(state: State, more: dict[str, Any]) -> Plan:
    (seen,) = yield [("edit_image", {"image": state.image, "edits": [{"do": "undo"} | more]})]
    if "why" in seen.references:
        return f"I could not do that: {plans.n('why', 1)}."
    state.image = seen.references["picture"]
    return f"Here it is as it was: {plans.n('picture', 1)}."


def edit_it(state: State) -> Request:
    """A change to what was spoken of last."""
    rng = state.rng
    handles = state.it[:8]
    frame, do = rng.choice(_IT).split("|")
    new, color = _new_thing(rng), _color(rng)
    them = rng.choice(("them", "them", "those", "them all"))
    it = rng.choice(("it", "it", "that", "that one", "this one")) if len(handles) == 1 else them
    more = {"replace": {"by": new}, "recolour": {"color": color}}.get(do, {})
    words = frame.format(it=it, c=color, y=article(new))
    image = str(state.workspace.region(handles[0]).image)
    plan = _edited(state, image, [{"do": do, "regions": handles} | more])
    return Request("edit_it", words, plan, Last(more=_edit_more))
