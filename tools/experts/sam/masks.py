"""From the decoder's logits to masks of the picture's own size, at the cost of the thing and not of the picture.

`Sam.postprocess_masks` stretches the logits to the model's size, cuts the padding off and stretches the rest to the
picture's size, for every mask over the whole picture. Both steps are linear and treat rows and columns apart, so
that together they are two small matrices. A pixel is an average of logits near it, so that none is in the mask
where all of these are out: the matrices need only pass over the part where some are in.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional as F

if TYPE_CHECKING:
    from segment_anything.modeling import Sam

SHARE = 0.25  # of the logits: above it the stock way is no dearer
REACH = 2  # a pixel is made of logits nearer than this; 1.25 at most where the model's size is four times theirs


def enlarge(model: Sam, logits: torch.Tensor, resized: tuple[int, int], original: tuple[int, int]) -> np.ndarray:
    """Masks of a picture, up to float rounding `postprocess_masks(...) > mask_threshold`.

    Args:
        model: whose sizes and threshold.
        logits: (n, 1, s, s) on the CPU.
        resized: (height, width) of the picture as the encoder saw it, without padding.
        original: (height, width) of the picture.

    Returns:
        (n, height, width) bool.
    """
    low, full = logits.shape[-1], model.image_encoder.img_size
    downwards, across = (_stretch(low, full, part, size) for part, size in zip(resized, original, strict=True))
    masks = np.zeros((len(logits), *original), bool)
    for mask, one in zip(masks, logits[:, 0], strict=True):
        inside = one > model.mask_threshold  # (s, s)
        if not inside.any():
            continue
        # Logits (rows, columns) make pixels (y, x).
        rows, y = _window(inside.any(1), original[0] * full / (resized[0] * low), original[0])
        columns, x = _window(inside.any(0), original[1] * full / (resized[1] * low), original[1])
        part = one[rows, columns]
        if part.numel() > SHARE * one.numel():
            whole = model.postprocess_masks(one[None, None], resized, original)[0, 0]
            mask[:] = (whole > model.mask_threshold).numpy()
        else:
            stretched = downwards[rows, y].T @ part @ across[columns, x]
            mask[y, x] = (stretched > model.mask_threshold).numpy()
    return masks


def _stretch(low: int, full: int, part: int, size: int) -> torch.Tensor:
    """(low, size): what each logit along a side gives to each pixel."""
    unit = F.interpolate(torch.eye(low)[None], full, mode="linear", align_corners=False)
    return F.interpolate(unit[..., :part], size, mode="linear", align_corners=False)[0]


def _window(inside: torch.Tensor, step: float, size: int) -> tuple[slice, slice]:
    """Which logits along a side to use and which pixels to make.

    `inside`: (s,) bool, which logits are in the mask; `step`: pixels a logit; `size`: pixels in all.
    """
    places = inside.nonzero()
    first, last = int(places[0]), int(places[-1])
    start = min(size, max(0, math.floor((first - REACH) * step)))
    stop = min(size, math.ceil((last + 1 + REACH) * step))
    return slice(max(0, first - 2 * REACH - 1), last + 2 * REACH + 2), slice(start, stop)
