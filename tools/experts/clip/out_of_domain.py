"""Telling pictures of the kind that a model was trained on from all others, by what its tower makes of them.

A tower that has seen nothing but drawn scenes turns their patches into states that lie close to ones it has had
before; the patches of a photograph lie far from them nearly everywhere. So each patch is measured by its distance
to the nearest of many kept states, layer by layer (nearest neighbours as in PatchCore, Roth et al. 2022), and the
spread of these distances over the picture is judged by a linear rule, which knows also that no scene is blank.

Pages, charts and windows are blank in most places and pass by that measure. A second linear rule looks at the mean and
the spread of the states over the whole picture, layer by layer. A picture is known where both say so, and where no one
colour, to the last bit, covers more of it than of any drawn scene: light falls on all of these.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch
from PIL import Image

from ...weights import load_state

SPREAD = (0.05, 0.25, 0.5, 0.75, 0.95)  # the quantiles of a picture's distances that are looked at

# The share of a picture that is one exact colour: of 500 drawn scenes of the train split and their parts at most 0.24,
# saved as JPEG 0.25; of charts, pages and windows 0.29 and more.
FLAT = 0.28
LOOK = 256  # px of a side: so many pixels tell it


class DomainModel:
    """What is kept of the training pictures.

    Args:
        parts: "layers" (n,) int64; for the layer number i "mean.i" (width,), "basis.i" (width, k) which whitens,
            "kept.i" (m, k); and the rule: "centre", "scale" (5 n,), "weights" (10 n,), "bias" (1,). The rule about
            whole pictures, over p layers: "whole.layers" (p,), "whole.centre", "whole.scale", "whole.weights"
            (2 p width,), "whole.bias" (1,).
    """

    def __init__(self, parts: dict[str, torch.Tensor]) -> None:
        self.parts = {name: value.float() if value.is_floating_point() else value for name, value in parts.items()}
        self.layers = [int(layer) for layer in parts["layers"]]

    @classmethod
    def load(cls, path: Path, device: str) -> Self:
        """Read a `.safetensors` file. Raises UserError where it is missing or damaged."""
        return cls({name: value.to(device) for name, value in load_state(path).items()})

    def save(self, path: Path) -> None:
        """Write the `.safetensors` file, as fp16."""
        from safetensors.torch import save_file

        tensors = {name: value.half() if value.is_floating_point() else value for name, value in self.parts.items()}
        save_file({name: value.contiguous().cpu() for name, value in tensors.items()}, path)
        path.chmod(0o644)

    def distances(self, states: Sequence[torch.Tensor]) -> torch.Tensor:
        """(n, layers * 5) float32: how far a picture's patches lie from the nearest kept ones, as quantiles.

        Args:
            states: the hidden states of the vision tower, layer by layer, each (n, 1 + patches, width).
        """
        quantiles = torch.tensor(SPREAD, device=states[0].device)
        found = []
        for layer in self.layers:
            state = states[layer][:, 1:].float()
            white = (state - self.parts[f"mean.{layer}"]) @ self.parts[f"basis.{layer}"]
            near = torch.cdist(white.flatten(0, 1), self.parts[f"kept.{layer}"]).amin(1)
            found.append(torch.quantile(near.unflatten(0, state.shape[:2]), quantiles, dim=1).T)
        return torch.cat(found, 1)

    def likeness(self, states: Sequence[torch.Tensor]) -> torch.Tensor:
        """(n,) in 0..1; at least 0.5 means known."""
        return torch.sigmoid(torch.minimum(self.scores(self.distances(states)), self.whole_scores(self.wholes(states))))

    def wholes(self, states: Sequence[torch.Tensor]) -> torch.Tensor:
        """(n, 2 p width) float32: mean and deviation of each state over a picture, of the layers of "whole.layers"."""
        patches = [states[int(layer)][:, 1:].float() for layer in self.parts["whole.layers"]]
        return torch.cat([value for state in patches for value in (state.mean(1), state.std(1))], 1)

    def whole_scores(self, wholes: torch.Tensor) -> torch.Tensor:
        """(n,) scores of whole pictures: positive means known."""
        normal = whole_features(wholes, self.parts["whole.centre"], self.parts["whole.scale"])
        return normal @ self.parts["whole.weights"] + self.parts["whole.bias"]

    def scores(self, distances: torch.Tensor) -> torch.Tensor:
        """(n,) scores of distances: positive means known."""
        return (
            features(distances, self.parts["centre"], self.parts["scale"]) @ self.parts["weights"] + self.parts["bias"]
        )


def one_colour(image: Image.Image) -> float:
    """The share of a picture's pixels that are of its most common colour, exactly."""
    sample = image.convert("RGB")
    sample = sample.resize((min(LOOK, sample.width), min(LOOK, sample.height)), Image.Resampling.NEAREST)
    pixels = np.asarray(sample, dtype=np.uint32)
    _, counts = np.unique((pixels[..., 0] << 16) | (pixels[..., 1] << 8) | pixels[..., 2], return_counts=True)
    return float(counts.max()) / counts.sum()


def features(distances: torch.Tensor, centre: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """(n, 2 d) what the rule weighs: standardised distances, and their squares, since too near is strange as well."""
    normal = ((distances - centre) * scale).clamp(-8, 8)
    return torch.cat([normal, normal.square() / 4], 1)


def whole_features(wholes: torch.Tensor, centre: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """(n, d) what the rule about whole pictures weighs: standardised, without outliers."""
    return ((wholes - centre) * scale).clamp(-6, 6)
