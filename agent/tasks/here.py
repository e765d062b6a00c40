"""The pictures of a task on this machine: window by window, all of a window side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from .calls import Ask, Caller
from .keys import Basis
from .lockstep import Lockstep
from .plan import Plan
from .record import Kept, Made, Record
from .running import Outcome, PictureRun

if TYPE_CHECKING:
    from PIL import Image

    from ..agent import Agent

EXPERTS = "experts on {}"  # the fact that says how each role computes on a device


def through_here(
    outcomes: Sequence[Outcome], plan: Plan, agent: Agent, record: Record, basis: Basis, window: int
) -> Iterator[Outcome]:
    """Every outcome filled, in order; what a window did is on record before the next begins."""
    side_by_side = runner(plan, agent, record, basis)
    for start in range(0, len(outcomes), window):
        some = outcomes[start : start + window]
        try:
            side_by_side([one for one in some if one.status != "failed"])
        finally:  # what was done before a failure, or before Ctrl-C, is done
            put(record, basis, {key: made for one in some for key, made in one.calls.new.items()})
        yield from some


def runner(plan: Plan, agent: Agent, kept: Kept, basis: Basis) -> Callable[[Sequence[Outcome]], None]:
    """What fills the outcomes of a window, their questions to an expert together."""
    experts = Lockstep(agent.experts)
    caller = Caller(agent.tools, experts, kept, basis, asking(agent))
    run = PictureRun(plan, caller, agent.store.decode)
    return lambda some: experts.side_by_side(some, run.run)


def put(record: Record, basis: Basis, new: Mapping[str, Made]) -> None:
    """Write down what was made, and how the experts computed."""
    if new:
        record.put(new, {EXPERTS.format(basis.device): basis.used()})


@contextmanager
def fixed_rows(agent: Agent, known: Mapping[str, Mapping[str, Any]]) -> Iterator[None]:
    """While it lasts each expert computes at one batch shape: the known one, or what fits (`ExpertPool.fix_rows`)."""
    fix: Callable[[Mapping[str, int] | None], None] = getattr(agent.experts, "fix_rows", lambda _: None)
    fix({role: int(how["rows"]) for role, how in known.items()})
    try:
        yield
    finally:
        fix(None)


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
