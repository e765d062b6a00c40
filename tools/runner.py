"""Run the calls that a controller makes: check, run, write down, put into words.

A call that was done already is answered from the ledger, never done twice, so a turn that was cut
off can be gone through again. What the controller can mend, and what an expert could not do,
becomes an observation; a fault of ours stays an exception.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

from pydantic import ValidationError

from ..errors import ExpertFailed, ToolRetry, suggest
from ..memory.records import LABELS_READ
from .contracts import Experts, Recorded, Talk, Tool, ToolArguments, ToolContext, ToolResult, VisualMemory, Workspace
from .tracing import TracedExperts, span

SHOWN = 30  # how many handles a message lists
FAILED = "failed"  # the fact that names the error of a call that failed


class Ledger(Workspace, Protocol):
    """A workspace that writes down what tools find. `memory.workspace.LedgerWorkspace` is one."""

    def recorded(self, call_id: str) -> tuple[Recorded, str] | None:
        """What a call wrote down, and its observation; None where it was never done."""
        ...

    def record(
        self,
        call_id: str,
        tool: str,
        arguments: dict[str, Any],
        result: ToolResult,
        observe: Callable[[Recorded], str],
        *,
        turn: int | None = None,
        ok: bool = True,
    ) -> tuple[Recorded, str]:
        """Write a call down in one transaction: every draft gets its handle, then `observe` puts it into words."""
        ...


@dataclass(frozen=True)
class Observation:
    """What a call came to. `kind` names the error of a call that failed, and is None for one that did not."""

    text: str
    ok: bool
    recorded: Recorded
    seconds: float
    kind: str | None = None
    brief: str = ""  # the observation without coordinates
    references: Mapping[str, str] = field(default_factory=dict)  # what an answer may refer to


class ToolRunner:
    """Runs the tools of one conversation.

    `refers` says that the controller's answers refer to observations (see `agent.controllers.traits`).
    """

    def __init__(
        self,
        tools: Mapping[str, Tool[Any]],
        workspace: Ledger,
        experts: Experts,
        *,
        memory: VisualMemory | None = None,
        refers: bool = False,
    ) -> None:
        self.refers = refers
        self.tools = dict(tools)
        self.workspace = workspace
        self.context = ToolContext(workspace, TracedExperts(experts), memory)

    def run(
        self, call_id: str, name: str, arguments: dict[str, Any], turn: int, talk: Talk | None = None
    ) -> Observation:
        """Do a call, or answer it from the ledger where it was done before.

        Args:
            call_id: names the call within the conversation.
            name: the tool.
            arguments: as the controller wrote them, unchecked.
            turn: the turn that the call belongs to, for lineage.
            talk: what is being said around the call; tools that need the user's own word read it here.

        Returns:
            The observation; `ok` is False where the call must be mended or an expert failed.
        """
        begun = time.perf_counter()
        context = replace(self.context, talk=talk or Talk(turn), refers=self.refers)
        recorded, text = self.workspace.recorded(call_id) or self._do(call_id, name, arguments, context)
        kind = recorded.facts.get(FAILED)
        brief: str | None = None
        references = {} if kind is None else {"why": text.rstrip(".")}
        if kind is None and name in self.tools:
            tool = self.tools[name]
            tool.finish(recorded, context)
            brief, references = tool.brief(recorded), tool.references(recorded)
        return Observation(text, kind is None, recorded, time.perf_counter() - begun, kind, brief or text, references)

    def _do(self, call_id: str, name: str, arguments: dict[str, Any], context: ToolContext) -> tuple[Recorded, str]:
        """Run a tool and write down what it came to; a failure is written down, too, so it is answered once."""
        kept, ok = _plain(arguments), True
        try:
            tool = self._tool(name)
            checked = check_arguments(tool, kept, self.workspace.handles())
            kept = checked.model_dump(mode="json", exclude_unset=True)
            with span("tool", tool=name):
                result = tool.run(checked, context)
            if tool.reads:
                result = replace(result, facts=result.facts | {LABELS_READ: True})
            observe = partial(tool.observe, checked)
        except (ToolRetry, ExpertFailed) as error:
            ok, result, observe = False, ToolResult(facts={FAILED: error.kind}), partial(_words, error.message)
        return self.workspace.record(call_id, name, kept, result, observe, turn=context.talk.turn, ok=ok)

    def _tool(self, name: str) -> Tool[Any]:
        if name not in self.tools:
            raise ToolRetry(f"There is no tool {name!r}.{suggest(name, self.tools)}", kind="unknown_tool")
        return self.tools[name]


def check_arguments(tool: Tool[Any], arguments: dict[str, Any], handles: list[str]) -> ToolArguments:
    """The arguments of a call as the tool's pydantic model.

    Raises:
        ToolRetry: they do not fit; the message says what was wrong and what would fit, for each.
    """
    try:
        return tool.Arguments.model_validate(arguments)
    except ValidationError as error:
        complaints = dict.fromkeys(_complaint(tool, one, handles) for one in _told(error))
        raise ToolRetry(f"{tool.name}: {' '.join(complaints)}", kind="bad_arguments") from error


def _told(error: ValidationError) -> list[Any]:
    """The errors to tell: of an argument that may be one thing or a list, only those of the form that was given."""
    errors = error.errors(include_url=False)
    lists = {one["loc"][0] for one in errors if one["loc"] and isinstance(one["input"], list)}
    several = {one["loc"][0] for one in errors if len(one["loc"]) > 1}
    kept = [
        one
        for one in errors
        if not one["loc"]
        or one["loc"][0] not in several
        or (one["type"] != "list_type" and (one["type"] != "string_type" or one["loc"][0] not in lists))
    ]
    return kept or errors


def _complaint(tool: Tool[Any], error: Any, handles: list[str]) -> str:
    """One pydantic error in words."""
    where = _place(error["loc"])
    kind, given, limits = error["type"], error["input"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return f"There is no argument {where!r}.{suggest(where, tool.Arguments.model_fields)}"
    if kind == "missing":
        return f"`{where}` is missing.{_handles(handles) if where in ('image', 'regions') else ''}"
    if kind == "string_pattern_mismatch":
        return f"`{where}` was {_short(given)}, which is not a handle.{_handles(handles)}"
    if kind == "literal_error":
        return f"`{where}` was {_short(given)}; it must be {limits['expected']}."
    if kind in ("model_type", "dict_type"):
        return f"The arguments must be an object, not {_short(given)}."
    if kind in _WORDS:
        return f"`{where}` was {_short(given)}; it must {_WORDS[kind].format(**limits)}."
    why = str(limits["error"] if kind == "value_error" else error["msg"])
    return f"`{where}` was {_short(given)}: {why[:1].lower()}{why[1:]}."


_WORDS = {  # pydantic's kinds of errors, as the end of "it must ..."
    "string_type": "be a string",
    "string_too_short": "not be empty",
    "string_too_long": "have at most {max_length} characters",
    "int_type": "be a whole number",
    "int_parsing": "be a whole number",
    "int_from_float": "be a whole number",
    "float_type": "be a number",
    "float_parsing": "be a number",
    "finite_number": "be a finite number",
    "greater_than_equal": "be at least {ge}",
    "less_than_equal": "be at most {le}",
    "list_type": "be a list",
    "tuple_type": "be a pair of numbers",
    "too_short": "have at least {min_length} items",
    "too_long": "have at most {max_length} items",
}


def _place(loc: tuple[int | str, ...]) -> str:
    """Where in the arguments, as in `regions[0]`; pydantic's names of union members are left out."""
    text = str(loc[0]) if loc else "arguments"
    return text + "".join(f"[{part}]" for part in loc[1:] if isinstance(part, int))


def _handles(handles: list[str]) -> str:
    if not handles:
        return " There is no picture yet: ask for one."
    shown = handles if len(handles) <= SHOWN else ["...", *handles[-SHOWN:]]
    return f" Handles: {', '.join(shown)}."


def _short(value: Any, limit: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def _words(message: str, recorded: Recorded) -> str:
    """The observation of a failure: the error's own message."""
    return message


def _plain(arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments as JSON can hold them and UTF-8 can write them, whatever a model made up (NaN, half characters)."""
    try:
        text = json.dumps(arguments, ensure_ascii=False)
        return json.loads(text.encode("utf-8", "replace"), parse_constant=lambda name: f"{name} (no number)")
    except (ValueError, TypeError, RecursionError):
        return {"malformed": ascii(arguments)[:200]}
