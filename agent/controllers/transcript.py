"""A conversation as a chat template takes it, and how it is made shorter when it does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from ..messages import split_request, turn_start

MOST_PICTURES = 8  # of turns that were left out: the newest are named, so that the line stays short


def for_template(messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
    """Messages as the `messages` of `apply_chat_template`, in the form that Hermes and Qwen templates read.

    Raises:
        TypeError: a message of another kind than system, human, ai and tool.
    """
    return [_one(message) for message in messages]


def _one(message: BaseMessage) -> dict[str, Any]:
    if isinstance(message, SystemMessage):
        return {"role": "system", "content": message.text}
    if isinstance(message, HumanMessage):
        return {"role": "user", "content": message.text}
    if isinstance(message, ToolMessage):
        return {"role": "tool", "name": message.name or "", "content": message.text}
    if isinstance(message, AIMessage):
        turn: dict[str, Any] = {"role": "assistant", "content": message.text}
        if message.tool_calls:
            turn["tool_calls"] = [
                {"type": "function", "function": {"name": one["name"], "arguments": one["args"]}}
                for one in message.tool_calls
            ]
        return turn
    raise TypeError(f"a chat template has no place for a {type(message).__name__}")


def shorten(messages: Sequence[BaseMessage]) -> list[BaseMessage] | None:
    """Leave out the oldest part of a conversation that does not fit into the controller's context.

    The rule: the oldest whole turn goes, and then the next one; the system message stays, and the
    pictures that a dropped turn brought are named in the first request that is kept, so that every
    picture can still be spoken of. When only the running turn is left, its oldest steps go (a
    message with calls together with their observations), but the newest step and the request stay.
    None when nothing more can go. What is kept on disk is never shortened.
    """
    head = [message for message in messages if isinstance(message, SystemMessage)]
    rest = [message for message in messages if not isinstance(message, SystemMessage)]
    starts = [index for index, message in enumerate(rest) if isinstance(message, HumanMessage)]
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
