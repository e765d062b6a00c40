"""Experts that answer from a scene's exact truth instead of looking.

They stand in for the models where no model is wanted: in tests of the tools, and when traces for the
controller are written by the tens of thousands (its observations are then the tools' own). With
`Noise` they err as models do, always in the same way for the same question.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ExpertFailed
from ..memory.records import Box
from ..scenes.about import about
from ..scenes.language.phrases import parse_phrase, phrase_true
from ..scenes.scene import BACKDROPS, Scene, Thing
from ..tools.contracts import View
from ..tools.requests import (
    Answer,
    Classify,
    Describe,
    Detect,
    Embed,
    Likeness,
    Masks,
    Match,
    Paint,
    Read,
    Said,
    Segment,
    Word,
)
from ..tools.shared.finding import MARGIN
from ..tools.shared.geometry import box_iou
from . import true_words as truth_words
from .true_painter import TruePainter

if TYPE_CHECKING:
    import supervision as sv

Truth = tuple[Scene, np.ndarray, np.ndarray | None]  # things; boxes (n, 4) xyxy px; masks (n, height, width) bool
Lookup = Callable[[str], Truth]

ROLES = frozenset({"detector", "clip", "sam", "captioner", "llava", "reader", "painter"})  # that they answer for
SEEN_FROM = 0.4  # how much of a box a view must show for the detector to see the thing
YES, NO = 0.99, 0.01


@dataclass(frozen=True)
class Noise:
    """How the experts err. Every draw follows from the seed and the question, so a repeated question agrees."""

    seed: int = 0
    miss: float = 0.0  # how likely a thing is overlooked
    wrong: float = 0.0  # how likely a phrase, or a label, is judged wrongly
    spread: float = 0.2  # how far below 1 a right score may fall (below 0.5, so that right stays right)
    shift: float = 0.0  # standard deviation of a box's corners, as a share of its side


class TrueExperts:
    """Implements `tools.contracts.Experts` for the roles of every expert.

    Args:
        lookup: the scene behind a picture's id, with boxes in its pixels, one a thing, and perhaps masks
            (without them a mask is its whole box). It raises KeyError for a picture that shows no scene;
            such a picture has a likeness of 0.
        noise: how to err; None answers exactly.
    """

    def __init__(self, lookup: Lookup, noise: Noise | None = None) -> None:
        self.lookup = lookup
        self.noise = noise
        self.painter = TruePainter()

    def ask(self, role: str, requests: Sequence[Any]) -> list[Any]:
        """The true answers, one a request, in order.

        Raises:
            ExpertFailed: the picture shows no scene, or the request is none that `role` knows.
        """
        return [self._answer(role, request) for request in requests]

    def about(self, role: str) -> dict[str, Any]:
        """What a model of the drawn world declares of itself."""
        return about(role)

    def _answer(self, role: str, request: Any) -> Any:
        match role, request:
            case "detector", Detect(view=view):
                return self._detect(view)
            case "clip", Match(view=view, phrases=phrases):
                return np.array([self._match(view, phrase) for phrase in phrases], dtype=np.float32)
            case "clip", Classify(view=view, labels=labels):
                return self._classify(view, labels)
            case "clip" | "reader", Likeness(view=view):
                return self._likeness(view)
            case "clip", Embed(what=View() as view):
                return self._embedding(view)
            case "clip", Embed(what=str() as words):
                return truth_words.embedding_of(words)
            case "captioner" | "llava", Describe(view=view, detail=detail):
                return Said(truth_words.describe(*self._shown(view), view.whole, detail), YES)
            case "llava", Answer(views=views, question=question):
                return self._say(views, question)
            case "reader", Read(view=view):
                return [Word(word, box, YES) for box, word in truth_words.signs(*self._signs(view))]
            case "painter", Paint():
                return self.painter.paint(request)
            case "sam", Segment():
                return self._segment(request)
        raise ExpertFailed(f"The {role} has no true answer to a {type(request).__name__}.", kind="no_truth")

    def _shown(self, view: View) -> tuple[Scene, Sequence[Thing]]:
        """The scene behind a view, and the things that the view shows."""
        scene, boxes, _ = self._truth(view)
        return scene, scene.things if view.whole else _thing_in(view, scene, boxes)

    def _embedding(self, view: View) -> np.ndarray:
        """What a view shows as a vector; a direction of its own for what no scene is known of, like nothing else."""
        try:
            return truth_words.embedding(*self._shown(view))
        except ExpertFailed:
            return truth_words.embedding_of(view.picture)

    def _signs(self, view: View) -> tuple[Scene, tuple[int, int], Box]:
        return self._truth(view)[0], view.size, view.box

    def _say(self, views: Sequence[View], question: str) -> Said:
        text = truth_words.answer([self._shown(view) for view in views], question)
        if "sign" in question.lower():
            words = [word for view in views for _, word in truth_words.signs(*self._signs(view))]
            text = words[0] if words else text
        return Said(text, YES)

    def _truth(self, view: View) -> Truth:
        try:
            return self.painter.truths.get(view.picture) or self.lookup(view.picture)
        except KeyError as error:
            raise ExpertFailed(f"No scene is known for {view.picture}.", kind="no_truth") from error

    def _random(self, *question: object) -> random.Random:
        assert self.noise is not None  # asked only where there is noise
        return random.Random(f"{self.noise.seed}:{question}")

    def _detect(self, view: View) -> sv.Detections:
        import supervision as sv

        scene, boxes, _ = self._truth(view)
        seen, shown, scores = [], [], []
        for index, box in enumerate(boxes):
            x0, y0 = np.maximum(box[:2], view.box[:2])
            x1, y1 = np.minimum(box[2:], view.box[2:])
            if x1 <= x0 or y1 <= y0:
                continue
            if (x1 - x0) * (y1 - y0) < SEEN_FROM * (box[2] - box[0]) * (box[3] - box[1]):
                continue
            score = YES
            if self.noise is not None:
                draw = self._random("detect", view.key, index)
                if draw.random() < self.noise.miss:
                    continue
                score = 1 - self.noise.spread * draw.random() ** 2
                side, shift = max(x1 - x0, y1 - y0), self.noise.shift
                x0, y0, x1, y1 = (float(value) + draw.gauss(0, shift) * side for value in (x0, y0, x1, y1))
            seen.append(index)
            shown.append((x0, y0, x1, y1))
            scores.append(score)
        return sv.Detections(
            xyxy=np.array(shown, dtype=np.float32).reshape(-1, 4),
            confidence=np.array(scores, dtype=np.float32),
            class_id=np.array(seen, dtype=int),
            data={"class_name": np.array([scene.things[index].shape for index in seen], dtype=str)},
        )

    def _match(self, view: View, phrase: str) -> float:
        scene, boxes, _ = self._truth(view)
        things = scene.things if view.whole else _thing_in(view, scene, boxes)
        attributes = parse_phrase(phrase)
        true = attributes is not None and any(phrase_true(attributes, thing) for thing in things)
        if self.noise is None:
            return YES if true else NO
        draw = self._random("match", view.key, phrase)
        if draw.random() < self.noise.wrong:
            true = not true
        away = self.noise.spread * draw.random() ** 2
        return 1 - away if true else away

    def _classify(self, view: View, labels: Sequence[str]) -> np.ndarray:
        scene, boxes, _ = self._truth(view)
        things = scene.things if view.whole else _thing_in(view, scene, boxes)
        weights = np.array([self._label_weight(label, scene, things, view.whole) for label in labels])
        if self.noise is not None:
            draw = self._random("classify", view.key, tuple(labels))
            if draw.random() < self.noise.wrong:
                weights = weights[draw.sample(range(len(labels)), len(labels))]
            weights += [self.noise.spread * draw.random() ** 4 / len(labels) for _ in labels]
        return (weights / weights.sum()).astype(np.float32)

    @staticmethod
    def _label_weight(label: str, scene: Scene, things: Sequence[Thing], whole: bool) -> float:
        named = set(BACKDROPS) & set(label.lower().split())
        if named:
            return YES if whole and scene.backdrop in named else NO
        attributes = parse_phrase(label)
        if not attributes or not things:
            return NO
        return NO + (YES - NO) * sum(phrase_true(attributes, thing) for thing in things) / len(things)

    def _likeness(self, view: View) -> float:
        try:
            self.lookup(view.picture)
        except KeyError:
            return 0.0
        return 1.0

    def _segment(self, request: Segment) -> Masks:
        _, boxes, masks = self._truth(request.view)
        width, height = request.view.size
        found: list[np.ndarray] = []
        for box in request.boxes:
            overlap = box_iou(np.asarray(box), boxes)
            best = int(overlap.argmax()) if len(overlap) and overlap.max() > 0 else None
            found.append(_mask_of(best, boxes, masks, (height, width)))
        if request.points:
            inside = [
                index
                for index in range(len(boxes))
                if all(
                    _mask_of(index, boxes, masks, (height, width))[int(y), int(x)] == bool(label)
                    for (x, y), label in zip(request.points, request.labels, strict=True)
                )
            ]
            found.append(_mask_of(inside[-1] if inside else None, boxes, masks, (height, width)))
        stacked = np.stack(found) if found else np.zeros((0, height, width), bool)
        return Masks(stacked, np.full(len(found), YES, np.float32))


def _thing_in(view: View, scene: Scene, boxes: np.ndarray) -> list[Thing]:
    """The one thing that a view shows: the one whose box, widened as tools widen it, overlaps the view best."""
    if not len(boxes):
        return []
    sides = MARGIN * np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])[:, None]
    wide = boxes + sides * np.array([-1, -1, 1, 1])
    wide[:, 0::2] = wide[:, 0::2].clip(0, view.size[0])
    wide[:, 1::2] = wide[:, 1::2].clip(0, view.size[1])
    overlap = box_iou(np.asarray(view.box), wide)
    best = int(overlap.argmax())
    return [scene.things[best]] if overlap[best] > 0 else []


def _mask_of(index: int | None, boxes: np.ndarray, masks: np.ndarray | None, shape: tuple[int, int]) -> np.ndarray:
    """A thing's mask, (height, width) bool: its whole box where masks are not known, empty for None."""
    if index is not None and masks is not None:
        return masks[index]
    mask = np.zeros(shape, bool)
    if index is not None:
        x0, y0, x1, y1 = (round(float(value)) for value in boxes[index])
        mask[y0:y1, x0:x1] = True
    return mask
