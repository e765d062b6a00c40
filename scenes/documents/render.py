"""Documents as pictures: laid out, drawn, and worn as scans and photographs are, with the box of every text."""

from __future__ import annotations

import io
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from .document import Document

FONTS = ("DejaVuSans", "DejaVuSerif", "DejaVuSansMono", "STIXGeneral", "Aileron")  # Aileron is Pillow's own
Color = tuple[int, int, int]


class Text(NamedTuple):
    """A text and its tight box, xyxy px of the picture as it came out."""

    text: str
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Page:
    """A rendered document: its picture (RGB) and where its texts stand, in reading order."""

    image: Image.Image
    texts: list[Text]


@dataclass(frozen=True)
class Wear:
    """What happened to a page: `tilt` in degrees, `blur` in px, `noise` in grey levels, a shadow 0..1, JPEG quality."""

    tilt: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    shadow: float = 0.0
    quality: int | None = None


CLEAN = Wear()


def worn(seed: int) -> Wear:
    """How a scan or a photograph of a page is worn, by seed: up to 4 degrees of tilt, some blur, noise and shadow."""
    rng = random.Random(f"wear {seed}")
    return Wear(rng.uniform(-4, 4), rng.uniform(0, 0.9), rng.uniform(0, 9), rng.uniform(0, 0.35), rng.randint(60, 92))


def render_document(document: Document, wear: Wear = CLEAN) -> Page:
    """The document's picture; the same arguments give the same picture."""
    rng = random.Random(f"look {document.kind} {document.seed}")
    sheet = _Sheet(rng, document)
    for text, x, y, size in _laid_out(document, sheet, rng):
        sheet.write(text, x, y, size)
    sheet.trim(rng.uniform(1, 3))
    return _wear(Page(sheet.image, sheet.texts), wear, rng, sheet.paper)


class _Sheet:
    """Paper that is written on."""

    def __init__(self, rng: random.Random, document: Document) -> None:
        screen = document.kind == "screen"
        dark = rng.random() < (0.4 if screen else 0.03)
        shade, ink = rng.randint(232, 255), rng.randint(0, 70)
        self.paper: Color = (ink, ink, ink + 8) if dark else (shade, shade, max(225, shade - rng.randint(0, 14)))
        self.ink: Color = (shade, shade, shade) if dark else (ink, ink, ink)
        self.font, self.size = rng.choice(FONTS), rng.randint(17, 26)
        self.width = round(
            self.size * {"receipt": 20, "form": 34, "table": 46, "letter": 42, "screen": 38}[document.kind]
        )
        self.texts: list[Text] = []
        self.image = Image.new("RGB", (self.width, round(self.size * _rows(document) * 4)), self.paper)
        self.pen = ImageDraw.Draw(self.image)

    def wide(self, text: str, size: int) -> float:
        """How wide a text is, px."""
        return self.pen.textlength(text, _font(self.font, size))

    def write(self, text: str, x: float, y: float, size: int) -> None:
        """Write a text and note its box."""
        font = _font(self.font, size)
        x0, y0, x1, y1 = self.pen.textbbox((x, y), text, font)
        self.pen.text((x, y), text, self.ink, font)
        self.texts.append(Text(text, (x0, y0, x1, y1)))

    def trim(self, lines: float) -> None:
        """Cut off the paper so many lines below the last text."""
        end = max(text.box[3] for text in self.texts) + lines * self.size
        self.image = self.image.crop((0, 0, self.width, round(end)))


def _rows(document: Document) -> float:
    return 4 + len(document.lines) + len(document.pairs) + len(document.cells)


def _laid_out(document: Document, sheet: _Sheet, rng: random.Random) -> Iterator[tuple[str, float, float, int]]:
    """Each text with its upper left corner and its size, in reading order."""
    size, left, y = sheet.size, sheet.size * 1.5, sheet.size * 1.5
    right = sheet.width - left
    if document.title:
        large = round(size * rng.uniform(1.1, 1.6))
        middle = document.kind == "receipt"
        yield document.title, (sheet.width - sheet.wide(document.title, large)) / 2 if middle else left, y, large
        y += 2.6 * size
    for line in document.lines:
        yield line, left, y, size
        y += size * (1.7 if document.kind == "letter" else 2.2)
    beside = rng.random() < 0.75 or document.kind == "receipt"
    for label, value in document.pairs:
        mark = "" if document.kind == "receipt" else rng.choice((":", ":", ""))
        yield f"{label}{mark}", left, y, size
        if document.kind == "receipt":
            yield value, right - sheet.wide(value, size), y, size
        elif beside:
            yield value, left + 12 * size, y, size
        y += 2.0 * size
        if not beside and document.kind == "form":
            yield value, left, y - 0.4 * size, size
            y += 1.8 * size
    if document.cells:
        columns = len(document.cells[0])
        step = (right - left) / columns
        lined = rng.random() < 0.5
        for row in document.cells:
            if lined:
                sheet.pen.line((left - 6, y - 0.45 * size, right, y - 0.45 * size), fill=sheet.ink)
            for at, text in enumerate(row):
                if text:
                    yield text, left + at * step, y, size
            y += 2.0 * size


@cache
def _font(name: str, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    if name == "Aileron":
        return ImageFont.load_default(size)
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts/ttf", f"{name}.ttf")), size)


def _wear(page: Page, wear: Wear, rng: random.Random, paper: Color) -> Page:
    image, texts = page.image, page.texts
    if wear.tilt:
        before = image.size
        ground: Color = (rng.randint(40, 200),) * 3  # pyright: ignore[reportAssignmentType]
        image = Image.new("RGB", (before[0] + 60, before[1] + 60), paper)
        image.paste(page.image, (30, 30))
        middle = (image.width / 2, image.height / 2)
        image = image.rotate(wear.tilt, Image.Resampling.BICUBIC, fillcolor=ground)
        texts = [Text(text, _turned(tuple(v + 30 for v in box), middle, wear.tilt)) for text, box in texts]
    if wear.shadow:
        x, y = np.meshgrid(np.linspace(-1, 1, image.width), np.linspace(-1, 1, image.height))
        turn = rng.uniform(0, 2 * math.pi)
        light = 1 - wear.shadow * (1 + np.cos(turn) * x + np.sin(turn) * y) / 2
        image = Image.fromarray(np.clip(np.asarray(image) * light[..., None], 0, 255).astype(np.uint8))
    if wear.blur:
        image = image.filter(ImageFilter.GaussianBlur(wear.blur))
    if wear.noise:
        grain = np.random.default_rng(rng.getrandbits(32)).normal(0, wear.noise, (image.height, image.width, 1))
        image = Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8))
    if wear.quality is not None:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=wear.quality)
        image = Image.open(file).convert("RGB")
    return Page(image, texts)


def _turned(box: tuple[float, ...], middle: tuple[float, float], degrees: float) -> tuple[float, float, float, float]:
    """The box around a box that was turned about a middle, against the clock as Pillow turns."""
    turn = math.radians(-degrees)
    x0, y0, x1, y1 = box
    corners = [(x - middle[0], y - middle[1]) for x in (x0, x1) for y in (y0, y1)]
    xs = [middle[0] + x * math.cos(turn) - y * math.sin(turn) for x, y in corners]
    ys = [middle[1] + x * math.sin(turn) + y * math.cos(turn) for x, y in corners]
    return min(xs), min(ys), max(xs), max(ys)
