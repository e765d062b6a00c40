"""Boxes put into words: where a thing stands, how big it is, its corners as integers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from ...memory.records import Box

Size = Literal["any", "small", "large"]
Order = Literal["score", "largest", "smallest", "leftmost", "rightmost", "topmost", "bottommost", "central"]

SMALL_BELOW = 0.157  # where small ends, as a share of the picture's side, for detectors that do not declare it

PLACES = (
    ("upper left", "top", "upper right"),
    ("left", "centre", "right"),
    ("lower left", "bottom", "lower right"),
)


def position(box: Box, size: tuple[int, int]) -> str:
    """In which third each way the centre of a box (xyxy pixels) lies, in a picture of (width, height)."""
    x, y = centre(box)
    return PLACES[min(2, max(0, int(3 * y / size[1])))][min(2, max(0, int(3 * x / size[0])))]


def size_class(box: Box, size: tuple[int, int], small_below: float = SMALL_BELOW) -> Literal["small", "large"]:
    """Small or large, by the longer side of the box as a share of the longer side of the whole picture."""
    return "small" if longer_side(box) < small_below * max(size) else "large"


def box_text(box: Box) -> str:
    """The corners as integers: "(34, 50, 100, 120)"."""
    return f"({', '.join(str(round(value)) for value in box)})"


def size_text(size: Sequence[int]) -> str:
    """A picture's size: "512 x 512 px"."""
    return f"{size[0]} x {size[1]} px"


def centre(box: Box) -> tuple[float, float]:
    """The centre (x, y) of an xyxy box."""
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def longer_side(box: Box) -> float:
    """The longer side of an xyxy box, in pixels."""
    return max(box[2] - box[0], box[3] - box[1])


def sort_key(order: Order, box: Box, score: float) -> float:
    """What to sort ascending by, so that the thing that `order` asks for comes first."""
    x, y = centre(box)
    keys = {
        "score": -score,
        "largest": -longer_side(box),
        "smallest": longer_side(box),
        "leftmost": x,
        "rightmost": -x,
        "topmost": y,
        "bottommost": -y,
    }
    return keys[order]


def clip_box(box: Sequence[float], size: tuple[int, int]) -> Box:
    """A box cut to the picture, at least one pixel wide and high."""
    width, height = size
    x0, y0 = min(max(0.0, float(box[0])), width - 1.0), min(max(0.0, float(box[1])), height - 1.0)
    x1, y1 = min(max(x0 + 1, float(box[2])), float(width)), min(max(y0 + 1, float(box[3])), float(height))
    return round(x0, 1), round(y0, 1), round(x1, 1), round(y1, 1)


def mask_box(mask: np.ndarray) -> Box | None:
    """The tight box of a (height, width) bool mask, right and lower edges exclusive; None where it is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def box_iou(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """The IoU of one xyxy box with each of (n, 4) others: (n,) float."""
    width = np.minimum(box[2], boxes[:, 2]) - np.maximum(box[0], boxes[:, 0])
    height = np.minimum(box[3], boxes[:, 3]) - np.maximum(box[1], boxes[:, 1])
    inner = np.clip(width, 0, None) * np.clip(height, 0, None)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    union = areas + (box[2] - box[0]) * (box[3] - box[1]) - inner
    return inner / np.maximum(union, 1e-9)


def in_one_row(one: Box, other: Box, share: float) -> bool:
    """Whether boxes stand beside each other: they share more than `share` of the lower one's height."""
    shared = min(one[3], other[3]) - max(one[1], other[1])
    return shared > share * min(one[3] - one[1], other[3] - other[1])


def around(boxes: Sequence[Box]) -> Box:
    """The box around boxes."""
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)
