"""What SAM is asked in training: prompts for the things of a picture, and where each answer is judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..scene_views import PICTURE

FINE = 64  # samples a side of the grid around a thing
CELLS = 32  # cells a side that the decoder's embedding has; each makes 4 x 4 logits
CELL = PICTURE // CELLS  # px a side
WINDOW = 14  # cells a side that hold the grid around any thing of a whole scene
AFAR = 112  # cells outside the window, drawn anew each time

CLEAN, NOISY, ONE = 0.20, 0.48, 0.88  # shares: clean boxes, noisy ones, one point; several points for the rest


@dataclass
class Prompt:
    """One prompt on one picture, in pixels of the 512 px picture: a box, or points with labels, for one thing."""

    thing: int  # its number in the map of parts
    box: np.ndarray  # (4,) xyxy, the thing's own tight box
    given: np.ndarray | None  # (4,) the box that is given; None where points are
    points: np.ndarray  # (n, 2)
    labels: np.ndarray  # (n,)


def draw_prompts(parts: np.ndarray, rng: np.random.Generator, count: int) -> list[Prompt]:
    """Prompts for the things of a picture: boxes, noisy boxes, one point, several points inside and outside.

    A thing is asked for the more often, the longer its edge is beside its area: keys are harder than balls.
    """
    areas = np.bincount(parts.ravel(), minlength=2)
    names = 1 + np.flatnonzero(areas[1:] > 60)
    if not len(names):
        return []
    rims = np.bincount(parts[:, 1:][parts[:, 1:] != parts[:, :-1]], minlength=len(areas))
    rims = rims + np.bincount(parts[1:][parts[1:] != parts[:-1]], minlength=len(areas))
    hard = np.sqrt((rims[names] + 1) / areas[names])
    drawn: list[Prompt] = []
    for name in rng.choice(names, count, p=hard / hard.sum()):
        mask = parts == name
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)
        kind = rng.random()
        if kind < NOISY:
            size = np.array([box[2] - box[0], box[3] - box[1]] * 2, np.float32)
            noise = rng.normal(0, 0.0 if kind < CLEAN else rng.choice([0.03, 0.08]), 4) * size
            given = np.clip(box + np.clip(noise, -20, 20), 0, PICTURE).astype(np.float32)
            drawn.append(Prompt(int(name), box, given, np.zeros((0, 2)), np.zeros(0)))
            continue
        points = [inside(mask, box, rng)]
        labels = [1]
        if kind > ONE:
            for _ in range(int(rng.integers(1, 3))):
                points.append(inside(mask, box, rng))
                labels.append(1)
            near = np.clip(rng.normal((box[:2] + box[2:]) / 2, box[2:] - box[:2]), 0, PICTURE - 1).astype(int)
            if not mask[near[1], near[0]]:
                points.append(near)
                labels.append(0)
        drawn.append(Prompt(int(name), box, None, np.array(points, np.float32) + 0.5, np.array(labels)))
    return drawn


def inside(mask: np.ndarray, box: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random pixel (x, y) of a mask."""
    x0, y0, x1, y1 = box.astype(int)
    rows, columns = np.nonzero(mask[y0:y1, x0:x1])
    at = int(rng.integers(len(rows)))
    return np.array([columns[at] + x0, rows[at] + y0])


@dataclass
class Places:
    """Where the answers to prompts are judged, for n prompts.

    Attributes:
        grid: (n, FINE, FINE, 2) float32, x and y in the 512 px picture: the thing's box and a fifth more.
        reach: (n, 2) float32, width and height of the grid in pixels.
        corner: (n, 2) x and y of the window's first cell.
        window: cells a side of the window, in which the whole grid lies.
        cells: (n, m) numbers of cells: the window's row by row, then others.
        weight: (n, m) float32, of how many of the picture's cells each is an example.
    """

    grid: np.ndarray
    reach: np.ndarray
    corner: np.ndarray
    window: int
    cells: np.ndarray
    weight: np.ndarray


def wide(box: np.ndarray) -> bool:
    """Whether a thing needs a larger window than `WINDOW`."""
    return float(_reach(box[None]).max()) > (WINDOW - 2) * CELL


def places(boxes: np.ndarray, shown: np.ndarray, window: int, rng: np.random.Generator) -> Places:
    """Where to judge answers for things with these boxes.

    Args:
        boxes: (n, 4) xyxy in pixels of the 512 px picture.
        shown: (n, CELLS, CELLS), how much of each cell of the prompt's picture shows things: a mask strays there.
        window: cells a side of the window.
        rng: for the grid's place and the cells outside the window.
    """
    n = len(boxes)
    centre, size = (boxes[:, :2] + boxes[:, 2:]) / 2, _reach(boxes)
    along = (np.arange(FINE) + rng.random(FINE)) / FINE - 0.5
    x = centre[:, :1] + size[:, :1] * along
    y = centre[:, 1:] + size[:, 1:] * along
    grid = np.stack(np.broadcast_arrays(x[:, None, :], y[:, :, None]), -1)
    grid = np.clip(grid, 0.5, PICTURE - 0.5).astype(np.float32)
    corner = np.clip(np.round(centre / CELL - window / 2), 0, CELLS - window).astype(int)
    step = np.arange(window)
    own = (corner[:, 1, None, None] + step[:, None]) * CELLS + corner[:, 0, None, None] + step
    cells = own.reshape(n, -1)
    weight = np.ones(cells.shape, np.float32)
    if window < CELLS:
        chance = 0.3 + shown.reshape(n, -1).astype(np.float64)
        np.put_along_axis(chance, cells, 0.0, 1)
        chance /= chance.sum(1, keepdims=True)
        sums = np.cumsum(chance, 1) + np.arange(n)[:, None]  # of all prompts in one rising row
        afar = np.searchsorted(sums.ravel(), np.arange(n)[:, None] + rng.random((n, AFAR)) * (1 - 1e-9))
        afar = np.clip(afar - np.arange(n)[:, None] * CELLS**2, 0, CELLS**2 - 1)
        rare = 1 / (AFAR * np.take_along_axis(chance, afar, 1).clip(1e-4))
        cells = np.concatenate([cells, afar], 1)
        weight = np.concatenate([weight, rare.astype(np.float32)], 1)
    return Places(grid, size.astype(np.float32), corner, window, cells, weight)


def _reach(boxes: np.ndarray) -> np.ndarray:
    """(n, 2): width and height of what is judged around boxes (n, 4)."""
    return (boxes[:, 2:] - boxes[:, :2]) * 1.4 + 6
