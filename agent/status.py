"""How a turn ended: answered, declined, asked back, or failed. For scripts, which cannot tell that from words.

It is told from what happened in the turn. Only where nothing was done at all, words decide: of a controller that called
no tool, whether it asks for something or says that it cannot.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

Status = Literal["answered", "declined", "asked_back", "failed"]

ENDED = "ended"  # in a message's additional_kwargs: the loop ended the turn, not the controller, and why
# Failures that the controller mends by itself; the others are told to the person as warnings.
OWN_AFFAIRS = {None, "tool_retry", "unknown_tool", "bad_arguments", "unknown_handle", "repeated_call", "not_asked_for"}
REFUSALS = {"unfamiliar_picture", "no_memory", "bad_profile", "missing_weights", "missing_program", "unknown_words"}
_ASKS = re.compile(r"\?\W*$|^\W*please (?:send|name|give|say|tell|show)\b", re.IGNORECASE)
_CANNOT = re.compile(r"\b(?:can ?not|can['’]t|(?:un|not )able to|(?:do not|don['’]t) know how)\b", re.IGNORECASE)


def status_of(turn: Sequence[BaseMessage]) -> Status:
    """The status of a turn that is over.

    `failed`: it was stopped, ran into a limit, or every call of it failed. `declined`: what was asked for cannot be had
    here: no model knows such pictures, a model or a program is missing, or the controller called nothing and says that
    it cannot. `asked_back`: a tool waits for the user's word, or the controller called nothing and asks for something.

    Args:
        turn: its messages, from the person's to the answer.
    """
    answer = turn[-1]
    seen = [message for message in turn if isinstance(message, ToolMessage)]
    facts: list[dict[str, Any]] = [message.artifact or {} for message in seen]
    if not isinstance(answer, AIMessage) or ENDED in answer.additional_kwargs:
        return "failed"
    if any(one.get("asked") for one in facts):
        return "asked_back"
    if any(message.status != "error" for message in seen):
        return "answered"
    if any(one.get("kind") in REFUSALS for one in facts):
        return "declined"
    if asks(answer.text):
        return "asked_back"
    if seen:
        return "failed"
    return "declined" if cannot(answer.text) else "answered"


def asks(text: str) -> bool:
    """Whether an answer asks for something."""
    return bool(_ASKS.search(text))


def cannot(text: str) -> bool:
    """Whether an answer says that something cannot be done."""
    return bool(_CANNOT.search(text))
