"""A writing process is killed again and again; what it had acknowledged must be there, whole, each time.

A child remembers pictures and tells each id that it has got back. It is killed with SIGKILL at random, and at moments
that are chosen: stopped between the file and the ledger, around and inside the ledger's COMMIT, around and
inside a write to Chroma, while Chroma's own HNSW files are changing on the disk, in the middle of
forgetting, of beginning a new index, and of a repair. Another child then opens what is left, lets it repair itself,
and counts. Both sides use the same HNSW settings and the same pictures; on the raw side files lie beside a
Chroma collection that is the only truth.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from . import kill_workers as kill_sides
from .children import Children
from .kill_workers import MOMENTS, OTHER, OWNER, RAW_MOMENTS

KILLS = 238  # of each side: as many at each moment
HOME_LASTS = 14  # kills; then a new home is begun, so that homes of all ages are met
LONGEST = 2.5  # seconds that a writer is let write before it is killed "at any moment"
OVERDUE = 60.0  # seconds after which a writer that does not come to its moment is killed wherever it is
PATIENCE = 120.0  # seconds in which what is left must have been opened, repaired and read
CALLS_AT_ONCE = 15  # calls of each of the writers at once
HARM = ("lost", "returned", "unfound", "torn", "index_differs", "unhealthy")


@dataclass
class Side:
    """One way to keep pictures, and what became of it."""

    name: str
    write: Callable[..., None]
    examine: Callable[..., None]
    moments: tuple[str, ...]
    folder: Path
    kept: kill_sides.Kept = field(default_factory=dict)  # of the home at hand
    forgot: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    at: Counter[str] = field(default_factory=Counter)  # kills by moment
    harmed: Counter[str] = field(default_factory=Counter)  # kills by moment after which something was amiss
    remarks: list[str] = field(default_factory=list)  # what was amiss, in words
    age: int = 0

    def begin(self) -> None:
        """A new home."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.kept, self.forgot, self.age = {}, [], 0

    def note(self, seed: int, what: str, value: Any) -> None:
        """Take down what a writer said."""
        if what == "kept":
            self.kept |= {one: (OWNER, seed, number) for one, number in value}
            self.counts["acknowledged"] += len(value)
        elif what == "forgetting":  # from here on it may be gone
            self.kept.pop(value)
        elif what == "forgot":
            self.forgot.append(value)


def children_of() -> Children:
    """Processes that have what writers need."""
    return Children(["chromadb", kill_sides.__name__], PATIENCE)


def kill_one(children: Children, side: Side, moment: str, seed: int) -> None:
    """Start a writer, kill it at a moment, and note what it had acknowledged by then."""
    random = np.random.default_rng([7, seed])
    often = moment.startswith(("commit", "picture"))
    after = int(random.integers(1, 40 if often else 4 if moment.startswith(("index_begun", "forgetting")) else 8))
    process, line = children.begin(side.write, str(side.folder), seed, moment, after)
    begun = time.monotonic()
    let = random.uniform(0, LONGEST if moment == "any" else 0.5)
    pause = random.choice([0, 0.0005, 0.002, 0.01, 0.03]) * random.uniform(0, 1)
    watched = moment in ("index_files_changing", "repairing")
    files: dict[str, tuple[int, int]] = {}
    first: float | None = None
    died = False  # by itself
    while True:
        now = time.monotonic()
        if (moment == "opening" and now - begun > let) or (moment == "any" and first and now - first > let):
            break
        if watched and first is not None and _changed(side.folder, files):
            after -= 1
            if after <= 0:
                break
        if now - begun > OVERDUE:
            moment = "any"
            break
        if not line.poll(0 if watched and first is not None else 0.005):
            continue
        try:
            what, value = line.recv()
        except EOFError:
            died = True
            break
        side.note(seed, what, value)
        if what == "kept":
            first = first or time.monotonic()
        elif what == "at":
            if moment.endswith("_during"):
                time.sleep(pause)
            break
    if died:
        process.join(OVERDUE)
    process.kill()
    process.join()
    if process.exitcode != -9:
        side.counts["writers_that_failed"] += 1
        side.remarks.append(f"writer {seed}, to be killed at {moment}, ended by itself with {process.exitcode}")
    try:
        while line.poll(0):  # what it said before it died
            side.note(seed, *line.recv())
    except (EOFError, OSError):
        pass
    line.close()
    if moment == "repairing":
        process, line = children.begin(side.examine, str(side.folder), side.kept, side.forgot)
        time.sleep(random.uniform(0, 2))
        process.kill()
        process.join()
        line.close()
    side.at[moment] += 1
    side.age += 1


def _changed(folder: Path, files: dict[str, tuple[int, int]]) -> bool:
    """Whether a file of an HNSW index has changed since the last look."""
    changed = False
    for path in (folder / "chroma").rglob("*.bin"):
        try:
            stat = path.stat()
        except OSError:
            continue
        now = (stat.st_mtime_ns, stat.st_size)
        changed = changed or files.get(str(path), now) != now
        files[str(path)] = now
    return changed


