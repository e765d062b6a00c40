"""LoRA (Hu et al., 2021): W stays as it is, and a product of two thin matrices is learned beside it.

The tensors are named as PEFT names them, so that what is trained here can be loaded there, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

PREFIX = "base_model.model."


class LoraLinear(nn.Module):
    """A linear layer that is frozen, and its adapter: x W' + (alpha / rank) x A' B'."""

    def __init__(self, base: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.scale = alpha / rank
        self.lora_A = nn.Parameter(torch.empty(rank, base.in_features))  # float32, whatever the base is in
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, rank))
        nn.init.kaiming_uniform_(self.lora_A, a=5**0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., in) -> (..., out), in the dtype of the base."""
        down = nn.functional.linear(x, self.lora_A.to(x.dtype))
        return self.base(x) + self.scale * nn.functional.linear(down, self.lora_B.to(x.dtype))


def add_adapters(model: nn.Module, rank: int, alpha: float) -> None:
    """Freeze a model and put an adapter on each linear layer of its blocks (not on the head)."""
    model.requires_grad_(False)
    found = [
        (name, layer) for name, layer in model.named_modules() if isinstance(layer, nn.Linear) and "lm_head" not in name
    ]
    for name, layer in found:
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, LoraLinear(layer, rank, alpha))


def adapters(model: nn.Module) -> Iterator[tuple[str, LoraLinear]]:
    """The adapters of a model, by the names of the layers that they stand for."""
    for name, layer in model.named_modules():
        if isinstance(layer, LoraLinear):
            yield name, layer


class AdapterState:
    """The adapters alone as a state that can be saved and brought back: the base need not be."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def state_dict(self) -> dict[str, Any]:
        """Every A and B, by PEFT's names."""
        state: dict[str, Any] = {}
        for name, layer in adapters(self.model):
            state[f"{PREFIX}{name}.lora_A.weight"] = layer.lora_A.detach()
            state[f"{PREFIX}{name}.lora_B.weight"] = layer.lora_B.detach()
        return state

    def load_state_dict(self, state_dict: Any, /) -> None:
        """Bring back what `state_dict` gave."""
        with torch.no_grad():
            for name, layer in adapters(self.model):
                layer.lora_A.copy_(state_dict[f"{PREFIX}{name}.lora_A.weight"])
                layer.lora_B.copy_(state_dict[f"{PREFIX}{name}.lora_B.weight"])
