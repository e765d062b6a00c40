"""Where words stand: lines, blocks and reading order, from the corners of what was read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from ....memory.records import Box
from ...requests import Word
from ...shared.geometry import around, in_one_row

SAME_ROW = 0.5  # words whose heights overlap by more of the lower one stand in one row
GAP = 1.3  # a wider gap between words, in heights, ends a line: a column or a value begins
APART = 1.0  # a wider gap between rows, in heights, ends a block
COLUMN = 3  # rows that a column of running text has at least, and words that its rows have in the mean


@dataclass(frozen=True)
class Piece:
    """A word as it was found.

    Attributes:
        text: the word.
        score: how sure it is, 0..1.
        corners: (4, 2) pixels: where the word begins at its top, and from there clockwise as it is read.
    """

    text: str
    score: float
    corners: np.ndarray

    @property
    def box(self) -> Box:
        """The upright box around it."""
        (x0, y0), (x1, y1) = self.corners.min(0), self.corners.max(0)
        return float(x0), float(y0), float(x1), float(y1)


def arranged(pieces: Sequence[Piece]) -> list[Word]:
    """Words in reading order, numbered by line and block.

    They are put in order as they would stand on an upright page: turned and tilted pages are read as they run.
    Rows go from the top; where text runs in columns, column by column.
    """
    if not pieces:
        return []
    upright: list[Box] = [(*one.min(0), *one.max(0)) for one in _upright(np.stack([one.corners for one in pieces]))]
    return [
        Word(pieces[at].text, pieces[at].box, pieces[at].score, line, block, upright[at])
        for at, line, block in _order(upright)
    ]


def reading_order(words: Sequence[Word]) -> list[Word]:
    """The same for words that stand upright, given by their boxes."""
    order = _order([word.box for word in words])
    return [replace(words[at], line=line, block=block) for at, line, block in order]


def _order(boxes: Sequence[Box]) -> list[tuple[int, int, int]]:
    """Positions among boxes in reading order, each with its line and its block."""
    lines = _lines(boxes)
    blocks = _blocks([around([boxes[at] for at in line]) for line in lines], [len(line) for line in lines])
    ordered = [(line, block) for block, members in enumerate(blocks) for line in members]
    return [(at, number, block) for number, (line, block) in enumerate(ordered) for at in lines[line]]


def _upright(corners: np.ndarray) -> np.ndarray:
    """(n, 4, 2) corners turned so that most text runs from left to right."""
    along = corners[:, 1] - corners[:, 0]
    length = np.linalg.norm(along, axis=1)
    angles = np.arctan2(along[:, 1], along[:, 0])
    long = np.argsort(-length)[: max(1, len(length) // 3)]  # short words tell little of the angle
    mean = np.arctan2(np.median(np.sin(angles[long])), np.median(np.cos(angles[long])))
    turn = np.array([[np.cos(mean), -np.sin(mean)], [np.sin(mean), np.cos(mean)]])
    return corners @ turn


def _lines(boxes: Sequence[Box]) -> list[list[int]]:
    """Positions of the words of each line, lines from the top and, in a row, from the left."""
    rows: list[list[int]] = []
    for at in sorted(range(len(boxes)), key=lambda at: boxes[at][1] + boxes[at][3]):
        if rows and any(in_one_row(boxes[other], boxes[at], SAME_ROW) for other in rows[-1][-3:]):
            rows[-1].append(at)
        else:
            rows.append([at])
    lines: list[list[int]] = []
    for row in rows:
        row.sort(key=lambda at: boxes[at][0])
        lines.append([row[0]])
        for before, at in pairwise(row):
            height = min(boxes[one][3] - boxes[one][1] for one in (before, at))
            if boxes[at][0] - boxes[before][2] > GAP * height:
                lines.append([])
            lines[-1].append(at)
    return lines


def _blocks(lines: Sequence[Box], words: Sequence[int]) -> list[list[int]]:
    """Lines (their boxes, and how many words each has) as blocks in reading order."""
    return [block for part in _columns(list(range(len(lines))), lines, words) for block in _cut(part, lines)]


def _columns(some: Sequence[int], lines: Sequence[Box], words: Sequence[int]) -> list[list[int]]:
    """Parts of a page in reading order: rows as they come, and where running text stands in columns, each by itself.

    A column of labels beside one of values is no running text: its rows are read across.
    """
    parts: list[list[int]] = [[]]
    at = 0
    while at < len(some):
        end, gutter = _band(some, at, lines)
        band = some[at:end]
        left = [one for one in band if gutter is not None and lines[one][2] <= gutter]
        right = [one for one in band if gutter is not None and lines[one][2] > gutter]
        if all(len(side) >= COLUMN and np.mean([words[one] for one in side]) >= COLUMN for side in (left, right)):
            parts += [left, *_columns(right, lines, words), []]
            at = end
        else:
            parts[-1].append(some[at])
            at += 1
    return [part for part in parts if part]


def _band(some: Sequence[int], start: int, lines: Sequence[Box]) -> tuple[int, float | None]:
    """How far the lines from `start` on leave the gap free that the first of them has on its right, and where it is."""
    first = lines[some[start]]
    gap = (first[2], np.inf)
    if start + 1 < len(some) and in_one_row(first, lines[some[start + 1]], SAME_ROW):
        gap = (first[2], lines[some[start + 1]][0])
    end, right = start + 1, False
    for end in range(start + 1, len(some)):
        box = lines[some[end]]
        if box[2] <= gap[1] and box[0] < gap[0]:  # on the left: the gap begins where it ends
            gap = (max(gap[0], box[2]), gap[1])
        elif box[0] >= gap[0]:
            gap, right = (gap[0], min(gap[1], box[0])), True
        else:
            break
        if gap[0] >= gap[1]:
            break
    else:
        end = len(some)
    return end, (gap[0] if right else None)


def _cut(some: Sequence[int], lines: Sequence[Box]) -> list[list[int]]:
    """Lines of a part cut where a gap between rows is wide."""
    blocks: list[list[int]] = []
    bottom = 0.0
    for at in some:
        height = lines[at][3] - lines[at][1]
        if not blocks or lines[at][1] - bottom > APART * height:
            blocks.append([])
            bottom = lines[at][3]
        blocks[-1].append(at)
        bottom = max(bottom, lines[at][3])
    return blocks
