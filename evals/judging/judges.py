"""Is an answer right, were the calls the right ones: pure functions over what was said and what is true.

The judges are strict: an answer that hedges ("2 or 3", "maybe red"), says two things at once or says
nothing that can be checked is wrong, whatever else it contains.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import ValidationError

from ...memory.records import Box
from ...queries.space import PLACE_MARGIN, PLACE_NAMES, place_of
from ...scenes.language.phrases import parse_phrase
from ...scenes.scene import Scene
from ...tools.contracts import Tool
from ...tools.shared.geometry import box_iou, box_text
from ...tools.shared.number_words import NUMBER_WORDS
from ..cases.agent import Truth
from .cutouts import best_overlap

Call = tuple[str, dict[str, Any]]

BOX_IOU = 0.5  # from here a box is the thing's
MASK_IOU = 0.8  # from here a cut-out is the thing's


@dataclass(frozen=True)
class Told:
    """What came back: the text, the boxes of the regions it cites, and the cut-outs made, (h, w, 4) uint8 RGBA."""

    text: str
    boxes: tuple[Box, ...] = ()
    cutouts: tuple[np.ndarray, ...] = ()


@dataclass(frozen=True)
class Shown:
    """What was shown, with its truth.

    `picture`: (height, width, 3) uint8; `boxes`: (n, 4) xyxy pixels and `masks`: (n, height, width) bool of what is
    visible of each thing, in the order of `scene.things`.
    """

    scene: Scene
    picture: np.ndarray
    boxes: np.ndarray
    masks: np.ndarray

    def row(self, thing: int) -> int:
        """The row of the thing with this id."""
        return [one.id for one in self.scene.things].index(thing)


@dataclass(frozen=True)
class Verdict:
    """Whether an answer is right; where not, why not.

    `why` is a kind of failure and says nothing of the case; `detail` may quote it.
    """

    right: bool
    why: str = ""
    detail: str = ""


RIGHT = Verdict(True)


def _wrong(said: Collection[Any], what: str, detail: str) -> Verdict:
    """A wrong answer of a kind: nothing of it was said, several were, or another one."""
    kind = f"no {what}" if not said else f"several {what}s" if len(said) > 1 else f"another {what}"
    return Verdict(False, kind, detail if said else "")


def judge(intent: str, truth: Truth, told: Told, shown: Shown) -> Verdict:
    """Whether the answer to a case is right.

    Args:
        intent: of the case; it names the attribute that was asked for ("color", "material", "shape").
        truth: what the answer must say.
        told: what came back.
        shown: the picture that the case is about, even where another one was shown.
    """
    if _GAVE_UP.search(told.text):
        return Verdict(False, "gave up")
    if truth.kind == "count":
        return judge_count(told.text, int(truth.value or 0))
    if truth.kind == "bool":
        return judge_exist(told.text, bool(truth.value))
    if truth.kind == "attribute":
        return judge_attribute(told.text, intent, str(truth.value))
    row = shown.row(truth.things[0])
    if truth.kind == "box":
        return judge_where(told, _box(shown.boxes[row]), (shown.picture.shape[1], shown.picture.shape[0]))
    return judge_cutout(told.cutouts, shown.picture, shown.masks[row])


_GAVE_UP = re.compile(r"\b(I stopped|I was stopped|without an answer|can(?:not|['’]t) do (that|this))\b", re.I)
_HANDLES = re.compile(r"\b(?:img|reg)_\d+\b")
_CORNERS = re.compile(r"\(\s*(-?\d+)\s*,\s*(-?\d+)\s*,\s*(-?\d+)\s*,\s*(-?\d+)\s*\)")
_PIXELS = re.compile(r"\b\d+ x \d+(?: ?px)?")
_UNSURE = re.compile(
    r"\b(maybe|perhaps|possibly|probably|presumably|might|may be|could be|seems?|not (?:quite )?sure|unsure|uncertain|"
    r"I guess|either|or|hard to (?:say|tell))\b",
    re.I,
)
_VAGUE = re.compile(
    r"\b(at least|at most|about|around|roughly|approximately|nearly|almost|more than|fewer than|less than|up to|"
    r"between|several|some|many|a few|a couple)\b",
    re.I,
)
_NEGATED = re.compile(r"\b(not|no|never|neither|nor|cannot|without)\b|n['’]t\b", re.I)
_NONE_SEEN = r"(?:can ?not|could not|do not|did not|(?:can|could|do|did)n?['’]t) (?:find|see|detect|spot)"
_DENIED = re.compile(rf"\b(no|nope|none|nothing|not any|zero|(?:is|are) not|(?:is|are)n['’]t|{_NONE_SEEN})\b", re.I)
_AFFIRMED = re.compile(
    r"\b(yes|yep|yeah|there (?:is|are) (?:indeed |exactly |at least |only )?(?:an?|one|some|several|two|three|four|"
    r"five|six|seven|eight|[1-9]\d*)|I (?:can )?(?:see|found|find|spotted) (?:an?|one|two|three|[1-9]\d*))\b",
    re.I,
)

_POINTERS = frozenset({"the", "that", "this", "each", "every", "other", "another", "which", "first", "second", "last"})


def _bare(text: str) -> str:
    """The answer without handles, boxes and sizes: their digits count nothing."""
    return _PIXELS.sub(" ", _CORNERS.sub(" ", _HANDLES.sub(" ", text)))


def numbers_said(text: str) -> set[float]:
    """The numbers in an answer, as digits or words; those in handles, boxes and picture sizes are left out."""
    bare = _bare(text)
    found = {float(digits) for digits in re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?!\w)", bare)}
    bare = re.sub(r"^\W*no\s*[,.:;]\s*(?=\S)", "", bare, flags=re.I)  # "No, there are 2": an interjection
    if re.search(_NONE_SEEN, bare, re.I) or re.search(r"\bnot any\b", bare, re.I):
        found.add(0.0)
    words = re.findall(r"[a-z]+", bare.lower())
    for before, word in zip(["", *words], words, strict=False):
        if word in NUMBER_WORDS and not (word == "one" and (before in _POINTERS or parse_phrase(before))):
            found.add(float(NUMBER_WORDS[word]))
    return found


def judge_count(text: str, number: int) -> Verdict:
    """Right when the answer says this number, no other, and says it flatly."""
    said = numbers_said(text)
    if said != {number}:
        return _wrong(said, "number", f"said {', '.join(f'{one:g}' for one in sorted(said))}, not {number}")
    bare = _bare(text)
    if _UNSURE.search(bare) or _VAGUE.search(bare):
        return Verdict(False, "hedged")
    return RIGHT


def judge_exist(text: str, there: bool) -> Verdict:
    """Right when the answer says yes (or that there is one) for `there`, no otherwise, and never both."""
    yes, no = bool(_AFFIRMED.search(text)), bool(_DENIED.search(text))
    if yes == no:
        return Verdict(False, "said both yes and no" if yes else "said neither yes nor no")
    if _UNSURE.search(text):
        return Verdict(False, "hedged")
    return RIGHT if yes == there else Verdict(False, "a false yes" if yes else "a false no")


def judge_attribute(text: str, facet: str, value: str) -> Verdict:
    """Right when the answer says this value of `facet`, or a synonym of it, and no other value of that facet."""
    bare = _bare(text)
    meanings = [parse_phrase(word) or {} for word in re.findall(r"[a-z]+", bare.lower())]
    said = {meaning[facet] for meaning in meanings if facet in meaning}
    if said != {value}:
        return _wrong(said, facet, f"said {', '.join(sorted(said))}, not {value}")
    if _UNSURE.search(bare) or _NEGATED.search(bare):
        return Verdict(False, "hedged")
    return RIGHT


_PLACE = re.compile(
    r"\b(?:(upper|top|lower|bottom)[ -](left|right)|(centre|center|middle)[ -](left|right)|"
    r"(upper|top|lower|bottom)|(left|right)|(centre|center|middle))\b",
    re.I,
)
_VERTICAL = {"upper": "upper", "top": "upper", "lower": "lower", "bottom": "lower"}


def places_said(text: str) -> set[str]:
    """The places that an answer names, as the tools name them: "upper left", "top", "centre" ..."""
    found: set[str] = set()
    for row, side, _, middle_side, alone, left_right, _ in _PLACE.findall(_bare(text).lower()):
        if row:
            found.add(f"{_VERTICAL[row]} {side}")
        elif alone:
            found.add({"upper": "top", "lower": "bottom"}[_VERTICAL[alone]])
        else:
            found.add(middle_side or left_right or "centre")
    assert found <= set(PLACE_NAMES)
    return found


def places_of(box: Box, size: tuple[int, int]) -> set[str]:
    """The places that fit a box (xyxy pixels): more than one where its centre is near a border between thirds."""
    x, y = (box[0] + box[2]) / 2 / size[0], (box[1] + box[3]) / 2 / size[1]
    steps = (-PLACE_MARGIN, 0.0, PLACE_MARGIN)
    return {place_of(x + dx, y + dy) for dx in steps for dy in steps}


def judge_where(told: Told, box: Box, size: tuple[int, int]) -> Verdict:
    """Right when a cited region is the thing, every place that is named fits it, and so does a box in words."""
    if not any(_overlap(cited, box) >= BOX_IOU for cited in told.boxes):
        return Verdict(False, "no region there was cited", f"none at {box_text(box)}")
    said, fit = places_said(told.text), places_of(box, size)
    if not said or not said <= fit:
        return _wrong(said, "place", f"said {', '.join(sorted(said))}, not {', '.join(sorted(fit))}")
    corners = [tuple(float(corner) for corner in corners) for corners in _CORNERS.findall(told.text)]
    if any(_overlap(written, box) < BOX_IOU for written in corners):
        return Verdict(False, "another box was written", f"not {box_text(box)}")
    return Verdict(False, "hedged") if _UNSURE.search(told.text) else RIGHT


def judge_cutout(cutouts: Sequence[np.ndarray], picture: np.ndarray, mask: np.ndarray) -> Verdict:
    """Right when the one cut-out that was made shows the thing: its alpha against the true mask, where it was cut."""
    if len(cutouts) != 1:
        return Verdict(False, "no cut-out" if not cutouts else "several cut-outs", f"made {len(cutouts)}")
    overlap = best_overlap(cutouts[0], picture, mask)
    return RIGHT if overlap >= MASK_IOU else Verdict(False, "a bad cut-out", f"IoU {overlap:.2f}")


def _box(corners: np.ndarray) -> Box:
    x0, y0, x1, y1 = (float(value) for value in corners)
    return x0, y0, x1, y1


def _overlap(box: Sequence[float], other: Sequence[float]) -> float:
    return float(box_iou(np.asarray(box, float), np.asarray([other], float))[0])


def full_call(call: Call, tools: Mapping[str, Tool[Any]]) -> Call | None:
    """A call with the defaults filled in, so that two can be compared; None where it is none of the tools'."""
    name, arguments = call
    if name not in tools:
        return None
    try:
        return name, tools[name].Arguments.model_validate(arguments).model_dump(mode="json")
    except ValidationError:
        return None


def same_calls(made: Sequence[Call], gold: Sequence[Call], tools: Mapping[str, Tool[Any]]) -> bool:
    """Whether these are the very same calls in the same order, a default written out or not."""
    if len(made) != len(gold):
        return False
    full = [full_call(call, tools) for call in made]
    return None not in full and full == [full_call(call, tools) for call in gold]
