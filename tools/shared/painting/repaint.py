"""Parts of a picture painted anew: things removed, replaced, recoloured, added.

A large picture keeps its size: the painter works in a square window around what is to change. Outside the area that
was to change every pixel stays as it was; inside, what was painted fades in over a few pixels. Several tries are
painted and the one that meets the check best is kept (see `judging`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage

from ....errors import ToolRetry
from ....memory.records import Box
from ...contracts import ToolContext
from ...embedder import view_of_image
from ...requests import Classify, Detect, Match, Paint, Segment
from ..finding import TRUE_FROM, asked_for_only, things_in
from ..geometry import box_iou, mask_box
from .judging import Verdict, judge
from .layout import SIDES
from .wanted import Asked, Wanted, read_prompt

TRIES = 4
SURROUNDINGS = 2.2  # the window's side, in longer sides of what changes
CLOSEST = 2.4  # no window is smaller than the picture's longer side by more: the painter knows no closer views
GROWN, FADE = 0.045, 0.025  # by how much an area is grown, and over how much it fades in, in shares of the window
SURE = 0.6  # the share from which a backdrop is named to the painter
SAME_THING = 0.4  # the overlap (IoU) from which a box is of the thing that the detector sees


@dataclass(frozen=True)
class Change:
    """One change: where, and what shall be there after it; no words where nothing shall."""

    area: np.ndarray  # (height, width) bool
    words: str = ""
    box: Box | None = None  # where the new thing shall stand, xyxy pixels
    background: str = ""  # what shall be behind it; "": what is there now
    kept: tuple[Box, ...] | None = None  # boxes of what stays, of a change that is all around it: it is not grown


def mask_of(context: ToolContext, image: Image.Image, box: Box) -> np.ndarray:
    """The outline of what stands in a box, (height, width) bool. Raises ExpertFailed where SAM fails."""
    found = context.experts.ask("sam", [Segment(view_of_image(image), boxes=(box,))])[0]
    mask = np.asarray(found.masks[0], bool)
    return mask if mask.any() else box_mask(box, image.size)


def box_mask(box: Box, size: tuple[int, int]) -> np.ndarray:
    """(height, width) bool, true in a box (xyxy pixels)."""
    mask = np.zeros(size[::-1], bool)
    mask[max(0, round(box[1])) : max(1, round(box[3])), max(0, round(box[0])) : max(1, round(box[2]))] = True
    return mask


def removal(mask: np.ndarray) -> Change:
    """A thing is taken away, and what is behind it goes on."""
    return Change(mask)


def replacement(mask: np.ndarray, box: Box, words: str, about: Mapping[str, Any], size: tuple[int, int]) -> Change:
    """Another thing takes a thing's place: as large, with the same foot."""
    shape = next((float(share) for kind, share in about.get("shapes", {}).items() if kind in words.split()), 1.0)
    longer = max(box[2] - box[0], box[3] - box[1])
    width, height = longer * min(1.0, shape), longer * min(1.0, 1 / shape)
    middle = (box[0] + box[2]) / 2
    left = min(max(0.0, middle - width / 2), size[0] - width)
    new = (left, max(0.0, box[3] - height), left + width, max(height, box[3]))
    return Change(mask | box_mask(new, size), words, new)


def addition(words: str, box: Box, size: tuple[int, int]) -> Change:
    """A new thing in a box."""
    return Change(box_mask(box, size), words, box)


def free_box(context: ToolContext, image: Image.Image, words: str, about: Mapping[str, Any]) -> Box:
    """Where a new thing has room: the place farthest from what stands there already.

    Raises:
        ToolRetry: there is no room left.
    """
    detections = context.experts.ask("detector", [Detect(view_of_image(image))])[0]
    taken, _, _ = things_in(detections, image.size)
    width, height = image.size
    longer = SIDES[None][0] * min(width, height)
    shape = next((float(share) for kind, share in about.get("shapes", {}).items() if kind in words.split()), 1.0)
    w, h = longer * min(1.0, shape), longer * min(1.0, 1 / shape)
    best: tuple[float, Box] | None = None
    for y in np.linspace(0.45 * height, 0.95 * height - h, 8):  # on the ground rather than in the air
        for x in np.linspace(0.05 * width, 0.95 * width - w, 12):
            box = (float(x), float(y), float(x + w), float(y + h))
            gap = min((_gap(box, other) for other in taken), default=float(max(image.size)))
            if best is None or gap > best[0]:
                best = gap, box
    if best is None or best[0] <= 0:
        raise ToolRetry("add: there is no room left for another thing; give a `box`.", kind="bad_arguments")
    return best[1]


def kind_at(context: ToolContext, image: Image.Image, box: Box) -> str | None:
    """The detector's name for what stands in a box; None where it sees nothing there."""
    detections = context.experts.ask("detector", [Detect(view_of_image(image))])[0]
    boxes, _, labels = things_in(detections, image.size, asked_for_only(context.about("detector")))
    if not boxes:
        return None
    shares = box_iou(np.array(box), np.array(boxes))
    return labels[int(shares.argmax())] if shares.max() >= SAME_THING else None


