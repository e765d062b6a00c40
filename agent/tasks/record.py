"""What a run has done, kept so that it can go on: one SQLite file and the files of pictures and masks beside it.

A result is filed under a key that holds all it depends on (`key_of`): the tool and its arguments, the contents of the
pictures, the weights of the models. Files are written first (a temporary name, flushed, renamed), then the row, in a
transaction that is flushed too; so what the record has is whole, and a run that was killed does nothing twice.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sqlite3
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from PIL import Image

from ...errors import UserError
from ...memory.home import flush_folder
from ...memory.records import MaskDraft, PictureDraft, RegionDraft, ToolResult

FOLDER = ".saccade"  # in the folder of a task's outputs


def key_of(parts: Mapping[str, Any]) -> str:
    """SHA-256 of canonical JSON."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


class Record:
    """The record of one folder of outputs. One run at a time holds it.

    Args:
        out: the folder of outputs; the record is `.saccade` in it.
        manifest: versions that results rest on; a record that was made with others is not gone on with.

    Raises:
        UserError: another run holds it, it was made with other versions, or it cannot be written.
    """

    def __init__(self, out: Path, manifest: Mapping[str, str], *, again: bool = False) -> None:
        self._folder = out / FOLDER
        try:
            (self._folder / "files").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{str(out)!r} cannot be written: {error.strerror}.", kind="cannot_write") from error
        self._reading = threading.Lock()  # pictures read side by side; one thread writes
        self._lock = FileLock(self._folder / "lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise UserError(
                f"Another run writes to {str(out)!r}; wait for it, or choose another --out.", kind="busy"
            ) from error
        self._db = sqlite3.connect(self._folder / "record.sqlite", isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("CREATE TABLE IF NOT EXISTS results (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")
        self._db.execute("CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")
        try:
            self._check(dict(manifest), again)
        except UserError:
            self.close()
            raise

    def _check(self, manifest: dict[str, str], again: bool) -> None:
        row = self._db.execute("SELECT value FROM facts WHERE name = 'manifest'").fetchone()
        before = json.loads(row[0]) if row else manifest
        other = [f"{name} {before.get(name)} then, {manifest.get(name)} now"
                 for name in sorted({*before, *manifest}) if before.get(name) != manifest.get(name)]  # fmt: skip
        if other and not again:
            raise UserError(
                f"The results in {str(self._folder.parent)!r} were made with other versions ({'; '.join(other)}). "
                "Choose another --out, or give --afresh to do everything again.",
                kind="other_versions",
            )
        if again:
            self._db.execute("DELETE FROM results")
        self._db.execute("INSERT OR REPLACE INTO facts VALUES ('manifest', ?)", (json.dumps(manifest),))

    def close(self) -> None:
        """Let others have it."""
        self._db.close()
        self._lock.release()

    def get(self, key: str) -> ToolResult | None:
        """A result; None where there is none."""
        with self._reading:
            row = self._db.execute("SELECT value FROM results WHERE key = ?", (key,)).fetchone()
        return None if row is None else self._stored(json.loads(row[0]))

    def put(self, results: Mapping[str, ToolResult]) -> None:
        """Keep results, all of them or none.

        Raises:
            UserError: the disk is full or cannot be written; nothing was kept.
        """
        try:
            rows = [(key, json.dumps(self._plain(one))) for key, one in results.items()]
            flush_folder(self._folder / "files")
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("INSERT OR REPLACE INTO results VALUES (?, ?)", rows)
            self._db.execute("COMMIT")
        except (OSError, sqlite3.OperationalError) as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise UserError(
                f"Results cannot be written to {str(self._folder.parent)!r}: {error}. Make room, then run the same "
                "command again: it goes on where it stopped.",
                kind="cannot_write",
            ) from error

    # Results as JSON, their pixels as files

    def _plain(self, one: ToolResult) -> dict[str, Any]:
        return {
            "regions": [[r.picture, list(r.box), r.label, r.score, self._mask(r.mask)] for r in one.regions],
            "masks": [[m.region, self._mask(m.mask), m.score] for m in one.masks],
            "pictures": [[self._file(p.image), p.kind, p.parent] for p in one.pictures],
            "facts": one.facts,
        }

    def _stored(self, kept: dict[str, Any]) -> ToolResult:
        regions = [RegionDraft(picture, tuple(box), label, score, self._open_mask(mask))
                   for picture, box, label, score, mask in kept["regions"]]  # fmt: skip
        masks = [MaskDraft(region, mask, score) for region, name, score in kept["masks"]
                 if (mask := self._open_mask(name)) is not None]  # fmt: skip
        pictures = [PictureDraft(self._open(name), kind, parent) for name, kind, parent in kept["pictures"]]
        return ToolResult(regions, masks, pictures, kept["facts"])

    def _mask(self, mask: np.ndarray | None) -> str | None:
        return None if mask is None else self._file(Image.fromarray(mask.astype(np.uint8) * 255))

    def _open_mask(self, name: str | None) -> np.ndarray | None:
        return None if name is None else np.asarray(self._open(name)) > 127

    def _file(self, image: Image.Image) -> str:
        """Write a PNG under the hash of its bytes, whole or not at all."""
        out = io.BytesIO()
        image.save(out, "PNG")
        name = f"{hashlib.sha256(out.getvalue()).hexdigest()}.png"
        path = self._folder / "files" / name
        if not path.exists():
            write_whole(path, out.getvalue())
        return name

    def _open(self, name: str) -> Image.Image:
        with Image.open(self._folder / "files" / name) as image:
            image.load()
            return image


def write_whole(path: Path, data: bytes) -> None:
    """Write a file under a temporary name, flush it, and give it its own name."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
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
