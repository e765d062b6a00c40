"""What a run has done, kept so that it can go on: one SQLite file and the files of pictures and masks beside it.

A result is filed under a key that holds all it depends on (`keys`). Files are written first (a temporary name,
flushed, renamed), then the rows, in a transaction that is flushed too; so what the record has is whole, and a run that
was killed does nothing twice.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sqlite3
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from filelock import FileLock, Timeout
from PIL import Image

from ...errors import UserError
from ...memory.home import flush_folder
from ...memory.records import MaskDraft, PictureDraft, RegionDraft, ToolResult
from .keys import difference

FOLDER = ".saccade"  # in the folder of a task's outputs
FORM = "2"  # of the record; a run with another one begins anew
BEGUN = ".new-"  # how the names of files begin that are not whole yet


@dataclass(frozen=True)
class Made:
    """A result, what it rests on (its key is the hash of that), and where it was called for: picture and step."""

    result: ToolResult
    parts: Mapping[str, Any]
    place: str


class Kept(Protocol):
    """Where results are looked up."""

    def get(self, key: str) -> ToolResult | None:
        """A result; None where there is none."""
        ...


class Results:
    """The results of a folder of outputs, to be read: `Record` writes them, too.

    Args:
        out: the folder of outputs.

    Raises:
        FileNotFoundError: it has no record.
    """

    def __init__(self, out: Path) -> None:
        self._folder = out / FOLDER
        self._reading = threading.Lock()  # pictures read side by side; one thread writes
        self._db = self._opened()

    def _opened(self) -> sqlite3.Connection:
        path = self._folder / "record.sqlite"
        if not path.is_file():
            raise FileNotFoundError(path)
        return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def other_versions(self, manifest: Mapping[str, str]) -> str:
        """Which versions the results were made with that are others now; "" where all are the same."""
        before = self.fact("manifest") or {"record": FORM} | dict(manifest)
        now = {"record": FORM} | dict(manifest)
        return "; ".join(f"{name} {before.get(name)} then, {now.get(name)} now"
                         for name in sorted({*before, *now}) if before.get(name) != now.get(name))  # fmt: skip

    def fact(self, name: str) -> Any:
        """Something that was noted, such as how fast a run was; None where it was not."""
        with self._reading:
            row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def get(self, key: str) -> ToolResult | None:
        """A result; None where there is none."""
        with self._reading:
            row = self._db.execute("SELECT value FROM results WHERE key = ?", (key,)).fetchone()
        return None if row is None else self._stored(json.loads(row[0]))

    def why(self, place: str, parts: Mapping[str, Any]) -> str:
        """Why nothing is filed for a call: what is another than it was when the last one was made at its place."""
        with self._reading:
            row = self._db.execute(
                "SELECT parts FROM results JOIN places USING (key) WHERE place = ?", (place,)
            ).fetchone()
        return "it was never done" if row is None else difference(json.loads(row[0]), parts)

    def _stored(self, kept: dict[str, Any]) -> ToolResult:
        regions = [RegionDraft(picture, tuple(box), label, score, self._open_mask(mask))
                   for picture, box, label, score, mask in kept["regions"]]  # fmt: skip
        masks = [MaskDraft(region, mask, score) for region, name, score in kept["masks"]
                 if (mask := self._open_mask(name)) is not None]  # fmt: skip
        pictures = [PictureDraft(self._open(name), kind, parent) for name, kind, parent in kept["pictures"]]
        return ToolResult(regions, masks, pictures, kept["facts"])

    def _open_mask(self, name: str | None) -> np.ndarray | None:
        return None if name is None else np.asarray(self._open(name)) > 127

    def _open(self, name: str) -> Image.Image:
        with Image.open(self._folder / "files" / name) as image:
            image.load()
            return image


class Record(Results):
    """The record of one folder of outputs. One run at a time holds it.

    Args:
        out: the folder of outputs; the record is `.saccade` in it.
        manifest: versions that results rest on; a record that was made with others is not gone on with.
        again: forget what was done, whatever it was made with.

    Raises:
        UserError: another run holds it, it was made with other versions, or it cannot be written.
    """

    def __init__(self, out: Path, manifest: Mapping[str, str], *, again: bool = False) -> None:
        with told(out):
            (out / FOLDER / "files").mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(out / FOLDER / "lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise UserError(
                f"Another run writes to {str(out)!r}; wait for it, or choose another --out.", kind="busy"
            ) from error
        try:
            with told(out):
                super().__init__(out)
                sweep(self._folder / "files")
                self._begin(manifest, again)
        except UserError:
            self.close()
            raise

    def _opened(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._folder / "record.sqlite", isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        return db

    def _begin(self, manifest: Mapping[str, str], again: bool) -> None:
        """Make the tables where there are none, and refuse results of other versions."""
        self._db.execute("CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")
        other = self.other_versions(manifest)
        if other and not again:
            raise UserError(
                f"The results in {str(self._folder.parent)!r} were made with other versions ({other}). "
                "Choose another --out, or give --afresh to do everything again.",
                kind="other_versions",
            )
        with self._transaction():
            if again:
                for table in ("results", "places"):
                    self._db.execute(f"DROP TABLE IF EXISTS {table}")
                self._db.execute("DELETE FROM facts")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS results (key TEXT PRIMARY KEY, value TEXT NOT NULL, parts TEXT NOT NULL) "
                "WITHOUT ROWID"
            )
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS places (place TEXT PRIMARY KEY, key TEXT NOT NULL) WITHOUT ROWID"
            )
            self._note("manifest", {"record": FORM} | dict(manifest))

    def close(self) -> None:
        """Let others have it."""
        if hasattr(self, "_db"):
            super().close()
        self._lock.release()

    def put(self, results: Mapping[str, Made], facts: Mapping[str, Any] | None = None) -> None:
        """Keep results by their keys, and facts by their names: all of them, or none.

        Raises:
            UserError: the disk is full or cannot be written; nothing was kept.
        """
        with told(self._folder.parent):
            rows = [(key, json.dumps(self._plain(one.result)), json.dumps(one.parts)) for key, one in results.items()]
            flush_folder(self._folder / "files")
            with self._transaction():
                self._db.executemany("INSERT OR REPLACE INTO results VALUES (?, ?, ?)", rows)
                self._db.executemany(
                    "INSERT OR REPLACE INTO places VALUES (?, ?)", [(one.place, key) for key, one in results.items()]
                )
                for name, value in (facts or {}).items():
                    self._note(name, value)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def _note(self, name: str, value: Any) -> None:
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, json.dumps(value)))

    # Results as JSON, their pixels as files

    def _plain(self, one: ToolResult) -> dict[str, Any]:
        return {
            "regions": [[r.picture, list(r.box), r.label, r.score, self._mask(r.mask)] for r in one.regions],
            "masks": [[m.region, self._mask(m.mask), m.score] for m in one.masks],
            "pictures": [[self._file(p.image), p.kind, p.parent] for p in one.pictures],
            "facts": one.facts,
        }

    def _mask(self, mask: np.ndarray | None) -> str | None:
        return None if mask is None else self._file(Image.fromarray(mask.astype(np.uint8) * 255))

    def _file(self, image: Image.Image) -> str:
        """Write a PNG under the hash of its bytes, whole or not at all."""
        out = io.BytesIO()
        image.save(out, "PNG", compress_level=1)
        name = f"{hashlib.sha256(out.getvalue()).hexdigest()}.png"
        path = self._folder / "files" / name
        if not path.exists():
            write_whole(path, out.getvalue())
        return name


@contextmanager
def told(out: Path) -> Iterator[None]:
    """Failures to write into a folder of outputs, in words: a disk that is full, a folder that may not be written.

    Raises:
        UserError: in their place.
    """
    try:
        yield
    except (OSError, sqlite3.DatabaseError) as error:
        why = (error.strerror or error) if isinstance(error, OSError) else error
        raise UserError(
            f"{str(out)!r} cannot be written: {why}. Make room or mend it, then run the same command again: it goes "
            "on where it stopped.",
            kind="cannot_write",
        ) from error


def sweep(folder: Path) -> None:
    """Take away what a run that was killed had begun to write there."""
    for path in folder.glob(f"{BEGUN}*"):
        path.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file under a temporary name, flush it, and give it its own name."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=BEGUN)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
