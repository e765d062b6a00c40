"""Visual memory beside Chroma alone and beside exact search by NumPy: searching, filtering, writing, reopening.

All sides get the same vectors (512 numbers, in clusters of a low inner dimension, as embeddings lie),
and are asked the same, in turns, in one process. "raw" is a Chroma collection with the same HNSW settings and
with the metadata that its filters need; "numpy" is a float32 matrix in memory, whose rows are picked by the same
filter, asked of the same ledger.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..memory.calibration import Calibration, Rule
from ..memory.chroma import HNSW, quiet
from ..memory.memory import Memory
from ..memory.pictures import PictureStore
from ..memory.recall import Query
from ..memory.records import Lineage
from ..memory.toy import ToyEmbedder
from ..settings import Settings

DIM, K = 512, 10
SIZES = (10_000, 100_000)
QUERIES = 100
SINGLES = 40  # single writes of one thread; each of THREADS writes as many
THREADS = 32
SOURCES = 50  # each a fiftieth: the filter that keeps 2 %
FIRST = datetime(2025, 1, 1, tzinfo=UTC)
OWNER = "ann"
PICTURES = 384  # files of a folder that is indexed


def vectors_of(count: int, seed: int = 0) -> np.ndarray:
    """(count, 512) float32 of unit length, in 400 clusters of 32 inner dimensions, with a little noise."""
    rng = np.random.default_rng(seed)
    spread = rng.normal(size=(32, DIM)).astype(np.float32)
    centres = rng.normal(size=(400, 32)).astype(np.float32)
    inner = centres[rng.integers(0, 400, count)] + 0.6 * rng.normal(size=(count, 32)).astype(np.float32)
    vectors = inner @ spread + 0.8 * rng.normal(size=(count, DIM)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def id_of(number: int) -> tuple[str, str]:
    """The hash and the id of a picture that nobody has drawn."""
    digest = sha256(str(number).encode()).hexdigest()
    return digest, f"pic_{digest[:12]}"


def seen(number: int) -> datetime:
    """When a picture was met."""
    return FIRST + timedelta(minutes=number)


def hold(store: PictureStore, numbers: range) -> None:
    """Rows that say that pictures are held, without their files: only what is searched is measured."""
    with store.ledger.write() as db:
        for number in numbers:
            digest, name = id_of(number)
            lineage = '{"chat": null, "turn": null, "tool": null, "arguments": {}, "parent": null}'
            source = f"/photos/{number % SOURCES}.png"
            db.execute("INSERT INTO pictures (id, sha256, width, height) VALUES (?, ?, 512, 512)", (name, digest))
            db.execute(
                "INSERT INTO holdings (owner, picture, kind, source, created, lineage) VALUES (?, ?, 'given', ?, ?, ?)",
                (OWNER, name, source, seen(number).isoformat(), lineage),
            )


class AllAlike(ToyEmbedder):
    """Vectors are given, and everything is like everything: searching is measured, not judging."""

    calibration = Calibration({"picture:picture": Rule(-1.0, 1.0)})


class Raw:
    """Chroma alone."""

    def __init__(self, folder: Path) -> None:
        import chromadb

        self.folder = folder
        self.client: Any = chromadb.PersistentClient(str(folder), settings=quiet())
        configuration: Any = {"hnsw": HNSW}
        self.collection = self.client.get_or_create_collection(
            "raw", configuration=configuration, embedding_function=None
        )

    def add(self, numbers: Sequence[int], vectors: np.ndarray) -> None:
        """Add vectors with what the filters look at."""
        told = [{"source": f"/photos/{number % SOURCES}.png", "seen": seen(number).timestamp()} for number in numbers]
        self.collection.add(ids=[id_of(number)[1] for number in numbers], embeddings=vectors, metadatas=told)

    def ask(self, vector: np.ndarray, where: Any = None) -> list[str]:
        """The ids of the nearest, with what Chroma gives by itself: metadata and distances."""
        return self.collection.query(query_embeddings=vector[None], n_results=K, where=where)["ids"][0]


class Exact:
    """NumPy over the ledger's vectors."""

    def __init__(self, store: PictureStore) -> None:
        self.store = store
        rows = store.ledger.read("SELECT v.id, v.vector, m.item FROM vectors v JOIN memories m ON m.id = v.memory")
        self.rows = np.array([row["id"] for row in rows])
        self.items = [row["item"] for row in rows]
        half = np.frombuffer(b"".join(row["vector"] for row in rows), "<f2").reshape(-1, DIM)
        self.vectors = half.astype(np.float32)

    def ask(self, vector: np.ndarray, condition: str = "", *values: object) -> list[str]:
        """The ids of the nearest among those that the ledger says pass."""
        keep = None
        vectors = self.vectors
        if condition:
            sql = f"SELECT v.id FROM vectors v JOIN memories m ON m.id = v.memory WHERE m.owner = ? AND {condition}"
            passing = np.array([row["id"] for row in self.store.ledger.read(sql, (OWNER, *values))])
            keep = np.searchsorted(self.rows, passing)
            vectors = vectors[keep]
        cosines = vectors @ vector
        best = np.argpartition(-cosines, K)[:K] if len(cosines) > K else np.arange(len(cosines))
        best = best[np.argsort(-cosines[best])]
        return [self.items[one if keep is None else keep[one]] for one in best]


