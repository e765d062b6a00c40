"""The recipe of `zoo/sam`: a small SAM trained from scratch on drawn scenes, in segment_anything's own classes.

As in the paper (Kirillov et al. 2023): a picture is encoded once and prompted many times, with boxes, noisy
boxes and points; the loss is focal to dice as 20 to 1, a head learns to tell its own IoU, and of the three masks
of an ambiguous prompt only the best one learns. The single mask, which boxes and several points get, learns
always. Losses are taken on a fine grid around each thing as well, at the scene's own 512 px, so that edges
become sharper than the decoder's 128 x 128 logits.
"""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from ..scenes.render import render
from ..scenes.sample import sample_scene
from ..scenes.splits import Split
from ..tools.sam_model import SamConfig, build_sam
from .common import Budget, Card, Run, autocast, batches, choose, draw_curve, write_zoo
from .descent import descend
from .looks import PICTURE, part_map

BUDGETS = {
    "cpu": Budget(steps=1800, batch=8, patch=16, workers=1),
    "gpu": Budget(steps=20000, batch=32, patch=16, workers=14),
}
SIDE = 256  # px: what the encoder sees
CAPACITY = 6000  # scenes kept
PROMPTS = 6  # a picture
FINE = 64  # samples a side of the grid around a thing
COARSE = 32  # cells a side, for the loss over the whole picture
RATE = 2e-3
EARLY = 300  # steps between usable versions


def config_of(patch: int) -> SamConfig:
    """ViT 128x6 at 256 px, decoder of width 56: 1.5 M parameters.

    Masks of 64 x 64 cannot follow a key or an umbrella (the mean IoU of the truth itself, so reduced, is 0.92),
    hence the neck that makes them 128 x 128.
    """
    return SamConfig(
        embed_dim=128, depth=6, num_heads=4, global_attn_indexes=(0, 1, 2, 3, 4, 5), image_size=SIDE, patch_size=patch,
        window_size=0, out_chans=56, mask_in_chans=4, decoder_depth=2, decoder_heads=4, decoder_mlp_dim=128,
        iou_head_depth=2, iou_head_hidden_dim=64, neck_upscale=2, detail=16,
    )  # fmt: skip


def draw_case(index: int, split: Split = "train") -> tuple[np.ndarray, np.ndarray]:
    """A scene, or a square part of one.

    Returns:
        (SIDE, SIDE, 3) uint8, and (PICTURE, PICTURE) uint8: which thing each pixel shows, 0 for none.
    """
    rng = random.Random(index)
    rendered = render(sample_scene(index, split), PICTURE)
    image, parts = rendered.image, part_map(rendered)
    if rng.random() < 0.3:
        side = int(PICTURE * rng.uniform(0.35, 1.0))
        left, top = rng.randint(0, PICTURE - side), rng.randint(0, PICTURE - side)
        at = np.arange(PICTURE) * side // PICTURE
        image = image.crop((left, top, left + side, top + side))
        parts = parts[top + at][:, left + at]
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)), parts


class Store:
    """Pictures that were drawn, kept on disk as plain arrays; grows up to `capacity`."""

    def __init__(self, folder: Path, capacity: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.count, self.capacity = 0, capacity
        self.images = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, (capacity, SIDE, SIDE, 3))
        self.parts = np.lib.format.open_memmap(folder / "parts.npy", "w+", np.uint8, (capacity, PICTURE, PICTURE))

    def add(self, image: np.ndarray, parts: np.ndarray) -> None:
        """Keep one picture, unless there are enough, or it shows nothing."""
        if self.count < self.capacity and (parts > 0).sum() > 400:
            self.images[self.count], self.parts[self.count] = image, parts
            self.count += 1


@dataclass
class Prompt:
    """One prompt on one picture, in pixels of the 512 px picture: a box, or points with labels, for one thing."""

    thing: int  # its number in the map of parts
    box: np.ndarray  # (4,) xyxy, the thing's own tight box
    given: np.ndarray | None  # (4,) the box that is given; None where points are
    points: np.ndarray  # (n, 2)
    labels: np.ndarray  # (n,)


def draw_prompts(parts: np.ndarray, rng: np.random.Generator, count: int) -> list[Prompt]:
    """Prompts for the things of a picture: boxes, noisy boxes, one point, several points inside and outside."""
    names, areas = np.unique(parts[parts > 0], return_counts=True)
    names = names[areas > 60]
    drawn: list[Prompt] = []
    for name in rng.permutation(np.resize(rng.permutation(names), count)) if len(names) else ():
        mask = parts == name
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)
        kind = rng.random()
        if kind < 0.6:
            size = np.array([box[2] - box[0], box[3] - box[1]] * 2, np.float32)
            noise = rng.normal(0, 0.0 if kind < 0.25 else 0.08 if kind > 0.45 else 0.03, 4) * size
            given = np.clip(box + np.clip(noise, -20, 20), 0, PICTURE).astype(np.float32)
            drawn.append(Prompt(int(name), box, given, np.zeros((0, 2)), np.zeros(0)))
            continue
        points = [inside(mask, box, rng)]
        labels = [1]
        if kind > 0.85:
            for _ in range(int(rng.integers(1, 3))):
                points.append(inside(mask, box, rng))
                labels.append(1)
            near = np.clip(rng.normal((box[:2] + box[2:]) / 2, box[2:] - box[:2]), 0, PICTURE - 1).astype(int)
            if not mask[near[1], near[0]]:
                points.append(near)
                labels.append(0)
        drawn.append(Prompt(int(name), box, None, np.array(points, np.float32) + 0.5, np.array(labels)))
    return drawn


