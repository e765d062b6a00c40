"""How a painter is told what stands where: words, after each thing four tokens for its box, and a sketch.

Positions as words are ReCo's idea (Yang et al. 2023, "Region-controlled text-to-image generation"). A small denoiser
hardly learns from words where in a picture it is; so it is also shown a sketch, in the channels in which a picture that
is to be mended comes: each box filled with the colour that is asked for. Words say which kind of thing stands there; to
a painter that declares `codes`, a pattern of darker cells in the box says so, too, a different one for each kind: as in
a semantic map, but with no more channels. A pattern looks like nothing; what a kind looks like is learned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw

PLACES = 32  # positions along a side, each a token
SIGN = "<sign>"  # a sign with letters on it, named like a thing
GREY, DARK, WHITE = (128, 128, 128), (60, 60, 60), (255, 255, 255)
DARKER = 0.5  # times as bright are the darker cells of a pattern
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
    codes: Mapping[str, str] | None = None,
) -> Image.Image:
    """The sketch of a layout: boxes in their colours, dark where none is said, signs white; (side, side) RGB.

    Args:
        things: words and boxes, xyxy in shares of the sides.
        colors: sRGB by word.
        side: px.
        under: what it is drawn upon; None: plain grey.
        codes: of words for kinds, which of 3 x 3 cells are darker, row by row: "010110010"; None: none are.
    """
    image = Image.new("RGB", (side, side), GREY) if under is None else under.copy()
    draw = ImageDraw.Draw(image)
    for words, box in things:
        named = next(
            (tuple(colors[word]) for word in words.split() if word in colors), WHITE if words == SIGN else DARK
        )
        x0, y0, x1, y1 = (value * side for value in box)
        draw.rectangle((x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)), fill=named)
        code = next((codes[word] for word in words.split() if word in codes), "") if codes else ""
        dark = tuple(round(DARKER * value) for value in named)
        for at in (at for at, bit in enumerate(code) if bit == "1"):
            left, top = x0 + (x1 - x0) * (at % 3) / 3, y0 + (y1 - y0) * (at // 3) / 3
            right, low = left + (x1 - x0) / 3 - 1, top + (y1 - y0) / 3 - 1
            draw.rectangle((left, top, max(left, right), max(top, low)), fill=dark)
    return image


def _token(value: float) -> str:
    return f"<at{min(PLACES - 1, max(0, int(value * PLACES)))}>"
