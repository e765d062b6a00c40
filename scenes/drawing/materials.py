"""How a thing is painted: tones of its colour, and the light on rubber, metal and wood."""

from __future__ import annotations

import math
import random
from functools import cache, lru_cache

import skia

from ..scene import COLORS
from .paths import Part
from .shapes import figure

# The dark and the light end of each colour. Both keep the hue; yellow darkens towards amber, for olive is no yellow.
_ENDS: dict[str, tuple[tuple[int, int, int], tuple[int, int, int]]] = {
    "red": ((84, 8, 12), (255, 206, 200)),
    "orange": ((140, 58, 4), (255, 228, 196)),
    "yellow": ((150, 108, 6), (255, 252, 222)),
    "green": ((10, 62, 24), (208, 246, 208)),
    "blue": ((10, 26, 96), (206, 224, 255)),
    "purple": ((46, 12, 72), (236, 212, 252)),
    "pink": ((168, 48, 104), (255, 236, 246)),
    "brown": ((36, 20, 10), (226, 196, 168)),
}

# Stops (place, tone) from the lit side to the far side, for each material and way that light falls.
_Stops = tuple[tuple[float, float], ...]
_STOPS: dict[tuple[str, str], _Stops] = {
    ("rubber", "flat"): ((0, 0.16), (0.5, 0.0), (1, -0.2)),
    ("rubber", "column"): ((0, -0.16), (0.34, 0.16), (0.6, -0.04), (1, -0.42)),
    ("rubber", "ball"): ((0, 0.3), (0.35, 0.1), (0.7, -0.14), (1, -0.5)),
    ("metal", "flat"): (
        (0, 0.3), (0.16, -0.2), (0.3, 0.0), (0.36, 0.9), (0.44, 0.98), (0.5, 0.15), (0.6, -0.1), (0.8, -0.62),
        (0.88, -0.1), (1, 0.3),
    ),
    ("metal", "column"): (
        (0, -0.5), (0.1, -0.1), (0.2, 0.1), (0.26, 0.95), (0.36, 0.98), (0.43, 0.1), (0.58, -0.15), (0.78, -0.72),
        (0.9, 0.25), (1, -0.3),
    ),
    ("metal", "ball"): (
        (0, 1.0), (0.13, 0.98), (0.2, 0.2), (0.4, -0.05), (0.6, -0.62), (0.7, -0.66), (0.8, 0.2), (0.9, 0.1), (1, -0.4),
    ),
    # round a tube: from the lit place round to it again
    ("rubber", "tube"): ((0, 0.16), (0.25, 0.0), (0.5, -0.24), (0.75, 0.0), (1, 0.16)),
    ("metal", "tube"): (
        (0, 0.95), (0.05, 0.9), (0.1, 0.05), (0.24, -0.6), (0.34, -0.1), (0.4, 0.75), (0.45, -0.05), (0.6, -0.6),
        (0.7, 0.0), (0.76, 0.6), (0.81, -0.1), (0.9, -0.2), (0.95, 0.9), (1, 0.95),
    ),
    ("wood", "tube"): ((0, 0.16), (0.25, 0.02), (0.5, -0.16), (0.75, 0.02), (1, 0.16)),
    ("wood", "flat"): ((0, 0.16), (0.5, 0.04), (1, -0.12)),
    ("wood", "column"): ((0, -0.12), (0.34, 0.14), (0.6, 0.0), (1, -0.32)),
    ("wood", "ball"): ((0, 0.24), (0.35, 0.08), (0.7, -0.1), (1, -0.4)),
}  # fmt: skip

LIGHT_STEP = 15  # degrees: light directions are rounded to this, so that paints can be kept


def tone(color: str, level: float) -> tuple[int, int, int]:
    """A tone of a colour as sRGB: -1 its dark end, 0 `COLORS[color]` exactly, 1 its light end."""
    dark, light = _ENDS[color]
    end, share = (light, min(level, 1.0)) if level >= 0 else (dark, min(-level, 1.0))
    r, g, b = (round(c + (e - c) * share) for c, e in zip(COLORS[color], end, strict=True))
    return r, g, b


def ink(color: str, level: float, alpha: int = 255) -> int:
    """A tone as skia's colour number."""
    return skia.Color(*tone(color, level), alpha)


def _gradient(part: Part, color: str, material: str, light: int) -> skia.Shader:
    box = part.path.computeTightBounds()
    cx, cy, rx, ry = box.centerX(), box.centerY(), box.width() / 2, box.height() / 2
    right, down = math.cos(math.radians(light)), math.sin(math.radians(light))
    stops = _STOPS[material, part.shade]
    lift = part.tone + 0.17 * part.facing * (1 if right > 0 else -1)
    colors = [ink(color, max(-0.95, min(1.0, level + lift))) for _, level in stops]
    places = [place for place, _ in stops]
    if part.shade == "ball":
        spot = skia.Point(cx + right * rx * 0.42, cy + down * ry * 0.42)
        return skia.GradientShader.MakeRadial(spot, max(rx, ry) * 1.42, colors, places)
    if part.shade == "tube":
        turn = skia.Matrix.RotateDeg(light, skia.Point(cx, cy))
        return skia.GradientShader.MakeSweep(cx, cy, colors, places, localMatrix=turn)
    if part.shade == "column":
        near, far = (cx + rx, cx - rx) if right > 0 else (cx - rx, cx + rx)
        return skia.GradientShader.MakeLinear([skia.Point(near, cy), skia.Point(far, cy)], colors, places)
    reach = abs(right) * rx + abs(down) * ry
    ends = [skia.Point(cx + s * right * reach, cy + s * down * reach) for s in (1, -1)]
    return skia.GradientShader.MakeLinear(ends, colors, places)


