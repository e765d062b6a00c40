"""The detector: where the things are, and what they are.

One expert for three kinds of model: a YOLO (from the zoo or an ultralytics checkpoint), any
object-detection class of transformers (RT-DETR, DETR, YOLOS), and any of its classes that detect
what words name (Grounding DINO, OWLv2).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import supervision as sv
import torch
from PIL import Image

from ....errors import UserError
from ....settings import ModelSpec
from ...contracts import Expert
from ...requests import Detect
from ...weights import quiet_transformers, read_json, resolve
from ..batches import blank_view
from .yolo import Found, Yolo

# What "everything" means to a detector that must be told what to look for: the kinds of COCO, in plain words.
EVERYTHING = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "bench", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra",
    "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "ball", "kite", "skateboard", "surfboard",
    "tennis racket", "bottle", "glass", "cup", "fork", "knife", "spoon", "bowl", "fruit", "vegetable", "sandwich",
    "pizza", "cake", "chair", "sofa", "plant", "bed", "table", "toilet", "television", "laptop", "mouse", "remote",
    "keyboard", "phone", "oven", "sink", "refrigerator", "book", "clock", "vase", "scissors", "toy", "lamp", "box",
    "sign", "shoe", "hat", "bag", "tree", "flower", "house", "window", "door",
)  # fmt: skip


FIXED, FIXED_CPU = 16, 8  # pictures in one forward while batches are fixed, on a GPU and on a CPU


class _Backend(Protocol):
    """A model behind the detector: pictures and phrases in, boxes with labels out."""

    rows: int | None  # of each forward while batches are fixed; backends whose shapes follow the pictures know only 1

    def look(self, images: Sequence[Image.Image], requests: Sequence[Detect]) -> list[tuple[Found, list[str]]]:
        """For each request's pixels: boxes (n, 4) xyxy in them, scores (n,), classes (n,), and n labels."""
        ...


class _Fixed:
    """A YOLO: fixed classes, phrases play no part."""

    rows: int | None = None

    def __init__(self, yolo: Yolo) -> None:
        self.yolo = yolo

    def look(self, images: Sequence[Image.Image], requests: Sequence[Detect]) -> list[tuple[Found, list[str]]]:
        sizes = [request.view.size for request in requests]
        chunk = self.rows or len(images)
        seen = [
            found
            for start in range(0, len(images), chunk)
            for found in self.yolo.find(
                images[start : start + chunk], sizes=sizes[start : start + chunk], rows=self.rows
            )
        ]
        return [(found, [self.yolo.names[number] for number in found[2]]) for found in seen]


class _Transformers:
    """Any class of `AutoModelForObjectDetection`: fixed classes, phrases play no part."""

    threshold = 0.4
    rows: int | None = None

    def __init__(self, folder: Path, device: str) -> None:
        from transformers import AutoImageProcessor, AutoModelForObjectDetection

        self.device = device
        self.processor: Any = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
        model: Any = AutoModelForObjectDetection.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
        self.model = model.to(device).eval().requires_grad_(False)

    @torch.inference_mode()
    def look(self, images: Sequence[Image.Image], requests: Sequence[Detect]) -> list[tuple[Found, list[str]]]:
        inputs = self.processor(images=list(images), return_tensors="pt").to(self.device)
        results = self.processor.post_process_object_detection(
            self.model(**inputs), threshold=self.threshold, target_sizes=[image.size[::-1] for image in images]
        )
        names = self.model.config.id2label
        return [
            (_found(result, result["labels"].cpu().numpy()), [names[int(number)] for number in result["labels"]])
            for result in results
        ]


class _ZeroShot:
    """Any class of `AutoModelForZeroShotObjectDetection`: looks for the phrase, or for `EVERYTHING`."""

    threshold = 0.25
    rows: int | None = None

    def __init__(self, folder: Path, device: str) -> None:
        from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

        self.device = device
        self.processor: Any = AutoProcessor.from_pretrained(folder, local_files_only=True)
        model: Any = AutoModelForZeroShotObjectDetection.from_pretrained(
            folder, local_files_only=True, dtype=torch.float32
        )
        self.model = model.to(device).eval().requires_grad_(False)

    def look(self, images: Sequence[Image.Image], requests: Sequence[Detect]) -> list[tuple[Found, list[str]]]:
        # One pass for each phrase: within a pass every picture is asked for the same words.
        phrases = [request.phrase for request in requests]
        answers: dict[int, tuple[Found, list[str]]] = {}
        for phrase in dict.fromkeys(phrases):
            numbers = [number for number, other in enumerate(phrases) if other == phrase]
            found = self._look_for(_words(phrase), [images[number] for number in numbers])
            answers.update(zip(numbers, found, strict=True))
        return [answers[number] for number in range(len(images))]

    @torch.inference_mode()
    def _look_for(self, words: list[str], images: list[Image.Image]) -> list[tuple[Found, list[str]]]:
        text = [words] * len(images)
        inputs = self.processor(images=images, text=text, return_tensors="pt", padding=True).to(self.device)
        results = self.processor.post_process_grounded_object_detection(
            self.model(**inputs),
            threshold=self.threshold,
            target_sizes=[image.size[::-1] for image in images],
            text_labels=text,
        )
        answers = []
        for result in results:
            # Grounding DINO names a box by the words that it matched, which may be none or only some of a phrase.
            labels = [label.strip() or words[0] for label in result["text_labels"]]
            if len(words) == 1:
                labels = words * len(labels)
            classes = np.array([words.index(label) if label in words else -1 for label in labels], dtype=int)
            answers.append((_found(result, classes), labels))
        return answers


