"""The twelve everyday silhouettes, written down in a box of about 100 by 100, y down. `k` is the variant, 0 to 3."""

from __future__ import annotations

import math
from collections.abc import Callable

import skia

from .paths import Part, block, oval, polygon, trace, turned, union, without


def _mug(k: int) -> list[Part]:
    wide, top, mirror = ((68, 10, False), (62, 4, True), (72, 18, True), (66, 0, False))[k]
    body = trace(
        f"M 0 {top + 8} L 3 90 Q 4 100 16 100 L {wide - 16} 100 Q {wide - 4} 100 {wide - 3} 90 L {wide} {top + 8} Z"
    )
    rim = oval(wide / 2, top + 8, wide / 2, 8)
    high, low = top + 22, 82
    handle = without(block(wide - 20, high, 100, low, 24), block(wide - 20, high + 13, 87, low - 13, 14))
    handle = without(handle, block(0, high, wide - 6, low))
    well = oval(wide / 2, top + 8.5, wide / 2 - 5, 5)
    parts = [
        Part(handle, -0.14, "column"),
        Part(union(body, rim), 0, "column"),
        Part(rim, 0.22, "mark"),
        Part(well, -0.55, "mark"),
    ]
    return [Part(turned(p.path, 0, mirror=mirror), p.tone, p.shade, p.stroke) for p in parts]


def _key(k: int) -> list[Part]:
    turn, mirror = ((-38, False), (0, False), (40, True), (90, False))[k]
    bow = without(oval(24, 50, 26, 27), oval(20, 50, 11, 11))
    shaft = block(44, 42, 102, 58, 3)
    teeth = union(block(68, 50, 79, 78, 2), block(88, 50, 100, 73, 2))
    collar = block(50, 36, 58, 64, 3)
    parts = [
        Part(teeth, -0.06),
        Part(shaft, 0),
        Part(bow, 0, "tube"),
        Part(oval(21, 50, 17.5, 18), -0.4, "veil", 2.6),
        Part(trace("M 62 47 L 99 47"), -0.45, "veil", 2.6),
        Part(collar, -0.3, "flat"),
    ]
    return [Part(turned(p.path, turn, mirror=mirror), p.tone, p.shade, p.stroke) for p in parts]


def _fish(k: int) -> list[Part]:
    deep, mirror = ((27, False), (31, True), (24, True), (34, False))[k]
    body = trace(
        f"M 0 52 C 14 {50 - deep * 1.25} 52 {50 - deep * 1.3} 78 50 C 52 {50 + deep * 1.3} 14 {50 + deep * 1.25} 0 52 Z"
    )
    tail = trace("M 68 50 C 80 40 88 28 100 22 Q 92 50 100 78 C 88 72 80 60 68 50 Z")
    fin = trace(f"M 30 {56 - deep} Q 40 {38 - deep} 60 {36 - deep} Q 57 {48 - deep} 62 {60 - deep} Z")
    belly = trace(f"M 34 {46 + deep} Q 42 {58 + deep} 54 {60 + deep} Q 51 {50 + deep} 54 {42 + deep} Z")
    lines = "M 76 50 L 95 34 M 76 50 L 97 50 M 76 50 L 95 66"
    parts = [
        Part(tail, -0.18),
        Part(fin, -0.26),
        Part(belly, -0.26),
        Part(body, 0.04),
        Part(trace(lines), -0.5, "mark", 2),
        Part(trace("M 30 33 Q 40 50 30 68"), -0.45, "mark", 3),
        Part(
            trace("M 46 42 Q 51 47 46 52 M 46 54 Q 51 59 46 64 M 57 40 Q 62 45 57 50 M 57 52 Q 62 57 57 62"),
            -0.34,
            "mark",
            2.4,
        ),
        Part(oval(17, 45, 6), 0.9, "mark"),
        Part(oval(16, 45, 3.4), -0.95, "mark"),
    ]
    return [Part(turned(p.path, 0, mirror=mirror), p.tone, p.shade, p.stroke) for p in parts]


def _house(k: int) -> list[Part]:
    wide, eaves, door = ((40, 44, 36), (44, 40, 56), (36, 48, 50), (42, 52, 30))[k]
    x0, x1 = 50 - wide, 50 + wide
    walls = block(x0, eaves - 4, x1, 100)
    roof = polygon((50, 0), (x1 + 8, eaves), (x0 - 8, eaves))
    chimney = block(x1 - 24, 4, x1 - 11, eaves - 6)
    windows = [x for x in (x0 + 8, 41, x1 - 26) if abs(x + 9 - door) > 19]
    parts = [Part(chimney, -0.3), Part(walls, 0.1), Part(roof, -0.28)]
    parts.append(Part(block(door - 9, 70, door + 9, 100), -0.62, "mark"))
    parts.append(Part(oval(door + 5, 86, 1.8), 0.6, "mark"))
    for x in windows[:2]:
        parts.append(Part(block(x, eaves + 12, x + 18, eaves + 29), 0.72, "mark"))
        parts.append(Part(block(x, eaves + 12, x + 18, eaves + 29), -0.5, "mark", 2.4))
        parts.append(Part(trace(f"M {x + 9} {eaves + 12} L {x + 9} {eaves + 29}"), -0.5, "mark", 2))
    return parts


