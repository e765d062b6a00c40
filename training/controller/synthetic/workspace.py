"""A cheap stand-in for pictures: boxes without pixels, and experts that know the truth about them.

Traces for the controller need observations exactly as the tools write them, by the hundred thousand. So
the real tools run here over a `SyntheticWorkspace` (a workspace in memory, pictures blank) and `SyntheticExperts`
(which answer from the things' attributes), and no scene is drawn.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ....errors import ExpertFailed
from ....memory.records import Box, Lineage, Picture, Recalled, Region
from ....scenes.about import about
from ....scenes.language.phrases import parse_phrase
from ....scenes.scene import COLORS, MATERIALS, SHAPES, SIZES
from ....testing.workspace import MemoryWorkspace
from ....tools.contracts import View
from ....tools.requests import (
    Answer,
    Classify,
    Describe,
    Detect,
    Embed,
    Likeness,
    Masks,
    Match,
    Read,
    Said,
    Segment,
    Word,
)
from .words import answer_text, caption_text, sign_words


@dataclass(frozen=True)
class SyntheticThing:
    """One thing on a desk."""

    attributes: dict[str, str]  # size, color, material, shape
    box: Box  # xyxy pixels
    word: str = ""  # on a sign beside it
    sign: Box = (0, 0, 0, 0)  # its box, where there is a word


@dataclass
class SyntheticPicture:
    """One picture: its size, its things, its backdrop, and what words from outside the world mean in it."""

    size: tuple[int, int]
    items: list[SyntheticThing]
    backdrop: str
    known: bool = True  # False: a photograph, which the models refuse
    meanings: dict[str, frozenset[int]] = field(default_factory=dict)  # phrase -> which items it is true of
    page: tuple[tuple[str, ...], ...] = ()  # of a document: its rows, a cell or several each, as the reader reads them

    def matching(self, phrase: str) -> frozenset[int]:
        """Which items a phrase (without size words) is true of."""
        if phrase not in self.meanings:
            wanted = parse_phrase(phrase)
            self.meanings[phrase] = frozenset(
                index
                for index, item in enumerate(self.items)
                if wanted is not None and all(item.attributes[facet] == value for facet, value in wanted.items())
            )
        return self.meanings[phrase]


def draw_picture(rng: random.Random) -> SyntheticPicture:
    """A picture with 1 to 8 things that hardly overlap."""
    size = (512, 512) if rng.random() < 0.4 else (rng.randrange(200, 1600), rng.randrange(200, 1600))
    side = min(size)
    items: list[SyntheticThing] = []
    for _ in range(rng.choice((1, 2, 3, 3, 4, 4, 5, 5, 6, 8))):
        attributes = {
            "size": rng.choice(tuple(SIZES)),
            "color": rng.choice(tuple(COLORS)),
            "material": rng.choice(MATERIALS),
            "shape": rng.choice(SHAPES),
        }
        if items and rng.random() < 0.35:  # things that share what they are, so that counts go beyond one
            twin = rng.choice(items).attributes
            attributes |= {facet: twin[facet] for facet in rng.sample(("color", "shape", "material"), 2)}
        long = SIZES[attributes["size"]] * max(size) * rng.uniform(0.9, 1.1)
        width, height = (long, long * rng.uniform(0.6, 1)) if rng.random() < 0.5 else (long * rng.uniform(0.6, 1), long)
        for _ in range(8):
            x, y = rng.uniform(0, max(1.0, size[0] - width)), rng.uniform(0, max(1.0, size[1] - height))
            box = (round(x), round(y), round(min(x + width, size[0])), round(min(y + height, size[1])))
            if box[3] - box[1] > 8 and box[2] - box[0] > 8 and all(_apart(box, item.box, 0.1 * side) for item in items):
                items.append(SyntheticThing(attributes, box))
                break
    if rng.random() < 0.6:
        items = [_with_sign(item, size, rng) if rng.random() < 0.4 else item for item in items]
    return SyntheticPicture(size, items, rng.choice(("plain background", "desk", "street", "shelf")))


def _with_sign(item: SyntheticThing, size: tuple[int, int], rng: random.Random) -> SyntheticThing:
    """The thing with a sign beside it, at its foot."""
    x0, y0, x1, y1 = item.box
    wide, high = 0.5 * (x1 - x0) + 12, 0.3 * (y1 - y0) + 6
    gap = 0.15 * max(x1 - x0, y1 - y0) + 2
    left = x1 + gap if x1 + gap + wide < size[0] else x0 - gap - wide
    return replace(item, word=sign_words(rng, 1, 1)[0], sign=(max(0, left), y1 - high, min(size[0], left + wide), y1))


def _apart(one: Box, two: Box, far: float) -> bool:
    dx, dy = one[0] + one[2] - two[0] - two[2], one[1] + one[3] - two[1] - two[3]
    return (dx * dx + dy * dy) ** 0.5 / 2 > far


class SyntheticWorkspace(MemoryWorkspace):
    """A workspace in memory that knows what is on its pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.by_handle: dict[str, SyntheticPicture] = {}  # by handle
        self.by_id: dict[str, SyntheticPicture] = {}  # by the picture's id

    def give(self, sheet: SyntheticPicture) -> str:
        """Take a picture in, as a user sends it; its handle."""
        picture = self.add(f"sheet {len(self.handles())}", sheet.size, partial(_blank, sheet.size))
        assert picture.handle is not None  # the workspace gives one
        self.by_handle[picture.handle] = self.by_id[picture.id] = sheet
        return picture.handle

    def put_away(self, name: str, sheet: SyntheticPicture) -> Picture:
        """A picture of an earlier conversation, which memory can bring back."""
        digest = hashlib.sha256(name.encode()).hexdigest()
        picture = Picture(
            id=f"pic_{digest[:12]}", sha256=digest, path=Path(f"{digest[:12]}.png"), width=sheet.size[0],
            height=sheet.size[1], kind="given", owner="trace", source=None, created=datetime(2000, 1, 1, tzinfo=UTC),
        )  # fmt: skip
        self.by_id[picture.id] = sheet
        self.shelve(picture)
        return picture

    def bring_back(self, recalled: Recalled, lineage: Lineage) -> Picture | Region:
        """See `MemoryWorkspace.bring_back`; a picture comes with what is on it."""
        one = super().bring_back(recalled, lineage)
        if isinstance(one, Picture) and one.handle is not None:
            self.by_handle[one.handle] = self.by_id[one.id]
        return one


