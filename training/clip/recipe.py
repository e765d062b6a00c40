"""The recipe of `zoo/clip`: a CLIP trained from scratch on the drawn world, on whole scenes and on single things.

A step shows crops around single things (what `find_objects` and `classify_image` ask about) and whole scenes,
and compares every one of them with every text of the batch by SigLIP's pairwise sigmoid loss (Zhai et al. 2023);
what is true of what is exact (`clip_texts`). Full captions add CLIP's softmax over the scenes. Heads that are
thrown away afterwards name what every patch shows, which teaches the tower to see long before words can.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ...scenes.about import about
from ...scenes.scene import BACKDROPS, COLORS, MATERIALS, SHAPES
from ...tools.weights import sha256
from ..common import Budget, Card, Run, autocast, batches, choose, draw_curve, plain_attention, write_json, write_zoo
from ..optimization import descend
from ..scene_views import NOTHING, PARTS, REACH, Store, draw_look
from .out_of_domain import KNOWN, fit
from .texts import LONGEST, SPECIAL, build_tokenizer, draw_captions, draw_phrases, encode, vocabulary

BUDGETS = {
    "cpu": Budget(steps=2400, batch=96, patch=16, workers=1),
    "gpu": Budget(steps=20000, batch=256, patch=8, workers=14),
}
CAPACITY = 16000  # scenes kept
FRESH = 8  # scenes drawn a step, until the store is full
WHOLES, MORE_WHOLES = 0.25, 0.58  # the share of whole scenes in a batch, at first and later
MORE_FROM = 0.35  # of the steps
SMALL = 96  # px: crops are shown so small at first, which is nearly twice as fast
SMALL_UNTIL = 0.35  # of the steps
RATE = 2e-3
SIDE = 128
CELL = 16  # px: the dense heads name what each cell shows
VALUES_OF = ((None, *SHAPES), (None, *COLORS), (None, *MATERIALS))  # what a patch may show
EARLY = 250  # steps between usable versions


def config_of(words: int, patch: int) -> Any:
    """The model's configuration: ViT 192x6 and text 128x4, 3.5 M parameters."""
    from transformers import CLIPConfig

    text = {
        "vocab_size": words, "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 4,
        "num_attention_heads": 4, "max_position_embeddings": LONGEST, "projection_dim": 128,
        "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3,
    }  # fmt: skip
    vision = {
        "hidden_size": 192, "intermediate_size": 768, "num_hidden_layers": 6, "num_attention_heads": 6,
        "image_size": SIDE, "patch_size": patch, "projection_dim": 128,
    }  # fmt: skip
    return CLIPConfig(text_config=text, vision_config=vision, projection_dim=128, logit_scale_init_value=2.3)


class Trained(nn.Module):
    """The model in training: CLIP, the bias of its matches, and the heads that are thrown away."""

    def __init__(self, words: int, patch: int) -> None:
        from transformers import CLIPModel

        super().__init__()
        self.clip = CLIPModel(config_of(words, patch))
        plain_attention(self.clip)
        self.bias = nn.Parameter(torch.tensor(-2.0))
        width = self.clip.visual_projection.in_features
        self.dense = nn.Linear(width, sum(map(len, VALUES_OF)))
        self.single = nn.Linear(width, sum(map(len, VALUES_OF)))
        self.backdrop = nn.Linear(width, len(BACKDROPS))

    def see(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Unit embeddings (n, dim), pooled features (n, width), cells (n, width, side / CELL, side / CELL)."""
        with autocast(pixels.device.type):
            seen = self.clip.vision_model(pixel_values=pixels, interpolate_pos_encoding=pixels.shape[-1] != SIDE)
        pooled, patches = seen.pooler_output.float(), seen.last_hidden_state[:, 1:].float().transpose(1, 2)
        side = round(patches.shape[-1] ** 0.5)
        cells = F.adaptive_avg_pool2d(patches.unflatten(-1, (side, side)), pixels.shape[-1] // CELL)
        return F.normalize(self.clip.visual_projection(pooled), dim=-1), pooled, cells

    def name_cells(self, cells: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """The loss of naming what each cell shows."""
        return _named(self.dense(cells.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), codes)

    def read(self, ids: np.ndarray, mask: np.ndarray) -> torch.Tensor:
        """Unit embeddings (n, dim) of token ids."""
        device = self.bias.device
        with autocast(device.type):
            words = self.clip.text_model(
                input_ids=torch.from_numpy(ids).to(device), attention_mask=torch.from_numpy(mask).to(device)
            )
        return F.normalize(self.clip.text_projection(words.pooler_output.float()), dim=-1)

    def logits(self, texts: torch.Tensor, pictures: torch.Tensor) -> torch.Tensor:
        """(texts, pictures) logits of "true"."""
        return self.clip.logit_scale.exp().clamp(max=100) * texts @ pictures.T + self.bias


def optimizers(model: nn.Module, rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the transformer layers, AdamW for everything else."""
    matrices = [p for name, p in model.named_parameters() if ".layers." in name and p.ndim == 2]
    held = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in held]
    return [
        torch.optim.Muon(matrices, lr=rate, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=rate / 2, betas=(0.9, 0.98), weight_decay=0.02),
    ]


