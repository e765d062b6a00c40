"""Pictures that are no scenes, as people have them: charts, documents, screens and flat graphics.

Drawn with matplotlib, Pillow's own text and Pygments, none of which draw the scenes, and from code of their own:
nothing that a model was fitted to is used here (`training.out_of_domain` has generators of its own).
"""

from __future__ import annotations

import io
import math
import random
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.style
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, Polygon, Rectangle, Wedge
from PIL import Image, ImageDraw, ImageFont

_WORDS = """
    account again apply balance before between bicycle branch cancel century change circle clear client cloud coffee
    colour continue copy country daily delivery device down draft early edit empty error evening export february file
    folder garden given half harbour help house import invoice january journey kitchen later letter light list market
    meeting message minute monday month morning mountain never night note number october offer open order page paper
    password people picture place please point print project question quiet rain reader report river room save search
    season second server settings share shelf since small spring station street summer sunday table team thank ticket
    total tuesday under update user valley village water weather week white winter without year yellow
"""
WORDS = tuple(_WORDS.split())
FONTS = ("DejaVuSans", "DejaVuSerif", "DejaVuSansMono", "DejaVuSans-Bold", "DejaVuSerif-Italic", "STIXGeneral")


def strangers(kind: str, count: int, seed: int = 0) -> Iterator[Image.Image]:
    """Pictures of a kind ("chart", "document", "screen", "graphic"), each drawn from its own seed."""
    for number in range(count):
        rng = random.Random(f"{kind} {seed} {number}")
        yield rng.choice(KINDS[kind])(rng)


def _words(rng: random.Random, least: int, most: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(least, most)))


@cache
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts/ttf", f"{name}.ttf")), size)


def _color(rng: random.Random, low: int = 0, high: int = 255) -> tuple[int, int, int]:
    return (rng.randint(low, high), rng.randint(low, high), rng.randint(low, high))


def _shade(rng: random.Random) -> tuple[float, float, float]:
    """A colour as matplotlib takes it."""
    return (rng.random(), rng.random(), rng.random())


def _painted(figure: Figure) -> Image.Image:
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return Image.open(file).convert("RGB")


# Charts ---------------------------------------------------------------------------------------------------------------


def _chart(rng: random.Random) -> Image.Image:
    style = rng.choice(
        ("default", "ggplot", "seaborn-v0_8", "bmh", "fivethirtyeight", "dark_background", "Solarize_Light2")
    )
    with matplotlib.style.context(style):
        figure = Figure(figsize=(rng.uniform(4, 9), rng.uniform(3, 7)), dpi=rng.choice((80, 100, 120)))
        axes = figure.subplots()
        rng.choice((_bars, _lines, _pie, _scatter, _grid, _boxes, _areas, _stacked))(axes, rng)
        if rng.random() < 0.8:
            axes.set_title(_words(rng, 1, 4).capitalize())
        if rng.random() < 0.5:
            axes.set_xlabel(rng.choice(WORDS))
            axes.set_ylabel(rng.choice(WORDS))
        return _painted(figure)


def _many(rng: random.Random, least: int = 3, most: int = 9) -> list[float]:
    return [rng.uniform(1, 40) for _ in range(rng.randint(least, most))]


def _bars(axes: Any, rng: random.Random) -> None:
    values = _many(rng)
    names = [rng.choice(WORDS) + str(at) for at in range(len(values))]
    colors = [f"C{at}" for at in range(len(values))] if rng.random() < 0.5 else f"C{rng.randrange(6)}"
    (axes.barh if rng.random() < 0.3 else axes.bar)(names, values, color=colors)
    axes.tick_params(axis="x", rotation=rng.choice((0, 45)))


def _stacked(axes: Any, rng: random.Random) -> None:
    size, below = rng.randint(3, 8), np.zeros(0)
    for at in range(rng.randint(2, 4)):
        values = np.array([rng.uniform(1, 20) for _ in range(size)])
        axes.bar(range(size), values, bottom=below if len(below) else None, label=rng.choice(WORDS) + str(at))
        below = values + (below if len(below) else 0)
    axes.legend()


def _lines(axes: Any, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 4)):
        steps = np.cumsum([rng.gauss(0, 1) for _ in range(rng.randint(8, 60))])
        axes.plot(steps, marker=rng.choice(("", "o", "s", "^", "D")), label=rng.choice(WORDS))
    axes.grid(rng.random() < 0.5)
    axes.legend()


def _pie(axes: Any, rng: random.Random) -> None:
    values = _many(rng, 3, 7)
    hole = {"width": 0.4} if rng.random() < 0.3 else None
    axes.pie(values, labels=[rng.choice(WORDS) for _ in values], autopct="%1.0f%%", wedgeprops=hole)


def _scatter(axes: Any, rng: random.Random) -> None:
    for at in range(rng.randint(1, 4)):
        count = rng.randint(8, 80)
        x, y = ([rng.gauss(at, 1) for _ in range(count)] for _ in range(2))
        axes.scatter(x, y, s=[rng.uniform(10, 400) for _ in range(count)], alpha=rng.uniform(0.4, 1),
                     marker=rng.choice("os^D*"))  # fmt: skip


