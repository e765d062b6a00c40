"""Near duplicates: the same picture once more, resized, recompressed, slightly cropped or turned.

Embeddings propose (two pictures of one kind of thing may lie as near as two copies), tiny copies of the
pixels decide: one is laid on the other by an affine Lucas-Kanade fit (Baker and Matthews 2004), and what
differs then must be small everywhere, so that one thing more in an otherwise equal picture counts.
"""

from __future__ import annotations

from collections.abc import Sequence
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
PAIRS = 64  # worked on together
REACH = 0.25  # how far the fit may scale, turn and shear; twice as far may it shift
OVERLAP = 0.7  # the share of a sketch that must be covered


def sketch(image: Image.Image) -> bytes:
    """A tiny copy of a picture's pixels, (64, 64, 3) uint8, whatever its proportions."""
    return image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=2.0).tobytes()


def same(ones: Sequence[bytes], others: Sequence[bytes]) -> np.ndarray:
    """Which pairs of sketches are of the same picture: (pairs,) bool. Many pairs at once cost little more than one."""
    found = np.zeros(len(ones), bool)
    whole = SIDE * SIDE * 3  # sketches of another version of Saccade have another length
    pairs = np.array([n for n, pair in enumerate(zip(ones, others, strict=True)) if all(len(p) == whole for p in pair)])
    for start in range(0, len(pairs), PAIRS):
        part = pairs[start : start + PAIRS]
        a, b = _pixels([ones[n] for n in part]), _pixels([others[n] for n in part])
        there = difference(a, b)
        found[part] = there <= WORST
        # The fit may succeed one way round only; what is quite different one way is not looked at the other way.
        again = (there > WORST) & (there < HOPELESS)
        found[part[again]] = difference(b[again], a[again]) <= WORST
    return found


def _pixels(sketches: Sequence[bytes]) -> np.ndarray:
    pixels = np.frombuffer(b"".join(sketches), np.uint8).reshape(-1, SIDE, SIDE, 3)
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)) / np.float32(255)


def difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How much the sketches of each pair differ where they overlap, in the worst part, the second laid on the first.

    Args:
        a: (pairs, 3, 64, 64) float32 in 0..1.
        b: the same.

    Returns:
        (pairs,) float32; 1.0 where one cannot be laid on the other.
    """
    worst = np.ones(len(a), np.float32)
    left = np.arange(len(a))  # pairs that may be the same still
    warps = np.repeat(np.eye(2, 3, dtype=np.float32)[None], len(a), 0)  # in units of half a side, from the middle
    for side, give_up in LEVELS:
        if not len(left):
            break
        near, far = _pooled(a[left], side), _pooled(b[left], side)
        if side == LEVELS[0][0]:
            warps = _fit(_blurred(near), _blurred(far), warps)
        warps = _fit(near, far, warps)
        turned = np.abs(warps[:, :, :2] - np.eye(2, dtype=np.float32)).max((1, 2))
        wild = (turned > REACH) | (np.abs(warps[:, :, 2]).max(1) > 2 * REACH)
        worst[left] = np.where(wild, np.float32(1), _worst(near, far, warps))
        go_on = ~wild & (worst[left] <= give_up)
        left, warps = left[go_on], warps[go_on]
    return worst


def _worst(a: np.ndarray, b: np.ndarray, warps: np.ndarray) -> np.ndarray:
    """(pairs,) the difference in the worst part of a, with b laid on it."""
    laid, inside = _sample(b, warps)
    shown = inside[:, None]
    gain = (a * laid * shown).sum((1, 2, 3)) / np.maximum((laid * laid * shown).sum((1, 2, 3)), 1e-6)
    gap = np.abs(laid * gain.clip(1 / GAIN, GAIN)[:, None, None, None] - a).mean(1)
    # Resampling shifts edges by a part of a pixel; what differs along an edge counts as little as the edge is steep.
    gap = np.maximum(gap - 0.5 * _steepness(a), 0) * inside
    pairs, parts = len(a), a.shape[-1] // TILE
    worst = gap.reshape(pairs, parts, TILE, parts, TILE).mean((2, 4)).max((1, 2))
    return np.where(inside.mean((1, 2)) < OVERLAP, np.float32(1), worst)


def _pooled(images: np.ndarray, side: int) -> np.ndarray:
    """The pictures with so many pixels a side, each the mean of what it covers."""
    by = images.shape[-1] // side
    return images.reshape(-1, 3, side, by, side, by).mean((3, 5)) if by > 1 else images


@cache
def _grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    """(side, side) x and y of the pixels' centres, -1..1."""
    line = (np.arange(side, dtype=np.float32) + 0.5) / (side / 2) - 1
    x, y = np.meshgrid(line, line)
    return x, y


