"""Export and import: all that an owner remembers, in one `.zip` that other programs can read too.

    manifest.json        the format, and the SHA-256 of every other member
    pictures.jsonl       one line a picture: id, sha256, kind, source, created, lineage
    memories.jsonl       one line a picture or region that is remembered, with its box, texts, tags, times
    likes.jsonl          pairs of near duplicates
    models.jsonl         the models, in the order of the folders of vectors
    vectors/N.npy        (n, dim) float16, and vectors/N.jsonl: whose they are, line by line
    images/SHA256.png    the stored files

The same memory gives the same bytes, whoever's it is: members are sorted, stored uncompressed, and bear no
time. An import trusts nothing: whatever does not fit is refused before anything is written.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError
from .ledger.ledger import Ledger
from .pictures.store import PictureStore

FORMAT = "saccade-memory"
VERSION = 1
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the earliest time that a ZIP file can tell


def export(store: PictureStore, owner: str, path: Path) -> Path:
    """Write the archive, whole or not at all.

    Raises:
        UserError: a stored file is lost, or the place cannot be written.
    """
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            hashes: dict[str, str] = {}
            for name, data in _members(store, owner):
                hashes[name] = hashlib.sha256(data).hexdigest()
                archive.writestr(zipfile.ZipInfo(name, LONG_AGO), data)
            manifest = {"format": FORMAT, "version": VERSION, "members": hashes}
            archive.writestr(zipfile.ZipInfo("manifest.json", LONG_AGO), json.dumps(manifest, indent=1, sort_keys=True))
        unfinished.replace(path)
    except OSError as error:
        raise UserError(
            f"{str(path)!r} cannot be written: {error.strerror or error}. Make room, or name another place.",
            kind="cannot_write",
        ) from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
    return path


def _members(store: PictureStore, owner: str) -> Iterator[tuple[str, bytes]]:
    ledger = store.ledger
    pictures = ledger.read(
        "SELECT p.id, p.sha256, h.kind, h.source, h.created, h.lineage FROM holdings h JOIN pictures p "
        "ON p.id = h.picture WHERE h.owner = ?1 AND h.picture IN (SELECT picture FROM memories WHERE owner = ?1) "
        "ORDER BY p.id",
        (owner,),
    )
    yield "pictures.jsonl", _lines(dict(row) | {"lineage": json.loads(row["lineage"])} for row in pictures)
    yield "memories.jsonl", _lines(_memories(ledger, owner))
    likes = ledger.read(
        "SELECT min(a.item, b.item) AS one, max(a.item, b.item) AS other FROM likes l JOIN memories a ON a.id = l.a "
        "JOIN memories b ON b.id = l.b WHERE a.owner = ?1 AND b.owner = ?1 ORDER BY 1, 2",
        (owner,),
    )
    yield "likes.jsonl", _lines([row["one"], row["other"]] for row in likes)
    models = ledger.read(
        "SELECT s.id, m.name, m.sha256, m.dim FROM spaces s JOIN models m ON m.id = s.model WHERE s.owner = ? "
        "AND EXISTS (SELECT 1 FROM vectors v WHERE v.space = s.id) ORDER BY m.name, m.sha256, m.dim",
        (owner,),
    )
    yield "models.jsonl", _lines({"name": row["name"], "sha256": row["sha256"], "dim": row["dim"]} for row in models)
    for number, model in enumerate(models):
        rows = ledger.read(
            "SELECT m.item, v.vector FROM vectors v JOIN memories m ON m.id = v.memory WHERE v.space = ? "
            "ORDER BY m.item",
            (model["id"],),
        )
        vectors = np.frombuffer(b"".join(row["vector"] for row in rows), "<f2").reshape(-1, model["dim"])
        yield f"vectors/{number}.npy", npy(vectors)
        yield f"vectors/{number}.jsonl", _lines(row["item"] for row in rows)
    for row in sorted(pictures, key=lambda row: row["sha256"]):
        yield f"images/{row['sha256']}.png", store.file(row["sha256"])


def _memories(ledger: Ledger, owner: str) -> Iterator[dict[str, Any]]:
    rows = ledger.read(
        "SELECT m.*, (SELECT json_group_array(tag) FROM tags t WHERE t.memory = m.id) AS tags FROM memories m "
        "WHERE m.owner = ? ORDER BY m.item",
        (owner,),
    )
    for row in rows:
        region = row["kind"] == "region"
        yield {
            "item": row["item"],
            "box": [row["x0"], row["y0"], row["x1"], row["y1"]] if region else None,
            "label": row["label"],
            "score": row["score"],
            "source": row["source"],
            "chat": row["chat"],
            "seen": row["seen"],
            "last": row["last"],
            "lineage": json.loads(row["lineage"]),
            "caption": row["caption"],
            "words": row["words"],
            "tags": sorted(json.loads(row["tags"])),
            "sketch": None if row["sketch"] is None else base64.b64encode(row["sketch"]).decode(),
        }


def npy(vectors: np.ndarray) -> bytes:
    """An array as the bytes of an `.npy` file."""
    out = BytesIO()
    np.lib.format.write_array(out, np.ascontiguousarray(vectors), version=(1, 0), allow_pickle=False)
    return out.getvalue()


def _lines(values: Iterator[Any] | Sequence[Any]) -> bytes:
    return "".join(json.dumps(value, ensure_ascii=False, sort_keys=True) + "\n" for value in values).encode()
