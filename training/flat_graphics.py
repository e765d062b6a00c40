"""Pages, charts, windows and posters, made from random numbers: drawn large and made small, as such pictures arrive."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw, ImageFont

LARGE = 640  # px of the side at which they are drawn
Rng = np.random.Generator
Color = tuple[int, int, int]
_LETTERS = tuple("eeeetttaaaooiinnsshhrrddlluucmfwygpbvk")


def page(rng: Rng) -> Image.Image:
    """A letter, a form or a receipt: lines of text of one or several sizes, rules between them now and then."""
    width, height = _sides(rng, 0.5, 1.1)
    dark = rng.random() < 0.12
    paper, ink = _shade(rng, 225, 256), _shade(rng, 0, 90)
    paper, ink = (ink, paper) if dark else (paper, ink)
    image = Image.new("RGB", (width, height), paper)
    draw = ImageDraw.Draw(image)
    size = int(rng.integers(9, 30))
    left, right = sorted(rng.uniform(0.02, 0.98, 2) * width) if rng.random() < 0.3 else (0.08 * width, 0.92 * width)
    y = rng.uniform(0.02, 0.2) * height
    end = rng.uniform(0.3, 1) * height
    columns = rng.random() < 0.35
    while y < end:
        high = size * int(rng.choice((1, 1, 1, 1, 2)))
        text = _sentence(rng, int((right - left) / (0.55 * high) * rng.uniform(0.2, 1)))
        draw.text((left, y), text, ink, font=_font(high))
        if columns:
            draw.text((right - 3 * high, y), _figure(rng), ink, font=_font(high))
        if rng.random() < 0.06:
            draw.line((left, y - 3, right, y - 3), fill=ink, width=int(rng.integers(1, 4)))
        y += high * rng.uniform(1.2, 2.2)
    if rng.random() < 0.25:
        image = image.rotate(float(rng.uniform(-6, 6)), Image.Resampling.BILINEAR, fillcolor=_shade(rng, 30, 200))
    return image


def table(rng: Rng) -> Image.Image:
    """Rows and columns, with or without lines."""
    width, height = _sides(rng, 0.6, 1.6)
    image = Image.new("RGB", (width, height), _shade(rng, 235, 256))
    draw = ImageDraw.Draw(image)
    rows, columns = int(rng.integers(3, 16)), int(rng.integers(2, 7))
    high, wide = height / (rows + 1), width / (columns + 0.3)
    size = int(min(0.6 * high, 0.2 * wide)) + 4
    head, line = _color(rng), _shade(rng, 60, 220)
    lined = rng.random() < 0.6
    for row in range(rows):
        y = (row + 0.5) * high
        if row == 0 and rng.random() < 0.7:
            draw.rectangle((0, y, width, y + high), fill=head)
        if lined:
            draw.line((0, y, width, y), fill=line)
        for column in range(columns):
            text = _figure(rng) if rng.random() < 0.5 else _word(rng)
            draw.text((column * wide + 6, y + 0.2 * high), text, (20, 20, 20), font=_font(size))
    return image


def chart(rng: Rng) -> Image.Image:
    """Axes, ticks and numbers, with bars, lines, points, slices or cells."""
    width, height = _sides(rng, 0.9, 1.8)
    dark = rng.random() < 0.2
    ground = _shade(rng, 10, 50) if dark else _shade(rng, 228, 256)
    ink = _shade(rng, 180, 256) if dark else _shade(rng, 0, 90)
    image = Image.new("RGB", (width, height), ground)
    draw = ImageDraw.Draw(image)
    x0, y0, x1, y1 = 0.12 * width, 0.1 * height, rng.uniform(0.75, 0.96) * width, 0.86 * height
    draw.text((x0, 0.02 * height), _sentence(rng, int(rng.integers(5, 30))), ink, font=_font(int(0.05 * height)))
    if rng.random() < 0.5:
        draw.rectangle((x0, y0, x1, y1), fill=_shade(rng, 20, 70) if dark else _shade(rng, 215, 256))
    for at in range(int(rng.integers(3, 9))):
        y = y1 - at * (y1 - y0) / 8
        if rng.random() < 0.5:
            draw.line((x0, y, x1, y), fill=_shade(rng, 150, 220))
        draw.text((0.02 * width, y - 8), _figure(rng), ink, font=_font(int(0.03 * height) + 6))
    rng.choice(np.array([_bars, _curves, _dots, _slices, _cells, _ranges, _layers], dtype=object))(
        draw, rng, (x0, y0, x1, y1)
    )
    if rng.random() < 0.75:
        draw.line((x0, y0, x0, y1, x1, y1), fill=ink, width=2)
    return image


def window(rng: Rng) -> Image.Image:
    """A program on a screen: bars, lists, cards, buttons, text."""
    width, height = _sides(rng, 0.5, 1.9)
    dark = rng.random() < 0.4
    ground = _shade(rng, 10, 60) if dark else _shade(rng, 215, 256)
    ink = _shade(rng, 170, 256) if dark else _shade(rng, 10, 100)
    image = Image.new("RGB", (width, height), ground)
    draw = ImageDraw.Draw(image)
    size = int(rng.integers(10, 22))
    draw.rectangle((0, 0, width, 2.2 * size), fill=_color(rng) if rng.random() < 0.6 else ground)
    draw.text((size, 0.5 * size), _sentence(rng, 18), ink, font=_font(size))
    for _ in range(int(rng.integers(2, 12))):
        x, y = rng.uniform(0, 0.8) * width, rng.uniform(0.08, 0.9) * height
        w, h = rng.uniform(0.1, 0.7) * width, rng.uniform(0.05, 0.4) * height
        if rng.random() < 0.75:
            fill = _color(rng) if rng.random() < 0.2 else _shade(rng, 20, 80) if dark else _shade(rng, 225, 256)
            draw.rounded_rectangle((x, y, x + w, y + h), float(rng.uniform(0, 12)), fill=fill,
                                   outline=ink if rng.random() < 0.4 else None)  # fmt: skip
        lines = y + 0.4 * size
        while lines < y + h - size and rng.random() < 0.9:
            draw.text((x + size, lines), _sentence(rng, int(w / size * rng.uniform(0.3, 1.4))), ink, font=_font(size))
            lines += 1.6 * size
        if rng.random() < 0.4:
            draw.ellipse((x - 12, y - 12, x + 24, y + 24), fill=_color(rng))
    return image


def poster(rng: Rng) -> Image.Image:
    """Flat shapes in flat colours with smooth edges, large words now and then; flags, icons, logos."""
    width, height = _sides(rng, 0.7, 1.5)
    image = Image.new("RGB", (width, height), _color(rng))
    draw = ImageDraw.Draw(image)
    colors = [_color(rng) for _ in range(int(rng.integers(1, 6)))]
    if rng.random() < 0.3:
        bands = int(rng.integers(2, 6))
        across = rng.random() < 0.5
        for at in range(bands):
            start, end = at / bands, (at + 1) / bands
            box = (start * width, 0, end * width, height) if across else (0, start * height, width, end * height)
            draw.rectangle(box, fill=colors[at % len(colors)])
    regular = rng.random() < 0.3
    count = int(rng.integers(0, 22))
    for at in range(count):
        side = 0.13 * width if regular else rng.uniform(0.03, 0.5) * width
        x, y = (
            (0.18 * width * (at % 5), 0.18 * width * (at // 5))
            if regular
            else rng.uniform(-0.1, 1, 2) * (width, height)
        )
        _figure_at(draw, rng, float(x), float(y), float(side), colors[int(rng.integers(len(colors)))])
    if rng.random() < 0.4:
        draw.text((0.1 * width, rng.uniform(0, 0.8) * height), _word(rng).upper(), _color(rng),
                  font=_font(int(rng.uniform(0.06, 0.25) * height)))  # fmt: skip
    return image


FLAT: tuple[Callable[[Rng], Image.Image], ...] = (page, table, chart, window, poster)


def _figure_at(draw: ImageDraw.ImageDraw, rng: Rng, x: float, y: float, side: float, color: Color) -> None:
    box = (x, y, x + side, y + side * rng.uniform(0.4, 1.2))
    kind = rng.integers(5)
    if kind == 0:
        draw.rectangle(box, fill=color)
    elif kind == 1:
        draw.ellipse(box, fill=color)
    elif kind == 2:
        draw.rounded_rectangle(box, 0.2 * side, fill=color)
    elif kind == 3:
        draw.pieslice(box, float(rng.uniform(0, 360)), float(rng.uniform(0, 360)) + 360, fill=color)
    else:
        turns = np.sort(rng.uniform(0, 2 * math.pi, int(rng.integers(3, 8))))
        points = [(x + side / 2 * (1 + math.cos(t)), y + side / 2 * (1 + math.sin(t))) for t in turns]
        draw.polygon(points, fill=color)


def _bars(draw: ImageDraw.ImageDraw, rng: Rng, box: tuple[float, ...]) -> None:
    x0, y0, x1, y1 = box
    count, one = int(rng.integers(2, 14)), _color(rng)
    step, level = (x1 - x0) / count, rng.random() < 0.3
    for at in range(count):
        long = rng.uniform(0.05, 1)
        fill = one if rng.random() < 0.6 else _color(rng)
        if level:
            y = y0 + at * (y1 - y0) / count
            draw.rectangle((x0, y, x0 + long * (x1 - x0), y + 0.7 * (y1 - y0) / count), fill=fill)
        else:
            draw.rectangle((x0 + at * step, y1 - long * (y1 - y0), x0 + (at + 0.75) * step, y1), fill=fill)


def _curves(draw: ImageDraw.ImageDraw, rng: Rng, box: tuple[float, ...]) -> None:
    x0, y0, x1, y1 = box
    for _ in range(int(rng.integers(1, 5))):
        count = int(rng.integers(4, 60))
        walk = np.cumsum(rng.normal(0, 1, count))
        walk = (walk - walk.min()) / (np.ptp(walk) + 1e-6)
        points = [(x0 + (x1 - x0) * at / (count - 1), y1 - (y1 - y0) * high) for at, high in enumerate(walk)]
        color = _color(rng)
        draw.line(points, fill=color, width=int(rng.integers(1, 6)))
        if rng.random() < 0.3:
            for x, y in points:
                draw.ellipse((x - 5, y - 5, x + 5, y + 5), fill=color)


def _dots(draw: ImageDraw.ImageDraw, rng: Rng, box: tuple[float, ...]) -> None:
    x0, y0, x1, y1 = box
    for _ in range(int(rng.integers(1, 5))):
        color, corners, several = _color(rng), int(rng.choice((0, 0, 3, 4, 5))), rng.random() < 0.5
        reach = rng.uniform(2, 16)
        middle = rng.uniform(0.2, 0.8, 2)
        for x, y in middle + rng.normal(0, 0.15, (int(rng.integers(5, 90)), 2)):
            size = reach * rng.uniform(0.4, 1.6) if several else reach
            cx, cy = x0 + x * (x1 - x0), y0 + y * (y1 - y0)
            pale = _rounded(np.array(color) + rng.normal(0, 18, 3).clip(-40, 40))
            if corners:
                draw.regular_polygon((cx, cy, size), corners, rotation=int(rng.choice((0, 45))), fill=pale)
            else:
                draw.ellipse((cx - size, cy - size, cx + size, cy + size), fill=pale)


def _ranges(draw: ImageDraw.ImageDraw, rng: Rng, box: tuple[float, ...]) -> None:
    """Boxes with whiskers."""
    x0, y0, x1, y1 = box
    count, color = int(rng.integers(2, 9)), _color(rng)
    step = (x1 - x0) / count
    for at in range(count):
        low, first, mid, third, high = np.sort(rng.uniform(0.02, 0.98, 5)) * (y1 - y0) + y0
        left, right = x0 + (at + 0.25) * step, x0 + (at + 0.75) * step
        draw.line(((left + right) / 2, low, (left + right) / 2, high), fill=(20, 20, 20), width=2)
        draw.rectangle((left, first, right, third), fill=color, outline=(20, 20, 20))
        draw.line((left, mid, right, mid), fill=_color(rng), width=2)
        for y in (low, high):
            draw.line((left + 0.1 * step, y, right - 0.1 * step, y), fill=(20, 20, 20), width=2)


def _layers(draw: ImageDraw.ImageDraw, rng: Rng, box: tuple[float, ...]) -> None:
    """Areas upon areas."""
    x0, y0, x1, y1 = box
    count = int(rng.integers(6, 40))
    steps = np.abs(np.cumsum(rng.normal(0, 1, (int(rng.integers(2, 5)), count)), 1)) + 1
    heights = np.cumsum(steps, 0)
    for layer in heights[::-1] / heights.max():
        points = [(x0 + (x1 - x0) * at / (count - 1), y1 - (y1 - y0) * high) for at, high in enumerate(layer)]
        draw.polygon([(x0, y1), *points, (x1, y1)], fill=_color(rng))


def _slices(draw: ImageDraw.ImageDraw, rng: Rng, box: tuple[float, ...]) -> None:
    x0, y0, x1, y1 = box
    side = min(x1 - x0, y1 - y0)
    cuts = np.concatenate([[0], np.sort(rng.uniform(0, 360, int(rng.integers(2, 8)))), [360]])
    for start, end in pairwise(cuts.tolist()):
        draw.pieslice((x0, y0, x0 + side, y0 + side), start, end, fill=_color(rng), outline=(255, 255, 255))
    if rng.random() < 0.3:
        draw.ellipse((x0 + 0.3 * side, y0 + 0.3 * side, x0 + 0.7 * side, y0 + 0.7 * side), fill=(255, 255, 255))


def _cells(draw: ImageDraw.ImageDraw, rng: Rng, box: tuple[float, ...]) -> None:
    x0, y0, x1, y1 = box
    rows, columns = int(rng.integers(3, 12)), int(rng.integers(3, 14))
    low, high = rng.uniform(0, 255, (2, 3))
    for row in range(rows):
        for column in range(columns):
            tone = low + rng.random() * (high - low)
            x, y = x0 + column * (x1 - x0) / columns, y0 + row * (y1 - y0) / rows
            draw.rectangle((x, y, x + (x1 - x0) / columns, y + (y1 - y0) / rows), fill=_rounded(tone))


def _sides(rng: Rng, least: float, most: float) -> tuple[int, int]:
    ratio = rng.uniform(least, most)
    return (LARGE, int(LARGE / ratio)) if ratio > 1 else (int(LARGE * ratio), LARGE)


def _rounded(values: np.ndarray) -> Color:
    red, green, blue = (int(min(255, max(0, value))) for value in values)
    return red, green, blue


def _color(rng: Rng) -> Color:
    return _rounded(rng.integers(0, 256, 3))


def _shade(rng: Rng, low: int, high: int) -> Color:
    return _rounded(np.clip(rng.integers(low, high) + rng.normal(0, 4, 3), 0, 255))


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(max(6, size))


def _word(rng: Rng) -> str:
    return "".join(rng.choice(_LETTERS, int(rng.integers(2, 10))))


def _sentence(rng: Rng, length: int) -> str:
    words = ""
    while len(words) < length:
        words += f"{_word(rng)} "
    return words[: max(1, length)].capitalize()


def _figure(rng: Rng) -> str:
    return f"{rng.uniform(0, 500):.{int(rng.integers(0, 3))}f}"
