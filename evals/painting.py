"""How well pictures are made and changed: `saccade eval --suite generate`.

Prompts are of DrawBench's kinds as far as the drawn world has them, in wordings of their own; edits are of scenes of
the split "test". Both go through the tools by their names, not through a controller. What came out is judged by what
detector and CLIP see in it, so the judge's own errors stand beside it: how often it refuses a true picture of the same
prompt, which the renderer draws, and how often it accepts a picture that was made for another prompt. Of the tries of a
call the tool keeps the best by the same judge; with one try there is no choice.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

from ..memory.pictures.store import PictureStore
from ..memory.workspace import LedgerWorkspace
from ..scenes.language.phrases import noun_phrase, plural_of
from ..scenes.render import render
from ..scenes.sample import sample_scene
from ..scenes.scene import BACKDROPS, COLORS, HELD_OUT_PAIRS, SHAPES
from ..settings import load_profile
from ..testing.true_painter import TruePainter
from ..tools.contracts import ToolContext
from ..tools.embedder import view_of_image
from ..tools.pool import ExpertPool
from ..tools.registry import all_tools
from ..tools.requests import Paint, Read
from ..tools.runner import Observation, ToolRunner
from ..tools.shared.painting.judging import judge
from ..tools.shared.painting.layout import lay_out
from ..tools.shared.painting.wanted import read_prompt
from .judging.intervals import independent
from .models import models_of

Done = Callable[[int, int], None]

FIRST = 60_000  # the first scene that is edited, and the first seed of a prompt
TRIES = (1, 4, 8)  # the best of so many; the larger ones on every `SOME`-th prompt
SOME = 3
KINDS = 7  # of prompts
FRAMES = ("{p}", "I'd like to see {p}", "paint {p} for me", "a drawing with {p}", "an image of {p}, please")
WORDS = ("OPEN", "MILK", "EXIT", "SALE", "TAXI", "NORTH", "LEMON", "RADIO")  # on signs that are asked for
WORDS_KIND = "words"
RELATIONS = ("left of", "to the right of", "above", "underneath")
NUMBERS = ("one", "two", "three", "four")
BARS = {"one thing": 0.9, "two things": 0.6, "edits": 0.8}


@dataclass(frozen=True)
class Case:
    """A prompt, of a kind."""

    kind: str
    prompt: str
    seed: int


def prompts(cases: int) -> list[Case]:
    """As many prompts of each kind."""
    made: list[Case] = []
    pairs = [(shape, color) for shape in SHAPES for color in COLORS if (shape, color) not in HELD_OUT_PAIRS]
    odd = sorted(HELD_OUT_PAIRS)

    def phrase(pair: tuple[str, str]) -> str:
        return noun_phrase({"color": pair[1], "shape": pair[0]})

    def article(words: str) -> str:
        return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"

    for number in range(cases):
        rng = random.Random(f"prompt {number}")
        one, two = rng.sample(pairs, 2)
        several = rng.randint(1, 4)
        counted = phrase(one) if several == 1 else f"{one[1]} {plural_of(one[0])}"
        backdrop = rng.choice(BACKDROPS)
        where = {"plain": "before a plain background", "desk": "on a desk", "street": "in a street",
                 "shelf": "on a shelf"}[backdrop]  # fmt: skip
        kinds = {
            "one thing": article(phrase(one)),
            "two things": f"{article(phrase(one))} and {article(phrase(two))}",
            "one to four of a kind": f"{NUMBERS[several - 1]} {counted}",
            "one thing beside another": f"{article(phrase(one))} {rng.choice(RELATIONS)} {article(phrase(two))}",
            "pairs never seen": article(phrase(rng.choice(odd))),
            "on a backdrop": f"{article(phrase(one))} {where}",
            WORDS_KIND: f'a sign that says "{rng.choice(WORDS)}"',
        }
        made += [Case(kind, rng.choice(FRAMES).format(p=words), FIRST + number) for kind, words in kinds.items()]
    return made


class Tally:
    """Cases and how many went well, by the name of a row."""

    def __init__(self) -> None:
        self.right: dict[tuple[str, str], list[bool]] = {}

    def add(self, group: str, name: str, right: bool) -> None:
        """Count a case."""
        self.right.setdefault((group, name), []).append(bool(right))

    def rows(self) -> list[dict[str, Any]]:
        """A row each."""
        return [
            {"group": group, "name": name, "cases": len(right), "value": round(sum(right) / len(right), 4),
             "interval": independent(sum(right), len(right)), "baseline": None, "good": "high",
             "bar": BARS.get(name) if group == f"best of {TRIES[1]}" or group == "edits" else None}
            for (group, name), right in sorted(self.right.items())
        ]  # fmt: skip


class Studio:
    """Tools over pictures, without a controller: it is called with a tool's name and arguments."""

    def __init__(self, experts: ExpertPool, pictures: Sequence[Image.Image] = ()) -> None:
        self.workspace = LedgerWorkspace(PictureStore(None), "chat_000000000000", "ann")
        self.workspace.begin_turn(list(pictures))
        self.runner = ToolRunner(all_tools(), self.workspace, experts)
        self.context = ToolContext(self.workspace, experts)
        self.calls = 0

    def __call__(self, tool: str, **arguments: Any) -> Observation:
        """Call a tool."""
        self.calls += 1
        return self.runner.run(f"call_{self.calls}", tool, arguments, 1)


