"""The picture files that paths, folders and patterns lead to; what is left out is counted and told."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import UserError

ENDINGS = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".avif", ".heic", ".heif", ".hif", ".bmp", ".gif", ".tif",
     ".tiff"}
)  # fmt: skip
# Folders in which programs keep small copies and notes of their own.
_SYSTEM = frozenset({"@eadir", "__macosx", "lost+found", "$recycle.bin", "system volume information"})


@dataclass
class Found:
    """What was found.

    Attributes:
        files: each once, whatever paths lead to it, in the order of their names.
        bad: {path, error} for what leads to nothing.
        left_out: what was passed over, in words, and how often.
    """

    files: list[Path] = field(default_factory=list)
    bad: list[dict[str, str]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def find_files(given: Sequence[str], home: Path) -> Found:
    """The picture files that paths, folders and globs lead to.

    Folders are gone through with all that is in them, linked folders too, each once. Of what they hold only files with
    a picture's ending are taken, nothing hidden, nothing that a system keeps for itself, and nothing under the home
    folder. A file that is named itself is taken whatever it is called.

    Raises:
        UserError: nothing leads anywhere (kind "nothing_matched").
    """
    found = Found()
    inside = home.resolve()
    files: dict[Path, Path] = {}  # where a file really is -> the path that led there first
    for text in given:
        path = Path(text).expanduser()
        why = f"{text!r}: there is no such file or folder, and as a pattern it matches no picture."
        if path.is_dir():
            some = list(_walk(path, inside, found.left_out))
            why = f"{text!r} is a folder without pictures ({', '.join(sorted(ENDINGS))})."
        elif path.exists():
            some = [path]
        else:
            matches = sorted(Path(one) for one in glob.glob(str(path), recursive=True))  # noqa: PTH207 (patterns may be absolute)
            some = [
                one
                for match in matches
                for one in (_walk(match, inside, found.left_out) if match.is_dir() else [match])
                if one.suffix.lower() in ENDINGS
            ]
        if not some:
            found.bad.append({"path": text, "error": why})
        for one in some:
            if files.setdefault(one.resolve(), one) is not one:
                found.left_out["files that were named or linked twice"] += 1
    if not files:
        raise UserError(
            f"Nothing to index: {' '.join(one['error'] for one in found.bad)} Try: saccade index FOLDER",
            kind="nothing_matched",
        )
    found.files = list(files.values())
    return found


def _walk(folder: Path, without: Path, left_out: Counter[str]) -> Iterator[Path]:
    seen = {folder.resolve()}
    for place, folders, names in os.walk(folder, followlinks=True):
        here = Path(place)
        kept: list[str] = []
        for name in sorted(folders):
            real = (here / name).resolve()
            if name.startswith(".") or name.lower() in _SYSTEM:
                left_out["hidden and system folders"] += 1
            elif real in seen:
                left_out["folders that were gone through already"] += 1
            elif real != without:
                seen.add(real)
                kept.append(name)
        folders[:] = kept
        for name in sorted(names):
            ending = Path(name).suffix.lower()
            if ending not in ENDINGS:
                left_out["files that are no pictures"] += 1
            elif name.startswith("."):
                left_out["hidden files"] += 1
            else:
                yield here / name
