"""The agent loop: LangChain's `create_agent` with one middleware of ours.

All our rules sit in two hooks, `wrap_model_call` and `wrap_tool_call`: they cost no graph step and no
checkpoint. What a turn needs (the conversation's runner, who listens) comes in as the graph's
runtime context, which is never saved; messages hold words and handles only.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, cast

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt.tool_node import ToolCallRequest

from ..errors import UserError
from ..memory.records import ASKED
from ..prompts.other_calls import calls_in
from ..prompts.references import filled
from ..tools.contracts import MARKS, Talk, Tool, ToolResult, without_marks
from ..tools.pool import PoolEvent
from ..tools.runner import ToolRunner
from .answers.check import Problem, problems
from .answers.mending import complaint, marked
from .answers.references import references_of
from .call_order import OrderedWorkspace
from .events import Event, ExpertSaid, ExpertWorking, Loading, StepFinished, StepStarted
from .messages import call_ids, calls_of_turn, last_words, same_call, told_in, turn_start
from .reply import Step
from .shown_pictures import show_pictures
from .status import ENDED, REFUSALS

LIMIT_TEXT = "I stopped after {steps} steps without an answer. Ask for less at once, or raise `max_steps`."
FULL_TEXT = (
    "I stopped after {steps} steps without an answer: what they found is more than the controller can take in. "
    "Ask for less at once, or use a controller with a longer context."
)
TOLD = 2  # times that a model is told the same before it is asked for its answer
EMPTY_TEXT = "I have no answer to that."
REPEAT_TEXT = (
    "This very call was already made {times} times in this turn, and its result will not change. "
    "Use what was observed, call something else, or answer."
)


# Who hears of models that load in this thread: the pool is shared by all conversations.
_listener: ContextVar[Callable[[Event], None] | None] = ContextVar("listener", default=None)


def tell_loading(event: PoolEvent) -> None:
    """Pass on, to the turn that waits for it, that an expert is being loaded, or what it says as it says it."""
    emit = _listener.get()
    if emit is not None and event.stage == "loading":
        emit(Loading(f"{event.role} {event.spec}"))
    elif emit is not None and event.stage == "said":
        emit(ExpertSaid(event.role, event.text))
    elif emit is not None and event.progress is not None:
        emit(ExpertWorking(event.role, event.progress.done, event.progress.of, event.progress.preview))


@contextlib.contextmanager
def heard_by(hear: Callable[[Event], None]) -> Iterator[None]:
    """Have what experts tell while they work in this thread told to `hear`, too, where no turn listens."""
    token = _listener.set(hear)
    try:
        yield
    finally:
        _listener.reset(token)


class TurnCancelled(Exception):
    """The person who asked does not want the turn any more."""


@dataclass
class TurnContext:
    """What one turn needs and no checkpoint keeps."""

    workspace: OrderedWorkspace
    runner: ToolRunner
    number: int  # the turn, counted from 1
    emit: Callable[[Event], None] | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """Stop here if the turn was cancelled. Raises TurnCancelled."""
        if self.cancelled.is_set():
            raise TurnCancelled


class TurnRules(AgentMiddleware[Any, TurnContext, Any]):
    """Limits, handles for constrained models, pictures for models that can see, and every tool call.

    Args:
        max_steps: how often a turn may ask the model with tools; then it is asked once more without.
        max_repeats: how often the very same call may be made in one turn.
        sees: whether the controller is shown the pictures (a transient message, never saved).
        takes_handles: whether the model takes the conversation's handles (`LocalChatModel` does).
        refers: whether its answers refer to observations (see `answers.references`), and it needs no telling.
        vocabulary: the words of its answers, where it was taught no others.
        names: of the tools.
    """

    def __init__(
        self,
        *,
        max_steps: int,
        max_repeats: int,
        sees: bool = False,
        takes_handles: bool = False,
        refers: bool = False,
        vocabulary: Collection[str] | None = None,
        names: Collection[str] = (),
    ) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.refers = refers
        self.names = frozenset(names)
        self.max_steps = max_steps
        self.max_repeats = max_repeats
        self.sees = sees
        self.takes_handles = takes_handles

    def wrap_model_call(
        self, request: ModelRequest[TurnContext], handler: Callable[[ModelRequest[TurnContext]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        """Ask the model, within the limits of a turn."""
        turn = request.runtime.context
        turn.check()
        messages = request.messages
        steps = sum(isinstance(message, AIMessage) for message in messages[turn_start(messages) :])
        last = steps >= self.max_steps or _goes_in_circles(messages)
        changes: dict[str, Any] = {}
        if last:
            changes["tools"] = []
        elif self.takes_handles:
            changes["model_settings"] = {"handles": turn.workspace.handles(), "check": turn.check}
        if self.sees:
            changes["messages"] = show_pictures(messages, turn.workspace)
        if turn.emit and not getattr(request.model, "ready", True):
            turn.emit(Loading(f"controller {getattr(request.model, 'spec', '')}".strip()))
        request = request.override(**changes) if changes else request
        try:
            answer = self._asked(request, handler)
            found = [] if answer.tool_calls else self._problems(answer, messages, turn)
            if found:
                answer, found = self._asked_again(request, handler, answer, found)
        except UserError as error:
            if error.kind != "context_too_long" or not steps:  # without a step it is the request itself
                raise
            return ModelResponse([_ended(FULL_TEXT.format(steps=steps), "context_full")])
        if last and answer.tool_calls:
            return ModelResponse([_ended(LIMIT_TEXT.format(steps=steps), "too_many_steps", answer.id)])
        return ModelResponse([marked(answer, found, messages) if found else answer])

    def _asked(
        self, request: ModelRequest[TurnContext], handler: Callable[[ModelRequest[TurnContext]], ModelResponse[Any]]
    ) -> AIMessage:
        """What the model says, fit to go on with; calls that it wrote in another form are calls."""
        answer = handler(request).result[0]
        assert isinstance(answer, AIMessage)
        if not answer.tool_calls and not answer.invalid_tool_calls and request.tools:
            parsed = calls_in(answer.text, self.names)
            if parsed.calls:
                calls: Any = [{"name": n, "args": a, "id": "", "type": "tool_call"} for n, a in parsed.calls]
                answer = AIMessage(content=parsed.thought, tool_calls=calls, id=answer.id)
        return mend(answer, request.messages)

    def _problems(self, answer: AIMessage, messages: Sequence[BaseMessage], turn: TurnContext) -> list[Problem]:
        return problems(answer.text, messages, turn.workspace.handles(), self.vocabulary, sees=self.sees)

    def _asked_again(
        self,
        request: ModelRequest[TurnContext],
        handler: Callable[[ModelRequest[TurnContext]], ModelResponse[Any]],
        answer: AIMessage,
        found: list[Problem],
    ) -> tuple[AIMessage, list[Problem]]:
        """Once more, the model being told why; where its decoding is ours and it must look, it can only call."""
        settings = request.model_settings
        if found[0].kind == "no_look" and self.takes_handles and request.tools:
            settings = settings | {"must_call": True}
        told = [] if self.refers else [AIMessage(content=answer.text), complaint(found)]
        if self.refers and settings == request.model_settings:
            return answer, found  # it would say the same
        again = self._asked(request.override(messages=[*request.messages, *told], model_settings=settings), handler)
        return again, [] if again.tool_calls else self._problems(again, request.messages, request.runtime.context)

    def wrap_tool_call(self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Any]) -> ToolMessage:
        """Run one call through the conversation's `ToolRunner`; whatever fails is an observation."""
        turn = cast("TurnContext", request.runtime.context)
        turn.check()
        messages: list[BaseMessage] = request.state["messages"]
        call = _filled(request.tool_call, messages, turn.runner.tools)
        writer = messages[-1]
        thought = writer.text if isinstance(writer, AIMessage) and writer.tool_calls[0]["id"] == call["id"] else ""
        if turn.emit:
            turn.emit(StepStarted(str(call["id"]), call["name"], call["args"], thought))
        workspace = turn.workspace
        together = [str(one["id"]) for one in writer.tool_calls] if isinstance(writer, AIMessage) else []
        workspace.begin(str(call["id"]), together[: together.index(str(call["id"]))])
        try:
            message = self._run(turn, call, messages)
        finally:
            workspace.end(str(call["id"]))
        if call is not request.tool_call:
            message.artifact["arguments"] = call["args"]
        if turn.emit:
            turn.emit(StepFinished(str(call["id"]), step_of(thought, call, message)))
        return message

    def _run(self, turn: TurnContext, call: Any, messages: list[BaseMessage]) -> ToolMessage:
        same, made = same_call(call), 0
        for earlier in calls_of_turn(messages):
            if earlier["id"] == call["id"]:
                break
            made += same_call(earlier) == same
        if made >= self.max_repeats:
            return self._refuse(turn, call, REPEAT_TEXT.format(times=made), "repeated_call")
        token = _listener.set(turn.emit)
        try:
            talk = Talk(turn.number, *last_words(messages), told=told_in(messages))
            seen = turn.runner.run(str(call["id"]), call["name"], call["args"], turn.number, talk)
        finally:
            _listener.reset(token)
        pictures = [picture.handle for picture in seen.recorded.pictures]
        asked = ASKED in seen.recorded.facts
        return tool_message(
            call, seen.text, ok=seen.ok, kind=seen.kind, seconds=seen.seconds, pictures=pictures, asked=asked,
            brief=seen.brief, references=seen.references,
        )  # fmt: skip

    @staticmethod
    def _refuse(turn: TurnContext, call: Any, text: str, kind: str) -> ToolMessage:
        nothing = ToolResult(facts={"kind": kind})
        turn.workspace.record(
            str(call["id"]),
            turn=turn.number,
            tool=call["name"],
            arguments=call["args"],
            result=nothing,
            observe=lambda _: text,
            ok=False,
        )
        return tool_message(call, text, ok=False, kind=kind)


