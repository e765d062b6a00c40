"""One picture through the steps of a plan: which times a step has, joins by lineage, what is skipped and what fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from ...errors import ExpertFailed, ToolRetry, UserError
from ...memory.pictures.decode import Decoded
from ...memory.pictures.store import PictureStore
from ...memory.workspace import LedgerWorkspace
from ...tools.values import Output, PictureValue, picture_value
from .calls import Caller, Calls, Index
from .expressions import Node
from .file import AskStep, ToolStep
from .functions import MissingError
from .plan import Axes, Plan, PlannedStep, Template
from .walking import value_of

Status = Literal["done", "skipped", "failed"]
TASKS = "chat_000000000000"  # the conversation that a picture's workspace belongs to; it is never written to a home


@dataclass(frozen=True)
class Frame:
    """One time of a step: where it stands, what the names of `each` are there, what it gave (None: left out)."""

    index: Index
    names: Mapping[str, Any]
    value: Any


@dataclass
class Outcome:
    """What became of one picture.

    Attributes:
        number: its place among the inputs.
        path: the file.
        row: the columns of its row in the inputs' table.
        status: done, skipped (a `keep` was not true) or failed.
        reason: why it was skipped, or what failed.
        frames: by step, its times in order.
        image: the picture, where it could be opened.
        calls: those that were made now, and how many came from the record.
    """

    number: int
    path: Path
    row: Mapping[str, str] | None = None
    status: Status = "done"
    reason: str = ""
    frames: dict[str, list[Frame]] = field(default_factory=dict)
    image: PictureValue | None = None
    calls: Calls = field(init=False)
    workspace: LedgerWorkspace | None = None

    def __post_init__(self) -> None:
        self.calls = Calls(str(self.path))

    def close(self) -> None:
        """Let go of the pixels and of what came of the steps: a run of any length holds one window."""
        self.frames.clear()
        self.calls.new.clear()
        self.calls.used.clear()
        if self.workspace is not None:
            self.workspace.store.close()
            self.workspace = None


class PictureRun:
    """Runs a plan on one picture.

    Args:
        plan: checked.
        caller: makes the calls.
        decode: opens pictures.
        together: does the works of one picture side by side, and gives what each gave or raised.
    """

    def __init__(
        self, plan: Plan, caller: Caller, decode: Callable[[Path], Decoded],
        together: Callable[[Sequence[Callable[[], Any]]], list[Any]] | None = None,
    ) -> None:  # fmt: skip
        self._plan, self._caller, self._decode = plan, caller, decode
        self._together = together or (lambda works: [work() for work in works])
        self._axes: dict[str, Axes] = {one.step.id: one.axes for one in plan.steps}

    def run(self, outcome: Outcome, decoded: Decoded | None = None) -> Outcome:
        """Fill an outcome; failures of the picture are told in it, never raised."""
        try:
            outcome.workspace = LedgerWorkspace(PictureStore(None), TASKS, "task")
            _, (picture,) = outcome.workspace.begin_turn([decoded or self._decode(outcome.path)])
            outcome.image = picture_value(picture).model_copy(update={"path": str(outcome.path)})
            self._steps(outcome)
        except (ToolRetry, ExpertFailed, MissingError, UserError) as error:
            outcome.status, outcome.reason = "failed", str(error)
        return outcome

    def _steps(self, outcome: Outcome) -> None:
        for planned in self._plan.steps:
            if planned.keep is None:
                outcome.frames[planned.step.id] = self._frames(outcome, planned)
            elif not value_of(planned.keep, self._scope(outcome, (), (), {})):
                outcome.status, outcome.reason = "skipped", f"{planned.step.id}: not so"
                return

    # Times

    def _times(self, outcome: Outcome, planned: PlannedStep) -> Iterator[tuple[Index, Mapping[str, Any]]]:
        """Each time of a step: its place along its axes, and the names of `each`."""
        if planned.each is None:
            yield from self._places(outcome, planned.axes)
            return
        name, node = planned.each
        for index, names in self._places(outcome, planned.axes[:-1]):
            try:
                value = value_of(node, self._scope(outcome, planned.axes[:-1], index, names))
            except MissingError:
                continue  # the step that it goes through was left out here
            for at, one in enumerate(value if isinstance(value, list | tuple) else [value]):
                yield (*index, at), {**names, name: one}

    def _places(self, outcome: Outcome, axes: Axes) -> Iterator[tuple[Index, Mapping[str, Any]]]:
        """The places along some axes: those of the step that went along them first."""
        if not axes:
            yield (), {}
            return
        first = next(one.step.id for one in self._plan.steps if one.axes == axes and one.each is not None)
        for frame in outcome.frames.get(first, ()):
            yield frame.index, frame.names

    def _scope(self, outcome: Outcome, axes: Axes, index: Index, names: Mapping[str, Any]) -> dict[str, Any]:
        return scope_of(self._plan, self._axes, outcome, axes, index, names)

    def _frames(self, outcome: Outcome, planned: PlannedStep) -> list[Frame]:
        """All times of a step, made side by side where experts are asked, and written down in order."""
        times = list(self._times(outcome, planned))
        works = [partial(self._made, outcome, planned, index, names) for index, names in times]
        if isinstance(planned.step, ToolStep) and self._caller.asks(planned.step.tool):
            some = self._together(works)
        else:
            some = [work() for work in works]
        failed = next((one for one in some if isinstance(one, BaseException)), None)
        if failed is not None:
            raise failed
        return [Frame(index, names, None if one is None else one())  # pyright: ignore[reportCallIssue]
                for (index, names), one in zip(times, some, strict=True)]  # fmt: skip

    def _made(
        self, outcome: Outcome, planned: PlannedStep, index: Index, names: Mapping[str, Any]
    ) -> Callable[[], Output] | None:
        """A step's call at one place, made and not yet written down; None where it was left out."""
        scope = self._scope(outcome, planned.axes, index, names)
        try:
            if planned.when is not None and not value_of(planned.when, scope):
                return None
            return self._called(outcome, planned, index, scope)
        except MissingError:
            return None  # what it needs was left out

    def _called(
        self, outcome: Outcome, planned: PlannedStep, index: Index, scope: Mapping[str, Any]
    ) -> Callable[[], Output]:
        step, workspace = planned.step, outcome.workspace
        assert workspace is not None  # the picture is open
        if isinstance(step, AskStep):
            assert planned.images is not None
            value = value_of(planned.images, scope)
            images: list[PictureValue] = list(value) if isinstance(value, list | tuple) else [value]
            words = str(_filled(planned.args["ask"], scope))
            return self._caller.asked(outcome.calls, workspace, step.id, index, words, images)
        assert isinstance(step, ToolStep)  # a `keep` gives no frames
        arguments = {name: _filled(value, scope) for name, value in planned.args.items()}
        return self._caller.call(outcome.calls, workspace, step.id, step.tool, index, arguments)


