"""Folders of pictures: decoding, embedding and writing down run beside each other, batch by batch."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ...errors import UserError
from ..ledger.file_rows import FileRow, note_files, write_names
from ..ledger.memory_rows import item_of
from ..query import Indexed
from ..records import Lineage
from ..remembering import Remembering
from .near_duplicates import sketch
from .store import Kept, PictureStore, readable

AHEAD = 3  # batches that are decoded before they are embedded


@dataclass(frozen=True)
class _Decoded:
    path: Path
    size: int = 0
    changed: int = 0  # nanoseconds
    kept: Kept | None = None  # None: known, or bad
    image: Image.Image | None = None
    sketch: bytes | None = None
    known: str | None = None
    error: str | None = None


class Intake:
    """Takes files in for one owner.

    Args:
        store: the pictures and the ledger.
        remembering: writes what is remembered.
    """

    def __init__(self, store: PictureStore, remembering: Remembering) -> None:
        self._store = store
        self._remembering = remembering

    def files(self, owner: str, paths: Sequence[Path | str]) -> Iterator[Indexed]:
        """See `Memory.remember_files`."""
        size = self._remembering.batch
        workers = max(2, min(8, (os.cpu_count() or 2) - 2))  # cores are left for embedding and writing
        with ThreadPoolExecutor(workers, "saccade-decode") as pool, ThreadPoolExecutor(1, "saccade-ledger") as writer:
            written: deque[Future[list[Indexed]]] = deque()
            for batch in _batches(
                _ahead(pool, lambda path: self._decode(owner, Path(path)), paths, AHEAD * size), size
            ):
                written.append(self._embedded(owner, batch, writer))
                while len(written) > 1 or (written and written[0].done()):
                    yield from written.popleft().result()
            for one in written:
                yield from one.result()

    def _decode(self, owner: str, path: Path) -> _Decoded:
        try:
            full = _full(path)
            status = full.stat()
            known = self._known(owner, full, status)
            if known is not None:
                return _Decoded(path, known=known)
            decoded = self._store.decode(full)
            kept = self._store.keep(decoded)
            return _Decoded(path, status.st_size, status.st_mtime_ns, kept, decoded.image, sketch(decoded.image))
        except UserError as error:
            return _Decoded(path, error=error.message)
        except (OSError, ValueError, RuntimeError) as error:  # also a name that no file can have
            why = getattr(error, "strerror", None) or error
            return _Decoded(path, error=f"{str(path)!r} cannot be read: {why}.")

    def _known(self, owner: str, path: Path, status: os.stat_result) -> str | None:
        """The picture of a file that has not changed since it was taken in, if it is remembered still."""
        rows = self._store.ledger.read(
            "SELECT f.picture FROM files f JOIN holdings h ON h.owner = f.owner AND h.picture = f.picture "
            "WHERE f.owner = ? AND f.path = ? AND f.size = ? AND f.changed = ?",
            (owner, readable(str(path)), status.st_size, status.st_mtime_ns),
        )
        if rows and self._remembering.embedded(owner, [rows[0]["picture"]]):
            return rows[0]["picture"]
        return None

    def _embedded(self, owner: str, batch: Sequence[_Decoded], writer: ThreadPoolExecutor) -> Future[list[Indexed]]:
        """Embed what is new in a batch, and hand it to the thread that compares and writes."""
        taken = {one.kept.id: one for one in reversed(batch) if one.kept is not None}
        known = self._remembering.embedded(owner, list(taken))
        new = [name for name in taken if name not in known]
        vectors = self._remembering.embed([image for name in new if (image := taken[name].image) is not None])
        return writer.submit(self._write, owner, batch, taken, new, vectors)

    def _write(
        self,
        owner: str,
        batch: Sequence[_Decoded],
        taken: dict[str, _Decoded],
        new: Sequence[str],
        vectors: np.ndarray | None,
    ) -> list[Indexed]:
        """Write a batch: `taken` by the pictures' ids, of which `new` were embedded as `vectors`."""
        files = [
            FileRow(readable(str(_full(one.path))) or "", one.size, one.changed, one.kept.id)
            for one in batch
            if one.kept is not None
        ]
        with self._store.ledger.write() as db:  # the rows must be there before anything is said about them
            for one in taken.values():
                assert one.kept is not None
                self._store.hold(db, one.kept, owner=owner, kind="given", lineage=Lineage())
            for picture in note_files(db, owner, files):  # a file counts as known when its picture is embedded, too
                write_names(db, owner, picture)
        items = [item_of(self._store.ledger, owner, name) for name in new]
        images = [image for name in new if (image := taken[name].image) is not None]
        ready = self._remembering.made_ready(owner, items, images, vectors, [taken[name].sketch for name in new])
        fresh = set(self._remembering.write(owner, ready))
        self._remembering.thumbnails(items, images)
        likes = self._remembering.near_duplicates(owner, new)
        done: list[Indexed] = []
        for one in batch:
            if one.kept is None:
                done.append(Indexed(one.path, one.known, error=one.error))
                continue
            first = one.kept.id in fresh
            fresh.discard(one.kept.id)  # the same picture in two files is new once
            done.append(Indexed(one.path, one.kept.id, first, tuple(likes.get(one.kept.id, ())) if first else ()))
        return done


def _full(path: Path) -> Path:
    """The absolute path; links stay as they were given."""
    return Path(os.path.abspath(path.expanduser()))  # noqa: PTH100


def _ahead(
    pool: ThreadPoolExecutor, work: Callable[[Path | str], _Decoded], items: Iterable[Path | str], most: int
) -> Iterator[_Decoded]:
    """`pool.map` that runs no more than so many items ahead of whoever reads."""
    waiting: deque[Future[_Decoded]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) >= most:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _batches(items: Iterable[_Decoded], size: int) -> Iterator[list[_Decoded]]:
    batch: list[_Decoded] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