def _goes_in_circles(messages: Sequence[BaseMessage]) -> bool:
    """Whether to ask for the answer now: it was told often that it repeats itself, or that no model knows these."""
    turn = messages[turn_start(messages) :]
    kinds = [(one.artifact or {}).get("kind") for one in turn if isinstance(one, ToolMessage)]
    return kinds.count("repeated_call") >= TOLD or sum(kind in REFUSALS for kind in kinds) > TOLD


def _filled(call: Any, messages: Sequence[BaseMessage], tools: Mapping[str, Tool[Any]]) -> Any:
    """A call with what its sums refer to put in; other arguments are as they were written."""
    sums = tools[call["name"]].sums() if call["name"] in tools else frozenset[str]()
    known = references_of(messages)
    args = {
        name: filled(value, known) if name in sums and isinstance(value, str) else value
        for name, value in call["args"].items()
    }
    return call if args == call["args"] else {**call, "args": args}


def _ended(text: str, why: str, id: str | None = None) -> AIMessage:
    """The answer of a turn that the loop ends, not the controller."""
    return AIMessage(content=text, id=id, additional_kwargs={ENDED: why})


def tool_message(
    call: Any,
    text: str,
    *,
    ok: bool,
    kind: str | None = None,
    seconds: float = 0.0,
    pictures: Sequence[str | None] = (),
    asked: bool = False,
    brief: str = "",
    references: Mapping[str, str] | None = None,
) -> ToolMessage:
    """An observation as a message. What the reply needs besides the words is in its artifact: JSON values only."""
    return ToolMessage(
        content=text,
        name=call["name"],
        tool_call_id=call["id"],
        status="success" if ok else "error",
        artifact={"seconds": round(seconds, 4), "pictures": list(pictures), "kind": kind, "brief": brief or text}
        | ({"references": dict(references)} if references else {})
        | ({"asked": True} if asked else {}),
    )


