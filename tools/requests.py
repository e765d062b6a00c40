"""What experts are asked, and what they answer: one frozen request type a question.

All boxes and points are in pixels of the *whole* upright picture, whatever part of it a view shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from ..memory.records import Box
from .contracts import View


@dataclass(frozen=True)
class Detect:
    """To the role "detector". Answer: `sv.Detections` in pixels of the whole picture.

    `data["class_name"]` holds the labels. `phrase` guides detectors that take words
    (Grounding DINO, OWL); detectors with fixed classes ignore it.
    """

    view: View
    phrase: str | None = None


@dataclass(frozen=True)
class Match:
    """To the role "clip": how likely is each phrase true of the view? Answer: (len(phrases),) float32 in 0..1.

    Every phrase is judged by itself (a sigmoid, not a softmax): several may be true at once.
    """

    view: View
    phrases: tuple[str, ...]


@dataclass(frozen=True)
class Classify:
    """To the role "clip": which of these labels is it? Answer: (len(labels),) float32 that sums to 1."""

    view: View
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Embed:
    """To the role "clip": the embedding of a view or of words. Answer: (dim,) float32, length 1."""

    what: View | str


@dataclass(frozen=True)
class Likeness:
    """To the role "clip" (or "reader"): how like the pictures that the model was trained on is this view?

    Answer: a float in 0..1, at least 0.5 where the model knows such pictures, or None where the
    model has no such calibration (published checkpoints).
    """

    view: View


@dataclass(frozen=True)
class Segment:
    """To the role "sam": masks from prompts. Answer: `Masks`, one mask a box, or one for all the points.

    The picture is embedded once and kept; many prompts on it cost one pass of the encoder.
    """

    view: View
    boxes: tuple[Box, ...] = ()
    points: tuple[tuple[float, float], ...] = ()
    labels: tuple[int, ...] = ()  # one a point: 1 inside, 0 outside


@dataclass(frozen=True)
class Masks:
    """`masks`: (n, height, width) bool over the whole picture; `scores`: (n,) float32, predicted IoU."""

    masks: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class Describe:
    """To the role "captioner" or "llava": what the view shows. Answer: `Said`.

    "short" names what stands out, "detailed" everything there is, in raster order.
    """

    view: View
    detail: Literal["short", "detailed"] = "short"


@dataclass(frozen=True)
class Answer:
    """To the role "llava": a question about one view or several. Answer: `Said`.

    Whether a statement holds is asked as `STATEMENT` puts it; the answer begins with "true" or "false".
    `history` holds the questions and answers before it, oldest first, where "it" may mean something of them: each
    answer as the `Said` that came back, with the rationale that a model which thinks first goes on from, or as words.
    """

    views: tuple[View, ...]
    question: str
    history: tuple[tuple[str, str | Said], ...] = ()


STATEMENT = "True or false: {}"  # how a statement is put to the role "llava"


@dataclass(frozen=True)
class Said:
    """Words of a model, and how sure it is of them: the mean likelihood of its tokens, in 0..1, or None.

    `rationale` is what a model that thinks first wrote before its answer.
    """

    text: str
    confidence: float | None = None
    rationale: str = ""


@dataclass(frozen=True)
class Paint:
    """To the role "painter": a new picture, or a part of one painted anew. Answer: a PIL image, RGB.

    Attributes:
        prompt: what it shall show, in words.
        negative: what it shall not.
        things: what stands where, for models that take boxes: words, and xyxy in shares of the sides; None: the prompt
            alone says it, [] says that nothing stands there.
        background: words for what is behind them; "": whatever fits.
        size: (width, height) in pixels; None: the model's own, or that of `image`.
        seed: the same seed gives the same picture on the same machine.
        steps, guidance: None: as the model declares.
        image, mask: paint only where the mask (height, width) bool is true; no image: a picture from nothing; an image
            without a mask: begin from it, or be guided by it, as `way` says.
        way: "paint", by the prompt; "instruct": the prompt says what to do with the image; "edges", "depth": keep those
            of the image; "segments": keep to the things' boxes (models with a ControlNet for it).
        strength: how far from the image it begins, 0 to 1; None: as the model declares.
    """

    prompt: str
    negative: str = ""
    things: tuple[tuple[str, tuple[float, float, float, float]], ...] | None = None
    background: str = ""
    size: tuple[int, int] | None = None
    seed: int = 0
    steps: int | None = None
    guidance: float | None = None
    image: Image.Image | None = None
    mask: np.ndarray | None = None
    way: Literal["paint", "instruct", "edges", "depth", "segments"] = "paint"
    strength: float | None = None


@dataclass(frozen=True)
class Read:
    """To the role "reader": the words that can be read in the view. Answer: a list of `Word` in reading order."""

    view: View


@dataclass(frozen=True)
class Word:
    """A word as it was read.

    Attributes:
        text: the word.
        box: xyxy in pixels of the whole picture.
        score: how sure it is, 0..1.
        line: words of one line have one number; where a gap is wide, as before a value or a column, a line ends. None:
            the reader tells no lines.
        block: lines that stand together have one number.
        straight: where it would stand on the page turned upright, xyxy; None: as `box` says.
    """

    text: str
    box: Box
    score: float
    line: int | None = None
    block: int | None = None
    straight: Box | None = None
