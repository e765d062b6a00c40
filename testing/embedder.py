"""An embedder without a model, for tests and benchmarks: pictures of like colours in like places are alike."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from PIL import Image

GRID = 6


class SmallEmbedder:
    """Unit vectors out of a few pixels; words get a random direction of their own, unless they are told a picture.

    Args:
        dim: how many numbers a vector has.
        seed: another seed is another model.
    """

    batch = 8

    def __init__(self, dim: int = 64, seed: int = 0) -> None:
        self.dim = dim
        self.name = f"toy:{seed}"
        self.sha256 = hashlib.sha256(self.name.encode()).hexdigest()
        self._project = np.random.default_rng(seed).normal(size=(3 * GRID * GRID, dim)).astype(np.float32)
        self._said: dict[str, np.ndarray] = {}

    def teach(self, words: str, image: Image.Image) -> None:
        """Let words mean a picture."""
        self._said[words] = self.pictures([image])[0]

    def pictures(self, images: Sequence[Image.Image]) -> np.ndarray:
        """(n, dim) float32 of unit length."""
        small = [image.convert("RGB").resize((GRID, GRID), Image.Resampling.BOX) for image in images]
        pixels = np.array([np.asarray(one, np.float32).ravel() for one in small]).reshape(-1, 3 * GRID * GRID)
        return _unit((pixels - 127.3) @ self._project)

    def words(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32 of unit length."""
        return np.array([self._said.get(text, self._direction(text)) for text in texts], np.float32)

    def _direction(self, text: str) -> np.ndarray:
        digest = hashlib.sha256(text.encode()).digest()
        return _unit(np.random.default_rng(int.from_bytes(digest[:8])).normal(size=(1, self.dim)))[0]


def _unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
