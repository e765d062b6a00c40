"""OpenTelemetry spans: one a turn, in it one a tool call, in that one each time an expert is asked.

With the API alone these cost next to nothing and go nowhere; whoever wants them installs an exporter and starts the
server under `opentelemetry-instrument`. No words and no pictures are in them.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.trace import Span, Status, StatusCode

from ..agent.events import Event, StepFinished, StepStarted
from .listeners import Listener, kind_of

if TYPE_CHECKING:
    from ..agent.chat import Chat
    from ..agent.reply import Reply
    from ..tools.contracts import Experts

TRACER = trace.get_tracer("saccade")


class Tracing(Listener):
    """Spans for turns and their steps. Turns of one conversation do not overlap, so its id names the turn at work."""

    def __init__(self) -> None:
        self._turns: dict[str, Span] = {}
        self._steps: dict[tuple[str, str], Span] = {}
        self._lock = threading.Lock()

    def begin(self, chat: Chat) -> None:
        """Open the span of a turn."""
        span = TRACER.start_span("turn", attributes={"saccade.chat": chat.id, "saccade.user": chat.user})
        with self._lock:
            self._turns[chat.id] = span

    def event(self, chat: Chat, event: Event) -> None:
        """Open or end the span of a step."""
        if isinstance(event, StepStarted):
            turn = self._turns.get(chat.id)
            within = None if turn is None else trace.set_span_in_context(turn)
            span = TRACER.start_span("step", within, attributes={"saccade.tool": event.tool})
            with self._lock:
                self._steps[chat.id, event.call] = span
        elif isinstance(event, StepFinished):
            with self._lock:
                ended = self._steps.pop((chat.id, event.call), None)
            if ended is not None:
                ended.set_status(Status(StatusCode.OK if event.step.ok else StatusCode.ERROR))
                ended.end()

    def turn(self, chat: Chat, seconds: float, outcome: Reply | BaseException) -> None:
        """End the span of a turn, and of steps that were cut off."""
        with self._lock:
            span = self._turns.pop(chat.id, None)
            cut = [self._steps.pop(key) for key in [key for key in self._steps if key[0] == chat.id]]
        for one in cut:
            one.end()
        if span is None:
            return
        if isinstance(outcome, BaseException):
            span.set_status(Status(StatusCode.ERROR, kind_of(outcome)))
        else:
            span.set_attributes({"saccade.status": outcome.status, "saccade.steps": len(outcome.steps)})
        span.end()


class TracedExperts:
    """Experts whose every question is a span: `Agent(experts=TracedExperts(...))`."""

    def __init__(self, experts: Experts) -> None:
        self._experts = experts

    def ask(self, role: str, requests: Sequence[Any]) -> list[Any]:
        """See `tools.contracts.Experts`."""
        with TRACER.start_as_current_span("expert", attributes={"saccade.role": role, "saccade.asked": len(requests)}):
            return self._experts.ask(role, requests)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._experts, name)
