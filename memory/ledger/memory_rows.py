"""The rows of what is remembered: memories, their texts, their vectors. Statements, and no policy."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import UserError
from ..records import Box
from .ledger import Ledger, now

ITEM = re.compile(r"(pic_[0-9a-f]{12})(?:\.r([1-9][0-9]{0,8}))?", re.ASCII)
MANY = 500  # parameters of one statement
APART = ", unlike"  # behind a model's name: the space of pictures of kinds that it does not know


@dataclass(frozen=True)
class Space:
    """An owner's vectors of one model."""

    id: int
    owner: str
    model: int
    name: str
    sha256: str
    dim: int


@dataclass(frozen=True)
class Item:
    """A picture or region that an owner holds, as it is to be remembered."""

    id: str
    picture: str
    sha256: str  # of the picture's pixels
    size: tuple[int, int]
    box: Box | None
    values: dict[str, object]  # of the columns of `memories`


def parts_of(item: str) -> tuple[str, int | None]:
    """The picture's id and the region's number, or None, in `pic_...` and `pic_....rN`.

    Raises:
        UserError: it is neither.
    """
    found = ITEM.fullmatch(item)
    if not found:
        raise UserError(
            f"{item[:80]!r} is no id: a picture's is pic_ and 12 hex digits, a region's ends with .r and a number.",
            kind="bad_id",
        )
    return found[1], int(found[2]) if found[2] else None


def not_held(item: str) -> UserError:
    """The refusal of what this owner does not hold; whether anybody else does is not told."""
    return UserError(f"You have no picture or region with the id {item!r}.", kind="unknown_picture")


def item_of(ledger: Ledger, owner: str, item: str) -> Item:
    """What is known about a picture or region that the owner holds.

    Raises:
        UserError: the owner holds no such thing.
    """
    picture, number = parts_of(item)
    rows = ledger.read(
        "SELECT p.sha256, p.width, p.height, h.source, h.created, h.lineage FROM holdings h "
        "JOIN pictures p ON p.id = h.picture WHERE h.owner = ? AND h.picture = ?",
        (owner, picture),
    )
    if not rows:
        raise not_held(item)
    held = rows[0]
    chat = json.loads(held["lineage"])["chat"]
    values: dict[str, object] = {
        "owner": owner, "item": item, "picture": picture, "kind": "picture", "source": held["source"], "chat": chat,
        "seen": held["created"], "lineage": held["lineage"],
    }  # fmt: skip
    box = None
    if number is not None:
        found = ledger.read(
            "SELECT r.*, k.turn, k.tool, k.arguments, k.created FROM regions r JOIN chats c ON c.id = r.chat "
            "JOIN calls k ON k.chat = r.chat AND k.id = r.call WHERE r.picture = ? AND r.n = ? AND c.owner = ?",
            (picture, number, owner),
        )
        if found:
            row = found[0]
            lineage = {"chat": row["chat"], "turn": row["turn"], "tool": row["tool"], "parent": picture}
            values |= {
                "chat": row["chat"], "label": row["label"], "score": row["score"], "seen": row["created"],
                "lineage": json.dumps(lineage | {"arguments": json.loads(row["arguments"])}, ensure_ascii=False),
            }  # fmt: skip
        else:  # one that was imported belongs to no conversation
            kept = ledger.read("SELECT * FROM memories WHERE owner = ? AND item = ?", (owner, item))
            if not kept:
                raise not_held(item)
            row = kept[0]
            values |= {key: row[key] for key in ("chat", "label", "score", "seen", "lineage")}
        box = (row["x0"], row["y0"], row["x1"], row["y1"])
        values |= {"kind": "region", "x0": box[0], "y0": box[1], "x1": box[2], "y1": box[3]}
    return Item(item, picture, held["sha256"], (held["width"], held["height"]), box, values)


def whole_of(ledger: Ledger, item: Item) -> str:
    """The hash of the picture that an item is a part of: through crops and cut-outs to the one that was given."""
    sha256, picture, seen = item.sha256, item.picture, set[str]()
    while picture not in seen:
        seen.add(picture)
        rows = ledger.read(
            "SELECT p.sha256, h.kind, h.lineage FROM holdings h JOIN pictures p ON p.id = h.picture "
            "WHERE h.owner = ? AND h.picture = ?",
            (item.values["owner"], picture),
        )
        if not rows:
            break
        sha256 = rows[0]["sha256"]
        parent = json.loads(rows[0]["lineage"]).get("parent")
        if rows[0]["kind"] not in ("crop", "cutout") or not parent:
            break
        picture = parent.partition(".")[0]
    return sha256


def space_of(ledger: Ledger, owner: str, name: str, sha256: str, dim: int) -> Space | None:
    """The space of an owner and a model, if there is one."""
    rows = ledger.read(
        "SELECT s.id, s.model FROM spaces s JOIN models m ON m.id = s.model "
        "WHERE s.owner = ? AND m.name = ? AND m.sha256 = ? AND m.dim = ?",
        (owner, name, sha256, dim),
    )
    return Space(rows[0]["id"], owner, rows[0]["model"], name, sha256, dim) if rows else None


def all_spaces(ledger: Ledger) -> list[Space]:
    """Every space there is."""
    rows = ledger.read(
        "SELECT s.id, s.owner, s.model, m.name, m.sha256, m.dim FROM spaces s JOIN models m ON m.id = s.model"
    )
    return [Space(*row) for row in rows]


