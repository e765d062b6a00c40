"""Remembering: from pictures and regions that an owner holds to rows and vectors, and links among near duplicates."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from .finding.search import Search
from .ledger.group_commit import Together
from .ledger.memory_rows import (
    APART,
    Item,
    begin_search,
    begin_space,
    chunks,
    item_of,
    packed,
    touch,
    whole_of,
    write_memory,
    write_texts,
    write_vector,
)
from .pictures.near_duplicates import CANDIDATES, COSINE, same, sketch
from .pictures.store import PictureStore, readable
from .pictures.thumbnails import crop, thumbnail_name, write_thumbnail
from .query import Embedder

BATCH = 32  # pictures, where the embedder does not say


@dataclass(frozen=True)
class Ready:
    """An item with what is written of it."""

    item: Item
    vector: bytes | None = None  # float16
    sketch: bytes | None = None
    near: tuple[int, ...] = ()  # memories of the same picture, there already
    twins: tuple[str, ...] = ()  # items of the same picture, in the same batch
    apart: bool = False  # of a kind that the embedder does not know


class Remembering:
    """Writes what is remembered.

    Args:
        store: the pictures and the ledger.
        search: for the vectors that are there.
        embedder: what makes vectors; None: rows and texts only.
    """

    def __init__(self, store: PictureStore, search: Search, embedder: Embedder | None) -> None:
        self._store, self._ledger = store, store.ledger
        self._search = search
        self._embedder = embedder
        self._together = Together(store.ledger)

    @property
    def batch(self) -> int:
        """How many pictures are embedded at once."""
        return self._embedder.batch if self._embedder is not None else BATCH

    def remember(self, owner: str, items: Sequence[str]) -> list[str]:
        """See `Memory.remember`."""
        wanted = [item_of(self._ledger, owner, item) for item in dict.fromkeys(items)]
        done: list[str] = []
        for start in range(0, len(wanted), self.batch):
            part = wanted[start : start + self.batch]
            known = self.embedded(owner, [item.id for item in part])
            self.write(owner, [Ready(item) for item in part if item.id in known])
            new = [item for item in part if item.id not in known]
            images = [crop(self._store.pixels(item.sha256), item.box) for item in new]
            self.thumbnails(new, images)
            done += self.write(owner, self.made_ready(owner, new, images))
        return done

    def embed(self, images: Sequence[Image.Image]) -> np.ndarray | None:
        """The (n, dim) float16 vectors of pictures, as they are written; None without an embedder."""
        if self._embedder is None or not images:
            return None
        return packed(self._embedder.pictures(images))

    def made_ready(
        self,
        owner: str,
        items: Sequence[Item],
        images: Sequence[Image.Image],
        vectors: np.ndarray | None = None,
        sketches: Sequence[bytes | None] | None = None,
    ) -> list[Ready]:
        """Embed new items, and find the near duplicates of whole pictures.

        Args:
            owner: whose.
            items: what is new.
            images: a picture of each.
            vectors: of the pictures, where `embed` was asked before.
            sketches: of whole pictures, None for regions; where they were made before.
        """
        if not items:
            return []
        if sketches is None:
            sketches = [sketch(image) if item.box is None else None for item, image in zip(items, images, strict=True)]
        if vectors is None:
            vectors = self.embed(images)
        if vectors is None:
            return [Ready(item, sketch=tiny) for item, tiny in zip(items, sketches, strict=True)]
        near, twins = self._near(owner, items, vectors.astype(np.float32), sketches)
        known = self._known(items, images)
        return [
            Ready(item, vectors[place].tobytes(), sketches[place], near[place], twins[place], not known[place])
            for place, item in enumerate(items)
        ]

    def _known(self, items: Sequence[Item], images: Sequence[Image.Image]) -> list[bool]:
        """Whether the embedder knows such pictures: of a region or a crop, the picture that it is a part of."""
        knows = getattr(self._embedder, "knows", None)
        if knows is None:
            return [True] * len(items)
        wholes = [whole_of(self._ledger, item) for item in items]
        shown: dict[str, Image.Image] = {}
        for item, image, sha256 in zip(items, images, wholes, strict=True):
            if sha256 not in shown:
                shown[sha256] = image if item.box is None and sha256 == item.sha256 else self._store.pixels(sha256)
        told = dict(zip(shown, knows(list(shown.values())), strict=True))
        return [bool(told[sha256]) for sha256 in wholes]

    def thumbnails(self, items: Sequence[Item], images: Sequence[Image.Image]) -> None:
        """Write the thumbnails of items."""
        if self._store.home is not None:
            for item, image in zip(items, images, strict=True):
                write_thumbnail(self._store.home, thumbnail_name(item.sha256, item.id), image)

    def embedded(self, owner: str, items: Sequence[str]) -> set[str]:
        """Those of the items that have a vector of the present embedder (without one: that are remembered)."""
        found: set[str] = set()
        spaces = [str(space.id) for space in self._search.spaces(owner)]
        if self._embedder is not None and not spaces:
            return found
        for start in range(0, len(items), 500):
            part = items[start : start + 500]
            marks = ", ".join("?" * len(part))
            sql = f"SELECT m.item FROM memories m WHERE m.owner = ? AND m.item IN ({marks})"
            values: list[object] = [owner, *part]
            if spaces:
                sql += (
                    f" AND EXISTS (SELECT 1 FROM vectors v WHERE v.memory = m.id AND v.space IN ({', '.join(spaces)}))"
                )
            found.update(row["item"] for row in self._ledger.read(sql, values))
        return found

    def write(self, owner: str, ready: Sequence[Ready]) -> list[str]:
        """Write items in one transaction, durably; the ids that are new to the present embedder's space."""
        if not ready:
            return []
        one = self._embedder
        model = (one.name, one.sha256, one.dim) if one is not None else None
        return self._together.write(lambda db: write_ready(db, owner, ready, model))

    def write_found(self, owner: str, ready: Sequence[Ready], pictures: Sequence[str], finder: str) -> list[str]:
        """Write regions that `finder` has found in pictures: those of each picture once, whoever looks how often."""
        one = self._embedder
        model = (one.name, one.sha256, one.dim) if one is not None else None

        def write(db: sqlite3.Connection) -> list[str]:
            first = {picture for picture in pictures if begin_search(db, owner, picture, finder)}
            return write_ready(db, owner, [one for one in ready if one.item.picture in first], model)

        return self._together.write(write)

    def put(self, owner: str, items: Sequence[str], vectors: np.ndarray, model: tuple[str, str]) -> list[str]:
        """See `Memory.put`."""
        rows = packed(np.atleast_2d(vectors))
        if len(rows) != len(items) or len(set(items)) != len(items):
            raise ValueError(f"{len(rows)} vectors for {len(set(items))} different items")
        ready = [
            Ready(item_of(self._ledger, owner, item), row.tobytes()) for item, row in zip(items, rows, strict=True)
        ]
        return self._together.write(lambda db: write_ready(db, owner, ready, (*model, rows.shape[1])))

    def note(
        self, owner: str, item: str, *, tags: Sequence[str] = (), caption: str | None = None, words: str | None = None
    ) -> None:
        """See `Memory.note`."""
        one = item_of(self._ledger, owner, item)

        def write(db: sqlite3.Connection) -> None:
            memory, _ = write_memory(db, one, None)
            db.executemany(
                "INSERT OR IGNORE INTO tags (memory, tag) VALUES (?, ?)",
                [(memory, readable(tag)) for tag in tags if tag.strip()],
            )
            db.execute(
                "UPDATE memories SET caption = coalesce(?, caption), words = coalesce(?, words) WHERE id = ?",
                (readable(caption), readable(words), memory),
            )
            write_texts(db, memory)

        self._together.write(write)

    def known(self, owner: str, items: Sequence[str]) -> list[str]:
        """See `Memory.known`."""
        found: set[str] = set()
        for start in range(0, len(items), 500):
            part = items[start : start + 500]
            marks = ", ".join("?" * len(part))
            sql = f"SELECT item FROM memories WHERE owner = ? AND item IN ({marks})"
            found.update(row["item"] for row in self._ledger.read(sql, (owner, *part)))
        return [item for item in items if item in found]

    # Near duplicates

    def near_duplicates(self, owner: str, items: Sequence[str]) -> dict[str, list[str]]:
        """For each of the items that has some: the owner's other pictures that are the same."""
        found: dict[str, list[str]] = {}
        for start in range(0, len(items), 500):
            part = items[start : start + 500]
            marks = ", ".join("?" * len(part))
            rows = self._ledger.read(
                "SELECT m.item, o.item AS other FROM memories m JOIN likes l ON l.a = m.id OR l.b = m.id "
                "JOIN memories o ON o.id = l.a + l.b - m.id AND o.owner = m.owner "
                f"WHERE m.owner = ? AND m.item IN ({marks}) ORDER BY o.id",
                (owner, *part),
            )
            for row in rows:
                found.setdefault(row["item"], []).append(row["other"])
        return found

    def _near(
        self, owner: str, items: Sequence[Item], vectors: np.ndarray, sketches: Sequence[bytes | None]
    ) -> tuple[list[tuple[int, ...]], list[tuple[str, ...]]]:
        """For each item: the memories of the same picture that are there, and those in this very batch before it."""
        near: list[tuple[int, ...]] = [()] * len(items)
        twins: list[tuple[str, ...]] = [()] * len(items)
        pictures = [place for place, tiny in enumerate(sketches) if tiny is not None]
        if not pictures:
            return near, twins
        candidates = self._candidates(owner, vectors[pictures])
        known = self._sketches({one for some in candidates for one in some})
        alike = vectors[pictures] @ vectors[pictures].T >= COSINE
        # Who is compared with whom: a place, and a memory or an earlier place; then all at once.
        there = [(p, one) for p, some in zip(pictures, candidates, strict=True) for one in some if one in known]
        here = [(p, pictures[n]) for at, p in enumerate(pictures) for n in range(at) if alike[at, n]]
        mine = [sketches[place] or b"" for place, _ in (*there, *here)]
        others = [*(known[one] for _, one in there), *(sketches[place] or b"" for _, place in here)]
        for (place, other), equal, old in zip(
            (*there, *here), same(mine, others), [True] * len(there) + [False] * len(here), strict=True
        ):
            if equal and old:
                near[place] = (*near[place], other)
            elif equal:
                twins[place] = (*twins[place], items[other].id)
        return near, twins

    def _candidates(self, owner: str, vectors: np.ndarray) -> list[list[int]]:
        near: list[list[int]] = [[] for _ in vectors]
        for space in self._search.spaces(owner):  # what was known at one size may not be at another
            table = self._search.cache.of(space)
            found = table.several(vectors, CANDIDATES, ~table.region[: len(table)])
            for some, (ids, cosines) in zip(near, found, strict=True):
                some += [int(one) for one in ids[cosines >= COSINE]]
        return near

    def _sketches(self, memories: set[int]) -> dict[int, bytes]:
        found: dict[int, bytes] = {}
        for marks, part in chunks(sorted(memories)):
            sql = f"SELECT id, sketch FROM memories WHERE sketch IS NOT NULL AND id IN ({marks})"
            found |= {row["id"]: row["sketch"] for row in self._ledger.read(sql, part)}
        return found


