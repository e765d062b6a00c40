"""Near duplicates: the same picture once more, resized, recompressed, slightly cropped or turned.

Embeddings propose (two pictures of one kind of thing may lie as near as two copies), tiny copies of the
pixels decide: one is laid on the other by an affine Lucas-Kanade fit (Baker and Matthews 2004), and what
differs then must be small everywhere, so that one thing more in an otherwise equal picture counts.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import Image

SIDE = 64  # px of a sketch; at 32, one small thing of another shape is not told from a shifted edge
CANDIDATES = 8  # pictures that a new one is compared with
COSINE = 0.8  # nearer ones are candidates; without an embedder all are
STEPS = 12
# The fit goes from coarse to fine: px of a side, and the worst part's difference from which it is given up there.
LEVELS = ((16, 0.16), (32, 0.1), (64, 0.0))
WORST = 0.024  # of the difference that two copies may have in their worst part (pixels in 0..1)
HOPELESS = 0.5  # px values as in WORST: such a pair is not looked at a second time
GAIN = 1.15  # how much lighter or darker a copy may be
TILE = 4  # px: the side of such a part
REACH = 0.25  # how far the fit may scale, turn and shear; twice as far may it shift
OVERLAP = 0.7  # the share of a sketch that must be covered


def sketch(image: Image.Image) -> bytes:
    """A tiny copy of a picture's pixels, (64, 64, 3) uint8, whatever its proportions."""
    return image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=2.0).tobytes()


def same(one: bytes, other: bytes) -> bool:
    """Whether two sketches are of the same picture."""
    if len(one) != SIDE * SIDE * 3 or len(other) != len(one):  # of another version of Saccade
        return False
    a, b = (np.frombuffer(pixels, np.uint8).reshape(SIDE, SIDE, 3) / np.float32(255) for pixels in (one, other))
    there = difference(a, b)
    # The fit may succeed one way round only; what is quite different one way is not looked at the other way.
    return there <= WORST or (there < HOPELESS and difference(b, a) <= WORST)


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """How much two sketches differ where they overlap, in the worst part, the second laid on the first.

    Args:
        a: (64, 64, 3) float32 in 0..1.
        b: the same.
    """
    warp = np.array([[1, 0, 0], [0, 1, 0]], np.float32)  # in units of half a side, from the middle
    worst = 1.0
    for side, give_up in LEVELS:
        near, far = _pooled(a, side), _pooled(b, side)
        if side == LEVELS[0][0]:
            warp = _fit(_blurred(near), _blurred(far), warp)
        warp = _fit(near, far, warp)
        if np.abs(warp[:, :2] - np.eye(2)).max() > REACH or np.abs(warp[:, 2]).max() > 2 * REACH:
            return 1.0
        worst = _worst(near, far, warp)
        if worst > give_up:
            break
    return worst


def _worst(a: np.ndarray, b: np.ndarray, warp: np.ndarray) -> float:
    """The difference in the worst part of a, with b laid on it."""
    laid, inside = _sample(b, warp)
    if inside.mean() < OVERLAP:
        return 1.0
    shown = inside[..., None]
    gain = float((a * laid * shown).sum() / max(float((laid * laid * shown).sum()), 1e-6))
    gap = np.abs(laid * min(max(gain, 1 / GAIN), GAIN) - a).mean(2)
    # Resampling shifts edges by a part of a pixel; what differs along an edge counts as little as the edge is steep.
    gap = np.maximum(gap - 0.5 * _steepness(a), 0) * inside
    parts = len(a) // TILE
    return float(gap.reshape(parts, TILE, parts, TILE).mean((1, 3)).max())


def _pooled(image: np.ndarray, side: int) -> np.ndarray:
    """The picture with so many pixels a side, each the mean of what it covers."""
    by = len(image) // side
    return image.reshape(side, by, side, by, 3).mean((1, 3)) if by > 1 else image


@cache
def _grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    """(side, side) x and y of the pixels' centres, -1..1."""
    line = (np.arange(side, dtype=np.float32) + 0.5) / (side / 2) - 1
    x, y = np.meshgrid(line, line)
    return x, y


def _sample(image: np.ndarray, warp: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(side, side, 3) pixels of the image at the warped places, bilinear, and (side, side) bool: those inside of it."""
    side = len(image)
    x, y = _grid(side)
    u = (warp[0, 0] * x + warp[0, 1] * y + warp[0, 2] + 1) * (side / 2) - 0.5
    v = (warp[1, 0] * x + warp[1, 1] * y + warp[1, 2] + 1) * (side / 2) - 0.5
    inside = (u > -0.6) & (u < side - 0.4) & (v > -0.6) & (v < side - 0.4)
    u, v = u.clip(0, side - 1.001), v.clip(0, side - 1.001)
    left, top = u.astype(int), v.astype(int)
    across, down = (u - left)[..., None], (v - top)[..., None]
    upper = image[top, left] * (1 - across) + image[top, left + 1] * across
    lower = image[top + 1, left] * (1 - across) + image[top + 1, left + 1] * across
    return upper * (1 - down) + lower * down, inside


def _fit(a: np.ndarray, b: np.ndarray, warp: np.ndarray) -> np.ndarray:
    """(2, 3): the warp under which b looks most like a, from a first guess on."""
    side = len(a)
    x, y = _grid(side)
    basis = np.stack([x, y, np.ones_like(x)], -1)
    for _ in range(STEPS):
        laid, inside = _sample(b, warp)
        slope_y, slope_x = np.gradient(laid, axis=(0, 1))
        jacobian = np.concatenate(
            [slope_x[..., None] * basis[:, :, None], slope_y[..., None] * basis[:, :, None]], -1
        ) * (side / 2) * inside[..., None, None]  # fmt: skip
        rows = jacobian.reshape(-1, 6)
        gap = ((a - laid) * inside[..., None]).reshape(-1)
        step = np.linalg.solve(rows.T @ rows + 1e-3 * np.eye(6, dtype=np.float32), rows.T @ gap)
        length = float(np.abs(step).max())
        warp = warp + step.reshape(2, 3) * min(1.0, 0.15 / max(length, 1e-9))
        if length < 1e-3:
            break
    return warp


def _blurred(image: np.ndarray) -> np.ndarray:
    wide = np.pad(image, ((1, 1), (1, 1), (0, 0)), mode="edge")
    wide = (wide[:-2] + 2 * wide[1:-1] + wide[2:]) / 4
    return (wide[:, :-2] + 2 * wide[:, 1:-1] + wide[:, 2:]) / 4


def _steepness(image: np.ndarray) -> np.ndarray:
    """(side, side): the highest difference to a neighbour."""
    wide = np.pad(image, ((1, 1), (1, 1), (0, 0)), mode="edge")
    middle = wide[1:-1, 1:-1]
    sides = [wide[:-2, 1:-1], wide[2:, 1:-1], wide[1:-1, :-2], wide[1:-1, 2:]]
    return np.max([np.abs(side - middle).mean(2) for side in sides], axis=0)
