"""What a connector tells of turns: figures, and one line of JSON for each turn."""

from __future__ import annotations

import json
import logging
import time
from typing import TYPE_CHECKING, Any

from ..errors import SaccadeError

if TYPE_CHECKING:
    from ..agent.chat import Chat
    from ..agent.events import Event
    from ..agent.reply import Reply

TURNS = logging.getLogger("saccade.turns")


class Listener:
    """Is told of every turn, from the threads that work; this one does nothing."""

    def event(self, chat: Chat, event: Event) -> None:
        """Something happened in a turn."""

    def turn(
        self, chat: Chat, seconds: float, *, reply: Reply | None = None, error: BaseException | None = None
    ) -> None:
        """A turn is over, with a reply or an error."""


class Several(Listener):
    """Tells several listeners."""

    def __init__(self, *listeners: Listener) -> None:
        self.listeners = listeners

    def event(self, chat: Chat, event: Event) -> None:
        """Tell them all."""
        for one in self.listeners:
            one.event(chat, event)

    def turn(
        self, chat: Chat, seconds: float, *, reply: Reply | None = None, error: BaseException | None = None
    ) -> None:
        """Tell them all."""
        for one in self.listeners:
            one.turn(chat, seconds, reply=reply, error=error)


class JsonLog(Listener):
    """One JSON object a turn on the logger `saccade.turns`: no picture data, and no words unless `words` is set."""

    def __init__(self, *, words: bool = False) -> None:
        self.words = words

    def turn(
        self, chat: Chat, seconds: float, *, reply: Reply | None = None, error: BaseException | None = None
    ) -> None:
        """Log the turn."""
        line: dict[str, Any] = {
            "time": round(time.time(), 3), "chat": chat.id, "user": chat.user, "seconds": round(seconds, 3),
            "status": reply.status if reply is not None else "error",
        }  # fmt: skip
        if reply is not None:
            line |= {
                "steps": [{"tool": s.tool, "seconds": round(s.seconds, 3), "ok": s.ok} for s in reply.steps],
                "pictures": len(reply.images), "regions": len(reply.regions), "warnings": len(reply.warnings),
            }  # fmt: skip
            if self.words:
                line["text"] = reply.text
        if error is not None:
            line["error"] = kind_of(error)
        TURNS.info(json.dumps(line, ensure_ascii=False))


def kind_of(error: BaseException) -> str:
    """The machine-readable name of an error; of a fault of ours the name of its class."""
    return error.kind if isinstance(error, SaccadeError) else type(error).__name__
