"""The recipe of `zoo/diffusion`: latent diffusion (Rombach et al. 2022) that makes and mends, told what stands where.

One UNet does both, as Stable Diffusion's inpainting model does: it is shown the noisy latents, the area that is to be
painted and the latents of the picture without it; for a new picture the area is all of it. Words come in through the
text tower of our CLIP, which learns on with 32 more tokens, positions (see `tools.experts.painter.wording`).
What it learns is v (Salimans & Ho 2022) on a cosine schedule that ends in pure noise (Lin et al. 2024).
"""

from __future__ import annotations

import copy
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from ...scenes.about import about
from ...settings import ZOO, ModelSpec
from ...tools.experts.painter.wording import SIGN, place_tokens
from ...tools.requests import Paint
from ...tools.weights import hash_of_files, resolve, sha256
from ..common import (
    Budget,
    Card,
    Run,
    Stateful,
    autocast,
    batches,
    choose,
    draw_curve,
    hardware,
    running_average,
    write_json,
)
from ..optimization import descend
from .autoencoder import LATENT_CHANNELS, SHRINK, as_pixels, to_pixels, train_autoencoder
from .looks import SIDE, LatentStore, PaintLook, draw_paint_look

BUDGETS = {
    "short": Budget(steps=1200, batch=48, workers=1),  # with a base
    "cpu": Budget(steps=4100, batch=48, workers=1),
    "long": Budget(steps=16_000, batch=48, workers=1),
    "gpu": Budget(steps=24_000, batch=256, workers=14),
}
AUTOENCODER_STEPS = {"short": 1500, "cpu": 3000, "long": 6000, "gpu": 8000}
AUTOENCODER_BATCH = 24
CAPACITY = 60_000  # looks kept
FIRST = 2048  # looks drawn before the first step
FRESH = 8  # and at each step
RATE = 1e-3
SILENT = 0.1  # the share of prompts that are left out, for guidance
THINGS = 5  # times as much as ground counts what lies in a thing's box
AREAS = 0.45  # the share of a batch in which a part is painted; in the others the whole is
PLAIN = 0.3  # the share of prompts for a whole without boxes
COLORED = 0.8  # what differs by more from grey latents, on average, lies in a coloured box of the sketch
DECAY = 0.999
EARLY = 500  # steps between usable versions and sample sheets
TOKENS = 96
CELLS = SIDE // SHRINK
WIDTHS = (32, 64, 112)  # the finest level has no attention
SHEET = (  # what the sample sheets show: the backdrop, and words and boxes
    ("plain background", [("red cube", (0.3, 0.3, 0.55, 0.55))]),
    ("desk", [("blue ball", (0.6, 0.5, 0.8, 0.7))]),
    ("street", [("yellow car", (0.1, 0.6, 0.35, 0.78)), ("green tree", (0.6, 0.4, 0.78, 0.62))]),
    ("shelf", [("small purple star", (0.2, 0.2, 0.32, 0.32)), ("brown bottle", (0.7, 0.55, 0.8, 0.78))]),
    ("plain background", [("pink heart", (0.4, 0.1, 0.6, 0.3)), ("pink heart", (0.1, 0.6, 0.3, 0.8)),
                          ("pink heart", (0.65, 0.62, 0.85, 0.82))]),
    ("desk", [("metal cylinder", (0.2, 0.5, 0.4, 0.72)), ("wooden ring", (0.6, 0.5, 0.8, 0.72))]),
    ("street", [("purple cube", (0.4, 0.6, 0.62, 0.82)), (SIGN, (0.68, 0.6, 0.9, 0.68))]),
    ("plain background", []),
)  # fmt: skip


