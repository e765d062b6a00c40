"""The pictures of a task on this machine: window by window, all of a window side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

from ..calls import Ask, Caller
from ..keys import Basis, device_of
from ..plan import Plan
from ..record import Kept, Made, Record
from ..running import Outcome, PictureRun
from .lockstep import Lockstep

if TYPE_CHECKING:
    from PIL import Image

    from ....memory.pictures.decode import Decoded
    from ...agent import Agent

EXPERTS = "experts on {}"  # the fact that says how each role computes on a device


class Engine(Protocol):
    """Where the pictures of a task go through its steps: here, or on other machines."""

    def device(self, agent: Agent, plan: Plan) -> str:
        """The class of device that experts run on."""
        ...

    def through(
        self, outcomes: Sequence[Outcome], plan: Plan, agent: Agent, record: Record, basis: Basis
    ) -> Iterator[Outcome]:
        """Every outcome filled, in order; what a window did is on record before its pictures are given."""
        ...

    def close(self) -> None:
        """Let go of what it holds."""
        ...


class Here:
    """On this machine, one window after another, each of so many pictures."""

    def __init__(self, window: int) -> None:
        self._window = window

    def device(self, agent: Agent, plan: Plan) -> str:
        """See `Engine`."""
        return device_of(agent, plan)

    def through(
        self, outcomes: Sequence[Outcome], plan: Plan, agent: Agent, record: Record, basis: Basis
    ) -> Iterator[Outcome]:
        """See `Engine`."""
        side_by_side = runner(plan, agent, record, basis, agent.store.decode)
        for start in range(0, len(outcomes), self._window):
            some = outcomes[start : start + self._window]
            try:
                side_by_side([one for one in some if one.status != "failed"])
            finally:  # what was done before a failure, or before Ctrl-C, is done
                put(record, basis, {key: made for one in some for key, made in one.calls.new.items()})
            yield from some

    def close(self) -> None:
        """There is nothing to let go of."""


def runner(
    plan: Plan, agent: Agent, kept: Kept, basis: Basis, decode: Callable[[Path], Decoded]
) -> Callable[[Sequence[Outcome]], None]:
    """What fills the outcomes of a window, their questions to an expert together."""
    experts = Lockstep(agent.experts)
    caller = Caller(agent.tools, experts, kept, basis, asking(agent))
    run = PictureRun(plan, caller, decode, experts.together)
    return lambda some: experts.side_by_side(some, run.run)


def put(record: Record, basis: Basis, new: Mapping[str, Made]) -> None:
    """Write down what was made, and how the experts computed."""
    if new:
        record.put(new, {EXPERTS.format(basis.device): basis.used()})


@contextmanager
def fixed_rows(agent: Agent, known: Mapping[str, Mapping[str, Any]]) -> Iterator[None]:
    """While it lasts each expert computes at one batch shape: the known one, or what fits (`ExpertPool.fix_rows`)."""
    fix_rows(agent, known)
    try:
        yield
    finally:
        fix_rows(agent, None)


def fix_rows(agent: Agent, known: Mapping[str, Mapping[str, Any]] | None) -> None:
    """Have each expert compute at one batch shape from now on; None: as it comes."""
    if hasattr(agent.experts, "fix_rows"):
        fix: Any = agent.experts
        fix.fix_rows(None if known is None else {role: int(how["rows"]) for role, how in known.items()})


def asking(agent: Agent) -> Ask:
    """Questions to the controller, each in a conversation of its own that is forgotten once it is answered."""
    lock = threading.Lock()  # a controller on this machine answers one at a time

    def ask(words: str, images: Sequence[Image.Image]) -> str:
        owner = f"task {uuid4().hex[:12]}"
        with lock:
            chat = agent.chat(user=owner)
            try:
                text = chat.send(words, images=list(images)).text
            finally:
                agent.memory.forget(owner, everything=True)
        return text

    return ask
