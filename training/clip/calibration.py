"""From which cosine on memory takes things to be alike: `python -m saccade.training.clip.calibration`.

Of the bundled CLIP, on scenes of the split "val", which no model is trained or tested on. What is measured goes to
`recall.json` beside the weights that it belongs to. Run it again whenever the CLIP has been trained: a calibration of
other weights is not used.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ...memory.finding.calibration import Calibration, Rule
from ...memory.pictures.thumbnails import crop
from ...scenes.language.captions import full_caption
from ...scenes.language.phrases import VALUES, phrase_of, phrase_true
from ...scenes.render import Rendered, render
from ...scenes.sample import sample_scene
from ...scenes.scene import Scene, Thing
from ...settings import ZOO, Profile
from ...tools.embedder import ClipEmbedder
from ...tools.pool import ExpertPool

POOL = 25  # pictures among which something is or is not
FACETS = ("color", "shape")
NOISE = 64  # pictures of nothing
MATERIAL = 0.4  # how often the material is said, too


@dataclass(frozen=True)
class World:
    """Scenes with their embeddings: (n, dim) of pictures, (m, dim) of things, and whose picture each thing is in."""

    scenes: list[Scene]
    drawn: list[Rendered]
    pictures: np.ndarray
    things: list[Thing]
    regions: np.ndarray
    home: np.ndarray


def calibrate(folder: Path = ZOO / "clip", scenes: int = 400) -> Path:
    """Fit the rules of a CLIP folder and write them beside its weights; the path of the file.

    Args:
        folder: a zoo folder with its card, so that its hash is known.
        scenes: how many to measure on.
    """
    spec = f"zoo:{folder.name}" if folder.parent == ZOO else f"file:{folder}"
    profile = Profile(name="calibration", models={"clip": spec})
    embedder = ClipEmbedder(ExpertPool(profile, "auto"), profile)
    world = _world(embedder, scenes)
    rng = random.Random(0)
    rules, figures = {}, {}
    share = 0.5
    for name, (near, far) in {
        "words:region": _phrases(embedder, world, rng, whole=False),
        "words:picture": _phrases(embedder, world, rng, whole=True),
        "caption:picture": _captions(embedder, world, rng),
        "picture:picture": _alike(world.pictures),
        "picture:region": _likes(embedder, world),
        "both:region": _changed(embedder, world, rng, share),
    }.items():
        rules[name], figures[name] = balanced(near, far, alarms=0.01 if name == "words:picture" else None)
    rules["both:picture"] = rules["both:region"]
    path = folder / "recall.json"
    Calibration(rules, share).write(
        folder, embedder.sha256, {"split": "val", "scenes": scenes, "pool": POOL, **figures}
    )
    return path


def balanced(near: np.ndarray, far: np.ndarray, alarms: float | None = None) -> tuple[Rule, dict[str, Any]]:
    """The rule with the fewest misses and false alarms together, and how many there are.

    Args:
        near: (n,) cosines of what should be found.
        far: (m,) cosines of the likest thing where nothing should be found.
        alarms: the share of false alarms to allow, in place of the fewest errors.
    """
    if alarms is not None:
        threshold = float(np.quantile(far, 1 - alarms))
    else:
        tried = np.unique(np.concatenate([near, far]))
        wrong = np.array([(near < one).mean() + (far >= one).mean() for one in tried])
        best = tried[wrong == wrong.min()]
        # Between the two sides there may be a gap: its middle is the safest.
        under = far[far < best[0]]
        threshold = float((best[0] + (under.max() if len(under) else best[0])) / 2)
    middle = float(np.median(near[near >= threshold])) if (near >= threshold).any() else threshold + 0.1
    slope = float(np.log(19) / max(middle - threshold, 0.02))  # what is found scores 0.95 in the middle
    return Rule(round(threshold, 4), round(slope, 2)), {
        "misses": round(float((near < threshold).mean()), 4),
        "false_alarms": round(float((far >= threshold).mean()), 4),
        "near": len(near),
        "far": len(far),
    }


def _world(embedder: ClipEmbedder, count: int) -> World:
    scenes = [sample_scene(number, "val") for number in range(count)]
    drawn = [render(scene, 512) for scene in scenes]
    crops, things, home = [], [], []
    for place, (scene, one) in enumerate(zip(scenes, drawn, strict=True)):
        for thing, box in zip(scene.things, one.boxes, strict=True):
            x0, y0, x1, y1 = (float(value) for value in box)
            crops.append(crop(one.image, (x0, y0, x1, y1)))
            things.append(thing)
            home.append(place)
    pictures = embedder.pictures([one.image for one in drawn])
    return World(scenes, drawn, pictures, things, embedder.pictures(crops), np.array(home))


def _phrases(embedder: ClipEmbedder, world: World, rng: random.Random, *, whole: bool) -> tuple[np.ndarray, np.ndarray]:
    """Phrases such as "shiny red block" that are true of something in a pool, and such as are true of nothing there."""
    said: list[tuple[str, Sequence[int], bool]] = []
    for start in range(0, len(world.scenes), POOL):
        mine = np.flatnonzero((world.home >= start) & (world.home < start + POOL)).tolist()
        for chosen in rng.sample(mine, min(len(mine), 40)):
            thing = world.things[chosen]
            attributes = {facet: getattr(thing, facet) for facet in FACETS}
            if rng.random() < MATERIAL:
                attributes["material"] = thing.material
            true = [one for one in mine if phrase_true(attributes, world.things[one])]
            said.append((phrase_of(attributes, rng).text, true, True))
            while any(phrase_true(attributes, world.things[one]) for one in mine):
                attributes = {facet: rng.choice(VALUES[facet]) for facet in attributes}
            said.append((phrase_of(attributes, rng).text, mine, False))
    words = embedder.words([text for text, _, _ in said])
    vectors = world.pictures[world.home] if whole else world.regions
    best = np.array([(vectors[list(among)] @ one).max() for one, (_, among, _) in zip(words, said, strict=True)])
    there = np.array([true for _, _, true in said])
    return best[there], best[~there]


def _captions(embedder: ClipEmbedder, world: World, rng: random.Random) -> tuple[np.ndarray, np.ndarray]:
    """Captions that say all there is, and the likest of the other pictures of a pool."""
    words = embedder.words([full_caption(scene, rng, words=False).text for scene in world.scenes])
    cosines = words @ world.pictures.T
    near = np.diag(cosines).copy()
    np.fill_diagonal(cosines, -1)
    far = [cosines[place, place // POOL * POOL :][:POOL].max() for place in range(len(near))]
    return near, np.array(far)


def _alike(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pictures that are rather like another one, and any two."""
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1)
    far = cosines[np.triu_indices(len(cosines), 1)]
    return cosines.max(1), far


