"""What the pictures that a model was trained on look like, so that it can say when it is shown something else.

Filled in once the tower is trained.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import torch


class Known:
    @classmethod
    def load(cls, path: Path, device: str) -> Self:
        raise NotImplementedError

    def likeness(self, states: Any, pixels: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError
