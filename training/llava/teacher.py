"""A teacher writes instructions about a picture that it is told of in words: captions, and boxes of things.

As in LLaVA (Liu et al. 2023) the teacher does not see: a `Context` says in words what is there, and the
teacher answers with an `Exchange` or several, of one of three kinds. Whatever can do that is a teacher: a program that
knows a scene's truth, or any chat model (`ChatTeacher`) on a user's own pictures, whose boxes come from our detector
and whose captions come from our captioner.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from ... import prompts
from ...memory.records import Box

Kind = Literal["conversation", "detail", "reasoning"]
KINDS: tuple[Kind, ...] = ("conversation", "detail", "reasoning")

_PAIR = re.compile(r"Question:\s*(.+?)\s*Answer:\s*(.+?)\s*(?=Question:|\Z)", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True)
class Context:
    """What a teacher is told of a picture: captions, and things as (label, box), boxes xyxy in 0..1 of each side."""

    captions: tuple[str, ...]
    things: tuple[tuple[str, Box], ...]

    def text(self) -> str:
        """The paper's form: the captions, a blank line, then `label: [x1, y1, x2, y2]` a line."""
        boxes = [f"{label}: [{', '.join(f'{value:.3f}' for value in box)}]" for label, box in self.things]
        return "\n".join([*self.captions, "", *boxes]).strip()


@dataclass(frozen=True)
class Exchange:
    """One question about a picture and its answer."""

    question: str
    answer: str


class Teacher(Protocol):
    """Writes instructions of a kind about what a context tells; [] where it can think of none."""

    def teach(self, context: Context, kind: Kind) -> list[Exchange]: ...  # noqa: D102


class ChatTeacher:
    """Any chat model as teacher; what it is told stands in `prompts/teacher/<kind>.md`.

    Args:
        ask: gives the model's answer to (what it is, what it is asked).
    """

    def __init__(self, ask: Callable[[str, str], str]) -> None:
        self.ask = ask

    def teach(self, context: Context, kind: Kind) -> list[Exchange]:
        """Ask the model, and read what it wrote as `Question: ... Answer: ...` blocks."""
        return parse_exchanges(self.ask(prompts.load(f"teacher/{kind}"), context.text()))


def parse_exchanges(text: str) -> list[Exchange]:
    """The pairs in a text of `Question: ... Answer: ...` blocks, `===` between them or not; the rest is left out."""
    return [Exchange(question, answer) for question, answer in _PAIR.findall(text.replace("===", " "))]
