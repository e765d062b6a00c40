"""What visual memory costs, side by side in one run with raw Chroma and with exact numpy search.

10,000 and 100,000 vectors of 512 dimensions, drawn from a mixture of 300 subjects (see `memory_sides`). Every query
goes to all sides, one after the other in changing order, so that whatever else the machine does falls on
all of them. Raw Chroma is a `PersistentClient` with the same HNSW settings, the same facts as metadata, and gives
back metadata and distances. numpy holds the ledger's vectors and times in memory, and is measured twice: as the
others answer, with the rows of what it found ("numpy"), and ids alone ("numpy_ids").
"""

from __future__ import annotations

import importlib
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from .memory_baselines import FIRST, OWNER, TAG, YEAR, Exact, K, Mixture, Ours, Raw, name_of

SIZES = (10_000, 100_000)
DIM = 512
QUERIES = 240
WARM = 20  # queries before the clock runs
SINGLES = 200  # pictures acknowledged one at a time by one thread
TOGETHER = 2000  # pictures acknowledged one at a time by each of many threads, together
THREADS = 64
SPARSE = 5  # raw Chroma adds one for so many of ours (four times as many, of many threads)
Ask = Callable[[np.ndarray], list[str]]


def clocked(sides: Mapping[str, Ask], queries: np.ndarray) -> tuple[dict[str, list[float]], dict[str, list[list[str]]]]:
    """Milliseconds and answers of every side for every query; the order of the sides goes round."""
    names = list(sides)
    for query in queries[:WARM]:
        for name in names:
            sides[name](query)
    times: dict[str, list[float]] = {name: [] for name in names}
    answers: dict[str, list[list[str]]] = {name: [] for name in names}
    for number, query in enumerate(queries):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            begun = time.perf_counter()
            found = sides[name](query)
            times[name].append(1000 * (time.perf_counter() - begun))
            answers[name].append(found)
    return times, answers


def recall_of(answers: list[list[str]], truth: list[list[str]]) -> float:
    """The share of the truly nearest that was found."""
    return statistics.fmean(
        len(set(one) & set(true)) / len(true) for one, true in zip(answers, truth, strict=True) if true
    )


def compared(sides: Mapping[str, Ask], queries: np.ndarray) -> dict[str, Any]:
    """p50 and p95 of every side, ours compared with each other side, and the recall of ours and of Chroma's."""
    times, answers = clocked(sides, queries)
    report: dict[str, Any] = {}
    for name, found in times.items():
        report[f"{name}_p50_ms"] = float(np.percentile(found, 50))
        report[f"{name}_p95_ms"] = float(np.percentile(found, 95))
    for name in sides:
        if name != "ours":
            for rank in (50, 95):
                report[f"vs_{name}_p{rank}"] = report[f"ours_p{rank}_ms"] / report[f"{name}_p{rank}_ms"]
    report["recall_at_10"] = recall_of(answers["ours"], answers["numpy_ids"])
    report["raw_recall_at_10"] = recall_of(answers["raw"], answers["numpy_ids"])
    return report


def searching(ours: Ours, raw: Raw, exact: Exact, queries: np.ndarray) -> dict[str, Any]:
    """Unfiltered, and with the filters that keep 2 % (a tag) and 50 % (a time)."""
    half = FIRST + YEAR / 2
    later: Any = {"seen": {"$gte": half.timestamp()}}
    whole: dict[str, Ask] = {"ours": ours.find, "raw": raw.find, "numpy": exact.find, "numpy_ids": exact.nearest}
    tagged: dict[str, Ask] = {
        "ours": lambda query: ours.find(query, tag=TAG),
        "raw": lambda query: raw.find(query, {"tag": TAG}),
        "numpy": lambda query: exact.find(query, exact.tagged(TAG)),
        "numpy_ids": lambda query: exact.nearest(query, exact.tagged(TAG)),
    }
    since: dict[str, Ask] = {
        "ours": lambda query: ours.find(query, since=half),
        "raw": lambda query: raw.find(query, later),
        "numpy": lambda query: exact.find(query, exact.since(half)),
        "numpy_ids": lambda query: exact.nearest(query, exact.since(half)),
    }
    return {
        "unfiltered": compared(whole, queries),
        "kept_2_percent": {"kept": len(exact.tagged(TAG))} | compared(tagged, queries),
        "kept_50_percent": {"kept": len(exact.since(half))} | compared(since, queries),
    }


