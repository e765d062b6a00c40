"""Whole pictures changed by a painter: what is behind the things, the style of all, whatever an instruction says."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ....errors import ExpertFailed, ToolRetry
from ....memory.records import Box
from ...contracts import ToolContext
from ...embedder import view_of_image
from ...look import Look
from ...requests import Detect, Match, Paint, Segment
from .. import edits
from ..finding import TRUE_FROM, things_in
from . import repaint
from .judging import Verdict
from .wanted import read_prompt

TRIES = 4
SAME = 2.0  # levels of 255 by which a picture differs on average that was not changed at all


def changed(
    context: ToolContext,
    image: Image.Image,
    seen: Look,
    edit: edits.Background | edits.Restyle | edits.Instruct,
    seed: int,
) -> tuple[Image.Image, Verdict]:
    """The picture after an edit of all of it, and how well it came out.

    Args:
        context: who to ask.
        image: the picture as it is by now, RGB or RGBA; alpha stays as it is.
        seen: the picture that it was at first.
        edit: what to do.
        seed: of the first try; the others follow.

    Raises:
        ToolRetry: nothing is there that could stay, or the painter does not know such a background.
        ExpertFailed: the painter does no such thing, or an expert failed.
    """
    if isinstance(edit, edits.Background):
        return _background(context, image, seen, edit, seed)
    if context.about("painter").get("kinds"):
        raise ExpertFailed(
            f"{edit.do}: the painter of this profile changes single things and backgrounds, and no picture as a whole. "
            "Run `saccade models fetch gpu` once and ask again with `--profile gpu`.",
            kind="painter_cannot",
        )
    shown = image.convert("RGB")
    requests = [_request(shown, edit, seed + at) for at in range(TRIES)]
    best: tuple[Image.Image, Verdict] | None = None
    for piece in context.experts.ask("painter", requests):
        verdict = _judged(context, shown, piece, edit)
        if best is None or verdict.score > best[1].score:
            best = piece, verdict
    assert best is not None  # there is at least one try
    made = best[0].convert(image.mode)
    if image.mode == "RGBA":
        made.putalpha(image.getchannel("A"))
    return made, best[1]


def _request(image: Image.Image, edit: edits.Restyle | edits.Instruct, seed: int) -> Paint:
    if isinstance(edit, edits.Instruct):
        return Paint(edit.what, image=image, size=image.size, seed=seed, way="instruct")
    way = "paint" if edit.keep == "look" else edit.keep
    return Paint(edit.prompt, image=image, size=image.size, seed=seed, way=way, strength=edit.strength)


def _judged(
    context: ToolContext, before: Image.Image, after: Image.Image, edit: edits.Restyle | edits.Instruct
) -> Verdict:
    """By CLIP, whether the prompt is true of it; of an instruction only whether anything changed can be told."""
    if isinstance(edit, edits.Instruct):
        off = np.abs(np.asarray(before, np.int16) - np.asarray(after.convert("RGB"), np.int16)).mean()
        return Verdict(1.0) if off > SAME else Verdict(0.0, broken=("a change",))
    likely = float(context.experts.ask("clip", [Match(view_of_image(after), (edit.prompt[:120],))])[0][0])
    return Verdict(likely, () if likely >= TRUE_FROM else (edit.prompt[:120],))


def _background(
    context: ToolContext, image: Image.Image, seen: Look, edit: edits.Background, seed: int
) -> tuple[Image.Image, Verdict]:
    """Everything but the things painted anew; their own pixels stay as they are, each of them."""
    about = context.about("painter")
    named = read_prompt(f"on a {edit.by}", about).background if about.get("backgrounds") else edit.by
    if not named:
        raise ToolRetry(
            f"background: {edit.by!r} is no background that this painter knows: {', '.join(about['backgrounds'])}.",
            kind="unknown_words",
        )
    shown = image.convert("RGB")
    boxes, masks = _kept(context, shown, seen, edit)
    if not masks:
        raise ToolRetry(f"background: nothing is seen in {seen.handle} that could stay.", kind="nothing_found")
    stays = np.any(masks, axis=0)
    if stays.all():
        raise ToolRetry(f"background: nothing of {seen.handle} is background.", kind="no_mask")
    return repaint.repaint(context, image, repaint.Change(~stays, background=named, kept=tuple(boxes)), seed)


def _kept(
    context: ToolContext, image: Image.Image, seen: Look, edit: edits.Background
) -> tuple[list[Box], list[np.ndarray]]:
    """Boxes and masks, (height, width) bool, of what stays: the regions that are named, or all that is seen."""
    masks: dict[Box, np.ndarray] = {}
    if edit.regions:
        for handle in dict.fromkeys(edit.regions):
            region = context.workspace.region(handle)
            if region.image != seen.handle:
                raise ToolRetry(f"{handle} is a region of {region.image}, not of {seen.handle}.", kind="bad_arguments")
            mask = context.workspace.open_mask(region)
            masks[region.box] = mask if mask is not None and mask.any() else repaint.mask_of(context, image, region.box)
        return list(masks), list(masks.values())
    view = view_of_image(image)
    boxes, _, _ = things_in(context.experts.ask("detector", [Detect(view)])[0], image.size)  # signs, too
    if not boxes:
        return [], []
    found = np.asarray(context.experts.ask("sam", [Segment(view, boxes=tuple(boxes))])[0].masks, bool)
    return boxes, [mask if mask.any() else repaint.box_mask(box, image.size)
                   for box, mask in zip(boxes, found, strict=True)]  # fmt: skip
