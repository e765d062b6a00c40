"""Figures for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily

from ...agent.events import Event, StepFinished
from ...tools.pool import ExpertPool
from ..listeners import Listener, kind_of

if TYPE_CHECKING:
    from ...agent.agent import Agent
    from ...agent.chat import Chat
    from ...agent.reply import Reply
    from ..turns import Turns

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180)


class Figures(Listener):
    """Turns by how they ended, steps and seconds by tool, errors by kind."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        more: Any = {"registry": self.registry}
        self.turns = Counter("saccade_turns", "Turns that are over, by status.", ["status"], **more)
        self.seconds = Histogram("saccade_turn_seconds", "Seconds of a turn.", buckets=SECONDS, **more)
        self.steps = Counter("saccade_steps", "Tool calls, by tool and whether they went well.", ["tool", "ok"], **more)
        self.tool_seconds = Histogram("saccade_tool_seconds", "Seconds of a call.", ["tool"], buckets=SECONDS, **more)
        self.errors = Counter("saccade_errors", "Turns that ended in an error, by kind.", ["kind"], **more)

    def event(self, chat: Chat, event: Event) -> None:
        """Count a step."""
        if isinstance(event, StepFinished):
            self.steps.labels(event.step.tool, str(event.step.ok).lower()).inc()
            self.tool_seconds.labels(event.step.tool).observe(event.step.seconds)

    def turn(self, chat: Chat, seconds: float, outcome: Reply | BaseException) -> None:
        """Count a turn."""
        self.seconds.observe(seconds)
        if isinstance(outcome, BaseException):
            self.errors.labels(kind_of(outcome)).inc()
        self.turns.labels("error" if isinstance(outcome, BaseException) else outcome.status).inc()


class Loads:
    """What waits and what is loaded, read when it is asked for."""

    def __init__(self, turns: Turns, agent: Agent) -> None:
        self.turns, self.agent = turns, agent

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauges (see prometheus_client's collectors)."""
        yield GaugeMetricFamily("saccade_turns_running", "Turns that run.", self.turns.running)
        yield GaugeMetricFamily("saccade_turns_waiting", "Turns that wait.", self.turns.waiting)
        experts = self.agent.__dict__.get("experts")  # not made for the sake of a figure
        held = experts.bytes() if isinstance(experts, ExpertPool) else {}
        yield GaugeMetricFamily("saccade_experts_loaded", "Experts that are loaded.", len(held))
        sizes = GaugeMetricFamily("saccade_pool_bytes", "Bytes of the tensors of loaded experts.", labels=["role"])
        for role, size in held.items():
            sizes.add_metric([role], size)
        yield sizes
