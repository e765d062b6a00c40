"""What CLIP and its tests look at: whole scenes, and crops around single things, drawn at 512 px from seeds.

Drawing is dearer than a training step can wait for, so what was drawn is kept in a `Store` and shown
several times: crops are kept wider than they are shown, and cut anew each time at another place and zoom.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..scenes.render import Rendered, render
from ..scenes.sample import sample_scene
from ..scenes.scene import COLORS, MATERIALS, SHAPES, Scene, Thing
from ..scenes.splits import Split

PICTURE = 512  # px: the side of a scene's picture
WHOLE = 128  # px: the side of a whole picture as it is kept
WIDE = 144  # px: the side of a crop as it is kept
REACH = 1.6  # the side of a kept crop, in longer sides of the box
PARTS = 36  # the side of the kept map that says which thing each part of a look shows
GREY = (128, 128, 128)  # where the picture ends, as the expert pads
NOTHING = 255  # in the column of things: no thing stands here


@dataclass
class Look:
    """What was drawn for one scene, in arrays.

    Attributes:
        scene: the scene.
        whole: (WHOLE, WHOLE, 3) uint8, the whole picture.
        whole_parts: (PARTS, PARTS) uint8, which thing each part shows: 0 none, i + 1 for `scene.things[i]`.
        crops: (n, WIDE, WIDE, 3) uint8, wide squares around things or around nothing.
        crop_parts: (n, PARTS, PARTS) uint8.
        things: (n,) uint8, which thing each crop is centred on, or NOTHING.
    """

    scene: Scene
    whole: np.ndarray
    whole_parts: np.ndarray
    crops: np.ndarray
    crop_parts: np.ndarray
    things: np.ndarray


def draw_look(index: int, split: Split = "train", crops: int = 3) -> Look:
    """Draw scene number `index` of a split, and cut `crops` wide squares out of it: things, now and then nothing."""
    scene = sample_scene(index, split)
    rendered = render(scene, PICTURE)
    rng = random.Random(index)
    parts = part_map(rendered)
    chosen: list[tuple[tuple[float, float, float], int]] = []
    for thing in rng.sample(range(len(scene.things)), min(crops, len(scene.things))):
        chosen.append((around(rendered.boxes[thing]), thing))
    if rng.random() < 0.4 and (spot := empty_square(rendered, rng)) is not None:
        chosen[-1] = (spot, NOTHING)
    image = rendered.image
    return Look(
        scene,
        np.asarray(image.resize((WHOLE, WHOLE), Image.Resampling.BICUBIC)),
        _sample_parts(parts, PICTURE / 2, PICTURE / 2, PICTURE),
        np.stack([cut(image, *spot) for spot, _ in chosen]),
        np.stack([_sample_parts(parts, *spot) for spot, _ in chosen]),
        np.array([thing for _, thing in chosen], np.uint8),
    )


def part_map(rendered: Rendered) -> np.ndarray:
    """(side, side) uint8: which thing each pixel shows, 0 for none."""
    numbers = np.arange(1, len(rendered.masks) + 1, dtype=np.uint8)
    return (rendered.masks * numbers[:, None, None]).max(0)


def around(box: Any) -> tuple[float, float, float]:
    """The wide square around a box (xyxy pixels): centre x, centre y, side."""
    x0, y0, x1, y1 = (float(value) for value in box)
    return (x0 + x1) / 2, (y0 + y1) / 2, REACH * max(x1 - x0, y1 - y0)


def empty_square(rendered: Rendered, rng: random.Random, tries: int = 12) -> tuple[float, float, float] | None:
    """A square on a sign or on the bare backdrop, hardly any of it covered by a thing; None where none was met."""
    covered = part_map(rendered) > 0
    side = rendered.image.width
    signs = [box for box in rendered.sign_boxes if box is not None]
    for _ in range(tries):
        if signs and rng.random() < 0.4:
            x, y, reach = around(rng.choice(signs))
            width = reach / REACH
        else:
            width = side * rng.uniform(0.06, 0.24)
            x, y = (rng.uniform(width / 2, side - width / 2) for _ in range(2))
        x0, y0 = max(0, int(x - width / 2)), max(0, int(y - width / 2))
        if covered[y0 : int(y + width / 2) + 1, x0 : int(x + width / 2) + 1].mean() < 0.06:
            return x, y, REACH * width
    return None


def cut(image: Image.Image, x: float, y: float, side: float, size: int = WIDE) -> np.ndarray:
    """The square around (x, y), `side` pixels wide, as (size, size, 3) uint8; grey where the picture ends."""
    left, top, width = round(x - side / 2), round(y - side / 2), max(1, round(side))
    canvas = Image.new("RGB", (width, width), GREY)
    canvas.paste(image, (-left, -top))
    return np.asarray(canvas.resize((size, size), Image.Resampling.BICUBIC))


def _sample_parts(parts: np.ndarray, x: float, y: float, side: float) -> np.ndarray:
    """The map of parts over a square, (PARTS, PARTS) uint8; 0 where the picture ends."""
    at = (np.arange(PARTS) + 0.5) / PARTS * side - side / 2
    rows, columns = np.floor(at + y).astype(int), np.floor(at + x).astype(int)
    inside = ((rows >= 0) & (rows < len(parts)))[:, None] & ((columns >= 0) & (columns < len(parts)))[None]
    limit = len(parts) - 1
    return np.where(inside, parts[np.clip(rows, 0, limit)[:, None], np.clip(columns, 0, limit)[None]], 0).astype(
        np.uint8
    )


def codes_of(thing: Thing) -> tuple[int, int, int]:
    """Shape, colour and material as numbers from 1; 0 is for nothing."""
    return SHAPES.index(thing.shape) + 1, list(COLORS).index(thing.color) + 1, MATERIALS.index(thing.material) + 1


class Store:
    """Looks that were drawn, kept on disk as plain arrays, the scenes besides; grows up to `capacity` scenes.

    Args:
        folder: where the arrays lie.
        capacity: scenes at most.
        crops: crops a scene.
    """

    def __init__(self, folder: Path, capacity: int, crops: int = 3) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.capacity, self.per_scene = capacity, crops
        self.scenes: list[Scene] = []
        self.codes = np.zeros((capacity, 9, 3), np.uint8)  # what the things are, from row 1: shape, colour, material
        self.crops_of: list[tuple[int, int, int]] = []  # (row in crops, scene, thing or NOTHING)

        def array(name: str, *shape: int) -> np.ndarray:
            return np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.uint8, shape)

        self.wholes = array("wholes", capacity, WHOLE, WHOLE, 3)
        self.whole_parts = array("whole_parts", capacity, PARTS, PARTS)
        self.crops = array("crops", capacity * crops, WIDE, WIDE, 3)
        self.crop_parts = array("crop_parts", capacity * crops, PARTS, PARTS)

    @property
    def full(self) -> bool:
        """Whether no more scenes fit."""
        return len(self.scenes) >= self.capacity

    def add(self, look: Look) -> None:
        """Keep what was drawn for one scene."""
        at, row = len(self.scenes), len(self.crops_of)
        self.scenes.append(look.scene)
        self.codes[at, 1 : len(look.scene.things) + 1] = [codes_of(thing) for thing in look.scene.things]
        self.wholes[at], self.whole_parts[at] = look.whole, look.whole_parts
        for i, thing in enumerate(look.things[: self.per_scene]):
            self.crops[row + i], self.crop_parts[row + i] = look.crops[i], look.crop_parts[i]
            self.crops_of.append((row + i, at, int(thing)))
