"""A run of a task is killed again and again; going on must lead to the very outputs of a run that was let be.

A child runs a task over drawn scenes (its experts answer from the scenes' truth, so that nearly all of the time is the
record's). It is killed with SIGKILL at random, and at moments that are chosen: between the renaming of a file and the
commit of the row that names it, before, in and after a commit, and while the tables, the pictures and the page are
written. Then the same command is given again without a kill, and what it leaves is compared byte for byte. Also: a
disk that is full in the middle of a run, and a second run into a folder that is held.
"""

from __future__ import annotations

import hashlib
import pkgutil
import random
import resource
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from rich.table import Table

from ..agent.agent import Agent
from ..agent.tasks import outputs, record
from ..agent.tasks.task import Task, TaskResult
from ..errors import UserError
from ..memory.pictures.decode import decode
from ..scenes.render import render
from ..scenes.sample import sample_scene
from ..settings import Settings
from ..testing.experts import TrueExperts
from ..tools import builtin
from .children import Children

KILLS = 50  # at random, and as many aimed ones at every other moment as fit into another 50
SCENES, SIDE, WINDOW = 8, 96, 2
PATIENCE = 600.0  # seconds in which a run must have come to its end
MOMENTS = ("renamed", "commit_before", "commit_during", "commit_after", "output_renamed")
FULL = (20_000, 60_000, 100_000, 140_000)  # bytes that a file may have on a disk that is full
DISKS = (120_000, 240_000, 360_000)  # bytes of a disk that is too small
TASK = """version: 1
inputs: {images: [photos/]}
steps:
  - {id: found, tool: find_objects, args: {image: "${image}", phrase: everything}}
  - {id: shapes, tool: segment_objects, args: {regions: "${found.regions}"}}
  - {id: cut, each: {thing: shapes.regions}, tool: crop_image, args: {image: "${thing}", background: transparent}}
  - {id: words, each: {piece: cut.image}, tool: describe_image, args: {image: "${thing}"}}
outputs:
  - {csv: things.csv, rows: words, columns: {file: image.path, box: thing.box, caption: words.text}}
  - {folder: cut-outs, pictures: cut.image}
  - {html: report.html, columns: {many: found.count}, pictures: cut.image, evidence: shapes.regions}
"""


def prepare(folder: Path, scenes: int = SCENES) -> None:
    """Draw the pictures and write the task."""
    (folder / "photos").mkdir(parents=True)
    (folder / "task.yaml").write_text(TASK, "utf-8")
    for number in range(scenes):
        render(sample_scene(number, "val"), SIDE).image.save(folder / "photos" / f"{number:03d}.png")


def run(folder: Path, out: str | Path, scenes: int = SCENES) -> TaskResult:
    """The task over the pictures, into a folder of its own, with experts that know the scenes."""
    truths: dict[str, Any] = {}
    for number in range(scenes):
        scene = sample_scene(number, "val")
        drawn = render(scene, SIDE)
        sha256 = decode(folder / "photos" / f"{number:03d}.png").sha256
        truths[f"pic_{sha256[:12]}"] = (scene, drawn.boxes.astype(float), drawn.masks)
    settings = Settings(home=folder / "home", threads=1)
    with Agent(settings=settings, experts=TrueExperts(truths.__getitem__)) as agent:
        return Task.load(folder / "task.yaml").run(out=folder / out, agent=agent, window=WINDOW)


# In the child


def work(folder: str, out: str, scenes: int, moment: str, after: int, line: Any) -> None:
    """Run the task, told to `line`; at the chosen moment, when it comes for the `after`th time, wait to be killed."""
    left = [after]

    def here() -> None:
        left[0] -= 1
        if left[0] == 0:
            line.send(("at", moment))
            if not moment.endswith("_during"):
                time.sleep(PATIENCE)

    if moment == "renamed":
        _after(record, "write_whole", here)
    elif moment == "output_renamed":
        _after(outputs, "write_whole", here)
    elif moment.startswith("commit"):
        _at_commits(here, moment)
    line.send(("begun", None))
    try:
        result = run(Path(folder), out, scenes)
    except UserError as error:
        line.send(("refused", str(error)))
        return
    line.send(("done", {"calls": result.calls, "known": result.known, "failed": len(result.failed),
                        "seconds": result.seconds}))  # fmt: skip


def _after(module: Any, name: str, here: Callable[[], None]) -> None:
    original = getattr(module, name)

    def then(*values: Any) -> Any:
        made = original(*values)
        here()
        return made

    setattr(module, name, then)


