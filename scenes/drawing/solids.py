"""The six solids, written down in a box of about 100 by 100, y down. `k` is the variant, 0 to 3."""

from __future__ import annotations

import math
from collections.abc import Callable

from .paths import Part, block, oval, polygon, trace, union, without


def _cube(k: int) -> list[Part]:
    """An upright cube in parallel projection, seen from 30 degrees above, turned by 32 to 58 degrees."""
    yaw, lift = math.radians((34, 42, 50, 57)[k]), math.radians(30)
    a, b, up = 50 * math.cos(yaw), 50 * math.sin(yaw), 50 * math.cos(lift)
    left, right = (-a, -b * math.sin(lift)), (b, -a * math.sin(lift))
    back = (left[0] + right[0], left[1] + right[1])

    def down(point: tuple[float, float]) -> tuple[float, float]:
        return point[0], point[1] + up

    return [
        Part(polygon((0, 0), left, back, right), 0.22),
        Part(polygon((0, 0), left, down(left), down((0, 0))), -0.17, facing=-1),
        Part(polygon((0, 0), right, down(right), down((0, 0))), -0.17, facing=1),
    ]


def _ball(_: int) -> list[Part]:
    return [Part(oval(50, 50, 50), 0, "ball")]


def _cone(k: int) -> list[Part]:
    half = (36, 40, 44, 48)[k]
    foot = half * 0.3
    side = trace(
        f"M 50 0 L {50 + half} {100 - foot} C {50 + half} {100 + foot * 0.33} {50 - half} {100 + foot * 0.33} "
        f"{50 - half} {100 - foot} Z"
    )
    return [Part(side, 0, "column")]


def _cylinder(k: int) -> list[Part]:
    half, lid = ((34, 11), (40, 13), (45, 14), (48, 15))[k]
    top, foot = lid, 100 - lid
    side = union(block(50 - half, top, 50 + half, foot), oval(50, foot, half, lid), oval(50, top, half, lid))
    return [Part(side, -0.04, "column"), Part(oval(50, top, half, lid), 0.26)]


def _pyramid(k: int) -> list[Part]:
    front, left, right = ((38, 78, 84), (46, 82, 80), (56, 80, 84), (64, 84, 79))[k]
    peak = (50, 0)
    return [
        Part(polygon(peak, (0, left), (front, 100)), -0.12, facing=-1),
        Part(polygon(peak, (front, 100), (100, right)), -0.12, facing=1),
    ]


def _ring(k: int) -> list[Part]:
    flat, hole = ((50, 24), (46, 23), (42, 25), (38, 24))[k]
    body = without(oval(50, 50, 50, flat), oval(50, 50, hole, hole * flat / 50 - 1))
    middle = (50 + hole) / 2
    return [
        Part(body, 0, "tube"),
        Part(oval(50, 49, middle - 1, middle * flat / 50 - 1), 0.3, "veil", 8),
        Part(oval(50, 49, middle - 1, middle * flat / 50 - 1), 0.4, "veil", 3),
        Part(oval(50, 50, hole + 2, hole * flat / 50 + 1), -0.4, "veil", 4),
    ]


SOLID_FIGURES: dict[str, Callable[[int], list[Part]]] = {
    "cube": _cube,
    "ball": _ball,
    "cone": _cone,
    "cylinder": _cylinder,
    "pyramid": _pyramid,
    "ring": _ring,
}
