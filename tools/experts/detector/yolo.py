"""YOLO: built from a yaml in a zoo folder, or read from an ultralytics checkpoint, and asked the same way.

ultralytics (AGPL-3.0) stays behind this file and `training/detector/recipe.py`. It is told to stay offline
and to rebuild nothing but its own layers out of a file, before it is first imported.
"""

from __future__ import annotations

import copy
import importlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from PIL import Image

from ....errors import UserError
from ...weights import fit_state, load_state, read_json
from ..batches import fill_up

if TYPE_CHECKING:
    from ultralytics.nn.tasks import DetectionModel

PADDING = 114  # the grey around a picture that is not square, as ultralytics has it
Found = tuple[np.ndarray, np.ndarray, np.ndarray]  # boxes (n, 4) xyxy pixels, scores (n,), classes (n,)


def build(architecture: dict[str, Any]) -> DetectionModel:
    """A YOLO with fresh weights from the dictionary of its yaml file.

    Raises:
        UserError: ultralytics cannot build it ("bad_weights").
    """
    _import_ultralytics()
    from ultralytics.nn.tasks import DetectionModel

    try:
        # A copy, for it writes into the dictionary; its annotation forgets that it takes one.
        return DetectionModel(cast("Any", copy.deepcopy(architecture)), verbose=False)
    except (KeyError, TypeError, ValueError, IndexError, RuntimeError, AssertionError) as error:
        raise UserError(f"ultralytics cannot build this YOLO: {error!r}", kind="bad_weights") from error


def letterbox(
    image: Image.Image, side: int, largest: float = float("inf")
) -> tuple[np.ndarray, float, tuple[int, int]]:
    """Scale a picture into a square without bending it, and pad it with grey on all sides.

    Args:
        image: of any size.
        side: of the square, in pixels.
        largest: the greatest scale; a smaller picture stays smaller than the square.

    Returns:
        The square, (side, side, 3) uint8; the scale; and the padding (left, top) in pixels, so that
        a point (x, y) of the picture lies at (x * scale + left, y * scale + top).
    """
    scale = min(side / max(image.size), largest)
    width, height = (max(1, round(length * scale)) for length in image.size)
    left, top = (side - width) // 2, (side - height) // 2
    square = np.full((side, side, 3), PADDING, np.uint8)
    small = image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    square[top : top + height, left : left + width] = np.asarray(small)
    return square, scale, (left, top)