def inside(mask: np.ndarray, box: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random pixel (x, y) of a mask."""
    x0, y0, x1, y1 = box.astype(int)
    rows, columns = np.nonzero(mask[y0:y1, x0:x1])
    at = int(rng.integers(len(rows)))
    return np.array([columns[at] + x0, rows[at] + y0])


class Trained(nn.Module):
    """SAM in training, with a head that is thrown away: which cells of the picture show a thing."""

    def __init__(self, config: SamConfig) -> None:
        super().__init__()
        self.sam = build_sam(config)
        self.shown = nn.Conv2d(config.out_chans, 16, 1)  # 4 x 4 cells a feature

    def cells(self, features: torch.Tensor) -> torch.Tensor:
        """(n, 1, 4 * side, 4 * side) logits of "a thing is here"."""
        return F.pixel_shuffle(self.shown(features), 4)


def optimizers(model: nn.Module, rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the transformers, AdamW for everything else."""
    matrices = [
        p
        for name, p in model.named_parameters()
        if p.ndim == 2 and ("encoder.blocks." in name or "decoder.transformer." in name) and "rel_pos" not in name
    ]
    held = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in held and p.requires_grad]
    return [
        torch.optim.Muon(matrices, lr=rate, weight_decay=0.02, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=rate / 2, betas=(0.9, 0.98), weight_decay=0.01),
    ]


def decode(sam: Any, features: torch.Tensor, prompts: list[Prompt]) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    """All prompts of one picture: (n, 4, 128, 128) logits, (n, 4) predicted IoU, and which prompt each row answers.

    Prompts with equally many points go through the decoder together.
    """
    scale = SIDE / PICTURE
    groups: dict[int, list[int]] = {}
    for i, prompt in enumerate(prompts):
        groups.setdefault(len(prompt.points), []).append(i)
    logits, quality, order = [], [], []
    for points, members in groups.items():
        if points == 0:
            boxes = torch.from_numpy(np.stack([prompts[i].given for i in members]) * scale)  # pyright: ignore
            given = {"boxes": boxes.float().to(features.device), "points": None}
        else:
            at = torch.from_numpy(np.stack([prompts[i].points for i in members]) * scale).float()
            labels = torch.from_numpy(np.stack([prompts[i].labels for i in members])).int()
            given = {"boxes": None, "points": (at.to(features.device), labels.to(features.device))}
        sparse, dense = sam.prompt_encoder(masks=None, **given)
        masks, iou = sam.mask_decoder.predict_masks(
            image_embeddings=features,
            image_pe=sam.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
        )
        logits.append(masks)
        quality.append(iou)
        order += members
    return torch.cat(logits), torch.cat(quality), order


