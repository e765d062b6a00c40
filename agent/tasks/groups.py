"""Near duplicates among the pictures of a task: each gets the number of its group.

Small blurred copies propose, as embeddings do in memory; `near_duplicates.same` decides. Whoever is like one of a group
belongs to it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...memory.pictures.near_duplicates import CANDIDATES, SIDE, same

COARSE = 8  # px of a side of what proposes
CHUNK = 512  # pictures that are compared with all others at once


def groups_of(sketches: Sequence[bytes]) -> list[int]:
    """The number of each picture's group, from 1, in the order in which groups begin; `sketches`: one a picture."""
    if not sketches:
        return []
    parent = list(range(len(sketches)))

    def top(one: int) -> int:
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    pairs = _candidates(sketches)
    alike = same([sketches[one] for one, _ in pairs], [sketches[other] for _, other in pairs])
    for (one, other), yes in zip(pairs, alike, strict=True):
        if yes:
            first, second = sorted((top(one), top(other)))
            parent[second] = first
    numbers: dict[int, int] = {}
    return [numbers.setdefault(top(one), len(numbers) + 1) for one in range(len(sketches))]


def _candidates(sketches: Sequence[bytes]) -> list[tuple[int, int]]:
    """Pairs that may be the same: each picture with those whose blurred copies are nearest to its own."""
    by = SIDE // COARSE
    vectors = np.stack([
        np.frombuffer(one, np.uint8).reshape(COARSE, by, COARSE, by, 3).mean((1, 3)).ravel() for one in sketches
    ]).astype(np.float32)  # fmt: skip
    vectors -= vectors.mean(1, keepdims=True)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
    pairs: set[tuple[int, int]] = set()
    for start in range(0, len(vectors), CHUNK):
        likeness = vectors[start : start + CHUNK] @ vectors.T
        for row, line in enumerate(likeness, start):
            line[row] = -np.inf
            nearest = np.argsort(-line, kind="stable")[:CANDIDATES]
            pairs |= {(min(row, int(other)), max(row, int(other))) for other in nearest if int(other) != row}
    return sorted(pairs)
