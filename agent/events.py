"""What happens during a turn, as frozen records: `Chat.stream` and `Chat.astream` give them in order.

A turn gives: `Loading` (only while a model loads), `TextDelta` for what the controller wrote, `StepStarted`
and `StepFinished` for every tool call (between them `ExpertSaid`, as LLaVA writes, and `ExpertWorking`, as the
painter paints), and `ReplyReady` last. The text deltas before a `StepStarted` were the thought of that step; those
before `ReplyReady` are the answer. Words come once they were checked (`agent.answers`): what is not borne out is never
shown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from .reply import Reply, Step


@dataclass(frozen=True)
class Loading:
    """A model is being loaded; `what` names it, as in "controller zoo:controller"."""

    what: str


@dataclass(frozen=True)
class TextDelta:
    """A little more of what the controller wrote."""

    text: str


@dataclass(frozen=True)
class StepStarted:
    """A tool begins to run. `call` is the id that the `StepFinished` of the same call carries too."""

    call: str
    tool: str
    arguments: dict[str, Any] = field(default_factory=dict)
    thought: str = ""


@dataclass(frozen=True)
class ExpertSaid:
    """An expert that writes words (LLaVA) wrote a little more, between a `StepStarted` and its `StepFinished`."""

    role: str
    text: str


@dataclass(frozen=True)
class ExpertWorking:
    """An expert that works for long (the painter) has done `done` of `of` steps of what a call asked of it.

    `preview` is what comes of it so far, a small RGB picture, now and then; else None.
    """

    role: str
    done: int
    of: int
    preview: Image.Image | None = None


@dataclass(frozen=True)
class StepFinished:
    """A tool has run, well or not (`step.ok`)."""

    call: str
    step: Step


@dataclass(frozen=True)
class ReplyReady:
    """The turn is over and everything of it is kept."""

    reply: Reply


Event = Loading | TextDelta | StepStarted | ExpertSaid | ExpertWorking | StepFinished | ReplyReady
"""Everything that a stream can give."""
