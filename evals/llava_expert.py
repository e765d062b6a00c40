"""LLaVA asked as tools ask it: through its expert, with views of pictures at their own resolution.

The recipe measures the network alone while it trains (`training.llava.measure`); the same cases go through the public
path here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from PIL import Image

from ..tools.contracts import Experts, View
from ..tools.requests import Answer, Describe, Said
from ..training.llava.cases import Case

BATCH = 64
DETAIL = {"describe": "detailed", "short": "short"}
SIDE = 512  # px of a blank picture

Done = Callable[[int, int], None]


class ExpertAsker:
    """Puts cases to the role "llava"; takes the place of `training.llava.measure.Asker`."""

    def __init__(self, experts: Experts) -> None:
        self._experts = experts
        self._said: dict[int, list[Said]] = {}  # by case: what came back, as it goes into the history

    def ask(self, cases: Sequence[Case], done: Done | None = None) -> None:
        """Put every question, the later ones of a conversation after what was said to the earlier."""
        self._said.clear()
        asked, of = 0, sum(len(case.questions) for case in cases)
        for turn in range(max((len(case.questions) for case in cases), default=0)):
            waiting = [case for case in cases if len(case.questions) > turn]
            for start in range(0, len(waiting), BATCH):
                part = waiting[start : start + BATCH]
                said: list[Said] = self._experts.ask(
                    "llava", [_request(case, turn, self._said.get(id(case), ())) for case in part]
                )
                for case, one in zip(part, said, strict=True):
                    case.said.append(one.text)
                    self._said.setdefault(id(case), []).append(one)
                asked += len(part)
                if done:
                    done(asked, of)


def _request(case: Case, turn: int, said: Sequence[Said]) -> Any:
    views = tuple(make() for make in case.views) or (_blank(),) * len(case.pictures)
    if case.group in DETAIL:
        return Describe(views[0], DETAIL[case.group])  # pyright: ignore[reportArgumentType]
    history = tuple(zip(case.questions[:turn], said, strict=False))
    return Answer(views, case.questions[turn], history)


def _blank() -> View:
    return View("blank", (SIDE, SIDE), (0, 0, SIDE, SIDE), lambda: Image.new("RGB", (SIDE, SIDE), (128, 128, 128)))
