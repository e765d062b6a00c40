"""One picture through the steps of a plan: calls, joins by lineage, results from the record where it has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from ...errors import ExpertFailed, ToolRetry, UserError
from ...memory.pictures.decode import Decoded
from ...memory.pictures.store import PictureStore
from ...memory.records import LABELS_READ, Picture, Region, ToolResult
from ...memory.workspace import LedgerWorkspace
from ...tools.contracts import Experts, Tool, ToolContext
from ...tools.runner import check_arguments
from ...tools.values import Output, PictureValue, RegionValue, TextOutput, picture_value
from .expressions import Node
from .file import AskStep, ToolStep
from .functions import MissingError
from .plan import Axes, Plan, PlannedStep, Template
from .record import Record, key_of
from .walking import value_of

Status = Literal["done", "skipped", "failed"]
Index = tuple[int, ...]  # which time of each axis
Ask = Callable[[str, Sequence[Image.Image]], str]  # a question to the controller about pictures, and its answer
LONGEST_LIST = 20  # that any argument of a tool may have (`testing.check_tool`)
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
        calls: how many calls were made now, and how many (`known`) came from the record.
        new: what was done now, by its key in the record.
    """

    number: int
    path: Path
    row: Mapping[str, str] | None = None
    status: Status = "done"
    reason: str = ""
    frames: dict[str, list[Frame]] = field(default_factory=dict)
    image: PictureValue | None = None
    calls: int = 0
    known: int = 0
    new: dict[str, ToolResult] = field(default_factory=dict)
    workspace: LedgerWorkspace | None = None

    def close(self) -> None:
        """Let go of the pixels and of what came of the steps: a run of any length holds one window."""
        self.frames.clear()
        if self.workspace is not None:
            self.workspace.store.close()
            self.workspace = None


class PictureRun:
    """Runs a plan on one picture.

    Args:
        plan: checked.
        tools: by name.
        experts: who answers.
        record: where results are kept.
        hashes: of each tool, the hash of the weights that it asks.
        ask: puts a question to the controller.
    """

    def __init__(
        self, plan: Plan, tools: Mapping[str, Tool[Any]], experts: Experts, record: Record, hashes: Mapping[str, str],
        ask: Ask,
    ) -> None:  # fmt: skip
        self._plan, self._tools, self._experts, self._record = plan, tools, experts, record
        self._hashes, self._ask = hashes, ask
        self._axes: dict[str, Axes] = {one.step.id: one.axes for one in plan.steps}

    def run(self, outcome: Outcome, decode: Callable[[Path], Decoded]) -> Outcome:
        """Fill an outcome; failures of the picture are told in it, never raised."""
        new = outcome.new
        try:
            outcome.workspace = LedgerWorkspace(PictureStore(None), TASKS, "task")
            _, (picture,) = outcome.workspace.begin_turn([decode(outcome.path)])
            outcome.image = picture_value(picture).model_copy(update={"path": str(outcome.path)})
            self._steps(outcome, new)
        except (ToolRetry, ExpertFailed, MissingError, UserError) as error:
            outcome.status, outcome.reason = "failed", str(error)
        return outcome

    def _steps(self, outcome: Outcome, new: dict[str, ToolResult]) -> None:
        for planned in self._plan.steps:
            if planned.keep is None:
                outcome.frames[planned.step.id] = [
                    self._frame(outcome, planned, index, names, new) for index, names in self._times(outcome, planned)
                ]
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

    # Calls

    def _frame(
        self, outcome: Outcome, planned: PlannedStep, index: Index, names: Mapping[str, Any],
        new: dict[str, ToolResult],
    ) -> Frame:  # fmt: skip
        scope = self._scope(outcome, planned.axes, index, names)
        try:
            if planned.when is not None and not value_of(planned.when, scope):
                return Frame(index, names, None)
            if isinstance(planned.step, AskStep):
                return Frame(index, names, self._asked(outcome, planned, scope, new))
            assert isinstance(planned.step, ToolStep)  # a `keep` gives no frames
            arguments = {name: _filled(value, scope) for name, value in planned.args.items()}
        except MissingError:
            return Frame(index, names, None)  # what it needs was left out
        return Frame(index, names, self._called(outcome, planned.step, index, arguments, new))

    def _called(
        self, outcome: Outcome, step: ToolStep, index: Index, arguments: dict[str, Any],
        new: dict[str, ToolResult],
    ) -> Output:  # fmt: skip
        """A call; a list that is longer than the tool takes goes in parts, whose outputs are joined."""
        tool = self._tools[step.tool]
        arguments = {key: _shortened(value) for key, value in arguments.items()}
        name, most = _bounded(tool, arguments)
        if name is None:
            return self._call(outcome, step, tool, index, arguments, new)
        values = arguments[name]
        parts = [
            self._call(outcome, step, tool, (*index, at), arguments | {name: values[at : at + most]}, new)
            for at in range(0, len(values), most)
        ]
        return _joined(parts)

    def _call(
        self, outcome: Outcome, step: ToolStep, tool: Tool[Any], index: Index, arguments: dict[str, Any],
        new: dict[str, ToolResult],
    ) -> Output:  # fmt: skip
        workspace = outcome.workspace
        assert workspace is not None  # the picture is open
        plain = _handles(arguments)
        checked = check_arguments(tool, plain, workspace.handles())
        kept = checked.model_dump(mode="json", exclude_unset=True)
        key = key_of({
            "tool": tool.name, "arguments": kept, "models": self._hashes.get(tool.name, ""),
            "contents": {handle: content_of(workspace, handle) for handle in sorted(_handles_in(kept))},
        })  # fmt: skip
        stored = self._record.get(key)
        if stored is not None:
            result = stored
            outcome.known += 1
        else:
            outcome.calls += 1
            result = self._run(tool, checked, workspace, step.id)
            new[key] = result
        call = f"{step.id}{''.join(f'.{at}' for at in index)}"
        recorded, observation = workspace.record(call, tool.name, kept, result, lambda one: tool.observe(checked, one))
        return tool.output(recorded, observation, workspace)

    def _run(self, tool: Tool[Any], checked: Any, workspace: LedgerWorkspace, step: str) -> ToolResult:
        try:
            result = tool.run(checked, ToolContext(workspace, self._experts))
        except (ToolRetry, ExpertFailed) as error:
            raise type(error)(f"{step}: {error.message}", kind=error.kind) from error
        return replace(result, facts=result.facts | {LABELS_READ: True}) if tool.reads else result

    def _asked(
        self, outcome: Outcome, planned: PlannedStep, scope: Mapping[str, Any], new: dict[str, ToolResult]
    ) -> TextOutput:
        """The controller's answer to a step in plain words."""
        assert planned.images is not None
        assert outcome.workspace is not None
        value = value_of(planned.images, scope)
        images: list[PictureValue] = list(value) if isinstance(value, list | tuple) else [value]
        words = str(_filled(planned.args["ask"], scope))
        key = key_of({"ask": words, "models": self._hashes.get("ask", ""),
                      "contents": [content_of(outcome.workspace, one.handle) for one in images]})  # fmt: skip
        stored = self._record.get(key)
        if stored is not None:
            outcome.known += 1
            text = str(stored.facts["text"])
        else:
            outcome.calls += 1
            text = self._ask(words, [outcome.workspace.open(one.id, alpha=True) for one in images])
            new[key] = ToolResult(facts={"text": text})
        return TextOutput(count=0, regions=[], images=[], observation=text, text=text)


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


