"""Several replicas at one step: copies of a model that share its weights, each worked by a thread.

On a CPU small products gain little from several threads, and lose much where other programs want the cores, too;
micro-batches side by side gain nearly as much as there are cores.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

import torch
from torch import nn

from .common import autocast

M = TypeVar("M", bound=nn.Module)
P = TypeVar("P")


class Replicas(Generic[M]):
    """Copies of a module with gradients of their own.

    Args:
        module: the first hand; its gradients are the sum of all.
        number: how many.
    """

    def __init__(self, module: M, number: int) -> None:
        self.modules = [module, *(copy.deepcopy(module) for _ in range(number - 1))]
        for other in self.modules[1:]:
            for mine, its in zip(module.parameters(), other.parameters(), strict=True):
                its.data = mine.data
        self.pool = ThreadPoolExecutor(number)

    def gradients(self, parts: Sequence[P], loss_of: Callable[[M, P], torch.Tensor], device: str) -> float:
        """Add the gradients of the summed losses of the parts to those of the module; the sum of the losses.

        Args:
            parts: micro-batches, the longest last: it is begun first.
            loss_of: a module and a part -> its loss, a scalar.
            device: where the modules are.
        """
        waiting = deque(reversed(parts))

        def work(module: M) -> float:
            total = 0.0
            with autocast(device):  # around all of it: weights are cast once a step
                while True:
                    try:
                        part = waiting.popleft()
                    except IndexError:
                        return total
                    loss = loss_of(module, part)
                    loss.backward()
                    total += loss.item()

        total = sum(self.pool.map(work, self.modules))
        for other in self.modules[1:]:
            for mine, its in zip(self.modules[0].parameters(), other.parameters(), strict=True):
                if its.grad is not None:
                    mine.grad = its.grad if mine.grad is None else mine.grad.add_(its.grad)
                    its.grad = None
        return total