def step_of(thought: str, call: Any, message: ToolMessage) -> Step:
    """A call and its observation as the reply shows them."""
    facts = message.artifact or {}
    return Step(
        thought,
        call["name"],
        facts.get("arguments", call["args"]),
        message.text,
        facts.get("seconds", 0.0),
        message.status != "error",
    )


def mend(answer: AIMessage, messages: Sequence[BaseMessage]) -> AIMessage:
    """Make a model's message fit to go on with; almost always it is given back as it is.

    A call that was no valid JSON becomes a call whose wrong arguments the runner will answer; ids
    that are missing or were used before are replaced; an empty answer gets words.
    """
    if answer.invalid_tool_calls:
        broken = [
            {"name": one["name"] or "unknown", "args": {"malformed": (one["args"] or "")[:200]}, "id": one["id"]}
            for one in answer.invalid_tool_calls
        ]
        several = [*answer.tool_calls, *({**one, "type": "tool_call"} for one in broken)]
        answer = AIMessage(content=answer.content, tool_calls=several, id=answer.id)
    if not answer.tool_calls:
        return answer if answer.text.strip() else _ended(EMPTY_TEXT, "empty_answer", answer.id)
    used = {one["id"] for message in messages if isinstance(message, AIMessage) for one in message.tool_calls}
    own = [one["id"] for one in answer.tool_calls]
    if all(own) and len(set(own)) == len(own) and used.isdisjoint(own):
        return answer
    fresh = call_ids(messages, len(own))
    fresh = [f"{id}_again" if id in used else id for id in fresh]
    renamed = [{**one, "id": id} for one, id in zip(answer.tool_calls, fresh, strict=True)]
    return answer.model_copy(update={"tool_calls": renamed})


def tool_schemas(tools: Mapping[str, Tool[Any]], *, keep_handles: bool) -> list[dict[str, Any]]:
    """The tools in OpenAI's form, as `bind_tools` of every chat model takes them.

    Args:
        tools: by name.
        keep_handles: keep the marks "x-handle" and "x-words" of arguments, which only our grammar understands.
    """
    return [
        {
            "type": "function",
            "function": {
                "name": name,
                "description": tool.describe(),
                "parameters": without_marks(tool.Arguments.model_json_schema(), {"title"} if keep_handles else MARKS),
            },
        }
        for name, tool in tools.items()
    ]


def build_graph(
    model: BaseChatModel,
    tools: list[dict[str, Any]],
    rules: TurnRules,
    checkpointer: BaseCheckpointSaver[Any],
    system_prompt: str | None,
) -> CompiledStateGraph[Any, Any, Any, Any]:
    """The compiled loop. Tools are given as schemas only: the middleware runs every call itself."""
    return create_agent(
        model,
        tools,
        system_prompt=system_prompt,
        middleware=[rules],
        context_schema=TurnContext,
        checkpointer=checkpointer,
    )
