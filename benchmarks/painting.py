"""What painting costs and how near it comes to true pictures: speed beside the bare pipeline, steps, tries, distance.

The distance between sets of pictures is Fréchet's, as in FID (Heusel et al. 2017), between the features of the
project's CLIP instead of Inception's. Its floor is the distance between true pictures of training scenes and of
held-out ones; sets of grey, of noise and of bare backdrops must be far off.
"""

from __future__ import annotations

import json
import platform
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image
from rich.table import Table

from ..evals.models import models_of
from ..evals.painting import Studio, prompts
from ..scenes.language.phrases import noun_phrase
from ..scenes.render import render
from ..scenes.sample import sample_scene
from ..scenes.scene import Scene
from ..settings import load_profile
from ..tools.embedder import view_of_image
from ..tools.experts.painter.expert import Painter
from ..tools.experts.painter.pipeline import load_pipeline
from ..tools.pool import ExpertPool
from ..tools.requests import Embed, Paint
from ..tools.weights import resolve

IMAGES = 2000  # pictures of each set
PROMPTS = 60  # prompts at each number of steps and of tries
ROUNDS = 5  # of each timing
STEPS = (2, 4, 8, 12, 20, 30)
TRIES = (1, 4, 8)
BATCH = 8
SIDE = 128  # px
FIRST = 80_000  # the first scene of the split "test"
KINDS = ("one thing", "two things")  # of the prompts
BACKDROPS = {"plain": "plain background", "desk": "desk", "street": "street", "shelf": "shelf"}
PLOT = Path("docs/pictures/painting.png")


def scenes(split: Literal["train", "test"], first: int, count: int) -> Iterator[Scene]:
    """Scenes of one to four things without signs."""
    for number in range(first, first + count):
        scene = sample_scene(number, split, things=(1, 4))
        yield replace(scene, things=tuple(replace(thing, word=None) for thing in scene.things))


def asked_for(scene: Scene, number: int) -> Paint:
    """A scene as a painter is told it."""
    drawn = render(scene, SIDE)
    boxes = np.clip(drawn.boxes / SIDE, 0, 1).astype(float).tolist()
    things = tuple(
        (
            noun_phrase({"color": one.color, "material": one.material, "shape": one.shape}),
            (box[0], box[1], box[2], box[3]),
        )
        for one, box in zip(scene.things, boxes, strict=True)
    )
    return Paint(", ".join(words for words, _ in things), things=things, background=BACKDROPS[scene.backdrop],
                 size=(SIDE, SIDE), seed=number)  # fmt: skip


def features(experts: ExpertPool, images: Sequence[Image.Image]) -> np.ndarray:
    """(n, dim) float64 of CLIP, of unit length."""
    found: list[np.ndarray] = []
    for start in range(0, len(images), 64):
        found += experts.ask("clip", [Embed(view_of_image(image)) for image in images[start : start + 64]])
    return np.stack(found).astype(np.float64)


def frechet(one: np.ndarray, other: np.ndarray) -> float:
    """Fréchet's distance between the normal distributions that fit two sets of features, (n, dim) each."""
    means = one.mean(0) - other.mean(0)
    first, second = (np.cov(features, rowvar=False) for features in (one, other))
    # The trace of the root of a product is the sum of the roots of its eigenvalues, which are never below 0.
    roots = np.sqrt(np.clip(np.linalg.eigvals(first @ second).real, 0, None)).sum()
    return float(means @ means + np.trace(first) + np.trace(second) - 2 * roots)


def distances(experts: ExpertPool, count: int) -> dict[str, Any]:
    """Distances to true pictures of held-out scenes, times 1000: of what is painted, of the floor, of controls."""
    held_out = list(scenes("test", FIRST, count))
    true = features(experts, [render(scene, SIDE).image for scene in held_out])
    painted: list[Image.Image] = []
    for start in range(0, count, BATCH):
        part = held_out[start : start + BATCH]
        painted += experts.ask("painter", [asked_for(scene, start + at) for at, scene in enumerate(part)])
    rng = np.random.default_rng(0)
    bare = [render(replace(scene, things=()), SIDE).image for scene in held_out]
    noise = [Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)) for _ in held_out]
    sets: dict[str, list[Image.Image]] = {
        "painted": painted,
        "floor: true pictures of training scenes": [render(one, SIDE).image for one in scenes("train", 0, count)],
        "control: the same backdrops without things": bare,
        "control: grey": [Image.new("RGB", (SIDE, SIDE), (int(level),) * 3) for level in rng.integers(0, 256, count)],
        "control: noise": noise,
    }  # fmt: skip
    return {"images": count} | {name: round(1000 * frechet(features(experts, images), true), 2)
                                for name, images in sets.items()}  # fmt: skip


