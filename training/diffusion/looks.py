"""What the painter learns from: views of scenes, an area of each that is to be painted, and words for both.

A view is a whole scene, or a part of it seen closer, as an edit of a large picture sees the window around its mask.
The area is that of a thing that stands there (what *replace*, *recolour* and *add* ask for), of a thing that stands
somewhere else (mostly empty ground: what is left after *remove*), or any box.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from ...scenes.about import about
from ...scenes.language.captions import full_caption, partial_caption
from ...scenes.language.phrases import attributes_of, noun_phrase
from ...scenes.render import Rendered, render, silhouette
from ...scenes.sample import sample_scene
from ...scenes.scene import Scene
from ...scenes.splits import Split
from ...tools.experts.painter.wording import SIGN, Box, grounded_prompt, sketch
from ..clip.texts import BACKDROP_WORDS

COLORS_OF_WORDS, OUTLINES = about("painter")["sketch"], about("painter")["outlines"]
SIDE = 128  # px: the side of what the painter makes
CLOSER = 0.35  # the share of views that show a part of a scene
CLOSEST = 2.4  # times as large as in the whole
SEEN = 0.35  # the share of a thing that must lie in a view, or in an area, to be named
GROWN = (2, 9)  # px: by how much an area reaches beyond the thing that it is drawn from
FACETS = (  # what is said of a thing
    ("color", "shape"),
    ("color", "shape"),
    ("size", "color", "material", "shape"),
    ("color", "material", "shape"),
    ("shape",),
)


@dataclass
class PaintLook:
    """One view.

    Attributes:
        pixels: (SIDE, SIDE, 3) uint8.
        area: (SIDE, SIDE) bool, what is to be painted anew.
        sketch: (SIDE, SIDE, 3) uint8, boxes filled with the colours that `whole` names.
        sketch_inside: the same of what `inside` names.
        whole: words for the whole view, with boxes.
        plain: words for the whole view, without; the same as `whole` where a caption would not be true of the view.
        inside: words for what stands in the area, with boxes.
        things: the same as words and boxes, xyxy in shares of the sides.
        background: words for what is behind them; "" where none are said.
    """

    pixels: np.ndarray
    area: np.ndarray
    sketch: np.ndarray
    sketch_inside: np.ndarray
    whole: str
    plain: str
    inside: str
    things: list[tuple[str, Box]]
    background: str


def draw_paint_look(index: int, split: Split = "train") -> PaintLook:
    """Draw scene number `index` of a split as a look."""
    rng = random.Random(f"paint {index}")
    scene = sample_scene(index, split, things=rng.choices([(1, 2), (2, 4), (2, 8)], [3, 3, 4])[0])
    if rng.random() < 0.6:
        scene = replace(scene, things=tuple(replace(thing, word=None) for thing in scene.things))
    closer = rng.random() < CLOSER
    scale = rng.uniform(1.15, CLOSEST) if closer else 1.0
    size = round(SIDE * scale)
    drawn = render(scene, size)
    x, y = (rng.randint(0, size - SIDE) for _ in range(2))
    pixels = np.asarray(drawn.image)[y : y + SIDE, x : x + SIDE]
    masks = drawn.masks[:, y : y + SIDE, x : x + SIDE]
    area = _area(scene, size, (x, y), masks, rng)
    told = _told(scene, drawn, masks, (x, y), rng)
    background = rng.choice(BACKDROP_WORDS[scene.backdrop][:2]) if rng.random() < 0.9 else ""

    def prompt(shown: Callable[[np.ndarray], bool]) -> tuple[str, np.ndarray, list[tuple[str, Box]]]:
        named = [(words, box) for words, box, mask in told if shown(mask)]
        drawn_boxes = np.asarray(sketch(named, COLORS_OF_WORDS, SIDE, outlines=OUTLINES))
        rng.shuffle(named)
        return grounded_prompt(named, background), drawn_boxes, named

    whole, boxes, _ = prompt(lambda _: True)
    if closer:
        plain = whole
    else:
        plain = (full_caption(scene, rng, words=False) if rng.random() < 0.6 else partial_caption(scene, rng)).text
    inside, boxes_inside, things = prompt(lambda mask: (mask & area).sum() >= SEEN * mask.sum())
    return PaintLook(np.ascontiguousarray(pixels), area, boxes, boxes_inside, whole, plain, inside, things, background)


def _told(
    scene: Scene, drawn: Rendered, masks: np.ndarray, corner: tuple[int, int], rng: random.Random
) -> list[tuple[str, Box, np.ndarray]]:
    """What can be seen in a view: words, the box of what is in view in shares of it, the mask there."""
    told: list[tuple[str, Box, np.ndarray]] = []
    for thing, mask, all_of_it in zip(scene.things, masks, drawn.masks, strict=True):
        if mask.sum() >= SEEN * max(1, all_of_it.sum()):
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            box = (columns[0] / SIDE, rows[0] / SIDE, (columns[-1] + 1) / SIDE, (rows[-1] + 1) / SIDE)
            told.append((noun_phrase(attributes_of(thing, rng.choice(FACETS)), rng), box, mask))
    for sign in drawn.sign_boxes:
        if sign is None:
            continue
        x0, y0, x1, y1 = (round(value - corner[at % 2]) for at, value in enumerate(sign))
        mask = np.zeros((SIDE, SIDE), bool)
        mask[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)] = True
        if mask.sum() >= SEEN * max(1, (x1 - x0) * (y1 - y0)):
            x0, y0, x1, y1 = (min(SIDE, max(0, value)) for value in (x0, y0, x1, y1))
            told.append((SIGN, (x0 / SIDE, y0 / SIDE, x1 / SIDE, y1 / SIDE), mask))
    return told


def _area(scene: Scene, size: int, corner: tuple[int, int], masks: np.ndarray, rng: random.Random) -> np.ndarray:
    """(SIDE, SIDE) bool: an area that somebody might want painted anew."""
    draw = rng.random()
    seen = [mask for mask in masks if mask.sum() >= 24]
    if draw < 0.45 and seen:
        mask = rng.choice(seen)
    elif draw < 0.8:
        other = rng.choice(scene.things)
        moved = replace(other, x=(corner[0] + rng.uniform(0.1, 0.9) * SIDE) / size,
                        y=(corner[1] + rng.uniform(0.1, 0.9) * SIDE) / size)  # fmt: skip
        mask = silhouette(moved, size)[corner[1] : corner[1] + SIDE, corner[0] : corner[0] + SIDE]
    else:
        mask = np.zeros((SIDE, SIDE), bool)
        width, height = (rng.randint(SIDE // 6, round(0.9 * SIDE)) for _ in range(2))
        left, top = rng.randint(0, SIDE - width), rng.randint(0, SIDE - height)
        mask[top : top + height, left : left + width] = True
        return mask
    if not mask.any():
        mask = np.zeros((SIDE, SIDE), bool)
        mask[SIDE // 3 : 2 * SIDE // 3, SIDE // 3 : 2 * SIDE // 3] = True
    if rng.random() < 0.35:  # the box around it: the new thing's outline need not be the old one's
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        mask = np.zeros_like(mask)
        mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
    return ndimage.binary_dilation(mask, iterations=rng.randint(*GROWN))


class LatentStore:
    """Looks as latents, kept on disk as plain arrays; once full, new looks take the place of the oldest.

    Args:
        folder: where the arrays lie.
        capacity: looks at most.
        channels, cells: of the latents.
        tokens: the longest prompt.
        resume: go on with what lies there.
    """

    def __init__(
        self, folder: Path, capacity: int, channels: int, cells: int, tokens: int, resume: bool = False
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.capacity = capacity
        resume = resume and (folder / "count.npy").is_file()

        def array(name: str, kind: type, *shape: int) -> np.ndarray:
            return np.lib.format.open_memmap(folder / f"{name}.npy", "r+" if resume else "w+", kind, shape)

        self.latents = array("latents", np.float16, capacity, channels, cells, cells)
        self.masked = array("masked", np.float16, capacity, channels, cells, cells)  # with the area sketched
        self.sketches = array("sketches", np.float16, capacity, channels, cells, cells)
        self.areas = array("areas", np.float16, capacity, cells, cells)  # the share of each cell that is painted anew
        self.prompts = array("prompts", np.uint8, capacity, 3, tokens)  # whole, plain, inside
        self.added = array("count", np.int64, 1)

    @property
    def count(self) -> int:
        """Looks that are there."""
        return min(int(self.added[0]), self.capacity)

    def add(
        self, latents: np.ndarray, masked: np.ndarray, sketches: np.ndarray, areas: np.ndarray, prompts: np.ndarray
    ) -> None:
        """Keep n looks."""
        rows = (int(self.added[0]) + np.arange(len(latents))) % self.capacity
        self.latents[rows], self.masked[rows], self.sketches[rows] = latents, masked, sketches
        self.areas[rows], self.prompts[rows] = areas, prompts
        self.added[0] += len(latents)
