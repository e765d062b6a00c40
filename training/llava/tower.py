"""Before LLaVA's stages: CLIP's tower learns to spell, and where things stand.

CLIP never saw a sign from near. As in CLIP's own recipe, heads that are thrown away afterwards name what every
patch shows: of a sign the letter, of a scene the thing with its attributes and its centre. That is far quicker
than learning to see through a language model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ...scenes.scene import COLORS, MATERIALS, SHAPES, SIZES, Scene
from ...settings import ZOO
from ..clip.recipe import SIDE, cut_anew, optimizers
from ..common import Run, autocast
from ..optimization import descend
from .store import LETTERS, Store

GRID = 8  # patches a side
BINS = 20  # columns and rows that centres are told in; as fine as the margin of a clear relation
NAMES = (SIZES, COLORS, MATERIALS, SHAPES)
HEADS = (*(len(names) + 1 for names in NAMES), BINS + 1, BINS + 1)  # of a scene's patch; 0 is for nothing
BATCH, SIGNS, RATE = 48, 32, 1.2e-3
COVERED = 0.3  # the share of a patch that a box must cover


def load_tower(folder: Path = ZOO / "clip") -> Any:
    """The vision model of a CLIP folder as a `CLIPVisionModel`, in fp32."""
    from transformers import CLIPVisionModel

    return CLIPVisionModel.from_pretrained(folder, dtype=torch.float32, local_files_only=True)


def bins_of(box: Sequence[float]) -> tuple[int, int]:
    """Column and row of a visible box's centre, 0 to BINS - 1."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return min(BINS - 1, max(0, int(x * BINS))), min(BINS - 1, max(0, int(y * BINS)))


@cache
def _edges() -> tuple[np.ndarray, np.ndarray]:
    at = np.arange(GRID) / GRID
    return at, at + 1 / GRID


def cells_of(scene: Scene, boxes: np.ndarray) -> np.ndarray:
    """Which thing each patch shows: (64,) int, -1 for none; the thing in front where boxes overlap.

    A thing that would show nowhere gets the patch of its centre.
    """
    low, high = _edges()
    cells = np.full((GRID, GRID), -1)
    for at, box in enumerate(boxes[: len(scene.things)]):
        wide = np.clip(np.minimum(high, box[2]) - np.maximum(low, box[0]), 0, None) * GRID
        tall = np.clip(np.minimum(high, box[3]) - np.maximum(low, box[1]), 0, None) * GRID
        cells[np.outer(tall, wide) > COVERED] = at
    for at, box in enumerate(boxes[: len(scene.things)]):
        if not (cells == at).any():
            column, row = (min(GRID - 1, int((box[i] + box[i + 2]) / 2 * GRID)) for i in (0, 1))
            cells[row, column] = at
    return cells.reshape(-1)


def codes_of(scene: Scene, boxes: np.ndarray) -> np.ndarray:
    """What each thing is, and nothing first: (things + 1, 6) int64, numbers from 1 in the order of HEADS."""
    rows = [(0,) * len(HEADS)]
    for thing, box in zip(scene.things, boxes, strict=False):
        column, row = bins_of(box)
        named = ((thing.size, thing.color, thing.material, thing.shape)[i] for i in range(4))
        rows.append((*(list(n).index(v) + 1 for n, v in zip(NAMES, named, strict=True)), column + 1, row + 1))
    return np.array(rows)


