"""The recipe of `zoo/captioner`: a small BLIP (Li et al. 2022), short and detailed captions.

The picture's tower is a ViT, the captions' writer a BERT that attends to it, as in BLIP; of its three losses only
the language model's is used, since what a picture is like is CLIP's business here. The tower begins as the first
layers of our own CLIP, as BLIP's began as a ViT that knew pictures. Heads that are thrown away afterwards name what
every patch shows: the tower learns to see whole scenes from them long before words could teach it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, decoders
from torch import nn
from torch.nn import functional as F

from ...scenes.language.phrases import WORDS
from ...scenes.render import draw
from ...scenes.sample import sample_scene
from ...scenes.scene import Scene
from ...settings import ZOO
from ...tools.weights import read_json
from ..clip.recipe import cut_anew, tinted, write_processor
from ..clip.texts import SPECIAL, build_tokenizer
from ..common import (
    Budget,
    Card,
    Run,
    Stateful,
    autocast,
    batches,
    choose,
    draw_curve,
    running_average,
    write_json,
    write_zoo,
)
from ..optimization import descend
from .views import (
    MAP,
    NAMES,
    PROMPTS,
    CaptionLook,
    CaptionStore,
    crop_caption,
    draw_caption_look,
    patch_codes,
    texts_of,
)

BUDGETS = {
    "cpu": Budget(steps=2400, batch=96, workers=1),
    "long": Budget(steps=10_000, batch=96, workers=1),  # about as much as the weights in `zoo/` got
    "gpu": Budget(steps=16000, batch=256, workers=14),
}
CAPACITY = 24000  # scenes kept; then new ones take the place of the oldest
FRESH = 16  # scenes drawn a step
CROPS = 0.15  # the share of crops in a batch
SHORT = 0.25  # the share of short captions among the whole scenes
SMALL, SMALL_UNTIL = 96, 0.45  # px, and the share of the steps: pictures are shown so small at first
DENSE = 0.5  # the weight of naming patches
ZOOM, SHIFT = 0.08, 0.08  # how far whole scenes are zoomed and shifted, the latter in halves of the side
STILL = 0.35  # the share of whole scenes that are shown as they are
RATE = 1.5e-3
SIDE = 128
LONGEST = 80  # tokens
MOST_TOKENS = {"short": 24, "detailed": 72}
DECAY = 0.99  # of the running average of the weights, which is what is kept
EARLY = 250  # steps between usable versions
LAYERS = 3  # of CLIP's
FRAME = "a an and , . : on plain background desk street shelf left right of above below in detail"  # around things
TEXT_WIDTH, TEXT_LAYERS = 96, 2


def vocabulary() -> list[str]:
    """Every word that a caption may use, and the prompt's."""
    words = {table[value][0] for table in WORDS.values() for value in table}
    words |= {*FRAME.split()}
    return sorted(words)


def tokenizer_of(words: Sequence[str]) -> Tokenizer:
    """A word-level tokenizer that writes "a cube, a ball." without blanks before the marks."""
    tokenizer = build_tokenizer(words)
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=True)  # pyright: ignore
    return tokenizer


def config_of(words: int, tower: Any) -> Any:
    """The model's configuration: a tower like CLIP's with fewer layers (192x3), text 96x2, 1.8 M parameters."""
    from transformers import BlipConfig

    text = {
        "vocab_size": words, "hidden_size": TEXT_WIDTH, "encoder_hidden_size": tower.hidden_size,
        "intermediate_size": 2 * TEXT_WIDTH, "num_hidden_layers": TEXT_LAYERS, "num_attention_heads": 4,
        "max_position_embeddings": LONGEST, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3,
        "sep_token_id": 3, "projection_dim": TEXT_WIDTH,
    }  # fmt: skip
    vision = {
        "hidden_size": tower.hidden_size, "intermediate_size": tower.intermediate_size, "num_hidden_layers": LAYERS,
        "num_attention_heads": tower.num_attention_heads, "image_size": SIDE, "patch_size": tower.patch_size,
        "hidden_act": tower.hidden_act, "layer_norm_eps": tower.layer_norm_eps, "projection_dim": TEXT_WIDTH,
    }  # fmt: skip
    return BlipConfig(text_config=text, vision_config=vision, projection_dim=TEXT_WIDTH)


