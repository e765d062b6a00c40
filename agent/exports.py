"""Copies of what a reply shows, in a folder of the person's own."""

from __future__ import annotations

from itertools import count
from pathlib import Path


def export(path: Path, folder: Path, name: str) -> Path:
    """Copy a file into a folder and say where it lies there.

    Another conversation's picture may have the same name: then the copy is called `name-2.png` and so on. The same
    bytes are not copied twice.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content, stem, suffix = path.read_bytes(), Path(name).stem, Path(name).suffix
    for number in count(1):
        copy = folder / (name if number == 1 else f"{stem}-{number}{suffix}")
        try:
            with copy.open("xb") as file:
                file.write(content)
        except FileExistsError:
            if not copy.is_file() or copy.read_bytes() != content:
                continue
        return copy
    raise AssertionError("count() does not end")