def begin_space(db: sqlite3.Connection, owner: str, name: str, sha256: str, dim: int) -> int:
    """Inside a transaction: the id of an owner's space, which is made if need be."""
    found = db.execute(
        "SELECT s.id FROM spaces s JOIN models m ON m.id = s.model "
        "WHERE s.owner = ? AND m.name = ? AND m.sha256 = ? AND m.dim = ?",
        (owner, name, sha256, dim),
    ).fetchone()
    if found:
        return found[0]
    db.execute("INSERT OR IGNORE INTO models (name, sha256, dim) VALUES (?, ?, ?)", (name, sha256, dim))
    model = db.execute(
        "SELECT id FROM models WHERE name = ? AND sha256 = ? AND dim = ?", (name, sha256, dim)
    ).fetchone()[0]
    return int(db.execute("INSERT INTO spaces (owner, model) VALUES (?, ?)", (owner, model)).lastrowid or 0)


def write_memory(db: sqlite3.Connection, item: Item, sketch: bytes | None) -> tuple[int, bool]:
    """Inside a transaction: remember an item; its row's id, and whether it is new."""
    owner = item.values["owner"]
    found = db.execute(
        "SELECT id, sketch IS NULL FROM memories WHERE owner = ? AND item = ?", (owner, item.id)
    ).fetchone()
    if found:
        if sketch is not None and found[1]:
            db.execute("UPDATE memories SET sketch = ? WHERE id = ?", (sketch, found[0]))
        return found[0], False
    values = item.values | {"last": item.values["seen"], "sketch": sketch}
    names, places = ", ".join(values), ", ".join("?" * len(values))
    made = db.execute(f"INSERT INTO memories ({names}) VALUES ({places})", tuple(values.values())).lastrowid or 0
    write_texts(db, made, new=True)
    return made, True


def write_texts(db: sqlite3.Connection, memory: int, *, new: bool = False) -> None:
    """Inside a transaction: bring what the search by words reads up to date."""
    if not new:
        db.execute("DELETE FROM memory_text WHERE rowid = ?", (memory,))
    db.execute(
        "INSERT INTO memory_text (rowid, label, caption, words, tags, source) SELECT id, label, caption, words, "
        "(SELECT group_concat(tag, ' ') FROM tags WHERE memory = m.id), "
        "(SELECT group_concat(name, char(10)) FROM (SELECT m.source AS name UNION "
        "SELECT path FROM files WHERE owner = m.owner AND picture = m.picture UNION "
        "SELECT c.source FROM chat_pictures c JOIN chats k ON k.id = c.chat "
        "WHERE k.owner = m.owner AND c.picture = m.picture)) FROM memories m WHERE id = ?",
        (memory,),
    )


def write_vector(db: sqlite3.Connection, space: int, memory: int, vector: bytes) -> int | None:
    """Inside a transaction: keep a vector; its sequence number, or None where there was one already."""
    done = db.execute("INSERT OR IGNORE INTO vectors (space, memory, vector) VALUES (?, ?, ?)", (space, memory, vector))
    return done.lastrowid if done.rowcount else None


def begin_search(db: sqlite3.Connection, owner: str, picture: str, finder: str) -> bool:
    """Inside a transaction: whether `finder` looks for things in a remembered picture for the first time."""
    done = db.execute(
        "INSERT OR IGNORE INTO searched (memory, finder) SELECT id, ? FROM memories WHERE owner = ? AND item = ?",
        (finder, owner, picture),
    )
    return done.rowcount > 0


def touch(db: sqlite3.Connection, memory: int) -> None:
    """Inside a transaction: tell whoever follows that something about a memory has changed."""
    db.execute(
        "INSERT INTO changes (space, vector, what) SELECT space, id, 'changed' FROM vectors WHERE memory = ?", (memory,)
    )


def met_again(db: sqlite3.Connection, memory: int, when: str | None = None) -> None:
    """Inside a transaction: a memory was met now (or then)."""
    db.execute("UPDATE memories SET last = max(last, ?) WHERE id = ?", (when or now(), memory))
    touch(db, memory)


def packed(vectors: np.ndarray) -> np.ndarray:
    """(n, dim) vectors of unit length as float16, the way the ledger keeps them.

    Raises:
        ValueError: one is zero or not finite.
    """
    rows = np.asarray(vectors, dtype=np.float32)
    if rows.ndim != 2:
        raise ValueError(f"embeddings are (n, dim), not {rows.shape}")
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))[:, None]
    if not (np.isfinite(lengths) & (lengths > 0)).all():
        raise ValueError("an embedding is a finite vector that is not zero")
    return (rows / lengths).astype("<f2")


def unpacked(blobs: Iterable[bytes], dim: int) -> np.ndarray:
    """(n, dim) float32 of unit length, out of what the ledger keeps."""
    half = np.frombuffer(b"".join(blobs), dtype="<f2").reshape(-1, dim)
    rows = half.astype(np.float32)
    rows /= np.maximum(np.sqrt(np.einsum("ij,ij->i", rows, rows)), 1e-12)[:, None]  # float16 has rounded the length
    return rows


def chunks(values: Sequence[int]) -> Iterable[tuple[str, Sequence[int]]]:
    """Parts of a long list of parameters, each with its question marks."""
    for start in range(0, len(values), MANY):
        part = values[start : start + MANY]
        yield ", ".join("?" * len(part)), part
