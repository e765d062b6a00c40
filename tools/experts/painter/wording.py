"""How a painter is told what stands where: words, after each thing four tokens for its box, and a sketch.

Positions as words are ReCo's idea (Yang et al. 2023, "Region-controlled text-to-image generation"). A small denoiser
hardly learns from words where in a picture it is; so it is also shown a sketch, in the channels in which a picture that
is to be mended comes: each box filled with the colour that is asked for. Words say which kind of thing stands there; to
a painter that declares `outlines`, the box is filled as things of that kind fill theirs on average, the prior of shapes
that the masks of its training scenes give. Such a mean is a blur of every turn and make; the thing itself is painted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from PIL import Image

PLACES = 32  # positions along a side, each a token
SIGN = "<sign>"  # a sign with letters on it, named like a thing
GREY, DARK, WHITE = (128, 128, 128), (60, 60, 60), (255, 255, 255)
NOTHING = "nothing"  # said of an area in which nothing stands

Box = tuple[float, float, float, float]


def place_tokens() -> list[str]:
    """The tokens that our painters know beside words: the positions from left and top to right and bottom."""
    return [f"<at{number}>" for number in range(PLACES)]


def grounded_prompt(things: Sequence[tuple[str, Box]], background: str = "") -> str:
    """The prompt of a layout: "desk, red cube <at3> <at9> <at11> <at17>, ...".

    Args:
        things: what stands where: words, and a box xyxy in shares of the picture's sides, 0 to 1.
        background: words for what is behind them; "" leaves it to the painter.
    """
    told = [f"{words} {' '.join(_token(value) for value in box)}" for words, box in things]
    return ", ".join([*([background] if background else []), *(told or [NOTHING])])


def sketch(
    things: Sequence[tuple[str, Box]],
    colors: Mapping[str, Sequence[int]],
    side: int,
    under: Image.Image | None = None,
    outlines: Mapping[str, str] | None = None,
) -> Image.Image:
    """The sketch of a layout: boxes in their colours, dark where none is said, signs white; (side, side) RGB.

    Args:
        things: words and boxes, xyxy in shares of the sides.
        colors: sRGB by word.
        side: px.
        under: what it is drawn upon; None: plain grey.
        outlines: of words for kinds, how full each cell of the box is: n x n digits, row by row; None: all are full.
    """
    image = Image.new("RGB", (side, side), GREY) if under is None else under.copy()
    for words, box in things:
        named = next(
            (tuple(colors[word]) for word in words.split() if word in colors), WHITE if words == SIGN else DARK
        )
        x0, y0, x1, y1 = (round(value * side) for value in box)
        size = max(1, x1 - x0), max(1, y1 - y0)
        outline = next((outlines[word] for word in words.split() if word in outlines), "") if outlines else ""
        image.paste(named, (x0, y0, x0 + size[0], y0 + size[1]), _mask(outline, size) if outline else None)
    return image


def _mask(outline: str, size: tuple[int, int]) -> Image.Image:
    """An outline's digits as a mask of a box."""
    n = math.isqrt(len(outline))
    cells = Image.frombytes("L", (n, n), bytes(255 * int(digit) // 9 for digit in outline))
    return cells.resize(size, Image.Resampling.BILINEAR)


def _token(value: float) -> str:
    return f"<at{min(PLACES - 1, max(0, int(value * PLACES)))}>"
