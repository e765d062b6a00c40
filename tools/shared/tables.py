"""Tables, and pairs of a label and its value, out of lines that were read: by where they stand, without a model.

Cells of a row overlap in height, cells of a column in width. Empty cells stay empty; a cell that reaches over several
columns stands in the first of them.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ...memory.records import Box
from .geometry import around, in_one_row
from .reading import Line, line_of

SAME_ROW = 0.45  # cells of which the lower one overlaps the other's height by more stand in one row
FEWEST_ROWS, FEWEST_COLUMNS = 2, 2  # of a table
NEAR = 0.5  # row heights: how far beyond its column's edges a cell may stand
ROWS_APART = 4.0  # row heights: with a wider gap between, a table ends


@dataclass(frozen=True)
class Table:
    """A table: `rows` are of one length, with "" where nothing stands; `box` is xyxy px of the whole picture."""

    rows: list[list[str]]
    box: Box

    @property
    def csv(self) -> str:
        """The rows as CSV (RFC 4180), with LF line ends."""
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(self.rows)
        return out.getvalue()


@dataclass(frozen=True)
class Pair:
    """A label and its value, as on receipts and forms: "Total: 41.20"."""

    label: str
    value: str
    box: Box


def tables_in(lines: Sequence[Line]) -> list[Table]:
    """The tables among lines, from the top; the largest number of columns that its rows agree on makes each."""
    rows = rows_of(lines)
    runs: list[list[list[Line]]] = [[]]
    for row in rows:
        before = runs[-1][-1] if runs[-1] else None
        if before is not None and _top(row) - _bottom(before) > ROWS_APART * _height(row):
            runs.append([])
        if len(row) >= FEWEST_COLUMNS or (runs[-1] and _inside(row, runs[-1])):
            runs[-1].append(row)
        elif runs[-1]:
            runs.append([])
    found = []
    for run in runs:
        while run and len(run[-1]) < FEWEST_COLUMNS:
            run.pop()
        columns = _columns(run)
        if len(run) >= FEWEST_ROWS and len(columns) >= FEWEST_COLUMNS:
            found.append(Table([_cells(row, columns) for row in run], around([one.box for row in run for one in row])))
    return found


def pairs_in(lines: Sequence[Line]) -> list[Pair]:
    """Labels with their values: rows of two cells, and lines with a colon."""
    pairs: list[Pair] = []
    for row in rows_of(lines):
        for line in row:
            label, colon, value = line.text.partition(":")
            if colon and label.strip() and value.strip() and not re.match(r"\d\d", value):  # a time is no pair
                pairs.append(Pair(label.strip(), value.strip(), line.box))
        bare = [line for line in row if not re.search(r":\s*\S", line.text)]
        if len(bare) == len(row) == 2:
            pairs.append(Pair(row[0].text.rstrip(" :.\u2026"), row[1].text, around([one.box for one in row])))
    return pairs


def rows_of(lines: Sequence[Line]) -> list[list[Line]]:
    """Lines that stand in one row, rows from the top and, in a row, from the left."""
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda one: one.place[1] + one.place[3]):
        if rows and any(in_one_row(other.place, line.place, SAME_ROW) for other in rows[-1]):
            rows[-1].append(line)
        else:
            rows.append([line])
    for row in rows:
        row.sort(key=lambda one: one.place[0])
    return rows


def _columns(run: Sequence[Sequence[Line]]) -> list[tuple[float, float]]:
    """The (left, right) edges of columns: cells of the rows that have most cells, widened by what else fits in one."""
    if not run:
        return []
    most = max(len(row) for row in run)
    full = [row for row in run if len(row) == most]
    columns = [(min(row[at].place[0] for row in full), max(row[at].place[2] for row in full)) for at in range(most)]
    for (_, right), (left, _) in pairwise(columns):
        if left < right:  # the rows with most cells disagree about where columns are
            first = full[0]
            columns = [(cell.place[0], cell.place[2]) for cell in first]
            break
    return columns


def _cells(row: Sequence[Line], columns: Sequence[tuple[float, float]]) -> list[str]:
    cells = [""] * len(columns)
    for line in [part for whole in row for part in _apart(whole, columns)]:
        at = _column_of(line, columns)
        cells[at] = f"{cells[at]} {line.text}".strip()
    return cells


def _apart(line: Line, columns: Sequence[tuple[float, float]]) -> list[Line]:
    """A line cut where the rest of it fits into a column of its own: cells so near that they were read as one line."""
    for number in range(1, len(line.words)):
        first, rest = line_of(line.words[:number]), line_of(line.words[number:])
        slack = NEAR * (line.place[3] - line.place[1])
        if any(
            first.place[0] < left - slack and first.place[2] < rest.place[0]
            and left - slack <= rest.place[0] and rest.place[2] <= right + slack
            for left, right in columns
        ):  # fmt: skip
            return [first, *_apart(rest, columns)]
    return [line]


def _column_of(line: Line, columns: Sequence[tuple[float, float]]) -> int:
    """The first column that a line overlaps clearly, else the nearest."""
    left, right = line.place[0], line.place[2]
    shares = [min(right, end) - max(left, begin) for begin, end in columns]
    clear = [at for at, share in enumerate(shares) if share > 0.5 * min(right - left, columns[at][1] - columns[at][0])]
    if clear:
        return clear[0]
    middle = (left + right) / 2
    return min(range(len(columns)), key=lambda at: abs((columns[at][0] + columns[at][1]) / 2 - middle))


def _inside(row: Sequence[Line], run: Sequence[Sequence[Line]]) -> bool:
    """Whether a row of one cell stands under a column of the table so far, as where the other cells are empty."""
    if not any(len(one) >= FEWEST_COLUMNS for one in run):
        return False
    (left, _), (_, right) = (columns := _columns(run))[0], columns[-1]
    widest = max(end - begin for begin, end in columns)
    box = row[0].place
    return left - 2 <= box[0] and box[2] <= right + 2 and box[2] - box[0] <= 1.2 * widest


def _top(row: Sequence[Line]) -> float:
    return min(line.place[1] for line in row)


def _bottom(row: Sequence[Line]) -> float:
    return max(line.place[3] for line in row)


def _height(row: Sequence[Line]) -> float:
    return max(line.place[3] - line.place[1] for line in row)
