"""The index: a copy of the ledger's vectors in Chroma that follows the ledger and can always be made anew.

How far it has come stands in the ledger, and is written after Chroma has taken a batch: a batch that a
killed process may or may not have written is written again, which changes nothing. What was deleted
from the ledger takes the whole generation along, because an HNSW index and its log keep deleted vectors'
bytes: the index is made anew without them, and until then the ledger is searched exactly.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import SaccadeError, UserError
from ..ledger.ledger import Ledger
from ..ledger.memory_rows import Space, all_spaces, unpacked
from .chroma import Place, begin_collection, collection_name, names, new_generation
from .probe import agrees

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

BATCH = 250  # vectors in one write to Chroma
TAIL = 1024  # vectors that may be missing from the index: they are searched beside it
NUDGE = 256  # vectors that may wait before the index follows in the background

_WAITING = "SELECT count(*) AS n FROM vectors WHERE space = ? AND id > ?"
_HOW_FAR = (
    "SELECT coalesce((SELECT max(seq) FROM changes WHERE what = 'gone'), 0) AS gone, "
    "coalesce((SELECT change FROM indexes WHERE name = :name), 0) AS change, "
    "coalesce((SELECT vector FROM indexed WHERE name = :name AND space = :space), 0) AS reached"
)


class Index:
    """The index of one home, opened when it is first needed.

    Args:
        ledger: the truth.
        place: tells where the collections live, and the home's own id; asked when there is a ledger to read.
    """

    def __init__(self, ledger: Ledger, place: Callable[[], tuple[Place, str]]) -> None:
        self._ledger = ledger
        self._find_place = place
        self._client: ClientAPI | None = None
        self.generation: str | None = None
        self._collections: dict[int, Any] = {}
        self._writing = threading.RLock()  # opening, following, giving up: one thread at a time
        self._readers = 0
        self._reading = threading.Condition()
        self._worker: threading.Thread | None = None
        self._stopping = False
        self._claimed = False
        self.notice: str | None = None
        self.repaired = False

    @cached_property
    def _found(self) -> tuple[Place, str]:
        self._ledger.prepare()
        return self._find_place()

    @property
    def place(self) -> Place:
        """Where the collections live."""
        return self._found[0]

    @property
    def _home_id(self) -> str:
        return self._found[1]

    # Searching

    def nearest(self, space: Space, vector: np.ndarray, k: int) -> tuple[list[int], int] | None:
        """The ids of the vectors nearest to a vector, and the vector after which nothing may have been searched.

        None where the index cannot be asked now; `notice` then says why, if a person should know.
        """
        reached = self._fit(space)
        if reached is None:
            return None
        try:
            with self._reader() as collections:
                if collections is None or space.id not in collections:
                    return None
                found = collections[space.id].query(query_embeddings=vector[None], n_results=k, include=[])
                return [int(one) for one in found["ids"][0]], reached
        except Exception as error:  # Chroma has no error type for an index it cannot read
            self._give_up(f"The index could not be read ({error})")
            return None

    def _fit(self, space: Space) -> int | None:
        """The vector of a space up to which all are in the index; None where it cannot be asked.

        It can where it is open, has nothing that was deleted, and misses few vectors.
        """
        if self._ledger.home is None:
            return None
        if self._client is None:
            if self._cannot_open():
                return None
            with self._writing:
                if not self._open():
                    return None
        told = self._ledger.read(_HOW_FAR, {"name": self._key(self.generation), "space": space.id})[0]
        if told["gone"] > told["change"]:
            self.nudge()
            return None
        waiting = self._ledger.read(_WAITING, (space.id, told["reached"]))[0]["n"]
        if waiting > NUDGE:
            self.nudge()
        return told["reached"] if waiting <= TAIL and space.id in self._collections else None

    def _cannot_open(self) -> bool:
        """Whether opening would take long or make no sense: nothing is indexed, or it must be looked at first."""
        current = self._current()
        if current is None:
            return True
        if self.place.state(current) != "sealed":
            if self._claimed or self.place.claim():
                self._claimed = True
                self.nudge()
            else:
                self._taken()
            return True
        return False

    def waiting(self, space: Space) -> int:
        """How many vectors of a space are not in the index yet."""
        if self._ledger.home is None:
            return 0
        return self._ledger.read(_WAITING, (space.id, self.reached(space)))[0]["n"]

    def reached(self, space: Space) -> int:
        """The vector of a space up to which all are in the index."""
        sql = "SELECT vector FROM indexed WHERE name = ? AND space = ?"
        rows = self._ledger.read(sql, (self._key(self.generation or self._current()), space.id))
        return rows[0]["vector"] if rows else 0

    @contextmanager
    def _reader(self) -> Iterator[dict[int, Any] | None]:
        with self._reading:
            self._readers += 1
        try:
            yield self._collections if self._client is not None else None
        finally:
            with self._reading:
                self._readers -= 1
                self._reading.notify_all()

    # Following

    def nudge(self) -> None:
        """Follow the ledger in the background."""
        if self._ledger.home is None or self._stopping or (self._worker is not None and self._worker.is_alive()):
            return
        self._worker = threading.Thread(target=self._follow_quietly, name="saccade-index")
        self._worker.start()

    def _follow_quietly(self) -> None:
        try:
            self.follow()
        except Exception as error:
            self.notice = f"The index does not follow the ledger: {error}"

    def follow(self) -> bool:
        """Bring the index up to the ledger. False where this process cannot have it, or was stopped."""
        if self._ledger.home is None:
            return False
        with self._writing:
            for attempt in (1, 2):
                if not self._open():
                    return False
                try:
                    return self._follow()
                except SaccadeError:
                    raise
                except Exception as error:
                    if attempt == 2:
                        raise
                    self._give_up(f"The index could not be written ({error})")
        return False

    def _follow(self) -> bool:
        if self._gone() > self._change():
            self._begin()
        assert self._client is not None
        assert self.generation is not None
        spaces = all_spaces(self._ledger)
        self.place.unseal(self.generation)
        wanted = {collection_name(self._home_id, self.generation or "", space) for space in spaces}
        for name in names(self._client):  # of owners who are gone, and of models that were replaced
            if name.startswith(f"{self._home_id}-{self.generation}-") and name not in wanted:
                self._client.delete_collection(name)
        done = all(self._follow_space(space) for space in spaces)
        self.place.seal(self.generation)
        self.notice = None if done else self.notice
        return done

    def _follow_space(self, space: Space) -> bool:
        sql = "SELECT id, vector FROM vectors WHERE space = ? AND id > ? ORDER BY id LIMIT ?"
        while rows := self._ledger.read(sql, (space.id, self.reached(space), BATCH)):
            if self._stopping:
                return False
            ids = [str(row["id"]) for row in rows]
            self._collection(space).upsert(ids=ids, embeddings=unpacked((row["vector"] for row in rows), space.dim))
            with self._ledger.write() as db:
                db.execute(
                    "INSERT INTO indexed (name, space, vector) VALUES (?, ?, ?) ON CONFLICT DO UPDATE "
                    "SET vector = max(vector, excluded.vector)",
                    (self._key(self.generation), space.id, rows[-1]["id"]),
                )
        return True

    def _collection(self, space: Space) -> Any:
        assert self._client is not None
        if space.id not in self._collections:
            name = collection_name(self._home_id, self.generation or "", space)
            self._collections[space.id] = begin_collection(self._client, name)
        return self._collections[space.id]

    # Opening and closing

    def _open(self) -> bool:
        """Open the index, or begin a new one where it is missing, broken, or holds what was deleted."""
        if self._client is not None:
            if self._current() == self.generation:
                return True
            self._shut()  # another process has begun a new generation on the same server
        if not (self._claimed or self.place.claim()):
            self._taken()
            return False
        self._claimed = True
        self._stopping = False
        current = self._current()
        if current is None or not self.place.exists(current) or self._gone() > self._change(current):
            self.repaired = self.repaired or current is not None
            self._begin()
        elif not self._sound(current):
            self.repaired = True
            self._begin()
        else:
            self._client = self.place.open(current)
            self.generation = current
            self.place.drop_others(current)
            for space in all_spaces(self._ledger):
                if self.reached(space):
                    self._collection(space)
        self.notice = None
        return True

    def _sound(self, generation: str) -> bool:
        """Whether a generation may be opened in this process."""
        found = self.place.state(generation)
        return found == "sealed" or (found == "touched" and agrees(self._ledger, generation))

    def _taken(self) -> None:
        self.notice = "Another process has the index open: the ledger was searched instead, which finds the same."

    def _begin(self) -> None:
        """Begin a new generation, in place of the one there is; nothing of the old one stays."""
        self._shut()
        generation = new_generation()
        with self._ledger.write() as db:
            gone = db.execute("SELECT max(seq) FROM changes WHERE what = 'gone'").fetchone()[0] or 0
            db.execute("DELETE FROM indexes WHERE name LIKE ?", (self._key("") + "%",))
            db.execute("INSERT INTO indexes (name, change) VALUES (?, ?)", (self._key(generation), gone))
            db.execute("INSERT OR REPLACE INTO home VALUES (?, ?)", (f"index {self.place.name}", generation))
        self.place.drop_others(generation)
        self._client = self.place.open(generation)
        self.generation = generation

    def begin_anew(self) -> bool:
        """Throw the index away and begin a new, empty one. False where another process has it."""
        with self._writing:
            if self._ledger.home is None or not (self._claimed or self.place.claim()):
                return False
            self._claimed = True
            self._stopping = False
            self._begin()
            return True

    def erase(self) -> bool:
        """Throw the copy of what was deleted away, at once. False where another process has it.

        The ledger is searched exactly until a new index is made, which begins in the background.
        """
        if self._ledger.home is None or self._current() is None or self._gone() <= self._change(self._current()):
            return True
        if not self.begin_anew():
            return False
        if self._ledger.read("SELECT 1 FROM vectors LIMIT 1"):
            self.nudge()
        return True

    def _give_up(self, why: str) -> None:
        """Leave an index that does not work; a new one is made in the background."""
        with self._writing:
            self.notice = f"{why}; it is made anew, and the ledger was searched instead."
            self.repaired = True
            with suppress(Exception):
                self._begin()
        self.nudge()

    def _shut(self) -> None:
        client, self._client = self._client, None
        with self._reading:
            self._reading.wait_for(lambda: self._readers == 0, timeout=30)
        self._collections = {}
        if client is not None and self.generation is not None:
            with suppress(Exception):
                self.place.close(client, self.generation)
        self.generation = None

    def close(self) -> None:
        """Close the index and let another process have it."""
        self._stopping = True
        if self._worker is not None and self._worker is not threading.current_thread():
            self._worker.join()
        with self._writing:
            self._shut()
            if self._claimed:
                self.place.release()
                self._claimed = False
        self._stopping = False

    # What the ledger says about it

    def _key(self, generation: str | None) -> str:
        return f"{self.place.name} {generation or ''}"

    def _current(self) -> str | None:
        rows = self._ledger.read("SELECT value FROM home WHERE name = ?", (f"index {self.place.name}",))
        return rows[0]["value"] if rows else None

    def _gone(self) -> int:
        """The last deletion."""
        rows = self._ledger.read("SELECT max(seq) AS seq FROM changes WHERE what = 'gone'")
        return (rows[0]["seq"] or 0) if rows else 0

    def _change(self, generation: str | None = None) -> int:
        """The last deletion that this generation began after."""
        sql = "SELECT change FROM indexes WHERE name = ?"
        rows = self._ledger.read(sql, (self._key(generation or self.generation),))
        return rows[0]["change"] if rows else 0

    def compare(self) -> tuple[int, int, int, int]:
        """How many vectors are in the index, missing from it, extra in it, and different in it.

        Raises:
            UserError: another process has it.
        """
        with self._writing:
            if not self._open() or self._client is None or self.generation is None:
                raise UserError(self.notice or "There is no index.", kind="index_taken")
            from .probe import compare

            return compare(self._ledger, self._client, self.generation, self._home_id)
