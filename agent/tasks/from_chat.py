"""A conversation's tool calls as a task: what worked once on one picture, written down for many."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML

from ...errors import UserError
from ...memory.records import Call
from ...memory.workspace import LedgerWorkspace

_COLUMNS = {
    "describe_image": "text", "answer_about_image": "text", "read_text": "text", "calculate": "result",
    "read_table": "csv", "classify_image": "label", "inspect_image": "observation",
}  # what a table tells of a tool, where that is not its count  # fmt: skip
ELSEWHERE = frozenset({"search_memory", "remember_image", "forget_image"})  # they are about one person's memory


@dataclass
class Recording:
    """A conversation as a task. `left_out` names each call that cannot be generalised, and why."""

    task: dict[str, Any]
    left_out: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The task file."""
        out = io.StringIO()
        yaml = YAML()
        yaml.width = 110
        yaml.dump(self.task, out)
        notes = "".join(f"# Left out: {one}\n" for one in self.left_out)
        return f"{notes}{out.getvalue()}"


def task_of(workspace: LedgerWorkspace, title: str = "") -> Recording:
    """The calls of a conversation about its first picture, as a task that does the same with any picture.

    Handles become references to what found them: all regions of a step where all were meant, `regions[0]` where one
    was, and `each` where the same call was made for every one of them.

    Raises:
        UserError: nothing was done in the conversation that a task could do again (kind "nothing_to_record").
    """
    given = [handle for handle in workspace.handles("picture") if workspace.picture(handle).kind == "given"]
    calls = [call for call in workspace.calls() if call.ok]
    writer = _Writer(given)
    for some in _runs(calls, writer):
        writer.add(some)
    if not writer.steps:
        raise UserError(
            f"Nothing in {workspace.chat} is a call that a task could make again; ask for something first.",
            kind="nothing_to_record",
        )
    source = workspace.picture(given[0]).source if given else None
    task: dict[str, Any] = {"version": 1}
    if title:
        task["name"] = title[:100]
    task["inputs"] = {"images": [source or "pictures/"]}
    task["steps"] = writer.steps
    task["outputs"] = writer.outputs()
    return Recording(task, writer.left_out)


def _runs(calls: Sequence[Call], writer: _Writer) -> list[list[Call]]:
    """Calls in order; neighbours that do the same to one region each stand together."""
    runs: list[list[Call]] = []
    for call in calls:
        last = runs[-1][-1] if runs else None
        if last is not None and _alike(last) == _alike(call) and writer.one_region(last) and writer.one_region(call):
            runs[-1].append(call)
        else:
            runs.append([call])
    return runs


def _alike(call: Call) -> str:
    """What a call does, whatever region it does it to."""
    plain = {name: "reg" if _is_region(value) else value for name, value in call.arguments.items()}
    return json.dumps([call.tool, plain], sort_keys=True)


