"""The reader of the drawn world's signs: the detector finds them, and LLaVA reads a crop of each."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from ....memory.records import Box
from ...contracts import Experts, View
from ...requests import Answer, Detect, Likeness, Said, Word
from .lines import reading_order

SIGN = "sign"  # what the detector calls a sign
QUESTION = "What does the sign say?"
MARGIN = 0.1  # how much of its surroundings a sign's crop shows, as a share of its longer side


class Signs:
    """Reads the signs of the drawn world with the pool's own detector and LLaVA."""

    def __init__(self) -> None:
        self.experts: Experts | None = None

    def read(self, view: View) -> list[Word]:
        """One word a sign, in reading order."""
        assert self.experts is not None  # the pool connects what it loads
        found = self.experts.ask("detector", [Detect(view, SIGN)])[0]
        names = found.data.get("class_name", [])
        signs = [at for at, name in enumerate(names) if str(name) == SIGN]
        boxes = [_box(found.xyxy[at]) for at in signs]
        questions = [Answer((_widened(view, box),), QUESTION) for box in boxes]
        answers: list[Said] = self.experts.ask("llava", questions)
        words = []
        for at, box, said in zip(signs, boxes, answers, strict=True):
            seen = 1.0 if found.confidence is None else float(found.confidence[at])
            word = word_in(said.text)
            if word:
                words.append(Word(word, box, seen if said.confidence is None else said.confidence))
        return reading_order(words)

    def likeness(self, request: Likeness) -> float | None:
        """As CLIP judges it."""
        assert self.experts is not None
        return self.experts.ask("clip", [request])[0]


def word_in(answer: str) -> str:
    """The word in an answer about a sign: what stands in quotation marks or capitals, else the last word."""
    fenced = re.findall(r'"([^"]+)"', answer) or re.findall(r"\b[A-Z][A-Z0-9]+\b", answer)
    words = fenced or re.findall(r"[^\s.,!?\"']+", answer)
    return words[-1] if words else ""


def _box(corners: Any) -> Box:
    x0, y0, x1, y1 = (float(value) for value in corners)
    return x0, y0, x1, y1


def _widened(view: View, box: Box) -> View:
    extra = MARGIN * max(box[2] - box[0], box[3] - box[1])
    width, height = view.size
    wide = (
        max(0.0, box[0] - extra),
        max(0.0, box[1] - extra),
        min(float(width), box[2] + extra),
        min(float(height), box[3] + extra),
    )
    return replace(view, box=wide)