def write_ready(
    db: sqlite3.Connection, owner: str, ready: Sequence[Ready], model: tuple[str, str, int] | None
) -> list[str]:
    """Inside a transaction: write items; the ids that are new, or have got their first vector of this model."""
    done: list[str] = []
    spaces: dict[bool, int] = {}
    for one in ready:
        if model is not None and one.vector is not None and one.apart not in spaces:
            spaces[one.apart] = begin_space(db, owner, model[0] + APART * one.apart, *model[1:])
        memory, new = write_memory(db, one.item, one.sketch)
        _met(db, owner, memory, one.item)
        if one.vector is not None and model is not None:
            if write_vector(db, spaces[one.apart], memory, one.vector) is not None:
                done.append(one.item.id)
        elif new and model is None:
            done.append(one.item.id)
        others = [*one.near, *(_memory_of(db, owner, twin) for twin in one.twins)]
        for other in others:
            # It may have been forgotten meanwhile, and it must be the same owner's.
            db.execute(
                "INSERT OR IGNORE INTO likes (a, b) SELECT min(id, ?), max(id, ?) FROM memories "
                "WHERE id = ? AND owner = ? AND id <> ?",
                (memory, memory, other, owner, memory),
            )
    return done


def _memory_of(db: sqlite3.Connection, owner: str, item: str) -> int:
    row = db.execute("SELECT id FROM memories WHERE owner = ? AND item = ?", (owner, item)).fetchone()
    return row[0] if row else 0


def _met(db: sqlite3.Connection, owner: str, memory: int, item: Item) -> None:
    """Note when a picture was met last: a conversation that got it later tells."""
    if item.box is not None:
        return
    sql = "SELECT max(c.created) FROM chat_pictures c JOIN chats k ON k.id = c.chat WHERE c.picture = ? AND k.owner = ?"
    (moment,) = db.execute(sql, (item.picture, owner)).fetchone()
    if (
        moment
        and db.execute("UPDATE memories SET last = ? WHERE id = ? AND last < ?", (moment, memory, moment)).rowcount
    ):
        write_texts(db, memory)  # under the name that it was given with
        touch(db, memory)
