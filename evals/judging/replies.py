"""Checks of what a reply says and did, as conversations of the suite "talk" name them. Strict, and pure functions.

A check is a JSON object with one key: `{"number": 3}`, `{"yes": true}`, `{"value": "red"}`, `{"things": [[0, 2]]}`,
`{"place": [0, 2]}`, `{"words": "KITE"}`, `{"groups": {"red": 2}}`, `{"about": 2.3}`, `{"says": [...]}`,
`{"never": [...]}`, `{"cutouts": [[0, 2]]}`, `{"crops": [[0, 2]]}`, `{"status": [...]}`, `{"no_tool": true}` and
`{"remembered": true}`. Things are named by the picture (its place in the conversation) and their id in the scene.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...memory.records import Box
from ...scenes.language.phrases import attributes_of, parse_phrase, plural_of
from ...tools.shared.geometry import box_iou
from ...tools.shared.number_words import NUMBER_WORDS
from .cutouts import best_overlap, places
from .judges import (
    BOX_IOU,
    MASK_IOU,
    Shown,
    Told,
    Verdict,
    judge_exist,
    judge_where,
    numbers_said,
)

Thing = tuple[int, int]  # the picture's place in the conversation, and the thing's id
HEDGED = re.compile(r"\b(maybe|perhaps|possibly|probably|might be|not sure|unsure|hard to tell)\b", re.IGNORECASE)
CHECKS = frozenset(
    {"number", "yes", "value", "things", "place", "words", "groups", "about", "says", "never", "cutouts", "crops"}
    | {"status", "no_tool", "remembered"}
)
ROUNDED = 0.006  # how far off a rounded number may be, as a share: 33.3 for 33.333
ABOUT = 0.1  # how far off a number may be that is only to be about right


@dataclass(frozen=True)
class Heard:
    """What came back from a turn.

    Attributes:
        text: the answer.
        boxes: of the regions that it cites: (the picture's place in the conversation, xyxy pixels).
        cutouts: made in the turn, (h, w, 4) uint8 RGBA each.
        crops: made in the turn, the same.
        status: of the reply.
        tools: that were called, by name.
        said: what the person said.
    """

    text: str
    boxes: tuple[tuple[int, Box], ...] = ()
    cutouts: tuple[np.ndarray, ...] = ()
    crops: tuple[np.ndarray, ...] = ()
    status: str = "answered"
    tools: tuple[str, ...] = ()
    said: str = ""


@dataclass(frozen=True)
class Scenes:
    """What the conversation is about: the pictures with their truth, in the order in which it names them."""

    shown: Sequence[Shown] = field(default_factory=list)

    def box(self, thing: Thing) -> Box:
        """Where a thing is, xyxy pixels."""
        shown = self.shown[thing[0]]
        x0, y0, x1, y1 = (float(value) for value in shown.boxes[shown.row(thing[1])])
        return x0, y0, x1, y1

    def mask(self, thing: Thing) -> np.ndarray:
        """Its visible pixels, (height, width) bool."""
        shown = self.shown[thing[0]]
        return shown.masks[shown.row(thing[1])]


def judge_reply(expect: Sequence[dict[str, Any]], heard: Heard, scenes: Scenes) -> Verdict:
    """Whether all checks of a turn hold; the first that does not says why.

    Raises:
        ValueError: a check is not known.
    """
    for check in expect:
        ((kind, wanted),) = check.items()
        if kind not in CHECKS:
            raise ValueError(f"there is no check {kind!r}")
        problem = _JUDGES[kind](wanted, heard, scenes)
        if problem:
            return Verdict(False, f"{kind}: {problem}", heard.text)
    return Verdict(True)


def _number(wanted: float, heard: Heard, _: Scenes) -> str:
    if HEDGED.search(heard.text):
        return "hedged"
    near = ROUNDED * max(1.0, abs(wanted))
    said = {wanted if abs(one - wanted) <= near else one for one in numbers_said(heard.text.replace(",", ""))}
    own = numbers_said(heard.said)
    if wanted not in said:
        return "another number" if said else "no number"
    return "several numbers" if said - {wanted} - own else ""


def _about(wanted: float, heard: Heard, _: Scenes) -> str:
    said = numbers_said(heard.text)
    near = [one for one in said if abs(one - wanted) <= ABOUT * abs(wanted)]
    return "" if near else "another number" if said else "no number"


def _yes(wanted: bool, heard: Heard, _: Scenes) -> str:
    verdict = judge_exist(heard.text, wanted)
    opening = re.match(r"^\W*(yes|no)\b(?! (?:problem|worries))", _without_lead(heard.text), re.IGNORECASE)
    if opening:  # what follows explains it: "No, it is not red: there is a blue one"
        return "" if (opening[1].lower() == "yes") == wanted else verdict.why or "the other way round"
    return verdict.why if not verdict.right else ""


def _without_lead(text: str) -> str:
    return re.sub(r"^\W*I looked again\.\s*", "", text, flags=re.IGNORECASE)


def _value(wanted: str | list[str], heard: Heard, _: Scenes) -> str:
    values = {wanted} if isinstance(wanted, str) else set(wanted)
    meant = [parse_phrase(value) for value in values]
    if any(one is None or len(one) != 1 for one in meant):
        missing = [value for value in values if not re.search(rf"\b{re.escape(value)}\b", heard.text, re.IGNORECASE)]
        return "not said" if missing else ""
    facets = {facet for one in meant if one for facet in one}
    if len(facets) != 1:
        raise ValueError(f"values of several facets: {wanted!r}")
    (facet,) = facets
    true = {one[facet] for one in meant if one}
    said = _said_of(heard.text, facet)
    if HEDGED.search(heard.text):
        return "hedged"
    if not true <= said:
        return f"another {facet}" if said else f"no {facet}"
    return f"several {facet}s" if said - true - _said_of(heard.said, facet) else ""


def _said_of(text: str, facet: str) -> set[str]:
    meanings = [parse_phrase(word) or {} for word in re.findall(r"[a-z]+", text.lower())]
    return {meaning[facet] for meaning in meanings if facet in meaning}


def _things(wanted: list[Thing], heard: Heard, scenes: Scenes) -> str:
    true = [(int(picture), scenes.box((picture, id))) for picture, id in wanted]
    if heard.boxes:
        for picture, box in true:
            if not any(at == picture and _overlap(one, box) >= BOX_IOU for at, one in heard.boxes):
                return "one is missing"
        for at, one in heard.boxes:
            if not any(at == picture and _overlap(one, box) >= BOX_IOU for picture, box in true):
                return "one too many"
        return ""
    return "" if len(wanted) <= 2 and all(_named(heard.text, thing, scenes) for thing in wanted) else "not pointed out"


def _named(text: str, thing: Thing, scenes: Scenes) -> bool:
    """Whether a thing is named by words that fit no other thing of its picture."""
    shown = scenes.shown[thing[0]]
    one = shown.scene.things[shown.row(thing[1])]
    words = re.findall(r"[a-z]+", text.lower())
    if one.shape not in [(parse_phrase(word) or {}).get("shape") for word in words]:
        return False
    alike = [other for other in shown.scene.things if other.shape == one.shape]
    mine = attributes_of(one)
    facets = [facet for facet in ("color", "material", "size") if mine[facet] in _said_of(text, facet)]
    return sum(all(attributes_of(other)[facet] == mine[facet] for facet in facets) for other in alike) == 1


def _place(wanted: Sequence[int], heard: Heard, scenes: Scenes) -> str:
    thing = (wanted[0], wanted[1])
    shown = scenes.shown[thing[0]]
    size = (shown.picture.shape[1], shown.picture.shape[0])
    boxes = tuple(box for at, box in heard.boxes if at == thing[0]) or (scenes.box(thing),)
    return judge_where(Told(heard.text, boxes), scenes.box(thing), size).why


def _words(wanted: str, heard: Heard, _: Scenes) -> str:
    return "" if re.search(rf"\b{re.escape(wanted)}\b", heard.text, re.IGNORECASE) else "not read"


def _groups(wanted: dict[str, int], heard: Heard, _: Scenes) -> str:
    text = heard.text.lower()
    for word, number in wanted.items():
        names = [word.lower(), plural_of(word.lower())]
        digits = [str(number), *(name for name, value in NUMBER_WORDS.items() if value == number)]
        name, digit = "|".join(map(re.escape, names)), "|".join(map(re.escape, digits))
        near = rf"\b(?:{name})\b[^.;,\d]{{0,25}}?\b(?:{digit})\b|\b(?:{digit})\b[^.;,\d]{{0,25}}?\b(?:{name})\b"
        if number == 0 and not re.search(rf"\b(?:{name})\b", text):
            continue  # what there is none of need not be named
        if not re.search(near, text):
            return f"not {number} {word}"
    return ""


def _says(wanted: list[Any], heard: Heard, _: Scenes) -> str:
    text = heard.text.lower()
    for one in wanted:
        options = [one] if isinstance(one, str) else one
        if not any(option.lower() in text for option in options):
            return "something is not said"
    return ""


def _never(wanted: list[str], heard: Heard, _: Scenes) -> str:
    text = heard.text.lower()
    return "something is said that must not" if any(one.lower() in text for one in wanted) else ""


def _cutouts(wanted: list[Thing], heard: Heard, scenes: Scenes) -> str:
    if len(heard.cutouts) != len(wanted):
        return "no cut-out" if not heard.cutouts else "another number of cut-outs"
    for picture, id in wanted:
        shown = scenes.shown[picture]
        if max(best_overlap(one, shown.picture, scenes.mask((picture, id))) for one in heard.cutouts) < MASK_IOU:
            return "a bad cut-out"
    return ""


def _crops(wanted: list[Thing], heard: Heard, scenes: Scenes) -> str:
    if len(heard.crops) != len(wanted):
        return "no crop" if not heard.crops else "another number of crops"
    for picture, id in wanted:
        box = scenes.box((picture, id))
        if not any(_is_at(one, scenes.shown[picture].picture, box) for one in heard.crops):
            return "another crop"
    return ""


def _is_at(crop: np.ndarray, picture: np.ndarray, box: Box) -> bool:
    """Whether a crop was cut about a box: most of the box is in it, and it is not much larger."""
    height, width = crop.shape[:2]
    for x, y in places(crop, picture):
        across = max(0.0, min(box[2], x + width) - max(box[0], x))
        down = max(0.0, min(box[3], y + height) - max(box[1], y))
        area = (box[2] - box[0]) * (box[3] - box[1])
        if across * down >= 0.8 * area and width * height <= 4 * area:
            return True
    return False


def _status(wanted: list[str], heard: Heard, _: Scenes) -> str:
    return "" if heard.status in wanted else f"{heard.status}"


def _no_tool(wanted: bool, heard: Heard, _: Scenes) -> str:
    return "" if wanted is not bool(heard.tools) else "a tool was called" if heard.tools else "no tool was called"


def _remembered(wanted: bool, heard: Heard, _: Scenes) -> str:
    return "" if wanted is ("remember_image" in heard.tools) else "not remembered" if wanted else "remembered"


def _overlap(box: Sequence[float], other: Sequence[float]) -> float:
    return float(box_iou(np.asarray(box, float), np.asarray([other], float))[0])


_JUDGES: dict[str, Callable[[Any, Heard, Scenes], str]] = {
    "number": _number, "about": _about, "yes": _yes, "value": _value, "things": _things, "place": _place,
    "words": _words, "groups": _groups, "says": _says, "never": _never, "cutouts": _cutouts, "crops": _crops,
    "status": _status, "no_tool": _no_tool, "remembered": _remembered,
}  # fmt: skip
