"""What figures are made of: painted parts, and a few ways to write a path down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import skia

Shade = Literal["flat", "column", "ball", "tube", "veil", "mark"]


@dataclass(frozen=True)
class Part:
    """One painted piece of a figure.

    `tone` is -1 (the colour's dark end) to 1 (its light end). `shade` says how light falls on it: "flat" along the
    light, "column" round an upright axis, "ball" from a lit spot, "tube" round the part's middle; a "veil" only tints
    what lies beneath, so that the material shows through; a "mark" is an inner detail in one tone.
    `stroke` is the width of a line in figure units; None fills. `facing` is -1 for a face that looks to the left, 1 for
    one that looks to the right: the light's side of the two is lighter.
    """

    path: skia.Path
    tone: float = 0.0
    shade: Shade = "flat"
    stroke: float | None = None
    facing: int = 0


def trace(text: str) -> skia.Path:
    """A path from "M x y", "L x y", "Q x y x y", "C x y x y x y" and "Z", all absolute, split by blanks."""
    path = skia.Path()
    moves = {"M": (2, path.moveTo), "L": (2, path.lineTo), "Q": (4, path.quadTo), "C": (6, path.cubicTo)}
    words = text.split()
    at = 0
    while at < len(words):
        verb = words[at]
        if verb == "Z":
            path.close()
            at += 1
            continue
        length, draw = moves[verb]
        draw(*(float(word) for word in words[at + 1 : at + 1 + length]))
        at += 1 + length
    return path


def polygon(*points: tuple[float, float]) -> skia.Path:
    """A closed polygon."""
    path = skia.Path()
    path.moveTo(*points[0])
    for point in points[1:]:
        path.lineTo(*point)
    path.close()
    return path


def oval(x: float, y: float, rx: float, ry: float | None = None) -> skia.Path:
    """An ellipse round (x, y); a circle without `ry`."""
    path = skia.Path()
    ry = rx if ry is None else ry
    path.addOval(skia.Rect(x - rx, y - ry, x + rx, y + ry))
    return path


def block(x0: float, y0: float, x1: float, y1: float, round_: float = 0.0) -> skia.Path:
    """A rectangle, with rounded corners where told."""
    path = skia.Path()
    path.addRoundRect(skia.Rect(x0, y0, x1, y1), round_, round_)
    return path


def union(*paths: skia.Path) -> skia.Path:
    """All of the paths as one outline."""
    whole = paths[0]
    for path in paths[1:]:
        whole = skia.Op(whole, path, skia.kUnion_PathOp)
    return whole


def without(path: skia.Path, hole: skia.Path) -> skia.Path:
    """`path` with `hole` cut out."""
    return skia.Op(path, hole, skia.kDifference_PathOp)


def turned(path: skia.Path, degrees: float, *, mirror: bool = False) -> skia.Path:
    """A copy turned clockwise about (50, 50), mirrored left to right first where told."""
    matrix = skia.Matrix.RotateDeg(degrees, skia.Point(50, 50))
    if mirror:
        matrix.preConcat(skia.Matrix.MakeAll(-1, 0, 100, 0, 1, 0, 0, 0, 1))
    moved = skia.Path()
    path.transform(matrix, moved)
    return moved
