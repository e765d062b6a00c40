"""Three ways to find the nearest of many vectors, with the same vectors and the same filters: ours, Chroma's, numpy's.

The vectors are drawn from a mixture, as embeddings of pictures are: subjects of very different frequency, each a
cloud of few directions, all in one cone of the space. Independent Gaussians would have no near neighbours at all.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..memory.finding.calibration import Calibration, Rule
from ..memory.index.chroma import HNSW, quiet
from ..memory.ledger.ledger import Ledger
from ..memory.ledger.memory_rows import packed, unpacked
from ..memory.memory import Memory
from ..memory.pictures.store import PictureStore
from ..memory.query import Query

OWNER, MODEL, TAG = "ann", ("benchmark:given", "0" * 64), "kept"
AT_ONCE = 2000  # vectors in one write
K = 10
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
YEAR = timedelta(days=300)


class Given:
    """An embedder for vectors that are made elsewhere: every cosine passes, so that all sides answer alike."""

    name, sha256 = MODEL
    batch = 32
    calibration = Calibration({f"picture:{kind}": Rule(-1.0, 1.0) for kind in ("picture", "region")})

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def pictures(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Refuse."""
        raise NotImplementedError

    def words(self, texts: Sequence[str]) -> np.ndarray:
        """Refuse."""
        raise NotImplementedError


class Mixture:
    """Where vectors are drawn from: `subjects` clouds of `directions` directions in one cone.

    Args:
        dim: of the vectors.
        seed: of the clouds.
    """

    def __init__(self, dim: int, seed: int = 0, subjects: int = 300, directions: int = 24) -> None:
        random = np.random.default_rng(seed)
        self.dim = dim
        self._cone = random.standard_normal(dim) / np.sqrt(dim) * 0.8
        self._centres = random.standard_normal((subjects, dim)) / np.sqrt(dim)
        self._spread = random.standard_normal((subjects, directions, dim)) / np.sqrt(dim * directions)
        frequency = 1 / np.arange(1, subjects + 1)
        self._frequency = frequency / frequency.sum()

    def draw(self, count: int, seed: int) -> np.ndarray:
        """(count, dim) float32 of unit length, rounded as the ledger rounds."""
        random = np.random.default_rng([seed, count])
        subject = random.choice(len(self._centres), count, p=self._frequency)
        rows = self._cone + self._centres[subject]
        for one in np.unique(subject):
            of_it = np.flatnonzero(subject == one)
            weights = random.standard_normal((len(of_it), self._spread.shape[1]))
            rows[of_it] += weights @ self._spread[one]
        rows += 0.2 * random.standard_normal(rows.shape) / np.sqrt(self.dim)
        return unpacked([packed(rows).tobytes()], self.dim)


def name_of(number: int) -> tuple[str, str]:
    """The id and hash of picture `number`."""
    digest = sha256(b"%d" % number).hexdigest()
    return f"pic_{digest[:12]}", digest


def moment_of(number: int, count: int) -> datetime:
    """When picture `number` of `count` was met."""
    return FIRST + YEAR * (number / count)


class Ours:
    """`Memory` in a home of its own."""

    def __init__(self, home: Path, dim: int) -> None:
        self.home = home
        self.store = PictureStore(home)
        self.memory = Memory(self.store, Given(dim))

    def hold(self, start: int, stop: int, count: int) -> list[str]:
        """Rows for pictures whose files nobody will read: what is measured here are vectors."""
        ids = [name_of(number) for number in range(start, stop)]
        lineage = json.dumps({"chat": None, "turn": None, "tool": None, "arguments": {}, "parent": None})
        with self.store.ledger.write() as db:
            db.executemany("INSERT INTO pictures (id, sha256, width, height) VALUES (?, ?, 640, 480)", ids)
            db.executemany(
                "INSERT INTO holdings (owner, picture, kind, source, created, lineage) VALUES (?, ?, 'given', ?, ?, ?)",
                [
                    (OWNER, one, f"/photos/{number:06d}.jpg", moment_of(number, count).isoformat(), lineage)
                    for number, (one, _) in enumerate(ids, start)
                ],
            )
        return [one for one, _ in ids]

    def fill(self, vectors: np.ndarray) -> None:
        """Take in all vectors; the index follows when it is told to."""
        for start in range(0, len(vectors), AT_ONCE):
            part = vectors[start : start + AT_ONCE]
            self.memory.put(OWNER, self.hold(start, start + len(part), len(vectors)), part)

    def tag(self, numbers: Sequence[int]) -> None:
        """Tag some pictures."""
        for number in numbers:
            self.memory.note(OWNER, name_of(number)[0], tags=[TAG])

    def find(self, vector: np.ndarray, **filters: Any) -> list[str]:
        """The pictures that are nearest."""
        return [hit.id for hit in self.memory.recall(OWNER, Query(picture=vector, k=K, **filters))]

    def close(self) -> None:
        """Close memory and store."""
        self.memory.close()
        self.store.close()


