"""The processes of the kill harness: what writes until it is killed, and what looks afterwards.

What stops a writer at a moment of our choice is put around functions here, in the child process alone; the
product has no hooks for it.
"""

from __future__ import annotations

import functools
import hashlib
import io
import resource
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..memory import forgetting, home, memory
from ..memory.index import chroma, index
from ..memory.ledger.memory_rows import packed, unpacked
from ..memory.memory import Memory
from ..memory.pictures import store as pictures
from ..memory.pictures.decode import decode
from ..memory.pictures.store import PictureStore
from ..memory.query import Query

OWNER, OTHER = "ann", "bob"
DIM, SIDE = 512, 24
TOGETHER = 6  # pictures in one call
MOST_BYTES = 2**30  # in one file of an index of a few thousand vectors
PERSIST = (
    60  # after so many changes Chroma writes its HNSW files (1,000 unless told): its index write is hit more often
)
FOLLOW = 12  # so many waiting vectors make the index follow, and so many go into one write
COLLECTION = "pictures"
# Where a writer is stopped. At `..._during` it goes on and is killed some thousandths of a second later.
MOMENTS = (
    "any",
    "opening",
    "picture_file_written",
    "commit_before",
    "commit_during",
    "commit_after",
    "index_write_before",
    "index_write_during",
    "index_write_after",
    "index_files_changing",
    "repairing",  # killed as above; then the repair is killed too
    "index_begun_before",
    "index_begun_during",
    "forgetting_during",
)
RAW_MOMENTS = MOMENTS[:3] + MOMENTS[6:10]  # it has no ledger to commit to, and nothing is repaired
Kept = dict[str, tuple[str, int, int]]  # by id: owner, seed and number
Tell = Callable[[str, Any], None]


def picture(seed: int, number: int) -> Image.Image:
    """Picture `number` of a writer: noise, so that no two are alike."""
    pixels = np.random.default_rng([seed, number]).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    return Image.fromarray(pixels)


def vector(image: Image.Image) -> np.ndarray:
    """(DIM,) float32 of unit length that depends on every pixel."""
    number = int.from_bytes(hashlib.sha256(image.tobytes()).digest()[:8], "big")
    row = np.random.default_rng(number).standard_normal(DIM, dtype=np.float32)
    return unpacked([packed(row[None]).tobytes()], DIM)[0]


class Light:
    """An embedder that costs nothing."""

    name, sha256, dim, batch = "benchmark:light", "1" * 64, DIM, TOGETHER

    def pictures(self, images: Sequence[Image.Image]) -> np.ndarray:
        """One vector a picture."""
        return np.stack([vector(image) for image in images])

    def words(self, texts: Sequence[str]) -> np.ndarray:
        """One vector a text."""
        return np.stack([vector(picture(0, len(text))) for text in texts])


# Writing


def write_ours(folder: str, seed: int, moment: str, after: int, line: Any) -> None:
    """Remember pictures until killed; every id is told once it is acknowledged."""
    tell = _teller(line)
    _smaller_steps()
    _stop_at(moment, after, tell)
    store = PictureStore(folder)
    remembering = Memory(store, Light())
    for start in range(0, 10**9, TOGETHER):
        ids = [store.add(picture(seed, start + one), owner=OWNER).id for one in range(TOGETHER)]
        remembering.remember(OWNER, ids)
        tell("kept", [(one, start + place) for place, one in enumerate(ids)])
        if moment.startswith(("index_begun", "forgetting")) and start % (4 * TOGETHER) == 0:
            tell("forgetting", ids[0])
            remembering.forget(OWNER, ids=[ids[0]])
            tell("forgot", ids[0])
            remembering.sync()


def write_raw(folder: str, seed: int, moment: str, after: int, line: Any) -> None:
    """The same with Chroma alone: files beside a collection that is the only truth."""
    import chromadb

    tell = _teller(line)
    _stop_at(moment, after, tell)
    collection = _collection(chromadb.PersistentClient(f"{folder}/chroma", settings=chroma.quiet()))
    place = home.open_home(Path(folder))
    for start in range(0, 10**9, TOGETHER):
        images = [picture(seed, start + one) for one in range(TOGETHER)]
        ids = [_raw_id(image) for image in images]
        for image, one in zip(images, ids, strict=True):
            pictures.write_whole(place, f"images/{one}.rgb", image.tobytes(), durable=True)
        collection.add(ids=ids, embeddings=np.stack([vector(image) for image in images]))
        tell("kept", [(one, start + place) for place, one in enumerate(ids)])


