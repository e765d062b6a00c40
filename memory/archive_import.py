"""Importing an archive that nobody vouches for: everything is checked before anything is written."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import re
import sqlite3
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ..errors import UserError
from .archive import FORMAT, VERSION
from .ledger.memory_rows import Item, begin_space, parts_of, write_memory, write_texts, write_vector
from .pictures.near_duplicates import SIDE
from .pictures.store import PictureStore
from .records import PictureKind

MOST_MEMBERS = 2_000_000
MOST_BYTES = 4_000_000_000  # of one member that is no picture
MOST_DIM = 16_384
NAMES = re.compile(
    r"(pictures|memories|likes|models)\.jsonl|vectors/[0-9]{1,3}\.(npy|jsonl)|images/[0-9a-f]{64}\.png", re.ASCII
)


def _moment(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("a time has a zone")
    return text


Moment = Annotated[str, Field(max_length=40), AfterValidator(_moment)]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Text = Annotated[str, Field(max_length=1_000_000)]


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class _Lineage(_Line):
    chat: Text | None
    turn: int | None
    tool: Text | None
    arguments: dict[str, Any]
    parent: Text | None


class _Picture(_Line):
    id: str
    sha256: Hash
    kind: PictureKind
    source: Text | None
    created: Moment
    lineage: _Lineage


class _Memory(_Line):
    item: str
    box: list[float] | None
    label: Text | None
    score: float | None
    source: Text | None
    chat: Text | None
    seen: Moment
    last: Moment
    lineage: _Lineage
    caption: Text | None
    words: Text | None
    tags: list[Text]
    sketch: Text | None


class _Model(_Line):
    name: Annotated[str, Field(min_length=1, max_length=1000)]
    sha256: Annotated[str, Field(min_length=1, max_length=200)]
    dim: Annotated[int, Field(ge=1, le=MOST_DIM)]


class _Manifest(_Line):
    format: Literal["saccade-memory"]
    version: int
    members: dict[str, Hash]


@dataclass(frozen=True)
class Unpacked:
    """An archive that was found to be in order; its pictures stay in the file."""

    pictures: dict[str, _Picture]
    memories: list[_Memory]
    likes: list[tuple[str, str]]
    vectors: list[tuple[_Model, list[str], np.ndarray]]


def import_archive(store: PictureStore, owner: str, path: Path) -> list[str]:
    """Take an archive in for an owner; see `Memory.import_`."""
    try:
        with zipfile.ZipFile(path) as archive:
            there = _Checked(archive, store)
            unpacked = there.unpacked()
            kept = {one.id: store.keep(there.picture(one)) for one in unpacked.pictures.values()}
    except FileNotFoundError as error:
        raise UserError(f"There is no file {str(path)!r}.", kind="missing_file") from error
    except OSError as error:
        raise UserError(f"{str(path)!r} cannot be read: {error.strerror or error}.", kind="unreadable_file") from error
    except (zipfile.BadZipFile, ValidationError, ValueError, KeyError, RecursionError, NotImplementedError) as error:
        reason = str(error).split("\n")[0]
        raise UserError(
            f"{str(path)!r} is damaged, or no archive of Saccade ({reason}). Nothing was imported.", kind="bad_archive"
        ) from error
    with store.ledger.write() as db:
        for one in kept.values():
            picture = unpacked.pictures[one.id]
            store.hold_again(db, one, owner, picture.kind, picture.source, picture.created, _text(picture.lineage))
        return _write(db, owner, unpacked)


class _Checked:
    """The members of an archive, read only when name, size and hash are in order."""

    def __init__(self, archive: zipfile.ZipFile, store: PictureStore) -> None:
        self._archive = archive
        self._store = store
        infos = archive.infolist()
        names = [info.filename for info in infos]
        if len(names) != len(set(names)) or len(names) > MOST_MEMBERS:
            raise ValueError("it has members twice, or too many")
        for info in infos:
            if info.filename != "manifest.json" and not NAMES.fullmatch(info.filename):
                raise ValueError(f"it has a member {info.filename[:80]!r}")
            if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1 or info.file_size != info.compress_size:
                raise ValueError(f"{info.filename} is compressed or encrypted")
            most = store.limits.bytes if info.filename.startswith("images/") else MOST_BYTES
            if info.file_size > most:
                raise ValueError(f"{info.filename} has {info.file_size} bytes")
        manifest = _Manifest.model_validate_json(archive.read("manifest.json"))
        if manifest.version != VERSION:
            raise ValueError(f"it is {FORMAT} of version {manifest.version}; this Saccade reads version {VERSION}")
        if set(manifest.members) | {"manifest.json"} != set(names):
            raise ValueError("its manifest tells of other members")
        self._hashes = manifest.members

    def read(self, name: str) -> bytes:
        data = self._archive.read(name)
        if hashlib.sha256(data).hexdigest() != self._hashes[name]:
            raise ValueError(f"{name} is not what the manifest says")
        return data

    def lines(self, name: str) -> Iterator[Any]:
        return (json.loads(line) for line in self.read(name).decode("utf-8").splitlines())

    def picture(self, told: _Picture) -> Any:
        """The decoded picture.

        Raises:
            UserError: it cannot be taken in (see `decode`).
            ValueError: it is another picture.
        """
        decoded = self._store.decode(self.read(f"images/{told.sha256}.png"), "edit")
        if decoded.sha256 != told.sha256:
            raise ValueError(f"images/{told.sha256}.png is another picture")
        return decoded

    def unpacked(self) -> Unpacked:
        """Read and check everything; each picture is decoded once, to see that it can be."""
        pictures = {one.id: one for one in map(_Picture.model_validate, self.lines("pictures.jsonl"))}
        for one in pictures.values():
            if one.id != f"pic_{one.sha256[:12]}":
                raise ValueError(f"{one.id!r} is not the id of its picture")
            self.picture(one)
        memories = [_Memory.model_validate(line) for line in self.lines("memories.jsonl")]
        items = {memory.item for memory in memories}
        if len(items) != len(memories):
            raise ValueError("something is remembered twice")
        for memory in memories:
            _check(memory, pictures)
        likes: list[tuple[str, str]] = []
        for pair in self.lines("likes.jsonl"):
            if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(one, str) for one in pair)):
                raise ValueError("a pair of near duplicates is two ids")
            if not set(pair) <= items or pair[0] == pair[1]:
                raise ValueError("a near duplicate is not there")
            likes.append((pair[0], pair[1]))
        models = [_Model.model_validate(line) for line in self.lines("models.jsonl")]
        vectors = [(model, *self._vectors(number, model, items)) for number, model in enumerate(models)]
        return Unpacked(pictures, memories, likes, vectors)

    def _vectors(self, number: int, model: _Model, items: set[str]) -> tuple[list[str], np.ndarray]:
        whose = list(self.lines(f"vectors/{number}.jsonl"))
        if not all(isinstance(one, str) for one in whose) or not set(whose) <= items or len(set(whose)) != len(whose):
            raise ValueError("vectors belong to nothing that is there")
        data = self.read(f"vectors/{number}.npy")
        header = BytesIO(data)
        if np.lib.format.read_magic(header) != (1, 0):
            raise ValueError("vectors are of an unknown format")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(header, max_header_size=1000)
        body = len(data) - header.tell()
        if fortran or dtype != np.dtype("<f2") or shape != (len(whose), model.dim) or body != 2 * math.prod(shape):
            raise ValueError("vectors are not of the form that is told")
        vectors = np.frombuffer(data[header.tell() :], "<f2").reshape(shape)
        lengths = np.linalg.norm(vectors.astype(np.float32), axis=1)
        if not (np.isfinite(lengths).all() and (np.abs(lengths - 1) < 0.05).all()):
            raise ValueError("a vector is not of unit length")
        return whose, vectors


def _check(memory: _Memory, pictures: dict[str, _Picture]) -> None:
    picture, number = parts_of(memory.item)
    if picture not in pictures or (number is None) != (memory.box is None):
        raise ValueError(f"{memory.item!r} does not fit any picture")
    if memory.box is not None:
        if len(memory.box) != 4:
            raise ValueError("a box is four numbers")
        x0, y0, x1, y1 = memory.box
        if not (all(map(math.isfinite, memory.box)) and x0 <= x1 and y0 <= y1):
            raise ValueError("a box is (x0, y0, x1, y1)")
    if memory.sketch is not None:
        try:
            size = len(base64.b64decode(memory.sketch, validate=True))
        except binascii.Error as error:
            raise ValueError("a sketch is no base64") from error
        if size != 3 * SIDE * SIDE:
            raise ValueError("a sketch has another size")


def _write(db: sqlite3.Connection, owner: str, unpacked: Unpacked) -> list[str]:
    """Inside a transaction: write everything that the owner has not got; the ids of what is new."""
    sql = "SELECT item, id FROM memories WHERE owner = ?"
    rows: dict[str, int] = {row["item"]: row["id"] for row in db.execute(sql, (owner,))}
    before = set(rows)
    for memory in unpacked.memories:
        if memory.item not in before:
            rows[memory.item] = _write_one(db, owner, memory, unpacked.pictures)
    for one, other in unpacked.likes:
        a, b = sorted((rows[one], rows[other]))
        db.execute("INSERT OR IGNORE INTO likes (a, b) VALUES (?, ?)", (a, b))
    for model, whose, vectors in unpacked.vectors:
        space = begin_space(db, owner, model.name, model.sha256, model.dim)
        for item, vector in zip(whose, vectors, strict=True):
            write_vector(db, space, rows[item], vector.tobytes())
    return [memory.item for memory in unpacked.memories if memory.item not in before]


def _write_one(db: sqlite3.Connection, owner: str, memory: _Memory, pictures: dict[str, _Picture]) -> int:
    picture, number = parts_of(memory.item)
    x0, y0, x1, y1 = memory.box or (None, None, None, None)
    values: dict[str, object] = {
        "owner": owner, "item": memory.item, "picture": picture, "kind": "picture" if number is None else "region",
        "x0": x0, "y0": y0, "x1": x1, "y1": y1, "label": memory.label, "score": memory.score, "source": memory.source,
        "chat": memory.chat, "seen": memory.seen, "lineage": _text(memory.lineage),
    }  # fmt: skip
    sketch = None if memory.sketch is None else base64.b64decode(memory.sketch)
    item = Item(memory.item, picture, pictures[picture].sha256, (0, 0), None, values)
    row, _ = write_memory(db, item, sketch)
    texts = (memory.last, memory.caption, memory.words, row)
    db.execute("UPDATE memories SET last = ?, caption = ?, words = ? WHERE id = ?", texts)
    db.executemany("INSERT OR IGNORE INTO tags (memory, tag) VALUES (?, ?)", [(row, tag) for tag in memory.tags])
    write_texts(db, row)
    if number is not None:  # the number is taken
        sql = "UPDATE pictures SET next_region = max(next_region, ?) WHERE id = ?"
        db.execute(sql, (number + 1, picture))
    return row


def _text(lineage: _Lineage) -> str:
    return json.dumps(lineage.model_dump(), ensure_ascii=False, allow_nan=False)
