"""What stands in the words that a reader read: lines, a line that says something, and the value beside or below it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby

from ...memory.records import Box
from ...queries.space import gap
from ..contracts import ToolContext
from ..look import Look, look
from ..requests import Read, Word
from .finding import MARGIN
from .geometry import around, in_one_row

ALIKE = 0.84  # how alike words must be that are taken for the same, misread or mistyped
SAME_ROW = 0.4  # lines of which the lower one overlaps the other's height by more stand in one row
BESIDE = 0.12  # how far from a thing its sign stands, as a share of the picture's longer side
BELOW = 2.5  # line heights down to which something stands below a line


@dataclass(frozen=True)
class Line:
    """Words without a wide gap between them.

    Attributes:
        text: the words.
        box: xyxy px of the whole picture.
        score: 0..1, of its words.
        block: lines that stand together have one number; None: the reader tells none.
        straight: where it would stand on the page turned upright; None: as `box` says.
        words: its words, where there are several.
    """

    text: str
    box: Box
    score: float
    block: int | None = None
    straight: Box | None = None
    words: tuple[Word, ...] = ()

    @property
    def place(self) -> Box:
        """Where it stands among the other lines, whichever way the page is turned or tilted."""
        return self.straight or self.box


@dataclass(frozen=True)
class Entry:
    """A line that says what was looked for, the rest of it, and what stands to its right and below.

    `value` is what one would give as the answer: the rest of the line where it holds a figure, else the line to the
    right, else the one below.
    """

    line: Line
    rest: str
    right: Line | None
    below: Line | None

    @property
    def value(self) -> Line | str | None:
        """The value of a label: text of the line itself, or another line."""
        if re.search(r"\d", self.rest):
            return self.rest
        return self.right or self.below or self.rest or None


def read_lines(context: ToolContext, handle: str) -> tuple[Look, list[Line]]:
    """The lines in a picture or a region, in reading order, and what was looked at; see `read_each`."""
    return read_each(context, [handle])[0]


def read_each(context: ToolContext, handles: Sequence[str]) -> list[tuple[Look, list[Line]]]:
    """The lines in pictures or regions, in reading order, and what was looked at; read together.

    Raises:
        ToolRetry: no such handle.
        ExpertFailed: the reader failed, is not installed, or does not know such pictures.
    """
    looks = [look(context, handle, MARGIN, judge="reader") for handle in handles]
    read = context.experts.ask("reader", [Read(seen.view) for seen in looks])
    return [(seen, lines_of(words)) for seen, words in zip(looks, read, strict=True)]


def read_beside(context: ToolContext, seen: Look) -> list[Line]:
    """What is written nearest to a region that has no words of its own: on the sign that stands beside a thing.

    The lines of the block that stands nearest, in reading order; none where nothing is written within `BESIDE` of the
    picture's longer side. Nothing beside a whole picture.

    Raises:
        ExpertFailed: the reader failed.
    """
    if seen.view.whole:
        return []
    box, far = context.place(seen.handle)[1], BESIDE * max(seen.picture.size)
    lines = read_lines(context, str(seen.picture.handle))[1]
    nearest = min(lines, key=lambda line: gap(line.box, box), default=None)
    if nearest is None or gap(nearest.box, box) > far:
        return []
    return [line for line in lines if line is nearest or (line.block is not None and line.block == nearest.block)]


def lines_of(words: Sequence[Word]) -> list[Line]:
    """Words in reading order as lines; those of readers that tell no lines stand alone."""
    lines: list[Line] = []
    numbers = [-1 - at if word.line is None else word.line for at, word in enumerate(words)]
    for _, group in groupby(zip(numbers, words, strict=True), key=lambda one: one[0]):
        lines.append(line_of([word for _, word in group]))
    return lines


def line_of(words: Sequence[Word]) -> Line:
    """One line of words."""
    score = sum(word.score * len(word.text) for word in words) / max(1, sum(len(word.text) for word in words))
    straight = [word.straight for word in words if word.straight is not None]
    return Line(
        " ".join(word.text for word in words),
        around([word.box for word in words]),
        score,
        words[0].block,
        around(straight) if len(straight) == len(words) else None,
        tuple(words) if len(words) > 1 else (),
    )


def saying(lines: Sequence[Line], phrase: str) -> list[Entry]:
    """The lines that say a phrase, whatever its case, accents and punctuation; misread letters are forgiven.

    Those that say it to the letter come first, and of these the ones that say little else.
    """
    wanted = tokens(phrase)
    if not wanted:
        return []
    found: list[tuple[float, int, Entry]] = []
    for at, line in enumerate(lines):
        words = line.text.split()
        bare = [" ".join(tokens(word)) for word in words]
        fits, end = _fit(bare, wanted)
        if fits >= ALIKE:
            rest = " ".join(words[end:]).strip(" :=-.\u2013")
            found.append((-round(fits, 2), at, Entry(line, rest, _right_of(line, lines), _below(line, lines))))
    found.sort(key=lambda one: (one[0], len(one[2].line.text) - len(one[2].rest), one[1]))
    return [said for _, _, said in found]


def tokens(text: str) -> list[str]:
    """Words of a text as they are compared: letters and digits, without accents and in lower case."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(char))
    return re.findall(r"[^\W_]+", plain)


def _fit(words: Sequence[str], wanted: Sequence[str]) -> tuple[float, int]:
    """How well a run of words fits those wanted, 0..1, and where the best run ends."""
    best, end = 0.0, 0
    phrase = " ".join(wanted)
    for start in range(len(words)):
        for stop in range(start + 1, min(len(words), start + len(wanted) + 1) + 1):
            run = " ".join(word for word in words[start:stop] if word)
            fits = 1.0 if run == phrase else SequenceMatcher(None, run, phrase, autojunk=False).ratio() - 0.001
            if fits > best:
                best, end = fits, stop
    return best, end


def _right_of(line: Line, lines: Sequence[Line]) -> Line | None:
    """The next line in the same row."""
    height = line.place[3] - line.place[1]
    beside = [
        other for other in lines
        if other is not line and other.place[0] >= line.place[2] - 0.3 * height
        and in_one_row(line.place, other.place, SAME_ROW)
    ]  # fmt: skip
    return min(beside, key=lambda other: other.place[0], default=None)


def _below(line: Line, lines: Sequence[Line]) -> Line | None:
    """The next line under it, of those that share some of its width."""
    height = line.place[3] - line.place[1]
    under = [
        other for other in lines
        if other.place[1] >= line.place[3] - 0.4 * height and other.place[1] - line.place[3] < BELOW * height
        and min(line.place[2], other.place[2]) > max(line.place[0], other.place[0])
    ]  # fmt: skip
    return min(under, key=lambda other: other.place[1], default=None)
