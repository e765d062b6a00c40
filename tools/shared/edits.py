"""The language of edits, and the exact ones: what Pillow does to pixels, one operation at a time.

Those that a painter does (`PAINTED`) are in `painting`; no other asks a model.

Geometry is in pixels of the picture as it was given; an angle turns clockwise. What an operation does not name stays as
it was, to the pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

import numpy as np
from PIL import Image, ImageColor, ImageEnhance, ImageFilter, ImageOps
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ...memory.records import Box
from ..contracts import PictureHandle, RegionHandle

LARGEST = 16_384  # px of a side that an edit may make
BLUR, BLOCKS = 0.06, 9  # of a hidden part: the blur's radius beside its longer side, and how many blocks cross it
FEWEST = 8.0  # px that a blur's radius has at least: less can be read through

Color = Annotated[str, Field(max_length=40)]
Pixel = Annotated[int, Field(ge=-65_535, le=65_535)]
Corner = Literal["upper left", "upper right", "lower left", "lower right", "centre"]


class _Edit(BaseModel, frozen=True):
    model_config = ConfigDict(extra="forbid")

    do: str  # comes first in every schema: whoever writes an edit under a grammar has then chosen which


class Crop(_Edit, frozen=True):
    """Keep a box: [x0, y0, x1, y1] in pixels; right and lower edges exclusive."""

    do: Literal["crop"]
    box: tuple[Pixel, Pixel, Pixel, Pixel]

    @model_validator(mode="after")
    def _some(self) -> Crop:
        x0, y0, x1, y1 = self.box
        if x0 < 0 or y0 < 0 or x1 <= x0 or y1 <= y0:
            raise ValueError(f"{list(self.box)} is no box: [x0, y0, x1, y1] with x0 < x1 and y0 < y1")
        return self


class Rotate(_Edit, frozen=True):
    """Turn clockwise by degrees; the picture grows to hold what is turned, and its corners get a colour."""

    do: Literal["rotate"]
    degrees: Annotated[float, Field(ge=-360, le=360)]
    color: Color = "white"


class Flip(_Edit, frozen=True):
    """Mirror: left becomes right ("horizontal"), or top becomes bottom ("vertical")."""

    do: Literal["flip"]
    way: Literal["horizontal", "vertical"] = "horizontal"


class Resize(_Edit, frozen=True):
    """To a width, a height, or both; with one of them the shape stays."""

    do: Literal["resize"]
    width: Annotated[int, Field(ge=1, le=LARGEST)] | None = None
    height: Annotated[int, Field(ge=1, le=LARGEST)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Resize:
        if self.width is None and self.height is None:
            raise ValueError("give `width`, `height` or both")
        return self


class Hide(_Edit, frozen=True):
    """Make parts unreadable: blurred, in blocks, or filled with a colour; along their masks where they have one."""

    do: Literal["blur", "pixelate", "fill"]
    regions: Annotated[list[RegionHandle], Field(min_length=1, max_length=20)]
    color: Color = "black"
    others: bool = False  # everything but these regions


class Adjust(_Edit, frozen=True):
    """More or less of something: 1 leaves it as it is, 0.5 halves it, 2 doubles it."""

    do: Literal["brightness", "contrast", "saturation", "sharpen"]
    amount: Annotated[float, Field(ge=0, le=10)] = 1.3


class Tone(_Edit, frozen=True):
    """Shades of grey, levels spread over the whole range, or colours turned about."""

    do: Literal["greyscale", "auto", "invert"]


class Paste(_Edit, frozen=True):
    """Put another picture or cut-out on it, at a pixel of its upper left corner or at a place."""

    do: Literal["paste"]
    picture: PictureHandle
    at: tuple[Pixel, Pixel] | Corner = "centre"
    width: Annotated[int, Field(ge=1, le=LARGEST)] | None = None  # it is brought to, its shape kept


class Label(_Edit, frozen=True):
    """Draw regions in, each with its box and label."""

    do: Literal["label"]
    regions: Annotated[list[RegionHandle], Field(min_length=1, max_length=20)]


class Collage(_Edit, frozen=True):
    """Set other pictures beside it, in rows of equal height."""

    do: Literal["collage"]
    pictures: Annotated[list[PictureHandle], Field(min_length=1, max_length=20)]
    columns: Annotated[int, Field(ge=1, le=12)] | None = None
    color: Color = "white"


class _Named(_Edit, frozen=True):
    """Things by their regions, or by words for what to look for."""

    regions: Annotated[tuple[RegionHandle, ...], Field(max_length=8)] = ()
    phrase: Annotated[str, Field(max_length=120)] = ""

    @model_validator(mode="after")
    def _named(self) -> Self:
        if bool(self.regions) == bool(self.phrase.strip()):
            raise ValueError("give `regions`, or a `phrase` that names them")
        return self


class Remove(_Named, frozen=True):
    """Paint what is behind a thing in its place."""

    do: Literal["remove"]


class Replace(_Named, frozen=True):
    """Paint another thing in a thing's place: `by` names it."""

    do: Literal["replace"]
    by: Annotated[str, Field(min_length=1, max_length=80)]


