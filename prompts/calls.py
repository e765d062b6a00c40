"""The one format in which local models write tool calls (the Hermes and Qwen one).

    THOUGHT
    <tool_call>
    {"name": "find_objects", "arguments": {"image": "img_1", "phrase": "red cube"}}
    </tool_call>

A text without such a block is an answer. Training, decoding and the loop all go through here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

OPEN = "<tool_call>"
CLOSE = "</tool_call>"
MAX_CALLS = 3

Call = tuple[str, dict[str, Any]]


class Parsed(NamedTuple):
    """What an assistant's text says. `error` tells the controller what was malformed, or is None."""

    thought: str
    calls: list[Call]
    error: str | None = None


def render_call(name: str, arguments: dict[str, Any]) -> str:
    """One call as JSON, with ", " and ": " between, as the grammar and the traces have it."""
    text = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False, separators=(", ", ": "))
    return text.replace("</", "<\\/")  # the same JSON string, but it cannot close the block


def render_assistant(thought: str, calls: Sequence[Call] = ()) -> str:
    """A whole assistant text: the thought, then a block a call; without calls it is the answer."""
    blocks = [f"{OPEN}\n{render_call(name, arguments)}\n{CLOSE}" for name, arguments in calls]
    return "\n".join([thought.strip(), *blocks] if thought.strip() else blocks)


def parse_assistant(text: str) -> Parsed:
    """Read an assistant's text.

    Well-formed calls are kept even where another block is malformed, so that nothing sensible is
    lost; `error` then says what was wrong with the first bad block, in words for the controller.
    """
    thought, found, rest = text.partition(OPEN)
    calls: list[Call] = []
    error: str | None = None
    while found:
        call, end, problem = _read_block(rest)
        if call is not None:
            calls.append(call)
        error = error or problem
        rest = rest[end:]
        _, found, rest = rest.partition(OPEN)
    if error is None and len(calls) > MAX_CALLS:
        error = f"{len(calls)} tool calls were made at once; at most {MAX_CALLS} are allowed."
    return Parsed(thought.replace(CLOSE, "").strip(), calls[:MAX_CALLS], error)


def _read_block(rest: str) -> tuple[Call | None, int, str | None]:
    """The call that `rest` begins with, where it ends in `rest`, and what was wrong with it."""
    start = len(rest) - len(rest.lstrip())
    try:
        value, end = json.JSONDecoder().raw_decode(rest, start)
    except (ValueError, RecursionError) as fault:  # a ValueError, too: a number with thousands of digits
        block = rest.partition(CLOSE)[0].partition(OPEN)[0]
        why = fault.msg if isinstance(fault, json.JSONDecodeError) else "nested too deeply, or a number too long"
        return None, len(block), f"A tool call was not valid JSON ({why}): {_short(block)}. {_EXPECTED}"
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return None, end, f"A tool call has no name: {_short(rest[start:end])}. {_EXPECTED}"
    arguments = value.get("arguments", {})
    if not isinstance(arguments, dict):
        return None, end, f"The arguments of {value['name']} are not an object: {_short(str(arguments))}. {_EXPECTED}"
    return (value["name"], arguments), end, None


_EXPECTED = 'Write {"name": TOOL, "arguments": {NAME: VALUE}} between ' + f"{OPEN} and {CLOSE}."


def _short(text: str, limit: int = 120) -> str:
    text = " ".join(text.split())
    return repr(text if len(text) <= limit else text[: limit - 3] + "...")