def _at_commits(here: Callable[[], None], moment: str) -> None:
    """Stop around the COMMIT of results. sqlite3's connections take no new methods, so they are wrapped."""
    connect = sqlite3.connect

    class Connection(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> Any:
            if sql != "COMMIT":
                return super().execute(sql, *values)
            if moment != "commit_after":
                here()
            done = super().execute(sql, *values)
            if moment == "commit_after":
                here()
            return done

    def connected(place: Any, *values: Any, **more: Any) -> Any:
        own = str(place).endswith("record.sqlite")
        return connect(place, *values, **(more | ({"factory": Connection} if own else {})))

    record.sqlite3.connect = connected  # pyright: ignore[reportAttributeAccessIssue]


def work_on_a_full_disk(folder: str, out: str, scenes: int, largest: int, line: Any) -> None:
    """Run the task where no file may have more than so many bytes: what a disk that is full does to those that grow."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    work(folder, out, scenes, "", 0, line)


# In the parent


def children_of() -> Children:
    """Processes that have what a run needs."""
    tools = [f"{builtin.__name__}.{one.name}" for one in pkgutil.iter_modules(builtin.__path__)]
    return Children([__name__, *tools, "jinja2", "langchain_core.tools", "supervision"], PATIENCE)


def kill_one(children: Children, folder: Path, out: str, scenes: int, moment: str, seed: int, longest: float) -> bool:
    """Start a run and kill it at a moment; whether it was killed before it came to its end."""
    chance = random.Random(seed)
    after = chance.randint(1, 4 * scenes) if moment.endswith("renamed") else chance.randint(1, 1 + scenes // WINDOW)
    process, line = children.begin(work, str(folder), out, scenes, moment, after)
    begun: float | None = None
    wait = chance.uniform(0, longest)
    done = False
    while not done and (begun is None or moment != "any" or time.monotonic() - begun < wait):
        if not line.poll(0.002 if moment == "any" else PATIENCE):
            continue
        try:
            what, _ = line.recv()
        except EOFError:
            break
        if what == "begun":
            begun = time.monotonic()
        elif what == "at":
            time.sleep(chance.choice([0, 0.0005, 0.002, 0.005]) if moment.endswith("_during") else 0)
            break
        else:
            done = True
    process.kill()
    process.join()
    line.close()
    return not done


def files_of(folder: Path) -> dict[str, str]:
    """Every file of a folder of outputs but the record, by name, as the hash of its bytes."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and record.FOLDER not in path.parts
    }


def recorded(folder: Path) -> int:
    """How many results a record holds; 0 where there is none."""
    path = folder / record.FOLDER / "record.sqlite"
    if not path.exists():
        return 0
    with closing(sqlite3.connect(path)) as db:
        has = db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'results'").fetchone()[0]
        return db.execute("SELECT count(*) FROM results").fetchone()[0] if has else 0


def harness(folder: Path, moments: Sequence[str], scenes: int = SCENES) -> dict[str, Any]:
    """Kill a run at each of the moments, go on, and compare. Each folder of outputs is killed three times at most."""
    prepare(folder, scenes)
    children = children_of()
    whole = children.said(work, str(folder), "whole", scenes, "", 0)
    longest = float(whole[1]["seconds"])
    truth, calls = files_of(folder / "whole"), int(whole[1]["calls"])
    counts: Counter[str] = Counter(kills=0, too_late=0, went_on=0, done_again=0, differ=0, failed=0)
    at: Counter[str] = Counter()
    remarks: list[str] = []
    names = iter(range(len(moments)))
    waiting = list(moments)
    while waiting:
        out = f"killed{next(names)}"
        some = [waiting.pop(0) for _ in range(min(len(waiting), random.Random(len(waiting)).randint(1, 3)))]
        for moment in some:
            hit = kill_one(children, folder, out, scenes, moment, 100 + len(waiting), longest)
            counts["kills" if hit else "too_late"] += 1
            at[moment] += hit
        before = recorded(folder / out)
        what, told = children.said(work, str(folder), out, scenes, "", 0)
        if what != "done" or told["failed"]:
            counts["failed"] += 1
            remarks.append(f"after {some}: {what} {told}")
            continue
        counts["went_on"] += 1
        counts["results_kept_over_kills"] += before
        if told["calls"] != calls - before:
            counts["done_again"] += 1
            remarks.append(f"after {some}: {told['calls']} calls where {calls - before} were left")
        if files_of(folder / out) != truth:
            counts["differ"] += 1
            ours = files_of(folder / out)
            other = sorted(name for name in {*ours, *truth} if ours.get(name) != truth.get(name))
            remarks.append(f"after {some}: {other[:5]}")
        shutil.rmtree(folder / out)
    report: dict[str, Any] = {"scenes": scenes, "calls": calls} | dict(counts) | {"kills_by_moment": dict(at)}
    return report | ({"remarks": remarks} if remarks else {})