class Yolo:
    """A YOLO that is ready to look: model, class names and the numbers of its post-processing."""

    def __init__(self, model: DetectionModel, names: Sequence[str], config: dict[str, Any], device: str) -> None:
        self.names = list(names)
        self.side = int(config.get("image_size", 640))
        self.threshold = float(config.get("threshold", 0.25))
        self.overlap = float(config.get("overlap", 0.7))
        # Where every thing has one class only, two boxes on the same spot are one thing seen as two.
        self.one_class_a_place = bool(config.get("one_class_a_place", False))
        # How much larger than in the whole picture a region is shown at most: larger things were never learned.
        self.zoom = float(config.get("zoom", "inf"))
        self.device = device
        self.model = model.float().eval().requires_grad_(False)
        self.model.fuse(verbose=False)
        self.model.to(device)

    @classmethod
    def from_folder(cls, folder: Path, device: str) -> Yolo:
        """From `config.json` (`yaml`, `names`, `image_size`, `threshold`, `overlap`) and `model.safetensors`."""
        config = read_json(folder / "config.json")
        names = config.get("names")
        if not isinstance(config.get("yaml"), dict) or not isinstance(names, list):
            raise UserError(
                f"{str(folder / 'config.json')!r} describes no YOLO: it needs yaml and names.", kind="bad_weights"
            )
        model = build(config["yaml"])
        fit_state(
            model,
            {name: value.float() if value.is_floating_point() else value for name, value in load_state(folder).items()},
            folder,
        )
        return cls(model, [str(name) for name in names], config, device)

    @classmethod
    def from_checkpoint(cls, path: Path, device: str) -> Yolo:
        """From an ultralytics `.pt`, whose pickle may rebuild ultralytics' and torch's own layers only.

        Raises:
            UserError: it is no such checkpoint, or holds anything else ("bad_weights").
        """
        _import_ultralytics()
        import pickle

        from ultralytics.nn.tasks import DetectionModel, torch_safe_load

        if path.suffix != ".pt":
            raise UserError(f"{str(path)!r} is no YOLO checkpoint: those end in .pt.", kind="bad_weights")
        try:
            checkpoint, _ = torch_safe_load(path, safe_only=True)
        except (OSError, TypeError, RuntimeError, ImportError, EOFError, pickle.UnpicklingError) as error:
            raise UserError(
                f"{str(path)!r} cannot be read as a YOLO checkpoint without running code out of it, so it is refused: "
                f"{str(error).splitlines()[0]}",
                kind="bad_weights",
            ) from error
        model = checkpoint.get("ema") or checkpoint.get("model")
        if not isinstance(model, DetectionModel):
            raise UserError(
                f"{str(path)!r} holds no YOLO detection model, but {type(model).__name__}.", kind="bad_weights"
            )
        arguments = checkpoint.get("train_args") or {}
        names = cast("dict[int, str]", model.names)
        return cls(
            model, [names[number] for number in sorted(names)], {"image_size": arguments.get("imgsz", 640)}, device
        )

    @torch.inference_mode()
    def find(
        self,
        images: Sequence[Image.Image],
        threshold: float | None = None,
        sizes: Sequence[tuple[int, int]] | None = None,
        rows: int | None = None,
    ) -> list[Found]:
        """What is in each picture, best first: boxes in its own pixels, scores, and classes.

        Args:
            images: RGB pictures of any size, or parts of such.
            threshold: the least score; the model's own when left out.
            sizes: for parts, the (width, height) of the whole picture that each was cut from.
            rows: of the batch, which is filled up; None: one a picture.
        """
        from ultralytics.utils.nms import non_max_suppression

        wholes = sizes or [image.size for image in images]
        boxed = [
            letterbox(image, self.side, self.zoom * self.side / max(whole))
            for image, whole in zip(images, wholes, strict=True)
        ]
        squares, scales, paddings = zip(*boxed, strict=True)
        batch = torch.from_numpy(np.stack(squares)).to(self.device).permute(0, 3, 1, 2).float().div_(255)
        batch = fill_up(batch, rows)
        kept: Any = non_max_suppression(
            self.model(batch),
            conf_thres=self.threshold if threshold is None else threshold,
            iou_thres=self.overlap,
            agnostic=self.one_class_a_place,
            end2end=bool(self.model.end2end),
            max_time_img=10.0,  # a busy machine must not lose boxes
        )
        return [
            self._unbox(boxes.cpu().numpy(), image.size, scale, padding)
            for boxes, image, scale, padding in zip(kept[: len(images)], images, scales, paddings, strict=True)
        ]

    @staticmethod
    def _unbox(rows: np.ndarray, size: tuple[int, int], scale: float, padding: tuple[int, int]) -> Found:
        """From the square's pixels back to the picture's. `rows`: (n, 6) xyxy, score, class."""
        boxes = (rows[:, :4] - np.array(padding * 2)) / scale
        boxes = boxes.clip(0, np.array(size * 2)).astype(np.float32)
        solid = (boxes[:, 2] - boxes[:, 0] >= 1) & (boxes[:, 3] - boxes[:, 1] >= 1)
        return boxes[solid], rows[solid, 4], rows[solid, 5].astype(int)


def _import_ultralytics() -> None:
    """Import ultralytics such that it stays offline, quiet and careful, and leaves others' functions as they are.

    It puts functions of its own in the places of `Image.open` and `torch.save`, for the whole process; its `Image.open`
    runs pip for a package more when a file is no picture.
    """
    os.environ.setdefault("YOLO_OFFLINE", "true")
    os.environ.setdefault("YOLO_VERBOSE", "false")
    os.environ.setdefault("YOLO_AUTOINSTALL", "false")  # it would run pip by itself
    os.environ.setdefault("ULTRALYTICS_SAFE_LOAD", "1")
    opened, saved = Image.open, torch.save
    importlib.import_module("ultralytics.utils")

    Image.open, torch.save = opened, saved