class Detector(Expert[Detect, sv.Detections]):
    """Finds things in views: the role "detector"."""

    role: ClassVar[str] = "detector"

    def __init__(self, backend: _Backend) -> None:
        self.backend = backend

    @classmethod
    def load(cls, spec: ModelSpec, device: str) -> Self:
        """Load a YOLO or a detector of transformers, in fp32.

        Args:
            spec: `zoo:detector`; `file:` an ultralytics `.pt` or a folder; `hf:` a checkpoint in the local cache.
            device: "cpu", "cuda", "cuda:1".

        Raises:
            UserError: it is missing, damaged, unsafe, or no detector.
        """
        path = resolve(spec)
        if path.is_file():
            return cls(_Fixed(Yolo.from_checkpoint(path, device)))
        if not (path / "config.json").is_file():
            checkpoints = sorted(path.glob("*.pt"))
            if len(checkpoints) == 1:
                return cls(_Fixed(Yolo.from_checkpoint(checkpoints[0], device)))
            raise UserError(
                f"{str(spec)!r} is no detector: {str(path)!r} holds neither a config.json nor just one .pt file.",
                kind="bad_weights",
            )
        config = read_json(path / "config.json")
        if "yaml" in config:
            return cls(_Fixed(Yolo.from_folder(path, device)))
        return cls(_from_transformers(spec, path, str(config.get("model_type")), device))

    @classmethod
    def best_rows(cls, device: str) -> int:
        """See `Expert.best_rows`."""
        return FIXED if device.startswith("cuda") else FIXED_CPU

    def fix_rows(self, rows: int | None) -> None:
        """See `Expert.fix_rows`; of detectors whose shapes follow the pictures a forward has one row."""
        self.fixed = self.backend.rows = rows

    def probe(self) -> None:
        """See `Expert.probe`."""
        self.predict([Detect(blank_view())])

    def predict(self, requests: Sequence[Detect]) -> list[sv.Detections]:
        """Boxes for each view, in xyxy pixels of the whole picture, best first.

        Returns:
            One `sv.Detections` a request: `xyxy` (n, 4) float32, `confidence` (n,), `class_id` (n,) and
            `data["class_name"]` (n,) str. `class_id` counts within the model's classes, or the words asked for.
        """
        if not requests:
            return []
        images = [request.view.pixels() for request in requests]
        if self.backend.rows is not None and not isinstance(self.backend, _Fixed):
            seen = [one for image, request in zip(images, requests, strict=True)
                    for one in self.backend.look([image], [request])]  # fmt: skip
        else:
            seen = self.backend.look(images, requests)
        return [
            _detections(found, labels, request, image.size)
            for (found, labels), request, image in zip(seen, requests, images, strict=True)
        ]


def _from_transformers(spec: ModelSpec, folder: Path, model_type: str, device: str) -> _Backend:
    """The backend for a folder that transformers wrote."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_OBJECT_DETECTION_MAPPING_NAMES,
        MODEL_FOR_ZERO_SHOT_OBJECT_DETECTION_MAPPING_NAMES,
    )

    if model_type in MODEL_FOR_ZERO_SHOT_OBJECT_DETECTION_MAPPING_NAMES:
        backend = _ZeroShot
    elif model_type in MODEL_FOR_OBJECT_DETECTION_MAPPING_NAMES:
        backend = _Transformers
    else:
        raise UserError(
            f"{str(spec)!r} is a model of the type {model_type!r}, which detects nothing. Detectors are for example "
            f"rt_detr, detr, yolos, grounding-dino, owlv2, or a YOLO checkpoint.",
            kind="bad_weights",
        )
    quiet_transformers()
    try:
        return backend(folder, device)
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        raise UserError(f"{str(spec)!r} cannot be loaded as a detector: {error}", kind="bad_weights") from error


def _words(phrase: str | None) -> list[str]:
    """What a detector that takes words is asked for. Grounding DINO knows lower case only."""
    if phrase is None or phrase.strip().lower() in ("", "everything"):
        return list(EVERYTHING)
    return [phrase.strip().lower()]


def _found(result: dict[str, Any], classes: np.ndarray) -> Found:
    """Boxes, scores and classes out of one picture's result of a transformers processor."""
    return result["boxes"].cpu().numpy().reshape(-1, 4), result["scores"].cpu().numpy(), classes


def _detections(found: Found, labels: list[str], request: Detect, size: tuple[int, int]) -> sv.Detections:
    """From a view's pixels to the whole picture's: clipped, empty boxes dropped, best first."""
    boxes, scores, classes = found
    boxes = boxes.clip(0, np.array(size * 2))
    solid = np.flatnonzero((boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]))
    order = solid[np.argsort(-scores[solid], kind="stable")]
    left, top = (int(value) for value in request.view.box[:2])  # as `View.pixels` cuts
    return sv.Detections(
        xyxy=(boxes[order] + np.array([left, top, left, top])).astype(np.float32),
        confidence=scores[order].astype(np.float32),
        class_id=classes[order].astype(int),
        data={"class_name": np.array(labels, dtype=str)[order]},
    )