class Recolour(_Named, frozen=True):
    """Paint a thing anew in another colour."""

    do: Literal["recolour"]
    color: Annotated[str, Field(min_length=1, max_length=40)]


class Add(_Edit, frozen=True):
    """Paint a new thing in a box [x0, y0, x1, y1] in pixels, or where there is room."""

    do: Literal["add"]
    what: Annotated[str, Field(min_length=1, max_length=80)]
    box: tuple[Pixel, Pixel, Pixel, Pixel] | None = None

    @model_validator(mode="after")
    def _some(self) -> Add:
        if self.box is not None and not (0 <= self.box[0] < self.box[2] and 0 <= self.box[1] < self.box[3]):
            raise ValueError(f"{list(self.box)} is no box: [x0, y0, x1, y1] with x0 < x1 and y0 < y1")
        return self


class Background(_Edit, frozen=True):
    """Paint what is behind the things anew: `by` names it. `regions` stay; where none is named, all that is seen."""

    do: Literal["background"]
    by: Annotated[str, Field(min_length=1, max_length=80)]
    regions: Annotated[tuple[RegionHandle, ...], Field(max_length=8)] = ()


class Restyle(_Edit, frozen=True):
    """Paint the whole picture anew by a prompt, and keep of it its look, its edges or its depth."""

    do: Literal["restyle"]
    prompt: Annotated[str, Field(min_length=1, max_length=400)]
    keep: Literal["look", "edges", "depth"] = "look"
    strength: Annotated[float, Field(ge=0.05, le=1)] | None = None  # of "look": how far it may go from it


class Instruct(_Edit, frozen=True):
    """Have a model that follows instructions change the whole picture: "make it winter"."""

    do: Literal["instruct"]
    what: Annotated[str, Field(min_length=1, max_length=200)]


class Undo(_Edit, frozen=True):
    """Go back to the picture as it was before its last edit, or, with "first", before all of them."""

    do: Literal["undo"]
    to: Literal["before", "first"] = "before"


Edit = Annotated[
    Crop | Rotate | Flip | Resize | Hide | Adjust | Tone | Paste | Label | Collage | Remove | Replace | Recolour | Add
    | Background | Restyle | Instruct | Undo,
    Field(discriminator="do"),
]  # fmt: skip
Painted = Remove | Replace | Recolour | Add | Background | Restyle | Instruct
PAINTED = (Remove, Replace, Recolour, Add, Background, Restyle, Instruct)  # these ask a model
GEOMETRY = (Crop, Rotate, Flip, Resize, Collage)  # after these, boxes of the picture as it was are no longer right


@dataclass(frozen=True)
class Part:
    """A region as an edit takes it: its box in pixels, and its mask (height, width) bool, or None."""

    box: Box
    mask: np.ndarray | None


def crop(image: Image.Image, edit: Crop) -> Image.Image:
    """The box, clipped to the picture. Raises ValueError where it lies outside."""
    x0, y0, x1, y1 = edit.box
    if x0 >= image.width or y0 >= image.height:
        raise ValueError(f"the box {list(edit.box)} lies outside of the picture ({image.width} x {image.height} px)")
    return image.crop((x0, y0, min(x1, image.width), min(y1, image.height)))


def rotate(image: Image.Image, edit: Rotate) -> Image.Image:
    """Quarters of a turn are exact."""
    degrees = edit.degrees % 360
    quarters = {
        0: None,
        90: Image.Transpose.ROTATE_270,
        180: Image.Transpose.ROTATE_180,
        270: Image.Transpose.ROTATE_90,
    }
    if degrees in quarters:
        way = quarters[int(degrees)]
        return image.copy() if way is None else image.transpose(way)
    ground = (0, 0, 0, 0) if image.mode == "RGBA" else ImageColor.getrgb(edit.color)[:3]
    return image.rotate(-degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=ground)


def flip(image: Image.Image, edit: Flip) -> Image.Image:
    """Exact."""
    return ImageOps.mirror(image) if edit.way == "horizontal" else ImageOps.flip(image)


def resize(image: Image.Image, edit: Resize) -> Image.Image:
    """With Lanczos's filter. Raises ValueError where a side would be too long."""
    width, height = edit.width, edit.height
    if width is None:
        width = round(image.width * (height or 1) / image.height)
    if height is None:
        height = round(image.height * width / image.width)
    if max(width, height) > LARGEST:
        raise ValueError(f"the picture would be {width} x {height} px; a side has at most {LARGEST}")
    return image.resize((max(1, width), max(1, height)), Image.Resampling.LANCZOS)


