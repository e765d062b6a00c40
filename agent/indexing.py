"""Folders into memory: whole pictures through `Memory.remember_files`, the things in them as regions, their words.

Four stages run beside each other: files are decoded, pictures embedded, things found and words read, rows
written. Each batch is durable when it is told of; whatever stops the work, the same call goes on where it
was stopped, because files that are known and looked through are skipped.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ExpertFailed
from ..memory.indexed_regions import Stage, ready_regions, region_items, stage_done, stages_left, write_regions
from ..memory.pictures.store import readable
from ..memory.records import Lineage, RegionDraft
from ..tools.contracts import declared
from ..tools.embedder import view_of_image
from ..tools.look import IN_DOMAIN
from ..tools.picture_words import read_words
from ..tools.requests import Detect, Likeness
from ..tools.shared.finding import EVERYTHING, asked_for_only, things_in

if TYPE_CHECKING:
    from .runtime import Runtime

BATCH = 16  # pictures whose things are found together
_NOT_DONE: dict[Stage, str] = {
    "things": "things in the pictures were not looked for",
    "words": "words in the pictures were not read",
}
AHEAD = 2  # batches that may wait for it


@dataclass(frozen=True)
class Done:
    """One file is done."""

    path: Path
    id: str | None = None  # None: bad
    new: bool = False
    duplicates: int = 0  # pictures that were there before and are the same
    regions: int = 0
    words: int = 0  # that were read in it
    error: str | None = None


class Indexing:
    """Takes files in for one user.

    Args:
        runtime: gives the memory and the experts.
        owner: the user.
        regions: also find the things in the pictures.
        words: also read the words in them.
    """

    def __init__(self, runtime: Runtime, owner: str, *, regions: bool = True, words: bool = True) -> None:
        self._runtime, self._owner = runtime, owner
        asked: dict[Stage, bool] = {"things": regions, "words": words and "reader" in runtime.profile.models}
        self._stages: list[Stage] = [stage for stage, wanted in asked.items() if wanted]
        self._begun = time.perf_counter()
        self._done: list[Done] = []
        self._notice: str | None = None
        self._stopped = threading.Event()

    def run(self, files: Sequence[Path]) -> Iterator[Done]:
        """Take the files in; one `Done` each, as soon as all about it is durable. Ctrl-C ends it early and in order."""
        self._begun = time.perf_counter()
        try:
            for one in self._looked_through(files) if self._stages else self._pictures(files):
                self._done.append(one)
                yield one
        except KeyboardInterrupt:
            self._stopped.set()

    def summary(self, bad: Sequence[dict[str, str]] = (), left_out: Mapping[str, int] | None = None) -> dict[str, Any]:
        """What came of it, as JSON values; `bad` and `left_out` are what `pictures.files.find_files` tells."""
        seconds = time.perf_counter() - self._begun
        new = sum(one.new for one in self._done)
        failed = [{"path": str(one.path), "error": one.error} for one in self._done if one.error is not None]
        return {
            "files": len(self._done),
            "new": new,
            "known": sum(one.id is not None and not one.new for one in self._done),
            "regions": sum(one.regions for one in self._done),
            "with_words": sum(one.words > 0 for one in self._done),
            "near_duplicates": sum(one.new and one.duplicates > 0 for one in self._done),
            "failed": [*bad, *failed],
            "left_out": dict(left_out or {}),
            "seconds": round(seconds, 2),
            "pictures_per_second": round(new / max(seconds, 1e-9), 2),
            "stopped": self._stopped.is_set(),
            "notice": self._notice,
        }

    def _pictures(self, files: Sequence[Path]) -> Iterator[Done]:
        for one in self._runtime.open_memory().remember_files(self._owner, files):
            yield Done(one.path, one.id, one.new, len(one.duplicates), error=one.error)

    def _looked_through(self, files: Sequence[Path]) -> Iterator[Done]:
        """Whole pictures in this thread, what is in them in a second one, its rows in a third."""
        with ThreadPoolExecutor(1, "saccade-find") as finder, ThreadPoolExecutor(1, "saccade-write") as writer:
            under_way: deque[tuple[list[Done], Future[Future[list[Done]]]]] = deque()
            batch: list[Done] = []

            def finished(most: int) -> Iterator[Done]:
                while len(under_way) > most:
                    yield from under_way[0][1].result().result()
                    under_way.popleft()

            try:
                for one in self._pictures(files):
                    if one.id is None or not (one.new or self._left(one)):
                        yield one
                        continue
                    batch.append(one)
                    if len(batch) == BATCH:
                        under_way.append((batch, finder.submit(self._find, batch, writer)))
                        batch = []
                        yield from finished(AHEAD)
                if batch:
                    under_way.append((batch, finder.submit(self._find, batch, writer)))
                    batch = []
                yield from finished(0)
            except KeyboardInterrupt:  # what was taken in is told, though nobody has looked through it yet
                for _, one in under_way:
                    one.cancel()
                yield from (one for some, _ in under_way for one in some)
                yield from batch
                raise
            except GeneratorExit:
                for _, one in under_way:
                    one.cancel()
                raise

    def _find(self, batch: Sequence[Done], writer: ThreadPoolExecutor) -> Future[list[Done]]:
        """Find and embed the things of a batch, read its words, and hand all to the thread that writes."""
        runtime, owner = self._runtime, self._owner
        drafts: dict[str, list[RegionDraft]] = {}
        texts: dict[str, str] = {}
        done: list[Stage] = []
        to_do = [(one.id, self._left(one)) for one in batch if one.id]
        left = {stage: [id for id, stages in to_do if stage in stages] for stage in self._stages}
        try:
            if "things" in left:
                drafts = self.detect(list(dict.fromkeys(left["things"])))
                done.append("things")
            if "words" in left:
                texts = self.read(list(dict.fromkeys(left["words"])))
                done.append("words")
        except ExpertFailed as error:  # pictures are remembered all the same; the next run tries again
            failed: Stage = next(stage for stage in self._stages if stage not in done)
            self._notice = f"The {_NOT_DONE[failed]}: {error.message}"
        memory = runtime.open_memory()
        items = region_items(
            runtime.store, owner, drafts, Lineage(tool="find_objects", arguments={"phrase": EVERYTHING})
        )
        ready = ready_regions(runtime.store, memory.remembering, owner, items)

        def write() -> list[Done]:
            finder = str(runtime.profile.spec("detector")) if drafts else ""
            new = write_regions(memory.remembering, owner, ready, list(drafts), finder)
            for id, text in texts.items():
                memory.note(owner, id, words=text)
            for stage in done:
                stage_done(runtime.store, owner, [_full(one) for one in batch], stage)
            count: dict[str, int] = {}
            for region in new:
                picture = region.partition(".")[0]
                count[picture] = count.get(picture, 0) + 1
            return [
                replace(one, regions=count.pop(one.id or "", 0), words=len(texts.get(one.id or "", "").split()))
                for one in batch
            ]

        return writer.submit(write)

    def _left(self, one: Done) -> list[Stage]:
        return stages_left(self._runtime.store, self._owner, _full(one), self._stages)

    def read(self, pictures: Sequence[str]) -> dict[str, str]:
        """The words in pictures, of those that have any."""
        return read_words(self._runtime.experts, self._runtime.store, self._owner, pictures)

    def detect(self, pictures: Sequence[str]) -> dict[str, list[RegionDraft]]:
        """The things in pictures, each under the detector's own name; none in pictures that the models do not know."""
        runtime = self._runtime
        if "detector" not in runtime.profile.models:
            return {}
        views = {id: view_of_image(runtime.store.open(id, self._owner)) for id in pictures}
        likeness = runtime.experts.ask("clip", [Likeness(view) for view in views.values()])
        strange = [id for id, like in zip(views, likeness, strict=True) if like is not None and like < IN_DOMAIN]
        if strange:
            self._notice = (
                f"{len(strange)} or more pictures are unlike what the models of {runtime.profile.name!r} know: they "
                f"are remembered as wholes, and the things in them were not looked for. For photographs: saccade "
                f"models fetch gpu, then saccade index --profile gpu."
            )
        known = {id: view for id, view in views.items() if id not in strange}
        found = runtime.experts.ask("detector", [Detect(view) for view in known.values()])
        apart = asked_for_only(declared(runtime.experts, "detector"))
        drafts: dict[str, list[RegionDraft]] = {}
        for (id, view), detections in zip(known.items(), found, strict=True):
            boxes, scores, labels = things_in(detections, view.size, apart)
            drafts[id] = [
                RegionDraft(id, box, label, round(score, 4))
                for box, score, label in zip(boxes, scores, labels, strict=True)
            ]
        return drafts


def _full(one: Done) -> str:
    """The path as the ledger has it: absolute, links as they were given."""
    return readable(os.path.abspath(one.path.expanduser())) or ""  # noqa: PTH100
