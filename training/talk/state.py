"""What a conversation has come to: its pictures, what was asked last, and what was spoken of."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..controller.synthetic.memory import SyntheticInspect, SyntheticMemory
from ..controller.synthetic.pictures import SyntheticEdit, SyntheticGenerate
from ..controller.synthetic.workspace import SyntheticExperts, SyntheticPicture, SyntheticWorkspace
from .plans import Plan
from .targets import Target


@dataclass
class Last:
    """The request before: how to ask the same of other things or another picture."""

    again: Callable[[str | list[str], Target], Plan] | None = None
    image: str | list[str] = ""
    target: Target | None = None
    one: bool = False  # it was about one thing
    more: Callable[[State], Request] | None = None  # what is asked next of what no target names: sums, signs, documents


@dataclass(frozen=True)
class Request:
    """A request in words, and what is to be done about it."""

    kind: str
    words: str
    plan: Plan
    last: Last | None = None  # None: what was asked before stays
    frame: bool = True  # noise may be put on it


@dataclass
class State:
    """A conversation while it is being made."""

    rng: random.Random
    workspace: SyntheticWorkspace = field(default_factory=SyntheticWorkspace)
    given: list[str] = field(default_factory=list)  # handles of the pictures that the user sent
    image: str = ""  # the picture that was spoken of last
    it: list[str] = field(default_factory=list)  # the regions that were spoken of last
    labels: list[str] = field(default_factory=list)  # their labels
    last: Last = field(default_factory=Last)
    doubtful: bool = False  # the user was asked whether a picture is to be deleted

    def __post_init__(self) -> None:
        self.experts = SyntheticExperts(self.workspace, self.rng, missed=0.01)
        self.memory = SyntheticMemory(self.workspace, self.rng)
        self.inspect = SyntheticInspect(self.rng)
        self.generate = SyntheticGenerate(self.rng)
        self.edit = SyntheticEdit(self.workspace, self.rng)

    def sheet(self, handle: str) -> SyntheticPicture | None:
        """What is on a picture."""
        return self.workspace.by_handle.get(handle)

    def took(self, handles: Sequence[str], sheets: Sequence[SyntheticPicture]) -> None:
        """Pictures that were made: the conversation goes on with the first of them."""
        for handle, sheet in zip(handles, sheets, strict=True):
            self.workspace.by_handle[handle] = self.workspace.by_id[self.workspace.picture(handle).id] = sheet
        self.given += handles
        self.image = handles[0]
