"""A memory with something in it, for tests of what searches it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..memory.memory import Memory
from ..memory.pictures.store import PictureStore
from ..memory.records import RegionDraft, ToolResult
from ..memory.workspace import LedgerWorkspace
from ..scenes.scene import Scene
from ..settings import Settings
from .embedder import SmallEmbedder
from .scene_book import SceneBook


def ready_memory(home: Path | str, owner: str = "ann", scenes: Sequence[Scene | int] = (1, 2, 3)) -> Memory:
    """A real memory (SQLite, Chroma) in a folder, with drawn pictures and all the things in them as regions.

    Vectors come from `SmallEmbedder`, without a model: pictures are found again by pictures, words by the labels, which
    say each thing's colour and shape ("red cube"). Close it when you are done: `memory.close()`.

    Args:
        home: the folder; made where it is not there.
        owner: whose pictures they are.
        scenes: drawn scenes, or seeds of test scenes.
    """
    store = PictureStore(Path(home), durable=False)
    memory = Memory(store, SmallEmbedder(), settings=Settings(home=Path(home)))
    book = SceneBook()
    workspace = LedgerWorkspace(store, "chat_0000000ready", owner)
    _, pictures = workspace.begin_turn([book.draw(scene) for scene in scenes])
    items: list[str] = []
    for picture in pictures:
        scene, boxes, masks = book(picture.id)
        drafts = [
            RegionDraft(
                picture.id,
                (float(x0), float(y0), float(x1), float(y1)),
                f"{thing.color} {thing.shape}",
                0.99,
                None if masks is None else masks[at],
            )
            for at, (thing, (x0, y0, x1, y1)) in enumerate(zip(scene.things, boxes, strict=True))
        ]
        call = f"find_{picture.handle}"
        found, _ = workspace.record(call, "find_objects", {"image": picture.handle}, ToolResult(drafts), lambda _: "")
        items += [picture.id, *(region.id for region in found.regions)]
    memory.remember(owner, items)
    return memory