class Shown:
    """One batch of pictures with what they show, on the device."""

    def __init__(self, store: Store, crops: int, wholes: int, side: int, rng: np.random.Generator, device: str) -> None:
        rows = np.sort(rng.integers(0, len(store.crops_of), crops))
        scenes = np.sort(rng.integers(0, len(store.scenes), wholes))
        picked = [store.crops_of[row] for row in rows]
        self.scenes = [store.scenes[i] for i in scenes]
        self.things = [None if thing == NOTHING else store.scenes[at].things[thing] for _, at, thing in picked]
        pixels, parts = cut_anew(store.crops[rows], store.crop_parts[rows], side, rng, device)
        self.crops, self.wholes = tinted(pixels, rng), tinted(_floats(store.wholes[scenes], device), rng)
        codes = np.stack([store.codes[at] for _, at, _ in picked])
        own = [0 if thing == NOTHING else thing + 1 for _, _, thing in picked]
        self.single = torch.from_numpy(codes[np.arange(crops), own].astype(np.int64)).to(device)
        self.backdrop = torch.tensor([BACKDROPS.index(scene.backdrop) for scene in self.scenes], device=device)
        self.crop_cells = torch.from_numpy(cell_codes(parts, codes)).to(device)
        whole_parts = _even(store.whole_parts[scenes])
        self.whole_cells = torch.from_numpy(cell_codes(whole_parts, store.codes[scenes])).to(device)


