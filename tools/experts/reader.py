"""The expert that reads words: the role "reader".

Two readers behind one interface, chosen by the model spec:

- `roles:detector+llava` (bundled): the detector finds the signs, and LLaVA reads a crop of each. It knows only the
  drawn world.
- `tesseract:eng` (or `tesseract:deu+eng`): Tesseract, for real documents, where it is installed.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, Protocol, Self

from PIL import Image

from ...errors import ExpertFailed, UserError
from ...extras import missing_extra, need
from ...memory.records import Box
from ...settings import ModelSpec
from ..contracts import Expert, Experts, View
from ..requests import Answer, Detect, Likeness, Read, Said, Word

SIGN = "sign"  # what the detector calls a sign
QUESTION = "What does the sign say?"
MARGIN = 0.1  # how much of its surroundings a sign's crop shows, as a share of its longer side
SAME_LINE = 0.5  # words whose heights overlap by more of the lower one stand on one line
DOCUMENT = 1600  # px: smaller pictures are enlarged for Tesseract, up to three times
PATIENCE = 120  # s: how long Tesseract may take for one picture
SURE_FROM = 30  # per cent: what Tesseract is less sure of is mostly no word

ReadRequest = Read | Likeness


class _Backend(Protocol):
    def read(self, view: View) -> list[Word]:
        """The words of a view, in any order."""
        ...

    def likeness(self, request: Likeness) -> float | None:
        """Whether such pictures are known, as CLIP answers it; None where every picture will do."""
        ...


class Signs:
    """Reads the signs of the drawn world with the pool's own detector and LLaVA."""

    def __init__(self) -> None:
        self.experts: Experts | None = None

    def read(self, view: View) -> list[Word]:
        """One word a sign."""
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
        return words

    def likeness(self, request: Likeness) -> float | None:
        """As CLIP judges it."""
        assert self.experts is not None
        return self.experts.ask("clip", [request])[0]


class Tesseract:
    """Reads documents with Tesseract, a program of its own, through pytesseract.

    Args:
        languages: as Tesseract names them, "eng" or "deu+eng".

    Raises:
        UserError: the program, its binding or a language is not installed.
    """

    def __init__(self, languages: str) -> None:
        if shutil.which("tesseract") is None:
            raise UserError(
                "Reading documents needs Tesseract, which is not installed: `sudo apt install tesseract-ocr` on Debian "
                "and Ubuntu, `brew install tesseract` on macOS, `winget install UB-Mannheim.TesseractOCR` on Windows.",
                kind="missing_program",
            )
        need("tesseract", "Reading documents")
        import pytesseract

        # Its threads wait for each other, spinning: on a machine whose cores are taken, a page took minutes.
        os.environ.setdefault("OMP_THREAD_LIMIT", "1")
        self.binding: Any = pytesseract
        self.languages = languages
        there = set(self.binding.get_languages(config=""))
        missing = [name for name in languages.split("+") if name not in there]
        if missing:
            raise UserError(
                f"Tesseract has no language {', '.join(map(repr, missing))}. Installed: {', '.join(sorted(there))}. "
                f"Add one with `sudo apt install tesseract-ocr-{missing[0]}`, or name another in the profile.",
                kind="missing_program",
            )

    def read(self, view: View) -> list[Word]:
        """Every word that Tesseract is at all sure of."""
        image = view.pixels()
        scale = min(3.0, max(1.0, DOCUMENT / max(image.size)))
        if scale > 1:
            image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
        try:
            found = self.binding.image_to_data(
                image, lang=self.languages, output_type=self.binding.Output.DICT, timeout=PATIENCE
            )
        except (self.binding.TesseractError, RuntimeError) as error:
            raise ExpertFailed(f"Tesseract failed: {str(error)[:200]}", kind="tesseract_failed") from error
        left, top = (int(value) for value in view.box[:2])  # as `View.pixels` cuts
        columns = (found[name] for name in ("text", "conf", "left", "top", "width", "height"))
        words = []
        for text, sure, x, y, width, height in zip(*columns, strict=True):
            if text.strip() and float(sure) >= SURE_FROM:
                x0, y0 = left + x / scale, top + y / scale
                box = (x0, y0, x0 + width / scale, y0 + height / scale)
                words.append(Word(text.strip(), box, float(sure) / 100))
        return words

    def likeness(self, request: Likeness) -> float | None:
        """Every picture will do."""
        return None


class Reader(Expert[ReadRequest, Any]):
    """Reads words in views."""

    role: ClassVar[str] = "reader"
    schemes: ClassVar[tuple[str, ...]] = ("roles", "tesseract")

    def __init__(self, backend: _Backend) -> None:
        self.backend = backend

    @classmethod
    def load(cls, spec: ModelSpec, device: str) -> Self:
        """Choose a reader by the spec's scheme.

        Raises:
            UserError: the scheme names no reader, or Tesseract is not installed.
        """
        if spec.scheme == "tesseract":
            return cls(Tesseract(spec.name))
        if str(spec) != "roles:detector+llava":
            raise UserError(
                f"{str(spec)!r} names no reader. Valid: roles:detector+llava (signs of the drawn world), tesseract:eng "
                f"(documents, where Tesseract is installed).",
                kind="bad_model_spec",
            )
        return cls(Signs())

    @classmethod
    def missing(cls, spec: ModelSpec) -> str | None:
        """Tesseract's program or its binding, where one is not installed."""
        if spec.scheme != "tesseract":
            return None
        if shutil.which("tesseract") is None:
            return "Tesseract is not installed: sudo apt install tesseract-ocr"
        return missing_extra("tesseract")

    def connect(self, experts: Experts) -> None:
        """Give the reader of signs the experts that it asks."""
        if isinstance(self.backend, Signs):
            self.backend.experts = experts

    def predict(self, requests: Sequence[ReadRequest]) -> list[Any]:
        """A list of `Word` in reading order for each `Read`; a number or None for each `Likeness`."""
        return [
            self.backend.likeness(request)
            if isinstance(request, Likeness)
            else reading_order(self.backend.read(request.view))
            for request in requests
        ]


def reading_order(words: Sequence[Word]) -> list[Word]:
    """Line by line from the top, each from left to right. Words are on one line where their heights overlap."""
    lines: list[list[Word]] = []
    for word in sorted(words, key=lambda word: word.box[1] + word.box[3]):
        if lines and _beside(lines[-1][-1].box, word.box):
            lines[-1].append(word)
        else:
            lines.append([word])
    return [word for line in lines for word in sorted(line, key=lambda word: word.box[0])]


def word_in(answer: str) -> str:
    """The word in an answer about a sign: what stands in quotation marks or capitals, else the last word."""
    fenced = re.findall(r'"([^"]+)"', answer) or re.findall(r"\b[A-Z][A-Z0-9]+\b", answer)
    words = fenced or re.findall(r"[^\s.,!?\"']+", answer)
    return words[-1] if words else ""


def _beside(one: Box, other: Box) -> bool:
    shared = min(one[3], other[3]) - max(one[1], other[1])
    return shared > SAME_LINE * min(one[3] - one[1], other[3] - other[1])


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
