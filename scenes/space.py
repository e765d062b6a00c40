"""Where things stand: relations between their centres, places in the picture, reading order.

A relation holds when the centres are clearly apart along its axis; between clear and not at all lies
a doubtful band, about which nothing may be said or asked. Coordinates are shares of the picture's side,
x to the right and y downwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .scene import Scene, Thing

Centres = Sequence[tuple[float, float]]
Boxes = Sequence[Sequence[float]]  # (things, 4), xyxy in shares of the picture's side

MARGIN = 0.05  # how far apart centres must be for a relation to be clear
PLACE_MARGIN = 0.02  # how far a centre must be from the borders between thirds

# relation: (axis, sign); "left" means that the first thing is at the left of the second
RELATIONS: Mapping[str, tuple[int, int]] = {"left": (0, -1), "right": (0, 1), "above": (1, -1), "below": (1, 1)}
OPPOSITE = {"left": "right", "right": "left", "above": "below", "below": "above"}

PLACES = (
    ("upper left", "top", "upper right"),
    ("left", "centre", "right"),
    ("lower left", "bottom", "lower right"),
)
PLACE_NAMES = tuple(name for row in PLACES for name in row)


def centres(scene: Scene, boxes: Boxes | None = None) -> list[tuple[float, float]]:
    """One (x, y) a thing, in the order of `scene.things`: of the visible boxes where they are given."""
    if boxes is None:
        return [(thing.x, thing.y) for thing in scene.things]
    return [((float(box[0]) + float(box[2])) / 2, (float(box[1]) + float(box[3])) / 2) for box in boxes]


def related(first: tuple[float, float], relation: str, second: tuple[float, float]) -> bool | None:
    """Whether the first centre is `relation` of the second; None where the difference is not clear."""
    axis, sign = RELATIONS[relation]
    gap = sign * (first[axis] - second[axis])
    if abs(gap) < MARGIN:
        return None
    return gap > 0


def place_of(x: float, y: float) -> str:
    """The part of the picture that a centre lies in, by thirds: "upper left", "centre", "bottom" ..."""
    return PLACES[min(2, max(0, int(y * 3)))][min(2, max(0, int(x * 3)))]


def clear_place(x: float, y: float) -> str | None:
    """The same, or None for a centre too near a border between thirds."""
    if any(abs(value - border) < PLACE_MARGIN for value in (x, y) for border in (1 / 3, 2 / 3)):
        return None
    return place_of(x, y)


def raster_order(scene: Scene) -> list[Thing]:
    """The things as one reads a page: the upper third from left to right, then the middle, then the lower."""
    return sorted(scene.things, key=lambda thing: (min(2, int(thing.y * 3)), thing.x))
