"""How fast a task runs over many pictures: find, segment, crop and caption, beside what its experts could do at best.

The limit is what the run cannot do without: each expert's requests at the best batch that was found for it, decoding
the pictures, and writing the record and the outputs. Everything is measured in one run and one process, in CPU seconds
on a CPU (so that other work on the machine plays no part) and in wall seconds on a GPU. Two baselines do the same
without a plan: one call a region, and picture by picture.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..agent.agent import Agent
from ..agent.tasks import outputs, record
from ..agent.tasks.task import Task
from ..evals.models import models_of
from ..scenes.render import render
from ..scenes.sample import sample_scene
from ..settings import Settings
from ..tools.pool import ExpertPool

SCENES, SIDE = 1000, 256
MOST_FAILED = 0.02  # of the pictures: a scene in a hundred is taken for none that the models know
BASELINE = 48  # pictures of each baseline: seconds a picture are compared
SAMPLE = 96  # requests by which an expert's best batch is found
BATCHES = (8, 16, 32, 64)
SHARE = 0.9  # of the limit that is to be reached
TASK = """version: 1
inputs: {images: [photos/]}
steps:
  - {id: found, tool: find_objects, args: {image: "${image}", phrase: everything}}
  - {id: shapes, when: found.count > 0, tool: segment_objects, args: {regions: "${found.regions}"}}
  - {id: cut, each: {thing: shapes.regions}, tool: crop_image, args: {image: "${thing}", background: transparent}}
  - {id: words, each: {piece: cut.image}, tool: describe_image, args: {image: "${thing}"}}
outputs:
  - {csv: things.csv, rows: words, columns: {file: image.path, box: thing.box, score: thing.score, caption: words.text}}
  - {folder: cut-outs, pictures: cut.image}