def timed(
    asks: dict[str, Callable[[np.ndarray], list[str]]], queries: np.ndarray
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Milliseconds of each side, asked in turns, and what each answered."""
    times: dict[str, list[float]] = {name: [] for name in asks}
    answers: dict[str, list[list[str]]] = {name: [] for name in asks}
    for ask in asks.values():
        ask(queries[0])  # what is loaded at the first question
    for query in queries:
        for name, ask in asks.items():
            begun = time.perf_counter()
            answer = ask(query)
            times[name].append(1000 * (time.perf_counter() - begun))
            answers[name].append(answer)
    figures: dict[str, Any] = {}
    for name, values in times.items():
        figures[f"{name}_p50_ms"] = float(np.quantile(values, 0.5))
        figures[f"{name}_p95_ms"] = float(np.quantile(values, 0.95))
    return figures, answers


def share(found: Sequence[Sequence[str]], right: Sequence[Sequence[str]]) -> float:
    """recall@10."""
    return float(
        np.mean([len(set(one) & set(other)) / max(1, len(other)) for one, other in zip(found, right, strict=True)])
    )


def ours(memory: Memory, **filters: Any) -> Callable[[np.ndarray], list[str]]:
    """The same question for Saccade's memory, which answers with whole hits."""
    return lambda vector: [hit.id for hit in memory.recall(OWNER, Query(picture=vector, k=K, **filters))]


def searching(memory: Memory, raw: Raw, exact: Exact, queries: np.ndarray, size: int) -> dict[str, Any]:
    """Unfiltered, and with filters that keep 2 % and half."""
    source, half = "/photos/7.png", seen(size // 2)
    cases: dict[str, tuple[dict[str, Any], Any, tuple[Any, ...]]] = {
        "unfiltered": ({}, None, ()),
        "filtered_2_percent": ({"source": source}, {"source": source}, ("m.source = ?", source)),
        "filtered_50_percent": (
            {"since": half},
            {"seen": {"$gte": half.timestamp()}},
            ("m.last >= ?", half.isoformat()),
        ),
    }
    report: dict[str, Any] = {}
    for name, (filters, where, condition) in cases.items():
        asks: dict[str, Callable[[np.ndarray], list[str]]] = {
            "saccade": ours(memory, **filters),
            "raw": lambda vector, where=where: raw.ask(vector, where),
            "numpy": lambda vector, condition=condition: exact.ask(vector, *condition),
        }
        figures, answers = timed(asks, queries)
        figures["vs_raw"] = figures["saccade_p50_ms"] / figures["raw_p50_ms"]
        figures["vs_numpy"] = figures["saccade_p50_ms"] / figures["numpy_p50_ms"]
        figures["recall_at_10"] = share(answers["saccade"], answers["numpy"])
        figures["raw_recall_at_10"] = share(answers["raw"], answers["numpy"])
        report[name] = figures
    return report


def writing(memory: Memory, raw: Raw, vectors: np.ndarray, first: int) -> dict[str, Any]:
    """Single writes, each acknowledged when it is durable: by one thread, and by many at once."""
    numbers = iter(range(first, first + len(vectors)))
    rates: dict[str, float] = {}
    for threads in (1, THREADS):
        for name in ("saccade", "raw"):
            chosen = [next(numbers) for _ in range(SINGLES * (threads if name == "saccade" else 1))]
            if name == "saccade":
                hold(memory.store, range(chosen[0], chosen[-1] + 1))

            def put(number: int, name: str = name) -> None:
                vector = vectors[number - first][None]
                if name == "saccade":
                    memory.put(OWNER, [id_of(number)[1]], vector)
                else:
                    raw.add([number], vector)

            begun = time.perf_counter()
            if threads == 1:
                for number in chosen:
                    put(number)
            else:
                with ThreadPoolExecutor(threads) as pool:
                    list(pool.map(put, chosen))
            rates[f"{name}_{threads}_threads_per_s"] = len(chosen) / (time.perf_counter() - begun)
    many, one = f"{THREADS}_threads", "1_threads"
    return rates | {
        "many_threads_vs_raw": rates[f"saccade_{many}_per_s"] / rates[f"raw_{many}_per_s"],
        "one_thread_vs_raw": rates[f"saccade_{one}_per_s"] / rates[f"raw_{one}_per_s"],
    }


def bytes_of(*paths: Path) -> int:
    """The bytes of files and of all files in folders."""
    files = [file for path in paths for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]
    return sum(file.stat().st_size for file in files)


def resident() -> float:
    """Megabytes of memory that this process has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1]) if Path("/proc/self/statm").exists() else 0
    return pages * resource.getpagesize() / 1e6


def measure_size(size: int, folder: Path) -> dict[str, Any]:
    """All figures for one number of vectors."""
    extra = SINGLES * (THREADS + 3)
    vectors = vectors_of(size + QUERIES + extra)
    queries = vectors[size : size + QUERIES]
    embedder = AllAlike(DIM)
    home = folder / "home"
    memory = Memory(PictureStore(home), embedder, settings=Settings())
    report: dict[str, Any] = {}
    begun = time.perf_counter()
    for start in range(0, size, 1000):
        part = range(start, min(size, start + 1000))
        hold(memory.store, part)
        memory.put(OWNER, [id_of(number)[1] for number in part], vectors[part.start : part.stop])
    report["kept_in_batches_per_s"] = size / (time.perf_counter() - begun)
    begun = time.perf_counter()
    memory.sync()
    report["indexed_per_s"] = size / (time.perf_counter() - begun)
    memory.store.ledger.wipe()
    memory.close()
    memory.store.close()
    report["disk_bytes_a_vector"] = {
        "ledger": bytes_of(home / "ledger.sqlite") / size,
        "index": bytes_of(home / "chroma") / size,
    }
    before = resident()
    begun = time.perf_counter()
    memory = Memory(PictureStore(home), embedder, settings=Settings())
    ours(memory)(queries[0])
    opened = time.perf_counter()
    report["reopen_to_first_answer_s"] = opened - begun
    report["memory_mb_with_index"] = resident() - before
    ours(memory, source="/photos/7.png")(queries[0])
    report["first_filtered_answer_s"] = time.perf_counter() - opened
    report["memory_mb_with_index_and_exact_vectors"] = resident() - before
    raw = Raw(folder / "raw")
    begun = time.perf_counter()
    for start in range(0, size, 1000):
        part = range(start, min(size, start + 1000))
        raw.add(part, vectors[part.start : part.stop])
    report["raw_added_in_batches_per_s"] = size / (time.perf_counter() - begun)
    report["disk_bytes_a_vector"]["raw"] = bytes_of(folder / "raw") / size
    report |= searching(memory, raw, Exact(memory.store), queries, size)
    report["single_writes"] = writing(memory, raw, vectors[size + QUERIES :], size)
    memory.close()
    memory.store.close()
    raw.client.close()
    return report


def folder_rate(folder: Path, count: int) -> dict[str, Any]:
    """Indexing a folder of 512 px PNG files with the bundled CLIP, beside each of its stages alone."""
    from ..memory.intake import AHEAD, _ahead  # pyright: ignore[reportPrivateUsage]
    from ..memory.remembering import Ready
    from ..memory.spaces import item_of
    from ..tools.embedder import ClipEmbedder
    from ..tools.pool import ExpertPool

    rng = np.random.default_rng(1)
    (pictures := folder / "pictures").mkdir()
    paths: list[Path] = []
    for number in range(count):
        small = Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8))
        paths.append(pictures / f"{number:04}.png")
        small.resize((512, 512), Image.Resampling.BICUBIC).save(paths[-1])
    settings = Settings()
    embedder = ClipEmbedder(ExpertPool(settings.chosen), settings.chosen)
    alone = Memory(PictureStore(folder / "alone"), embedder, settings=settings)
    embedder.pictures([Image.new("RGB", (64, 64))])
    begun = time.perf_counter()
    workers = max(2, min(8, os.cpu_count() or 2))
    with ThreadPoolExecutor(workers) as pool:
        kept: list[Any] = []
        images: list[Image.Image] = []

        def decode(path: Path | str) -> Any:
            decoded = alone.store.decode(path)
            return alone.store.keep(decoded), decoded.image

        for one, image in _ahead(pool, decode, paths, AHEAD * embedder.batch):  # pyright: ignore
            kept.append(one)
            images.append(image)
    decoding = time.perf_counter() - begun
    begun = time.perf_counter()
    parts = [images[start : start + embedder.batch] for start in range(0, count, embedder.batch)]
    vectors = [embedder.pictures(part) for part in parts]
    encoding = time.perf_counter() - begun
    begun = time.perf_counter()
    for start in range(0, count, embedder.batch):
        part = kept[start : start + embedder.batch]
        with alone.store.ledger.write() as db:
            for one in part:
                alone.store.hold(db, one, owner=OWNER, kind="given", lineage=Lineage())
        items = [item_of(alone.store.ledger, OWNER, one.id) for one in part]
        rows = vectors[start // embedder.batch].astype("<f2")
        ready = [Ready(item, row.tobytes()) for item, row in zip(items, rows, strict=True)]
        alone._remembering.write(OWNER, ready)  # pyright: ignore[reportPrivateUsage]
    inserting = time.perf_counter() - begun
    embedder = ClipEmbedder(ExpertPool(settings.chosen), settings.chosen)  # which keeps nothing of the first round
    embedder.pictures([Image.new("RGB", (64, 64))])
    together = Memory(PictureStore(folder / "together"), embedder, settings=settings)
    begun = time.perf_counter()
    done = sum(one.new for one in together.remember_files(OWNER, paths))
    whole = time.perf_counter() - begun
    assert done == count
    for one in (alone, together):
        one.close()
        one.store.close()
    return {
        "decode_per_s": count / decoding,
        "encode_per_s": count / encoding,
        "insert_per_s": count / inserting,
        "folder_per_s": count / whole,
        "vs_slowest_stage": max(decoding, encoding, inserting) / whole,
    }


def measure(sizes: Sequence[int] = SIZES, pictures: int = PICTURES) -> dict[str, Any]:
    """The figures for each size, and for a folder of pictures."""
    report: dict[str, Any] = {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as name:
            report[f"{size}_vectors"] = measure_size(size, Path(name))
    if pictures:
        with tempfile.TemporaryDirectory() as name:
            report["folder"] = folder_rate(Path(name), pictures)
    return report