def unet(words: int) -> Any:
    """The denoiser: 3.5 million parameters over 32 x 32 cells; `words` is the width of the text's states."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    kind: Any = UNet2DConditionModel
    return kind(
        sample_size=CELLS, in_channels=2 * LATENT_CHANNELS + 1, out_channels=LATENT_CHANNELS, layers_per_block=1,
        block_out_channels=WIDTHS, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), cross_attention_dim=words,
        attention_head_dim=4,
        norm_num_groups=16,
    )  # fmt: skip


def scheduler() -> Any:
    """The schedule of training, and of sampling."""
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    kind: Any = DDIMScheduler
    return kind(
        beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction", rescale_betas_zero_snr=True,
        timestep_spacing="trailing", clip_sample=False, set_alpha_to_one=True,
    )  # fmt: skip


def words_and_tower(clip: Path = ZOO / "clip") -> tuple[Any, Any]:
    """The tokenizer of our CLIP with the painter's tokens added, and its text tower with room for them."""
    from transformers import CLIPTextModel, PreTrainedTokenizerFast

    tokenizer: Any = PreTrainedTokenizerFast.from_pretrained(clip, model_max_length=TOKENS)
    tokenizer.add_tokens([*place_tokens(), SIGN], special_tokens=True)
    tower: Any = CLIPTextModel.from_pretrained(clip, dtype=torch.float32, local_files_only=True)
    tower.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    return tokenizer, tower


def encode(tokenizer: Any, prompts: list[str]) -> np.ndarray:
    """(n, TOKENS) uint8 token ids, cut and filled up as diffusers' pipelines do it."""
    ids = tokenizer(prompts, padding="max_length", truncation=True, max_length=TOKENS)["input_ids"]
    return np.array(ids, np.uint8)


class Painter(nn.Module):
    """What is trained: the denoiser and the text tower."""

    def __init__(self, tower: Any) -> None:
        super().__init__()
        self.tower = tower
        self.unet = unet(tower.config.hidden_size)

    def forward(
        self, noisy: torch.Tensor, at: torch.Tensor, areas: torch.Tensor, masked: torch.Tensor, ids: torch.Tensor
    ) -> torch.Tensor:
        """The v of noisy latents (n, c, h, w) at the timesteps (n,), with areas (n, h, w) and token ids (n, t)."""
        states = self.tower(input_ids=ids).last_hidden_state
        return self.unet(torch.cat([noisy, areas[:, None], masked], 1), at, states).sample


