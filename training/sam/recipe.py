"""The recipe of `zoo/sam`: a small SAM trained from scratch on drawn scenes, in segment_anything's own classes.

As in the paper (Kirillov et al. 2023): a picture is encoded once and prompted many times, with boxes, noisy
boxes and points; the loss is focal to dice as 20 to 1, a head learns to tell its own IoU, and of the three masks
of an ambiguous prompt only the best one learns. The single mask, which boxes and several points get, learns
always. Losses are taken on a fine grid around each thing, at the scene's own 512 px, so that edges become sharper
than the decoder's 128 x 128 logits, and over the whole picture's cells, so that no mask strays to another thing. All
prompts of a batch that have equally many points pass the decoder together, and of the cells away from a thing only a
sample is judged, each with the weight of those that it stands for.
"""

from __future__ import annotations

import random
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from ...scenes.render import render
from ...scenes.sample import sample_scene
from ...scenes.splits import Split
from ...tools.experts.sam.model import SamConfig, build_sam
from ..common import Budget, Card, Run, autocast, batches, choose, draw_curve, write_zoo
from ..optimization import descend
from ..scene_views import PICTURE, part_map
from .forward import decode
from .measure import FIRST_TEST, measure
from .prompts import CELL, CELLS, FINE, WINDOW, Prompt, draw_prompts, places, wide

BUDGETS = {
    "cpu": Budget(steps=3800, batch=8, patch=16, workers=1),
    "gpu": Budget(steps=20000, batch=32, patch=16, workers=14),
}
SIDE = 256  # px: what the encoder sees
CAPACITY = 6000  # scenes kept
PROMPTS = 6  # a picture
OTHERS = 0.1  # how much of the loss of three masks is that of all of them, and not of the best
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
        side = int(PICTURE * rng.uniform(0.25, 1.0))
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


