"""The rows of files that were taken in from folders: under which names a picture is found now."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .memory_rows import touch, write_texts


@dataclass(frozen=True)
class FileRow:
    """A file as it was when it was taken in."""

    path: str  # absolute, links as they were given
    size: int
    changed: int  # nanoseconds
    picture: str


def names_of(db: sqlite3.Connection, owner: str, picture: str) -> list[str]:
    """The paths under which an owner's picture was taken in."""
    sql = "SELECT path FROM files WHERE owner = ? AND picture = ? ORDER BY path"
    return [row[0] for row in db.execute(sql, (owner, picture))]


def note_files(db: sqlite3.Connection, owner: str, files: Iterable[FileRow]) -> set[str]:
    """Inside a transaction: note which pictures files are.

    A path that was another picture's is so no longer; of a picture's other paths, those that lead nowhere any more
    (it was moved) are no names of it.

    Returns:
        The pictures whose names are others now than they were.
    """
    other: set[str] = set()
    met: set[str] = set()
    for one in files:
        row = db.execute("SELECT picture FROM files WHERE owner = ? AND path = ?", (owner, one.path)).fetchone()
        if row is None or row[0] != one.picture:
            other |= {one.picture} | ({row[0]} if row else set())
        db.execute(
            "INSERT OR REPLACE INTO files (owner, path, size, changed, picture) VALUES (?, ?, ?, ?, ?)",
            (owner, one.path, one.size, one.changed, one.picture),
        )
        met.add(one.picture)
    for picture in met:
        names = names_of(db, owner, picture)
        for name in names if len(names) > 1 else ():
            if not os.path.lexists(name):
                db.execute("DELETE FROM files WHERE owner = ? AND path = ?", (owner, name))
                other.add(picture)
    return other


def write_names(db: sqlite3.Connection, owner: str, picture: str) -> None:
    """Inside a transaction: what is remembered of a picture gets the names that the picture has now."""
    rows = db.execute("SELECT id, source FROM memories WHERE owner = ? AND picture = ?", (owner, picture)).fetchall()
    names = names_of(db, owner, picture)
    for row in rows:
        source = row["source"]
        stays = source is None or source in names or not Path(source).is_absolute() or os.path.lexists(source)
        if names and not stays:
            db.execute("UPDATE memories SET source = ? WHERE id = ?", (names[0], row["id"]))
            db.execute(
                "UPDATE holdings SET source = ? WHERE owner = ? AND picture = ? AND source = ?",
                (names[0], owner, picture, source),
            )
        write_texts(db, row["id"])
        touch(db, row["id"])