def _leaf(k: int) -> list[Part]:
    wide, turn = ((34, 38), (29, -36), (38, 24), (32, -52))[k]
    blade = trace(
        f"M 50 0 C {50 + wide * 1.2} 22 {50 + wide * 1.2} 62 50 88 C {50 - wide * 1.2} 62 {50 - wide * 1.2} 22 50 0 Z"
    )
    stem = trace("M 46.5 80 L 53.5 80 L 55 104 L 47 104 Z")
    veins = "M 50 8 L 50 90"
    for y, reach in ((30, 0.55), (46, 0.66), (62, 0.6)):
        for side in (-1, 1):
            veins += f" M 50 {y + 8} Q {50 + side * wide * reach * 0.5} {y + 2} {50 + side * wide * reach} {y - 8}"
    half = trace(f"M 50 0 C {50 + wide * 1.2} 22 {50 + wide * 1.2} 62 50 88 Z")
    parts = [Part(stem, -0.45), Part(blade, 0.06), Part(half, -0.32, "veil"), Part(trace(veins), -0.6, "mark", 2.4)]
    return [Part(turned(p.path, turn), p.tone, p.shade, p.stroke) for p in parts]


def _car(k: int) -> list[Part]:
    mirror = k % 2 == 1
    roof = ("M 20 48 Q 26 22 38 22 L 62 22 Q 70 22 80 48 Z", "M 24 48 Q 32 25 44 25 L 60 25 Q 68 25 76 48 Z",
            "M 12 48 Q 16 20 26 20 L 66 20 Q 74 20 84 48 Z", "M 22 48 Q 32 22 48 22 Q 66 22 80 48 Z")[k]  # fmt: skip
    body = trace("M 0 70 Q 0 46 12 43 L 78 41 Q 98 45 100 58 L 100 70 Q 100 75 95 75 L 5 75 Q 0 75 0 70 Z")
    cabin = trace(roof)
    glass = skia.Path()
    matrix = skia.Matrix.Translate(50, 44)
    matrix.preConcat(skia.Matrix.Scale(0.76, 0.68))
    matrix.preConcat(skia.Matrix.Translate(-50, -48))
    cabin.transform(matrix, glass)
    parts = [
        Part(cabin, 0),
        Part(body, 0.02),
        Part(glass, 0.72, "mark"),
        Part(block(47.5, 20, 52.5, 44), -0.06, "mark"),
        Part(trace("M 3 68 L 97 67"), -0.5, "veil", 3),
        Part(oval(95, 57, 3.2, 3.8), 0.85, "mark"),
        Part(oval(23, 76, 12.5), -0.86, "mark"),
        Part(oval(77, 76, 12.5), -0.86, "mark"),
        Part(oval(23, 76, 6), 0.3, "mark"),
        Part(oval(77, 76, 6), 0.3, "mark"),
    ]
    return [Part(turned(p.path, 0, mirror=mirror), p.tone, p.shade, p.stroke) for p in parts]


def _star(k: int) -> list[Part]:
    inner = (21, 24, 19, 26)[k]
    spin = (0, 8, -10, 16)[k]

    def at(step: int) -> tuple[float, float]:
        turn = math.radians(step * 36 - 90 + spin)
        reach = 50 if step % 2 == 0 else inner
        return 50 + reach * math.cos(turn), 50 + reach * math.sin(turn)

    parts = [Part(polygon(*(at(i) for i in range(10))), 0.08)]
    parts += [Part(polygon((50, 50), at(i), at(i + 1)), -0.4, "veil") for i in range(0, 10, 2)]
    return parts


def _heart(k: int) -> list[Part]:
    wide, dip = ((50, 24), (46, 28), (50, 20), (44, 22))[k]
    lobe = wide / 50

    def at(x: float, y: float) -> str:
        return f"{50 + x * lobe} {y}"

    body = trace(
        f"M 50 100 C {at(-30, 76)} {at(-50, 58)} {at(-50, 32)} C {at(-50, 4)} {at(-12, -2)} 50 {dip} "
        f"C {at(12, -2)} {at(50, 4)} {at(50, 32)} C {at(50, 58)} {at(30, 76)} 50 100 Z"
    )
    return [Part(body, 0)]


