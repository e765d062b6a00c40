"""The drawn world's frozen facts: what may stand in a scene, and one scene.

Everything else in this package is a pure function of a `Scene`: its picture, its masks, what can
be said and asked about it.
"""

from __future__ import annotations

from dataclasses import dataclass

SOLIDS = ("cube", "ball", "cone", "cylinder", "pyramid", "ring")
SILHOUETTES = ("mug", "key", "fish", "house", "leaf", "car", "star", "heart", "tree", "boat", "umbrella", "bottle")
SHAPES = SOLIDS + SILHOUETTES

# sRGB of the lit, matte surface; far apart in hue or lightness.
COLORS: dict[str, tuple[int, int, int]] = {
    "red": (214, 40, 40),
    "orange": (245, 130, 25),
    "yellow": (248, 214, 40),
    "green": (46, 160, 60),
    "blue": (40, 90, 215),
    "purple": (128, 55, 170),
    "pink": (250, 140, 190),
    "brown": (120, 72, 36),
}
MATERIALS = ("rubber", "metal", "wood")  # matte; bright highlight bands; grain lines
SIZES: dict[str, float] = {"small": 0.115, "large": 0.215}  # the longer side of the box, as a share of the picture
BACKDROPS = ("plain", "desk", "street", "shelf")

# Shape and colour pairs that no training scene contains (the compositional test of CLEVR-CoGenT).
HELD_OUT_PAIRS = frozenset(
    {("cube", "purple"), ("ball", "brown"), ("mug", "pink"), ("fish", "red"), ("star", "green"), ("car", "orange")}
)


@dataclass(frozen=True)
class Thing:
    """One object. `x`, `y` are the centre and `angle` the tilt; the unit of length is the picture's side."""

    id: int
    shape: str
    color: str
    size: str  # a key of SIZES
    material: str
    x: float
    y: float
    scale: float  # the longer side of the drawn box, near SIZES[size]
    angle: float = 0.0  # degrees, clockwise, small
    word: str | None = None  # 3 to 6 capitals on a sign beside it
    font: int = 0
    variant: int = 0  # which of a silhouette's drawings (proportions), a seed for its parameters


@dataclass(frozen=True)
class Scene:
    """A scene: things from back to front, a backdrop and a light. `seed` made it and names it."""

    seed: int
    things: tuple[Thing, ...]
    backdrop: str
    light: float  # direction that the light comes from: degrees, 0 right, clockwise, so -90 is above
    tone: int = 0  # which of the backdrop's muted colourings
