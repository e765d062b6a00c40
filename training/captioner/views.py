"""What the captioner looks at and what it is to say of it: whole scenes and crops, drawn from seeds and kept.

The captions are the canonical ones, with one wording for one truth: a caption that is to be read back should not
spend a small model's strength on synonyms. Things are said in raster order, as the eye goes over a page.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ...queries.space import related
from ...scenes.language.phrases import article, noun_phrase, parse_phrase
from ...scenes.render import draw, render
from ...scenes.sample import sample_scene
from ...scenes.scene import BACKDROPS, COLORS, MATERIALS, SHAPES, SIZES, Scene, Thing
from ...scenes.space import centres, raster_order
from ...scenes.splits import Split
from ..scene_views import PICTURE, WHOLE, WIDE, around, cut

PROMPTS = {"short": "", "detailed": "in detail:"}
MAP = 48  # the side of the kept map of things; 12 and 16 patches a side both divide it
NAMES: tuple[tuple[str, ...], ...] = (SHAPES, tuple(COLORS), MATERIALS, tuple(SIZES))
MOST = 8  # things in a scene

_BEFORE = {
    "plain": "on a plain background",
    "desk": "on a desk",
    "street": "on a street",
    "shelf": "on a shelf",
}
BESIDE = {"left": "left of", "right": "right of", "above": "above", "below": "below"}


# ---------------------------------------------------------------- captions


def detailed_caption(scene: Scene) -> str:
    """All things in raster order and the backdrop: "a large red metal cube, ... and a small ... on a desk."."""
    said = [article(noun_phrase(thing)) for thing in raster_order(scene)]
    listed = f"{', '.join(said[:-1])} and {said[-1]}" if len(said) > 1 else said[0]
    return f"{listed} {_BEFORE[scene.backdrop]}."


def short_caption(scene: Scene) -> str:
    """The first two of the large things, how they stand, and the backdrop: "a red ... left of a ..., on a desk."."""
    ordered = sorted(raster_order(scene), key=lambda thing: thing.size == "small")[:2]
    said = [article(_look_of(thing)) for thing in ordered]
    if len(ordered) < 2:
        return f"{said[0]}, {_BEFORE[scene.backdrop]}."
    at = {thing.id: centre for thing, centre in zip(scene.things, centres(scene), strict=True)}
    first, second = (at[thing.id] for thing in ordered)
    beside = next((words for name, words in BESIDE.items() if related(first, name, second)), "and")
    return f"{said[0]} {beside} {said[1]}, {_BEFORE[scene.backdrop]}."


def crop_caption(thing: Thing) -> str:
    """One thing seen from near, whose size a crop hides: "a red metal cube."."""
    return article(_look_of(thing)) + "."


def parse_caption(text: str) -> list[dict[str, str]]:
    """The things that a detailed caption lists, with their attributes; what cannot be read is left out."""
    for words in _BEFORE.values():
        text = text.replace(words, "")
    parts = text.strip(" .").replace(" and ", ", ").split(",")
    return [said for part in parts if (said := parse_phrase(part.strip()))]


def backdrop_of(text: str) -> str | None:
    """The backdrop that a caption names."""
    return next((name for name in BACKDROPS if _BEFORE[name] in text), None)


def _look_of(thing: Thing) -> str:
    return noun_phrase({"color": thing.color, "material": thing.material, "shape": thing.shape})


# ---------------------------------------------------------------- pictures


@dataclass
class CaptionLook:
    """What was drawn for one scene.

    Attributes:
        index: the scene's number.
        whole: (WHOLE, WHOLE, 3) uint8, the picture.
        things: (MAP, MAP) uint8, which thing each part of it shows, 0 for none.
        crop: (WIDE, WIDE, 3) uint8, a wide square around thing number `near_thing`.
    """

    index: int
    whole: np.ndarray
    things: np.ndarray
    crop: np.ndarray


def draw_caption_look(index: int, split: Split = "train") -> CaptionLook:
    """Draw scene number `index` of a split."""
    scene = sample_scene(index, split)
    image = Image.fromarray(draw(scene, PICTURE))
    coarse = render(scene, 2 * MAP)
    numbers = np.arange(1, len(coarse.masks) + 1, dtype=np.uint8)
    things = (coarse.masks * numbers[:, None, None]).max(0)[::2, ::2]
    at = near_thing(index, scene)
    whole = np.asarray(image.resize((WHOLE, WHOLE), Image.Resampling.BICUBIC))
    box = coarse.boxes[at] * (PICTURE / (2 * MAP))
    return CaptionLook(index, whole, things, cut(image, *around(box)))


def near_thing(index: int, scene: Scene) -> int:
    """Which thing of scene number `index` its crop shows."""
    return random.Random(index).randrange(len(scene.things))


class CaptionStore:
    """Looks at scenes of the split "train", kept as memory maps; the scenes are made again from their numbers.

    Args:
        folder: where the arrays lie.
        capacity: scenes at most.
        again: go on with what the folder holds.
    """

    def __init__(self, folder: Path, capacity: int, again: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        again = again and (folder / "index.npy").is_file()
        self.capacity = capacity
        self.scenes: list[Scene] = []
        self.codes = np.zeros((capacity, MOST + 1, len(NAMES)), np.uint8)  # row 0 is for nothing

        def array(name: str, *shape: int, dtype: type = np.uint8) -> np.ndarray:
            return np.lib.format.open_memmap(folder / f"{name}.npy", "r+" if again else "w+", dtype, (capacity, *shape))

        self.wholes, self.things = array("wholes", WHOLE, WHOLE, 3), array("things", MAP, MAP)
        self.crops = array("crops", WIDE, WIDE, 3)
        self.index = array("index", dtype=np.int64)  # the number of each scene, from 1; 0 where none is kept yet
        for number in self.index[: int((self.index > 0).sum())]:
            self._know(int(number) - 1, self.count)

    @property
    def count(self) -> int:
        """How many scenes are kept."""
        return len(self.scenes)

    def add(self, look: CaptionLook) -> None:
        """Keep the look of one more scene; in a full store, in the place of the oldest."""
        row = self.count if self.count < self.capacity else int(self.index.argmin())
        self.wholes[row], self.things[row], self.crops[row] = look.whole, look.things, look.crop
        self.index[row] = look.index + 1
        self._know(look.index, row)

    def near(self, row: int) -> Thing:
        """The thing that a crop shows."""
        return self.scenes[row].things[near_thing(int(self.index[row]) - 1, self.scenes[row])]

    def _know(self, index: int, row: int) -> None:
        scene = sample_scene(index)
        self.codes[row] = 0
        self.codes[row, 1 : len(scene.things) + 1] = [codes_of(thing) for thing in scene.things]
        self.scenes[row : row + 1] = [scene]


def codes_of(thing: Thing) -> list[int]:
    """Shape, colour, material and size as numbers from 1; 0 is for nothing."""
    values = (thing.shape, thing.color, thing.material, thing.size)
    return [names.index(value) + 1 for names, value in zip(NAMES, values, strict=True)]


def patch_codes(things: np.ndarray, codes: np.ndarray, grid: int) -> np.ndarray:
    """What each of `grid` x `grid` patches mostly shows: (n, grid * grid, facets) int64, 0 for nothing.

    Args:
        things: (n, MAP, MAP) which thing, 0 for none.
        codes: (n, MOST + 1, facets) what each thing is.
        grid: patches a side.
    """
    n, block = len(things), MAP // grid
    blocks = things.reshape(n, grid, block, grid, block).transpose(0, 1, 3, 2, 4).reshape(n, grid * grid, -1)
    counts = (blocks[..., None] == np.arange(1, MOST + 1)).sum(-2)
    most = np.where(counts.max(-1) >= blocks.shape[-1] / 8, counts.argmax(-1) + 1, 0)
    return codes[np.arange(n)[:, None], most].astype(np.int64)


def texts_of(scenes: Sequence[Scene], details: Sequence[str]) -> list[tuple[str, str]]:
    """Prompt and caption of each scene."""
    return [
        (PROMPTS[detail], detailed_caption(scene) if detail == "detailed" else short_caption(scene))
        for scene, detail in zip(scenes, details, strict=True)
    ]
