"""The picture files that paths, folders and patterns lead to; what is left out is counted and told."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import UserError
from ..names import existing, refuse_address

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
        try:
            refuse_address(text)
        except UserError as error:
            found.bad.append({"path": text, "error": error.message})
            continue
        path = existing(Path(text).expanduser())
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
                if not _is_under(match, inside, found.left_out)
                for one in (_walk(match, inside, found.left_out) if match.is_dir() else [match])
                if _is_picture(one.name, found.left_out)
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

    def unreadable(error: OSError) -> None:
        left_out["folders that cannot be read"] += 1

    for place, folders, names in os.walk(folder, onerror=unreadable, followlinks=True):
        here = Path(place)
        kept: list[str] = []
        for name in sorted(folders):
            real = (here / name).resolve()
            if name.startswith(".") or name.lower() in _SYSTEM:
                left_out["hidden and system folders"] += 1
            elif real in seen:
                left_out["folders that were gone through already"] += 1
            elif real == without:
                left_out["Saccade's own folder"] += 1
            else:
                seen.add(real)
                kept.append(name)
        folders[:] = kept
        for name in sorted(names):
            if _is_picture(name, left_out):
                yield here / name


def _is_under(path: Path, home: Path, left_out: Counter[str]) -> bool:
    """Whether a pattern led into the home folder; it is counted then."""
    real = path.resolve()
    if real != home and home not in real.parents:
        return False
    left_out["Saccade's own folder"] += real == home or path.suffix.lower() in ENDINGS
    return True


def _is_picture(name: str, left_out: Counter[str]) -> bool:
    """Whether a file is taken by its name; else it is counted."""
    if Path(name).suffix.lower() not in ENDINGS:
        left_out["files that are no pictures"] += 1
    elif name.startswith("."):
        left_out["hidden files"] += 1
    else:
        return True
    return False