def tinted(pixels: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """The pixels with a little more or less contrast."""
    tint = rng.uniform(0.94, 1.06, (len(pixels), 1, 1, 1)).astype(np.float32)
    return (pixels * torch.from_numpy(tint).to(pixels.device)).clamp(-1, 1)


def cut_anew(
    crops: np.ndarray, parts: np.ndarray, side: int, rng: np.random.Generator, device: str
) -> tuple[torch.Tensor, np.ndarray]:
    """Show kept crops at other places and zooms.

    Returns:
        (n, 3, side, side) pixels in -1..1, and (n, side / 4, side / 4) uint8 which thing each part shows.
    """
    n = len(crops)
    theta = np.zeros((n, 2, 3), np.float32)
    theta[:, 0, 0] = theta[:, 1, 1] = (1 + 2 * rng.uniform(0, 0.22, n)) / REACH
    theta[:, :, 2] = rng.uniform(-0.05, 0.05, (n, 2)) / REACH * 2
    at = torch.from_numpy(theta).to(device)
    grid = F.affine_grid(at, [n, 3, side, side], align_corners=False)
    shown = F.grid_sample(_floats(crops, device), grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    coarse = F.affine_grid(at, [n, 1, side // 4, side // 4], align_corners=False)
    names = torch.from_numpy(parts[:, None].astype(np.float32)).to(device)
    named = F.grid_sample(names, coarse, mode="nearest", padding_mode="zeros", align_corners=False)
    blurred = rng.random(n) < 0.15  # things seen from afar, enlarged
    if blurred.any():
        far = torch.from_numpy(np.flatnonzero(blurred)).to(device)
        small = F.interpolate(shown[far], size=int(rng.integers(28, 80)), mode="bilinear", antialias=True)
        shown[far] = F.interpolate(small, size=side, mode="bicubic").clamp(-1, 1)
    return shown, named[:, 0].round().to(torch.uint8).cpu().numpy()


def cell_codes(parts: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """What each cell mostly shows: (n, 3, side, side) int64 indices into VALUES_OF.

    Args:
        parts: (n, 4 * side, 4 * side) which thing, 0 for none.
        codes: (n, things + 1, 3) what each thing is.
    """
    n, side = len(parts), parts.shape[1] // 4
    blocks = parts.reshape(n, side, 4, side, 4).transpose(0, 1, 3, 2, 4).reshape(n, side, side, 16)
    counts = (blocks[..., None] == np.arange(1, codes.shape[1])).sum(-2)
    most = np.where(counts.max(-1) >= 4, counts.argmax(-1) + 1, 0)
    return codes[np.arange(n)[:, None, None], most].transpose(0, 3, 1, 2).astype(np.int64)


def _even(parts: np.ndarray) -> np.ndarray:
    """Maps of PARTS a side as maps of SIDE / 4 a side."""
    at = ((np.arange(SIDE // 4) + 0.5) * PARTS / (SIDE // 4)).astype(int)
    return parts[:, at][:, :, at]


def _floats(pixels: np.ndarray, device: str) -> torch.Tensor:
    return torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1


def losses_of(model: Trained, shown: Shown, tokenizer: Any, rng: random.Random) -> dict[str, torch.Tensor]:
    """Every part of a batch's loss."""
    phrases = draw_phrases(shown.things, shown.scenes, rng)
    captions = draw_captions(shown.scenes, rng)
    near, single, crop_cells = model.see(shown.crops)
    far, whole, whole_cells = model.see(shown.wholes)
    short = model.read(*encode(tokenizer, phrases.texts))
    long = model.read(*encode(tokenizer, captions.texts))
    return {
        "crop": pairs(model.logits(short, near), phrases.on_crops, phrases.hard),
        "whole": 0.4 * pairs(model.logits(short, far), phrases.on_wholes),
        "caption": 0.5 * pairs(model.logits(long, far), captions.true, captions.hard),
        "contrast": 0.25 * contrast(model.clip.logit_scale.exp() * long[: len(far)] @ far.T),
        "foil": 0.5 * choice(model.clip.logit_scale.exp() * long @ far.T, captions.foils),
        "cells": 0.35 * model.name_cells(crop_cells, shown.crop_cells)
        + 0.25 * model.name_cells(whole_cells, shown.whole_cells),
        "single": 0.3 * _named(model.single(single), shown.single),
        "backdrop": 0.1 * F.cross_entropy(model.backdrop(whole), shown.backdrop),
    }


def pairs(logits: torch.Tensor, true: np.ndarray, hard: np.ndarray | None = None) -> torch.Tensor:
    """The pairwise sigmoid loss, true and false pairs weighing the same, and hard pairs as much again."""
    target = torch.from_numpy(true).to(logits.device)
    each = F.binary_cross_entropy_with_logits(logits, target.float(), reduction="none")
    loss = each[~target].mean() + (each[target].mean() if target.any() else 0.0)
    if hard is not None and len(hard):
        loss = loss + 2 * each[hard[:, 0], hard[:, 1]].mean()
    return loss / 2


def contrast(logits: torch.Tensor) -> torch.Tensor:
    """CLIP's softmax loss both ways; row i belongs to column i."""
    own = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


def choice(logits: torch.Tensor, foils: np.ndarray) -> torch.Tensor:
    """The loss of taking a FOIL caption for the true one, (texts, scenes) logits; rows of foils: scene, true, false."""
    if not len(foils):
        return logits.new_zeros(())
    scene, true, false = foils.T
    return F.softplus(logits[false, scene] - logits[true, scene]).mean()


def _named(logits: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of shape, colour and material together; codes have them in dimension 1."""
    parts = logits.split([len(values) for values in VALUES_OF], dim=1)
    return sum((F.cross_entropy(part, codes[:, i]) for i, part in enumerate(parts)), torch.zeros(())).float()


def train(budget: str, out: Path, resume: bool) -> None:
    """Train, and leave the zoo folder in `out`."""
    plan = choose(budget, BUDGETS)
    device = plan.device
    torch.manual_seed(0)
    words = vocabulary()
    tokenizer = build_tokenizer(words)
    model = Trained(len(SPECIAL) + len(words), plan.patch or 16).to(device).train()
    both = optimizers(model, RATE)
    with Run(out, plan.steps, {"model": model, "muon": both[0], "adamw": both[1]}, resume) as run:
        store = Store(run.folder / "looks", min(CAPACITY, FRESH * plan.steps))
        drawn = iter(batches(draw_look, range(run.step * FRESH, 2**30), FRESH, plan.workers, collate=list))
        for _ in range(16):
            _keep(store, next(drawn))
        for step in run:
            wholes = round((WHOLES if step < MORE_FROM * plan.steps else MORE_WHOLES) * plan.batch)
            if not store.full:
                _keep(store, next(drawn))
            rng = np.random.default_rng((1, step))
            side = SMALL if step < SMALL_UNTIL * plan.steps else SIDE
            shown = Shown(store, plan.batch - wholes, wholes, side, rng, device)
            parts = losses_of(model, shown, tokenizer, random.Random(step))
            loss = sum(parts.values(), torch.zeros((), device=device))
            descend(loss, model, both, step, plan.steps)
            if step % 5 == 0:
                run.log(loss=loss.item(), **{name: part.item() for name, part in parts.items()})
            if step and step % EARLY == 0:
                export(model, tokenizer, out, plan, run, {})
    draw_curve(run.history, out / "curve.png")
    export(model, tokenizer, out, plan, run, {})
    metrics = fit(out) | evaluate(out, 1000)
    export(model, tokenizer, out, plan, run, metrics)


def _keep(store: Store, looks: list[Any]) -> None:
    for look in looks:
        if not store.full:
            store.add(look)


def export(model: Trained, tokenizer: Any, out: Path, plan: Budget, run: Run, metrics: dict[str, Any]) -> None:
    """Write the zoo folder: the model, its tokenizer and image processor, and the card."""
    ours: dict[str, Any] = {"prompt": "{}", "match_bias": round(model.bias.item(), 4), **about("clip")}
    if metrics:  # what the last export was measured with
        ours |= {"known": KNOWN, "known_sha256": sha256(out / KNOWN)}
    config = model.clip.config.to_dict() | {"architectures": ["CLIPModel"], "saccade": ours}
    card = Card(
        "clip",
        {"batch": plan.batch, "patch": plan.patch, "rate": RATE, "whole scenes in a batch": [WHOLES, MORE_WHOLES],
         "scenes kept": run.steps and min(CAPACITY, FRESH * plan.steps), "crops a scene": 3},
        {"training": f"scenes 0 to {min(CAPACITY, FRESH * plan.steps) - 1} of the split train",
         "testing": "the split test; texts may name its held-out pairs only under compositional"},
        run.step, run.minutes, metrics,
        notes=[
            "The heads that name patches in training are not part of the model.",
            f"{KNOWN} (for Likeness) was learnt apart, without any photograph; config.json has its SHA-256.",
        ],
    )  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    write_processor(out, tokenizer)
    write_zoo(out, config, model.clip.state_dict(), card)


def write_processor(out: Path, tokenizer: Any) -> None:
    """The files that `AutoProcessor` reads: `tokenizer.json` and two small configurations."""
    tokenizer.save(str(out / "tokenizer.json"))
    special = dict(zip(("pad_token", "unk_token", "bos_token", "eos_token"), SPECIAL, strict=True))
    write_json(
        out / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": LONGEST,
            "clean_up_tokenization_spaces": False,
        }
        | special,
    )
    write_json(
        out / "preprocessor_config.json",
        {"image_processor_type": "CLIPImageProcessor", "processor_class": "CLIPProcessor", "do_center_crop": False,
         "do_convert_rgb": True, "do_normalize": True, "do_rescale": True, "do_resize": True, "resample": 3,
         "size": {"height": SIDE, "width": SIDE}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3},
    )  # fmt: skip


def evaluate(folder: Path, cases: int) -> dict[str, Any]:
    """Measure a zoo folder on held-out scenes: see `clip_test`."""
    from .measure import measure

    return measure(folder, cases)
