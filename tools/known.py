"""Telling pictures of the kind that a model was trained on from all others, by what its tower makes of them.

A tower that has seen nothing but drawn scenes reacts to a photograph in its own way: means and deviations of its
patches, layer by layer, are judged by a small head that was trained on drawn pictures and on pictures made of
noise and clutter (outlier exposure, Hendrycks et al. 2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import torch

from .weights import load_state

NAMES = ("mean", "scale", "first", "first_bias", "last", "last_bias")


def summary(states: Sequence[torch.Tensor]) -> torch.Tensor:
    """(n, layers * 2 * width) float32: mean and deviation over the patches of each layer's states (n, 1 + patches, width)."""
    parts = [part for state in states for part in (state[:, 1:].float().mean(1), state[:, 1:].float().std(1))]
    return torch.cat(parts, 1)


class Known:
    """The head behind `Likeness`.

    Args:
        parts: "mean" and "scale" (features,), "first" (hidden, features), "first_bias" and "last" (hidden,),
            "last_bias" (1,).
    """

    def __init__(self, parts: dict[str, torch.Tensor]) -> None:
        self.parts = {name: parts[name].float() for name in NAMES}

    @classmethod
    def load(cls, path: Path, device: str) -> Self:
        """Read a `.safetensors` file. Raises UserError where it is missing or damaged."""
        return cls({name: value.to(device) for name, value in load_state(path).items()})

    def save(self, path: Path) -> None:
        """Write the `.safetensors` file, as fp16."""
        from safetensors.torch import save_file

        save_file({name: value.half().contiguous().cpu() for name, value in self.parts.items()}, path)
        path.chmod(0o644)

    def likeness(self, states: Sequence[torch.Tensor]) -> torch.Tensor:
        """(n,) in 0..1 for the hidden states of a vision tower; at least 0.5 means known."""
        return self.of_summaries(summary(states))

    def of_summaries(self, found: torch.Tensor) -> torch.Tensor:
        """The same, for summaries."""
        p = self.parts
        normal = ((found - p["mean"]) * p["scale"]).clamp(-6, 6)
        hidden = torch.nn.functional.gelu(torch.nn.functional.linear(normal, p["first"], p["first_bias"]))
        return torch.sigmoid(hidden @ p["last"] + p["last_bias"])
