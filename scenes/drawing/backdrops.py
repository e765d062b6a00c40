"""What things stand before: a plain ground, a desk, a street, a shelf, all in muted greys that no thing has."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np
import skia

TONES = 5
LAYOUTS = 3

# Each tone: light, middle and dark, nearly without colour: warm, cool, neutral, sage, mauve.
_TONES: tuple[tuple[tuple[int, int, int], tuple[int, int, int], tuple[int, int, int]], ...] = (
    ((236, 231, 224), (206, 199, 190), (148, 141, 132)),
    ((226, 232, 237), (193, 200, 208), (132, 140, 149)),
    ((240, 240, 240), (208, 208, 208), (140, 140, 140)),
    ((228, 234, 226), (197, 205, 195), (134, 143, 133)),
    ((233, 228, 235), (202, 196, 206), (142, 136, 147)),
)

# The upper faces of a shelf's boards, by layout: a thing's foot stands on one of these heights.
_BOARDS = ((0.345, 0.655, 0.955), (0.33, 0.64, 0.95), (0.36, 0.665, 0.96))


def layout_of(seed: int) -> int:
    """Which arrangement of its backdrop a scene shows."""
    return seed % LAYOUTS


def feet(backdrop: str, layout: int) -> tuple[float, ...] | None:
    """The heights at which things stand on a shelf; None where they may stand anywhere on the ground."""
    return _BOARDS[layout] if backdrop == "shelf" else None


def ground(backdrop: str, layout: int) -> float:
    """The least height (y) of a thing's foot on this backdrop, as a share of the picture."""
    return {"plain": 0.13, "desk": (0.27, 0.24, 0.3)[layout], "street": (0.36, 0.33, 0.4)[layout], "shelf": 0.3}[
        backdrop
    ]


def _rgb(color: tuple[int, int, int], factor: float = 1.0) -> int:
    return skia.Color(*(min(255, round(c * factor)) for c in color))


def _fill(canvas: skia.Canvas, box: tuple[float, float, float, float], top: int, bottom: int | None = None) -> None:
    paint = skia.Paint(AntiAlias=True, Color=top)
    if bottom is not None:
        ends = [skia.Point(0, box[1]), skia.Point(0, box[3])]
        paint.setShader(skia.GradientShader.MakeLinear(ends, [top, bottom]))
    canvas.drawRect(skia.Rect(*box), paint)


def _poly(canvas: skia.Canvas, points: list[tuple[float, float]], color: int) -> None:
    path = skia.Path.Polygon([skia.Point(*point) for point in points], True)
    canvas.drawPath(path, skia.Paint(AntiAlias=True, Color=color))


def _stroke(canvas: skia.Canvas, points: list[tuple[float, float]], color: int, width: float) -> None:
    path = skia.Path.Polygon([skia.Point(*point) for point in points], False)
    paint = skia.Paint(AntiAlias=True, Color=color, Style=skia.Paint.kStroke_Style, StrokeWidth=width)
    canvas.drawPath(path, paint)


def _plain(canvas: skia.Canvas, tone: int, layout: int) -> None:
    light, middle, _ = _TONES[tone]
    where = [(0.5, 0.35), (0.25, 0.2), (0.75, 0.25)][layout]
    paint = skia.Paint(
        Shader=skia.GradientShader.MakeRadial(skia.Point(*where), 0.95, [_rgb(light), _rgb(light, 0.97), _rgb(middle)])
    )
    canvas.drawRect(skia.Rect(0, 0, 1, 1), paint)


def _desk(canvas: skia.Canvas, tone: int, layout: int) -> None:
    light, middle, dark = _TONES[tone]
    edge = (0.2, 0.16, 0.24)[layout]
    _fill(canvas, (0, 0, 1, edge), _rgb(middle, 0.84), _rgb(middle, 0.9))  # the wall behind
    _fill(canvas, (0, edge, 1, 0.965), _rgb(light, 0.99), _rgb(light, 0.93))  # the top
    _fill(canvas, (0, edge, 1, edge + 0.008), _rgb(dark, 0.9))
    _fill(canvas, (0, 0.965, 1, 0.972), _rgb(light, 1.06))
    _fill(canvas, (0, 0.972, 1, 1), _rgb(dark, 0.95))  # its front edge
    for i in range(9):  # faint boards in the top
        y = edge + 0.05 + i * 0.087
        _stroke(canvas, [(0, y), (1, y + 0.004 * (i % 3 - 1))], _rgb(light, 0.9), 0.003)
    px, py = [(0.56, 0.36), (0.1, 0.5), (0.4, 0.62)][layout]  # a sheet of paper
    for drop, color in ((0.013, _rgb(middle, 0.93)), (0.0, _rgb((250, 250, 249)))):  # its shadow first
        x, y = px + drop * 0.9, py + drop * 1.2
        _poly(canvas, [(x, y), (x + 0.29, y - 0.04), (x + 0.34, y + 0.22), (x + 0.05, y + 0.27)], color)
    for i in range(5):
        x, y = px + 0.045 + i * 0.0085, py + 0.045 + i * 0.038
        _stroke(canvas, [(x, y), (x + 0.21, y - 0.03)], _rgb(middle, 0.98), 0.004)
    qx, qy = [(0.1, 0.8), (0.62, 0.3), (0.12, 0.34)][layout]  # a pencil
    _stroke(canvas, [(qx, qy), (qx + 0.2, qy - 0.06)], _rgb(dark, 0.8), 0.016)
    _stroke(canvas, [(qx + 0.002, qy - 0.004), (qx + 0.2, qy - 0.064)], _rgb(dark, 1.15), 0.005)
    point = [(qx + 0.1985, qy - 0.0675), (qx + 0.225, qy - 0.0675), (qx + 0.2035, qy - 0.0525)]
    _poly(canvas, point, _rgb(light, 0.95))


