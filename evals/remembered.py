"""A memory that was filled as users fill it: folders through `saccade index`, and pictures shown in conversations.

What is in it has its truth beside it: which scene a picture shows, and which thing each region is of. Regions are the
detector's own; one is of the thing whose true box it overlaps best, from an IoU of 0.5 on, or of nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..agent.agent import Agent
from ..agent.indexing import Indexing
from ..memory.query import Query
from ..scenes.render import render
from ..scenes.sample import sample_scene
from ..scenes.scene import Scene, Thing
from ..tools.shared.geometry import box_iou

SIZE = 512  # px
SAME = 0.5  # the IoU from which a region is of a thing
TALKED = 5  # one picture in so many is shown in a conversation, the others lie in a folder
IN_A_CHAT = 5  # pictures of one conversation
ASKED = "What can you see in the picture?"

Tell = Callable[[int], None]


@dataclass
class Pool:
    """What one owner was given, with its truth."""

    owner: str
    scenes: dict[str, Scene] = field(default_factory=dict)  # by the picture's id
    boxes: dict[str, np.ndarray] = field(default_factory=dict)  # by the picture's id: (n, 4) xyxy pixels
    files: dict[str, Path] = field(default_factory=dict)  # by the picture's id
    things: dict[str, Thing] = field(default_factory=dict)  # by the region's id: the thing that it is of

    @property
    def shares(self) -> dict[str, np.ndarray]:
        """The boxes in shares of the side, as `scenes.language.forms.holds` takes them."""
        return {id: boxes / SIZE for id, boxes in self.boxes.items()}

    @property
    def every_thing(self) -> list[Thing]:
        """All that there is on the pictures, whether the detector found it or not."""
        return [thing for scene in self.scenes.values() for thing in scene.things]


def draw(folder: Path, numbers: Iterable[int]) -> list[tuple[Path, Scene, np.ndarray]]:
    """Test scenes as PNG files in a folder, with their scenes and boxes."""
    folder.mkdir(parents=True, exist_ok=True)
    made: list[tuple[Path, Scene, np.ndarray]] = []
    for number in numbers:
        scene = sample_scene(number, "test")
        drawn = render(scene, SIZE)
        path = folder / f"{number}.png"
        drawn.image.save(path, "PNG", compress_level=1)
        made.append((path, scene, drawn.boxes.astype(float)))
    return made


def fill(agent: Agent, owner: str, drawn: Sequence[tuple[Path, Scene, np.ndarray]], tell: Tell, talk: bool) -> Pool:
    """Give an owner pictures: most of them a folder that is indexed, and with `talk` one in `TALKED` in conversations.

    Args:
        agent: with its real models, remembering on.
        owner: whose memory is filled.
        drawn: of `draw`.
        tell: told how many pictures are in.
        talk: whether some are shown in conversations instead.
    """
    pool = Pool(owner)
    told = {path: (scene, boxes) for path, scene, boxes in drawn}
    shown = [path for at, path in enumerate(told) if talk and at % TALKED == 0]
    indexing = Indexing(agent.runtime, owner)
    for done in indexing.run([path for path in told if path not in set(shown)]):
        assert done.id is not None, done.error  # a PNG that was just written
        _note(pool, done.id, done.path, told[done.path])
        tell(len(pool.scenes))
    for start in range(0, len(shown), IN_A_CHAT):
        chat = agent.chat(user=owner)
        for path in shown[start : start + IN_A_CHAT]:
            chat.send(ASKED, [path])
            _note(pool, f"pic_{agent.store.decode(path).sha256[:12]}", path, told[path])
            tell(len(pool.scenes))
        agent.remembering.wait()
    _match(agent, pool)
    return pool


def _note(pool: Pool, picture: str, path: Path, told: tuple[Scene, np.ndarray]) -> None:
    pool.scenes[picture], pool.boxes[picture] = told
    pool.files[picture] = path


def _match(agent: Agent, pool: Pool) -> None:
    """Say of every region that the owner's memory holds which thing it is of."""
    for hit in agent.memory.recall(pool.owner, Query(kind="region", k=100_000)):
        boxes = pool.boxes.get(hit.picture)
        if boxes is None or hit.box is None or not len(boxes):
            continue
        overlap = box_iou(np.asarray(hit.box), boxes)
        if overlap.max() >= SAME:
            pool.things[hit.id] = pool.scenes[hit.picture].things[int(overlap.argmax())]
