"""The reader of any picture: the text detector and the recogniser of PP-OCR, which come inside rapidocr's wheel.

Detection and recognition are rapidocr's. What is ours is what pictures of people need around them: small print is
enlarged, low contrast is spread, pictures are never shrunk for recognition, and text that stands on its side or upside
down is read the way in which it reads best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...contracts import View
from ...requests import Likeness, Word
from .lines import Piece, arranged

SMALL_PRINT = 22  # px: where half of the lines are lower than this, the picture is enlarged
LARGEST_SIDE = 2400  # px that text is looked for in; words are read at the picture's own resolution all the same
MOST_ENLARGED = 3.0
SURE_FROM = 0.5  # mean likelihood of a line's characters: below, it is mostly no text
DOUBTFUL = 0.8  # below, a line is tried the other way round
TALL = 1.5  # times as high as wide: a line that stands on its side
ROUND = tuple("0OoQD○〇口")  # as which round things are read
SURE_ROUND = 0.9
SAMPLE = 8  # of the longest lines, by which one tells how a picture is turned
BETTER = 0.05  # by which another way round must read better


@dataclass(frozen=True)
class _Line:
    """A line as it was read: words with the shares of its length at which they begin and end."""

    text: str
    score: float
    words: list[tuple[str, float, float]]
    corners: np.ndarray  # (4, 2), clockwise from where it begins at its top


class Rapid:
    """Reads printed words, whatever they stand on."""

    def __init__(self) -> None:
        from rapidocr import RapidOCR

        # One thread: the pool asks one picture at a time, and threads that wait for each other spin.
        self.engine: Any = RapidOCR(
            params={
                "Global.log_level": "critical",
                "Global.max_side_len": LARGEST_SIDE,
                "Global.return_word_box": True,
                "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )

    def read(self, view: View) -> list[Word]:
        """The words of a view in reading order."""
        image = np.ascontiguousarray(np.asarray(view.pixels())[:, :, ::-1])  # BGR, as rapidocr reads
        corners = self._found(image)
        if not len(corners):
            image = spread(image)
            corners = self._found(image)
        scale = self._enlargement(corners, image.shape)
        if scale > 1:
            image = _resized(image, scale)
            corners = self._found(image)
        lines = self._read(image, self._turned(image, corners))
        left, top = (int(value) for value in view.box[:2])  # as `View.pixels` cuts
        return arranged([
            Piece(word, line.score, _part(line.corners, begin, end) / scale + (left, top))
            for line in lines
            for word, begin, end in line.words
        ])  # fmt: skip

    def likeness(self, request: Likeness) -> float | None:
        """Every picture will do."""
        return None

    def _found(self, image: np.ndarray) -> np.ndarray:
        """(n, 4, 2) corners of lines, clockwise from the upper left."""
        found = self.engine(image, use_det=True, use_cls=False, use_rec=False)
        return np.zeros((0, 4, 2)) if found.boxes is None else np.asarray(found.boxes, dtype=np.float64)

    def _enlargement(self, corners: np.ndarray, shape: Sequence[int]) -> float:
        """How much larger the picture is to be, so that its small print can be read."""
        if not len(corners):
            return 1.0
        height = float(np.median(np.minimum(*_sides(corners))))
        most = max(1.0, min(MOST_ENLARGED, LARGEST_SIDE / max(shape[:2])))
        return min(most, max(1.0, SMALL_PRINT * 1.6 / height)) if height < SMALL_PRINT else 1.0

    def _turned(self, image: np.ndarray, corners: np.ndarray) -> np.ndarray:
        """Corners rolled so that they begin where most lines of the picture do."""
        if not len(corners):
            return corners
        width, height = _sides(corners)
        longest = np.argsort(-np.maximum(width, height))
        on_side = bool(np.median((height > TALL * width)[longest[: max(1, len(longest) // 2)]]) > 0.5)
        tall = height > TALL * width if on_side else height > 2 * TALL * width  # a 1 or an I stands upright
        corners = np.where(tall[:, None, None], np.roll(corners, 1, axis=1), corners)
        sample = corners[longest[:SAMPLE]]
        upright, turned = (self._recognised(image, some) for some in (sample, np.roll(sample, 2, axis=1)))
        gain = sum((b.score - a.score) * len(a.text + b.text) for a, b in zip(upright, turned, strict=True))
        size = sum(len(a.text + b.text) for a, b in zip(upright, turned, strict=True))
        return np.roll(corners, 2, axis=1) if gain > BETTER * size else corners

    def _read(self, image: np.ndarray, corners: np.ndarray) -> list[_Line]:
        """Lines that are text; those that read badly are tried the other way round, and a tall one as it stands."""
        lines = self._recognised(image, corners)
        width, height = _sides(corners)
        for ways in (2, 3):
            tried = [at for at, line in enumerate(lines) if line.score < DOUBTFUL
                     and (ways == 2 or height[at] < TALL * width[at])]  # fmt: skip
            others = self._recognised(image, np.roll(corners[tried], ways, axis=1))
            for at, other in zip(tried, others, strict=True):
                if other.score > lines[at].score + BETTER:
                    lines[at] = other
        return _written([line for line in lines if line.score >= SURE_FROM and line.words])

    def _recognised(self, image: np.ndarray, corners: np.ndarray) -> list[_Line]:
        if not len(corners):
            return []
        read = self.engine.recognize_txt([_cut(image, one) for one in corners])
        return [
            _Line(text, float(score), _words(text, places), corner)
            for text, score, places, corner in zip(read.txts, read.scores, read.word_results, corners, strict=True)
        ]


def _written(lines: list[_Line]) -> list[_Line]:
    """Lines without what is mostly a thing: a ring or a plate is read as a lone 0 or O, but of no height of print."""
    heights = [float(_sides(line.corners[None])[1][0]) for line in lines]
    print_heights = [height for line, height in zip(lines, heights, strict=True) if len(line.text) > 1]
    if not print_heights:
        return [line for line in lines if line.text not in ROUND]
    usual = float(np.median(print_heights))
    return [line for line, height in zip(lines, heights, strict=True)
            if line.text not in ROUND or (line.score > SURE_ROUND and usual / 1.6 < height < usual * 1.6)]  # fmt: skip


def spread(image: np.ndarray) -> np.ndarray:
    """(height, width, 3) uint8 with its contrast spread: what is uneven in the ground goes, what stands on it stays."""
    import cv2

    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    side = max(31, min(grey.shape) // 8) | 1
    ground = cv2.GaussianBlur(cv2.medianBlur(grey, 31 if min(grey.shape) > 31 else 3), (side, side), 0)
    apart = grey.astype(np.float32) - ground
    most = max(8.0, float(np.percentile(np.abs(apart), 99)))
    flat = np.clip(160 + apart * (95 / most), 0, 255).astype(np.uint8)
    return cv2.cvtColor(flat, cv2.COLOR_GRAY2BGR)


def _sides(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How wide and how high (n, 4, 2) corners are: two arrays of n."""
    width = np.linalg.norm(corners[:, 1] - corners[:, 0], axis=1)
    height = np.linalg.norm(corners[:, 3] - corners[:, 0], axis=1)
    return width, height


