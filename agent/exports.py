"""Copies of what a reply shows, in a folder of the person's own."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

from ..memory.recipes import with_recipe


def export(path: Path, folder: Path, name: str, recipe: dict[str, Any] | None = None) -> Path:
    """Copy a file into a folder and say where it lies there.

    Another conversation's picture may have the same name: then the copy is called `name-2.png` and so on. The same
    bytes are not copied twice. A PNG with a `recipe` (see `memory.recipes`) carries it as a text.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content, stem, suffix = path.read_bytes(), Path(name).stem, Path(name).suffix
    content = content if recipe is None else with_recipe(content, recipe)
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
