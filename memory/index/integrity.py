"""A seal on an index folder: what its files were when nothing was being written.

A process that is killed while Chroma writes its HNSW files leaves a graph that may load, answer, and end the
interpreter (or never end a search) at the next write: looking at it, even in a child process, does not tell.
So files are trusted only as they were sealed. Chroma writes HNSW files inside `upsert` alone, and nothing after it has
returned; its SQLite file also changes when it is opened, and is whole at any moment.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Literal

State = Literal["sealed", "touched", "torn"]
DATABASE = "chroma.sqlite3"


def state(folder: Path, seal: Path) -> State:
    """What became of a folder since it was sealed.

    Returns:
        "sealed": nothing; "touched": only the database has changed, as when a process is killed that had the index
        open and did not write to it; "torn": anything else, or there is no seal.
    """
    try:
        told = json.loads(seal.read_text("utf-8"))
    except (OSError, ValueError):
        return "torn"
    now = _facts(folder)
    if told == now:
        return "sealed"
    for facts in (told, now):
        facts.pop(DATABASE, None)
    return "touched" if told == now else "torn"


def put_seal(folder: Path, seal: Path) -> None:
    """Flush the files of a folder to the disk, and write down what they are."""
    for path in _files(folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    unfinished = seal.with_suffix(".tmp")
    with unfinished.open("w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        json.dump(_facts(folder), file)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(seal)


def _facts(folder: Path) -> dict[str, list[int]]:
    facts: dict[str, list[int]] = {}
    for path in _files(folder):
        stat = path.stat()
        facts[path.relative_to(folder).as_posix()] = [stat.st_size, stat.st_mtime_ns]
    return facts


def _files(folder: Path) -> list[Path]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in found if not path.name.startswith(f"{DATABASE}-")]  # SQLite's own journal comes and goes