def _street(canvas: skia.Canvas, tone: int, layout: int) -> None:
    light, middle, dark = _TONES[tone]
    far = (0.3, 0.26, 0.33)[layout]
    kerb = (0.6, 0.56, 0.62)[layout]
    _fill(canvas, (0, 0, 1, far), _rgb(light, 0.97), _rgb(light, 1.04))  # the sky
    places, heights = (0, 12, 22, 37, 52, 66, 80, 90, 100), (0.1, 0.07, 0.12, 0.05, 0.1, 0.06, 0.13, 0.08)
    for (x0, x1), height in zip(pairwise(places), heights, strict=True):  # far roofs, flat and pale
        top = far - height * (0.8 + 0.2 * layout)
        _fill(canvas, (x0 / 100, top, x1 / 100, far), _rgb(middle, 0.97 + 0.03 * (x0 % 3)))
    _fill(canvas, (0, far, 1, kerb), _rgb(middle, 0.98), _rgb(middle, 1.03))  # the pavement
    for i in range(1, 4):
        y = far + (kerb - far) * (i / 4) ** 1.3
        _stroke(canvas, [(0, y), (1, y)], _rgb(middle, 0.9), 0.003)
    for i in range(-2, 9):
        _stroke(canvas, [(0.5 + (i - 3.2) * 0.13, far), (0.5 + (i - 3.2) * 0.22, kerb)], _rgb(middle, 0.9), 0.003)
    _fill(canvas, (0, kerb, 1, kerb + 0.018), _rgb(light, 1.0))
    _fill(canvas, (0, kerb + 0.018, 1, kerb + 0.032), _rgb(dark, 0.82))
    _fill(canvas, (0, kerb + 0.032, 1, 1), _rgb(dark, 0.9), _rgb(dark, 0.98))  # the road
    y0 = (kerb + 1.03) / 2
    y1 = y0 + 0.022
    for i in range(5):
        x = -0.06 + i * 0.25 + 0.05 * layout
        _poly(canvas, [(x, y0), (x + 0.13, y0), (x + 0.12, y1), (x - 0.012, y1)], _rgb(light))
    lx = (0.9, 0.08, 0.93)[layout]  # a lamp
    reach = -0.07 if lx > 0.5 else 0.07
    _fill(canvas, (lx - 0.006, 0.06, lx + 0.006, far + 0.06), _rgb(dark, 0.62))
    _fill(canvas, (lx - 0.014, far + 0.035, lx + 0.014, far + 0.06), _rgb(dark, 0.62))
    _stroke(canvas, [(lx, 0.062), (lx + reach, 0.05)], _rgb(dark, 0.62), 0.01)
    head = [(lx + reach * out, y) for out, y in ((0.7, 0.05), (1.35, 0.05), (1.25, 0.068), (0.8, 0.068))]
    _poly(canvas, head, _rgb(light, 1.1))


def _shelf(canvas: skia.Canvas, tone: int, layout: int) -> None:
    light, middle, dark = _TONES[tone]
    _fill(canvas, (0, 0, 1, 1), _rgb(middle, 0.98), _rgb(middle, 0.94))
    for i in range(1, 8):
        _stroke(canvas, [(i / 8, 0), (i / 8, 1)], _rgb(middle, 0.92), 0.003)
    for board in (0.03, *_BOARDS[layout]):
        front = board + 0.012
        _fill(canvas, (0, board - 0.022, 1, front), _rgb(light, 0.98))  # upper face
        _fill(canvas, (0, front, 1, front + 0.022), _rgb(dark, 1.12), _rgb(dark, 0.98))  # front edge
        shade = skia.Paint(
            Shader=skia.GradientShader.MakeLinear(
                [skia.Point(0, front + 0.022), skia.Point(0, front + 0.085)],
                [skia.Color(40, 40, 44, 80), skia.Color(40, 40, 44, 0)],
            )
        )
        canvas.drawRect(skia.Rect(0, front + 0.022, 1, front + 0.085), shade)
    for x0, x1 in ((0.0, 0.018), (0.982, 1.0)):
        _fill(canvas, (x0, 0, x1, 1), _rgb(dark, 1.02))


_DRAWN = {"plain": _plain, "desk": _desk, "street": _street, "shelf": _shelf}


@lru_cache(maxsize=64)
def backdrop_pixels(backdrop: str, tone: int, layout: int, size: int) -> np.ndarray:
    """The empty backdrop: (size, size, 4) uint8 RGBA, read-only."""
    pixels = np.zeros((size, size, 4), np.uint8)
    canvas = skia.Surface(pixels, skia.kRGBA_8888_ColorType).getCanvas()
    canvas.scale(size, size)
    _DRAWN[backdrop](canvas, tone % TONES, layout)
    pixels.flags.writeable = False
    return pixels
