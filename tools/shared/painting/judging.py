"""Whether what was painted is what was asked for: seen by the detector and CLIP, like any other picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.optimize import linear_sum_assignment

from ....memory.records import Box
from ...contracts import ToolContext, View
from ...embedder import view_of_image
from ...requests import Detect, Match
from ..finding import MARGIN, TRUE_FROM, asked_for_only, things_in
from ..geometry import box_iou
from .layout import holds
from .wanted import Wanted, without_sizes

THERE = 0.3  # the overlap (IoU) from which a thing stands in the box that was planned for it


@dataclass(frozen=True)
class Verdict:
    """How well a picture meets what was asked.

    `score` is 1 where all is there and nothing else; `missing` and `broken` are words for what is not, `extra` counts
    things that nobody asked for.
    """

    score: float
    missing: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    extra: int = 0

    @property
    def good(self) -> bool:
        """Whether everything is as it was asked."""
        return not (self.missing or self.broken or self.extra)

    def text(self) -> str:
        """What is not as asked, in words; "" where all is."""
        parts = [f"no {words} is seen in it" for words in dict.fromkeys(self.missing)]
        parts += [f"{words} does not hold" for words in self.broken]
        if self.extra:
            parts.append(f"{self.extra} more thing{'s' if self.extra > 1 else ''} than asked for")
        return ", ".join(parts)


def judge(
    context: ToolContext,
    image: Image.Image,
    wanted: Wanted,
    boxes: Sequence[Box] | None = None,
    within: np.ndarray | None = None,
    known: Sequence[Box] = (),
) -> Verdict:
    """Compare what is seen in a picture with what was asked for.

    Args:
        context: who to ask.
        image: the picture, RGB.
        wanted: what should be there.
        boxes: where each thing should stand, xyxy pixels; None: anywhere.
        within: only things with their centre in this mask (height, width) count; None: all.
        known: boxes of what was there before, and counts as nothing new.

    Raises:
        ExpertFailed: the detector or CLIP failed.
    """
    view = view_of_image(image)
    detections = context.experts.ask("detector", [Detect(view)])[0]
    seen, _, _ = things_in(detections, image.size, asked_for_only(context.about("detector")))
    if within is not None:
        seen = [box for box in seen if within[_inside((box[1] + box[3]) / 2, image.height),
                                              _inside((box[0] + box[2]) / 2, image.width)]]  # fmt: skip
    if known:
        seen = [box for box in seen if box_iou(np.array(box), np.array(known)).max() < THERE]
    phrases = [without_sizes(asked).words for asked in wanted.things]
    if not seen or not phrases:
        return Verdict(float(not seen and not phrases), tuple(phrases), (), len(seen))
    matches = [Match(_crop(view, box), tuple(dict.fromkeys(phrases))) for box in seen]
    columns = {phrase: at for at, phrase in enumerate(dict.fromkeys(phrases))}
    likely = np.stack(context.experts.ask("clip", matches))[:, [columns[phrase] for phrase in phrases]].T
    fits = likely >= TRUE_FROM  # things asked for, things seen
    if boxes is not None:
        fits &= np.stack([box_iou(np.array(box), np.array(seen)) for box in boxes]) >= THERE
    rows, chosen = linear_sum_assignment(-(fits + 0.1 * likely * fits))
    stands = {int(row): int(at) for row, at in zip(rows, chosen, strict=True) if fits[row, at]}
    missing = tuple(phrase for at, phrase in enumerate(phrases) if at not in stands)
    placed: list[Box] = [_shares(seen[stands[at]], image.size) if at in stands else (0, 0, 0, 0)
                         for at in range(len(phrases))]  # fmt: skip
    broken = tuple(
        f"{phrases[one]} {relation} {phrases[other]}"
        for one, relation, other in wanted.relations
        if one in stands and other in stands and not holds(placed, one, relation, other)
    )
    extra = len(seen) - len(stands)
    met = len(stands) + len(wanted.relations) - len(broken)
    return Verdict(met / (len(phrases) + len(wanted.relations) + extra), missing, broken, extra)


def judge_any(
    context: ToolContext, image: Image.Image, wanted: Wanted, prompt: str, boxes: Sequence[Box] | None = None
) -> Verdict:
    """As `judge`, of a picture that may show anything: nothing in it is too much, and each thing is looked for by name.

    A thing that no box is found for, but that CLIP takes to be true of the whole picture ("oil painting"), is there.

    Args:
        context: who to ask.
        image: the picture, RGB.
        wanted: what should be there, as far as the prompt names things.
        prompt: all of it.
        boxes: where each thing should stand, xyxy pixels; None: anywhere.

    Raises:
        ExpertFailed: the detector or CLIP failed.
    """
    view = view_of_image(image)
    phrases = [asked.words for asked in wanted.things]
    named = tuple(dict.fromkeys([*phrases, prompt[:120]]))
    likely = dict(zip(named, context.experts.ask("clip", [Match(view, named)])[0].tolist(), strict=True))
    whole = float(likely[prompt[:120]])
    if not phrases:
        return Verdict(whole, () if whole >= TRUE_FROM else (prompt[:120],))
    found = {phrase: _found(context, view, phrase) for phrase in dict.fromkeys(phrases)}
    placed: list[Box | None] = []
    for at, phrase in enumerate(phrases):
        there = found[phrase]
        if boxes is not None and there:
            shares = box_iou(np.array(boxes[at]), np.array(there))
            there = [there[int(shares.argmax())]] if shares.max() >= THERE else []
        placed.append(there[0] if there else None)
        if there:
            found[phrase] = [box for box in found[phrase] if box != there[0]]
    missing = tuple(
        phrase for phrase, box in zip(phrases, placed, strict=True)
        if box is None and (boxes is not None or phrases.count(phrase) > 1 or likely[phrase] < TRUE_FROM)
    )  # fmt: skip
    shares_of = [(0.0, 0.0, 0.0, 0.0) if box is None else _shares(box, image.size) for box in placed]
    broken = tuple(
        f"{phrases[one]} {relation} {phrases[other]}"
        for one, relation, other in wanted.relations
        if placed[one] is not None and placed[other] is not None and not holds(shares_of, one, relation, other)
    )
    met = len(phrases) - len(missing) + len(wanted.relations) - len(broken)
    # Where two pictures meet as much, the one that is more like the whole prompt goes before.
    return Verdict((met + 0.5 * whole) / (len(phrases) + len(wanted.relations) + 0.5), missing, broken)


def _found(context: ToolContext, view: View, phrase: str) -> list[Box]:
    """Boxes of what a phrase names, likeliest first."""
    boxes, _, _ = things_in(context.experts.ask("detector", [Detect(view, phrase)])[0], view.size)
    if not boxes:
        return []
    shares = [float(one[0]) for one in context.experts.ask("clip", [Match(_crop(view, b), (phrase,)) for b in boxes])]
    order = sorted(range(len(boxes)), key=lambda at: -shares[at])
    return [boxes[at] for at in order if shares[at] >= TRUE_FROM]


def _crop(view: View, box: Box) -> View:
    extra = MARGIN * max(box[2] - box[0], box[3] - box[1])
    cut = (max(0.0, box[0] - extra), max(0.0, box[1] - extra), min(float(view.size[0]), box[2] + extra),
           min(float(view.size[1]), box[3] + extra))  # fmt: skip
    return View(view.picture, view.size, cut, view.load)


def _shares(box: Box, size: tuple[int, int]) -> Box:
    return box[0] / size[0], box[1] / size[1], box[2] / size[0], box[3] / size[1]


def _inside(value: float, side: int) -> int:
    return min(side - 1, max(0, int(value)))