def write_some(folder: str, seed: int, owner: str, calls: int, line: Any) -> None:
    """Remember pictures in so many calls, and end by itself: one of several writers at once."""
    tell = _teller(line)
    _smaller_steps()
    store = PictureStore(folder)
    remembering = Memory(store, Light())
    for start in range(0, calls * TOGETHER, TOGETHER):
        ids = [store.add(picture(seed, start + one), owner=owner).id for one in range(TOGETHER)]
        remembering.remember(owner, ids)
        tell("kept", [(one, start + place) for place, one in enumerate(ids)])
    remembering.close()
    store.close()


def _collection(client: Any) -> Any:
    configuration: Any = {"hnsw": chroma.HNSW | {"sync_threshold": PERSIST}}
    return client.get_or_create_collection(COLLECTION, configuration=configuration, embedding_function=None)


def _raw_id(image: Image.Image) -> str:
    return f"pic_{hashlib.sha256(image.tobytes()).hexdigest()[:12]}"


def _teller(line: Any) -> Tell:
    lock = threading.Lock()

    def tell(what: str, value: Any) -> None:
        with lock:
            line.send((what, value))

    tell("begun", None)
    return tell


def _smaller_steps() -> None:
    """Let the index follow after a few pictures and Chroma write its files often, so that a short run meets both."""
    _write_files_often()
    setattr(index, "BATCH", FOLLOW)  # noqa: B010 - in this child alone
    for module in (index, memory):
        setattr(module, "NUDGE", FOLLOW)  # noqa: B010


def _write_files_often() -> None:
    chroma.HNSW["sync_threshold"] = PERSIST


def _stop_at(moment: str, after: int, tell: Tell) -> None:
    """Put what stops the writer around the function in question, the `after`th time that it is called."""
    left = [after]
    lock = threading.Lock()

    def reach(what: str) -> None:
        if what != moment:
            return
        with lock:
            left[0] -= 1
            due = left[0] == 0
        if due:
            tell("at", moment)
            while not moment.endswith("_during"):
                time.sleep(60)

    if moment.startswith("picture_file"):
        whole = pictures.write_whole

        def write_whole(*values: Any, **named: Any) -> None:
            whole(*values, **named)
            reach("picture_file_written")

        setattr(pictures, "write_whole", write_whole)  # noqa: B010
    elif moment.startswith("commit"):

        class Watched(sqlite3.Connection):
            def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
                if sql != "COMMIT":
                    return super().execute(sql, *values)
                reach("commit_before")
                reach("commit_during")
                done = super().execute(sql, *values)
                reach("commit_after")
                return done

        setattr(sqlite3, "connect", functools.partial(sqlite3.connect, factory=Watched))  # noqa: B010
    elif moment.startswith("index_write"):
        from chromadb.api.models.Collection import Collection

        def around(write: Callable[..., Any]) -> Callable[..., Any]:
            def written(self: Any, *values: Any, **named: Any) -> Any:
                reach("index_write_before")
                reach("index_write_during")
                done = write(self, *values, **named)
                reach("index_write_after")
                return done

            return written

        setattr(Collection, "upsert", around(Collection.upsert))  # noqa: B010
        setattr(Collection, "add", around(Collection.add))  # noqa: B010
    elif moment.startswith("index_begun"):
        begin = index.Index._begin  # pyright: ignore[reportPrivateUsage]

        def begun(self: index.Index) -> None:
            reach("index_begun_before")
            reach("index_begun_during")
            begin(self)

        setattr(index.Index, "_begin", begun)  # noqa: B010
    elif moment.startswith("forgetting"):
        run = forgetting.Deletion.run

        def deleted(*values: Any) -> Any:
            reach("forgetting_during")
            return run(*values)

        setattr(forgetting.Deletion, "run", deleted)  # noqa: B010


# Looking