def _likes(embedder: ClipEmbedder, world: World) -> tuple[np.ndarray, np.ndarray]:
    """Crops of things that are alike in all but size; and pictures of noise, with what is likest to them."""
    cosines = world.regions @ world.regions.T
    shapes = np.array([thing.shape for thing in world.things])
    colors = np.array([thing.color for thing in world.things])
    same = (shapes[:, None] == shapes) & (colors[:, None] == colors)
    materials = np.array([thing.material for thing in world.things])
    same &= materials[:, None] == materials
    upper = np.triu(np.ones_like(same), 1)
    noise = embedder.pictures([_noise(number) for number in range(NOISE)])
    return cosines[same & upper], (noise @ world.regions.T).max(1)


def _noise(number: int) -> Image.Image:
    """A picture of nothing: coloured noise, coarse or fine; none of those that the evaluation draws."""
    side = 2 << number % 7
    grid = np.random.default_rng([1, number]).integers(0, 256, (side, side, 3), np.uint8)
    return Image.fromarray(grid).resize((512, 512), Image.Resampling.BICUBIC)


def _changed(embedder: ClipEmbedder, world: World, rng: random.Random, share: float) -> tuple[np.ndarray, np.ndarray]:
    """A thing's crop and another colour in words ("like this but blue"): things that are so, things that are not."""
    chosen = rng.sample(range(len(world.things)), min(len(world.things), 600))
    colors = [rng.choice([one for one in VALUES["color"] if one != world.things[at].color]) for at in chosen]
    words = embedder.words(colors)
    mixed = (1 - share) * world.regions[chosen] + share * words
    cosines = (mixed / np.linalg.norm(mixed, axis=1, keepdims=True)) @ world.regions.T
    near, far = [], []
    for line, at, color in zip(cosines, chosen, colors, strict=True):
        shape = world.things[at].shape
        right = np.array([one.shape == shape and one.color == color for one in world.things])
        wrong = np.array([one.shape != shape and one.color != color for one in world.things])
        near += line[right].tolist()
        far += line[wrong].tolist()
    return np.array(near), np.array(far)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=ZOO / "clip")
    parser.add_argument("--scenes", type=int, default=400)
    chosen = parser.parse_args()
    print(json.dumps(json.loads(calibrate(chosen.folder, chosen.scenes).read_text("utf-8")), indent=1))