class Trained(nn.Module):
    """The model in training: BLIP, and the heads that are thrown away."""

    def __init__(self, words: int, clip: Path = ZOO / "clip") -> None:
        from transformers import BlipForConditionalGeneration, CLIPVisionModel

        super().__init__()
        tower: Any = CLIPVisionModel.from_pretrained(clip, dtype=torch.float32, local_files_only=True)
        self.blip = BlipForConditionalGeneration(config_of(words, tower.config))
        self.patch = int(tower.config.patch_size)
        begin_as(self.blip.vision_model, tower)
        self.dense = nn.Linear(tower.config.hidden_size, sum(len(names) + 1 for names in NAMES))

    def see(self, pixels: torch.Tensor) -> torch.Tensor:
        """(n, 1 + patches, width) states of the tower."""
        return self.blip.vision_model(pixel_values=pixels).last_hidden_state

    def write(self, states: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """(n, tokens, words) logits of the next token."""
        mask = (ids > 0).long()
        return self.blip.text_decoder(input_ids=ids, attention_mask=mask, encoder_hidden_states=states).logits


@torch.no_grad()
def begin_as(vision: Any, tower: Any) -> None:
    """Give BLIP's tower the weights of CLIP's first layers.

    CLIP normalises what its layers begin with, BLIP does not: the mean and the gain are folded into the embeddings,
    and the spread is taken to be the same everywhere (the mean over a few scenes), which training mends.
    """
    model = getattr(tower, "vision_model", tower)
    norm, embeddings = model.pre_layrnorm, model.embeddings
    patches = embeddings.patch_embedding.weight
    place = embeddings.position_embedding.weight
    scenes = np.stack([draw(sample_scene(index), SIDE) for index in range(16)])
    spread = embeddings(torch.from_numpy(scenes).permute(0, 3, 1, 2) / 127.5 - 1).std(-1).mean()

    def folded(value: torch.Tensor, dim: int) -> torch.Tensor:
        gain = norm.weight.reshape([-1 if at == dim % value.ndim else 1 for at in range(value.ndim)])
        return (value - value.mean(dim, keepdim=True)) * gain / spread

    vision.embeddings.patch_embedding.weight.copy_(folded(patches, 0))
    vision.embeddings.patch_embedding.bias.zero_()
    vision.embeddings.class_embedding.copy_(folded(embeddings.class_embedding, 0).reshape(1, 1, -1))
    vision.embeddings.position_embedding.copy_((folded(place, 1) + norm.bias)[None])
    for new, old in zip(vision.encoder.layers, model.encoder.layers, strict=False):
        attention, known = new.self_attn, old.self_attn
        parts = (known.q_proj, known.k_proj, known.v_proj)
        attention.qkv.weight.copy_(torch.cat([part.weight for part in parts]))
        attention.qkv.bias.copy_(torch.cat([part.bias for part in parts]))
        attention.projection.load_state_dict(known.out_proj.state_dict())
        for name in ("layer_norm1", "layer_norm2", "mlp"):
            getattr(new, name).load_state_dict(getattr(old, name).state_dict())


def optimizers(model: nn.Module, rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the transformer layers, AdamW for everything else."""
    inside = (".layers.", ".layer.")
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and any(part in name for part in inside)]
    held = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in held]
    return [
        torch.optim.Muon(matrices, lr=rate, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.98), weight_decay=0.01),
    ]


def tokens_of(tokenizer: Tokenizer, pairs: Sequence[tuple[str, str]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids (n, longest) int64 of prompts with their captions, and the targets: -100 where nothing is learnt."""
    rows: list[list[int]] = []
    begun: list[int] = []
    for prompt, caption in pairs:
        head = tokenizer.encode(prompt).ids[:-1]  # without the end
        rows.append(head + tokenizer.encode(caption).ids[1:])
        begun.append(len(head))
    ids = torch.zeros((len(rows), max(map(len, rows))), dtype=torch.long)
    targets = torch.full_like(ids, -100)
    for at, (row, start) in enumerate(zip(rows, begun, strict=True)):
        ids[at, : len(row)] = torch.tensor(row)
        targets[at, start : len(row)] = ids[at, start : len(row)]
    return ids, targets


def losses_of(
    model: Trained, store: CaptionStore, tokenizer: Tokenizer, batch: int, rng: np.random.Generator, device: str
) -> dict[str, torch.Tensor]:
    """Both parts of a batch's loss."""
    crops = round(CROPS * batch)
    rows = np.sort(rng.integers(0, store.count, batch - crops))
    near = np.sort(rng.integers(0, store.count, crops))
    wholes, things, scenes = shifted(store, rows, rng, device)
    shown, _ = cut_anew(store.crops[near], store.things[near], SIDE, rng, device)
    details = ["short" if draw < SHORT else "detailed" for draw in rng.random(len(rows))]
    pairs = texts_of(scenes, details)
    pairs += [(PROMPTS["short" if rng.random() < 0.5 else "detailed"], crop_caption(store.near(row))) for row in near]
    ids, targets = (value.to(device) for value in tokens_of(tokenizer, pairs))
    with autocast(device):
        states = model.see(tinted(torch.cat([wholes, shown]), rng))
        logits = model.write(states, ids)
        named = model.dense(states[: len(rows), 1:])
    codes = patch_codes(things, store.codes[rows], SIDE // model.patch)
    return {
        "words": F.cross_entropy(logits[:, :-1].float().flatten(0, 1), targets[:, 1:].flatten()),
        "patches": DENSE * naming(named.float(), torch.from_numpy(codes).to(device)),
    }


def shifted(
    store: CaptionStore, rows: np.ndarray, rng: np.random.Generator, device: str
) -> tuple[torch.Tensor, np.ndarray, list[Scene]]:
    """Whole scenes, most of them a little shifted and zoomed and some mirrored: patches are seldom alike.

    Returns:
        Pixels (n, 3, SIDE, SIDE) in -1..1, maps of things (n, MAP, MAP) uint8, and the scenes with their things where
        they stand now.
    """
    n = len(rows)
    moves = rng.random(n) >= STILL
    scale = np.where(moves, rng.uniform(1 - ZOOM, 1 + ZOOM, n), 1.0)
    mirror = np.where(moves & (rng.random(n) < 0.5), -1.0, 1.0)
    move = moves[:, None] * rng.uniform(-SHIFT, SHIFT, (n, 2))
    theta = np.zeros((n, 2, 3), np.float32)
    theta[:, 0, 0], theta[:, 1, 1], theta[:, :, 2] = scale * mirror, scale, move
    at = torch.from_numpy(theta).to(device)
    pixels = torch.from_numpy(store.wholes[rows]).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
    grid = F.affine_grid(at, [n, 3, SIDE, SIDE], align_corners=False)
    shown = F.grid_sample(pixels, grid, mode="bicubic", padding_mode="reflection", align_corners=False).clamp(-1, 1)
    coarse = F.affine_grid(at, [n, 1, MAP, MAP], align_corners=False)
    names = torch.from_numpy(store.things[rows][:, None].astype(np.float32)).to(device)
    named = F.grid_sample(names, coarse, mode="nearest", padding_mode="zeros", align_corners=False)
    scenes = [
        replace(
            store.scenes[row],
            things=tuple(
                replace(
                    thing,
                    x=((2 * thing.x - 1 - move[i, 0]) / (scale[i] * mirror[i]) + 1) / 2,
                    y=((2 * thing.y - 1 - move[i, 1]) / scale[i] + 1) / 2,
                )
                for thing in store.scenes[row].things
            ),
        )
        for i, row in enumerate(rows)
    ]
    return shown, named[:, 0].round().to(torch.uint8).cpu().numpy(), scenes


def naming(logits: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """The cross-entropy of what patches show, patches of things weighing as much as those of nothing.

    Args:
        logits: (n, patches, values of all facets).
        codes: (n, patches, facets), 0 for nothing.
    """
    weight = torch.where(codes[..., 0] > 0, 1.0, 0.3)
    parts = logits.split([len(names) + 1 for names in NAMES], -1)
    each = [
        F.cross_entropy(part.flatten(0, 1), codes[..., i].flatten(), reduction="none") for i, part in enumerate(parts)
    ]
    return (sum(each, torch.zeros(())) * weight.flatten()).sum() / weight.sum()


def train(budget: str, out: Path, resume: bool) -> None:
    """Train, and leave the zoo folder in `out`."""
    plan = choose(budget, BUDGETS)
    device = plan.device
    torch.manual_seed(0)
    words = vocabulary()
    tokenizer = tokenizer_of(words)
    model = Trained(len(SPECIAL) + len(words)).to(device).train()
    both = optimizers(model, RATE)
    mean = running_average(model, DECAY)
    kept: Any = mean.module
    state: dict[str, Stateful] = {"model": model, "muon": both[0], "adamw": both[1], "mean": mean}
    with Run(out, plan.steps, state, resume) as run:
        store = CaptionStore(run.folder / "looks", min(CAPACITY, FRESH * plan.steps), resume)
        drawn = iter(
            batches(draw_caption_look, range(int(store.index.max()), 2**30), FRESH, plan.workers, collate=list)
        )
        while store.count < min(16 * FRESH, store.capacity):
            _keep(store, next(drawn))
        for step in run:
            _keep(store, next(drawn))
            rng = np.random.default_rng((2, step))
            parts = losses_of(model, store, tokenizer, plan.batch, rng, device)
            loss = sum(parts.values(), torch.zeros((), device=device))
            descend(loss, model, both, step, plan.steps)
            mean.update_parameters(model)
            if step % 5 == 0:
                run.log(**{name: part.item() for name, part in parts.items()})
            if step and step % EARLY == 0:
                export(kept, tokenizer, out, plan, run, {})
    draw_curve(run.history, out / "curve.png")
    export(kept, tokenizer, out, plan, run, {})
    export(kept, tokenizer, out, plan, run, evaluate(out, 1000))


def _keep(store: CaptionStore, looks: list[CaptionLook]) -> None:
    for look in looks:
        store.add(look)


def export(model: Trained, tokenizer: Tokenizer, out: Path, plan: Budget, run: Run, metrics: dict[str, Any]) -> None:
    """Write the zoo folder: the model, its tokenizer and image processor, and the card."""
    ours = {"prompts": PROMPTS, "most_tokens": MOST_TOKENS}
    config = model.blip.config.to_dict() | {"architectures": ["BlipForConditionalGeneration"], "saccade": ours}
    scenes = FRESH * (run.step + 16)  # drawn so far
    card = Card(
        "captioner",
        {"batch": plan.batch, "rate": RATE, "scenes kept": CAPACITY, "share of crops": CROPS,
         "share of short captions": SHORT,
         "zoom, shift": [ZOOM, SHIFT], "share shown as they are": STILL},
        {"training": f"scenes 0 to {scenes - 1} of the split train", "testing": "the split test"},
        run.step, run.minutes, metrics,
        notes=["The tower begins as the first layers of zoo/clip.",
               "The heads that name patches in training are not part of the model.",
               "Exact: the multiset of (colour, shape) that the detailed caption lists, read back, is the scene's."],
    )  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    write_captioner_processor(out, tokenizer)
    write_zoo(out, config, model.blip.state_dict(), card)


def write_captioner_processor(out: Path, tokenizer: Tokenizer) -> None:
    """The files that `AutoProcessor` reads."""
    write_processor(out, tokenizer)
    processor = read_json(out / "preprocessor_config.json")
    processor |= {"image_processor_type": "BlipImageProcessor", "processor_class": "BlipProcessor"}
    write_json(out / "preprocessor_config.json", processor)


def evaluate(folder: Path, cases: int) -> dict[str, Any]:
    """Measure a zoo folder on held-out scenes: see `captioner_test`."""
    from .measure import measure

    return measure(folder, cases)
