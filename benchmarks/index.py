"""`saccade index`: each stage alone, and all together, on the same pictures.

Together cannot be faster than the slowest stage alone; the figure is how near it comes. Each round uses homes and
models of its own (CLIP keeps what it has seen), and the median of the rounds counts.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from ..agent.agent import Agent
from ..agent.indexing import BATCH, Indexing
from ..memory.indexed_regions import ready_regions, region_items, write_regions
from ..memory.ledger.memory_rows import item_of
from ..memory.pictures.decode import Decoded
from ..memory.pictures.near_duplicates import sketch
from ..memory.pictures.store import Kept, PictureStore
from ..memory.records import Lineage, RegionDraft
from ..scenes.render import render
from ..scenes.sample import sample_scene
from ..settings import Settings

PICTURES, ROUNDS = 384, 3
SIZE = 512  # px
OWNER = "bench"


def measure(pictures: int = PICTURES, rounds: int = ROUNDS) -> dict[str, Any]:
    """Pictures a second of each stage and of the whole, without and with the things in the pictures."""
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        files = _draw(Path(folder) / "pictures", pictures)
        for round_ in range(rounds):
            for name, rate in _round(Path(folder) / f"round {round_}", files).items():
                found.setdefault(name, []).append(rate)
    rates = {name: round(statistics.median(some), 2) for name, some in found.items()}
    whole = min(rates[name] for name in ("decode", "encode", "insert"))
    # The finding thread shares the processor and the CLIP with the encoding one, so both together are the stage.
    both = 1 / (1 / rates["encode"] + 1 / rates["find"])
    return {
        "pictures": pictures,
        "rounds": rounds,
        "pictures a second": rates,
        "whole pictures: share of the slowest stage": round(rates["together"] / whole, 3),
        "with regions: share of the slowest stage (encoding and finding, one after the other)": round(
            rates["together, with regions"] / min(both, rates["decode"], rates["insert"]), 3
        ),
        "bar": 0.9,
    }


def _draw(folder: Path, count: int) -> list[Path]:
    folder.mkdir(parents=True)
    files = [folder / f"{number:04}.png" for number in range(count)]
    for number, file in enumerate(files):
        render(sample_scene(30_000 + number, "test"), SIZE).image.save(file)
    return files


def _round(folder: Path, files: Sequence[Path]) -> dict[str, float]:
    rates: dict[str, float] = {}
    with _agent(folder / "alone") as agent:
        store, remembering = agent.store, agent.memory.remembering
        workers = max(2, min(8, (os.cpu_count() or 2) - 2))

        def decode() -> list[Any]:
            with ThreadPoolExecutor(workers) as pool:
                return list(pool.map(partial(_decoded, store), files))

        taken, rates["decode"] = _timed(decode, len(files))
        with store.ledger.write() as db:
            for _, kept, _ in taken:
                store.hold(db, kept, owner=OWNER, kind="given", lineage=Lineage())
        images = [decoded.image for decoded, _, _ in taken]
        items = [item_of(store.ledger, OWNER, kept.id) for _, kept, _ in taken]
        size = remembering.batch
        parts = [slice(at, at + size) for at in range(0, len(items), size)]
        vectors, rates["encode"] = _timed(lambda: [remembering.embed(images[part]) for part in parts], len(files))

        def insert() -> None:  # compared with what is there, and written
            for part, made in zip(parts, vectors, strict=True):
                sketches = [tiny for _, _, tiny in taken[part]]
                ready = remembering.made_ready(OWNER, items[part], images[part], made, sketches)
                remembering.write(OWNER, ready)
                remembering.thumbnails(items[part], images[part])

        _, rates["insert"] = _timed(insert, len(files))
        rates["find"] = _find(agent, [item.id for item in items])
    for name, regions in (("together", False), ("together, with regions", True)):
        with _agent(folder / name) as agent:
            indexing = Indexing(agent.runtime, OWNER, regions=regions)
            _, rates[name] = _timed(lambda indexing=indexing: list(indexing.run(files)), len(files))
    return rates


def _decoded(store: PictureStore, file: Path) -> tuple[Decoded, Kept, bytes]:
    decoded = store.decode(file)
    return decoded, store.keep(decoded), sketch(decoded.image)


def _find(agent: Agent, pictures: Sequence[str]) -> float:
    """Finding the things in pictures, embedding and writing them."""
    indexing = Indexing(agent.runtime, OWNER)
    remembering = agent.memory.remembering

    def find() -> None:
        for at in range(0, len(pictures), BATCH):
            drafts: dict[str, list[RegionDraft]] = indexing.detect(pictures[at : at + BATCH])
            items = region_items(agent.store, OWNER, drafts, Lineage())
            ready = ready_regions(agent.store, remembering, OWNER, items)
            write_regions(remembering, OWNER, ready, [item.picture for item in items], "benchmark")

    return _timed(find, len(pictures))[1]


def _agent(home: Path) -> Agent:
    """An agent whose models are loaded already."""
    agent = Agent(settings=Settings(home=home, threads=1, remember=False))
    blank = agent.store.add(Image.new("RGB", (SIZE, SIZE), "grey"), owner="nobody").id
    agent.memory.remember("nobody", [blank])
    Indexing(agent.runtime, "nobody").detect([blank])
    agent.experts.ask("detector", [])
    return agent


def _timed(work: Callable[[], Any], count: int) -> tuple[Any, float]:
    begun = time.perf_counter()
    result = work()
    return result, count / (time.perf_counter() - begun)
