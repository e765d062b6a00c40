"""Where things stand: relations between their centres, and places in the picture.

A relation holds when the centres are clearly apart along its axis; between clear and not at all lies
a doubtful band, about which nothing may be said or asked of a drawn scene. Coordinates are shares of the picture's
sides, x to the right and y downwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Box = Sequence[float]  # xyxy in shares of the picture's sides
Boxes = Sequence[Box]

MARGIN = 0.05  # how far apart centres must be for a relation to be clear
PLACE_MARGIN = 0.02  # how far a centre must be from the borders between thirds
NEXT_TO = 0.12  # how far apart the edges of things may be that stand next to each other

# relation: (axis, sign); "left" means that the first thing is at the left of the second
RELATIONS: Mapping[str, tuple[int, int]] = {"left": (0, -1), "right": (0, 1), "above": (1, -1), "below": (1, 1)}
OPPOSITE = {"left": "right", "right": "left", "above": "below", "below": "above"}

PLACES = (
    ("upper left", "top", "upper right"),
    ("left", "centre", "right"),
    ("lower left", "bottom", "lower right"),
)
PLACE_NAMES = tuple(name for row in PLACES for name in row)


def related(first: Sequence[float], relation: str, second: Sequence[float]) -> bool | None:
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


def gap(first: Box, second: Box) -> float:
    """How far two boxes are apart, edge to edge; 0 where they touch or overlap. In the units of the boxes."""
    across = max(0.0, first[0] - second[2], second[0] - first[2])
    down = max(0.0, first[1] - second[3], second[1] - first[3])
    return (across**2 + down**2) ** 0.5


def inside(inner: Box, outer: Box) -> bool:
    """Whether most of a box (at least four fifths of its area) lies in another that is larger."""
    width = min(inner[2], outer[2]) - max(inner[0], outer[0])
    height = min(inner[3], outer[3]) - max(inner[1], outer[1])
    area = (inner[2] - inner[0]) * (inner[3] - inner[1])
    larger = (outer[2] - outer[0]) * (outer[3] - outer[1]) > area
    return larger and max(0.0, width) * max(0.0, height) >= 0.8 * area


def between(point: Sequence[float], first: Sequence[float], second: Sequence[float]) -> bool:
    """Whether a centre lies between two others: its foot on the line from one to the other is in the middle part, and
    it is off that line by less than a third of the line's length.
    """
    line = (second[0] - first[0], second[1] - first[1])
    length = (line[0] ** 2 + line[1] ** 2) ** 0.5
    if length == 0:
        return False
    way = (point[0] - first[0], point[1] - first[1])
    along = (way[0] * line[0] + way[1] * line[1]) / length**2
    off = abs(way[0] * line[1] - way[1] * line[0]) / length
    return 0.05 < along < 0.95 and off < length / 3
