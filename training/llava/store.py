"""The pictures that LLaVA learns from, drawn once and kept on disk as plain arrays.

Whole scenes as a model sees them (128 px), a crop of one thing of each, and crops of signs, whose words are
training words or letters at random, so that reading is spelling and not the recall of a list.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import skia
from PIL import Image

from ...scenes.drawing.signs import Sign, letter_spans, overlap, place_signs
from ...scenes.render import render
from ...scenes.sample import sample_scene
from ...scenes.scene import Scene
from ...scenes.splits import Split, word_is_held_out, words_of
from ..scene_views import PARTS, PICTURE, WHOLE, WIDE, around, cut

SIGNS_FROM = 2**28  # the first seed of the scenes whose signs are cut out
SIGNS_A_SCENE = 3
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
MOST = 8  # things in a scene
MOST_CROPS = 40_000  # of things; few rows ask about them


@dataclass
class Kept:
    """What is kept of one scene: the picture, the visible boxes in shares of its side, a wide crop of one thing."""

    scene: Scene
    whole: np.ndarray  # (WHOLE, WHOLE, 3) uint8
    boxes: np.ndarray  # (things, 4) float32, xyxy
    crop: np.ndarray  # (WIDE, WIDE, 3) uint8, around the thing
    thing: int


@dataclass
class SignLook:
    """A wide crop around a sign, and which letter each part of it shows (0 none, 1 for A)."""

    word: str
    crop: np.ndarray  # (WIDE, WIDE, 3) uint8
    letters: np.ndarray  # (PARTS, PARTS) uint8


def keep_scene(index: int, split: Split = "train") -> Kept:
    """Draw scene number `index` of a split."""
    scene = sample_scene(index, split)
    rendered = render(scene, PICTURE)
    thing = random.Random(index).randrange(len(scene.things))
    return Kept(
        scene,
        np.asarray(rendered.image.resize((WHOLE, WHOLE), Image.Resampling.BICUBIC)),
        rendered.boxes / PICTURE,
        cut(rendered.image, *around(rendered.boxes[thing])),
        thing,
    )


def random_word(rng: random.Random, split: Split = "train") -> str:
    """A word of the split, or as often 3 to 6 letters at random; of training never one that is held out."""
    if split != "train" or rng.random() < 0.5:
        return rng.choice(words_of(split))
    while True:
        word = "".join(rng.choices(LETTERS, k=rng.randint(3, 6)))
        if not word_is_held_out(word):
            return word


def keep_signs(index: int, split: Split = "train") -> list[SignLook]:
    """Draw a scene in which every thing has a sign, and cut out the signs that stand free."""
    rng = random.Random(f"signs {index}")
    plain = sample_scene(SIGNS_FROM + index, split)
    things = tuple(replace(thing, word=random_word(rng, split)) for thing in plain.things)
    scene = replace(plain, things=things)
    signs = [sign for sign in place_signs(scene) if sign is not None]
    free = [s for s in signs if s.clash < 5 and not any(o is not s and overlap(s.box, o.box) > 1e-4 for o in signs)]
    image = render(scene, PICTURE).image
    made: list[SignLook] = []
    for sign in rng.sample(free, min(SIGNS_A_SCENE, len(free))):
        spot = around(np.array(sign.box) * PICTURE)
        made.append(SignLook(sign.word, cut(image, *spot), letter_map(sign, spot)))
    return made


def letter_map(sign: Sign, spot: tuple[float, float, float]) -> np.ndarray:
    """Which letter of a sign each part of a square (centre x, y and side in pixels) shows: (PARTS, PARTS) uint8."""
    pixels = np.zeros((PARTS, PARTS, 4), np.uint8)
    canvas = skia.Surface(pixels, skia.kRGBA_8888_ColorType).getCanvas()
    x, y, side = (value / PICTURE for value in spot)
    canvas.scale(PARTS / side, PARTS / side)
    canvas.translate(side / 2 - x, side / 2 - y)
    canvas.translate(sign.x, sign.y)
    canvas.rotate(sign.tilt)
    canvas.skew(sign.slant, 0)
    canvas.scale(sign.capital, sign.capital)
    for letter, (left, right) in zip(sign.word, letter_spans(sign.word, sign.font), strict=True):
        paint = skia.Paint(AntiAlias=False, Color=skia.Color(LETTERS.index(letter) + 1, 0, 0))
        canvas.drawRect(skia.Rect(left, -0.62, right, 0.62), paint)
    return np.ascontiguousarray(pixels[..., 0])


class Store:
    """What was drawn, as memory maps. `draw_store` fills a folder, `Store(folder)` opens it.

    `wholes` (n, 128, 128, 3), `boxes` (n, 8, 4) float32, `crops` (m, 144, 144, 3) of thing `things[i]` of scene i,
    `signs` (k, 144, 144, 3) and `letters` (k, 36, 36) with the words `words`; scene i has the seed `seeds[i]` of
    "train" (workers do not take turns in the order of the seeds).
    """

    def __init__(self, folder: Path) -> None:
        facts = json.loads((folder / "facts.json").read_text("utf-8"))
        self.words: list[str] = facts["words"]
        self.seeds: list[int] = facts["seeds"]
        self.count = len(self.seeds)

        def array(name: str) -> np.ndarray:
            return np.load(folder / f"{name}.npy", mmap_mode="r")

        self.wholes, self.boxes, self.crops = array("wholes"), array("boxes"), array("crops")
        self.things, self.signs, self.letters = array("things"), array("signs"), array("letters")
        self._scenes: dict[int, Scene] = {}

    def scene(self, at: int) -> Scene:
        """Scene number `at`, made again from its seed."""
        if at not in self._scenes:
            self._scenes[at] = sample_scene(self.seeds[at])
        return self._scenes[at]

    def boxes_of(self, at: int) -> np.ndarray:
        """(things, 4) visible boxes of a scene, in shares."""
        return self.boxes[at, : len(self.scene(at).things)]


def draw_store(folder: Path, scenes: int, sign_scenes: int, workers: int = 1) -> Store:
    """Draw everything into a folder, unless that was done."""
    if (folder / "facts.json").is_file():
        return Store(folder)
    folder.mkdir(parents=True, exist_ok=True)

    def array(name: str, *shape: int, dtype: Any = np.uint8) -> np.ndarray:
        return np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype, shape)

    wholes = array("wholes", scenes, WHOLE, WHOLE, 3)
    crops = array("crops", min(scenes, MOST_CROPS), WIDE, WIDE, 3)
    boxes, things = array("boxes", scenes, MOST, 4, dtype=np.float32), array("things", scenes)
    seeds: list[int] = []
    for at, kept in enumerate(_each(keep_scene, scenes, workers)):
        wholes[at], things[at] = kept.whole, kept.thing
        if at < len(crops):
            crops[at] = kept.crop
        boxes[at, : len(kept.boxes)] = kept.boxes
        seeds.append(kept.scene.seed)
    signs = array("signs", sign_scenes * SIGNS_A_SCENE, WIDE, WIDE, 3)
    letters = array("letters", sign_scenes * SIGNS_A_SCENE, PARTS, PARTS)
    words: list[str] = []
    for looks in _each(keep_signs, sign_scenes, workers):
        for look in looks:
            signs[len(words)], letters[len(words)] = look.crop, look.letters
            words.append(look.word)
    (folder / "facts.json").write_text(json.dumps({"seeds": seeds, "words": words}), "utf-8")
    return Store(folder)


def _each(make: Any, count: int, workers: int) -> Iterator[Any]:
    """`make(i)` for every i, by other processes where there are any, and then not in order."""
    from ..common import batches

    yield from (
        (one for part in batches(make, range(count), 8, workers, list) for one in part)
        if workers
        else map(partial(make), range(count))
    )