def acknowledging(ours: Ours, raw: Raw, vectors: np.ndarray, count: int) -> dict[str, Any]:
    """Pictures a second that are durable when the call returns, one a call, with the embedding given."""
    items = ours.hold(count, count + len(vectors), count)

    def put(number: int) -> None:
        ours.memory.put(OWNER, [items[number]], vectors[number : number + 1])

    def add(number: int) -> None:
        facts = raw.facts(count + number, count, False)
        raw.collection.add(ids=[name_of(count + number)[0]], embeddings=vectors[number : number + 1], metadatas=[facts])

    def seconds(work: Callable[[], Any]) -> float:
        begun = time.perf_counter()
        work()
        return time.perf_counter() - begun

    of_ours: list[float] = []
    of_raw: list[float] = []
    for number in range(SINGLES):
        of_ours.append(seconds(lambda number=number: put(number)))
        if number % SPARSE == 0:
            of_raw.append(seconds(lambda number=number: add(number)))
    several = range(SINGLES, len(vectors))
    fewer = several[:: 4 * SPARSE]
    with ThreadPoolExecutor(THREADS) as pool:
        together = len(several) / seconds(lambda: list(pool.map(put, several)))
        raw_together = len(fewer) / seconds(lambda: list(pool.map(add, fewer)))
    rate, raw_rate = len(of_ours) / sum(of_ours), len(of_raw) / sum(of_raw)
    return {
        "ours_a_second": rate,
        "raw_a_second": raw_rate,
        "vs_raw": rate / raw_rate,
        "ours_median_ms": 1000 * statistics.median(of_ours),
        "raw_median_ms": 1000 * statistics.median(of_raw),
        f"ours_a_second_{THREADS}_threads": together,
        f"raw_a_second_{THREADS}_threads": raw_together,
        f"vs_raw_{THREADS}_threads": together / raw_together,
    }


def resident() -> float:
    """Resident memory of this process, in megabytes."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def reopened(side: str, folder: str, vector: np.ndarray, line: Any) -> None:
    """In a process of its own: open, search once without a filter and once with; seconds and megabytes."""
    importlib.import_module("chromadb")  # what that costs is no part of opening

    before = resident()
    begun = time.perf_counter()
    one: Any = Ours(Path(folder), len(vector)) if side == "ours" else Raw(Path(folder))
    filters: dict[str, Any] = {"tag": TAG} if side == "ours" else {"where": {"tag": TAG}}
    one.find(vector)
    report = {"opening_and_first_search_s": time.perf_counter() - begun, "memory_mb": resident() - before}
    begun = time.perf_counter()
    one.find(vector, **filters)
    report["first_filtered_search_s"] = time.perf_counter() - begun
    report["memory_with_filtered_mb"] = resident() - before
    one.close()
    line.send(report)


def in_a_process(side: str, folder: Path, vector: np.ndarray) -> dict[str, float]:
    """What `reopened` answers."""
    context = multiprocessing.get_context("spawn")
    answer, line = context.Pipe(duplex=False)
    child = context.Process(target=reopened, args=(side, str(folder), vector, line))
    child.start()
    line.close()
    try:
        return answer.recv()
    finally:
        child.join()
        answer.close()


def disk(folder: Path, pattern: str = "*") -> int:
    """Bytes of the files under a folder."""
    return sum(path.stat().st_size for path in folder.rglob(pattern) if path.is_file())


def measure_size(folder: Path, count: int) -> dict[str, Any]:
    """All figures for one number of vectors."""
    mixture = Mixture(DIM)
    vectors = mixture.draw(count, seed=1)
    queries = mixture.draw(QUERIES, seed=2)
    tagged = sorted(np.random.default_rng(3).choice(count, count // 50, replace=False).tolist())
    ours, raw = Ours(folder / "home", DIM), Raw(folder / "raw")
    begun = time.perf_counter()
    ours.fill(vectors)
    kept = time.perf_counter()
    ours.memory.sync()
    indexed = time.perf_counter()
    raw.fill(vectors, tagged)
    report: dict[str, Any] = {
        "ours_kept_a_second": count / (kept - begun),
        "ours_indexed_a_second": count / (indexed - kept),
        "raw_added_a_second": count / (time.perf_counter() - indexed),
    }
    ours.tag(tagged)
    del vectors
    exact = Exact(ours.store.ledger, DIM)
    report |= searching(ours, raw, exact, queries)
    report["acknowledging_single_pictures"] = acknowledging(ours, raw, mixture.draw(SINGLES + TOGETHER, seed=4), count)
    del exact
    ours.memory.sync()
    ours.close()
    raw.close()
    report["disk_bytes_a_vector"] = {
        "ledger": disk(ours.home, "ledger.sqlite*") / (count + SINGLES + TOGETHER),
        "index": disk(ours.home / "chroma") / (count + SINGLES + TOGETHER),
        "raw": disk(raw.folder) / count,
        "float32_alone": 4 * DIM,
    }
    sides = {"ours": ours.home, "raw": raw.folder}
    report["reopening"] = {side: in_a_process(side, place, queries[0]) for side, place in sides.items()}
    return report


def measure() -> dict[str, Any]:
    """The figures for each of `SIZES`."""
    report: dict[str, Any] = {"dim": DIM, "queries": QUERIES, "k": K, "vectors": "300 clouds in a cone, not iid"}
    for count in SIZES:
        with tempfile.TemporaryDirectory() as name:
            report[f"{count}_vectors"] = measure_size(Path(name), count)
    return report