"""


class Heard:
    """A pool whose questions are counted, and of which some are kept to be asked again."""

    def __init__(self, pool: ExpertPool, *, fixed: bool = True) -> None:
        self.pool, self.about = pool, pool.about
        self.requests: dict[str, int] = defaultdict(int)
        self.sample: dict[str, list[Any]] = defaultdict(list)
        self.seconds: dict[str, float] = defaultdict(float)
        if fixed:
            self.fix_rows, self.rows, self.computing = pool.fix_rows, pool.rows, pool.computing

    @property
    def device(self) -> str:
        """Where the experts run."""
        return self.pool.device

    def ask(self, role: str, requests: Sequence[Any]) -> list[Any]:
        """See `Experts.ask`."""
        self.requests[role] += len(requests)
        self.sample[role] += [_held(one) for one in requests[: max(0, SAMPLE - len(self.sample[role]))]]
        begun = clock(self.pool)()
        answers = self.pool.ask(role, requests)
        self.seconds[role] += clock(self.pool)() - begun
        return answers


def _held(request: Any) -> Any:
    """A request that can be asked again when its picture is gone."""
    image = request.view.load()
    return replace(request, view=replace(request.view, load=lambda: image))


def resident() -> float:
    """Megabytes of this process that are in memory now."""
    pages = int(Path("/proc/self/statm").read_text("utf-8").split()[1])
    return pages * resource.getpagesize() / 1e6


def clock(pool: ExpertPool) -> Callable[[], float]:
    """What seconds are measured with."""
    return time.perf_counter if pool.device.startswith("cuda") else time.process_time


@contextmanager
def timed(pool: ExpertPool, places: Sequence[tuple[Any, str]]) -> Iterator[list[float]]:
    """Adds up the seconds spent in some functions while it lasts."""
    spent = [0.0]
    now = clock(pool)
    before = [(owner, name, getattr(owner, name)) for owner, name in places]

    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        def then(*values: Any, **more: Any) -> Any:
            begun = now()
            try:
                return original(*values, **more)
            finally:
                spent[0] += now() - begun

        return then

    for owner, name, original in before:
        setattr(owner, name, around(original))
    try:
        yield spent
    finally:
        for owner, name, original in before:
            setattr(owner, name, original)


def best_seconds(pool: ExpertPool, role: str, requests: Sequence[Any]) -> tuple[float, int]:
    """Seconds a request at the batch that is best for an expert, asked by itself, and that batch."""
    now, found = clock(pool), (float("inf"), 0)
    for size in [one for one in BATCHES if one <= len(requests)] or [len(requests)]:
        parts = [requests[at : at + size] for at in range(0, len(requests) - size + 1, size)]
        for _ in range(2):
            pool.fix_rows(None)  # what was kept is dropped
            begun = now()
            for part in parts:
                pool.ask(role, part)
            found = min(found, ((now() - begun) / (size * len(parts)), size))
    return found


def run_all(folder: Path, pool: ExpertPool, scenes: int, window: int) -> dict[str, Any]:
    """The task over all pictures, beside its limit."""
    heard = Heard(pool)
    memory: list[float] = []
    paths = sorted((folder / "photos").iterdir())[:scenes]
    now = clock(pool)
    with Agent(settings=Settings(home=folder / "home", threads=1), experts=heard) as agent:
        Task.load(folder / "task.yaml").run(paths[:4], out=folder / "warm", agent=agent)  # models are loaded
        for counted in (heard.requests, heard.sample, heard.seconds):
            counted.clear()
        writing = [(record.Record, "put"), (outputs.Gathering, "write"), (outputs.Gathering, "add")]
        with (
            timed(pool, writing) as written,
            timed(pool, [(agent.store, "decode")]) as decoded,
        ):
            begun, wall = now(), time.perf_counter()
            result = Task.load(folder / "task.yaml").run(
                paths, out=folder / "out", agent=agent, window=window, on_event=lambda _: memory.append(resident())
            )
            took, wall = now() - begun, time.perf_counter() - wall
    if len(result.failed) > MOST_FAILED * len(paths):
        raise RuntimeError(f"pictures failed: {result.failed[:3]}")
    experts: dict[str, Any] = {}
    for role, count in heard.requests.items():
        best, batch = best_seconds(pool, role, heard.sample[role])
        experts[role] = {"asked": count, "seconds": heard.seconds[role], "best_seconds": best * count,
                         "best_batch": batch}  # fmt: skip
    limit = sum(one["best_seconds"] for one in experts.values()) + decoded[0] + written[0]
    return {
        "pictures": len(paths), "window": window, "regions": len(result.tables["things.csv"]), "calls": result.calls,
        "wall_seconds": wall, "seconds": took, "pictures_a_second": len(paths) / took, "limit_seconds": limit,
        "share_of_the_limit": limit / took, "experts": experts, "decoding_seconds": decoded[0],
        "writing_seconds": written[0], "failed": len(result.failed),
        "peak_megabytes": max(memory), "megabytes_at_a_quarter": max(memory[: max(1, len(memory) // 4)]),
    }  # fmt: skip


def picture_by_picture(folder: Path, pool: ExpertPool, pictures: int) -> float:
    """Seconds a picture where each goes through all steps before the next, at the shapes that it has."""
    pool.fix_rows(None)
    paths = sorted((folder / "photos").iterdir())[:pictures]
    now = clock(pool)
    with Agent(settings=Settings(home=folder / "home", threads=1), experts=Heard(pool, fixed=False)) as agent:
        begun = now()
        Task.load(folder / "task.yaml").run(paths, out=folder / "by-picture", agent=agent, window=1)
        return (now() - begun) / len(paths)


def one_call_a_region(folder: Path, pool: ExpertPool, pictures: int) -> float:
    """Seconds a picture of a script that makes one call for each region: outline, cut out, describe."""
    paths = sorted((folder / "photos").iterdir())[:pictures]
    alone = TASK.replace(
        'segment_objects, args: {regions: "${found.regions}"}', 'segment_objects, args: {regions: ["${one}"]}'
    ).replace("when: found.count > 0,", "each: {one: found.regions},")
    (folder / "alone.yaml").write_text(alone, "utf-8")
    now = clock(pool)

    class Alone(Heard):
        def ask(self, role: str, requests: Sequence[Any]) -> list[Any]:
            answers: list[Any] = []
            for one in requests:
                self.pool.fix_rows(None)  # a script that begins anew for each region keeps nothing
                answers += self.pool.ask(role, [one])
            return answers

    with Agent(settings=Settings(home=folder / "home", threads=1), experts=Alone(pool, fixed=False)) as agent:
        begun = now()
        Task.load(folder / "alone.yaml").run(paths, out=folder / "by-region", agent=agent, window=1)
        return (now() - begun) / len(paths)


def measure(scenes: int = SCENES, baseline: int = BASELINE) -> dict[str, Any]:
    """Pictures a second beside the limit and both baselines, and the memory that a run takes."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "photos").mkdir()
        (folder / "task.yaml").write_text(TASK, "utf-8")
        for number in range(scenes):
            render(sample_scene(number, "test"), SIDE).image.save(folder / "photos" / f"{number:05d}.png")
        pool = ExpertPool(Settings().chosen, "auto", 1)
        report = run_all(folder, pool, scenes, 16)
        by_picture, by_region = picture_by_picture(folder, pool, baseline), one_call_a_region(folder, pool, baseline)
    ours = report["seconds"] / scenes
    report["baselines"] = {
        "pictures": min(baseline, scenes),
        "picture_by_picture_seconds_a_picture": by_picture, "times_picture_by_picture": by_picture / ours,
        "one_call_a_region_seconds_a_picture": by_region, "times_one_call_a_region": by_region / ours,
    }  # fmt: skip
    report["clock"] = "wall seconds" if pool.device.startswith("cuda") else "CPU seconds of one thread"
    report["models"] = models_of(Settings().chosen, {"detector", "clip", "sam", "captioner"})
    report["failures"] = [] if report["share_of_the_limit"] >= SHARE else [
        f"{report['share_of_the_limit']:.0%} of the limit, below {SHARE:.0%}"
    ]  # fmt: skip
    return report