def quality(experts: ExpertPool, count: int) -> dict[str, Any]:
    """The share of prompts that came out, by steps at one try, and by tries at the model's own steps."""
    cases = [case for case in prompts(count) if case.kind in KINDS]

    def share(**options: Any) -> dict[str, float]:
        studio, right, begun = Studio(experts), 0, time.perf_counter()
        for case in cases:
            told = studio("generate_image", prompt=case.prompt, seed=case.seed, **options)
            right += told.ok and not told.recorded.facts["painted"][0]["lacks"]
        seconds = (time.perf_counter() - begun) / len(cases)
        return {"right": round(right / len(cases), 4), "seconds": round(seconds, 2)}

    return {
        "prompts": len(cases),
        "by steps": {str(steps): share(steps=steps, tries=1) for steps in STEPS},
        "best of": {str(tries): share(tries=tries) for tries in TRIES},
    }


def speed(expert: Painter, folder: Path, rounds: int) -> dict[str, Any]:
    """Seconds a picture, alone and in a batch, beside the bare pipeline of diffusers with the same inputs."""
    bare = load_pipeline(folder, expert.device)
    requests = [asked_for(scene, number) for number, scene in enumerate(scenes("test", FIRST, BATCH))]
    figures: dict[str, Any] = {}
    for name, some in {"alone": requests[:1], f"batch of {BATCH}": requests}.items():
        given = bare_options(expert, some)
        ours, theirs = (lambda some=some: expert.predict(some)), (lambda given=given: bare(**given()))
        ratios, seconds = _beside(ours, theirs, rounds)
        figures[name] = {"seconds a picture": round(seconds / len(some), 3),
                         "pictures a second": round(len(some) / seconds, 2),
                         "beside the bare pipeline": round(ratios, 3)}  # fmt: skip
    return figures | {"peak memory MB": _peak(expert.device)}


def bare_options(expert: Painter, requests: Sequence[Paint]) -> Callable[[], dict[str, Any]]:
    """What the bare pipeline is called with, to paint the same; what is prepared once is not timed."""
    import torch

    _, options = expert.call_for(requests)
    seeds = [request.seed for request in requests]
    return lambda: options | {"generator": [torch.Generator("cpu").manual_seed(seed) for seed in seeds]}


def _beside(ours: Callable[[], Any], theirs: Callable[[], Any], rounds: int) -> tuple[float, float]:
    """The median of the ratios of seconds, ours to theirs in turns, and the median of our seconds."""
    for work in (ours, theirs):  # the first runs warm up
        work()
    ratios: list[float] = []
    spent: list[float] = []
    for _ in range(rounds):
        seconds: list[float] = []
        for work in (ours, theirs):
            begun = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - begun)
        ratios.append(seconds[0] / seconds[1])
        spent.append(seconds[0])
    return statistics.median(ratios), statistics.median(spent)


def _peak(device: str) -> float:
    if device != "cpu":
        import torch

        return round(torch.cuda.max_memory_allocated() / 1e6, 1)
    unit = 1 if platform.system() == "Darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, 1)


def plot(figures: dict[str, Any], path: Path) -> None:
    """Steps against quality and seconds, and tries against quality, as a PNG."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    chart: Any
    chart, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    by_steps, tries = figures["quality"]["by steps"], figures["quality"]["best of"]
    steps = [int(one) for one in by_steps]
    left.plot(steps, [100 * one["right"] for one in by_steps.values()], "o-", color="tab:blue")
    left.set(xlabel="steps, one try", ylabel="came out as asked, %", ylim=(0, 100))
    beside = left.twinx()
    beside.plot(steps, [one["seconds"] for one in by_steps.values()], "s--", color="tab:grey")
    beside.set_ylabel("seconds a request, judging included", color="tab:grey")
    right.bar(list(tries), [100 * one["right"] for one in tries.values()], color="tab:blue")
    right.set(xlabel="best of so many tries", ylabel="came out as asked, %", ylim=(0, 100))
    path.parent.mkdir(parents=True, exist_ok=True)
    chart.savefig(path, dpi=110)
    pyplot.close(chart)


def measure() -> dict[str, Any]:
    """All of it, for the bundled painter."""
    import torch

    torch.set_num_threads(1)
    profile = load_profile("bundled")
    experts = ExpertPool(profile, "auto", 1)
    spec = profile.spec("painter")
    figures = {
        "speed": speed(Painter.load(spec, experts.device), resolve(spec), ROUNDS),
        "quality": quality(experts, PROMPTS),
        "distance": distances(experts, IMAGES),
        "models": models_of(profile, {"painter", "detector", "clip"}),
    }
    plot(figures, PLOT)
    return json.loads(json.dumps(figures))


def table(figures: dict[str, Any]) -> Table:
    """Speed, quality and distance, a line each."""
    made = Table("figure", "value", title="painting", title_justify="left")
    for name, one in figures["speed"].items():
        made.add_row(name, ", ".join(f"{k} {v}" for k, v in one.items()) if isinstance(one, dict) else str(one))
    for group in ("by steps", "best of"):
        for name, one in figures["quality"][group].items():
            made.add_row(f"{group} {name}", f"{one['right']:.0%} as asked, {one['seconds']} s")
    for name, value in figures["distance"].items():
        made.add_row(f"distance: {name}", str(value))
    return made