def mask_losses(logits: torch.Tensor, truth: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
    """20 focal + 1 dice for each mask: (n, 4) of (n, 4, points) logits and (n, 1, points) truth in 0..1.

    `weight`: (n, 1, points), of how many points each is an example; 1 when left out.
    """
    weight = torch.ones_like(truth) if weight is None else weight
    truth = truth.expand_as(logits)
    chance = logits.sigmoid()
    each = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    missed = (chance - truth).abs()
    focal = (each * missed**2 * (0.25 * truth + 0.75 * (1 - truth)) * weight).sum(-1) / weight.sum(-1)
    dice = 1 - (2 * (chance * truth * weight).sum(-1) + 1) / (((chance + truth) * weight).sum(-1) + 1)
    return 20 * focal + dice


def losses_of(model: Trained, store: Store, plan: Budget, rng: np.random.Generator) -> dict[str, torch.Tensor]:
    """Every part of the loss of one batch, drawn from the store."""
    device = next(model.parameters()).device
    rows = np.sort(rng.integers(0, store.count, plan.batch))
    images, parts = store.images[rows], store.parts[rows]
    if rng.random() < 0.5:  # the drawn world looks as well in a mirror
        images, parts = images[:, :, ::-1].copy(), parts[:, :, ::-1].copy()
    pixels = torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float()
    tint = torch.from_numpy(rng.uniform(0.93, 1.07, (len(rows), 1, 1, 1)).astype(np.float32)).to(device)
    with autocast(device.type):
        features = model.sam.image_encoder(model.sam.preprocess((pixels * tint).clamp(0, 255)))
        cells = model.cells(features)
    all_parts = torch.from_numpy(parts).to(device)
    covered = F.avg_pool2d((all_parts[:, 1::2, 1::2] > 0).float()[:, None], PICTURE // 2 // cells.shape[-1])
    shown = F.avg_pool2d(covered, covered.shape[-1] // CELLS)[:, 0].cpu().numpy()
    groups: dict[tuple[int, bool], list[tuple[int, Prompt]]] = {}
    for i in range(len(rows)):
        for prompt in draw_prompts(parts[i], rng, PROMPTS):
            # A lone point is padded with an empty one: to the decoder it is as long as a box.
            groups.setdefault((max(1, len(prompt.points)), wide(prompt.box)), []).append((i, prompt))
    each = [
        judge(model.sam, features, all_parts, shown, members, CELLS if large else WINDOW, rng)
        for (_, large), members in groups.items()
    ]
    single, best, honest = (torch.cat(values).mean() for values in zip(*each, strict=True))
    there = 0.5 * F.binary_cross_entropy_with_logits(cells.float(), covered)
    return {"single": single, "best": best, "iou": honest, "cells": there}


def embed_prompts(encoder: Any, prompts: list[Prompt], device: torch.device) -> torch.Tensor:
    """Prompts that have equally many tokens as SAM's own encoder embeds them: (n, tokens, channels)."""
    scale = SIDE / PICTURE
    boxed = [i for i, prompt in enumerate(prompts) if prompt.given is not None]
    pointed = [i for i, prompt in enumerate(prompts) if prompt.given is None]
    made = []
    if boxed:
        boxes = torch.from_numpy(np.stack([prompts[i].given for i in boxed]) * scale)  # pyright: ignore
        made.append(encoder(points=None, boxes=boxes.float().to(device), masks=None)[0])
    if pointed:
        at = torch.from_numpy(np.stack([prompts[i].points for i in pointed]) * scale).float().to(device)
        labels = torch.from_numpy(np.stack([prompts[i].labels for i in pointed])).int().to(device)
        made.append(encoder(points=(at, labels), boxes=None, masks=None)[0])
    back = torch.argsort(torch.tensor(boxed + pointed, device=device))
    return torch.cat(made)[back]


def judge(
    sam: Any,
    features: torch.Tensor,
    parts: torch.Tensor,
    shown: np.ndarray,
    asked: list[tuple[int, Prompt]],
    window: int,
    rng: np.random.Generator,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The losses of prompts that have equally many tokens: of the single mask, of the three, of the predicted IoU.

    Args:
        sam: the model.
        features: (b, c, CELLS, CELLS), the pictures' embeddings.
        parts: (b, PICTURE, PICTURE) uint8.
        shown: (b, CELLS, CELLS), how much of each cell shows things.
        asked: n pairs of a picture's place in the batch and a prompt.
        window: cells a side of the window that is judged closely.
        rng: for the places.

    Returns:
        Three losses of (n,).
    """
    device = features.device
    prompts = [prompt for _, prompt in asked]
    owner = torch.tensor([i for i, _ in asked], device=device)
    here = places(np.stack([prompt.box for prompt in prompts]), shown[[i for i, _ in asked]], window, rng)
    cells = torch.from_numpy(here.cells).to(device)
    weight = torch.from_numpy(here.weight).to(device)
    with autocast(device.type):
        sparse = embed_prompts(sam.prompt_encoder, prompts, device)
        logits, quality = decode(sam, features, owner, sparse, cells)
    logits, quality = logits.float(), quality.float()

    near = logits[:, : window**2].unflatten(1, (window, window))  # n, y, x, y, x, y, x, mask
    near = near.permute(0, 7, 1, 3, 5, 2, 4, 6).reshape(len(prompts), 4, 4 * window, 4 * window)
    at = torch.from_numpy(here.grid).to(device)
    start = torch.from_numpy(here.corner * CELL).to(device, torch.float32)[:, None, None]
    spots = (at - start) / (window * CELL) * 2 - 1
    sampled = F.grid_sample(near, spots, mode="bilinear", padding_mode="border", align_corners=False).flatten(2)
    names = torch.tensor([prompt.thing for prompt in prompts], device=device)[:, None, None]
    x, y = at[..., 0].long(), at[..., 1].long()
    truth = (parts[owner[:, None, None], y, x] == names).float().flatten(1)[:, None]

    thinned = parts[:, 2::4, 2::4].index_select(0, owner) == names  # of the fine pixels one in 4 x 4
    share = F.avg_pool2d(thinned.float()[:, None], CELL // 4).flatten(2)  # (n, 1, CELLS * CELLS)
    whole = mask_losses(logits.mean((2, 3, 4, 5)).transpose(1, 2), share.gather(2, cells[:, None]), weight[:, None])
    losses = mask_losses(sampled, truth) + whole  # (n, 4)
    with torch.no_grad():
        hit, true = sampled > 0, truth > 0
        common, either = (hit & true).sum(-1), (hit | true).sum(-1)
        either = (
            either
            + strays(logits, cells, weight, at) / torch.from_numpy(here.reach).to(device).prod(1)[:, None] * FINE**2
        )
        iou = common / either.clamp(min=1)
    three = losses[:, 1:]
    best = (1 - OTHERS) * three.min(1).values + OTHERS * three.mean(1)
    return losses[:, 0], best, (quality - iou).square().mean(1)


def strays(logits: torch.Tensor, cells: torch.Tensor, weight: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
    """Pixels of each mask outside the grid: (n, 4) of what `decode` gives, cells and weights (n, m), and the grid."""
    step = torch.arange(4, device=cells.device) * (CELL // 4) + CELL // 8
    x, y = (cells % CELLS * CELL)[..., None] + step, (cells // CELLS * CELL)[..., None] + step  # (n, m, 4)
    low, high = grid[:, 0, 0, None, None], grid[:, -1, -1, None, None]  # (n, 1, 1, 2)
    near_x = (x >= low[..., 0]) & (x <= high[..., 0])
    near_y = (y >= low[..., 1]) & (y <= high[..., 1])
    outside = ~(near_y[..., :, None] & near_x[..., None, :])  # (n, m, 4, 4)
    hit = logits.permute(0, 1, 2, 4, 3, 5, 6).flatten(4, 5).flatten(2, 3) > 0  # n, m, y, x, mask
    each = (hit & outside[..., None]).sum((2, 3))  # (n, m, 4)
    return (each * weight[..., None]).sum(1) * (CELL // 4) ** 2


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
        {"training": f"scenes of the split train from 0 on, {CAPACITY} kept",
         "testing": f"scenes of the split test from {FIRST_TEST} on, which no SAM was chosen by"},
        run.step, run.minutes, metrics,
    )  # fmt: skip
    numbers = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(config).items()}
    write_zoo(out, {"model_type": "sam", "saccade": numbers}, model.sam.state_dict(), card)


def evaluate(folder: Path, cases: int) -> dict[str, Any]:
    """Measure a zoo folder on held-out scenes: see `sam_test`."""
    return measure(folder, cases)
