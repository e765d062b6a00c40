"""OpenTelemetry spans: one a turn, in it one a step; in that the tool's and its experts' (`tools.tracing`).

With the API alone these cost next to nothing and go nowhere; whoever wants them installs an exporter and starts the
server under `opentelemetry-instrument`. No words and no pictures are in them.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextvars import Token
from typing import TYPE_CHECKING

from opentelemetry import context, trace
from opentelemetry.trace import Span, Status, StatusCode

from ..agent.events import Event, StepFinished, StepStarted
from .listeners import JsonLog, Listener, Several, kind_of

if TYPE_CHECKING:
    from ..agent.chat import Chat
    from ..agent.reply import Reply


class Tracing(Listener):
    """Spans for turns and their steps. Turns of one conversation do not overlap, so its id names the turn at work.

    A step is told of in the thread that works on it: what happens there until its end is within its span.
    """

    def __init__(self) -> None:
        self._turns: dict[str, Span] = {}
        self._steps: dict[tuple[str, str], tuple[Span, Token[context.Context]]] = {}
        self._lock = threading.Lock()

    def begin(self, chat: Chat) -> None:
        """Open the span of a turn."""
        span = trace.get_tracer("saccade").start_span(
            "turn", attributes={"saccade.chat": chat.id, "saccade.user": chat.user}
        )
        with self._lock:
            self._turns[chat.id] = span

    def event(self, chat: Chat, event: Event) -> None:
        """Open or end the span of a step."""
        if isinstance(event, StepStarted):
            turn = self._turns.get(chat.id)
            within = None if turn is None else trace.set_span_in_context(turn)
            span = trace.get_tracer("saccade").start_span("step", within, attributes={"saccade.tool": event.tool})
            with self._lock:
                self._steps[chat.id, event.call] = span, context.attach(trace.set_span_in_context(span))
        elif isinstance(event, StepFinished):
            with self._lock:
                ended = self._steps.pop((chat.id, event.call), None)
            if ended is not None:
                span, before = ended
                context.detach(before)
                span.set_status(Status(StatusCode.OK if event.step.ok else StatusCode.ERROR))
                span.end()

    def turn(self, chat: Chat, seconds: float, outcome: Reply | BaseException) -> None:
        """End the span of a turn, and of steps that were cut off."""
        with self._lock:
            span = self._turns.pop(chat.id, None)
            cut = [self._steps.pop(key) for key in [key for key in self._steps if key[0] == chat.id]]
        for one, _ in cut:
            one.end()
        if span is None:
            return
        if isinstance(outcome, BaseException):
            span.set_status(Status(StatusCode.ERROR, kind_of(outcome)))
        else:
            span.set_attributes({"saccade.status": outcome.status, "saccade.steps": len(outcome.steps)})
        span.end()


def logged_and_traced(*, words: bool = False, also: Sequence[Listener] = ()) -> Listener:
    """What every connector tells of its turns: the log's line, and spans.

    Args:
        words: have the words of answers in the log, too.
        also: who else is told.
    """
    return Several(*also, JsonLog(words=words), Tracing())
