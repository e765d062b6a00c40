"""What is measured of the painter alone, on held-out scenes; how good its pictures are `saccade eval` tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from ...settings import ModelSpec
from ...tools.experts.painter.expert import Painter
from ...tools.requests import Paint
from .autoencoder import as_pixels, psnr, to_pixels
from .looks import draw_paint_look

FIRST = 70_000  # the first scene of the split "test" that is looked at
PART = 16  # looks at a time


@torch.no_grad()
def measure(folder: Path, cases: int) -> dict[str, Any]:
    """How faithful the autoencoder is, and how near what is painted in an area comes to what stood there.

    Args:
        folder: a zoo folder of the recipe.
        cases: held-out looks.

    Returns:
        `autoencoder_psnr` in dB; `area_psnr`, inside the area that was painted anew from words and boxes, beside
        `area_psnr_grey`, where it is left grey; `cases`.
    """
    expert = Painter.load(ModelSpec("file", str(folder)), "cpu")
    vae = expert.pipeline.vae
    rows: list[tuple[float, float, float]] = []
    for start in range(0, cases, PART):
        looks = [draw_paint_look(FIRST + number, "test") for number in range(start, min(cases, start + PART))]
        true = to_pixels(looks)
        again = vae.decode(vae.encode(true).latent_dist.mode()).sample
        made = expert.predict(
            [
                Paint(look.inside, image=Image.fromarray(look.pixels), mask=look.area, seed=number,
                      things=tuple(look.things), background=look.background)
                for number, look in enumerate(looks)
            ]
        )  # fmt: skip
        painted = as_pixels([np.asarray(image) for image in made])
        for at, look in enumerate(looks):
            inside = torch.from_numpy(look.area)
            near = [10 * np.log10(4 / max(1e-9, F.mse_loss(one[:, inside], true[at][:, inside]).item()))
                    for one in (painted[at], torch.zeros_like(true[at]))]  # fmt: skip
            rows.append((psnr(again[at : at + 1], true[at : at + 1]).item(), *near))
    means = np.mean(rows, 0)
    return {
        "autoencoder_psnr": round(float(means[0]), 2),
        "area_psnr": round(float(means[1]), 2),
        "area_psnr_grey": round(float(means[2]), 2),
        "cases": cases,
    }
