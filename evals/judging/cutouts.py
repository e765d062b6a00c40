"""Where in a picture a cut-out was cut, told from its pixels alone, and how well it fits a mask.

The cut-out's own record is not asked: its opaque pixels must be found in the picture as they are.
"""

from __future__ import annotations

import numpy as np

PROBES = 96  # opaque pixels that are compared before a place counts as found
MOST_PLACES = 64  # places that are tried where a cut-out of one flat colour fits many


def places(cutout: np.ndarray, picture: np.ndarray) -> list[tuple[int, int]]:
    """The offsets (x, y) at which a cut-out's opaque pixels are those of the picture.

    Args:
        cutout: (h, w, 4) uint8 RGBA, never scaled.
        picture: (height, width, 3) uint8 RGB.

    Returns:
        At most `MOST_PLACES` offsets of the cut-out's upper left corner; none where it was not cut from this picture.
    """
    (h, w), (height, width) = cutout.shape[:2], picture.shape[:2]
    rows, columns = np.nonzero(cutout[..., 3] > 127)
    if not len(rows) or h > height or w > width:
        return []
    chosen = np.linspace(0, len(rows) - 1, min(PROBES, len(rows))).astype(int)
    first = chosen[len(chosen) // 2]
    at = picture[rows[first] : rows[first] + height - h + 1, columns[first] : columns[first] + width - w + 1]
    found = np.argwhere((at == cutout[rows[first], columns[first], :3]).all(-1))
    for probe in chosen:
        row, column = rows[probe], columns[probe]
        same = (picture[found[:, 0] + row, found[:, 1] + column] == cutout[row, column, :3]).all(-1)
        found = found[same]
    return [(int(x), int(y)) for y, x in found[:MOST_PLACES]]


def best_overlap(cutout: np.ndarray, picture: np.ndarray, mask: np.ndarray) -> float:
    """The IoU of a cut-out's alpha, laid where it was cut, with a (height, width) bool mask; 0 for another picture's.

    A cut-out that shows its whole rectangle, with no transparency at all, is none: 0.
    """
    if cutout.ndim != 3 or cutout.shape[2] != 4 or (cutout[..., 3] > 127).all():
        return 0.0
    alpha = cutout[..., 3] > 127
    best = 0.0
    for x, y in places(cutout, picture):
        laid = np.zeros_like(mask)
        laid[y : y + alpha.shape[0], x : x + alpha.shape[1]] = alpha
        best = max(best, float((laid & mask).sum() / max(1, (laid | mask).sum())))
    return best
