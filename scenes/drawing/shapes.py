"""The 18 shapes as figures around the origin with a longer side of 1: a renderer only moves, turns and scales them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import skia

from .paths import Part, union
from .silhouettes import SILHOUETTE_FIGURES
from .solids import SOLID_FIGURES

VARIANTS = 4  # drawings a shape: `Thing.variant` is taken modulo this

_DRAWN = SOLID_FIGURES | SILHOUETTE_FIGURES
_SOLID_FACES = frozenset({"cube", "ball", "cone", "cylinder", "pyramid"})


@dataclass(frozen=True)
class Figure:
    """The parts of a shape from back to front, and `outline`, the union of all that belongs to it.

    `bevel` asks for a lit rim along the outline (thick cut-outs, not solids whose faces carry the light). `area` is the
    outline's, in figure units squared.
    """

    parts: tuple[Part, ...]
    outline: skia.Path
    bevel: bool
    area: float


@cache
def figure(shape: str, variant: int) -> Figure:
    """The drawing of a shape, its outline's box centred on the origin with a longer side of 1. `variant` is 0 to 3."""
    parts = _DRAWN[shape](variant)
    outline = union(*(part.path for part in parts if part.stroke is None))
    box = outline.computeTightBounds()
    scale = 1 / max(box.width(), box.height())
    matrix = skia.Matrix.Scale(scale, scale)
    matrix.preConcat(skia.Matrix.Translate(-box.centerX(), -box.centerY()))

    def placed(path: skia.Path) -> skia.Path:
        moved = skia.Path()
        path.transform(matrix, moved)
        moved.setIsVolatile(False)
        return moved

    whole = tuple(
        Part(placed(p.path), p.tone, p.shade, None if p.stroke is None else p.stroke * scale, p.facing) for p in parts
    )
    body = placed(outline)
    return Figure(whole, body, shape not in _SOLID_FACES, _area(body))


def _area(path: skia.Path, side: int = 256) -> float:
    """The area of a path within the unit box around the origin, counted on a grid of `side` by `side` points."""
    pixels = np.zeros((side, side, 4), np.uint8)
    canvas = skia.Surface(pixels, skia.kRGBA_8888_ColorType).getCanvas()
    canvas.translate(side / 2, side / 2)
    canvas.scale(side, side)
    canvas.drawPath(path, skia.Paint(Color=skia.ColorWHITE))
    return float((pixels[..., 0] > 0).mean())


@dataclass(frozen=True)
class Pose:
    """How a turned figure fills its box: everything in units of the box's longer side.

    `width` and `height` (the longer is 1); `scale`, the figure's own size; `dx`, `dy`, where its origin lies from the
    box's centre; `fill`, the share of the box that the outline covers.
    """

    width: float
    height: float
    scale: float
    dx: float
    dy: float
    fill: float


@cache
def pose(shape: str, variant: int, angle: float) -> Pose:
    """The pose of a figure turned clockwise by `angle` degrees. Kept for each angle: give whole degrees."""
    drawn = figure(shape, variant)
    outline = skia.Path()
    drawn.outline.transform(skia.Matrix.RotateDeg(angle), outline)
    box = outline.computeTightBounds()
    longer = max(box.width(), box.height())
    return Pose(
        box.width() / longer,
        box.height() / longer,
        1 / longer,
        -box.centerX() / longer,
        -box.centerY() / longer,
        drawn.area / (box.width() * box.height()),
    )
