"""Exact search: the vectors of a space in memory, following the ledger by its sequence numbers."""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import datetime

import numpy as np

from ..ledger.ledger import Ledger
from ..ledger.memory_rows import Space, chunks, unpacked
from ..query import Query

CACHE_BYTES = 1_500_000_000  # of vectors, of all spaces together
READ_AT_ONCE = 10_000  # rows; the ledger's connection is free between two reads
FEW = 0.25  # of the rows between the first and the last: under this share only they are multiplied, else all

_ROWS = (
    "SELECT v.id, v.memory, v.vector, m.kind, m.label, m.seen, m.last, moment_of(h.taken) AS taken FROM vectors v "
    "JOIN memories m ON m.id = v.memory LEFT JOIN holdings h ON h.owner = m.owner AND h.picture = m.picture "
    "WHERE v.space = ? AND "
)


class VectorCache:
    """The spaces that were searched exactly last, up to so many bytes."""

    def __init__(self, ledger: Ledger, capacity: int = CACHE_BYTES) -> None:
        self._ledger = ledger
        self._capacity = capacity
        self._spaces: OrderedDict[int, Vectors] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, space: Space) -> Table:
        """The vectors of a space as the ledger has them at this moment."""
        with self._lock:
            held = self._spaces.get(space.id)
            if held is None:
                held = self._spaces[space.id] = Vectors(self._ledger, space)
            self._spaces.move_to_end(space.id)
            while len(self._spaces) > 1 and sum(one.bytes for one in self._spaces.values()) > self._capacity:
                self._spaces.popitem(last=False)
        return held.follow()

    def clear(self) -> None:
        """Let everything go."""
        with self._lock:
            self._spaces.clear()


class Vectors:
    """The vectors of one space, float32, with what the filters look at beside them."""

    def __init__(self, ledger: Ledger, space: Space) -> None:
        self._ledger = ledger
        self._space = space
        self._lock = threading.Lock()
        self._change = 0
        self._stamp: tuple[int, ...] = ()
        self._table = Table(space.dim, {None: 0})

    @property
    def bytes(self) -> int:
        """Of the vectors."""
        return self._table.vectors.nbytes

    def follow(self) -> Table:
        """Take in what the ledger has got since, and let go what is gone."""
        with self._lock:
            stamp = self._ledger.stamp()  # before reading: what changes meanwhile is found the next time
            if stamp and stamp == self._stamp:
                return self._table
            sql = "SELECT seq, vector, what FROM changes WHERE space = ? AND seq > ? ORDER BY seq"
            changes = self._ledger.read(sql, (self._space.id, self._change))
            if changes:
                gone = {row["vector"] for row in changes if row["what"] == "gone"}
                changed = {row["vector"] for row in changes} - gone
                self._table = self._table.without(gone) if gone else self._table
                self._refresh([one for one in changed if one <= self._table.newest])
                self._change = changes[-1]["seq"]
            while True:
                sql = f"{_ROWS} v.id > ? ORDER BY v.id LIMIT {READ_AT_ONCE}"
                rows = self._ledger.read(sql, (self._space.id, self._table.newest))
                if rows:
                    self._table.append(rows)
                if len(rows) < READ_AT_ONCE:
                    self._stamp = stamp
                    return self._table

    def _refresh(self, vectors: Sequence[int]) -> None:
        for marks, part in chunks(vectors):
            for row in self._ledger.read(f"{_ROWS} v.id IN ({marks})", (self._space.id, *part)):
                self._table.refresh(row)


