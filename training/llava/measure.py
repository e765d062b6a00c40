"""How good a LLaVA is on held-out scenes: what `saccade train llava` writes on the card, and `evals/vqa.py` shows.

Everything is asked as a user asks it, one question alone, decoded greedily; scenes, words and, where it is said,
phrasings were never trained on. Beside each figure stands that of the same model before a blank picture.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..common import autocast
from .cases import Case, all_cases, things_in
from .tokenizer import ASSISTANT, END, IMAGE, USER, answer_of

BATCH = 64
Done = Callable[[int, int], None]


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


def report_of(asker: Any, every: list[Case], blind: bool = True, done: Done | None = None) -> dict[str, Any]:
    """The same for cases that were drawn; they are filled with what was said."""
    asker.ask(every, done)
    report: dict[str, Any] = {"cases": sum(len(case.questions) for case in every)} | figures(every)
    if blind:
        blank = np.full((128, 128, 3), 128, np.uint8)
        again = [
            Case(
                case.group,
                (blank,) * len(case.pictures),
                case.questions,
                case.answers,
                case.tags,
                template=case.template,
            )
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
        wrong = sum(edits(s, a) for c in cases for s, a in zip(c.said, c.answers, strict=True))
        made["character_error_rate"] = round(wrong / sum(len(a) for c in cases for a in c.answers), 4)
    return made | {"by": {tag: {"right": _share(some), "cases": len(some)} for tag, some in sorted(tagged.items())}}


def _share(good: Sequence[bool]) -> float:
    return round(sum(good) / max(1, len(good)), 4)


def edits(one: str, other: str) -> int:
    """Levenshtein's distance."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row = row, [i]
        for j, b in enumerate(other, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (a != b)))
    return row[-1]