def hide(image: Image.Image, edit: Hide, parts: Sequence[Part]) -> Image.Image:
    """The parts hidden, each by as much as its size asks; every other pixel as it was."""
    chosen = Image.new("L", image.size, 0)
    for part in parts:
        if part.mask is not None and part.mask.any():
            chosen.paste(255, mask=Image.fromarray(part.mask.astype(np.uint8) * 255))
        else:
            x0, y0, x1, y1 = part.box
            chosen.paste(255, (int(x0), int(y0), max(int(x0) + 1, round(x1)), max(int(y0) + 1, round(y1))))
    if edit.others:
        chosen = ImageOps.invert(chosen)
    box = chosen.getbbox()
    if box is None:
        return image.copy()
    if edit.do == "fill":
        hidden = Image.new(
            image.mode, image.size, ImageColor.getrgb(edit.color)[:3] + ((255,) if image.mode == "RGBA" else ())
        )
    else:
        long = max(box[2] - box[0], box[3] - box[1]) if edit.others else max(_long(part.box) for part in parts)
        hidden = _blurred(image, long) if edit.do == "blur" else _blocks(image, long)
    return Image.composite(hidden, image, chosen)


def _long(box: Box) -> float:
    return max(box[2] - box[0], box[3] - box[1])


def _blurred(image: Image.Image, long: float) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(max(FEWEST, BLUR * long)))


def _blocks(image: Image.Image, long: float) -> Image.Image:
    block = max(FEWEST, long / BLOCKS)
    small = image.resize(
        (max(1, round(image.width / block)), max(1, round(image.height / block))), Image.Resampling.BOX
    )
    return small.resize(image.size, Image.Resampling.NEAREST)


_MORE = {
    "brightness": ImageEnhance.Brightness, "contrast": ImageEnhance.Contrast, "saturation": ImageEnhance.Color,
    "sharpen": ImageEnhance.Sharpness,
}  # fmt: skip


def adjust(image: Image.Image, edit: Adjust) -> Image.Image:
    """Transparency stays."""
    return _on_colors(image, lambda colors: _MORE[edit.do](colors).enhance(edit.amount))


def tone(image: Image.Image, edit: Tone) -> Image.Image:
    """Transparency stays."""
    ways: dict[str, Callable[[Image.Image], Image.Image]] = {
        "greyscale": lambda colors: ImageOps.grayscale(colors).convert("RGB"),
        "auto": lambda colors: ImageOps.autocontrast(colors, cutoff=0.5),
        "invert": ImageOps.invert,
    }
    return _on_colors(image, ways[edit.do])


def _on_colors(image: Image.Image, change: Callable[[Image.Image], Image.Image]) -> Image.Image:
    if image.mode != "RGBA":
        return change(image.convert("RGB"))
    changed = change(image.convert("RGB")).convert("RGBA")
    changed.putalpha(image.getchannel("A"))
    return changed


def paste(image: Image.Image, edit: Paste, other: Image.Image) -> Image.Image:
    """What is transparent in the other picture stays as it is here."""
    top = other.convert("RGBA")
    if edit.width is not None:
        top = top.resize((edit.width, max(1, round(top.height * edit.width / top.width))), Image.Resampling.LANCZOS)
    if isinstance(edit.at, str):
        right, low = image.width - top.width, image.height - top.height
        x = {"left": 0, "right": right}.get(edit.at.rpartition(" ")[2], right // 2)
        y = {"upper": 0, "lower": low}.get(edit.at.partition(" ")[0], low // 2)
    else:
        x, y = edit.at
    made = image.convert("RGBA")
    made.alpha_composite(top, (max(0, x), max(0, y)), (max(0, -x), max(0, -y)))
    return made if image.mode == "RGBA" else made.convert("RGB")


def collage(images: Sequence[Image.Image], edit: Collage) -> Image.Image:
    """Rows from left to right, each picture of its row's height, a small gap between."""
    columns = edit.columns or max(1, round(len(images) ** 0.5))
    rows = [images[at : at + columns] for at in range(0, len(images), columns)]
    height = min(max(1, min(image.height for image in images)), LARGEST // len(rows))
    gap = max(2, height // 50)
    scaled = [[_of_height(image, height) for image in row] for row in rows]
    wide = max(sum(image.width + gap for image in row) - gap for row in scaled)
    if wide > LARGEST:
        raise ValueError(f"the collage would be {wide} px wide; a side has at most {LARGEST}: give `columns`")
    sheet = Image.new("RGBA", (wide, len(rows) * (height + gap) - gap), (*ImageColor.getrgb(edit.color)[:3], 255))
    for number, row in enumerate(scaled):
        x = 0
        for image in row:
            sheet.alpha_composite(image, (x, number * (height + gap)))
            x += image.width + gap
    return sheet.convert("RGB")


def _of_height(image: Image.Image, height: int) -> Image.Image:
    return image.convert("RGBA").resize((max(1, round(image.width * height / image.height)), height))
