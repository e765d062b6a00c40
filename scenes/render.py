"""From a scene to its picture, with an exact mask and a tight box for each thing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import skia
from PIL import Image

from .drawing.backdrops import backdrop_pixels, layout_of
from .drawing.materials import LIGHT_STEP, painted
from .drawing.shapes import VARIANTS, figure, pose
from .drawing.signs import Box, Sign, draw_sign, place_signs
from .scene import Scene, Thing


@dataclass(frozen=True)
class Rendered:
    """A picture and its truth. Things are in the scene's order, n of them; the picture is H by W pixels.

    `masks` (n, H, W) bool, the visible pixels of each thing; `boxes` (n, 4) float32, the tight xyxy box of each mask
    in pixels, right and lower edges exclusive (all 0 where nothing is visible); `sign_boxes`, the xyxy box in pixels
    of each thing's sign, None for a thing without a word. A sign's pixels belong to no mask.
    """

    image: Image.Image
    masks: np.ndarray
    boxes: np.ndarray
    sign_boxes: list[Box | None]


def draw(scene: Scene, size: int = 512) -> np.ndarray:
    """The picture alone: (size, size, 3) uint8 sRGB. The fast path, for training."""
    return np.ascontiguousarray(_paint(scene, size, place_signs(scene))[..., :3])


def render(scene: Scene, size: int = 512) -> Rendered:
    """The picture with its masks and boxes, `size` pixels a side."""
    signs = place_signs(scene)
    picture = _paint(scene, size, signs)
    owners = _owners(scene, size, signs)
    masks = owners[None] == np.arange(1, len(scene.things) + 1, dtype=np.uint8)[:, None, None]
    boxes = np.array([tight_box(mask) for mask in masks], np.float32).reshape(-1, 4)
    sign_boxes: list[Box | None] = [
        None if sign is None else (sign.box[0] * size, sign.box[1] * size, sign.box[2] * size, sign.box[3] * size)
        for sign in signs
    ]
    return Rendered(Image.fromarray(np.ascontiguousarray(picture[..., :3])), masks, boxes, sign_boxes)


def silhouette(thing: Thing, size: int = 512) -> np.ndarray:
    """The mask that a thing would have if nothing stood before it: (size, size) bool."""
    pixels, canvas = _sheet(size)
    _stamp(canvas, thing, size, 1)
    return pixels[..., 0] == 1


def tight_box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """The tight xyxy box of a (H, W) mask, right and lower edges exclusive; all 0 for an empty mask."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return 0, 0, 0, 0
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _sheet(size: int) -> tuple[np.ndarray, skia.Canvas]:
    pixels = np.zeros((size, size, 4), np.uint8)
    return pixels, skia.Surface(pixels, skia.kRGBA_8888_ColorType).getCanvas()


def _stand(canvas: skia.Canvas, thing: Thing, size: int) -> None:
    """Move a canvas to where a thing's figure, around the origin with a longer side of 1, is drawn."""
    held = pose(thing.shape, thing.variant % VARIANTS, thing.angle)
    canvas.translate((thing.x + held.dx * thing.scale) * size, (thing.y + held.dy * thing.scale) * size)
    canvas.rotate(thing.angle)
    canvas.scale(held.scale * thing.scale * size, held.scale * thing.scale * size)


@cache
def _shadow_paint() -> skia.Paint:
    colors = [skia.Color(20, 20, 28, alpha) for alpha in (120, 90, 30, 0)]
    shader = skia.GradientShader.MakeRadial(skia.Point(0, 0), 1, colors, [0, 0.45, 0.8, 1])
    return skia.Paint(AntiAlias=True, Shader=shader)


def _shadow(canvas: skia.Canvas, thing: Thing, light: float, size: int) -> None:
    """A soft ellipse at the foot of a thing, pushed away from the light."""
    held = pose(thing.shape, thing.variant % VARIANTS, thing.angle)
    away = -float(np.cos(np.radians(light))) * 0.12 * thing.scale
    foot = thing.y + held.height * thing.scale * 0.5 - 0.03 * thing.scale
    canvas.save()
    canvas.translate((thing.x + away) * size, foot * size)
    canvas.scale(held.width * thing.scale * 0.56 * size, 0.105 * thing.scale * size)
    canvas.drawCircle(0, 0, 1, _shadow_paint())
    canvas.restore()


def _paint(scene: Scene, size: int, signs: list[Sign | None]) -> np.ndarray:
    pixels = backdrop_pixels(scene.backdrop, scene.tone, layout_of(scene.seed), size).copy()
    canvas = skia.Surface(pixels, skia.kRGBA_8888_ColorType).getCanvas()
    for thing in scene.things:
        _shadow(canvas, thing, scene.light, size)
    for thing in scene.things:
        light = round((scene.light - thing.angle) / LIGHT_STEP) * LIGHT_STEP
        canvas.save()
        _stand(canvas, thing, size)
        canvas.drawPicture(painted(thing.shape, thing.variant % VARIANTS, thing.color, thing.material, light))
        canvas.restore()
    for sign in signs:
        if sign is not None:
            draw_sign(canvas, sign, size)
    return pixels


def _stamp(canvas: skia.Canvas, thing: Thing, size: int, number: int) -> None:
    canvas.save()
    _stand(canvas, thing, size)
    paint = skia.Paint(AntiAlias=False, Color=skia.Color(number, 0, 0))
    canvas.drawPath(figure(thing.shape, thing.variant % VARIANTS).outline, paint)
    canvas.restore()


def _owners(scene: Scene, size: int, signs: list[Sign | None]) -> np.ndarray:
    """For each pixel the number of the thing that is seen there, counted from 1: (size, size) uint8, 0 for none."""
    pixels, canvas = _sheet(size)
    for number, thing in enumerate(scene.things, 1):
        _stamp(canvas, thing, size, number)
    for sign in signs:
        if sign is not None:
            _stamp_sign(canvas, sign, size)
    return np.ascontiguousarray(pixels[..., 0])


def _stamp_sign(canvas: skia.Canvas, sign: Sign, size: int) -> None:
    paint = skia.Paint(AntiAlias=False, Color=skia.Color(0, 0, 0))
    canvas.save()
    canvas.scale(size, size)
    if sign.foot is not None:
        wide = max(0.006, sign.height * 0.1)
        canvas.drawRect(skia.Rect(sign.x - wide / 2, sign.y, sign.x + wide / 2, sign.foot), paint)
    canvas.translate(sign.x, sign.y)
    canvas.rotate(sign.tilt)
    w, h = sign.width / 2 + 0.0014, sign.height / 2 + 0.0014
    canvas.drawRect(skia.Rect(-w, -h, w, h), paint)
    canvas.restore()
