"""One step downhill, as the recipes of CLIP and SAM take it: several optimizers under one rate's shape."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

WARM = 100  # steps


def shape_of_rate(step: int, steps: int) -> float:
    """The share of the rate at a step: a short rise, then level, then down to nothing over the last 60 %."""
    return min(1.0, (step + 1) / WARM, (steps - step) / (0.6 * steps) + 0.005)


def descend(
    loss: torch.Tensor, model: nn.Module, optimizers: Sequence[torch.optim.Optimizer], step: int, steps: int
) -> None:
    """Go one step down the loss: the rate set for this step, gradients clipped to norm 1 and let go afterwards."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = shape_of_rate(step, steps) * group.setdefault("peak", group["lr"])
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