def _sample(images: np.ndarray, warps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(pairs, 3, side, side) pixels at the warped places, bilinear; and (pairs, side, side) which lie inside."""
    side = images.shape[-1]
    x, y = _grid(side)
    (ux, uy, u0), (vx, vy, v0) = warps.transpose(1, 2, 0)[..., None, None]
    u = (ux * x + uy * y + u0 + 1) * np.float32(side / 2) - np.float32(0.5)
    v = (vx * x + vy * y + v0 + 1) * np.float32(side / 2) - np.float32(0.5)
    inside = (u > -0.6) & (u < side - 0.4) & (v > -0.6) & (v < side - 0.4)
    last = np.float32(side - 1.001)
    u, v = u.clip(0, last), v.clip(0, last)
    left, top = u.astype(np.int32), v.astype(np.int32)
    across, down = (u - left)[:, None], (v - top)[:, None]
    plane = np.arange(3 * len(images), dtype=np.int32).reshape(-1, 3, 1, 1) * (side * side)
    at = plane + (top * side + left)[:, None]
    flat = images.reshape(-1)
    corners = [flat.take(at + step, mode="clip") for step in (0, 1, side, side + 1)]
    upper, lower = (corners[n] + (corners[n + 1] - corners[n]) * across for n in (0, 2))
    return upper + (lower - upper) * down, inside


def _fit(a: np.ndarray, b: np.ndarray, warps: np.ndarray) -> np.ndarray:
    """(pairs, 2, 3): the warps under which b looks most like a, from a first guess on."""
    side = a.shape[-1]
    x, y = (part.reshape(-1) for part in _grid(side))
    one = np.ones_like(x)
    linear = np.stack([x, y, one], 1)  # (pixels, 3)
    square = (linear[:, :, None] * linear[:, None]).reshape(-1, 9)
    warps = warps.copy()
    left = np.arange(len(a))  # pairs whose fit still moves
    for _ in range(STEPS):
        laid, inside = _sample(b[left], warps[left])
        down, across = np.gradient(laid, axis=(2, 3))
        weight = (inside * np.float32(side / 2))[:, None]
        slopes = (across * weight, down * weight)
        gap = (a[left] - laid) * inside[:, None]
        # The normal equations of all pixels and colours: products of slopes, summed over colours, times x, y and 1.
        blocks = [[(m * n).sum(1).reshape(len(left), -1) @ square for n in slopes] for m in slopes]
        matrix = np.array(blocks).reshape(2, 2, len(left), 3, 3).transpose(2, 0, 3, 1, 4).reshape(-1, 6, 6)
        wanted = [(m * gap).sum(1).reshape(len(left), -1) @ linear for m in slopes]
        target = np.concatenate(wanted, 1)[..., None]
        step = np.linalg.solve(matrix + 1e-3 * np.eye(6, dtype=np.float32), target)[..., 0]
        length = np.abs(step).max(1)
        warps[left] += (step * np.minimum(1, 0.15 / np.maximum(length, 1e-9))[:, None]).reshape(-1, 2, 3)
        left = left[length >= 1e-3]
        if not len(left):
            break
    return warps


def _blurred(images: np.ndarray) -> np.ndarray:
    wide = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    wide = (wide[:, :, :-2] + 2 * wide[:, :, 1:-1] + wide[:, :, 2:]) / 4
    return (wide[..., :-2] + 2 * wide[..., 1:-1] + wide[..., 2:]) / 4


def _steepness(images: np.ndarray) -> np.ndarray:
    """(pairs, side, side): the highest difference to a neighbour."""
    wide = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    sides = [wide[..., :-2, 1:-1], wide[..., 2:, 1:-1], wide[..., 1:-1, :-2], wide[..., 1:-1, 2:]]
    return np.max([np.abs(side - images).mean(1) for side in sides], axis=0)
