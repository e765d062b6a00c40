"""The calls of a picture's steps: taken from the record where it has them, else made; long lists go in parts."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from PIL import Image

from ...errors import ExpertFailed, ToolRetry
from ...memory.records import LABELS_READ, ToolResult
from ...memory.workspace import LedgerWorkspace
from ...tools.contracts import Experts, Tool, ToolContext
from ...tools.runner import check_arguments
from ...tools.values import Output, PictureValue, RegionValue, TextOutput
from .functions import MissingError
from .keys import Basis, Renaming, content_of, contents_of, key_of, plain_names
from .record import Kept, Made

Index = tuple[int, ...]  # which time of each axis
Ask = Callable[[str, Sequence[Image.Image]], str]  # a question to the controller about pictures, and its answer
LONGEST_LIST = 20  # that any argument of a tool may have (`testing.check_tool`)


@dataclass(frozen=True)
class Wanted:
    """A call whose result the record does not have: its step, its place, and what it rests on."""

    step: str
    place: str
    parts: Mapping[str, Any]


@dataclass
class Calls:
    """The calls of one picture: `made` now, `known` from the record, `new` results by key, `wanted` in a dry walk."""

    picture: str
    made: int = 0
    known: int = 0
    new: dict[str, Made] = field(default_factory=dict)
    used: dict[str, ToolResult] = field(default_factory=dict)  # known ones, where a walk gathers them
    wanted: list[Wanted] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)  # the times of a step go side by side

    def place(self, step: str, index: Index) -> str:
        """Where a call stands: the picture's file, the step and which time of it."""
        return json.dumps([self.picture, step, *index], ensure_ascii=False)


