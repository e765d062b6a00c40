"""Pictures that are named in a sentence: "how many stars are in my photos/a b.png?" is prose, not a command line."""

from __future__ import annotations

import os
import re
from itertools import islice
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ..memory.pictures.files import ENDINGS

_WORD = re.compile(r"(?:\\.|\S)+")  # with escaped blanks
MOST_BLANKS = 11  # in a name
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_QUOTES = {'"': '"', "'": "'", "\u201c": "\u201d", "\u2018": "\u2019", "\u00ab": "\u00bb", "`": "`"}
_AFTER = ".,;:!?)]}\u2026"  # that ends a sentence or a part of it, and no name of a file
# After these words a name stands for the picture; elsewhere it only comes with the sentence.
_NAMED_BY = frozenset(
    """
    about and at between by compare crop cut describe does for from has have in inside into is like of on open or
    outline over read resize show than to under upon with
    """.split()  # noqa: SIM905
)


def split_pictures(line: str) -> tuple[str, list[Path]]:
    """Take the pictures out of what someone typed: the sentence without them, and their paths.

    A name may stand anywhere, with punctuation behind it, in quotes, with blanks in it where there is such a file, with
    escaped blanks as a terminal's drag and drop writes them, or as `file://`. Apostrophes, quotes and backslashes of
    the sentence itself stay as they are. Where the sentence speaks of the picture by its name ("in a.png"), it speaks
    of "the picture" then.
    """
    found: list[tuple[int, int, Path]] = []
    at = 0
    while at < len(line):
        one = _picture_at(line, at)
        if one is None:
            at += 1
        else:
            found.append((at, *one))
            at = one[0]
    if not found:
        return line, []
    text, done = "", 0
    for first, last in _runs(line, found):
        start, end = found[first][0], found[last][1]
        text += line[done:start]
        before = re.findall(r"[\w']+", text)
        text += _said(first, last, len(found)) if before and before[-1].lower() in _NAMED_BY else ""
        done = end
    text += line[done:]
    return re.sub(r"\s+([.,;:!?)\]])", r"\1", re.sub(r"[ \t]{2,}", " ", text)).strip(), [path for _, _, path in found]


def _runs(line: str, found: list[tuple[int, int, Path]]) -> list[tuple[int, int]]:
    """The first and the last of names that stand together, as in "a.png, b.png and c.png"."""
    runs: list[tuple[int, int]] = []
    for number, (start, _, _) in enumerate(found):
        between = line[found[number - 1][1] : start] if number else "."
        if re.fullmatch(r"[\s,&+]*(?:and|with|to|or)?\s*", between, re.IGNORECASE):
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs


def _said(first: int, last: int, every: int) -> str:
    """How pictures are called that stood there by their names."""
    if every == 1:
        return "the picture"
    if last - first + 1 == every:
        return f"the {every} pictures"
    return " and ".join(f"the {_ORDINALS[min(number, 9)]} picture" for number in range(first, last + 1))


def _picture_at(line: str, at: int) -> tuple[int, Path] | None:
    """The picture whose name begins here: where it ends, and its path."""
    if at and not (line[at - 1].isspace() or line[at - 1] in "(["):
        return None
    close = _QUOTES.get(line[at])
    if close is not None:
        end = line.find(close, at + 1)
        while end >= 0 and not _is_picture(line[at + 1 : end]):
            end = line.find(close, end + 1)
        return None if end < 0 else (end + 1, _path(line[at + 1 : end]))
    if line[at].isspace():
        return None
    ends = [match.end() for match in islice(_WORD.finditer(line, at), MOST_BLANKS + 1)]
    first: tuple[int, Path] | None = None
    for end in ends:  # the name up to the first blank, then with one blank more, and so on
        name = line[at:end].rstrip(_AFTER)
        if _is_picture(name):
            path = _path(name)
            if _is_file(path):
                return at + len(name), path
            if first is None and not re.search(r"(?<!\\)\s", name):
                first = at + len(name), path  # there is no such file: that is for the reader of pictures to say
    return first


def _is_picture(name: str) -> bool:
    return Path(name).suffix.lower() in ENDINGS and len(Path(name).name) > len(Path(name).suffix)


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 (Path.is_file raises for a name that is too long)


def _path(name: str) -> Path:
    if name.lower().startswith("file://"):
        name = unquote(urlsplit(name).path)
    path = Path(name)
    if "\\" in name and not _is_file(path):
        path = Path(re.sub(r"\\(.)", r"\1", name))
    try:
        return path.expanduser()
    except RuntimeError:  # "~nobody/cat.png", where there is no such user
        return path