def run(*, cases: int, profile: str, controller: str | None = None, done: Done | None = None) -> dict[str, Any]:
    """Run the suite.

    Args:
        cases: prompts of each kind, and scenes that are edited.
        profile: the models.
        controller: none takes part.
        done: told how far it is.

    Returns:
        JSON values: `rows` of {group, name, cases, value, interval, bar}, `outside` (the greatest difference of a pixel
        that an edit should have left alone) and seconds.

    Raises:
        UserError: a model of the profile is missing.
    """
    begun = time.perf_counter()
    chosen = load_profile(profile)
    models = models_of(chosen, {"painter", "detector", "clip", "sam"})
    experts = ExpertPool(chosen, "auto", 1)
    tally, tell = Tally(), done or (lambda some, of: None)
    every = prompts(cases)
    painted = 0.0
    for at, case in enumerate(every):
        painted += _generate(tally, experts, case, every[(at + 7) % len(every)], at)
        tell(at + 1, len(every) + cases)
    outside = 0
    for number in range(cases):
        outside = max(outside, _edit(tally, experts, number))
        tell(len(every) + number + 1, len(every) + cases)
    return {
        "cases": cases,
        "rows": tally.rows(),
        "outside": outside,
        "seconds a picture": round(painted / max(1, len(every)), 2),
        "models": models,
        "seconds": round(time.perf_counter() - begun, 1),
    }


def _generate(tally: Tally, experts: ExpertPool, case: Case, other: Case, at: int) -> float:
    """Paint a prompt, once and as the best of several; the seconds of one."""
    studio = Studio(experts)
    about = studio.context.about("painter")
    seconds = 0.0
    for tries in TRIES if at // KINDS % SOME == 0 else TRIES[:2]:
        begun = time.perf_counter()
        told = studio("generate_image", prompt=case.prompt, seed=case.seed, tries=tries)
        seconds = time.perf_counter() - begun if tries == 1 else seconds
        image = studio.workspace.open(told.recorded.pictures[0].id) if told.ok else None
        if case.kind == WORDS_KIND:  # judged by the reader; a painter that knows no letters refuses, which is not right
            good = image is not None and _reads(experts, image, case.prompt)
        else:
            good = told.ok and not told.recorded.facts["painted"][0]["lacks"]
        tally.add(f"best of {tries}", case.kind, good)
        if image is not None and tries == 1:
            wanted = read_prompt(other.prompt, about)
            if wanted.things != read_prompt(case.prompt, about).things:
                tally.add("controls", "accepted for another prompt", judge(studio.context, image, wanted).good)
    wanted = read_prompt(case.prompt, about)
    boxes = lay_out(wanted, case.seed, about)
    if boxes is not None and case.kind != WORDS_KIND:
        things = tuple((asked.words, box) for asked, box in zip(wanted.things, boxes, strict=True))
        true = TruePainter().paint(Paint(case.prompt, things=things, seed=case.seed))
        tally.add("controls", "true pictures accepted", judge(studio.context, true, wanted).good)
    return seconds


def _reads(experts: ExpertPool, image: Image.Image, prompt: str) -> bool:
    """Whether the reader reads the word that stands in quotes in the prompt."""
    view = view_of_image(image)
    return prompt.split('"')[1] in {word.text.strip().upper() for word in experts.ask("reader", [Read(view)])[0]}


def _edit(tally: Tally, experts: ExpertPool, number: int) -> int:
    """Remove, replace, recolour and add in one scene; the greatest difference of a pixel that none of it touches."""
    scene = sample_scene(FIRST + number, "test", things=(2, 4))
    scene = replace(scene, things=tuple(replace(thing, word=None) for thing in scene.things))
    drawn = render(scene, 512)
    rng = random.Random(number)
    thing = rng.randrange(len(scene.things))
    truth = scene.things[thing]
    shape = rng.choice([one for one in SHAPES if one != truth.shape])
    color = rng.choice([one for one in COLORS if one != truth.color])
    studio = Studio(experts, [drawn.image])
    told = studio("find_objects", image="img_1", phrase=noun_phrase({"color": truth.color, "shape": truth.shape}))
    found = [region for region in told.recorded.regions if _overlap(region.box, drawn.boxes[thing]) > 0.5]
    if not found:  # the edit never began; that is the detector's affair, and told by itself
        tally.add("edits", "what is to change is found", False)
        return 0
    tally.add("edits", "what is to change is found", True)
    region = str(found[0].handle)
    backdrop = rng.choice([one for one in BACKDROPS if one != scene.backdrop])
    edits = {
        "removed": {"do": "remove", "regions": [region]},
        "replaced": {"do": "replace", "regions": [region], "by": f"{color} {shape}"},
        "recoloured": {"do": "recolour", "regions": [region], "color": color},
        "added": {"do": "add", "what": f"{color} {shape}"},
        "before another background": {"do": "background", "by": backdrop},
    }
    outside = 0
    for name, edit in edits.items():
        told = studio("edit_image", image="img_1", edits=[edit])
        good = told.ok and not told.recorded.facts["lacks"]
        tally.add("edits", name, good)
        tally.add("edits", "edits", good)
        if told.ok and name == "removed":
            made = np.asarray(studio.workspace.open(told.recorded.pictures[0].id), int)
            x0, y0, x1, y1 = drawn.boxes[thing].round().astype(int)
            far = np.ones((512, 512), bool)
            reach = round(0.2 * max(x1 - x0, y1 - y0, 213))
            far[max(0, y0 - reach) : y1 + reach, max(0, x0 - reach) : x1 + reach] = False
            outside = int(np.abs(made - np.asarray(drawn.image, int))[far].max())
    tally.add("controls", "parents unchanged, taken for a removal", _unchanged(studio, drawn.image, drawn.masks[thing]))
    return outside


def _unchanged(studio: Studio, image: Image.Image, mask: np.ndarray) -> bool:
    return judge(studio.context, image, read_prompt("", {}), None, mask).good


def _overlap(one: Sequence[float], other: np.ndarray) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    inside = max(0.0, width) * max(0.0, height)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return float(inside / (sum(areas) - inside))
