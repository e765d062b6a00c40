"""How good a LLaVA is on held-out scenes: what `saccade train llava` writes on the card, and `evals/vqa.py` shows.

Everything is asked as a user asks it, one question alone, decoded greedily; scenes, words and, where it is said,
phrasings were never trained on. Beside each figure stands that of the same model before a blank picture.
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ...scenes.language.dialogue import conversation
from ...scenes.language.nlvr import statement as pair_statement
from ...scenes.language.questions import QuestionSampler
from ...scenes.render import Rendered, render
from ...scenes.sample import sample_scene
from ...scenes.scene import Scene
from ...scenes.space import raster_order
from ..common import autocast
from ..scene_views import PICTURE
from .replies import CROP, DETAILED, HELD_OUT_ASKED, PAIR, SHORT, SIGN, STATEMENT, statement
from .tokenizer import ASSISTANT, END, IMAGE, USER, answer_of

FIRST = 5_000_000  # of the test scenes; other recipes test on others
BATCH = 64
CROP_MARGIN = 1.2  # the square around a sign or a thing, in its longer sides, as the experts cut it
Done = Callable[[int, int], None]


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


class Asker:
    """A zoo folder, asked in batches."""

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        from transformers import AutoProcessor, LlavaForConditionalGeneration

        self.device = device
        self.model: Any = LlavaForConditionalGeneration.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True
        )
        self.model.to(device).eval()
        self.processor: Any = AutoProcessor.from_pretrained(folder, local_files_only=True)
        self.processor.tokenizer.padding_side = "left"

    @torch.inference_mode()
    def say(self, prompts: Sequence[str], pictures: Sequence[Sequence[np.ndarray]], most: int = 140) -> list[str]:
        """What the model says to each prompt, in the form of the chat template."""
        images = [Image.fromarray(picture) for some in pictures for picture in some]
        inputs = self.processor(images=images, text=list(prompts), return_tensors="pt", padding=True)
        inputs.pop("token_type_ids", None)
        with autocast(self.device):
            ids = self.model.generate(**inputs.to(self.device), max_new_tokens=most, do_sample=False)
        return self.processor.tokenizer.batch_decode(ids[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)

    def ask(self, cases: Sequence[Case], done: Done | None = None) -> None:
        """Put every question, the later ones of a conversation after what the model said to the earlier."""
        asked, of = 0, sum(len(case.questions) for case in cases)
        for turn in range(max((len(case.questions) for case in cases), default=0)):
            waiting = [case for case in cases if len(case.questions) > turn]
            waiting.sort(key=lambda case: (len(case.pictures), _long(case), len(case.questions[turn])))
            start = 0
            while start < len(waiting):
                part = [c for c in waiting[start : start + BATCH] if len(c.pictures) == len(waiting[start].pictures)]
                said = self.say([self._prompt(case, turn) for case in part], [case.pictures for case in part])
                for case, text in zip(part, said, strict=True):
                    case.steps.append(text.strip())
                    case.said.append(answer_of(text))
                start += len(part)
                asked += len(part)
                if done:
                    done(asked, of)

    def _prompt(self, case: Case, turn: int) -> str:
        text = USER + IMAGE * len(case.pictures)
        for question, steps in zip(case.questions[:turn], case.steps, strict=False):
            text += f"{question}{ASSISTANT}{steps}{END}{USER}"
        return text + case.questions[turn] + ASSISTANT


def _long(case: Case) -> bool:
    return case.group in ("describe", "short")


# ---------------------------------------------------------------- cases


def shown(rendered: Rendered, box: Sequence[float] | None = None) -> np.ndarray:
    """(PICTURE, PICTURE, 3) of the whole, or the square around a box (xyxy pixels), grey where the picture ends."""
    if box is None:
        return np.asarray(rendered.image)
    from ..scene_views import cut

    side = CROP_MARGIN * max(box[2] - box[0], box[3] - box[1])
    return cut(rendered.image, (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, side, 128)


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
            made.append(Case("words in the whole" if read else name, (picture,), [asked.text], [asked.answer], [tags]))
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
            made.append(Case(group, (_small(shown(rendered)),), texts, answers, tags))
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
        made.append(Case(group, pictures, [PAIR[0].format(told.text)], ["true" if told.true else "false"], tags))
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
            made.append(Case(group, (_small(shown(rendered)),), [told[0].question], [answer], [(f"answer {answer}",)]))
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
            made.append(Case("words in a crop", (shown(rendered, box),), [asked], [word], tags))
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
                made.append(Case("small things, one look", (whole,), [asked], answer, tags))
                made.append(Case("small things, two looks", (crop,), [CROP[facet][0]], answer, list(tags)))
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
        made.append(Case("describe", picture, [DETAILED[0]], ["; ".join(sorted(full))], [()]))
        told = [f"{t.color} {t.shape}" for t in raster_order(scene)]
        made.append(Case("short", picture, [SHORT[0]], ["; ".join(sorted(told))], [()]))
    return made


def things_in(group: str, text: str) -> str:
    """The things that a description names, in the form of `descriptions`."""
    if group == "describe":
        found = re.findall(r"\ban? ((?!sign )\w+ \w+ \w+ \w+)(?= with a sign|\.|$)", text)
    else:
        found = re.findall(r"\ban? (\w+ \w+)(?=, (?:an? |on )| and )", text)
    return "; ".join(sorted(found))


# ---------------------------------------------------------------- figures


def all_cases(count: int) -> list[Case]:
    """Everything that is measured: `count` questions of VQA, half as many with held-out phrasings, and the rest."""
    half, few = max(2, count // 2), max(2, count // 5)
    return [
        *questions(count, unseen=False), *questions(half, unseen=True), *dialogs(few), *dialogs(few // 2, unseen=True),
        *pairs(2 * few), *pairs(few, unseen=True), *statements(2 * few), *statements(few, unseen=True),
        *readings(2 * few), *small_things(few), *descriptions(few),
    ]  # fmt: skip


def measure(folder: Path, cases: int, blind: bool = True, done: Done | None = None) -> dict[str, Any]:
    """Every figure: group -> {cases, right, by tag}, and with `blind` the same before a blank picture.

    Args:
        folder: the zoo folder.
        cases: questions of VQA; the other groups follow in proportion.
        blind: whether to ask a third of all cases again with a blank picture.
        done: is told how many questions are done, and of how many (the blank ones begin again from 0).
    """
    asker = Asker(folder, "cuda" if torch.cuda.is_available() else "cpu")
    return report_of(asker, all_cases(cases), blind, done)


def report_of(asker: Asker, every: list[Case], blind: bool = True, done: Done | None = None) -> dict[str, Any]:
    """The same for cases that were drawn; they are filled with what was said."""
    asker.ask(every, done)
    report: dict[str, Any] = {"cases": sum(len(case.questions) for case in every)} | figures(every)
    if blind:
        blank = np.full((128, 128, 3), 128, np.uint8)
        again = [
            Case(case.group, (blank,) * len(case.pictures), case.questions, case.answers, case.tags)
            for number, case in enumerate(every)
            if number % 3 == 0 and not _long(case)
        ]
        asker.ask(again, done)
        for name, one in figures(again).items():
            report[name]["blind"], report[name]["blind_cases"] = one["right"], one["cases"]
            for tag, part in one["by"].items():
                report[name]["by"][tag]["blind"] = part["right"]
    return report


def figures(cases: Iterable[Case]) -> dict[str, Any]:
    """Shares of right answers, group by group and tag by tag."""
    groups: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        groups[case.group].append(case)
    return {name: _group(name, some) for name, some in groups.items()}


def right(group: str, said: str, answer: str) -> bool:
    """Whether what was said is the answer."""
    return things_in(group, said) == answer if group in ("describe", "short") else said == answer


def _group(name: str, cases: list[Case]) -> dict[str, Any]:
    tagged: dict[str, list[bool]] = defaultdict(list)
    every: list[bool] = []
    for case in cases:
        for said, answer, tags in zip(case.said, case.answers, case.tags, strict=True):
            good = right(name, said, answer)
            every.append(good)
            for tag in tags:
                tagged[tag].append(good)
    answers = Counter(answer for case in cases for answer in case.answers)
    majority = max(answers.values(), default=0) / max(1, len(every))
    made: dict[str, Any] = {"cases": len(every), "right": _share(every), "majority": round(majority, 4)}
    if any(len(case.questions) > 1 for case in cases):
        made["conversations"] = len(cases)
        made["whole conversations"] = _share(
            [all(right(name, s, a) for s, a in zip(c.said, c.answers, strict=True)) for c in cases]
        )
    if name.startswith("words"):
        wrong = sum(_edits(s, a) for c in cases for s, a in zip(c.said, c.answers, strict=True))
        made["character_error_rate"] = round(wrong / sum(len(a) for c in cases for a in c.answers), 4)
    return made | {"by": {tag: {"right": _share(some), "cases": len(some)} for tag, some in sorted(tagged.items())}}


def _share(good: Sequence[bool]) -> float:
    return round(sum(good) / max(1, len(good)), 4)


def _edits(one: str, other: str) -> int:
    """Levenshtein's distance."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row = row, [i]
        for j, b in enumerate(other, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (a != b)))
    return row[-1]
