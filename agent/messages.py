"""Small facts about a conversation's messages: where the turn began, what was called, the pictures line.

A *turn* begins with the person's message and ends with an answer that calls nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from ..prompts.references import split_request


def call_ids(messages: Sequence[BaseMessage], count: int) -> list[str]:
    """Ids for the next `count` tool calls: `call_1`, `call_2` ... through the conversation.

    They follow from the messages alone, so a model that is asked again after a crash gives the same
    ones, and whatever was already recorded for a call is found again.
    """
    made = sum(len(message.tool_calls) for message in messages if isinstance(message, AIMessage))
    return [f"call_{made + 1 + index}" for index in range(count)]


def turn_start(messages: Sequence[BaseMessage]) -> int:
    """The index of the message with which the last turn began (0 where there is none)."""
    for index in range(len(messages) - 1, -1, -1):
        if isinstance(messages[index], HumanMessage):
            return index
    return 0


def turns(messages: Sequence[BaseMessage]) -> int:
    """How many turns the conversation has, the running one included."""
    return sum(isinstance(message, HumanMessage) for message in messages)


def last_words(messages: Sequence[BaseMessage]) -> tuple[str, str | None]:
    """The person's own words of the running turn, and the answer with which the turn before ended (None: no such)."""
    start = turn_start(messages)
    said = split_request(messages[start].text)[1] if messages else ""
    before = messages[start - 1] if start > 0 else None
    return said, before.text if isinstance(before, AIMessage) and not before.tool_calls else None


def told_in(messages: Sequence[BaseMessage]) -> str:
    """All that the person said and that tools observed, a line each."""
    return "\n".join(message.text for message in messages if isinstance(message, HumanMessage | ToolMessage))


def calls_of_turn(messages: Sequence[BaseMessage]) -> list[Any]:
    """Every tool call of the last turn, in the order in which the controller wrote them."""
    return [
        call
        for message in messages[turn_start(messages) :]
        if isinstance(message, AIMessage)
        for call in message.tool_calls
    ]


def unanswered(messages: Sequence[BaseMessage]) -> list[Any]:
    """The tool calls of the conversation that no tool message answers."""
    answered = {message.tool_call_id for message in messages if isinstance(message, ToolMessage)}
    return [
        call
        for message in messages
        if isinstance(message, AIMessage)
        for call in message.tool_calls
        if call["id"] not in answered
    ]


def same_call(call: Any) -> str:
    """A name that two calls share when they are the very same: the tool and its arguments."""
    return json.dumps([call["name"], call["args"]], sort_keys=True, default=str)