def _cut(image: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """The pixels inside of four corners, upright."""
    import cv2

    width, height = (max(2, round(float(side[0]))) for side in _sides(corners[None]))
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), target)
    return cv2.warpPerspective(image, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def _part(corners: np.ndarray, begin: float, end: float) -> np.ndarray:
    """The corners of a part of a line, from one share of its length to another."""
    top, bottom = corners[1] - corners[0], corners[2] - corners[3]
    return np.stack([corners[0] + begin * top, corners[0] + end * top, corners[3] + end * bottom,
                     corners[3] + begin * bottom])  # fmt: skip


def _words(text: str, places: Any) -> list[tuple[str, float, float]]:
    """The words of a line, each with the shares of the line's length at which it begins and ends.

    Args:
        text: the line.
        places: rapidocr's `WordInfo`: the columns of the recogniser's output that its characters came from.
    """
    columns = [column for word in getattr(places, "word_cols", ()) for column in word]
    characters = [one for one in text if not one.isspace()]
    if not characters:
        return []
    if len(columns) != len(characters) or not places.line_txt_len:
        columns = [at + 0.5 for at in range(len(characters))]
        length = float(len(characters))
    else:
        length = float(places.line_txt_len)
    half = 0.5 * float(np.median(np.diff(columns))) if len(columns) > 1 else length / 2
    words: list[tuple[str, float, float]] = []
    at = 0
    for word in text.split():
        first, last = columns[at], columns[at + len(word) - 1]
        at += len(word)
        words.append((word, max(0.0, (first - half) / length), min(1.0, (last + 1 + half) / length)))
    return words


def _resized(image: np.ndarray, scale: float) -> np.ndarray:
    import cv2

    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
