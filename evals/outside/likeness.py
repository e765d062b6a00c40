"""How well pictures from outside the drawn world are told from drawn ones: false alarms and misses.

Drawn pictures are held-out scenes, whole and in large parts. Charts, documents, screens and flat graphics are those of
`strangers`. Photographs are those that ship inside well-known
libraries, where these are installed; nothing was ever fitted to them (see `training.clip.out_of_domain`).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from ...scenes.render import render
from ...scenes.sample import sample_scene
from ...settings import load_profile
from ...tools.contracts import View
from ...tools.embedder import view_of_image
from ...tools.experts.clip.expert import Clip
from ...tools.look import IN_DOMAIN
from ...tools.requests import Likeness
from ..judging.intervals import independent
from .strangers import KINDS, strangers

PHOTOGRAPHS = {
    "skimage": (
        "data", "astronaut.png brick.png camera.png cell.png chelsea.png clock_motion.png coffee.png coins.png "
        "grass.png gravel.png horse.png hubble_deep_field.jpg ihc.png moon.png motorcycle_left.png "
        "motorcycle_right.png page.png retina.jpg rocket.jpg text.png"),
    "matplotlib": ("mpl-data/sample_data", "grace_hopper.jpg"),
    "ultralytics": ("assets", "bus.jpg zidane.jpg"),
}  # fmt: skip
FIRST = 1_200_000  # of the drawn scenes
SIDE = 512  # px
AT_ONCE = 16


def photographs() -> Iterator[tuple[str, Image.Image]]:
    """The photographs that are on this machine, each with a name such as "skimage/coffee.png"."""
    for library, (folder, names) in PHOTOGRAPHS.items():
        found = importlib.util.find_spec(library)
        if found is None or found.origin is None:
            continue
        for name in names.split():
            path = Path(found.origin).parent / folder / name
            if path.is_file():
                yield f"{library}/{name}", Image.open(path).convert("RGB")


def parts(image: Image.Image) -> list[Image.Image]:
    """The four quarters of a picture and its middle."""
    width, height = image.size
    places = ((0, 0), (0.5, 0), (0, 0.5), (0.5, 0.5), (0.25, 0.25))
    return [image.crop((int(x * width), int(y * height), int((x + 0.5) * width), int((y + 0.5) * height)))
            for x, y in places]  # fmt: skip


def run(scenes: int, profile: str = "bundled") -> dict[str, Any]:
    """Measure the profile's CLIP; nothing where it has no such calibration.

    Args:
        scenes: drawn ones.
        profile: whose models.

    Returns:
        `rows` of a table, and `report`: the photographs that were taken for drawn ones, by name.
    """
    clip = Clip.load(load_profile(profile).spec("clip"), "cpu")
    drawn = [render(sample_scene(FIRST + number, "test"), SIDE).image for number in range(scenes)]
    # A large part: from the upper left, five sixths of a side.
    large = [image.crop((0, 0, SIDE * 5 // 6, SIDE * 5 // 6)) for image in drawn]
    found = dict(photographs())
    if not known(clip, drawn[:1]):
        return {"rows": [], "report": {"calibrated": False}}
    near = [(name, part) for name, image in found.items() for part in parts(image)]
    misses = {name for (name, _), taken in zip(near, known(clip, [part for _, part in near]), strict=True) if taken}
    rows = [
        _row("drawn scenes refused", [not one for one in known(clip, drawn)]),
        _row("large parts of drawn scenes refused", [not one for one in known(clip, large)]),
    ]
    for kind in KINDS:
        rows.append(_row(f"{kind}s taken for drawn", known(clip, list(strangers(kind, scenes)))))
    if found:
        whole = known(clip, list(found.values()))
        misses |= {name for name, taken in zip(found, whole, strict=True) if taken}
        rows += [
            _row("photographs taken for drawn", whole),
            _row("parts of photographs taken for drawn", known(clip, [part for _, part in near])),
        ]
    return {"rows": rows, "report": {"photographs": list(found), "taken for drawn, whole or in part": sorted(misses)}}


def known(clip: Clip, images: Sequence[Image.Image]) -> list[bool]:
    """Which pictures are taken for drawn ones; an empty list where the model has no calibration."""
    told: list[float | None] = []
    for at in range(0, len(images), AT_ONCE):
        views: list[View] = [view_of_image(image) for image in images[at : at + AT_ONCE]]
        told += clip.predict([Likeness(view) for view in views])
    return [one >= IN_DOMAIN for one in told if one is not None]


def _row(name: str, wrong: Sequence[bool]) -> dict[str, Any]:
    share = sum(wrong) / len(wrong)
    return {"group": "likeness", "name": name, "cases": len(wrong), "value": round(share, 4),
            "interval": independent(sum(wrong), len(wrong)), "baseline": None, "bar": None, "good": "low"}  # fmt: skip