@lru_cache(8)  # of the many sizes the last ones
def _blank(size: tuple[int, int]) -> Image.Image:
    return Image.new("RGB", size, (200, 200, 200))


class SyntheticExperts:
    """Experts that answer from the pictures' things, with a little noise: boxes missed, and scores that vary."""

    def __init__(
        self, workspace: SyntheticWorkspace, rng: random.Random, missed: float = 0.02, broken: str | None = None
    ) -> None:
        self.workspace, self.rng, self.missed = workspace, rng, missed
        self.broken = broken  # the message of an expert that fails
        self.counted: int | None = None  # what another expert counted in the same step

    def ask(self, role: str, requests: Sequence[Any]) -> list[Any]:
        """One answer a request."""
        if self.broken is not None and role != "clip":
            raise ExpertFailed(self.broken)
        return [self._answer(request) for request in requests]

    def about(self, role: str) -> dict[str, Any]:
        """What a model of the drawn world declares of itself."""
        return about(role)

    def _answer(self, request: Any) -> Any:
        match request:
            case Detect():
                return self._detect(request.view)
            case Match():
                return np.array([self._match(request.view, phrase) for phrase in request.phrases], np.float32)
            case Classify():
                return self._classify(request)
            case Likeness():
                return 0.9 if self._picture_of(request.view).known else 0.1
            case Segment():
                return self._segment(request)
            case Embed():
                vector = np.array([self.rng.random() for _ in range(4)], np.float32)
                return vector / np.linalg.norm(vector)
            case Describe():
                items = [item.attributes for item in self._items(request.view)]
                return Said(caption_text(items, self._picture_of(request.view).backdrop, request.detail, self.rng), 0.9)
            case Answer():
                return self._say(request)
            case Read():
                return self._words(request.view)
        raise TypeError(type(request).__name__)

    def _picture_of(self, view: View) -> SyntheticPicture:
        return self.workspace.by_id[view.picture]

    def _items(self, view: View) -> list[SyntheticThing]:
        """What a view shows: everything on the whole picture, the nearest thing in a part of it."""
        nearest = self._nearest(view)
        items = self._picture_of(view).items
        return items if nearest is None else [items[nearest]]

    def _say(self, request: Answer) -> Said:
        share = round(self.rng.uniform(0.5, 1), 4)
        if request.question.startswith("True or false"):
            verdict = self.rng.choice(("true", "false")) if self.rng.random() < 0.97 else "it depends"
            return Said(verdict, share)
        if request.question.startswith("How many"):
            number = self.rng.randrange(5) if self.counted is None else self.counted
            return Said(str(max(0, number + self.rng.choice((0, 0, 0, 0, 1, -1, 2)))), share)
        return Said(answer_text(request.question, self.rng), share)

    def _words(self, view: View) -> list[Word]:
        sheet = self._picture_of(view)
        if sheet.page:
            return _words_of_page(sheet.page, view.size, self.rng)
        return [
            Word(item.word, item.sign, round(self.rng.uniform(0.5, 1), 4), number)
            for number, item in enumerate(sheet.items)
            if item.word and _within(item.sign, view.box) and self.rng.random() >= self.missed
        ]

    def _nearest(self, view: View) -> int | None:
        if view.whole:
            return None
        cx, cy = view.box[0] + view.box[2], view.box[1] + view.box[3]
        items = self._picture_of(view).items
        far = [abs(i.box[0] + i.box[2] - cx) + abs(i.box[1] + i.box[3] - cy) for i in items]
        return min(range(len(items)), key=far.__getitem__) if items else None

    def _detect(self, view: View) -> Any:
        import supervision as sv

        sheet = self._picture_of(view)
        seen = [item for item in sheet.items if self.rng.random() >= self.missed and _within(item.box, view.box)]
        named = [(item.box, item.attributes["shape"]) for item in seen]
        named += [(item.sign, "sign") for item in seen if item.word]
        if not named:
            return sv.Detections.empty()
        scores = np.array([self.rng.uniform(0.6, 0.99) for _ in named], np.float32)
        return sv.Detections(
            xyxy=np.array([box for box, _ in named], np.float32),
            confidence=scores,
            class_id=np.zeros(len(named), int),
            data={"class_name": np.array([name for _, name in named])},
        )

    def _match(self, view: View, phrase: str) -> float:
        nearest = self._nearest(view)
        true = nearest is not None and nearest in self._picture_of(view).matching(phrase)
        return self.rng.uniform(0.7, 0.999) if true else self.rng.uniform(0, 0.3)

    def _classify(self, request: Classify) -> np.ndarray:
        sheet = self._picture_of(request.view)
        nearest = self._nearest(request.view)
        truths = {sheet.backdrop} if nearest is None else set(sheet.items[nearest].attributes.values())
        best = next((n for n, label in enumerate(request.labels) if label in truths), None)
        shares = np.array([self.rng.random() ** 4 for _ in request.labels], np.float32)
        chosen = best if best is not None and self.rng.random() < 0.95 else self.rng.randrange(len(shares))
        shares[chosen] = shares.sum() * self.rng.uniform(1.2, 40)
        return shares / shares.sum()

    def _segment(self, request: Segment) -> Masks:
        width, height = request.view.size
        masks = np.zeros((max(1, len(request.boxes)), height, width), bool)
        for mask, (x0, y0, x1, y1) in zip(masks, request.boxes, strict=False):
            mask[round(y0) : round(y1), round(x0) : round(x1)] = True
        return Masks(masks, np.full(len(masks), 0.95, np.float32))


def _within(box: Box, view: Box) -> bool:
    """Whether the middle of a box is in view."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return view[0] <= x <= view[2] and view[1] <= y <= view[3]


def _words_of_page(page: Sequence[Sequence[str]], size: tuple[int, int], rng: random.Random) -> list[Word]:
    """The words of a document in reading order, a line a cell."""
    words: list[Word] = []
    line = 0
    height = size[1] / (2 * len(page) + 2)
    for row, cells in enumerate(page):
        for place, cell in enumerate(cells):
            x, y = size[0] * (0.05 + 0.9 * place / len(cells)), height * (1 + 2 * row)
            for word in cell.split():
                box = (x, y, x + 0.5 * height * len(word), y + height)
                words.append(Word(word, box, round(rng.uniform(0.9, 1), 4), line))
                x = box[2] + 0.3 * height
            line += 1
    return words