def look(children: Children, side: Side, moment: str) -> None:
    """Open what is left, let it repair itself, and count."""
    begun = time.monotonic()
    found = children.answer(side.examine, str(side.folder), side.kept, side.forgot)
    side.counts["longest_reopening_s"] = max(side.counts["longest_reopening_s"], round(time.monotonic() - begun))
    if found is None:  # it cannot be read, or reading it ends the interpreter
        found = {"lost": len(side.kept), "unreadable": 1, "unhealthy": 1}
    if remark := found.pop("remark", ""):
        side.remarks.append(f"{moment}: {remark}")
    side.counts.update({name: int(value) for name, value in found.items() if name != "vectors"})
    if any(found.get(name, 0) for name in HARM):
        side.harmed[moment] += 1
        side.begin()  # each harm is counted once
    elif side.age >= HOME_LASTS:
        side.begin()


def several_at_once(children: Children, folder: Path, writers: int = 2, calls: int = CALLS_AT_ONCE) -> dict[str, int]:
    """Processes that write to one home at once, for two owners; nothing may be lost or torn."""
    folder.mkdir()
    kept: kill_sides.Kept = {}
    begun = [
        (owner, seed, *children.begin(kill_sides.write_some, str(folder), seed, owner, calls))
        for seed, owner in enumerate((OWNER, OTHER, OWNER, OTHER)[:writers])
    ]
    failed = 0
    for owner, seed, process, line in begun:
        try:
            while True:
                what, value = line.recv()
                if what == "kept":
                    kept |= {one: (owner, seed, number) for one, number in value}
        except EOFError:
            pass
        process.join()
        failed += process.exitcode != 0
        line.close()
    found = children.answer(kill_sides.examine_ours, str(folder), kept, [])
    report = {"writers": writers, "acknowledged": len(kept), "writers_that_failed": failed}
    return report | (found or {"unreadable": 1, "lost": len(kept)})


def harness(folder: Path, kills: int, raw_kills: int) -> tuple[Side, Side, Children]:
    """Kill both sides' writers, each side at its moments in turn."""
    children = children_of()
    ours = Side("ours", kill_sides.write_ours, kill_sides.examine_ours, MOMENTS, folder / "ours")
    raw = Side("raw", kill_sides.write_raw, kill_sides.examine_raw, RAW_MOMENTS, folder / "raw")
    for side in (ours, raw):
        side.begin()

    def go(side: Side, most: int) -> None:
        for number in range(most):
            moment = side.moments[number % len(side.moments)]
            kill_one(children, side, moment, 1000 + number)
            look(children, side, moment)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(go, ours, kills), pool.submit(go, raw, raw_kills)]:
            done.result()
    return ours, raw, children


def told(side: Side) -> dict[str, Any]:
    """The counts of a side."""
    names = ["acknowledged", "lost", "unfound", "torn", "unreadable"]
    if side.name == "ours":
        names += ["returned", "index_differs", "unhealthy", "repaired"]
    report: dict[str, Any] = {"kills": sum(side.at.values())} | {name: side.counts[name] for name in names}
    report |= {name: side.counts[name] for name in ("writers_that_failed", "longest_reopening_s")}
    report |= {"kills_by_moment": dict(side.at), "harm_by_moment": dict(side.harmed)}
    return report | ({"remarks": side.remarks} if side.remarks else {})


def table(report: dict[str, Any]) -> Table:
    """Both sides, side by side."""
    ours, raw = report["with_the_ledger"], report["chroma_alone"]
    drawn = Table("", "with the ledger", "Chroma alone", title="kills", title_justify="left")
    for name, value in ours.items():
        if isinstance(value, int):
            drawn.add_row(name.replace("_", " "), str(value), str(raw.get(name, "-")))
    for moment, count in ours["kills_by_moment"].items():
        cells = [
            f"{side['harm_by_moment'].get(moment, 0)} of {side['kills_by_moment'].get(moment, 0)}"
            for side in (ours, raw)
        ]
        drawn.add_row(f"harmed, killed at {moment}" if count else "", *cells)
    for several in ("two_writers_at_once", "four_writers_at_once"):
        found = report[several]
        told = ", ".join(f"{name} {found.get(name, 0)}" for name in ("acknowledged", *HARM))
        drawn.add_row(several.replace("_", " "), told, "-")
    return drawn


def failures(report: dict[str, Any]) -> list[str]:
    """Which of the claims do not hold."""
    ours, raw = report["with_the_ledger"], report["chroma_alone"]
    found = [f"{name}: {ours[name]}" for name in (*HARM, "unreadable", "writers_that_failed") if ours[name]]
    if not raw["lost"]:
        found.append("Chroma alone lost nothing: the harness proves nothing")
    for several in ("two_writers_at_once", "four_writers_at_once"):
        found += [f"{several}: {name}" for name in (*HARM, "writers_that_failed") if report[several].get(name)]
    return found


def measure() -> dict[str, Any]:
    """Counts with the ledger, with Chroma alone, and of writers at once."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        ours, raw, children = harness(Path(name), KILLS, KILLS)
        report: dict[str, Any] = {
            "with_the_ledger": told(ours),
            "chroma_alone": told(raw),
            "two_writers_at_once": several_at_once(children, Path(name) / "two"),
            "four_writers_at_once": several_at_once(children, Path(name) / "four", 4),
        }
    return report | {"failures": failures(report)}