def scope_of(
    plan: Plan, step_axes: Mapping[str, Axes], outcome: Outcome, axes: Axes, index: Index, names: Mapping[str, Any]
) -> dict[str, Any]:
    """The values of all names at a place: of steps along fewer axes the one of this lineage, along more a list."""
    scope: dict[str, Any] = {"image": outcome.image, **plan.inputs, **names}
    if outcome.row is not None:
        scope["row"] = outcome.row
    for step, own in step_axes.items():
        frames = outcome.frames.get(step)
        if frames is None:
            continue
        if own == axes[: len(own)]:
            scope[step] = next((one.value for one in frames if one.index == index[: len(own)]), None)
        elif axes == own[: len(axes)]:
            scope[step] = [one.value for one in frames if one.index[: len(axes)] == index and one.value is not None]
    return scope


def _filled(value: Any, scope: Mapping[str, Any]) -> Any:
    """An argument with its references put in."""
    if isinstance(value, dict):
        return {key: _filled(one, scope) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, scope) for one in value]
    if not isinstance(value, Template):
        return value
    parts = [part if isinstance(part, str) else _value(part, scope) for part in value.parts]
    return parts[0] if value.whole else "".join(str(part) for part in parts)


def _value(node: Node, scope: Mapping[str, Any]) -> Any:
    value = value_of(node, scope)
    if value is None:
        raise MissingError("a value is not there")
    return value
