"""The contracts of this package: `View`, `Expert`, `Tool` and what passes between them.

An *expert* is a model behind one interface: loaded once, asked in batches. A *tool* is what the
controller sees: a name, a pydantic model of arguments, and a run that asks experts and returns
an observation in words with drafts of what it found. Drafts get their handles from the runner,
which writes them to the ledger in one transaction; only then is the observation put into words.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from .. import prompts
from ..memory.records import Box, MaskDraft, Picture, PictureDraft, Recalled, Recorded, Region, RegionDraft, ToolResult
from . import values
from .experts.contract import Expert, Experts, View, declared

__all__ = [
    "AnyHandle",
    "Expert",
    "Experts",
    "Handles",
    "MaskDraft",
    "Phrase",
    "PictureDraft",
    "PictureHandle",
    "Recalled",
    "Recorded",
    "RegionDraft",
    "RegionHandle",
    "Talk",
    "Tool",
    "ToolArguments",
    "ToolContext",
    "ToolResult",
    "View",
    "VisualMemory",
    "Workspace",
    "declared",
    "listed",
]


class Workspace(Protocol):
    """The pictures and regions of one conversation, by handle. `memory.workspace` implements it."""

    def handles(self) -> list[str]:
        """Every handle of the conversation, oldest first: pictures, then regions."""
        ...

    def picture(self, handle: str) -> Picture:
        """The picture behind `img_N`. Raises ToolRetry, listing the handles there are."""
        ...

    def region(self, handle: str) -> Region:
        """The region behind `reg_N`. Raises ToolRetry, listing the handles there are."""
        ...

    def open(self, picture: str, *, alpha: bool = False) -> Image.Image:
        """The upright RGB pixels of a picture, by its id."""
        ...

    def open_mask(self, region: Region) -> np.ndarray | None:
        """The region's mask, (height, width) bool over the whole picture, or None."""
        ...

    def facts_of(self, tool: str, turn: int) -> list[dict[str, Any]]:
        """The facts that the calls of a tool recorded in a turn, in the order of the calls."""
        ...


class VisualMemory(Protocol):
    """What the memory tools ask: the user's own memory in production, the scenes of a trace in training.

    Everything here is about one user; nobody else's pictures can be named through it.
    """

    def recall(
        self, words: str | None, view: View | None, *, k: int, since: datetime | None, kind: str
    ) -> list[Recalled]:
        """What is most like the words, the view or both, best first; nothing where nothing is like it.

        Args:
            words: what to look for, or None.
            view: what it should look like, or None; one of both is given.
            k: at most so many.
            since: only what was seen at or after this moment.
            kind: "any", "picture" or "region".
        """
        ...

    def remember(self, handle: str, note: str | None) -> None:
        """Keep `img_N` or `reg_N` findable, and the note (the user's own words) with it. Doing it twice is the same.

        Raises:
            ToolRetry: no such handle.
        """
        ...

    def forget(self, picture: str) -> None:
        """Delete a picture (`pic_...`) for good, with all that was found in it. Doing it twice is the same."""
        ...


# Types for arguments. The extra key lets a constrained controller offer only handles that exist.
AnyHandle = Annotated[
    str, Field(pattern=r"^(img|reg)_[1-9][0-9]{0,3}$", max_length=8, json_schema_extra={"x-handle": "any"})
]
PictureHandle = Annotated[
    str, Field(pattern=r"^img_[1-9][0-9]{0,3}$", max_length=8, json_schema_extra={"x-handle": "picture"})
]
RegionHandle = Annotated[
    str, Field(pattern=r"^reg_[1-9][0-9]{0,3}$", max_length=8, json_schema_extra={"x-handle": "region"})
]
Handles = AnyHandle | Annotated[list[AnyHandle], Field(min_length=1, max_length=8)]  # one, or several at once
Phrase = Annotated[str, Field(min_length=1, max_length=120)]


def listed(handles: str | list[str]) -> list[str]:
    """One handle or several, as a list in which each stands once."""
    return [handles] if isinstance(handles, str) else list(dict.fromkeys(handles))


class ToolArguments(BaseModel):
    """The base of every tool's arguments: unknown names are refused, every string is bounded."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Talk:
    """What is being said around a call, word for word."""

    turn: int = 0  # the turn of the call, from 1
    said: str = ""  # the user's words of this turn
    answered: str | None = None  # the agent's answer of the turn before; None where it is not known
    told: str | None = None  # all that was said and observed in the conversation; None where it is not known


@dataclass(frozen=True)
class ToolContext:
    """What a run may use."""

    workspace: Workspace
    experts: Experts
    memory: VisualMemory | None = None
    talk: Talk = Talk()
    refers: bool = False  # the controller's answers refer to what was observed, and may refer to more than was told

    def place(self, handle: str) -> tuple[Picture, Box]:
        """The picture that `img_N` is or `reg_N` is of, and the box in it. Raises ToolRetry for an unknown handle."""
        if not handle.startswith("reg_"):
            picture = self.workspace.picture(handle)
            return picture, (0, 0, *picture.size)
        region = self.workspace.region(handle)
        assert region.image is not None  # a region found by its handle belongs to a picture with one
        return self.workspace.picture(region.image), region.box

    def view(self, handle: str, margin: float = 0.0) -> View:
        """What `img_N` or `reg_N` shows; a region's box is widened by `margin` of its longer side."""
        picture, box = self.place(handle)
        return self.view_of(picture, box, margin if handle.startswith("reg_") else 0.0)

    def view_of(self, picture: Picture, box: Box, margin: float = 0.0) -> View:
        """A view of a box (xyxy pixels) of a picture, widened by `margin` and clipped to the picture."""
        x0, y0, x1, y1 = box
        extra = margin * max(x1 - x0, y1 - y0)
        clipped = (
            max(0.0, x0 - extra),
            max(0.0, y0 - extra),
            min(float(picture.width), x1 + extra),
            min(float(picture.height), y1 + extra),
        )
        return View(picture.id, picture.size, clipped, lambda: self.workspace.open(picture.id))

    def about(self, role: str) -> Mapping[str, Any]:
        """See `declared`."""
        return declared(self.experts, role)