class Table:
    """Columns that grow by doubling; what was read of them stays as it was, so that readers need no lock."""

    def __init__(self, dim: int, texts: dict[str | None, int], room: int = 0) -> None:
        self.texts = texts  # labels, as numbers
        self.count = 0
        self.newest = 0  # the highest vector's id
        self.vectors = np.empty((room, dim), np.float32)
        self.id = np.empty(room, np.int64)
        self.memory = np.empty(room, np.int64)
        self.region = np.empty(room, bool)
        self.label = np.empty(room, np.int32)
        self.seen = np.empty(room, np.float64)
        self.last = np.empty(room, np.float64)
        self.taken = np.empty(room, np.float64)  # NaN: nobody knows

    @property
    def _columns(self) -> list[str]:
        return [name for name, value in vars(self).items() if isinstance(value, np.ndarray)]

    def append(self, rows: Sequence[sqlite3.Row]) -> None:
        """Take in rows of the ledger that are newer than all there are."""
        start, stop = self.count, self.count + len(rows)
        if stop > len(self.id):
            room = stop if not start else max(stop, 2 * start)
            for name in self._columns:
                old = getattr(self, name)
                new = np.empty((room, *old.shape[1:]), old.dtype)
                new[:start] = old[:start]
                setattr(self, name, new)
        self.vectors[start:stop] = unpacked((row["vector"] for row in rows), self.vectors.shape[1])
        for place, row in enumerate(rows, start):
            self.id[place], self.memory[place] = row["id"], row["memory"]
            self._fill(place, row)
        self.newest = rows[-1]["id"]
        self.count = stop  # last: whoever reads meanwhile sees whole rows

    def refresh(self, row: sqlite3.Row) -> None:
        """Take in what has changed about a row."""
        place = int(np.searchsorted(self.id[: self.count], row["id"]))
        if place < self.count and self.id[place] == row["id"]:
            self._fill(place, row)

    def _fill(self, place: int, row: sqlite3.Row) -> None:
        self.region[place] = row["kind"] == "region"
        self.label[place] = self._number(row["label"])
        self.seen[place] = datetime.fromisoformat(row["seen"]).timestamp()
        self.last[place] = datetime.fromisoformat(row["last"]).timestamp()
        self.taken[place] = datetime.fromisoformat(row["taken"]).timestamp() if row["taken"] else np.nan

    def without(self, gone: set[int]) -> Table:
        """A copy that has not the vectors of these ids."""
        keep = ~np.isin(self.id[: self.count], list(gone))
        less = Table(self.vectors.shape[1], self.texts)
        for name in self._columns:
            setattr(less, name, getattr(self, name)[: self.count][keep])
        less.count, less.newest = int(keep.sum()), self.newest
        return less

    def _number(self, text: str | None) -> int:
        return self.texts.setdefault(text, len(self.texts))

    # Searching

    def __len__(self) -> int:
        return self.count

    def mask(self, query: Query, among: Iterable[Sequence[int]] = ()) -> np.ndarray | None:
        """(n,) bool: the rows that pass the filters of a query; None where all do.

        Args:
            query: what to filter by; its conversation, tag and file are for `among`.
            among: lists of memories' ids; a row passes whose memory is in every one.
        """
        masks: list[np.ndarray] = []
        count = self.count
        if query.kind is not None:
            masks.append(self.region[:count] == (query.kind == "region"))
        if query.label is not None:
            wanted = query.label.strip().lower()
            alike = [number for text, number in self.texts.items() if text and text.lower() == wanted]
            masks.append(np.isin(self.label[:count], alike))
        if query.since is not None or query.until is not None:
            low = query.since.timestamp() if query.since else -np.inf
            high = query.until.timestamp() if query.until else np.inf
            moments = (self.seen[:count], self.last[:count], self.taken[:count])
            masks.append(np.logical_or.reduce([(one >= low) & (one < high) for one in moments]))
        masks += [np.isin(self.memory[:count], np.fromiter(ids, np.int64)) for ids in among]
        if len(masks) < 2:
            return masks[0] if masks else None
        return np.logical_and.reduce(masks)

    def nearest(self, vector: np.ndarray, k: int, mask: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The memories nearest to a vector, best first: (m,) int64 ids and (m,) float32 cosines, m <= k."""
        count = self.count if mask is None else len(mask)
        rows: np.ndarray | None = None
        if mask is None:
            cosines = self.vectors[:count] @ vector
        else:
            rows = np.flatnonzero(mask)
            start, stop = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 0)  # of a time: mostly one stretch
            few = len(rows) < FEW * (stop - start)
            cosines = self.vectors[rows] @ vector if few else (self.vectors[start:stop] @ vector)[rows - start]
        best = np.argpartition(-cosines, k)[:k] if len(cosines) > k else np.arange(len(cosines))
        best = best[np.argsort(-cosines[best], kind="stable")]
        return self.memory[best if rows is None else rows[best]], cosines[best]

    def several(self, vectors: np.ndarray, k: int, mask: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """`nearest` for (q, dim) vectors at once."""
        rows = np.flatnonzero(mask)
        share = self.vectors[: len(mask)] if len(rows) == len(mask) else self.vectors[rows]
        cosines = vectors @ share.T
        found: list[tuple[np.ndarray, np.ndarray]] = []
        for line in cosines:
            best = np.argpartition(-line, k)[:k] if len(line) > k else np.arange(len(line))
            best = best[np.argsort(-line[best], kind="stable")]
            found.append((self.memory[rows[best]], line[best]))
        return found