def check_words(words: str, about: Mapping[str, Any]) -> None:
    """Refuse words that the painter does not know. Raises ToolRetry, with those that it does."""
    wanted = read_prompt(words, about)
    if about.get("kinds") and (wanted.unknown or len(wanted.things) != 1):
        bad = ", ".join(wanted.unknown) or words
        raise ToolRetry(
            f"{bad!r} is nothing that this painter knows. Name one thing: {', '.join(about['kinds'])}; colours: "
            f"{', '.join(about.get('colors', ()))}.",
            kind="unknown_words",
        )


def repaint(context: ToolContext, image: Image.Image, change: Change, seed: int) -> tuple[Image.Image, Verdict]:
    """The picture after one change, and how well it came out.

    Args:
        context: who to ask.
        image: RGB or RGBA; alpha stays as it is.
        change: what is to change.
        seed: of the first try; the others follow.

    Raises:
        ToolRetry: nothing is to change (an empty area).
        ExpertFailed: the painter, or who judges, failed.
    """
    if not change.area.any():
        raise ToolRetry("there is nothing to paint: the area holds no pixel.", kind="no_mask")
    about = context.about("painter")
    window = _window(change, image.size)
    x0, y0, x1, y1 = window
    side = x1 - x0
    area = change.area
    if change.kept is None:
        area = ndimage.binary_dilation(area, iterations=max(2, round(GROWN * side)))
    shown = image.convert("RGB").crop(window)
    things = ()
    if change.words and change.box is not None:
        b = change.box
        things = ((change.words, ((b[0] - x0) / side, (b[1] - y0) / side, (b[2] - x0) / side, (b[3] - y0) / side)),)
    background = change.background or _backdrop(context, image, about)
    request = {
        "prompt": change.words or background or "empty background",
        "things": things, "background": background, "image": shown, "mask": area[y0:y1, x0:x1], "size": (side, y1 - y0),
    }  # fmt: skip
    made = context.experts.ask("painter", [Paint(**request, seed=seed + at) for at in range(TRIES)])
    wanted = Wanted((Asked(change.words),) if change.words else ())
    best: tuple[Image.Image, Verdict] | None = None
    for piece in made:
        whole = _pasted(image, piece, area, window)
        boxes = [change.box] if change.box is not None else None
        verdict = judge(context, whole.convert("RGB"), wanted, boxes, area, change.kept or ())
        if change.background and not _is_before(context, whole, change.background, about):
            verdict = replace(verdict, score=verdict.score / 2, missing=(*verdict.missing, change.background))
        if best is None or verdict.score > best[1].score:
            best = whole, verdict
    assert best is not None  # there is at least one try
    return best


def _window(change: Change, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The square in which is painted, or as much of it as the picture has."""
    box = mask_box(change.area)
    assert box is not None
    longer = max(box[2] - box[0], box[3] - box[1])
    wide = round(max(SURROUNDINGS * longer, max(size) / CLOSEST))
    side = min(wide, *size) if longer < min(size) else max(size)
    width, height = min(side, size[0]), min(side, size[1])
    left = min(max(0, round((box[0] + box[2]) / 2 - width / 2)), size[0] - width)
    top = min(max(0, round((box[1] + box[3]) / 2 - height / 2)), size[1] - height)
    return left, top, left + width, top + height


def _backdrop(context: ToolContext, image: Image.Image, about: Mapping[str, Any]) -> str:
    names = tuple(about.get("backgrounds", ()))
    if not names:
        return ""
    shares = context.experts.ask("clip", [Classify(view_of_image(image.convert("RGB")), names)])[0]
    best = int(np.argmax(shares))
    return names[best] if float(shares[best]) >= SURE else ""


def _is_before(context: ToolContext, image: Image.Image, background: str, about: Mapping[str, Any]) -> bool:
    """Whether CLIP takes a picture's background for what it shall be."""
    view, names = view_of_image(image.convert("RGB")), tuple(about.get("backgrounds", ()))
    if background in names:
        return int(np.argmax(context.experts.ask("clip", [Classify(view, names)])[0])) == names.index(background)
    return float(context.experts.ask("clip", [Match(view, (background,))])[0][0]) >= TRUE_FROM


def _pasted(image: Image.Image, piece: Image.Image, area: np.ndarray, window: tuple[int, int, int, int]) -> Image.Image:
    """The piece in its window: whole within the area, fading towards its edge, nothing beyond it."""
    x0, y0, x1, y1 = window
    inside = area[y0:y1, x0:x1]
    depth = np.asarray(ndimage.distance_transform_edt(np.pad(inside, 1, mode="edge")))[1:-1, 1:-1]
    share = np.clip(depth / max(1.0, FADE * (x1 - x0)), 0, 1)[..., None] * inside[..., None]
    pixels = np.array(image)
    old = pixels[y0:y1, x0:x1, :3].astype(np.float32)
    new = np.asarray(piece.convert("RGB").resize((x1 - x0, y1 - y0), Image.Resampling.LANCZOS), np.float32)
    mixed = np.rint(old + (new - old) * share).astype(np.uint8)
    pixels[y0:y1, x0:x1, :3] = np.where(inside[..., None], mixed, pixels[y0:y1, x0:x1, :3])
    return Image.fromarray(pixels, image.mode)


def _gap(one: Box, other: Box) -> float:
    """How far two boxes are apart, in pixels; below 0 where they overlap."""
    return max(one[0] - other[2], other[0] - one[2], one[1] - other[3], other[1] - one[3])
