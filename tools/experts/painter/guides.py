"""Pictures that guide a ControlNet (Zhang et al. 2023): edges, depth, and segments made from boxes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

Box = tuple[float, float, float, float]

LOW, HIGH = 100, 200  # Canny's thresholds, as published ControlNets were trained with
# Colours of ADE20K (Zhou et al. 2017), by which published ControlNets for segments are told what stands where.
ADE = {
    "wall": (120, 120, 120), "building": (180, 120, 120), "sky": (6, 230, 230), "floor": (80, 50, 50),
    "tree": (4, 200, 3), "road": (140, 140, 140), "street": (140, 140, 140), "bed": (204, 5, 255),
    "window": (230, 230, 230), "grass": (4, 250, 7), "cabinet": (224, 5, 255), "sidewalk": (235, 255, 7),
    "person": (150, 5, 61), "man": (150, 5, 61), "woman": (150, 5, 61), "child": (150, 5, 61), "earth": (120, 120, 70),
    "door": (8, 255, 51), "table": (255, 6, 82), "mountain": (143, 255, 140), "plant": (204, 255, 4),
    "curtain": (255, 51, 7), "chair": (204, 70, 3), "car": (0, 102, 200), "water": (61, 230, 250),
    "painting": (255, 6, 51), "sofa": (11, 102, 255), "shelf": (255, 7, 71), "house": (255, 9, 224),
    "sea": (9, 7, 230), "mirror": (220, 220, 220), "rug": (255, 9, 92), "field": (112, 9, 255),
    "armchair": (8, 255, 214), "seat": (7, 255, 224), "fence": (255, 184, 6), "desk": (10, 255, 71),
    "rock": (255, 41, 10), "wardrobe": (7, 255, 255), "lamp": (224, 255, 8),
}  # fmt: skip
OTHERS = ((255, 0, 122), (255, 0, 163), (173, 0, 255), (0, 255, 194), (255, 204, 0), (0, 133, 255))  # of no such word


def edges(image: Image.Image) -> Image.Image:
    """White edges on black, as Canny (1986) finds them; RGB of the same size."""
    import cv2

    found = cv2.Canny(cv2.cvtColor(np.asarray(image.convert("RGB")), cv2.COLOR_RGB2GRAY), LOW, HIGH)
    return Image.fromarray(found).convert("RGB")


def depth(image: Image.Image, model: Any, processor: Any) -> Image.Image:
    """Near is white and far is black, as a model of transformers sees it (DPT, Depth Anything); RGB, the same size.

    Args:
        image: RGB.
        model: of `AutoModelForDepthEstimation`, in eval mode.
        processor: its image processor.
    """
    import torch

    inputs = processor(images=image.convert("RGB"), return_tensors="pt")
    with torch.inference_mode():
        seen = model(pixel_values=inputs["pixel_values"].to(model.device, model.dtype)).predicted_depth[0].float()
    low, high = float(seen.min()), float(seen.max())
    share = ((seen - low) / max(high - low, 1e-6) * 255).round().to(torch.uint8).cpu().numpy()
    return Image.fromarray(share).resize(image.size, Image.Resampling.BICUBIC).convert("RGB")


def segments(
    things: Sequence[tuple[str, Box]],
    size: tuple[int, int],
    background: str = "",
    colors: Mapping[str, Sequence[int]] | None = None,
) -> Image.Image:
    """Boxes in the colours of what stands in them, the larger ones behind; RGB of `size`.

    Args:
        things: words, and boxes xyxy in shares of the sides.
        size: (width, height) in pixels.
        background: words for what is behind them; "" is a wall.
        colors: sRGB by word, before those of ADE20K.
    """
    known = {**ADE, **{word: tuple(color) for word, color in (colors or {}).items()}}
    named = list(dict.fromkeys(words for words, _ in things))

    def color(words: str, other: tuple[int, ...]) -> tuple[int, ...]:
        said = re.findall(r"[a-z]+", words.lower())
        found = [*(word for word in said if word in known), *(word[:-1] for word in said if word[:-1] in known)]
        return known[found[-1]] if found else other  # the last word of a phrase is its noun

    image = Image.new("RGB", size, color(background, ADE["wall"]))
    for words, box in sorted(things, key=lambda one: -(one[1][2] - one[1][0]) * (one[1][3] - one[1][1])):
        x0, x1 = (round(box[at] * size[0]) for at in (0, 2))
        y0, y1 = (round(box[at] * size[1]) for at in (1, 3))
        other = OTHERS[named.index(words) % len(OTHERS)]
        image.paste(color(words, other), (x0, y0, max(x0 + 1, x1), max(y0 + 1, y1)))
    return image