def known_parts(base: ModelSpec) -> tuple[Any, Any, Painter]:
    """The autoencoder, the tokenizer and the trained parts of a folder that this recipe left."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from transformers import CLIPTextModel, PreTrainedTokenizerFast

    folder = resolve(base)
    kinds: tuple[Any, ...] = (AutoencoderKL, UNet2DConditionModel, CLIPTextModel)
    vae, denoiser, tower = (
        kind.from_pretrained(folder, subfolder=name, torch_dtype=torch.float32, local_files_only=True)
        for kind, name in zip(kinds, ("vae", "unet", "text_encoder"), strict=True)
    )
    tokenizer: Any = PreTrainedTokenizerFast.from_pretrained(folder / "tokenizer", model_max_length=TOKENS)
    model = Painter(tower)
    model.unet.load_state_dict(denoiser.state_dict())
    return vae, tokenizer, model


@torch.no_grad()
def latents_of(vae: Any, pixels: torch.Tensor, device: str) -> torch.Tensor:
    """(n, c, h, w) latents of pixels in -1..1, scaled to about 1."""
    with autocast(device):
        found = vae.encode(pixels.to(device)).latent_dist.mode()
    return found.float() * vae.config.scaling_factor


def keep(store: LatentStore, looks: list[PaintLook], vae: Any, tokenizer: Any, device: str) -> None:
    """Encode looks and keep them."""
    pixels = to_pixels(looks)
    areas = torch.from_numpy(np.stack([look.area for look in looks]))[:, None].float()
    whole, inside = (as_pixels([getattr(look, name) for look in looks]) for name in ("sketch", "sketch_inside"))
    mended = torch.where(areas > 0.5, inside, pixels)
    latents, masked, sketches = (
        latents_of(vae, torch.cat([pixels, mended, whole]), device)
        .cpu()
        .numpy()
        .reshape(3, len(looks), LATENT_CHANNELS, CELLS, CELLS)
    )
    prompts = encode(tokenizer, [text for look in looks for text in (look.whole, look.plain, look.inside)])
    # As diffusers' pipelines shrink a mask: one pixel stands for a cell.
    cells = F.interpolate(areas, (CELLS, CELLS))[:, 0].numpy()
    store.add(latents, masked, sketches, cells, prompts.reshape(len(looks), 3, TOKENS))


def draw_batch(store: LatentStore, batch: int, blank: np.ndarray, silent: np.ndarray, seed: int) -> list[torch.Tensor]:
    """One batch, from n looks: `blank` is the latents of a picture of nothing, `silent` the tokens of no words.

    Returns:
        Latents (n, c, h, w), areas (n, h, w), latents without the area (n, c, h, w), token ids (n, t), and which cells
        lie in the box of a thing (n, h, w).
    """
    rng = np.random.default_rng((2, seed))
    rows = np.sort(rng.integers(0, store.count, batch))
    parts = rng.random(batch) < AREAS
    areas = np.where(parts[:, None, None], store.areas[rows], 1)
    kinds = np.where(parts, 2, np.where(rng.random(batch) < PLAIN, 1, 0))
    shown = kinds[:, None, None, None]
    masked = np.where(shown == 2, store.masked[rows], np.where(shown == 1, blank, store.sketches[rows]))
    ids = np.where((rng.random(batch) < SILENT)[:, None], silent, store.prompts[rows, kinds])
    things = np.abs(store.sketches[rows] - blank).mean(1) > COLORED
    floats = (torch.from_numpy(np.asarray(value, np.float32)) for value in (store.latents[rows], areas, masked, things))
    latents, painted, around, where = floats
    return [latents, painted, around, torch.from_numpy(ids.astype(np.int64)), where]


def loss_of(model: nn.Module, noise: Any, parts: list[torch.Tensor], device: str) -> torch.Tensor:
    """The mean squared error of v at random timesteps, spread evenly over the batch; things count more than ground."""
    latents, areas, masked, ids, things = (part.to(device) for part in parts)
    n = len(latents)
    steps = noise.config.num_train_timesteps
    at = ((torch.randperm(n, device=device) + torch.rand(n, device=device)) / n * steps).long().clamp(max=steps - 1)
    drawn = torch.randn_like(latents)
    with autocast(device):
        made = model(noise.add_noise(latents, drawn, at), at, areas, masked, ids)
    weights = (1 + (THINGS - 1) * things)[:, None].expand_as(latents)
    off = F.mse_loss(made.float(), noise.get_velocity(latents, drawn, at), reduction="none")
    return (weights * off).sum() / weights.sum()


def train(budget: str, out: Path, resume: bool, base: str | None = None) -> None:
    """Train, and leave the pipeline's folder in `out`; `base` is the spec of a painter of ours to go on from."""
    plan = choose(budget, BUDGETS)
    device = plan.device
    torch.manual_seed(0)
    begun = None if base is None else ModelSpec.parse(base)
    if begun is None:
        vae = train_autoencoder(
            out / "run" / "vae", AUTOENCODER_STEPS[budget], AUTOENCODER_BATCH, plan.workers, device, resume
        )
        tokenizer, tower = words_and_tower()
        model = Painter(tower)
    else:
        vae, tokenizer, model = known_parts(begun)
    vae = vae.to(device).eval().requires_grad_(False)
    model = model.to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.99), weight_decay=0.01)
    mean = running_average(model, DECAY)
    kept: Any = mean.module
    noise = scheduler()
    state: dict[str, Stateful] = {"model": model, "optimizer": optimizer, "mean": mean}
    resume = resume and (out / "run" / "checkpoint.pt").is_file()

    def leave(metrics: dict[str, Any]) -> None:
        export(kept, vae, tokenizer, out, plan, run, metrics, begun)

    with Run(out, plan.steps, state, resume) as run:
        store = LatentStore(run.folder / "sketched", CAPACITY, LATENT_CHANNELS, CELLS, TOKENS, resume)
        drawn = iter(batches(draw_paint_look, range(int(store.added[0]), 2**30), FRESH, plan.workers, collate=list))
        while store.count < FIRST:
            keep(store, next(drawn), vae, tokenizer, device)
        blank = latents_of(vae, torch.zeros(1, 3, SIDE, SIDE), device).cpu().numpy()
        silent = encode(tokenizer, [""])
        for step in run:
            keep(store, next(drawn), vae, tokenizer, device)
            loss = loss_of(model, noise, draw_batch(store, plan.batch, blank, silent, step), device)
            descend(loss, model, [optimizer], step, plan.steps)
            mean.update_parameters(model)
            if step % 10 == 0:
                run.log(loss=loss.item())
            if step and step % EARLY == 0:
                leave({})
    draw_curve(run.history, out / "curve.png")
    leave({})
    leave(evaluate(out, 200))


