"""A memory over a real ledger and a real Chroma, with the small embedder, and something to put into it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from saccade.memory.memory import Memory
from saccade.memory.pictures.store import PictureStore
from saccade.memory.records import PictureDraft, RegionDraft, ToolResult
from saccade.memory.workspace import LedgerWorkspace
from saccade.settings import Settings
from saccade.testing.embedder import SmallEmbedder


def scene(number: int, side: int = 96) -> Image.Image:
    small = np.random.default_rng(number).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)


class Opened:
    """Opens memories over homes, and closes them all."""

    def __init__(self) -> None:
        self.all: list[Memory] = []

    def __call__(self, home: Path, embedder: SmallEmbedder | None = None, **settings: object) -> Memory:
        store = PictureStore(home, durable=False)
        memory = Memory(store, embedder or SmallEmbedder(), settings=Settings(**settings))  # type: ignore[arg-type]
        self.all.append(memory)
        return memory


def give(memory: Memory, numbers: range, owner: str = "ann") -> list[str]:
    ids = [memory.store.add(scene(number), owner=owner).id for number in numbers]
    memory.remember(owner, ids)
    return ids


def talked(memory: Memory, owner: str, name: str = "1") -> LedgerWorkspace:
    """A conversation: one picture given, two regions found (one with a mask), one crop made."""
    space = LedgerWorkspace(memory.store, f"chat_{owner}{name}", owner)
    _, (picture,) = space.begin_turn([scene(70)])
    mask = np.zeros((96, 96), bool)
    mask[5:30, 5:30] = True
    drafts = [
        RegionDraft(picture.id, (0, 0, 40, 40), "cone", 0.9, mask),
        RegionDraft(picture.id, (50, 50, 90, 96), "cube"),
    ]
    space.record("a", "find_objects", {"image": "img_1"}, ToolResult(drafts), lambda _: "2 found in img_1: a rosy cone")
    crop = PictureDraft(scene(70).crop((0, 0, 40, 40)), "crop", f"{picture.id}.r1")
    space.record("b", "crop_image", {"image": "reg_1"}, ToolResult(pictures=[crop]), lambda _: "img_2")
    ids = [
        one.id for one in (space.picture("img_1"), space.region("reg_1"), space.region("reg_2"), space.picture("img_2"))
    ]
    memory.remember(owner, ids)
    return space


# Repair
