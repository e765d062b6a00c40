"""How good a captioner is on held-out scenes: what `saccade train captioner` writes on the card.

Everything is asked through the expert, on views of 512 px pictures, and judged by reading the captions back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from ...scenes.language.forms import Related, holds
from ...scenes.language.phrases import attributes_of, parse_phrase, phrase_true
from ...scenes.render import render
from ...scenes.sample import sample_scene
from ...scenes.scene import Scene
from ...settings import ModelSpec
from ...tools.contracts import View
from ...tools.experts.captioner import Captioner
from ...tools.requests import Describe
from ..scene_views import PICTURE
from .views import BESIDE, backdrop_of, parse_caption

MARGIN = 0.1  # of the crops, as `describe_image` cuts them
FACETS = ("color", "shape")  # what makes two things the same in the figure "exact"
PART = 100  # pictures held at once


@dataclass
class Captioned:
    """A held-out scene with what was said of it, and of a crop of one of its things."""

    scene: Scene
    detailed: str
    short: str
    thing: int
    crop: str


def measure(folder: Path, cases: int) -> dict[str, Any]:
    """Every figure of the card.

    Args:
        folder: the zoo folder.
        cases: held-out scenes; a quarter as many with unseen pairs of shape and colour besides.
    """
    captioner = Captioner.load(ModelSpec("file", str(folder)), "cuda" if torch.cuda.is_available() else "cpu")
    strange = figures(caption_scenes(captioner, cases // 4, compositional=True))
    kept = ("exact", "recall", "precision")
    return (
        {"cases": cases}
        | figures(caption_scenes(captioner, cases))
        | {"unseen_pair_cases": cases // 4}
        | {f"unseen_pair_{name}": strange[name] for name in kept}
    )


def caption_scenes(captioner: Captioner, cases: int, compositional: bool = False) -> list[Captioned]:
    """Short and detailed captions of `cases` scenes of the split test, and of a crop of one thing of each."""
    made: list[Captioned] = []
    for start in range(0, cases, PART):
        scenes = [sample_scene(i, "test", compositional=compositional) for i in range(start, min(cases, start + PART))]
        drawn = [render(scene, PICTURE) for scene in scenes]
        wholes = [view_of(f"{compositional} {scene.seed}", one.image) for scene, one in zip(scenes, drawn, strict=True)]
        things = [scene.seed % len(scene.things) for scene in scenes]
        crops = [
            view_of(whole.picture, one.image, one.boxes[thing])
            for whole, one, thing in zip(wholes, drawn, things, strict=True)
        ]
        asked = [Describe(view, "detailed") for view in wholes] + [Describe(view) for view in (*wholes, *crops)]
        texts = [said.text for said in captioner.predict(asked)]
        parts = [texts[i * len(scenes) : (i + 1) * len(scenes)] for i in range(3)]
        made += [
            Captioned(scene, detailed, short, thing, crop)
            for scene, detailed, short, thing, crop in zip(scenes, parts[0], parts[1], things, parts[2], strict=True)
        ]
    return made


def view_of(name: str, image: Image.Image, box: Sequence[float] | None = None) -> View:
    """A view of a picture, or of a box of it (xyxy pixels) with the margin that tools leave."""
    width, height = image.size
    if box is None:
        return View(name, image.size, (0, 0, width, height), lambda: image)
    x0, y0, x1, y1 = (float(value) for value in box)
    extra = MARGIN * max(x1 - x0, y1 - y0)
    near = (max(0.0, x0 - extra), max(0.0, y0 - extra), min(width, x1 + extra), min(height, y1 + extra))
    return View(name, image.size, near, lambda: image)


def figures(said: Sequence[Captioned]) -> dict[str, Any]:
    """Shares in 0..1.

    `exact`: the multiset of (colour, shape) that the detailed caption lists is the scene's; `exact_material` with
    the material, `exact_all` with the size as well. `blind_`: the same for captions of another held-out scene.
    """
    others = [one.detailed for one in (*said[1:], *said[:1])]
    right = found = listed = 0
    for one in said:
        truth, heard = _things(one.scene, FACETS), _heard(one.detailed, FACETS)
        right, found, listed = right + (truth & heard).total(), found + truth.total(), listed + heard.total()
    by_count: dict[str, list[bool]] = {}
    for one in said:
        by_count.setdefault(str(len(one.scene.things)), []).append(exact(one.scene, one.detailed))
    return {
        "exact": _share(exact(one.scene, one.detailed) for one in said),
        "blind_exact": _share(exact(one.scene, other) for one, other in zip(said, others, strict=True)),
        "exact_material": _share(exact(one.scene, one.detailed, (*FACETS, "material")) for one in said),
        "exact_all": _share(exact(one.scene, one.detailed, (*FACETS, "material", "size")) for one in said),
        "exact_by_count": {count: _share(by_count[count]) for count in sorted(by_count)},
        "recall": round(right / max(1, found), 4),
        "precision": round(right / max(1, listed), 4),
        "backdrop": _share(backdrop_of(one.detailed) == one.scene.backdrop for one in said),
        "short_true": _share(short_true(one.scene, one.short) for one in said),
        "blind_short_true": _share(
            short_true(one.scene, other.short) for one, other in zip(said, (*said[1:], *said[:1]), strict=True)
        ),
        "crop": _share(_crop_true(one) for one in said),
    }


def exact(scene: Scene, caption: str, facets: Sequence[str] = FACETS) -> bool:
    """Whether a detailed caption lists just the scene's things, as far as these facets go."""
    return _things(scene, facets) == _heard(caption, facets)


def short_true(scene: Scene, caption: str) -> bool:
    """Whether everything that a short caption claims holds: both things, how they stand, and the backdrop."""
    if backdrop_of(caption) != scene.backdrop:
        return False
    claim = caption.rpartition(",")[0]
    for relation, words in BESIDE.items():
        first, found, second = claim.partition(f" {words} ")
        if found:
            one, other = parse_phrase(first), parse_phrase(second)
            return bool(one and other) and holds(
                (Related(tuple((one or {}).items()), relation, tuple((other or {}).items())),), scene
            )
    parts = [parse_phrase(part) for part in claim.split(" and ")]
    return all(part and any(phrase_true(part, thing) for thing in scene.things) for part in parts)


def _crop_true(one: Captioned) -> bool:
    thing, heard = one.scene.things[one.thing], parse_phrase(one.crop)
    return bool(heard) and {"color", "material", "shape"} <= set(heard or {}) and phrase_true(heard or {}, thing)


def _things(scene: Scene, facets: Sequence[str]) -> Counter[tuple[str, ...]]:
    return Counter(tuple(attributes_of(thing)[facet] for facet in facets) for thing in scene.things)


def _heard(caption: str, facets: Sequence[str]) -> Counter[tuple[str, ...]]:
    return Counter(tuple(said.get(facet, "") for facet in facets) for said in parse_caption(caption))


def _share(judged: Any) -> float | None:
    values = [bool(value) for value in judged]
    return round(sum(values) / len(values), 4) if values else None
