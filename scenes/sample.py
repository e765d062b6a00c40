"""Scenes by seed: which things stand where, on which backdrop, in which light."""

from __future__ import annotations

import random
from dataclasses import replace

from .drawing.backdrops import TONES, feet, ground, layout_of
from .drawing.shapes import VARIANTS, pose
from .drawing.signs import CLEAR_LEAD, FONTS, overlap, place_signs, thing_box
from .scene import BACKDROPS, HELD_OUT_PAIRS, MATERIALS, SIZES, SOLIDS, Scene, Thing
from .splits import COMMON_PAIRS, Split, split_seed, words_of

MOST_THINGS = 8
LIGHTS = (-135.0, -120.0, -105.0, -75.0, -60.0, -45.0)
# The share of a thing's outline that may lie under the boxes before it: half stays visible, with room for rounding.
_HIDDEN = 0.42
_REPEATED = (("shape",), ("color",), ("material",), ("shape", "color"), ("shape", "color"), ("color", "material"))
_UPRIGHT = frozenset({*SOLIDS, "house", "car", "tree", "mug", "bottle", "boat"})


def sample_scene(
    seed: int, split: Split = "train", *, things: tuple[int, int] = (2, 8), compositional: bool = False
) -> Scene:
    """The scene number `seed` of a split: always the same for the same arguments.

    Args:
        seed: the scene's number within its split (see `split_seed`), or its `Scene.seed`.
        split: "test" scenes have words that training never shows.
        things: the least and greatest number of things, both possible, within 1 to 8. A crowded picture may get fewer
            than were drawn for, never fewer than the least.
        compositional: draw a third of the things from `HELD_OUT_PAIRS`; for "test" alone.

    Returns:
        A scene whose things are each at least half visible, from back to front, with `id` their place in that order.

    Raises:
        ValueError: a seed of another split, a number of things out of range, or compositional scenes outside "test".
    """
    number = split_seed(split, seed)
    if compositional and split != "test":
        raise ValueError(f"compositional scenes belong to the split 'test', not to {split!r}")
    if not 1 <= things[0] <= things[1] <= MOST_THINGS:
        raise ValueError(f"a scene holds from 1 to {MOST_THINGS} things, not {things[0]} to {things[1]}")
    rng = random.Random(f"scene {number} {compositional}" + ("" if things == (2, 8) else f" {things}"))
    while True:
        scene = _attempt(rng, number, split, things, compositional)
        if scene is not None:
            return scene


def _attempt(rng: random.Random, seed: int, split: Split, things: tuple[int, int], compositional: bool) -> Scene | None:
    backdrop = rng.choice(BACKDROPS)
    layout = layout_of(seed)
    count = rng.randint(*things)
    placed: list[Thing] = []
    for shape, color, material, size in _attributes(rng, count, compositional):
        thing = _place(rng, placed, shape, color, material, size, feet(backdrop, layout), ground(backdrop, layout))
        if thing is not None:
            placed.append(thing)
    if len(placed) < things[0]:
        return None
    placed.sort(key=lambda thing: (thing_box(thing)[3], thing.x))
    placed = [replace(thing, id=number) for number, thing in enumerate(placed)]
    scene = Scene(seed, tuple(placed), backdrop, rng.choice(LIGHTS), rng.randrange(TONES))
    return _with_words(rng, scene, split) if rng.random() < 0.5 else scene


def _attributes(rng: random.Random, count: int, compositional: bool) -> list[tuple[str, str, str, str]]:
    """Shape, colour, material and size of each thing. Often several things share an attribute, so that counts vary."""
    held_out = sorted(HELD_OUT_PAIRS)

    def pair() -> tuple[str, str]:
        return rng.choice(held_out) if compositional and rng.random() < 1 / 3 else rng.choice(COMMON_PAIRS)

    drawn = [(*pair(), rng.choice(MATERIALS), rng.choice(tuple(SIZES))) for _ in range(count)]
    if rng.random() < 0.4:
        shared = rng.choice(_REPEATED)
        alike = rng.randint(2, min(5, count)) if count > 1 else 1
        shape, color, material, _ = drawn[0]
        for at in range(1, alike):
            _, _, own_material, size = drawn[at]
            pool = held_out if compositional and drawn[at][:2] in HELD_OUT_PAIRS else COMMON_PAIRS
            shapes = [p for p in pool if "shape" not in shared or p[0] == shape]
            fits = [p for p in shapes if "color" not in shared or p[1] == color]
            if not fits:
                fits = [(shape, color)] if len(shared) > 1 or pool is COMMON_PAIRS else [drawn[at][:2]]
            drawn[at] = (*rng.choice(fits), material if "material" in shared else own_material, size)
    return drawn


def _place(
    rng: random.Random,
    placed: list[Thing],
    shape: str,
    color: str,
    material: str,
    size: str,
    boards: tuple[float, ...] | None,
    horizon: float,
) -> Thing | None:
    """A thing of these attributes where it and those before and behind it stay visible; None where there is no room."""
    scale = SIZES[size] * rng.uniform(0.92, 1.08)
    reach = 4 if shape in _UPRIGHT else 14
    angle = float(rng.randint(-reach, reach))
    variant, font = rng.randrange(VARIANTS), rng.randrange(FONTS)
    held = pose(shape, variant, angle)
    w, h = held.width * scale, held.height * scale
    margin = 0.022
    for _ in range(40):
        x = rng.uniform(margin + w / 2, 1 - margin - w / 2)
        if boards is None:
            foot = rng.uniform(max(horizon, margin + h), 1 - margin)
        else:
            foot = rng.choice(boards) + rng.uniform(-0.012, 0.008)
        place = (round(x, 4), round(foot - h / 2, 4), round(scale, 4), angle)
        thing = Thing(0, shape, color, size, material, *place, None, font, variant)
        if thing.y - h / 2 > 0.01 and _all_visible([*placed, thing]):
            return thing
    return None


def _all_visible(things: list[Thing], hiding: tuple[tuple[float, float, float, float], ...] = ()) -> bool:
    """Whether each thing stays at least half visible, by a rule that never errs on the other side.

    What hides a thing is at most the area that the boxes before it share with its own box, in all.
    """
    boxes = [thing_box(thing) for thing in things]
    for thing, box in zip(things, boxes, strict=True):
        before = [other for other in boxes if other is not box and other[3] >= box[3]]
        hidden = sum(overlap(box, other) for other in (*before, *hiding))
        area = (box[2] - box[0]) * (box[3] - box[1]) * pose(thing.shape, thing.variant, thing.angle).fill
        if hidden > _HIDDEN * area:
            return False
    return True


def _with_words(rng: random.Random, scene: Scene, split: Split) -> Scene:
    """The scene with signs beside about a third of its things, at least one where there is room for it."""
    count = max(1, sum(rng.random() < 0.3 for _ in scene.things))
    words = rng.sample(words_of(split), count)
    for at, word in zip(rng.sample(range(len(scene.things)), count), words, strict=True):
        named = tuple(replace(thing, word=word) if thing.id == at else thing for thing in scene.things)
        tried = replace(scene, things=named)
        signs = [sign for sign in place_signs(tried) if sign is not None]
        clear = all(sign.clash < 0.12 and sign.lead >= CLEAR_LEAD / 2 for sign in signs)
        if clear and _all_visible(list(named), tuple(sign.box for sign in signs)):
            scene = tried
    return scene