def evaluate(folder: Path, cases: int) -> dict[str, Any]:
    """Measure a zoo folder on held-out scenes: see `measure`."""
    from .measure import measure

    return measure(folder, cases)


def export(
    model: Painter, vae: Any, tokenizer: Any, out: Path, plan: Budget, run: Run, metrics: dict[str, Any],
    base: ModelSpec | None = None,
) -> None:  # fmt: skip
    """Write the folder that diffusers' `from_pretrained` reads, the card with the hash of each file, and a sheet.

    `base` is the painter that training went on from, whose phases the card tells, too.
    """
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion_inpaint import StableDiffusionInpaintPipeline

    out.mkdir(parents=True, exist_ok=True)
    pipeline = StableDiffusionInpaintPipeline(
        vae=copy.deepcopy(vae).half(), text_encoder=copy.deepcopy(model.tower).half(), tokenizer=tokenizer,
        unet=copy.deepcopy(model.unet).half(), scheduler=scheduler(), safety_checker=None,  # pyright: ignore
        feature_extractor=None, requires_safety_checker=False,  # pyright: ignore
    )  # fmt: skip
    pipeline.save_pretrained(out, safe_serialization=True)
    for path in out.glob("*/config.json"):  # they say where on this machine a part came from
        told = json.loads(path.read_text("utf-8"))
        if told.pop("_name_or_path", None) is not None:
            path.write_text(json.dumps(told, indent=2) + "\n", "utf-8")
    weights = sorted(path.relative_to(out).as_posix() for path in out.glob("*/*.safetensors"))
    files = {name: sha256(out / name) for name in weights}
    write_json(out / "config.json", {"model_type": "diffusion", "saccade": declaration(files)})
    card = Card(
        "diffusion",
        {"batch": plan.batch, "rate": RATE, "looks kept": CAPACITY, "share of prompts left out": SILENT,
         "share of areas": AREAS, "share of plain prompts": PLAIN, "decay of the average": DECAY,
         "autoencoder": {"batch": AUTOENCODER_BATCH, "cells": CELLS, "channels": LATENT_CHANNELS}},
        {"training": f"scenes 0 to {FIRST + FRESH * run.step} of the split train", "testing": "the split test"},
        run.step, run.minutes, metrics,
        notes=["The text tower began as that of zoo/clip and learnt on, with positions as words.",
               "Minutes are those of the denoiser; its autoencoder is trained before it."],
        hardware=hardware(), files=files, sha256=hash_of_files(files),
        parameters=sum(part.numel() for module in (vae, model) for part in module.parameters()),
    )  # fmt: skip
    if base is not None:
        before = json.loads((resolve(base) / "card.json").read_text("utf-8"))
        done = {"what": "the committed recipe, from what the phases before it left", "steps": run.step}
        card.phases = [*before["phases"], done | {"minutes": run.minutes}]
        card.steps, card.minutes = run.step + before["steps"], round(run.minutes + before["minutes"], 1)
        card.from_nothing, card.seen = False, before.get("seen", {})
    else:
        card.phases = [{"what": "the committed recipe, from nothing", "steps": card.steps}]
    write_json(out / "card.json", asdict(card))
    draw_sheet(out)


def declaration(files: dict[str, str]) -> dict[str, Any]:
    """What the painter's expert and tools need to know of it (see `tools.experts.painter.expert`)."""
    return {"side": SIDE, "steps": 20, "guidance": 3.0, "weights": hash_of_files(files)} | about("painter")


def draw_sheet(folder: Path) -> None:
    """Pictures of a few fixed prompts, made with the folder as it is, in one picture: `samples.png`."""
    from ...tools.experts.painter.expert import Painter as Expert

    expert = Expert.load(ModelSpec("file", str(folder)), "cpu")
    made = expert.predict([Paint("", things=tuple(things), background=background) for background, things in SHEET])
    sheet = Image.new("RGB", (4 * SIDE, len(made) // 4 * SIDE))
    for at, image in enumerate(made):
        sheet.paste(image, (at % 4 * SIDE, at // 4 * SIDE))
    sheet.save(folder / "samples.png")
