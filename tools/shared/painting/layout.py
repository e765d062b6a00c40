"""Where the things of a prompt go: boxes drawn at random until places and relations hold and nothing overlaps."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from ....memory.records import Box
from .wanted import Asked, Wanted

SIDES = {"small": (0.11, 0.14), "large": (0.20, 0.26), None: (0.17, 0.25)}  # longer sides, in shares of the picture
EDGE, GAP = 0.04, 0.04  # kept free at the edges and between things
CLEAR = 0.06  # by how much one thing must be further to a side than another
TRIES, DRAWS = 60, 40  # layouts begun, and boxes drawn for each thing of one
AREAS: dict[str | None, Box] = {
    None: (0.0, 0.0, 1.0, 1.0), "left": (0.0, 0.0, 0.45, 1.0), "right": (0.55, 0.0, 1.0, 1.0),
    "top": (0.0, 0.0, 1.0, 0.42), "bottom": (0.0, 0.58, 1.0, 1.0), "centre": (0.28, 0.28, 0.72, 0.72),
    "upper left": (0.0, 0.0, 0.45, 0.45), "upper right": (0.55, 0.0, 1.0, 0.45),
    "lower left": (0.0, 0.55, 0.45, 1.0), "lower right": (0.55, 0.55, 1.0, 1.0),
}  # fmt: skip


def lay_out(wanted: Wanted, seed: int, about: Mapping[str, Any]) -> list[Box] | None:
    """A box for each thing, xyxy in shares of the sides; None where none of many tries fits.

    Args:
        wanted: what is asked for.
        seed: the same seed gives the same layout.
        about: what the painter declares: "shapes", the width of each kind beside its height.
    """
    rng = random.Random(f"layout {seed}")
    for attempt in range(TRIES):
        shrink = 1.0 - 0.4 * attempt / TRIES  # smaller things fit where large ones do not
        boxes: list[Box] = []
        for asked in wanted.things:
            drawn = (_draw(asked, rng, about, shrink) for _ in range(DRAWS))
            box = next((box for box in drawn if box is not None and _fits([*boxes, box], wanted)), None)
            if box is None:
                break
            boxes.append(box)
        if len(boxes) == len(wanted.things):
            return boxes
    return None


def _fits(boxes: Sequence[Box], wanted: Wanted) -> bool:
    """Whether the last of the boxes is clear of the others, and stands to them as it should."""
    last = len(boxes) - 1
    related = [one for one in wanted.relations if last in (one[0], one[2]) and max(one[0], one[2]) <= last]
    return not any(_too_near(boxes[last], other) for other in boxes[:last]) and all(
        holds(boxes, *relation) for relation in related
    )


def holds(boxes: Sequence[Box], one: int, relation: str, other: int) -> bool:
    """Whether a relation holds between two boxes, by their centres."""
    (x, y), (u, v) = (((b[0] + b[2]) / 2, (b[1] + b[3]) / 2) for b in (boxes[one], boxes[other]))
    match relation:
        case "left of":
            return x < u - CLEAR and abs(y - v) < 0.35
        case "right of":
            return x > u + CLEAR and abs(y - v) < 0.35
        case "above":
            return y < v - CLEAR and abs(x - u) < 0.35
        case "below":
            return y > v + CLEAR and abs(x - u) < 0.35
        case _:
            return abs(x - u) < 0.42 and abs(y - v) < 0.2


def _draw(asked: Asked, rng: random.Random, about: Mapping[str, Any], shrink: float) -> Box | None:
    longer = rng.uniform(*SIDES[asked.size]) * shrink
    shape = next((float(share) for kind, share in about.get("shapes", {}).items() if kind in asked.words.split()), 1.0)
    width, height = longer * min(1.0, shape), longer * min(1.0, 1 / shape)
    left, top, right, bottom = AREAS[asked.place]
    left, top = max(left, EDGE), max(top, EDGE)
    right, bottom = min(right, 1 - EDGE) - width, min(bottom, 1 - EDGE) - height
    if right < left or bottom < top:
        return None
    x, y = rng.uniform(left, right), rng.uniform(top, bottom)
    return x, y, x + width, y + height


def _too_near(one: Box, other: Box) -> bool:
    return one[0] < other[2] + GAP and other[0] < one[2] + GAP and one[1] < other[3] + GAP and other[1] < one[3] + GAP
