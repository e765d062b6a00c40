"""How good a SAM is on held-out scenes: what `saccade train sam` writes on the card.

Everything is asked through the expert, on whole 512 px pictures, as `segment_objects` asks it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFilter

from ...scenes.render import render
from ...scenes.sample import sample_scene
from ...settings import ModelSpec
from ...tools.contracts import View
from ...tools.experts.sam.expert import Sam
from ...tools.requests import Segment
from ..scene_views import PICTURE
from .prompts import inside

FIRST_TEST = 40_000  # of the split test: nothing before it is measured, for versions were compared on those


def measure(folder: Path, cases: int) -> dict[str, Any]:
    """MIoU of masks from boxes, detector-like boxes and points, on `cases` things of held-out scenes at 512 px.

    The baseline is the filled box: the mask that needs no model.
    """
    sam = Sam.load(ModelSpec("file", str(folder)), "cuda" if torch.cuda.is_available() else "cpu")
    rng = np.random.default_rng(7)
    kinds = ("box", "noisy_box", "point", "center_point", "box_again", "filled_box")
    found: dict[str, list[float]] = {kind: [] for kind in kinds}
    index = FIRST_TEST
    while len(found["box"]) < cases:
        rendered = render(sample_scene(index, "test"), PICTURE)
        size = (PICTURE, PICTURE)
        view = View(f"test-{index}", size, (0, 0, *size), lambda image=rendered.image: image)
        boxes = rendered.boxes.astype(float)
        sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1).repeat(2, 1)[:, [0, 2, 1, 3]]
        noisy = np.clip(boxes + np.clip(rng.normal(0, 0.04, boxes.shape) * sides, -8, 8), 0, PICTURE)
        answers = {
            "box": sam.predict([Segment(view, boxes=tuple(map(tuple, boxes)))])[0].masks,
            "noisy_box": sam.predict([Segment(view, boxes=tuple(map(tuple, noisy)))])[0].masks,
        }
        for i, mask in enumerate(rendered.masks):
            point, centre = inside(mask, boxes[i], rng) + 0.5, middle(mask)
            x0, y0, x1, y1 = boxes[i]
            wide = 0.3 * max(x1 - x0, y1 - y0)
            near = (max(0.0, x0 - wide), max(0.0, y0 - wide), min(512.0, x1 + wide), min(512.0, y1 + wide))
            close = View(view.picture, size, near, view.load)
            filled = np.zeros_like(mask)
            filled[int(y0) : int(y1), int(x0) : int(x1)] = True
            one = {
                "box": answers["box"][i],
                "noisy_box": answers["noisy_box"][i],
                "point": sam.predict([Segment(view, points=(tuple(point),))])[0].masks[0],
                "center_point": sam.predict([Segment(view, points=(centre,))])[0].masks[0],
                "box_again": sam.predict([Segment(close, boxes=(tuple(boxes[i]),))])[0].masks[0],
                "filled_box": filled,
            }
            for kind, guess in one.items():
                found[kind].append(float((guess & mask).sum() / max(1, (guess | mask).sum())))
        index += 1
    means = {f"miou_{kind}": round(float(np.mean(values)), 4) for kind, values in found.items()}
    worst = round(float(np.quantile(found["box"], 0.05)), 4)
    return {"cases": len(found["box"]), **means, "box_iou_5th_percentile": worst}


def middle(mask: np.ndarray) -> tuple[float, float]:
    """The pixel of a mask that lies deepest inside it, as (x, y)."""
    grown = Image.fromarray(mask.astype(np.uint8) * 255)
    while True:
        smaller = grown.filter(ImageFilter.MinFilter(3))
        if not np.asarray(smaller).any():
            break
        grown = smaller
    rows, columns = np.nonzero(np.asarray(grown))
    at = len(rows) // 2
    return float(columns[at]) + 0.5, float(rows[at]) + 0.5