def _tree(k: int) -> list[Part]:
    trunk = polygon((43, 70), (57, 70), (60, 100), (40, 100))
    if k % 2 == 0:  # a fir of three tiers
        wide = 36 if k == 0 else 30
        tiers = [(0, 36, 0.62), (20, 60, 0.82), (42, 84, 1.0)]
        parts = [Part(trunk, -0.62)]
        for top, foot, reach in reversed(tiers):
            parts.append(Part(polygon((50, top), (50 + wide * reach, foot), (50 - wide * reach, foot)), 0.04))
            parts.append(
                Part(polygon((50, top + 4), (50 + wide * reach, foot), (50 + wide * 0.1, foot)), -0.34, "veil")
            )
        return parts
    crown = (
        union(oval(50, 26, 26), oval(27, 42, 23), oval(73, 42, 23), oval(50, 54, 24))
        if k == 1
        else oval(50, 40, 36, 40)
    )
    marks = "M 30 30 Q 36 20 46 20 M 52 44 Q 62 36 72 40 M 26 52 Q 34 44 44 48 M 50 64 Q 58 58 66 60"
    return [Part(trunk, -0.62), Part(crown, 0.02, "ball"), Part(trace(marks), -0.42, "mark", 3.2)]


def _boat(k: int) -> list[Part]:
    mirror = k % 2 == 1
    hull = trace("M 2 70 L 98 70 Q 92 100 74 100 L 28 100 Q 10 100 2 70 Z")
    mast = block(46, 0, 51.5, 74)
    if k < 2:
        sails = [trace("M 52 4 Q 84 30 90 64 L 52 64 Z"), trace("M 45 14 Q 24 36 12 64 L 45 64 Z")]
    else:
        sails = [trace("M 52 3 Q 78 8 92 20 Q 84 42 92 62 L 52 64 Z"), trace("M 45 18 Q 30 40 20 64 L 45 64 Z")]
    parts = [
        Part(mast, -0.6),
        Part(sails[0], 0.22),
        Part(sails[1], 0.06),
        Part(hull, -0.2),
        Part(trace("M 6 79 L 94 79"), 0.45, "mark", 3),
        Part(oval(36, 88, 3.4), -0.7, "mark"),
        Part(oval(50, 88, 3.4), -0.7, "mark"),
        Part(oval(64, 88, 3.4), -0.7, "mark"),
    ]
    return [Part(turned(p.path, 0, mirror=mirror), p.tone, p.shade, p.stroke) for p in parts]


def _umbrella(k: int) -> list[Part]:
    top, mirror = ((2, False), (8, True), (0, True), (5, False))[k]
    canopy = trace(
        f"M 0 52 C 2 {top} 98 {top} 100 52 Q 90 43 80 52 Q 70 43 60 52 Q 50 43 40 52 Q 30 43 20 52 Q 10 43 0 52 Z"
    )
    crook = trace("M 47 46 L 53 46 L 53 86 Q 53 92 59 92 Q 65 92 65 85 L 71 85 Q 71 99 59 99 Q 47 99 47 86 Z")
    tip = block(48, top * 0.5 + 6, 52, 24, 2)
    peak = 15 + top * 0.25
    ribs = f"M 50 {peak} Q 24 26 20 51 M 50 {peak} Q 41 30 40 51 M 50 {peak} Q 59 30 60 51 M 50 {peak} Q 76 26 80 51"
    parts = [Part(crook, -0.5), Part(tip, -0.5), Part(canopy, 0.04, "column"), Part(trace(ribs), -0.42, "mark", 2.6)]
    return [Part(turned(p.path, 0, mirror=mirror), p.tone, p.shade, p.stroke) for p in parts]


def _bottle(k: int) -> list[Part]:
    half, shoulder = ((19, 40), (22, 36), (17, 46), (24, 42))[k]
    left, right = 50 - half, 50 + half
    glass = trace(
        f"M 42 8 L 58 8 L 58 {shoulder - 14} "
        f"C 58 {shoulder - 4} {right} {shoulder - 4} {right} {shoulder + 8} L {right} 94 "
        f"Q {right} 100 {right - 6} 100 L {left + 6} 100 Q {left} 100 {left} 94 L {left} {shoulder + 8} "
        f"C {left} {shoulder - 4} 42 {shoulder - 4} 42 {shoulder - 14} Z"
    )
    label = block(left, shoulder + 18, right, 86)
    lines = f"M {left + 8} {shoulder + 26} L {right - 8} {shoulder + 26} M {left + 8} 78 L {right - 8} 78"
    return [
        Part(glass, 0, "column"),
        Part(block(40.5, 0, 59.5, 12, 2), -0.5, "column"),
        Part(label, 0.6, "mark"),
        Part(trace(lines), -0.3, "mark", 2.4),
    ]


SILHOUETTE_FIGURES: dict[str, Callable[[int], list[Part]]] = {
    "mug": _mug,
    "key": _key,
    "fish": _fish,
    "house": _house,
    "leaf": _leaf,
    "car": _car,
    "star": _star,
    "heart": _heart,
    "tree": _tree,
    "boat": _boat,
    "umbrella": _umbrella,
    "bottle": _bottle,
}
