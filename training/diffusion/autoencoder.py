"""The painter's autoencoder: pictures of 128 px as 32 x 32 cells of 4 numbers, and back.

Four times smaller along each side: drawn things are small and their edges sharp. It learns from parts of pictures
first (it is convolutional throughout), from whole ones in the end.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from ..common import Run, autocast, batches, draw_curve
from ..optimization import descend
from .looks import SIDE, PaintLook, draw_paint_look

LATENT_CHANNELS = 4
SHRINK = 4
PART = 64  # px: the side of the parts that it learns from
WHOLE_FROM = 0.85  # the share of the steps after which it sees whole pictures
RATE = 2e-3
EDGES = 1.0  # the weight of differences between neighbouring pixels
NARROW = 1e-5  # the weight of the Kullback-Leibler term
KEPT = 1024  # pictures in hand, from which parts are cut
FRESH = 16  # pictures drawn a step


def autoencoder() -> Any:
    """The model: 0.6 million parameters."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    blocks = 3
    kind: Any = AutoencoderKL  # its signature tells tuples of one element
    return kind(
        in_channels=3, out_channels=3, latent_channels=LATENT_CHANNELS, sample_size=SIDE, layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * blocks, up_block_types=("UpDecoderBlock2D",) * blocks,
        block_out_channels=(16, 32, 64), norm_num_groups=8, mid_block_add_attention=False,
    )  # fmt: skip


def to_pixels(looks: list[PaintLook]) -> torch.Tensor:
    """(n, 3, SIDE, SIDE) float32 in -1..1."""
    return as_pixels([look.pixels for look in looks])


def as_pixels(images: list[np.ndarray]) -> torch.Tensor:
    """(n, 3, height, width) float32 in -1..1 of (height, width, 3) uint8."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 127.5 - 1


def reconstruction_loss(made: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    """How far pixels are off, and how far the differences between neighbours are: blurred edges cost twice."""
    loss = (made - true).abs().mean()
    for dim in (-1, -2):
        loss = loss + EDGES * (made.diff(dim=dim) - true.diff(dim=dim)).abs().mean()
    return loss


def train_autoencoder(out: Path, steps: int, batch: int, workers: int, device: str, resume: bool) -> Any:
    """Train, and give the model back; it is kept in `out` and taken from there when it has been finished before."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    if resume and (out / "config.json").is_file():
        known: Any = AutoencoderKL.from_pretrained(out)
        return known.to(device)
    model: Any = autoencoder().to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.99), weight_decay=0.01)
    resume = resume and (out / "run" / "checkpoint.pt").is_file()
    with Run(out, steps, {"model": model, "optimizer": optimizer}, resume) as run:
        drawn = iter(batches(draw_paint_look, range(run.step * FRESH, 2**30), FRESH, workers, collate=list))
        kept = torch.cat([to_pixels(next(drawn)) for _ in range(min(KEPT, 8 * batch) // FRESH)])
        for step in run:
            kept = torch.cat([kept, to_pixels(next(drawn))])[-KEPT:]
            rng = np.random.default_rng((3, step))
            shown = _parts(kept, batch, rng, whole=step >= WHOLE_FROM * steps).to(device)
            with autocast(device):
                spread = model.encode(shown).latent_dist
                made = model.decode(spread.sample()).sample
            loss = reconstruction_loss(made.float(), shown) + NARROW * spread.kl().mean()
            descend(loss, model, [optimizer], step, steps)
            if step % 10 == 0:
                run.log(loss=loss.item(), pixels=(made.float() - shown).abs().mean().item())
    draw_curve(run.history, out / "curve.png")
    model = model.eval()
    scale = scaling_factor(model, kept[:256], device)
    model.register_to_config(scaling_factor=scale)
    model.save_pretrained(out)
    return model


@torch.no_grad()
def scaling_factor(model: Any, pixels: torch.Tensor, device: str) -> float:
    """One over the standard deviation of the latents: the diffusion model sees numbers of about 1."""
    return float(1 / model.encode(pixels.to(device)).latent_dist.mode().std())


def _parts(kept: torch.Tensor, batch: int, rng: np.random.Generator, whole: bool) -> torch.Tensor:
    """Random parts of random pictures; a quarter as many whole ones, which cost as much."""
    if whole:
        return kept[torch.from_numpy(rng.integers(0, len(kept), max(1, batch // 4)))]
    rows = rng.integers(0, len(kept), batch)
    lefts, tops = rng.integers(0, SIDE - PART + 1, (2, batch))
    return torch.stack(
        [kept[row, :, top : top + PART, left : left + PART] for row, left, top in zip(rows, lefts, tops, strict=True)]
    )


def psnr(made: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    """The peak signal-to-noise ratio in dB of each of n pictures in -1..1."""
    return 10 * torch.log10(4 / F.mse_loss(made, true, reduction="none").flatten(1).mean(1))
