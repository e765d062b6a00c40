"""A conversation as a chat template takes it, and how it is made shorter when it does not fit."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from ...prompts.calls import render_assistant
from ...prompts.references import split_request
from ..answers.references import WRITTEN
from ..messages import turn_start

MOST_PICTURES = 8  # of turns that were left out: the newest are named, so that the line stays short


class Form(NamedTuple):
    """What a chat template can say. Where it cannot, the words go into a message that it has."""

    system: bool = True  # a message of the role "system"
    calls: bool = True  # the calls of an assistant's message
    tools: bool = True  # a message of the role "tool"


ALL = Form()


def form_of(render: Callable[[list[dict[str, Any]]], str]) -> Form:
    """What a template can say, by trying.

    Args:
        render: the template, which takes messages and may raise whatever it likes.
    """

    def shows(mark: str, *messages: dict[str, Any]) -> bool:
        try:
            return mark in render(list(messages))
        except Exception:  # Jinja's errors, a template's own, or a tokenizer's: all say that it cannot
            return False

    asked = {"role": "user", "content": "hi"}
    call = {"type": "function", "function": {"name": "xylophone", "arguments": {"a": 1}}}
    called = {"role": "assistant", "content": "", "tool_calls": [call]}
    return Form(
        system=shows("zither", {"role": "system", "content": "zither"}, asked),
        calls=shows("xylophone", asked, called),
        tools=shows("zither", asked, called, {"role": "tool", "name": "xylophone", "content": "zither"}),
    )


def for_template(
    messages: Sequence[BaseMessage], form: Form = ALL, *, references: bool = False
) -> list[dict[str, Any]]:
    """Messages as the `messages` of `apply_chat_template`, in the form that Hermes and Qwen templates read.

    Args:
        messages: of the kinds system, human, ai and tool.
        form: what the template can say.
        references: observations are given in brief, and answers as they were written, with their references.

    Raises:
        TypeError: a message of another kind.
    """
    made = [_one(message, form, references) for message in messages]
    if not form.system and isinstance(messages[0], SystemMessage):
        told = made.pop(0)["content"]
        if made and isinstance(messages[1], HumanMessage):
            made[0] = made[0] | {"content": f"{told}\n\n{made[0]['content']}"}
    return made if form.tools else _joined(made)


def _one(message: BaseMessage, form: Form, references: bool) -> dict[str, Any]:
    if isinstance(message, SystemMessage):
        return {"role": "system", "content": message.text}
    if isinstance(message, HumanMessage):
        return {"role": "user", "content": message.text}
    if isinstance(message, ToolMessage):
        text = (message.artifact or {}).get("brief", message.text) if references else message.text
        if not form.tools:
            return {"role": "user", "content": f"<tool_response>\n{text}\n</tool_response>"}
        return {"role": "tool", "name": message.name or "", "content": text}
    if isinstance(message, AIMessage):
        text = message.additional_kwargs.get(WRITTEN, message.text) if references else message.text
        turn: dict[str, Any] = {"role": "assistant", "content": text}
        if message.tool_calls and not form.calls:
            turn["content"] = render_assistant(text, [(one["name"], one["args"]) for one in message.tool_calls])
        elif message.tool_calls:
            turn["tool_calls"] = [
                {"type": "function", "function": {"name": one["name"], "arguments": one["args"]}}
                for one in message.tool_calls
            ]
        return turn
    raise TypeError(f"a chat template has no place for a {type(message).__name__}")


def _joined(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Messages of one role after another as one: templates without tools want user and assistant in turn."""
    made: list[dict[str, Any]] = []
    for message in messages:
        if made and made[-1]["role"] == message["role"] == "user":
            made[-1] = made[-1] | {"content": f"{made[-1]['content']}\n{message['content']}"}
        else:
            made.append(message)
    return made


def shorten(messages: Sequence[BaseMessage], *, condense: bool = True) -> list[BaseMessage] | None:
    """Condense the oldest part of a conversation that does not fit into the controller's context.

    The rule: of the oldest turn its steps go, so that what was asked and answered stays; then those of the next one
    (with `condense`: a model that was taught whole turns alone is confused by it).
    Where that is not enough, whole turns go, the oldest first; the system message stays, and the pictures that a
    dropped turn brought are named in the first request that is kept, so that every picture can still be spoken of.
    When only the running turn is left, its oldest steps go (a message with calls together with their observations),
    but the newest step and the request stay. None when nothing more can go. What is kept on disk is never shortened.
    """
    head = [message for message in messages if isinstance(message, SystemMessage)]
    rest = [message for message in messages if not isinstance(message, SystemMessage)]
    starts = [index for index, message in enumerate(rest) if isinstance(message, HumanMessage)]
    for start, end in itertools.pairwise(starts) if condense else ():
        if end - start > 2:  # steps, and not only a request and its answer
            answer = AIMessage(content=rest[end - 1].text)  # in words: what it refers to is gone
            return [*head, *rest[: start + 1], answer, *rest[end:]]
    if len(starts) > 1 and starts[0] == 0:
        kept = list(rest[starts[1] :])
        kept[0] = _with_pictures(rest[0], kept[0])
        return [*head, *kept]
    begin = turn_start(rest)
    steps = [index for index in range(begin + 1, len(rest)) if isinstance(rest[index], AIMessage)]
    if len(steps) > 1:
        return [*head, *rest[: begin + 1], *rest[steps[1] :]]
    return None


def _with_pictures(dropped: BaseMessage, kept: BaseMessage) -> BaseMessage:
    """The kept request, its pictures line led by the pictures of the dropped one."""
    old, _ = split_request(dropped.text)
    if not old:
        return kept
    new, words = split_request(kept.text)
    pictures = [part for line in (old, new) for part in line.split(", ") if part]
    named = ", ".join(list(dict.fromkeys(pictures))[-MOST_PICTURES:])
    return HumanMessage(content=f"Pictures: {named}.\n{words}", id=kept.id)
