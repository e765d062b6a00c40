"""What drawn pictures look like to a trained tower: makes the `known.safetensors` of a CLIP.

The kept states come from drawn scenes and large parts of them; the rule is learnt on more of these on the one
side and on `outside` pictures on the other (outlier exposure, Hendrycks et al. 2019). No photograph is used.
"""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from ...scenes.render import Rendered, render
from ...scenes.sample import sample_scene
from ...scenes.splits import Split
from ...settings import ModelSpec
from ...tools.contracts import View
from ...tools.experts.clip.expert import CHUNK, Clip
from ...tools.experts.clip.out_of_domain import DomainModel, features, whole_features
from ..out_of_domain import outside_picture
from ..scene_views import PICTURE

KNOWN = "known.safetensors"
LAYERS = (1, 2, 3, 4)
WHOLE_LAYERS = (1, 2, 3, 4, 6)  # that the rule about whole pictures looks at
WIDTH = 48  # dimensions of a whitened state
KEPT = 1500  # states a layer
STEPS = 1500
SLACK = 0.5  # how far below the worst of the checked scenes the limit lies


def inside_pictures(index: int, split: Split) -> dict[str, Image.Image]:
    """A scene as users may send it: whole, a part, one thing with its surroundings, one thing cut out."""
    rng = random.Random(index)
    rendered = render(sample_scene(index, split), PICTURE)
    image = rendered.image
    side = int(PICTURE * rng.uniform(0.75, 0.95))
    x, y = rng.randint(0, PICTURE - side), rng.randint(0, PICTURE - side)
    thing = rng.randrange(len(rendered.boxes))
    x0, y0, x1, y1 = (float(value) for value in rendered.boxes[thing])
    wide = rng.choice((0.0, 0.05, 0.1, 0.2, 0.4)) * max(x1 - x0, y1 - y0)
    near = (max(0, x0 - wide), max(0, y0 - wide), min(PICTURE, x1 + wide), min(PICTURE, y1 + wide))
    made = {
        "whole": image,
        "part": image.crop((x, y, x + side, y + side)),
        "thing": image.crop(tuple(round(value) for value in near)),  # pyright: ignore[reportArgumentType]
        "cut_out": _cut_out(rendered, thing, rng),
    }
    return {kind: _sent(picture, rng) for kind, picture in made.items()}


def _cut_out(rendered: Rendered, thing: int, rng: random.Random) -> Image.Image:
    """A thing alone on one colour: what is seen of a transparent picture."""
    ground = Image.new("RGB", rendered.image.size, (rng.choice((0, 255, 255, 128)),) * 3)
    ground.paste(rendered.image, (0, 0), Image.fromarray(rendered.masks[thing].astype(np.uint8) * 255))
    x0, y0, x1, y1 = (int(value) for value in rendered.boxes[thing])
    wide = rng.choice((0, 0, 4, 12))
    return ground.crop((x0 - wide, y0 - wide, x1 + wide, y1 + wide))


def _sent(picture: Image.Image, rng: random.Random) -> Image.Image:
    """The picture as it may arrive: smaller, or through JPEG."""
    if rng.random() < 0.15:
        scale = rng.uniform(0.5, 1.0)
        picture = picture.resize((max(24, int(picture.width * scale)), max(24, int(picture.height * scale))))
    if rng.random() < 0.15:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=rng.randint(75, 95))
        picture = Image.open(file).convert("RGB")
    return picture


def states_of(clip: Clip, pictures: Sequence[Image.Image]) -> list[torch.Tensor]:
    """Hidden states of pictures, one (n, 1 + patches, width) fp16 a layer up to the last that is looked at."""
    found: list[list[torch.Tensor]] = []
    for start in range(0, len(pictures), CHUNK):
        part = pictures[start : start + CHUNK]
        views = [View(str(i), one.size, (0, 0, *one.size), lambda one=one: one) for i, one in enumerate(part)]
        found.append([state.half().cpu() for state in clip.hidden(views)[: max(*LAYERS, *WHOLE_LAYERS) + 1]])
    return [torch.cat(states) for states in zip(*found, strict=True)]


def measure_known(clip: Clip, known: DomainModel, pictures: Sequence[Image.Image]) -> tuple[torch.Tensor, torch.Tensor]:
    """(n, layers * 5) distances and (n, 2 p width) states of whole pictures, on the CPU."""
    distances, wholes = [], []
    for at in range(0, len(pictures), CHUNK):
        states = states_of(clip, pictures[at : at + CHUNK])
        distances.append(known.distances(states))
        wholes.append(known.wholes(states))
    return torch.cat(distances), torch.cat(wholes)


