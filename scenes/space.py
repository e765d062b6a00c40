"""Where the things of a scene stand: their centres, and the order in which one reads a page."""

from __future__ import annotations

from ..queries.space import Boxes
from .scene import Scene, Thing


def centres(scene: Scene, boxes: Boxes | None = None) -> list[tuple[float, float]]:
    """One (x, y) a thing, in the order of `scene.things`: of the visible boxes where they are given."""
    if boxes is None:
        return [(thing.x, thing.y) for thing in scene.things]
    return [((float(box[0]) + float(box[2])) / 2, (float(box[1]) + float(box[3])) / 2) for box in boxes]


def raster_order(scene: Scene) -> list[Thing]:
    """The things as one reads a page: the upper third from left to right, then the middle, then the lower."""
    return sorted(scene.things, key=lambda thing: (min(2, int(thing.y * 3)), thing.x))