class Caller:
    """Makes calls, or takes them from the record.

    Args:
        tools: by name.
        experts: who answers.
        record: where results are looked up.
        basis: what results rest on besides arguments and pictures.
        ask: puts a question to the controller.
        dry: nothing is made: what the record has not is noted as wanted, and counts as left out.
    """

    def __init__(
        self, tools: Mapping[str, Tool[Any]], experts: Experts, record: Kept, basis: Basis, ask: Ask, *,
        dry: bool = False,
    ) -> None:  # fmt: skip
        self._tools, self._experts, self._record, self._basis = tools, experts, record, basis
        self._ask, self._dry = ask, dry

    def asks(self, tool: str) -> bool:
        """Whether a tool asks experts, so that several calls of it had better go side by side."""
        return bool(self._tools[tool].roles)

    def call(
        self, calls: Calls, workspace: LedgerWorkspace, step: str, tool: str, index: Index, arguments: dict[str, Any]
    ) -> Callable[[], Output]:
        """Make a call; a list that is longer than the tool takes goes in parts, whose outputs are joined.

        Returns:
            What writes it down and gives its output. Handles are given in the order in which these are called.

        Raises:
            ToolRetry, ExpertFailed: the tool refused it, or an expert failed; the message begins with the step.
            MissingError: it is wanted, in a dry walk.
        """
        one = self._tools[tool]
        arguments = {key: _shortened(value) for key, value in arguments.items()}
        name, most = _bounded(one, arguments)
        if name is None:
            return self._call(calls, workspace, step, one, index, arguments)
        values = arguments[name]
        parts = [
            self._call(calls, workspace, step, one, (*index, at), arguments | {name: values[at : at + most]})
            for at in range(0, len(values), most)
        ]
        return lambda: _joined([part() for part in parts])

    def _call(
        self, calls: Calls, workspace: LedgerWorkspace, step: str, tool: Tool[Any], index: Index,
        arguments: dict[str, Any],
    ) -> Callable[[], Output]:  # fmt: skip
        checked = check_arguments(tool, _handles(arguments), workspace.handles())
        given = checked.model_dump(mode="json", exclude_unset=True)
        names = plain_names(given)
        renaming = Renaming(workspace, names)
        own = {"arguments": _put(given, names), "contents": contents_of(workspace, names)}

        def run() -> ToolResult:
            return renaming.plain(self._run(tool, checked, workspace, step))

        result = renaming.own(self._result(calls, tool.name, own, (step, index), run))
        call = f"{step}{''.join(f'.{at}' for at in index)}"

        def written() -> Output:
            recorded, observation = workspace.record(
                call, tool.name, given, result, lambda one: tool.observe(checked, one)
            )
            return tool.output(recorded, observation, workspace)

        return written

    def asked(
        self, calls: Calls, workspace: LedgerWorkspace, step: str, index: Index, words: str,
        images: Sequence[PictureValue],
    ) -> Callable[[], Output]:  # fmt: skip
        """The controller's answer to a step in plain words."""
        own = {"ask": words, "contents": [content_of(workspace, one.handle) for one in images]}

        def run() -> ToolResult:
            return ToolResult(facts={"text": self._ask(words, [workspace.open(one.id, alpha=True) for one in images])})

        text = str(self._result(calls, "ask", own, (step, index), run).facts["text"])
        return lambda: TextOutput(count=0, regions=[], images=[], observation=text, text=text)

    def _result(
        self, calls: Calls, tool: str, own: Mapping[str, Any], where: tuple[str, Index], run: Callable[[], ToolResult]
    ) -> ToolResult:
        """A result from the record, or made now and noted as new. Raises MissingError in a dry walk."""
        parts = {**self._basis.of(tool), **own}
        key, place = key_of(parts), calls.place(*where)
        stored = self._record.get(key)
        if stored is not None:
            with calls.lock:
                calls.known += 1
                if self._dry:
                    calls.used[key] = stored
            return stored
        if self._dry:
            calls.wanted.append(Wanted(where[0], place, parts))
            raise MissingError(f"{where[0]} is not done yet")
        with calls.lock:
            calls.made += 1
        result = run()
        parts = {**self._basis.of(tool), **own}  # an expert that was loaded for it may have taken fewer rows
        if not result.recalled:  # what was brought back stands in a conversation, not in a record
            calls.new[key_of(parts)] = Made(result, parts, place)
        return result

    def _run(self, tool: Tool[Any], checked: Any, workspace: LedgerWorkspace, step: str) -> ToolResult:
        try:
            result = tool.run(checked, ToolContext(workspace, self._experts))
        except (ToolRetry, ExpertFailed) as error:
            raise type(error)(f"{step}: {error.message}", kind=error.kind) from error
        return replace(result, facts=result.facts | {LABELS_READ: True}) if tool.reads else result


def _put(value: Any, names: Mapping[str, str]) -> Any:
    """Arguments under plain names."""
    if isinstance(value, Mapping):
        return {key: _put(one, names) for key, one in value.items()}
    if isinstance(value, list):
        return [_put(one, names) for one in value]
    return names.get(value, value) if isinstance(value, str) else value


def _handles(value: Any) -> Any:
    """Pictures and regions as the handles that tools take."""
    if isinstance(value, PictureValue | RegionValue):
        return value.handle
    if isinstance(value, dict):
        return {key: _handles(one) for key, one in value.items()}
    return [_handles(one) for one in value] if isinstance(value, list | tuple) else value


def _bounded(tool: Tool[Any], arguments: Mapping[str, Any]) -> tuple[str | None, int]:
    """The first argument that is a longer list of regions than the tool takes at once, and how many it takes."""
    lists = [name for name, value in arguments.items() if isinstance(value, list) and len(value) > 1]
    long = [name for name in lists if all(isinstance(one, RegionValue) for one in arguments[name])]
    properties = tool.Arguments.model_json_schema().get("properties", {}) if long else {}
    for name in long:
        forms = [properties.get(name, {}), *properties.get(name, {}).get("anyOf", ())]
        most = next((form["maxItems"] for form in forms if "maxItems" in form), None)
        if most is not None and len(arguments[name]) > most:
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
