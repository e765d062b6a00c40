"""Edits that a painter does, from what they name to the picture after them."""

from __future__ import annotations

from PIL import Image

from ....errors import ToolRetry
from ....memory.records import Box, RegionDraft
from ...contracts import ToolContext
from ...embedder import view_of_image
from ...look import Look, look
from .. import edits
from ..finding import find
from . import repaint, whole
from .judging import Verdict


def painted(
    context: ToolContext,
    image: Image.Image,
    handle: str,
    edit: edits.Painted,
) -> tuple[Image.Image, list[Verdict]]:
    """The picture after an edit, and how each change in it came out.

    Args:
        context: who to ask.
        image: the picture as it is by now, RGB or RGBA.
        handle: of the picture that it was at first.
        edit: what to do, one of `edits.PAINTED`.

    Raises:
        ToolRetry: what is named is not there, is of another picture, or the painter does not know it.
        ExpertFailed: the models do not know such pictures, or failed.
    """
    seen = look(context, handle)
    about = context.about("painter")
    seed = seed_of(context)
    if isinstance(edit, edits.Background | edits.Restyle | edits.Instruct):
        image, verdict = whole.changed(context, image, seen, edit, seed)
        return image, [verdict]
    verdicts: list[Verdict] = []
    if isinstance(edit, edits.Add):
        repaint.check_words(edit.what, about)
        box = edit.box
        if box is not None and (box[0] >= image.width or box[1] >= image.height):
            raise ToolRetry(
                f"add: the box {list(box)} lies outside of the picture ({image.width} x {image.height} px).",
                kind="bad_arguments",
            )
        place: Box = (
            repaint.free_box(context, image.convert("RGB"), edit.what, about)
            if box is None
            else (box[0], box[1], min(box[2], image.width), min(box[3], image.height))
        )
        image, verdict = repaint.repaint(context, image, repaint.addition(edit.what, place, image.size), seed)
        return image, [verdict]
    for number, box in enumerate(_boxes(context, image, handle, edit, seen)):
        shown = image.convert("RGB")
        mask = repaint.mask_of(context, shown, box)
        match edit:
            case edits.Remove():
                change = repaint.removal(mask)
            case edits.Replace():
                repaint.check_words(edit.by, about)
                change = repaint.replacement(mask, box, edit.by, about, image.size)
            case edits.Recolour():
                colors = about.get("colors", ())
                if colors and edit.color.lower() not in colors:
                    raise ToolRetry(
                        f"recolour: {edit.color!r} is no colour that the painter knows: {', '.join(colors)}.",
                        kind="bad_arguments",
                    )
                kind = repaint.kind_at(context, shown, box) or "thing"
                change = repaint.Change(mask, f"{edit.color.lower()} {kind}", box)
        image, verdict = repaint.repaint(context, image, change, seed + 101 * number)
        verdicts.append(verdict)
    return image, verdicts


def seed_of(context: ToolContext) -> int:
    """The seed of a turn's edits: another turn tries anew."""
    return 7919 * context.talk.turn


def _boxes(
    context: ToolContext,
    image: Image.Image,
    handle: str,
    edit: edits.Remove | edits.Replace | edits.Recolour,
    seen: Look,
) -> list[Box]:
    """The boxes of what an edit names, xyxy pixels."""
    if edit.regions:
        regions = [context.workspace.region(one) for one in dict.fromkeys(edit.regions)]
        for region in regions:
            if region.image != handle:
                raise ToolRetry(
                    f"{region.handle} is a region of {region.image}, not of {handle}.", kind="bad_arguments"
                )
        return [region.box for region in regions]
    now = view_of_image(image.convert("RGB"))
    found: list[RegionDraft] = find(context, Look(handle, now, seen.picture, seen.origin), edit.phrase).regions
    if not found:
        raise ToolRetry(f"{edit.do}: nothing in {handle} is {edit.phrase!r}.", kind="nothing_found")
    return [region.box for region in found[:8]]