class Prepared(nn.Module):
    """The tower with the heads that are thrown away."""

    def __init__(self, tower: nn.Module, width: int = 192) -> None:
        super().__init__()
        self.tower = tower
        self.scene = nn.Linear(width, sum(HEADS))
        self.letter = nn.Linear(width, len(LETTERS) + 1)

    def name_things(self, seen: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """The loss of naming what the patches of scenes show: seen (n, 64, width), codes (n, 64, 6)."""
        weight = torch.where(codes > 0, 1.0, 0.3)
        named = self.scene(seen).float().split(HEADS, -1)
        return sum(
            (
                (weight[..., i] * F.cross_entropy(part.transpose(1, 2), codes[..., i], reduction="none")).mean()
                for i, part in enumerate(named)
            ),
            torch.zeros((), device=seen.device),
        )

    def name_letters(self, seen: torch.Tensor, letters: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The loss of naming the letter in each patch of signs, and the share that is right: letters (n, 64)."""
        spelled = self.letter(seen).float()
        shown = torch.where(letters > 0, 1.0, 0.1)
        loss = (shown * F.cross_entropy(spelled.transpose(1, 2), letters, reduction="none")).sum() / shown.sum()
        return loss, (spelled.argmax(-1) == letters)[letters > 0].float().mean()


def patches(tower: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    """(n, 64, width): the states of the last layer, as `LlavaModel` takes them with layer -1."""
    return tower(pixel_values=pixels).last_hidden_state[:, 1:]


def scene_codes(store: Store, at: int) -> np.ndarray:
    """(64, 6): what each patch of a kept scene shows."""
    scene, boxes = store.scene(at), store.boxes_of(at)
    return codes_of(scene, boxes)[cells_of(scene, boxes) + 1]


def pixels_of(pictures: np.ndarray, rng: np.random.Generator | None = None) -> torch.Tensor:
    """(n, 3, side, side) float in -1..1 of (n, side, side, 3) uint8; with `rng` tinted."""
    pixels = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1
    if rng is not None:
        pixels *= torch.from_numpy(rng.uniform(0.94, 1.06, (len(pixels), 1, 1, 1)).astype(np.float32))
    return pixels.clamp(-1, 1)


def signs_anew(crops: np.ndarray, letters: np.ndarray, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Signs cut anew at other zooms: pixels (k, 3, side, side), and the letter in each patch (k, 64), 0 for none."""
    pixels, parts = cut_anew(crops, letters, SIDE, rng, "cpu")
    blocks = parts.reshape(len(parts), GRID, 4, GRID, 4).transpose(0, 1, 3, 2, 4).reshape(len(parts), GRID**2, 16)
    counts = (blocks[..., None] == np.arange(1, len(LETTERS) + 1)).sum(-2)
    return pixels, torch.from_numpy(np.where(counts.max(-1) >= 4, counts.argmax(-1) + 1, 0))


def aligned(placed: torch.Tensor, words: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """How far the projector's places are from the words that stage 0 had there, in variances of the words.

    Args:
        placed: (n, 64, hidden), what the projector puts in the places of pictures.
        words: (n, 64, hidden), the embedded words of the same patches.
        codes: (n, 64, 6); patches that show nothing weigh less.
    """
    weight = torch.where(codes[..., 0] > 0, 1.0, 0.3)
    off = (placed.float() - words.float()).square().mean(-1) / words.float().var()
    return (off * weight).sum() / weight.sum()


def prepare(
    store: Store,
    out: Path,
    steps: int,
    resume: bool,
    model: Prepared,
    projector: nn.Module,
    written: Callable[[list[int]], torch.Tensor],
    device: str = "cpu",
) -> Run:
    """Train the tower with its heads, and the projector to put words where stage 0 had them.

    Args:
        store: the pictures.
        out: the run's folder.
        steps: how many.
        resume: go on from the checkpoint in `out`.
        model: tower and heads.
        projector: LLaVA's.
        written: scenes by their numbers -> (n, 64, hidden), their embedded words.
        device: where.
    """
    both = optimizers(model, RATE)
    both[1].add_param_group({"params": [*projector.parameters()], "lr": RATE})
    parts = {"model": model, "projector": projector, "muon": both[0], "adamw": both[1]}
    with Run(out, steps, parts, resume) as run:
        for step in run:
            rng = np.random.default_rng((5, step))
            scenes = np.sort(rng.integers(0, store.count, BATCH))
            wholes = pixels_of(store.wholes[scenes], rng)
            codes = torch.from_numpy(np.stack([scene_codes(store, int(at)) for at in scenes])).to(device)
            chosen = np.sort(rng.integers(0, len(store.words), SIGNS))
            signs, letters = signs_anew(np.asarray(store.signs[chosen]), np.asarray(store.letters[chosen]), rng)
            with torch.no_grad():
                words = written([int(at) for at in scenes])
            with autocast(device):
                seen = patches(model.tower, torch.cat([wholes, signs]).to(device))
                things = model.name_things(seen[:BATCH], codes)
                spelling, right = model.name_letters(seen[BATCH:], letters.to(device))
                off = aligned(projector(seen[:BATCH]), words, codes)
            descend(things + 2 * spelling + off, model, both, step, steps)
            if step % 5 == 0:
                named = {"things": things.item(), "letters": spelling.item(), "words": off.item()}
                run.log(**named, **{"wrong letters": 1 - right.item()})
    return run