def fine_grid(boxes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Points around things: (n, FINE, FINE, 2) x, y in pixels of the 512 px picture, the box and a fifth more."""
    centre, size = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) * 1.4 + 6
    along = (np.arange(FINE) + rng.random(FINE)) / FINE - 0.5
    x = centre[:, :1] + size[:, :1] * along
    y = centre[:, 1:] + size[:, 1:] * along
    grid = np.stack(np.broadcast_arrays(x[:, None, :], y[:, :, None]), -1)
    return np.clip(grid, 0.5, PICTURE - 0.5).astype(np.float32)


def mask_losses(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """20 focal + 1 dice for each mask: (n, 4) of (n, 4, points) logits and (n, 1, points) truth in 0..1."""
    truth = truth.expand_as(logits)
    chance = logits.sigmoid()
    each = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    missed = (chance - truth).abs()
    focal = (each * missed**2 * (0.25 * truth + 0.75 * (1 - truth))).mean(-1)
    dice = 1 - (2 * (chance * truth).sum(-1) + 1) / (chance.sum(-1) + truth.sum(-1) + 1)
    return 20 * focal + dice


def losses_of(model: Trained, store: Store, plan: Budget, rng: np.random.Generator) -> dict[str, torch.Tensor]:
    """Every part of the loss of one batch, drawn from the store."""
    device = next(model.parameters()).device
    rows = np.sort(rng.integers(0, store.count, plan.batch))
    pixels = torch.from_numpy(store.images[rows]).to(device).permute(0, 3, 1, 2).float()
    tint = torch.from_numpy(rng.uniform(0.93, 1.07, (len(rows), 1, 1, 1)).astype(np.float32)).to(device)
    with autocast(device.type):
        features = model.sam.image_encoder(model.sam.preprocess((pixels * tint).clamp(0, 255)))
        cells = model.cells(features)
    features, cells = features.float(), cells.float()
    all_parts = torch.from_numpy(store.parts[rows]).to(device)
    covered = F.avg_pool2d((all_parts > 0).float()[:, None], PICTURE // cells.shape[-1])
    fine, coarse, honest = [], [], []
    for i in range(len(rows)):
        prompts = draw_prompts(store.parts[rows[i]], rng, PROMPTS)
        if not prompts:
            continue
        with autocast(device.type):
            logits, quality, order = decode(model.sam, features[i : i + 1], prompts)
        logits, quality = logits.float(), quality.float()
        prompts = [prompts[at] for at in order]
        names = torch.tensor([prompt.thing for prompt in prompts], device=device)[:, None, None]
        grid = fine_grid(np.stack([prompt.box for prompt in prompts]), rng)
        at = torch.from_numpy(grid).to(device)
        x, y = at[..., 0].long(), at[..., 1].long()
        truth = (all_parts[i][y, x] == names).float().flatten(1)[:, None]
        sampled = F.grid_sample(
            logits, at / PICTURE * 2 - 1, mode="bilinear", padding_mode="border", align_corners=False
        )
        sampled = sampled.flatten(2)
        near = mask_losses(sampled, truth)
        own = F.avg_pool2d((all_parts[i][None] == names).float()[:, None], PICTURE // COARSE)
        far = mask_losses(F.avg_pool2d(logits, logits.shape[-1] // COARSE).flatten(2), own.flatten(2))
        both = near + 0.5 * far
        fine.append(both[:, 0])
        coarse.append(both[:, 1:].min(1).values)
        with torch.no_grad():
            hit = sampled > 0
            inside, either = (hit & (truth > 0)).sum(-1), (hit | (truth > 0)).sum(-1)
            iou = inside / either.clamp(min=1)
        honest.append((quality - iou).square().mean(1))
    return {
        "single": torch.cat(fine).mean(),
        "best": torch.cat(coarse).mean(),
        "iou": torch.cat(honest).mean(),
        "cells": 0.5 * F.binary_cross_entropy_with_logits(cells, covered),
    }


def train(budget: str, out: Path, resume: bool) -> None:
    """Train, and leave the zoo folder in `out`."""
    plan = choose(budget, BUDGETS)
    device = plan.device
    torch.manual_seed(0)
    config = config_of(plan.patch or 16)
    model = Trained(config).to(device).train()
    both = optimizers(model, RATE)
    with Run(out, plan.steps, {"model": model, "muon": both[0], "adamw": both[1]}, resume) as run:
        fresh = max(2, -(-2 * CAPACITY // plan.steps))
        store = Store(run.folder / "pictures", min(CAPACITY, fresh * plan.steps))
        drawn = iter(batches(draw_case, range(run.step * fresh, 2**30), fresh, plan.workers, collate=list))
        while store.count < min(96, store.capacity):
            _keep(store, next(drawn))
        for step in run:
            if store.count < store.capacity:
                _keep(store, next(drawn))
            parts = losses_of(model, store, plan, np.random.default_rng((2, step)))
            loss = sum(parts.values(), torch.zeros((), device=device))
            descend(loss, model, both, step, plan.steps)
            if step % 5 == 0:
                run.log(loss=loss.item(), **{name: part.item() for name, part in parts.items()})
            if step and step % EARLY == 0:
                export(model, config, out, plan, run, {})
    draw_curve(run.history, out / "curve.png")
    export(model, config, out, plan, run, {})
    export(model, config, out, plan, run, evaluate(out, 1000))


def _keep(store: Store, cases: list[tuple[np.ndarray, np.ndarray]]) -> None:
    for image, parts in cases:
        store.add(image, parts)


def export(model: Trained, config: SamConfig, out: Path, plan: Budget, run: Run, metrics: dict[str, Any]) -> None:
    """Write the zoo folder."""
    card = Card(
        "sam",
        {"batch": plan.batch, "patch": plan.patch, "rate": RATE, "prompts a picture": PROMPTS,
         "pictures kept": CAPACITY},
        {"training": f"scenes of the split train from 0 on, {CAPACITY} kept", "testing": "the split test"},
        run.step, run.minutes, metrics,
    )  # fmt: skip
    numbers = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(config).items()}
    write_zoo(out, {"model_type": "sam", "saccade": numbers}, model.sam.state_dict(), card)


def evaluate(folder: Path, cases: int) -> dict[str, Any]:
    """Measure a zoo folder on held-out scenes: see `sam_test`."""
    from .sam_test import measure

    return measure(folder, cases)
