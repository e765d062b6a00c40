"""Pictures that are not of the drawn world, made from nothing but random numbers.

They stand for everything that a user may show: photographs (which share with "dead leaves" and with noise of a
1/f spectrum the statistics that count here), pages, screens, charts, plain colours. No photograph is trained on,
so that photographs can test what was learnt.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .flat_graphics import FLAT, chart

SIDE = 192  # px
Rng = np.random.Generator


def outside_picture(rng: Rng) -> Image.Image:
    """One picture, (SIDE, SIDE) RGB."""
    kinds: tuple[tuple[Callable[[Rng], np.ndarray], float], ...] = (
        (_photographic, 0.33), (_noise, 0.07), (_page, 0.03), (_screen, 0.04), (_shapes, 0.05), (_pattern, 0.04),
        (_plain, 0.03), *((partial(_drawn, draw), 0.13 if draw is chart else 0.07) for draw in FLAT),
    )  # fmt: skip
    weights = np.array([weight for _, weight in kinds])
    pixels = kinds[rng.choice(len(kinds), p=weights / weights.sum())][0](rng)
    if rng.random() < 0.12:
        pixels = np.repeat(pixels.mean(-1, keepdims=True), 3, -1)  # grey pictures
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    if rng.random() < 0.3:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 2.5))))
    if rng.random() < 0.2:
        image = image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    return image


def _drawn(draw: Callable[[Rng], Image.Image], rng: Rng) -> np.ndarray:
    """A flat graphic, squeezed as the models' own preparation does."""
    return np.asarray(draw(rng).resize((SIDE, SIDE), Image.Resampling.BICUBIC), float)


def cloud(rng: Rng, power: float, channels: int = 1) -> np.ndarray:
    """Noise whose amplitude falls as 1 / frequency ** power: (SIDE, SIDE, channels), mean 0, deviation 1."""
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None]) + 1 / SIDE
    spectrum = np.fft.rfft2(rng.normal(size=(channels, SIDE, SIDE))) / frequency**power
    field = np.fft.irfft2(spectrum, s=(SIDE, SIDE)).transpose(1, 2, 0)
    return (field - field.mean((0, 1))) / (field.std((0, 1)) + 1e-9)


def _palette(rng: Rng, count: int) -> np.ndarray:
    """Colours that go together, as those of a photograph do: (count, 3)."""
    base = rng.uniform(30, 220, 3)
    spread = rng.normal(0, rng.uniform(10, 60), (count, 1)) * rng.uniform(0.6, 1.0, 3)
    tint = rng.normal(0, rng.uniform(3, 45), (count, 3))
    return np.clip(base + spread + tint, 0, 255)