def examine_ours(folder: str, kept: Kept, forgot: Sequence[str], line: Any) -> None:
    """Open, let memory repair itself, and count what is lost, torn or astray.

    Args:
        folder: the home.
        kept: of every acknowledged picture, by its id: owner, seed and number.
        forgot: ids that were forgotten.
        line: where the counts go.
    """
    _write_files_often()
    store = PictureStore(folder)
    remembering = Memory(store, Light())
    remembering.sync()
    repaired = remembering.index.repaired
    report = remembering.verify()
    lost = [
        one for one, (owner, seed, number) in kept.items() if not _is_there(store, one, owner, picture(seed, number))
    ]
    unfound = 0
    for one in list(kept)[:: max(1, len(kept) // 20)]:
        owner, seed, number = kept[one]
        hits = remembering.recall(owner, Query(picture=vector(picture(seed, number)), k=1))
        unfound += not hits or hits[0].id != one
    line.send(
        {
            "lost": len(lost),
            "returned": len(remembering.known(OWNER, list(forgot))),
            "unfound": unfound,
            "torn": torn(store),
            "index_differs": report.missing + report.extra + report.different,
            "unhealthy": int(not report.healthy),
            "remark": "" if report.healthy else str(report),
            "repaired": int(repaired or report.repaired),
            "vectors": report.vectors,
        }
    )
    remembering.close()
    store.close()


def _is_there(store: PictureStore, one: str, owner: str, image: Image.Image) -> bool:
    """Whether an acknowledged picture has its holding, file, row, texts and vector, each as it was given."""
    rows = store.ledger.read(
        "SELECT p.sha256, v.vector, f.rowid AS texts FROM memories m JOIN pictures p ON p.id = m.picture "
        "JOIN holdings h ON h.picture = p.id AND h.owner = m.owner JOIN vectors v ON v.memory = m.id "
        "JOIN memory_text f ON f.rowid = m.id WHERE m.owner = ? AND m.item = ?",
        (owner, one),
    )
    if len(rows) != 1 or not np.allclose(unpacked([rows[0]["vector"]], DIM)[0], vector(image), atol=1e-3):
        return False
    try:
        return store.pixels(rows[0]["sha256"]).tobytes() == image.tobytes()
    except Exception:
        return False


def torn(store: PictureStore) -> int:
    """Rows of the ledger that lack a part, acknowledged or not."""
    counts = [
        "SELECT count(*) FROM memories WHERE id NOT IN (SELECT memory FROM vectors)",
        "SELECT count(*) FROM vectors WHERE memory NOT IN (SELECT id FROM memories)",
        "SELECT count(*) FROM memories WHERE id NOT IN (SELECT rowid FROM memory_text)",
        "SELECT count(*) FROM memory_text WHERE rowid NOT IN (SELECT id FROM memories)",
        "SELECT count(*) FROM memories m WHERE NOT EXISTS "
        "(SELECT 1 FROM holdings h WHERE h.owner = m.owner AND h.picture = m.picture)",
        "SELECT count(*) FROM vectors v JOIN spaces s ON s.id = v.space JOIN models m ON m.id = s.model "
        "WHERE length(v.vector) <> 2 * m.dim",
    ]
    found = sum(store.ledger.read(sql)[0][0] for sql in counts)
    for row in store.ledger.read("SELECT sha256 FROM pictures"):
        try:
            found += decode(store.pixels(row["sha256"])).sha256 != row["sha256"]
        except Exception:
            found += 1
    return found + len(store.ledger.read("PRAGMA integrity_check")) - 1


def examine_raw(folder: str, kept: Kept, forgot: Sequence[str], line: Any) -> None:
    """The same for Chroma alone. That it cannot be read shows in that nothing is sent: it fails, or it crashes."""
    import chromadb

    sys.stderr = io.StringIO()  # its failures are what is counted
    # A damaged index may say that it has millions of rows, and fill the disk with them: that is a failure, too.
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_BYTES, MOST_BYTES))

    collection = _collection(chromadb.PersistentClient(f"{folder}/chroma", settings=chroma.quiet()))
    ids = list(kept)
    truth = (
        np.stack([vector(picture(seed, number)) for _, seed, number in kept.values()]) if ids else np.zeros((0, DIM))
    )
    found: dict[str, np.ndarray] = {}
    for start in range(0, len(ids), 500):
        part = collection.get(ids=ids[start : start + 500], include=["embeddings"])
        found |= dict(zip(part["ids"], part["embeddings"], strict=True))
    lost = [
        one
        for one, row in zip(ids, truth, strict=True)
        if one not in found or not np.allclose(found[one], row, atol=1e-3)
    ]
    unfound = 0
    for place in range(0, len(ids), max(1, len(ids) // 20)):
        unfound += collection.query(query_embeddings=truth[place : place + 1], n_results=1)["ids"][0] != [ids[place]]
    files = Path(folder) / "images"
    everything = collection.get(include=[])["ids"]
    line.send(
        {
            "lost": len(lost),
            "unfound": unfound,
            "torn": sum(not (files / f"{one}.rgb").exists() for one in everything),
            "vectors": len(everything),
        }
    )