def full_disks(folder: Path, scenes: int = SCENES, sizes: Sequence[int] = FULL) -> dict[str, Any]:
    """Runs on a disk that is full: each must be refused in words, then go on to the same outputs with room."""
    children = children_of()
    if not (folder / "whole").exists():
        prepare(folder, scenes)
        children.said(work, str(folder), "whole", scenes, "", 0)
    counts: Counter[str] = Counter(tried=0, refused=0, went_on=0, same=0, kept=0)
    remarks: list[str] = []
    for size in sizes:
        out = f"full{size}"
        counts["tried"] += 1
        what, told = children.said(work_on_a_full_disk, str(folder), out, scenes, size)
        _note(counts, remarks, f"{size} bytes a file", what, told)
        counts["kept"] += recorded(folder / out)
        _again(children, folder, folder / out, scenes, counts)
    return dict(counts) | ({"remarks": remarks} if remarks else {})


def small_disks(folder: Path, scenes: int = SCENES, sizes: Sequence[int] = DISKS) -> dict[str, Any] | None:
    """The same on disks (tmpfs) that are too small, then larger; None where none may be mounted."""
    children = children_of()
    counts: Counter[str] = Counter(tried=0, refused=0, went_on=0, same=0, kept=0)
    remarks: list[str] = []
    for size in sizes:
        place = folder / f"disk{size}"
        place.mkdir()
        mounted = ["mount", "-t", "tmpfs", "-o", f"size={size}", "saccade", str(place)]
        if shutil.which("mount") is None or subprocess.run(mounted, capture_output=True, check=False).returncode:
            return None
        try:
            counts["tried"] += 1
            what, told = children.said(work, str(folder), f"{place.name}/out", scenes, "", 0)
            _note(counts, remarks, f"a disk of {size} bytes", what, told)
            counts["kept"] += recorded(place / "out")
            subprocess.run(["mount", "-o", "remount,size=100m", str(place)], check=True)
            _again(children, folder, place / "out", scenes, counts)
        finally:
            subprocess.run(["umount", str(place)], check=True)
    return dict(counts) | ({"remarks": remarks} if remarks else {})


def _note(counts: Counter[str], remarks: list[str], where: str, what: str, told: Any) -> None:
    if what == "refused" and "cannot be written" in str(told):
        counts["refused"] += 1
    else:
        remarks.append(f"{where}: {what} {told}")


def _again(children: Children, folder: Path, out: Path, scenes: int, counts: Counter[str]) -> None:
    what, _ = children.said(work, str(folder), str(out.relative_to(folder)), scenes, "", 0)
    counts["went_on"] += what == "done"
    counts["same"] += files_of(out) == files_of(folder / "whole")


def second_runner(folder: Path, scenes: int = SCENES) -> dict[str, Any]:
    """A run into a folder that another one holds: refused at once, and the first comes to its end undisturbed."""
    children = children_of()
    process, line = children.begin(work, str(folder), "held", scenes, "commit_before", 2)
    while line.recv()[0] != "at":
        pass
    what, told = children.said(work, str(folder), "held", scenes, "", 0)
    refused = what == "refused" and "Another run writes" in told
    process.kill()
    process.join()
    line.close()
    what, _ = children.said(work, str(folder), "held", scenes, "", 0)
    same = files_of(folder / "held") == files_of(folder / "whole")
    return {"refused": refused, "goes_on_when_the_first_is_gone": what == "done", "same": same}


def failures(report: dict[str, Any]) -> list[str]:
    """Which of the claims do not hold."""
    kills, found = report["kills"], []
    found += [f"kills: {name} {kills[name]}" for name in ("done_again", "differ", "failed") if kills[name]]
    for name in ("full_disks", "small_disks"):
        one = report[name]
        if one is not None and not one["tried"] == one["refused"] == one["went_on"] == one["same"]:
            found.append(f"{name}: {one}")
    return found + [f"second_runner: {name}" for name, good in report["second_runner"].items() if not good]


def measure() -> dict[str, Any]:
    """Counts of kills at random and aimed, of full disks, and of a second run."""
    moments = ["any"] * KILLS + [MOMENTS[at % len(MOMENTS)] for at in range(KILLS)]
    random.Random(1).shuffle(moments)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        report: dict[str, Any] = {"kills": harness(folder, moments)}
        report |= {"full_disks": full_disks(folder), "small_disks": small_disks(folder)}
        report["second_runner"] = second_runner(folder)
    return report | {"failures": failures(report)}


def table(report: dict[str, Any]) -> Table:
    """A line a figure."""
    drawn = Table("", "", title="kills of a task's run", title_justify="left")
    for name, one in report.items():
        for key, value in one.items() if isinstance(one, dict) else [("", one)]:
            drawn.add_row(f"{name} {key}".replace("_", " ").strip(), str(value))
    return drawn