class Raw:
    """A Chroma collection with the settings of ours, and the same facts as metadata."""

    def __init__(self, folder: Path) -> None:
        import chromadb

        self.folder = folder
        self._client = chromadb.PersistentClient(str(folder), settings=quiet())
        configuration: Any = {"hnsw": HNSW}
        self.collection = self._client.get_or_create_collection(
            "pictures", configuration=configuration, embedding_function=None
        )

    def facts(self, number: int, count: int, tagged: bool) -> dict[str, Any]:
        """What the ledger knows about a picture, as metadata."""
        when = moment_of(number, count).timestamp()
        return {"source": f"/photos/{number:06d}.jpg", "seen": when, "kind": "picture", "tag": TAG if tagged else ""}

    def fill(self, vectors: np.ndarray, tagged: Sequence[int]) -> None:
        """Add all vectors."""
        some = set(tagged)
        for start in range(0, len(vectors), AT_ONCE):
            numbers = range(start, min(start + AT_ONCE, len(vectors)))
            self.collection.add(
                ids=[name_of(number)[0] for number in numbers],
                embeddings=vectors[numbers.start : numbers.stop],
                metadatas=[self.facts(number, len(vectors), number in some) for number in numbers],
            )

    def find(self, vector: np.ndarray, where: Any = None) -> list[str]:
        """The pictures that are nearest, with their metadata."""
        found = self.collection.query(
            query_embeddings=vector[None], n_results=K, where=where, include=["metadatas", "distances"]
        )
        return found["ids"][0]

    def close(self) -> None:
        """Close the client."""
        client: Any = self._client
        client.close()


class Exact:
    """numpy over the ledger's vectors, held in memory; it filters by what the ledger says, and reads what it found.

    Args:
        ledger: of `Ours`.
        dim: of the vectors.
    """

    def __init__(self, ledger: Ledger, dim: int) -> None:
        self._ledger = ledger
        rows = ledger.read(
            "SELECT v.memory, v.vector, m.item, m.seen FROM vectors v JOIN memories m ON m.id = v.memory ORDER BY v.id"
        )
        self.vectors = unpacked((row["vector"] for row in rows), dim)
        self.memory = np.array([row["memory"] for row in rows], np.int64)
        self.items = [row["item"] for row in rows]
        self.seen = np.array([datetime.fromisoformat(row["seen"]).timestamp() for row in rows])

    def tagged(self, tag: str) -> np.ndarray:
        """The places of the vectors of pictures with a tag."""
        # CROSS: the tag first; SQLite would rather go through all that the owner has.
        sql = "SELECT m.id FROM tags t CROSS JOIN memories m ON m.id = t.memory WHERE m.owner = ? AND t.tag = ?"
        ids = np.array([row["id"] for row in self._ledger.read(sql, (OWNER, tag))], np.int64)
        return np.flatnonzero(np.isin(self.memory, ids))

    def since(self, moment: datetime) -> np.ndarray:
        """The places of the vectors of pictures that were seen at this time or later."""
        return np.flatnonzero(self.seen >= moment.timestamp())

    def nearest(self, vector: np.ndarray, places: np.ndarray | None = None) -> list[str]:
        """The pictures that are nearest: ids alone."""
        if places is None:
            cosines = self.vectors @ vector
        elif len(places) * 4 < len(self.vectors):  # copying the rows costs more than multiplying all of them
            cosines = self.vectors[places] @ vector
        else:
            cosines = (self.vectors @ vector)[places]
        best = np.argpartition(-cosines, K)[:K] if len(cosines) > K else np.arange(len(cosines))
        best = best[np.argsort(-cosines[best])]
        return [self.items[place] for place in (best if places is None else places[best])]

    def find(self, vector: np.ndarray, places: np.ndarray | None = None) -> list[str]:
        """The pictures that are nearest, with their rows, as the others answer."""
        found = self.nearest(vector, places)
        marks = ", ".join("?" * len(found))
        self._ledger.read(
            f"SELECT m.*, p.* FROM memories m JOIN pictures p ON p.id = m.picture WHERE m.owner = ? "
            f"AND m.item IN ({marks})",
            (OWNER, *found),
        )
        return found