def _leaves(rng: Rng, count: int) -> np.ndarray:
    """Shapes of all sizes that cover one another, each with a shade and a grain of its own."""
    colors = _palette(rng, int(rng.integers(3, 14)))
    image = Image.fromarray(np.tile(colors[:1], (SIDE * SIDE, 1)).reshape(SIDE, SIDE, 3).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    grain = Image.new("L", (SIDE, SIDE), 40)
    grains = ImageDraw.Draw(grain)
    rough = float(rng.uniform(1.2, 2.2))
    for radius in np.sort(SIDE * 0.5 * (rng.pareto(rough, count) + 1) ** -1 * rng.uniform(0.3, 1.3))[::-1]:
        x, y = rng.uniform(0, SIDE, 2)
        color = tuple(int(value) for value in np.clip(colors[rng.integers(len(colors))] + rng.normal(0, 12, 3), 0, 255))
        kind = rng.random()
        if kind < 0.4:
            stretch = rng.uniform(0.4, 1.0)
            box = (x - radius, y - radius * stretch, x + radius, y + radius * stretch)
            draw.ellipse(box, fill=color)
            grains.ellipse(box, fill=int(rng.integers(0, 160)))
        else:
            turns = np.sort(rng.uniform(0, 2 * math.pi, int(rng.integers(3, 8))))
            reach = radius * rng.uniform(0.5, 1.2, len(turns))
            points = [(x + r * math.cos(t), y + r * math.sin(t)) for r, t in zip(reach, turns, strict=True)]
            draw.polygon(points, fill=color)
            grains.polygon(points, fill=int(rng.integers(0, 160)))
    strength = np.asarray(grain, float)[..., None] / 255
    texture = cloud(rng, float(rng.uniform(0.4, 1.5))) * strength * rng.uniform(5, 80)
    return np.asarray(image, float) + texture


def _photographic(rng: Rng) -> np.ndarray:
    """Leaves, light that falls unevenly, grain and blur, in any mixture."""
    pixels = _leaves(rng, int(2 ** rng.uniform(2, 8)))
    if rng.random() < 0.4:  # something in front of a blurred ground
        ground = Image.fromarray(np.clip(_leaves(rng, 40), 0, 255).astype(np.uint8))
        ground = np.asarray(ground.filter(ImageFilter.GaussianBlur(float(rng.uniform(2, 12)))), float)
        mask = cloud(rng, float(rng.uniform(1.4, 2.4))) > rng.normal(0, 0.7)
        pixels = np.where(mask, pixels, ground)
    light = 1 + rng.uniform(0, 0.45) * cloud(rng, float(rng.uniform(1.8, 2.8)))
    pixels = pixels * np.clip(light, 0.15, 2) + rng.uniform(0, 25) * cloud(rng, float(rng.uniform(0.3, 1.6)), 3)
    return (pixels - pixels.mean()) * rng.uniform(0.5, 1.4) + rng.uniform(50, 200)


def _noise(rng: Rng) -> np.ndarray:
    """Noise from white to cloudy, in colour or in shades."""
    field = cloud(rng, float(rng.uniform(0, 2.6)), 3 if rng.random() < 0.5 else 1)
    color = _palette(rng, 2)
    mixed = field @ rng.normal(0, 1, (field.shape[-1], 3))
    return color[0] + mixed * rng.uniform(8, 70)


def _page(rng: Rng) -> np.ndarray:
    """Lines of something like writing, with a picture here and there."""
    paper, ink = rng.uniform(200, 255, 3), rng.uniform(0, 90, 3)
    if rng.random() < 0.15:
        paper, ink = 255 - paper, 255 - ink
    pixels = np.tile(paper, (SIDE, SIDE, 1))
    height, gap = int(rng.integers(2, 12)), rng.uniform(1.4, 2.4)
    y, left = int(rng.integers(2, 20)), int(rng.integers(0, 24))
    while y + height < SIDE - 4:
        x = left
        end = SIDE - left if rng.random() < 0.8 else int(rng.integers(left + 10, SIDE))
        while x < end:
            width = int(rng.integers(2, 7) * height * 0.6) + 1
            marks = rng.random((height, width, 1)) < rng.uniform(0.35, 0.7)
            part = pixels[y : y + height, x : min(x + width, end)]
            part[:] = np.where(marks[:, : part.shape[1]], ink, part)
            x += width + max(1, height // 2)
        y += int(height * gap) + 1
    if rng.random() < 0.4:
        size = int(rng.integers(30, 100))
        x, y = rng.integers(0, SIDE - size, 2)
        pixels[y : y + size, x : x + size] = _photographic(rng)[:size, :size]
    if rng.random() < 0.4:
        pixels = pixels * (1 + 0.2 * cloud(rng, 2.4))
    return pixels + rng.normal(0, rng.uniform(0, 6), pixels.shape)


def _screen(rng: Rng) -> np.ndarray:
    """Panels, bars and rows, as on a screen, or the bars and lines of a chart."""
    dark = rng.random() < 0.3
    image = Image.new("RGB", (SIDE, SIDE), tuple(rng.integers(*((10, 60) if dark else (225, 256)), 3).tolist()))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(2, 9))):
        x, y = rng.integers(-10, SIDE - 20, 2)
        w, h = rng.integers(10, SIDE, 2) // (1, 2)
        tone = rng.integers(30, 100, 3) if dark else rng.integers(190, 256, 3)
        color = tone if rng.random() < 0.7 else rng.integers(0, 256, 3)
        draw.rounded_rectangle((x, y, x + w, y + h), int(rng.integers(0, 6)), fill=tuple(color.tolist()))
        for row in range(int(y) + 6, int(y + h) - 6, int(rng.integers(6, 16))):
            ink = tuple((rng.integers(150, 230, 3) if dark else rng.integers(40, 170, 3)).tolist())
            draw.line(
                (x + 6, row, x + 6 + rng.integers(5, max(6, w - 6)), row), fill=ink, width=int(rng.integers(1, 4))
            )
    if rng.random() < 0.35:
        base = int(rng.integers(100, SIDE))
        for x in range(10, SIDE - 10, int(rng.integers(8, 30))):
            draw.rectangle(
                (x, base - int(rng.integers(5, 90)), x + 6, base), fill=tuple(rng.integers(0, 256, 3).tolist())
            )
        points = [(x, int(rng.integers(20, base))) for x in range(0, SIDE, 12)]
        draw.line(points, fill=tuple(rng.integers(0, 200, 3).tolist()), width=2)
    return np.asarray(image, float)


def _shapes(rng: Rng) -> np.ndarray:
    """Flat shapes in flat colours on a flat ground."""
    image = Image.new("RGB", (SIDE, SIDE), tuple(rng.integers(0, 256, 3).tolist()))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(1, 25))):
        x, y = rng.integers(-10, SIDE, 2)
        w, h = rng.integers(6, 110, 2)
        color = tuple(rng.integers(0, 256, 3).tolist())
        if rng.random() < 0.5:
            draw.rectangle((x, y, x + w, y + h), fill=color)
        else:
            draw.ellipse((x, y, x + w, y + h), fill=color)
    return np.asarray(image, float)


def _pattern(rng: Rng) -> np.ndarray:
    """Stripes, checks and rings, sharp or soft."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    turn = rng.uniform(0, math.pi)
    u, v = x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)
    often = 2 ** rng.uniform(0.5, 5.5)
    kind = rng.random()
    wave = np.sin(2 * math.pi * often * (np.hypot(x - 0.5, y - 0.5) if kind < 0.3 else u))
    if kind > 0.65:
        wave = wave * np.sin(2 * math.pi * often * v)
    if rng.random() < 0.5:
        wave = np.sign(wave)
    one, other = rng.uniform(0, 255, (2, 3))
    return one + (wave[..., None] + 1) / 2 * (other - one) + rng.normal(0, rng.uniform(0, 12), (SIDE, SIDE, 3))


def _plain(rng: Rng) -> np.ndarray:
    """One colour, or a run from one to another."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    turn = rng.uniform(0, 2 * math.pi)
    run = ((x - 0.5) * math.cos(turn) + (y - 0.5) * math.sin(turn) + 0.5)[..., None]
    one, other = rng.uniform(0, 255, (2, 3)) if rng.random() < 0.7 else rng.uniform(0, 255, (2, 1)).repeat(3, 1)
    if rng.random() < 0.4:
        other = one
    return one + np.clip(run, 0, 1) * (other - one)