def fit(folder: Path, scenes: int = 400) -> dict[str, Any]:
    """Write `known.safetensors` into a CLIP's folder and tell how well it does.

    Returns:
        The shares of held-out drawn pictures, by kind, and of outside pictures, that are taken as known.
    """
    torch.manual_seed(0)
    clip = Clip.load(ModelSpec("file", str(folder)), "cuda" if torch.cuda.is_available() else "cpu")
    rng = np.random.default_rng(11)
    shown = [inside_pictures(index + 400_000, "train") for index in range(scenes)]
    parts = keep(states_of(clip, [four[kind] for four in shown for kind in ("whole", "part")]))
    del shown
    known = DomainModel(parts | {"whole.layers": torch.tensor(WHOLE_LAYERS)})
    others = [inside_pictures(index + 500_000, "train") for index in range(2 * scenes)]
    inside = measure_known(clip, known, [four[kind] for four in others for kind in ("whole", "part")])
    del others
    outside = measure_known(clip, known, [outside_picture(rng) for _ in range(6 * scenes)])
    known.parts |= rule(inside[0], outside[0]) | whole_rule(inside[1], outside[1])
    checked = measure_known(clip, known, [inside_pictures(index, "val")["whole"] for index in range(scenes)])
    for bias, scores in (("bias", known.scores(checked[0])), ("whole.bias", known.whole_scores(checked[1]))):
        known.parts[bias] = known.parts[bias] - min(float(scores.min()) - SLACK, 0.0)
    known.save(folder / KNOWN)
    known = DomainModel.load(folder / KNOWN, "cpu")
    tested = [inside_pictures(index + 700_000, "test") for index in range(scenes)]
    share: dict[str, Any] = {"likeness_cases": scenes}
    for kind in tested[0]:
        share[f"likeness_{kind}_known"] = _known_share(clip, known, [four[kind] for four in tested])
    strange = [outside_picture(rng) for _ in range(scenes)]
    return share | {"likeness_outside_known": _known_share(clip, known, strange)}


def keep(states: Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
    """Whiten the states of each layer and keep the centres of many small clusters of them (k-means)."""
    parts: dict[str, torch.Tensor] = {"layers": torch.tensor(LAYERS)}
    for layer in LAYERS:
        every = states[layer][:, 1:].float().flatten(0, 1)
        every = every[torch.randperm(len(every))[:60_000]]
        mean = every.mean(0)
        _, strength, axes = torch.linalg.svd(every[:8000] - mean, full_matrices=False)
        deviation = strength[:WIDTH] / len(every[:8000]) ** 0.5
        basis = axes[:WIDTH].T / (deviation + 0.05 * deviation[0])
        white = (every - mean) @ basis
        centres = white[:KEPT].clone()
        for _ in range(6):
            near = torch.cat([torch.cdist(part, centres).argmin(1) for part in white.split(10_000)])
            count = torch.zeros(KEPT).index_add_(0, near, torch.ones(len(near)))
            total = torch.zeros_like(centres).index_add_(0, near, white)
            centres = torch.where(count[:, None] > 0, total / count[:, None].clamp(min=1), centres)
        parts |= {f"mean.{layer}": mean, f"basis.{layer}": basis, f"kept.{layer}": centres}
    return parts


def rule(inside: torch.Tensor, outside: torch.Tensor) -> dict[str, torch.Tensor]:
    """The linear rule between two sets of distances; both sides weigh the same."""
    centre, scale = inside.mean(0), 1 / inside.std(0)
    ours, others = features(inside, centre, scale), features(outside, centre, scale)
    weights, bias = _logistic(ours, others, noise=0.15, decay=0.05, doubt=0.005)
    return {"centre": centre, "scale": scale, "weights": weights, "bias": bias}


def whole_rule(inside: torch.Tensor, outside: torch.Tensor) -> dict[str, torch.Tensor]:
    """The linear rule between two sets of whole pictures."""
    centre, scale = inside.mean(0), 1 / (inside.std(0) + 1e-3)
    ours, others = whole_features(inside, centre, scale), whole_features(outside, centre, scale)
    weights, bias = _logistic(ours, others, noise=0.4, decay=0.1, doubt=0.02)
    return {"whole.centre": centre, "whole.scale": scale, "whole.weights": weights, "whole.bias": bias}


def _logistic(
    ours: torch.Tensor, others: torch.Tensor, *, noise: float, decay: float, doubt: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights and bias of a logistic regression; `doubt` softens what is true, `noise` is put on what it sees."""
    weights, bias = torch.zeros(ours.shape[1], requires_grad=True), torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.AdamW([weights, bias], lr=3e-3, weight_decay=decay)
    true = torch.cat([torch.full((128,), 1 - doubt), torch.full((128,), doubt)])
    for _ in range(STEPS):
        found = torch.cat([side[torch.randint(len(side), (128,))] for side in (ours, others)])
        scores = (found + noise * torch.randn_like(found)) @ weights + bias
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(scores, true).backward()
        optimizer.step()
    return weights.detach(), bias.detach()


def _known_share(clip: Clip, known: DomainModel, pictures: Sequence[Image.Image]) -> float:
    distances, wholes = measure_known(clip, known, pictures)
    scores = torch.minimum(known.scores(distances), known.whole_scores(wholes))
    return round(float((scores >= 0).float().mean()), 4)
