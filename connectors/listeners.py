"""What a connector tells of turns: figures, and one line of JSON for each turn."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import SaccadeError

if TYPE_CHECKING:
    from ..agent.chat import Chat
    from ..agent.events import Event
    from ..agent.reply import Reply

TURNS = logging.getLogger("saccade.turns")


class Listener:
    """Is told of every turn, from the threads that work; this one does nothing."""

    def begin(self, chat: Chat) -> None:
        """A turn begins to run."""

    def event(self, chat: Chat, event: Event) -> None:
        """Something happened in a turn."""

    def turn(self, chat: Chat, seconds: float, outcome: Reply | BaseException) -> None:
        """A turn is over, with a reply or an error."""


def heard(listener: Listener, chat: Chat, work: Callable[[Callable[[Event], None]], Reply]) -> Reply:
    """The reply of a turn that a listener is told of from beginning to end; `work` is given whom to tell its events."""
    began = time.perf_counter()
    listener.begin(chat)
    try:
        reply = work(lambda event: listener.event(chat, event))
    except BaseException as error:
        listener.turn(chat, time.perf_counter() - began, error)
        raise
    listener.turn(chat, time.perf_counter() - began, reply)
    return reply


class Several(Listener):
    """Tells several listeners."""

    def __init__(self, *listeners: Listener) -> None:
        self.listeners = listeners

    def begin(self, chat: Chat) -> None:
        """Tell them all."""
        for one in self.listeners:
            one.begin(chat)

    def event(self, chat: Chat, event: Event) -> None:
        """Tell them all."""
        for one in self.listeners:
            one.event(chat, event)

    def turn(self, chat: Chat, seconds: float, outcome: Reply | BaseException) -> None:
        """Tell them all."""
        for one in self.listeners:
            one.turn(chat, seconds, outcome)


class JsonLog(Listener):
    """One JSON object a turn on the logger `saccade.turns`: no picture data, and no words unless `words` is set."""

    def __init__(self, *, words: bool = False) -> None:
        self.words = words

    def turn(self, chat: Chat, seconds: float, outcome: Reply | BaseException) -> None:
        """Log the turn."""
        line: dict[str, Any] = {
            "time": round(time.time(), 3), "chat": chat.id, "user": chat.user, "seconds": round(seconds, 3),
        }  # fmt: skip
        if isinstance(outcome, BaseException):
            line |= {"status": "error", "error": kind_of(outcome)}
        else:
            steps = [{"tool": s.tool, "seconds": round(s.seconds, 3), "ok": s.ok} for s in outcome.steps]
            line |= {"status": outcome.status, "steps": steps, "pictures": len(outcome.images),
                     "regions": len(outcome.regions), "warnings": len(outcome.warnings)}  # fmt: skip
            line |= {"text": outcome.text} if self.words else {}
        TURNS.info(json.dumps(line, ensure_ascii=False))


def kind_of(error: BaseException) -> str:
    """The machine-readable name of an error; of a fault of ours the name of its class."""
    return error.kind if isinstance(error, SaccadeError) else type(error).__name__