def _grid(axes: Any, rng: random.Random) -> None:
    size = rng.randint(4, 9)
    cells = np.array([[rng.random() for _ in range(size)] for _ in range(size)])
    axes.imshow(cells, cmap=rng.choice(("viridis", "Blues", "coolwarm", "Greys")))


def _boxes(axes: Any, rng: random.Random) -> None:
    axes.boxplot([[rng.gauss(at, 1) for _ in range(40)] for at in range(rng.randint(2, 6))], patch_artist=True)


def _areas(axes: Any, rng: random.Random) -> None:
    steps = range(30)
    axes.stackplot(steps, *[np.abs(np.cumsum([rng.gauss(0, 1) for _ in steps])) + 2 for _ in range(3)])


# Documents ------------------------------------------------------------------------------------------------------------


def _letter(rng: random.Random) -> Image.Image:
    width, height = rng.choice(((827, 1169), (600, 800), (1000, 700)))
    page = Image.new("RGB", (width, height), _color(rng, 235, 255))
    pen, size = ImageDraw.Draw(page), rng.randint(12, 22)
    name = rng.choice(FONTS)
    left, y = width // 10, height // 12
    pen.text((left, y), _words(rng, 1, 4).title(), _color(rng, 0, 80), font=_font(name, 2 * size))
    y += 4 * size
    while y < height * rng.uniform(0.6, 0.95):
        line, x = "", left
        while pen.textlength(line, _font(name, size)) < width * 0.72 and rng.random() < 0.96:
            line += f"{rng.choice(WORDS)} "
        pen.text((x, y), line.strip().capitalize(), (30, 30, 30), font=_font(name, size))
        y += int(size * (1.5 if rng.random() < 0.85 else 3))
    return page.rotate(rng.uniform(-3, 3), fillcolor=(90, 90, 90)) if rng.random() < 0.3 else page


