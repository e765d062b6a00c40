"""A conversation's pictures and regions in memory alone, for traces and tests of tools: nothing is written.

`memory.workspace.LedgerWorkspace` is what users get; this gives handles by the same rules.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..errors import ToolRetry
from ..memory.records import Lineage, Picture, PictureKind, Recalled, Recorded, Region, ToolResult
from ..scenes.scene import Scene
from ..tools.shared.geometry import box_iou
from .experts import Truth

Loader = Callable[[], Image.Image]


class MemoryWorkspace:
    """Implements `tools.runner.Ledger` in memory.

    Pictures need no pixels: where none are given, `open` shows a blank one of the right size. With
    `TrueExperts(workspace.truth)` and a `ToolRunner`, tools run without any model.
    """

    def __init__(self) -> None:
        self._pictures: dict[str, Picture] = {}  # by handle
        self._regions: dict[str, Region] = {}  # by handle
        self._numbers: dict[str, int] = {}  # regions a picture, by the picture's id
        self._images: dict[str, Image.Image | Loader] = {}  # by the picture's id
        self._masks: dict[str, np.ndarray] = {}  # by the region's handle
        self._calls: dict[str, tuple[Recorded, str]] = {}
        self._done: dict[tuple[str, int | None], list[dict[str, Any]]] = {}  # facts by (tool, turn)
        self._handed: dict[str, int] = {}  # how many handles of a kind were given; none is given twice
        self._shelf: dict[str, Picture | Region] = {}  # by id: what a recall may bring into the conversation
        self._truths: dict[str, Truth] = {}  # by the picture's id

    def add_scene(
        self,
        scene: Scene,
        boxes: np.ndarray,
        masks: np.ndarray | None = None,
        image: Image.Image | Loader | None = None,
        *,
        size: int = 512,
    ) -> Picture:
        """Add the picture of a scene, `size` pixels a side, with its truth for `TrueExperts(workspace.truth)`.

        Args:
            scene: what is there.
            boxes: (n, 4) xyxy pixels, one a thing.
            masks: (n, size, size) bool, or None where a box will do.
            image: the pixels, or what loads them; blank where None.
            size: the side in pixels.
        """
        picture = self.add(f"scene {scene.seed} {len(self._pictures)}", (size, size), image)
        self._truths[picture.id] = (scene, np.asarray(boxes, dtype=float).reshape(-1, 4), masks)
        return picture

    def truth(self, picture: str) -> Truth:
        """The truth of a picture, by its id: a scene's, or that of the one thing that a crop shows.

        Raises:
            KeyError: the picture shows no scene.
        """
        return self._truths[picture]

    def add(
        self,
        name: str,
        size: tuple[int, int],
        image: Image.Image | Loader | None = None,
        *,
        kind: PictureKind = "given",
        lineage: Lineage = Lineage(),  # noqa: B008 (frozen)
    ) -> Picture:
        """Give a picture of (width, height) the next handle; its id follows from `name`."""
        digest = hashlib.sha256(name.encode()).hexdigest()
        handle = self._next("img")
        width, height = size
        picture = Picture(
            id=f"pic_{digest[:12]}",
            sha256=digest,
            path=Path(f"{name}.png"),
            width=width,
            height=height,
            kind=kind,
            owner="trace",
            source=None,
            created=datetime(2000, 1, 1, tzinfo=UTC),
            lineage=lineage,
            handle=handle,
        )
        self._pictures[handle] = picture
        if image is not None:
            self._images[picture.id] = image
        return picture

    def shelve(self, one: Picture | Region) -> None:
        """Put a picture or a region of an earlier conversation on the shelf, from where `recalled` brings it back.

        The picture of a region must be on the shelf, or in the conversation, before the region is recalled.
        """
        self._shelf[one.id] = one

    def bring_back(self, recalled: Recalled, lineage: Lineage) -> Picture | Region:
        """What was recalled, with its handle: the one that it has, or the next.

        Raises:
            KeyError: it is neither in the conversation nor on the shelf.
        """
        table = self._regions if recalled.is_region else self._pictures
        for had in table.values():
            if had.id == recalled.id:
                return had
        record = self._shelf[recalled.id]
        if isinstance(record, Picture):
            handle = self._next("img")
            self._pictures[handle] = picture = replace(record, handle=handle)
            return picture
        picture = self.bring_back(Recalled(record.picture, recalled.score, recalled.seen), lineage)
        handle = self._next("reg")
        self._regions[handle] = region = replace(record, handle=handle, image=picture.handle, lineage=lineage)
        return region

    def drop(self, picture: str) -> None:
        """Take a picture, by its id, and its regions out of the conversation and off the shelf, as forgetting does."""
        self._pictures = {handle: one for handle, one in self._pictures.items() if one.id != picture}
        self._regions = {handle: one for handle, one in self._regions.items() if one.picture != picture}
        self._shelf = {id: one for id, one in self._shelf.items() if id.partition(".")[0] != picture}

    def facts_of(self, tool: str, turn: int) -> list[dict[str, Any]]:
        """The facts that the calls of a tool recorded in a turn, in the order of the calls."""
        return self._done.get((tool, turn), [])

    def handles(self) -> list[str]:
        """Every handle, oldest first: pictures, then regions."""
        return [*self._pictures, *self._regions]

    def picture(self, handle: str) -> Picture:
        """The picture behind `img_N`. Raises ToolRetry, listing the handles there are."""
        return self._look_up(self._pictures, handle)

    def region(self, handle: str) -> Region:
        """The region behind `reg_N`. Raises ToolRetry, listing the handles there are."""
        return self._look_up(self._regions, handle)

    def open(self, picture: str, *, alpha: bool = False) -> Image.Image:
        """The RGB pixels of a picture, by its id; blank where none were given."""
        image = self._images.get(picture)
        if image is None:
            size = next(one.size for one in self._pictures.values() if one.id == picture)
            return Image.new("RGB", size, "white")
        return (image() if callable(image) else image).convert("RGB")

    def open_mask(self, region: Region) -> np.ndarray | None:
        """The region's mask, (height, width) bool, or None."""
        return self._masks.get(region.handle or "")

    def recorded(self, call_id: str) -> tuple[Recorded, str] | None:
        """What a call wrote down, and its observation; None where it was never done."""
        return self._calls.get(call_id)

    def record(
        self,
        call_id: str,
        tool: str,
        arguments: dict[str, Any],
        result: ToolResult,
        observe: Callable[[Recorded], str],
        *,
        turn: int | None = None,
        ok: bool = True,
    ) -> tuple[Recorded, str]:
        """Give every draft its handle; a call that was recorded stays as it was."""
        if call_id not in self._calls:
            lineage = Lineage("trace", turn, tool, dict(arguments))
            recorded = Recorded(
                [self._add_region(draft, lineage) for draft in result.regions],
                [self._add_mask(draft.region, draft.mask) for draft in result.masks],
                [self._add_picture(call_id, draft, lineage) for draft in result.pictures],
                result.facts,
                [self.bring_back(one, lineage) for one in result.recalled],
            )
            self._done.setdefault((tool, turn), []).append(result.facts)
            self._calls[call_id] = recorded, observe(recorded)
        return self._calls[call_id]

    def _add_region(self, draft: Any, lineage: Lineage) -> Region:
        handle = self._next("reg")
        number = self._numbers[draft.picture] = self._numbers.get(draft.picture, 0) + 1
        image = next(one.handle for one in self._pictures.values() if one.id == draft.picture)
        mask = None
        if draft.mask is not None:
            self._masks[handle] = draft.mask
            mask = Path(f"{handle}.png")
        region = Region(
            id=f"{draft.picture}.r{number}",
            picture=draft.picture,
            box=draft.box,
            label=draft.label,
            score=draft.score,
            mask=mask,
            lineage=lineage,
            handle=handle,
            image=image,
        )
        self._regions[handle] = region
        return region

    def _add_mask(self, handle: str, mask: np.ndarray) -> Region:
        self._masks[handle] = mask
        self._regions[handle] = replace(self.region(handle), mask=Path(f"{handle}.png"))
        return self._regions[handle]

    def _add_picture(self, call_id: str, draft: Any, lineage: Lineage) -> Picture:
        made = replace(lineage, parent=draft.parent)
        name = f"{call_id} {len(self._pictures)}"
        picture = self.add(name, draft.image.size, draft.image, kind=draft.kind, lineage=made)
        region = next((one for one in self._regions.values() if one.id == draft.parent), None)
        if region is not None and region.picture in self._truths:
            self._truths[picture.id] = _truth_of_crop(self._truths[region.picture], region, picture)
        return picture

    def _next(self, prefix: str) -> str:
        self._handed[prefix] = self._handed.get(prefix, 0) + 1
        return f"{prefix}_{self._handed[prefix]}"

    def _look_up(self, table: dict[str, Any], handle: str) -> Any:
        if handle not in table:
            known = ", ".join(self.handles()) or "none yet"
            raise ToolRetry(f"There is no {handle!r} in this conversation. Handles: {known}.", kind="unknown_handle")
        return table[handle]


def _truth_of_crop(truth: Truth, region: Region, picture: Picture) -> Truth:
    """A crop shows the thing that its region is of, from edge to edge."""
    scene, boxes, _ = truth
    if not len(boxes):
        return truth
    thing = scene.things[int(box_iou(np.asarray(region.box), boxes).argmax())]
    return replace(scene, things=(thing,)), np.array([[0, 0, picture.width, picture.height]], dtype=float), None
