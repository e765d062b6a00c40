"""A conversation as the controller learns it: messages, and what was asked in each turn."""

from __future__ import annotations

from dataclasses import dataclass, field

from .plans.steps import Call


@dataclass
class Message:
    """One message of a trace. `learn` is False for mistakes that are there only to be mended."""

    role: str  # "user", "assistant", "tool"
    content: str
    calls: list[Call] = field(default_factory=list)
    learn: bool = True


@dataclass
class Turn:
    """What was asked in a turn, for tests: where it begins in the messages, and the calls that are right."""

    intent: str
    family: str
    start: int
    calls: list[list[Call]] = field(default_factory=list)


@dataclass
class Trace:
    """A whole conversation."""

    messages: list[Message] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