A = TypeVar("A", bound=ToolArguments)


MARKS = frozenset({"title", "x-handle", "x-words", "x-sum"})  # keys of a schema that say nothing to those outside


def without_marks(schema: Any, marks: Collection[str] = MARKS) -> Any:
    """A JSON schema without the keys that only our own controller's grammar understands."""
    if isinstance(schema, dict):
        return {
            key: without_marks(inner, marks)
            for key, inner in schema.items()
            if key not in marks or not isinstance(inner, str | bool)  # an argument may be called "title", too
        }
    return [without_marks(inner, marks) for inner in schema] if isinstance(schema, list) else schema


class Tool(ABC, Generic[A]):
    """One thing that the controller can do.

    Its description, which the controller reads, ends with an example of its arguments (`Example: {...}`), and is the
    attribute `description`, or the file `<name>.md` beside the class's own file, or `prompts/tools/<name>.md`.
    """

    name: ClassVar[str]
    description: ClassVar[str] = ""
    Arguments: ClassVar[type[ToolArguments]]
    roles: ClassVar[tuple[str, ...]] = ()  # the experts it asks
    rank: ClassVar[int] = 1000  # where a controller reads of it: the lower, the earlier
    reads: ClassVar[bool] = False  # its regions are labelled with words out of the picture, which are data
    version: ClassVar[int] = 1  # to be raised when the same call gives something else: tasks do it again then

    def describe(self) -> str:
        """What a controller reads of the tool; "" where nothing is said."""
        if self.description:
            return self.description.strip()
        file = getattr(sys.modules.get(type(self).__module__), "__file__", None)
        beside = None if file is None else Path(file).with_name(f"{self.name}.md")
        if beside is not None and beside.is_file():
            return beside.read_text("utf-8").strip()
        told = f"tools/{self.name}"
        return prompts.load(told) if told in prompts.names() else ""

    def to_mcp(self) -> dict[str, Any]:
        """The tool as the Model Context Protocol lists it: `name`, `description`, `inputSchema`."""
        return {
            "name": self.name,
            "description": self.describe(),
            "inputSchema": without_marks(self.Arguments.model_json_schema()),
        }

    @abstractmethod
    def run(self, arguments: A, context: ToolContext) -> ToolResult:
        """Do the work.

        Raises:
            ToolRetry: the controller can mend its call.
            ExpertFailed: an expert could not do its work.
        """

    @abstractmethod
    def observe(self, arguments: A, recorded: Recorded) -> str:
        """What happened, in words for the controller, with the handles of what was found or made."""

    @classmethod
    def sums(cls) -> frozenset[str]:
        """The arguments that may refer to observations (`prompts.references`): those that are marked "x-sum"."""
        properties = cls.Arguments.model_json_schema().get("properties", {})
        return frozenset(name for name, schema in properties.items() if schema.get("x-sum"))

    def brief(self, recorded: Recorded) -> str | None:
        """The observation for a controller whose answers only refer to it, without coordinates; None: the whole one."""
        return None

    def references(self, recorded: Recorded) -> dict[str, str]:
        """What an answer may refer to, by name (letters and digits), as the words that are put in its place.

        An answer that says "There are {count} cubes: {regions}." cannot misquote.
        """
        return {}

    Output: ClassVar[type[values.Output]] = values.Output  # what scripts read of a call, by name

    def output(self, recorded: Recorded, observation: str, workspace: Workspace) -> values.Output:
        """What came of a call, for scripts."""
        fields = values.common(recorded, observation, self.regions_of(recorded, workspace))
        return self.Output(**fields, **self.values(recorded))

    def regions_of(self, recorded: Recorded, workspace: Workspace) -> list[Region] | None:
        """The regions that a call is about; None: those that it found or outlined."""
        return None

    def values(self, recorded: Recorded) -> dict[str, Any]:
        """The fields that its `Output` has besides those of every tool."""
        return {}

    def finish(self, recorded: Recorded, context: ToolContext) -> None:
        """What must happen only after the call is written down, such as deleting for good.

        It runs again when the call is answered from the ledger, so a crash in between is made up for;
        doing it twice must be the same as once.
        """
