"""A controller that plays back a script: for the tests of this project and for users' own.

>>> from saccade import Agent
>>> from saccade.testing import ScriptedController, call, calls
>>> controller = ScriptedController([
...     call("find_objects", image="img_1", phrase="red cube"),
...     "There are 2 red cubes: reg_1, reg_2.",
... ])
>>> Agent(controller=controller).chat().send("How many red cubes are there?", images=["table.png"])

One entry of the script is one turn of the model: a string (the answer), one `call`, several calls at
once (`calls(...)` or a list), or a function that is given the messages and returns any of these. The
whole script may be one function too: it is then asked for every turn and is never used up.

The same as a file, for `script:FILE.json`: a JSON list of strings and of objects
`{"thought": "...", "calls": [{"name": "find_objects", "arguments": {"image": "img_1"}}]}`.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from pydantic import Field, PrivateAttr

from ...errors import UserError
from ...settings import ControllerSettings, ModelSpec
from ..messages import call_ids


@dataclass(frozen=True)
class Call:
    """One tool call of a script."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Calls:
    """Several calls in one turn of the model, after a thought."""

    calls: tuple[Call, ...]
    thought: str = ""


Turn = str | Call | Calls | Sequence[Call]
Step = Turn | Callable[[list[BaseMessage]], Turn]
Script = Sequence[Step] | Callable[[list[BaseMessage]], Turn]


def call(name: str, **arguments: Any) -> Call:
    """A call of the tool `name`; nothing is checked, so that wrong calls can be scripted too."""
    return Call(name, arguments)


def calls(*several: Call, thought: str = "") -> Calls:
    """Calls that the controller makes at once, after a `thought` in words."""
    return Calls(tuple(several), thought)


def read_script(path: Path) -> list[Step]:
    """Read the script of a `script:FILE.json` controller.

    Raises:
        UserError: the file is missing, is not JSON, or does not have the form that this module describes.
    """
    try:
        entries = json.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UserError(f"The script {str(path)!r} cannot be read: {error}.", kind="bad_script") from error
    if not isinstance(entries, list):
        raise UserError(f"The script {str(path)!r} must hold a JSON list of turns.", kind="bad_script")
    return [_entry(entry, path) for entry in entries]


def _entry(entry: Any, path: Path) -> Turn:
    if isinstance(entry, str):
        return entry
    try:
        several = [Call(str(one["name"]), dict(one.get("arguments", {}))) for one in entry["calls"]]
        return Calls(tuple(several), str(entry.get("thought", "")))
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise UserError(
            f"A turn of the script {str(path)!r} is {entry!r}: write a string (the answer) or "
            '{"thought": "...", "calls": [{"name": "...", "arguments": {...}}]}.',
            kind="bad_script",
        ) from error


class ScriptedController(BaseChatModel):
    """A LangChain chat model that answers from a script, in order, whatever it is asked.

    Args:
        script: the turns, or one function of the messages that makes them.

    `seen` keeps the messages of every request, `offered` the names of the tools that came with it, so
    that a test can look at what the controller was shown.

    Raises:
        UserError: (`kind` "script_used_up") it was asked for more turns than the script has.
    """

    seen: list[list[BaseMessage]] = Field(default_factory=list)
    offered: list[list[str]] = Field(default_factory=list)

    _script: Script = PrivateAttr()
    _played: int = PrivateAttr(default=0)
    _lock: Any = PrivateAttr(default_factory=threading.Lock)

    def __init__(self, script: Script, **options: Any) -> None:
        super().__init__(**options)
        self._script = script if callable(script) else list(script)

    @classmethod
    def from_file(cls, path: Path | str) -> ScriptedController:
        """The controller that `script:FILE.json` names. Raises UserError as `read_script` does."""
        return cls(read_script(Path(path).expanduser()))

    @property
    def played(self) -> int:
        """How many turns were played."""
        return self._played

    @property
    def _llm_type(self) -> str:
        return "saccade-scripted"

    def bind_tools(self, tools: Sequence[Any], *, tool_choice: Any = None, **kwargs: Any) -> Runnable[Any, AIMessage]:
        """Accept tools as every chat model does; they are only noted in `offered`."""
        return self.bind(tools=tools, **kwargs)

    def _next(self, messages: list[BaseMessage], tools: Sequence[Any]) -> AIMessage:
        with self._lock:
            self.seen.append(list(messages))
            self.offered.append([_name(tool) for tool in tools])
            position = self._played
            self._played += 1
        step: Any
        if callable(self._script):
            step = self._script
        elif position < len(self._script):
            step = self._script[position]
        else:
            raise UserError(
                f"The script has {len(self._script)} turns and all of them were played; the controller was asked "
                f"once more, after: {messages[-1].text[:200]!r}. Add a turn to the script.",
                kind="script_used_up",
            )
        while callable(step):
            step = step(messages)
        return _message(step, messages)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._next(messages, kwargs.get("tools") or ()))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        message = self._next(messages, kwargs.get("tools") or ())
        for word in re.findall(r"\s*\S+\s*$|\s*\S+", message.text):
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=word))
            if run_manager:
                run_manager.on_llm_new_token(word, chunk=chunk)
            yield chunk
        last = AIMessageChunk(content="", tool_calls=message.tool_calls, chunk_position="last")
        yield ChatGenerationChunk(message=last)


def load(spec: ModelSpec, settings: ControllerSettings) -> ScriptedController:
    """The controller `script:FILE.json`. Raises UserError as `read_script` does."""
    return ScriptedController.from_file(spec.name)


def _name(tool: Any) -> str:
    return tool["function"]["name"] if isinstance(tool, dict) else tool.name


def _message(step: Any, messages: list[BaseMessage]) -> AIMessage:
    if isinstance(step, str):
        return AIMessage(content=step)
    if isinstance(step, Call):
        step = Calls((step,))
    elif not isinstance(step, Calls):
        step = Calls(tuple(step))
    ids = call_ids(messages, len(step.calls))
    return AIMessage(
        content=step.thought,
        tool_calls=[
            {"name": one.name, "args": one.arguments, "id": id, "type": "tool_call"}
            for one, id in zip(step.calls, ids, strict=True)
        ],
    )
