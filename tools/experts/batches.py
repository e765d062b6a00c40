"""Batches of one shape: what every forward of an expert has while its rows are fixed (see `Expert.fix_rows`)."""

from __future__ import annotations

import torch
from PIL import Image

from ..contracts import View

BLANK = 64  # px of the picture that a probe is shown


def fill_up(batch: torch.Tensor, rows: int | None) -> torch.Tensor:
    """A batch (n, ...) with its last row repeated until there are `rows`; as it is where these are not fixed.

    It lies in memory in one order, too: convolutions choose by it how they add up.
    """
    if rows is None:
        return batch
    more = batch[-1:].expand(rows - len(batch), *batch.shape[1:])
    return torch.cat([batch, more]).contiguous()


def blank_view() -> View:
    """A grey picture, for a probe."""
    image = Image.new("RGB", (BLANK, BLANK), (128, 128, 128))
    return View("pic_probe", image.size, (0, 0, *image.size), lambda: image)
