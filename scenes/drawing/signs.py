"""Words on signs: where a sign stands beside its thing, and how it is drawn."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import skia

from ..scene import Scene, Thing
from .shapes import VARIANTS, pose

_FONT_FILES = (
    "DejaVuSans-Bold.ttf",
    "DejaVuSerif-Bold.ttf",
    "DejaVuSansMono-Bold.ttf",
    "DejaVuSans.ttf",
    "STIXGeneralBol.ttf",
    "STIXGeneralBolIta.ttf",
    "DejaVuSans-BoldOblique.ttf",
    "DejaVuSerif-BoldItalic.ttf",
)
FONTS = len(_FONT_FILES)  # `Thing.font` is taken modulo this

CLEAR_LEAD = 0.03  # picture shares: a sign this much nearer to its thing than to others plainly belongs to it

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Sign:
    """A sign in picture shares: the plate's centre, its size, its tilt, the capitals' height, and its post's foot.

    `foot` is the y where the post meets the ground; None for a card without a post. `clash` is the share of the
    plate that lies on things or other signs. `lead` is by how much the sign is nearer to its own thing than to any
    other: where it is small or negative, one cannot see whose sign it is.
    """

    word: str
    font: int
    x: float
    y: float
    width: float
    height: float
    tilt: float  # degrees clockwise
    slant: float  # of the letters, as a skew
    capital: float
    foot: float | None
    clash: float
    lead: float

    @property
    def box(self) -> Box:
        """The upright box round the tilted plate, xyxy, in picture shares."""
        path = skia.Path.Rect(skia.Rect(-self.width / 2, -self.height / 2, self.width / 2, self.height / 2))
        path.transform(skia.Matrix.RotateDeg(self.tilt), path)
        box = path.getBounds()
        return self.x + box.left(), self.y + box.top(), self.x + box.right(), self.y + box.bottom()


@cache
def _face(font: int) -> skia.Typeface:
    import matplotlib  # slow for a module that most callers of `scenes` need only when a word is drawn

    # A font manager of our own: the default one would read the machine's font settings.
    return skia.FontMgr.New_Custom_Empty().makeFromFile(
        str(Path(matplotlib.get_data_path(), "fonts", "ttf", _FONT_FILES[font % FONTS]))
    )


@cache
def _capital(font: int) -> float:
    """The height of the capital H at a font size of 100."""
    return skia.Font(_face(font), 100).getPath(_face(font).unicharToGlyph(ord("H"))).computeTightBounds().height()


@cache
def lettering(word: str, font: int) -> tuple[skia.Path, float]:
    """The word as one path around the origin with capitals 1 high, and its width."""
    scale = 1 / _capital(font)
    face = skia.Font(_face(font), 100)
    face.setSubpixel(True)
    path = skia.Path()
    at = 0.0
    for glyph, advance in zip(face.textToGlyphs(word), face.getWidths(face.textToGlyphs(word)), strict=True):
        letter = face.getPath(glyph)
        letter.offset(at, 0)
        path.addPath(letter)
        at += advance + 6  # a little air, so that small letters stay apart
    box = path.computeTightBounds()
    matrix = skia.Matrix.Scale(scale, scale)
    matrix.preConcat(skia.Matrix.Translate(-box.centerX(), 50 * _capital(font) / 100))
    path.transform(matrix, path)
    return path, box.width() * scale


@cache
def letter_spans(word: str, font: int) -> tuple[tuple[float, float], ...]:
    """Where each letter of `lettering` begins and ends on the x axis, in heights of a capital."""
    face = skia.Font(_face(font), 100)
    face.setSubpixel(True)
    glyphs = face.textToGlyphs(word)
    whole, spans, at = skia.Path(), [], 0.0
    for glyph, advance in zip(glyphs, face.getWidths(glyphs), strict=True):
        letter = face.getPath(glyph)
        letter.offset(at, 0)
        whole.addPath(letter)
        spans.append((at, at + advance))
        at += advance + 6
    middle, scale = whole.computeTightBounds().centerX(), 1 / _capital(font)
    return tuple(((left - middle) * scale, (right - middle) * scale) for left, right in spans)


def thing_box(thing: Thing) -> Box:
    """The box that the whole thing fills, xyxy, in picture shares."""
    held = pose(thing.shape, thing.variant % VARIANTS, thing.angle)
    w, h = held.width * thing.scale / 2, held.height * thing.scale / 2
    return thing.x - w, thing.y - h, thing.x + w, thing.y + h


def overlap(a: Box, b: Box) -> float:
    """The area that two boxes share."""
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def gap(a: Box, b: Box) -> float:
    """The distance between two boxes, 0 where they touch."""
    return max(0.0, a[0] - b[2], b[0] - a[2], a[1] - b[3], b[1] - a[3])


def place_signs(scene: Scene) -> list[Sign | None]:
    """A sign for each thing that has a word, in thing order, where it hides the least."""
    boxes = [thing_box(thing) for thing in scene.things]
    taken: list[Box] = []
    signs: list[Sign | None] = []
    for thing, box in zip(scene.things, boxes, strict=True):
        signs.append(None if thing.word is None else _place(scene, thing, thing.word, box, boxes, taken))
        if (last := signs[-1]) is not None:
            taken.append(last.box)
    return signs


def _place(scene: Scene, thing: Thing, word: str, own: Box, boxes: Sequence[Box], taken: Sequence[Box]) -> Sign:
    rng = random.Random(f"{scene.seed} {thing.id} {word}")
    capital = rng.uniform(0.027, 0.048 if len(word) > 4 else 0.056)
    tilt, slant = rng.uniform(-6, 6), rng.choice((0.0, 0.0, -0.12, -0.2, 0.1))
    letters = lettering(word, thing.font % FONTS)[1]
    width, height = (letters + 1.1) * capital, 1.9 * capital
    post = rng.random() < 0.6
    air = 0.008
    sides = [-1, 1] if rng.random() < 0.5 else [1, -1]
    middle, low = (own[1] + own[3]) / 2, own[3]
    spots = [
        (own[2] + air + width / 2 if side > 0 else own[0] - air - width / 2, y, post)
        for side in sides
        for y in (low - height * (1.3 if post else 0.6), middle, low - height * 0.2, own[1] + height * 0.3)
    ]
    for y in (low + air + height * 0.6, own[1] - air - height * 0.6):
        spots += [(thing.x + shift * width * 0.3, y, False) for shift in (0, -1, 1)]
    others = [box for box in boxes if box is not own]
    best: tuple[float, Sign] | None = None
    for x, y, stands in spots:
        sign = Sign(word, thing.font % FONTS, x, y, width, height, tilt, slant, capital, None, 0.0, 0.0)
        box = sign.box
        foot = max(low, y + height) if stands else None
        whole = box if foot is None else (x - 0.004, y, x + 0.004, foot)
        covered = sum(overlap(box, other) for other in boxes) + 3 * sum(overlap(box, other) for other in taken)
        covered += 2 * sum(overlap(whole, other) for other in others)
        lead = min((gap(box, other) for other in others), default=1.0) - gap(box, own)
        inside = box[0] >= 0.01 and box[1] >= 0.01 and box[2] <= 0.99 and box[3] <= 0.99
        sign = replace(sign, foot=foot, clash=covered / (width * height) + (0 if inside else 10), lead=lead)
        cost = sign.clash + 10 * max(0.0, CLEAR_LEAD - lead)
        if best is None or cost < best[0]:
            best = cost, sign
        if cost == 0:
            break
    assert best is not None
    return best[1]


def draw_sign(canvas: skia.Canvas, sign: Sign, size: int) -> None:
    """Draw a sign on a canvas of `size` pixels."""
    canvas.save()
    canvas.scale(size, size)
    if sign.foot is not None:
        wide = max(0.006, sign.height * 0.1)
        post = skia.Paint(AntiAlias=True, Color=skia.Color(104, 102, 100))
        canvas.drawRect(skia.Rect(sign.x - wide / 2, sign.y, sign.x + wide / 2, sign.foot), post)
    canvas.translate(sign.x, sign.y)
    canvas.rotate(sign.tilt)
    w, h = sign.width / 2, sign.height / 2
    round_ = sign.height * 0.12
    below = skia.Paint(AntiAlias=True, Color=skia.Color(30, 30, 34, 70))
    canvas.drawRoundRect(skia.Rect(-w + 0.003, -h + 0.004, w + 0.003, h + 0.004), round_, round_, below)
    canvas.drawRoundRect(
        skia.Rect(-w, -h, w, h), round_, round_, skia.Paint(AntiAlias=True, Color=skia.Color(250, 249, 244))
    )
    rim = skia.Paint(
        AntiAlias=True, Color=skia.Color(120, 118, 114), Style=skia.Paint.kStroke_Style, StrokeWidth=0.0028
    )
    canvas.drawRoundRect(skia.Rect(-w, -h, w, h), round_, round_, rim)
    path, _ = lettering(sign.word, sign.font)
    canvas.skew(sign.slant, 0)
    canvas.scale(sign.capital, sign.capital)
    canvas.drawPath(path, skia.Paint(AntiAlias=True, Color=skia.Color(28, 28, 32)))
    canvas.restore()
