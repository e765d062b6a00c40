"""The same picture once more, and pictures that only look like it: what near-duplicate recognition is measured on."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO

from PIL import Image, ImageEnhance

from ..scenes.render import render
from ..scenes.scene import COLORS, HELD_OUT_PAIRS, SHAPES, Scene

Change = Callable[[Image.Image], Image.Image]


def resized(factor: float) -> Change:
    """Scaled to `factor` of its size."""
    return lambda image: image.resize(
        (round(image.width * factor), round(image.height * factor)), Image.Resampling.LANCZOS
    )


def recompressed(quality: int) -> Change:
    """Through JPEG at a quality."""

    def change(image: Image.Image) -> Image.Image:
        file = BytesIO()
        image.save(file, "JPEG", quality=quality)
        return Image.open(file).convert("RGB")

    return change


def cropped(share: float) -> Change:
    """A share of the sides cut off, unevenly: more on the left and at the top."""

    def change(image: Image.Image) -> Image.Image:
        width, height = image.size
        left, top = 0.7 * share * width, 0.6 * share * height
        return image.crop(
            (round(left), round(top), round(left + (1 - share) * width), round(top + (1 - share) * height))
        )

    return change


def rotated(degrees: float) -> Change:
    """Turned a little, and cut so that no corner is empty."""

    def change(image: Image.Image) -> Image.Image:
        turned = image.rotate(degrees, Image.Resampling.BICUBIC)
        cut = round(abs(degrees) / 57.3 * max(image.size) / 2) + 1
        return turned.crop((cut, cut, image.width - cut, image.height - cut))

    return change


def brightened(factor: float) -> Change:
    """Lighter or darker."""
    return lambda image: ImageEnhance.Brightness(image).enhance(factor)


CHANGES: dict[str, Change] = {
    "resized to 75 %": resized(0.75),
    "resized to 40 %": resized(0.4),
    "enlarged to 150 %": resized(1.5),
    "JPEG, quality 75": recompressed(75),
    "JPEG, quality 30": recompressed(30),
    "cropped by 5 %": cropped(0.05),
    "cropped by 10 %": cropped(0.10),
    "rotated by 2 degrees": rotated(2),
    "rotated by 5 degrees": rotated(5),
    "brighter by 5 %": brightened(1.05),
}


def lookalikes(scene: Scene, rng: random.Random, size: int) -> dict[str, Image.Image]:
    """Pictures of other scenes that are nearly this one: each differs in one thing that a person sees."""
    at = rng.randrange(len(scene.things))
    thing = scene.things[at]
    others = [color for color in COLORS if color != thing.color and (thing.shape, color) not in HELD_OUT_PAIRS]
    shapes = [shape for shape in SHAPES if shape != thing.shape and (shape, thing.color) not in HELD_OUT_PAIRS]

    def changed(**values: object) -> Scene:
        return replace(scene, things=(*scene.things[:at], replace(thing, **values), *scene.things[at + 1 :]))

    scenes = {
        "one thing of another colour": changed(color=rng.choice(others)),
        "one thing of another shape": changed(shape=rng.choice(shapes)),
        "one thing elsewhere": changed(x=1 - thing.x if abs(thing.x - 0.5) > 0.15 else thing.x - 0.25),
    }
    if len(scene.things) > 1:
        scenes["one thing less"] = replace(scene, things=(*scene.things[:at], *scene.things[at + 1 :]))
    return {name: render(other, size).image for name, other in scenes.items()}
