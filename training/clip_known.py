"""What the training pictures look like to a trained tower, learnt apart from everything else: see `tools.known`.

Drawn scenes, parts of them and cut-outs on one side, `outside` pictures on the other. No photograph is used.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F  # noqa: N812

from ..scenes.render import Rendered, render
from ..scenes.sample import sample_scene
from ..scenes.splits import Split
from ..settings import ModelSpec
from ..tools.clip import CHUNK, Clip
from ..tools.contracts import View
from ..tools.known import Known, summary
from .looks import PICTURE
from .outside import outside_picture

HIDDEN = 48  # units
STEPS = 1500
KEPT = 0.998  # the share of held-out drawn pictures that must stay known


def inside_pictures(index: int, split: Split) -> dict[str, Image.Image]:
    """A scene as users may send it: whole, a part, one thing with its surroundings, one thing cut out."""
    rng = random.Random(index)
    rendered = render(sample_scene(index, split), PICTURE)
    image = rendered.image
    side = int(PICTURE * rng.uniform(0.3, 0.95))
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
    if rng.random() < 0.2:
        scale = rng.uniform(0.5, 1.0)
        picture = picture.resize((max(24, int(picture.width * scale)), max(24, int(picture.height * scale))))
    if rng.random() < 0.2:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=rng.randint(60, 95))
        picture = Image.open(file).convert("RGB")
    return picture


def summaries(clip: Clip, pictures: Sequence[Image.Image]) -> torch.Tensor:
    """(n, features) float32: what `Known` judges by."""
    found = []
    for start in range(0, len(pictures), CHUNK):
        part = pictures[start : start + CHUNK]
        views = [View(str(i), one.size, (0, 0, *one.size), lambda one=one: one) for i, one in enumerate(part)]
        found.append(summary(clip.hidden(views)).cpu())
    return torch.cat(found)


def fit(folder: Path, scenes: int = 1500, progress: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Learn to tell drawn pictures from others, write `known.safetensors` into a CLIP's folder, and measure it.

    Returns:
        The shares of held-out pictures that are known, by kind, and of outside pictures that are not.
    """
    clip = Clip.load(ModelSpec("file", str(folder)), "cuda" if torch.cuda.is_available() else "cpu")
    drawn = [inside_pictures(index + 400_000, "train") for index in range(scenes)]
    inside = summaries(clip, [picture for four in drawn for picture in four.values()])
    rng = np.random.default_rng(11)
    outside = summaries(clip, [outside_picture(rng) for _ in range(3 * scenes)])
    progress("summaries made")
    head = Head(inside, outside)
    head.learn(inside, outside)
    checked = [inside_pictures(index, "val") for index in range(scenes // 3)]
    kinds = [kind for four in checked for kind in four]
    scores = head.scores(summaries(clip, [picture for four in checked for picture in four.values()]))
    usual = [score for score, kind in zip(scores, kinds, strict=True) if kind in ("whole", "part")]
    limit = min(float(np.quantile(usual, 1 - KEPT)), float(np.quantile(scores, 0.005))) - 0.5
    head.export(min(limit, 0.0)).save(folder / "known.safetensors")
    clip.known = Known.load(folder / "known.safetensors", clip.device)
    tested = [inside_pictures(index + 700_000, "test") for index in range(scenes // 3)]
    found: dict[str, Any] = {"likeness_cases": len(tested)}
    for kind in tested[0]:
        found[f"likeness_{kind}_known"] = known_share(clip, [four[kind] for four in tested])
    others = np.random.default_rng(12)
    found["likeness_outside_known"] = known_share(clip, [outside_picture(others) for _ in range(scenes // 3)])
    return found


def known_share(clip: Clip, pictures: Sequence[Image.Image]) -> float:
    """The share of pictures with a likeness of at least 0.5."""
    assert clip.known is not None
    return round(float((clip.known.of_summaries(summaries(clip, pictures).to(clip.device)) >= 0.5).float().mean()), 4)


class Head(nn.Module):
    """Two layers on standardised summaries; a positive score means a drawn picture."""

    def __init__(self, inside: torch.Tensor, outside: torch.Tensor) -> None:
        super().__init__()
        every = torch.cat([inside, outside])
        self.mean, self.scale = every.mean(0), 1 / (every.std(0) + 1e-3)
        self.first, self.last = nn.Linear(inside.shape[1], HIDDEN), nn.Linear(HIDDEN, 1)

    def forward(self, found: torch.Tensor) -> torch.Tensor:
        """(n,) scores of (n, features) summaries."""
        normal = ((found - self.mean) * self.scale).clamp(-6, 6)
        if self.training:
            normal = F.dropout(normal + 0.1 * torch.randn_like(normal), 0.2)
        return self.last(F.gelu(self.first(normal)))[:, 0]

    def learn(self, inside: torch.Tensor, outside: torch.Tensor) -> None:
        """Cross-entropy, both sides weighing the same."""
        torch.manual_seed(0)
        optimizer = torch.optim.AdamW(self.parameters(), lr=1e-3, weight_decay=0.1)
        self.train()
        for step in range(STEPS):
            ours, others = (side[torch.randint(len(side), (128,))] for side in (inside, outside))
            scores = self(torch.cat([ours, others]))
            true = torch.cat([torch.ones(128), torch.zeros(128)])
            for group in optimizer.param_groups:
                group["lr"] = 1e-3 * (1 - step / STEPS)
            optimizer.zero_grad()
            F.binary_cross_entropy_with_logits(scores, 0.995 * true + 0.0025).backward()
            optimizer.step()
        self.eval()

    @torch.no_grad()
    def scores(self, found: torch.Tensor) -> np.ndarray:
        """(n,) scores."""
        return self(found).numpy()

    def export(self, limit: float) -> Known:
        """What the expert needs, with `limit` as the score of likeness 0.5."""
        parts = {
            "mean": self.mean, "scale": self.scale, "first": self.first.weight, "first_bias": self.first.bias,
            "last": self.last.weight[0], "last_bias": self.last.bias - limit,
        }  # fmt: skip
        return Known({name: value.detach() for name, value in parts.items()})