def _receipt(rng: random.Random) -> Image.Image:
    rows = rng.randint(4, 14)
    page = Image.new("RGB", (rng.randint(320, 460), 120 + 34 * rows), _color(rng, 240, 255))
    pen, font = ImageDraw.Draw(page), _font("DejaVuSansMono", 17)
    pen.text((page.width // 4, 20), _words(rng, 1, 2).upper(), "black", font=font)
    for row in range(rows):
        pen.text((16, 70 + 34 * row), rng.choice(WORDS), (20, 20, 20), font=font)
        price = f"{rng.uniform(1, 90):.2f}"
        pen.text((page.width - 16 - pen.textlength(price, font), 70 + 34 * row), price, (20, 20, 20), font=font)
    return page


def _table(rng: random.Random) -> Image.Image:
    figure = Figure(figsize=(7, rng.uniform(2, 5)))
    axes = figure.subplots()
    axes.axis("off")
    columns = rng.randint(2, 5)
    cells = [[_words(rng, 1, 2) for _ in range(columns)] for _ in range(rng.randint(3, 9))]
    axes.table(cells, colLabels=[rng.choice(WORDS).title() for _ in range(columns)], loc="center",
               colColours=[rng.choice(("lightblue", "lightgrey", "w"))] * columns)  # fmt: skip
    return _painted(figure)


# Screens --------------------------------------------------------------------------------------------------------------


def _code(rng: random.Random) -> Image.Image:
    from pygments import highlight
    from pygments.formatters import ImageFormatter
    from pygments.lexers import PythonLexer

    lines = [f"{'    ' * rng.randint(0, 2)}{rng.choice(WORDS)} = {rng.choice(WORDS)}({rng.randint(0, 99)})  # "
             f"{_words(rng, 1, 4)}" for _ in range(rng.randint(6, 30))]  # fmt: skip
    style = rng.choice(("default", "monokai", "solarized-dark", "vs", "friendly"))
    look: dict[str, Any] = {
        "style": style, "font_size": rng.randint(12, 18), "line_numbers": rng.random() < 0.5,
        "font_name": str(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSansMono.ttf")),
    }  # fmt: skip
    drawn = highlight("\n".join(lines), PythonLexer(), ImageFormatter(**look))
    return Image.open(io.BytesIO(drawn)).convert("RGB")


def _window(rng: random.Random) -> Image.Image:
    dark = rng.random() < 0.35
    ground = _color(rng, 18, 50) if dark else _color(rng, 225, 255)
    ink = (225, 225, 225) if dark else (35, 35, 35)
    accent = _color(rng, 30, 220)
    width, height = rng.choice(((1280, 720), (1024, 768), (420, 860)))
    page = Image.new("RGB", (width, height), ground)
    pen = ImageDraw.Draw(page)
    pen.rectangle((0, 0, width, 48), fill=accent)
    pen.text((20, 12), _words(rng, 1, 3).title(), "white", font=_font("DejaVuSans-Bold", 20))
    side = rng.choice((0, 0, width // 5))
    if side:
        pen.rectangle((0, 48, side, height), fill=tuple(max(0, value - 12) for value in ground))
        for row in range(rng.randint(4, 10)):
            pen.ellipse((14, 70 + 42 * row, 34, 90 + 42 * row), fill=_color(rng))
            pen.text((44, 70 + 42 * row), rng.choice(WORDS).title(), ink, font=_font("DejaVuSans", 15))
    x, y = side + 24, 72
    while y < height - 90:
        tall, wide = rng.randint(60, 180), rng.choice((width - side - 48, (width - side - 72) // 2))
        for column in range(1 if wide > (width - side) // 2 else 2):
            left = x + column * (wide + 24)
            pen.rounded_rectangle((left, y, left + wide, y + tall), 8, outline=accent if rng.random() < 0.3 else ink,
                                  fill=tuple(min(255, value + 8) for value in ground))  # fmt: skip
            pen.text((left + 12, y + 10), _words(rng, 2, 5).capitalize(), ink, font=_font("DejaVuSans", 16))
            if rng.random() < 0.5:
                pen.rounded_rectangle((left + 12, y + tall - 38, left + 112, y + tall - 10), 6, fill=_color(rng))
                pen.text((left + 28, y + tall - 33), rng.choice(WORDS).title(), "white", font=_font("DejaVuSans", 14))
        y += tall + 20
    return page


def _dialog(rng: random.Random) -> Image.Image:
    page = Image.new("RGB", (rng.randint(420, 800), rng.randint(180, 420)), _color(rng, 215, 250))
    pen = ImageDraw.Draw(page)
    pen.rectangle((0, 0, page.width, 34), fill=_color(rng, 40, 200))
    pen.text((12, 8), _words(rng, 1, 2).title(), "white", font=_font("DejaVuSans", 15))
    pen.ellipse((24, 60, 72, 108), fill=rng.choice(((200, 40, 40), (240, 180, 20), (40, 110, 220))))
    pen.text((96, 70), _words(rng, 4, 8).capitalize(), (20, 20, 20), font=_font("DejaVuSans", 16))
    for at in range(rng.randint(1, 3)):
        x = page.width - 130 * (at + 1)
        pen.rounded_rectangle((x, page.height - 50, x + 110, page.height - 16), 5, fill=_color(rng, 120, 230))
        pen.text((x + 24, page.height - 44), rng.choice(WORDS).title(), "black", font=_font("DejaVuSans", 14))
    return page


# Flat graphics --------------------------------------------------------------------------------------------------------


def _poster(rng: random.Random) -> Image.Image:
    figure = Figure(figsize=(5, 5), dpi=100, facecolor=_shade(rng))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    for _ in range(rng.randint(2, 9)):
        x, y, size = rng.random(), rng.random(), rng.uniform(0.05, 0.35)
        color = _shade(rng)
        turns = [rng.random() * 2 * math.pi for _ in range(rng.randint(3, 7))]
        corners = [(x + size * math.cos(t), y + size * math.sin(t)) for t in sorted(turns)]
        axes.add_patch(rng.choice((
            Circle((x, y), size / 2, color=color), Rectangle((x, y), size, size, angle=rng.uniform(0, 90), color=color),
            FancyBboxPatch((x, y), size, size / 2, boxstyle="round,pad=0.02", color=color),
            Wedge((x, y), size / 2, 0, rng.uniform(60, 300), color=color), Polygon(corners, color=color),
        )))  # fmt: skip
    if rng.random() < 0.4:
        axes.text(0.5, rng.uniform(0.1, 0.9), _words(rng, 1, 3).upper(), ha="center", size=rng.randint(14, 40))
    return _painted(figure)


def _flag(rng: random.Random) -> Image.Image:
    page = Image.new("RGB", (600, 400), _color(rng))
    pen = ImageDraw.Draw(page)
    bands = rng.randint(2, 4)
    for at in range(bands):
        box = (0, 400 * at // bands, 600, 400 * (at + 1) // bands)
        pen.rectangle(
            box if rng.random() < 0.7 else (600 * at // bands, 0, 600 * (at + 1) // bands, 400), fill=_color(rng)
        )
    if rng.random() < 0.5:
        pen.regular_polygon((300, 200, rng.randint(40, 120)), rng.randint(3, 8), fill=_color(rng))
    return page


def _icons(rng: random.Random) -> Image.Image:
    page = Image.new("RGB", (512, 512), rng.choice(((255, 255, 255), _color(rng, 200, 255))))
    pen = ImageDraw.Draw(page)
    for row in range(rng.randint(2, 5)):
        for column in range(rng.randint(2, 5)):
            x, y = 20 + 100 * column, 20 + 100 * row
            pen.rounded_rectangle((x, y, x + 76, y + 76), 16, fill=_color(rng))
            pen.regular_polygon((x + 38, y + 38, rng.randint(14, 28)), rng.randint(3, 7), fill="white")
    return page


KINDS: dict[str, tuple[Callable[[random.Random], Image.Image], ...]] = {
    "chart": (_chart,),
    "document": (_letter, _receipt, _table),
    "screen": (_code, _window, _dialog),
    "graphic": (_poster, _flag, _icons),
}
