"""Held-out questions about test scenes, with their right answers: what LLaVA is measured on.

Scenes, words and, where it is said, phrasings were never trained on.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import pairwise

import numpy as np
from PIL import Image

from ...scenes.language.dialogue import conversation
from ...scenes.language.nlvr import statement as pair_statement
from ...scenes.language.questions import QuestionSampler
from ...scenes.render import Rendered, render
from ...scenes.sample import sample_scene
from ...scenes.scene import Scene
from ...scenes.space import raster_order
from ...tools.contracts import View
from ...tools.shared.finding import MARGIN
from ..scene_views import PICTURE
from .replies import CROP, DETAILED, HELD_OUT_ASKED, PAIR, SHORT, SIGN, STATEMENT, statement

FIRST = 5_000_000  # of the test scenes; other recipes test on others
CROP_MARGIN = 1.2  # the square around a sign or a thing, in its longer sides, as the experts cut it


@dataclass
class Case:
    """One question, or one conversation of several, with its pictures and right answers."""

    group: str
    pictures: tuple[np.ndarray, ...]  # (side, side, 3) uint8
    questions: list[str]
    answers: list[str]
    tags: list[tuple[str, ...]] = field(default_factory=list)  # one a question
    said: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    views: tuple[Callable[[], View], ...] = ()  # the same pictures as tools look at them, drawn when they are asked for
    template: str = ""  # cases of one are alike; "": it stands for itself


def shown(rendered: Rendered, box: Sequence[float] | None = None) -> np.ndarray:
    """(PICTURE, PICTURE, 3) of the whole, or the square around a box (xyxy pixels), grey where the picture ends."""
    if box is None:
        return np.asarray(rendered.image)
    from ..scene_views import cut

    side = CROP_MARGIN * max(box[2] - box[0], box[3] - box[1])
    return cut(rendered.image, (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, side, 128)


def view_of(scene: Scene, box: Sequence[float] | None = None) -> Callable[[], View]:
    """What a tool looks at: the whole picture of a scene, or a box of it (xyxy pixels) with the margin of tools."""

    def make() -> View:
        drawn = partial(_drawn, scene)
        whole = (0.0, 0.0, float(PICTURE), float(PICTURE))
        if box is None:
            return View(f"scene {scene.seed}", (PICTURE, PICTURE), whole, drawn)
        extra = MARGIN * max(box[2] - box[0], box[3] - box[1])
        x0, y0, x1, y1 = (float(value) for value in box)
        near = (max(0.0, x0 - extra), max(0.0, y0 - extra), min(whole[2], x1 + extra), min(whole[3], y1 + extra))
        return View(f"scene {scene.seed}", (PICTURE, PICTURE), near, drawn)

    return make


@lru_cache(256)
def _drawn(scene: Scene) -> Image.Image:
    return render(scene, PICTURE).image


def scenes(count: int, first: int = FIRST) -> Iterable[tuple[Scene, Rendered, list[list[float]]]]:
    """Test scenes with their pictures and visible boxes in shares."""
    for number in range(count):
        scene = sample_scene(first + number, "test")
        rendered = render(scene, PICTURE)
        yield scene, rendered, (rendered.boxes / PICTURE).tolist()


HOPS = ("zero_hop", "one_hop", "two_hop", "three_hop")


def kind_of(answer: str) -> str:
    """The type of an answer."""
    if answer in ("yes", "no", "true", "false"):
        return "yes or no"
    if answer.isdigit():
        return "number"
    return "word on a sign" if answer.isupper() else "attribute or place"


def questions(count: int, unseen: bool, seed: int = 11) -> list[Case]:
    """VQA: a question of every family in turn, five a scene."""
    sampler = QuestionSampler(seed + unseen, held_out=unseen)
    made: list[Case] = []
    name = "vqa, phrasings held out" if unseen else "vqa"
    for scene, rendered, boxes in scenes(10**6, FIRST + 10_000 * unseen):
        picture = _small(shown(rendered))
        for asked in sampler.sample(scene, 5, boxes):
            read = asked.family.startswith("read")
            hop = next((hop for hop in HOPS if asked.family.endswith(hop)), "other")
            tags = (f"family {asked.family}", f"hops {hop}", f"answer {kind_of(asked.answer)}", _sort(asked.family))
            made.append(
                Case(
                    "words in the whole" if read else name, (picture,), [asked.text], [asked.answer], [tags],
                    views=(view_of(scene),), template=asked.family,
                )
            )  # fmt: skip
        if sum(case.group == name for case in made) >= count:
            return made
    return made


def _sort(family: str) -> str:
    for start, name in (("query", "query"), ("where", "query"), ("exist", "exist"), ("count", "count")):
        if family.startswith(start):
            return f"kind {name}"
    return "kind read" if family.startswith("read") else "kind compare"


def _small(picture: np.ndarray) -> np.ndarray:
    """As a model sees it; the processor would resize it just so, again for every question."""
    return np.asarray(Image.fromarray(picture).resize((128, 128), Image.Resampling.BICUBIC))


def dialogs(count: int, unseen: bool = False) -> list[Case]:
    """Conversations of five turns."""
    made: list[Case] = []
    for scene, rendered, boxes in scenes(3 * count, FIRST + 20_000):
        lines = conversation(scene, random.Random(scene.seed), 5, boxes, unseen)
        if lines:
            tags = [(f"refers {line.refers}", f"turn {n}") for n, line in enumerate(lines, 1)]
            texts, answers = [line.text for line in lines], [line.answer for line in lines]
            group = "dialog, phrasings held out" if unseen else "dialog"
            made.append(Case(group, (_small(shown(rendered)),), texts, answers, tags, views=(view_of(scene),)))
        if len(made) == count:
            break
    return made


def pairs(count: int, unseen: bool = False) -> list[Case]:
    """NLVR: statements about two pictures."""
    made: list[Case] = []
    every = list(scenes(count + 1, FIRST + 30_000))
    for (one, shown_one, _), (two, shown_two, _) in pairwise(every):
        told = pair_statement((one, two), random.Random(one.seed), unseen)
        pictures = (_small(shown(shown_one)), _small(shown(shown_two)))
        group = "nlvr, phrasings held out" if unseen else "nlvr"
        tags = [(f"kind {told.form.kind}",)]
        asked, answer, views = PAIR[0].format(told.text), "true" if told.true else "false", (view_of(one), view_of(two))
        made.append(Case(group, pictures, [asked], [answer], tags, views=views))
    return made


def statements(count: int, unseen: bool = False) -> list[Case]:
    """FOIL: is a caption true of the picture."""
    ways = HELD_OUT_ASKED["statement"] if unseen else STATEMENT[:1]
    made: list[Case] = []
    for scene, rendered, boxes in scenes(3 * count, FIRST + 40_000):
        told = statement(scene, random.Random(scene.seed), boxes, ways)
        if told is not None:
            group = "foil, phrasings held out" if unseen else "foil"
            answer = "true" if told[1] else "false"
            picture, tags = (_small(shown(rendered)),), [(f"answer {answer}",)]
            made.append(Case(group, picture, [told[0].question], [answer], tags, views=(view_of(scene),)))
        if len(made) == count:
            break
    return made


def readings(count: int) -> list[Case]:
    """Words that never were on a training sign: from a crop of the sign, and from the whole picture."""
    made: list[Case] = []
    rng = random.Random(3)
    for scene, rendered, _ in scenes(10**6, FIRST + 50_000):
        for at, box in enumerate(rendered.sign_boxes):
            word = scene.things[at].word
            if box is None or word is None or len(made) >= count:
                continue
            asked = SIGN[0] if len(made) % 4 else rng.choice(HELD_OUT_ASKED["sign"])
            tags = [(f"letters {len(word)}", "phrasing known" if asked in SIGN else "phrasing held out")]
            views = (view_of(scene, box),)
            made.append(Case("words in a crop", (shown(rendered, box),), [asked], [word], tags, views=views))
        if len(made) >= count:
            return made
    return made


def small_things(count: int) -> list[Case]:
    """Colour, shape and material of small things: one look at the whole, and a second at a crop."""
    made: list[Case] = []
    for scene, rendered, _ in scenes(10**6, FIRST + 60_000):
        for at, thing in enumerate(scene.things):
            if thing.size != "small" or len(made) >= 2 * count:
                continue
            for facet in ("color", "shape", "material"):
                others = [o for o in scene.things if o is not thing]
                rest = [f for f in ("color", "shape", "material") if f != facet]
                said = [f for f in rest if all(getattr(o, f) != getattr(thing, f) for o in others)]
                if not said:
                    continue
                value = getattr(thing, said[0])
                noun = value if said[0] == "shape" else f"{value} thing"
                word = {"color": "colour"}.get(facet, facet)
                answer, tags = [getattr(thing, facet)], [(f"facet {facet}",)]
                whole, crop = _small(shown(rendered)), shown(rendered, rendered.boxes[at])
                asked = f"What {word} is the {noun}?"
                one, two = "small things, one look", "small things, two looks"
                near = (view_of(scene, rendered.boxes[at]),)
                made.append(Case(one, (whole,), [asked], answer, tags, views=(view_of(scene),)))
                made.append(Case(two, (crop,), [CROP[facet][0]], answer, list(tags), views=near))
                break
        if len(made) >= 2 * count:
            return made
    return made


def descriptions(count: int) -> list[Case]:
    """Detailed and short descriptions; the answer is the set of things, as sorted words."""
    made: list[Case] = []
    for scene, rendered, _ in scenes(count, FIRST + 70_000):
        picture = (_small(shown(rendered)),)
        full = [f"{t.size} {t.color} {t.material.replace('wood', 'wooden')} {t.shape}" for t in raster_order(scene)]
        made.append(Case("describe", picture, [DETAILED[0]], ["; ".join(sorted(full))], [()], views=(view_of(scene),)))
        told = [f"{t.color} {t.shape}" for t in raster_order(scene)]
        made.append(Case("short", picture, [SHORT[0]], ["; ".join(sorted(told))], [()], views=(view_of(scene),)))
    return made


def things_in(group: str, text: str) -> str:
    """The things that a description names, in the form of `descriptions`."""
    if group == "describe":
        found = re.findall(r"\ban? ((?!sign )\w+ \w+ \w+ \w+)(?= with a sign|\.|$)", text)
    else:
        found = re.findall(r"\ban? (\w+ \w+)(?=, (?:an? |on )| and )", text)
    return "; ".join(sorted(found))


def all_cases(count: int) -> list[Case]:
    """Everything that is measured: `count` questions of VQA, half as many with held-out phrasings, and the rest."""
    half, few = max(2, count // 2), max(2, count // 5)
    return [
        *questions(count, unseen=False), *questions(half, unseen=True), *dialogs(few), *dialogs(few // 2, unseen=True),
        *pairs(2 * few), *pairs(few, unseen=True), *statements(2 * few), *statements(few, unseen=True),
        *readings(2 * few), *small_things(few), *descriptions(few),
    ]  # fmt: skip