def _is_region(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("reg_") and value[4:].isdigit()


class _Writer:
    """Writes steps, and knows which step every handle came from."""

    def __init__(self, given: Sequence[str]) -> None:
        self._given = list(given)
        self._found: dict[str, tuple[str, int, int]] = {}  # region -> step, place, of how many
        self._made: dict[str, str] = {}  # picture -> how it is referred to
        self._of_each: set[str] = set()  # pictures that were made one for each of several regions
        self.steps: list[dict[str, Any]] = []
        self.left_out: list[str] = []

    def one_region(self, call: Call) -> str | None:
        """The one region that a call is about; None where it is about none or several."""
        regions = [value for value in call.arguments.values() if _is_region(value)]
        return regions[0] if len(regions) == 1 else None

    def add(self, calls: Sequence[Call]) -> None:
        """Write a step for a call, or for several that do the same to one region each."""
        regions = [region for call in calls if (region := self.one_region(call)) is not None]
        step = self._step_of_all(regions) if len(calls) == len(regions) else None
        if step is not None and len(calls) > 1:
            self._each(calls, regions, step)
            return
        for call in calls:
            self._single(call)

    def _step_of_all(self, regions: Sequence[str]) -> str | None:
        """The step of which these are all the regions."""
        places = [self._found.get(region) for region in regions]
        if not places or any(place is None for place in places):
            return None
        steps = {place[0] for place in places if place is not None}
        counts = {place[2] for place in places if place is not None}
        return steps.pop() if len(steps) == 1 and counts == {len(set(regions))} else None

    def _each(self, calls: Sequence[Call], regions: Sequence[str], step: str) -> None:
        name, one = self._name(calls[0].tool), self._name("thing")
        arguments = {key: f"${{{one}}}" if _is_region(value) else self._plain(value)
                     for key, value in calls[0].arguments.items()}  # fmt: skip
        self.steps.append({"id": name, "each": {one: f"{step}.regions"}, "tool": calls[0].tool, "args": arguments})
        for call in calls:
            self._of_each |= {str(picture.handle) for picture in call.recorded.pictures}

    def _single(self, call: Call) -> None:
        if call.tool in ELSEWHERE:
            self.left_out.append(f"{call.tool}: it is about a person's own memory")
            return
        name = self._name(call.tool)
        try:
            arguments = {key: self._value(value) for key, value in call.arguments.items()}
        except LookupError as error:
            self.left_out.append(f"{call.tool}({json.dumps(call.arguments)}): {error.args[0]}")
            return
        self.steps.append({"id": name, "tool": call.tool, "args": arguments})
        some = [*call.recorded.regions, *call.recorded.masked]
        for at, region in enumerate(some):
            if call.recorded.masked and str(region.handle) in self._found:
                continue  # it is still what it was; it has a mask now
            self._found[str(region.handle)] = (name, at, len(some))
        for at, picture in enumerate(call.recorded.pictures):
            self._made[str(picture.handle)] = f"{name}.images[{at}]"

    def _value(self, value: Any) -> Any:
        """An argument with references in place of handles. Raises LookupError for what stands for no picture."""
        if isinstance(value, list):
            step = self._step_of_all([one for one in value if isinstance(one, str)])
            if step is not None:
                return f"${{{step}.regions}}"
            return [self._value(one) for one in value]
        if not isinstance(value, str) or value[:4] not in ("img_", "reg_") or not value[4:].isdigit():
            return self._plain(value)
        if value in self._found:
            step, at, _ = self._found[value]
            return f"${{{step}.regions[{at}]}}"
        if value in self._made:
            return f"${{{self._made[value]}}}"
        if self._given and value == self._given[0]:
            return "${image}"
        if value in self._of_each:
            raise LookupError(f"{value} is one of several that were made; go on with them by hand, with `each`")
        raise LookupError(f"{value} is another picture than the first; a task goes through one at a time")

    def _plain(self, value: Any) -> Any:
        return value.replace("${", "$${") if isinstance(value, str) else value

    def _name(self, wanted: str) -> str:
        taken = {step["id"] for step in self.steps} | {name for step in self.steps for name in step.get("each", {})}
        base = wanted.partition("_")[0]
        return next(name for name in (base, *(f"{base}{at}" for at in range(2, 99))) if name not in taken)

    def outputs(self) -> list[dict[str, Any]]:
        """A table of what the steps gave, the pictures that they made, and a page."""
        columns: dict[str, str] = {"file": "image.path"}
        pictures: list[str] = []
        evidence: str | None = None
        for step in self.steps:
            name, tool = step["id"], step["tool"]
            field_name = _COLUMNS.get(tool, "count")
            if "each" not in step:
                columns[name] = f"{name}.{field_name}"
                evidence = f"{name}.regions" if field_name == "count" else evidence
            if tool == "crop_image":
                pictures.append(f"{name}.image")
        outputs: list[dict[str, Any]] = [{"csv": "table.csv", "columns": columns}]
        outputs += [{"folder": f"made{at or ''}", "pictures": one} for at, one in enumerate(pictures)]
        page: dict[str, Any] = {"html": "report.html", "columns": dict(list(columns.items())[1:])}
        page |= {"pictures": pictures[0]} if pictures else {}
        page |= {"evidence": evidence} if evidence else {}
        return [*outputs, page]