def content_of(workspace: LedgerWorkspace, handle: str) -> Any:
    """What a handle stands for, without its name: the picture's hash, and a region's box, label and mask."""
    if not handle.startswith("reg_"):
        return workspace.picture(handle).sha256
    region: Region = workspace.region(handle)
    picture: Picture = workspace.picture(str(region.image))
    mask = None if region.mask is None else region.mask.name
    return [picture.sha256, list(region.box), region.label, region.score, mask]


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


def _handles(value: Any) -> Any:
    """Pictures and regions as the handles that tools take."""
    if isinstance(value, PictureValue | RegionValue):
        return value.handle
    if isinstance(value, dict):
        return {key: _handles(one) for key, one in value.items()}
    return [_handles(one) for one in value] if isinstance(value, list | tuple) else value


def _handles_in(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set().union(*(_handles_in(one) for one in value.values())) if value else set()
    if isinstance(value, list):
        return set().union(*(_handles_in(one) for one in value)) if value else set()
    known = isinstance(value, str) and value[:4] in ("img_", "reg_") and value[4:].isdigit()
    return {value} if known else set()


def _bounded(tool: Tool[Any], arguments: Mapping[str, Any]) -> tuple[str | None, int]:
    """The first argument that is a longer list of regions than the tool takes at once, and how many it takes."""
    properties = tool.Arguments.model_json_schema().get("properties", {})
    for name, value in arguments.items():
        if not isinstance(value, list) or not all(isinstance(one, RegionValue) for one in value):
            continue
        forms = [properties.get(name, {}), *properties.get(name, {}).get("anyOf", ())]
        most = next((form["maxItems"] for form in forms if "maxItems" in form), None)
        if most is not None and len(value) > most:
            return name, int(most)
    return None, 0


def _shortened(value: Any) -> Any:
    """A list of operations, in which one on more regions than tools take at once becomes several."""
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        return value
    made: list[Any] = []
    for one in value:
        long = next((key for key, some in one.items() if isinstance(some, list) and len(some) > LONGEST_LIST
                     and all(isinstance(each, RegionValue) for each in some)), None)  # fmt: skip
        starts = range(0, len(one[long]), LONGEST_LIST) if long is not None else ()
        made += [one | {long: one[long][at : at + LONGEST_LIST]} for at in starts] if long is not None else [one]
    return made


def _joined(parts: Sequence[Output]) -> Output:
    """The outputs of a call that went in parts as one."""
    first = parts[0]
    return first.model_copy(update={
        "count": sum(one.count for one in parts),
        "regions": [region for one in parts for region in one.regions],
        "images": [image for one in parts for image in one.images],
        "observation": " ".join(one.observation for one in parts),
    })  # fmt: skip