@cache
def _grain(which: int) -> tuple[skia.Path, skia.Path]:
    """Wavy lines across the unit box with one knot: (broad lines, fine lines)."""
    rng = random.Random(f"grain {which}")
    broad, fine = skia.Path(), skia.Path()
    kx, ky = rng.uniform(-0.25, 0.25), rng.uniform(-0.2, 0.2)
    rows = 13
    for row in range(rows):
        base = -0.62 + 1.24 * (row + rng.uniform(0.3, 0.7)) / rows
        path = broad if row % 2 else fine
        swing, phase = rng.uniform(0.008, 0.022), rng.uniform(0, 6.3)
        for step in range(25):
            x = -0.75 + 1.5 * step / 24
            near = math.exp(-(((x - kx) / 0.16) ** 2) - ((base - ky) / 0.16) ** 2)
            y = base + swing * math.sin(phase + x * 7) + math.copysign(0.065 * near, base - ky)
            (path.lineTo if step else path.moveTo)(x, y)
    for radius in (0.035, 0.075):
        fine.addOval(skia.Rect(kx - radius * 1.5, ky - radius * 0.75, kx + radius * 1.5, ky + radius * 0.75))
    return broad, fine


def _line(color: int, width: float) -> skia.Paint:
    return skia.Paint(AntiAlias=True, Style=skia.Paint.kStroke_Style, StrokeWidth=width, Color=color,
                      StrokeCap=skia.Paint.kRound_Cap)  # fmt: skip


def _paint_grain(canvas: skia.Canvas, outline: skia.Path, color: str, which: int) -> None:
    broad, fine = _grain(which)
    canvas.save()
    canvas.clipPath(outline, doAntiAlias=True)
    canvas.rotate((62, 74, 104, 118)[which])
    canvas.drawPath(broad, _line(ink(color, -0.9 if color == "brown" else -0.8, 225), 0.027))
    # on brown, which is dark, the fine lines are light ones
    canvas.drawPath(fine, _line(ink(color, 0.32 if color == "brown" else -0.75, 165), 0.014))
    canvas.restore()


def _part_paint(part: Part, color: str, material: str, light: int) -> skia.Paint:
    paint = skia.Paint(AntiAlias=True)
    if part.shade == "mark":
        # lines are fainter on wood, where they would read as grain
        paint.setColor(ink(color, part.tone, 130 if material == "wood" and part.stroke is not None else 255))
    elif part.shade == "veil":
        paint.setColor(ink(color, 1 if part.tone > 0 else -0.7, round(255 * min(1, abs(part.tone) * 1.2))))
    else:
        paint.setShader(_gradient(part, color, material, light))
    if part.stroke is not None:
        paint.setStyle(skia.Paint.kStroke_Style)
        paint.setStrokeWidth(part.stroke)
        paint.setStrokeCap(skia.Paint.kRound_Cap)
    return paint


@lru_cache(maxsize=4096)
def painted(shape: str, variant: int, color: str, material: str, light: int) -> skia.Picture:
    """The figure in its colours, around the origin with a longer side of 1, as a recording to play on any canvas.

    `light` is the direction that the light comes from, in the figure's own frame, a multiple of LIGHT_STEP.
    """
    drawn = figure(shape, variant)
    recorder = skia.PictureRecorder()
    canvas = recorder.beginRecording(skia.Rect(-0.75, -0.75, 0.75, 0.75))
    grained = material != "wood"
    for part in drawn.parts:
        if part.shade == "mark" and not grained:  # grain lies on the body, beneath the details
            _paint_grain(canvas, drawn.outline, color, variant)
            grained = True
        paint = _part_paint(part, color, material, light)
        if part.stroke is None:
            canvas.drawPath(part.path, paint)
        else:  # a line may run up to the outline, never past it
            canvas.save()
            canvas.clipPath(drawn.outline, doAntiAlias=True)
            canvas.drawPath(part.path, paint)
            canvas.restore()
    if not grained:
        _paint_grain(canvas, drawn.outline, color, variant)
    canvas.save()
    canvas.clipPath(drawn.outline, doAntiAlias=True)
    if drawn.bevel:
        strength = 0.85 if material == "metal" else 0.45
        rim = skia.Paint(AntiAlias=True, Style=skia.Paint.kStroke_Style, StrokeWidth=0.07)
        right, down = math.cos(math.radians(light)) * 0.5, math.sin(math.radians(light)) * 0.5
        rim.setShader(
            skia.GradientShader.MakeLinear(
                [skia.Point(right, down), skia.Point(-right, -down)],
                [ink(color, strength, 190), ink(color, 0, 0), ink(color, -0.6, 150)],
                [0, 0.5, 1],
            )
        )
        canvas.drawPath(drawn.outline, rim)
    canvas.drawPath(drawn.outline, _line(ink(color, -0.85, 150), 0.022))
    canvas.restore()
    return recorder.finishRecordingAsPicture()
