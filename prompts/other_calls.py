"""Calls that a model wrote in a form of its own: fenced or bare JSON, Python, the markers of other families.

Models that know tools were taught many forms, and under a prompt that asks for another one go back to theirs. A text is
read as calls only where it names tools that were offered.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Collection
from typing import Any

from .calls import MAX_CALLS, Call, Parsed

_MARKERS = re.compile(
    r"```(?:json|python|tool_call|tool_code|xml)?|</?(?:tool_calls?|function(?:=[\w.-]+)?|call)>|<\|?(?:python_tag|tool_call\w*)\|?>|"
    r"\[/?TOOL_CALLS\]|functools",
)
_BEGINS = re.compile(r"[{\[]|(?<![\w.])([A-Za-z_]\w*)\(")  # where a call may begin
_NAMED = re.compile(r"<function=([\w.-]+)>")
_NAMES = ("name", "tool", "tool_name", "function", "action")
_ARGUMENTS = ("arguments", "parameters", "args", "input", "action_input", "tool_input", "kwargs")


def calls_in(text: str, tools: Collection[str]) -> Parsed:
    """The calls of known tools that a text has in any known form, at most `MAX_CALLS`, and what else it says."""
    calls: list[Call] = []
    left: list[str] = []
    kept = tried = 0  # up to where the text is kept as it is, and up to where it was looked at
    for match in _BEGINS.finditer(text):
        if match.start() < tried:
            continue
        begins = _python if match[1] else _json
        found = begins(text, match.start(), tools)
        if found is not None:
            left.append(text[kept : match.start()])
            calls += found[0]
            kept = tried = found[1]
        if len(calls) >= MAX_CALLS:
            break
    if not calls:
        return Parsed(text, [])
    left.append(text[kept:])
    return Parsed(_MARKERS.sub(" ", "".join(left)).strip(" \n,[]"), calls[:MAX_CALLS])


def _json(text: str, place: int, tools: Collection[str]) -> tuple[list[Call], int] | None:
    """The calls of the JSON value that begins at a place, and where it ends; None where it is none of calls."""
    try:
        value, end = json.JSONDecoder().raw_decode(text, place)
    except (ValueError, RecursionError):
        return None
    calls = _calls_of(value, tools)
    if calls:
        return calls, end
    before = _NAMED.match(text, max(0, text.rfind("<function=", 0, place)))  # <function=NAME>{...}
    if before and before.end() == place and before[1] in tools and isinstance(value, dict):
        return [(before[1], value)], end
    return None


def _calls_of(value: Any, tools: Collection[str]) -> list[Call]:
    if isinstance(value, list):
        return [call for one in value for call in _calls_of(one, tools)]
    if not isinstance(value, dict):
        return []
    for key in ("tool_calls", "calls", "function"):
        if isinstance(value.get(key), list | dict):
            return _calls_of(value[key], tools)
    name = next((value[key] for key in _NAMES if isinstance(value.get(key), str)), None)
    if name not in tools:
        only = next(iter(value)) if len(value) == 1 else None  # {"find_objects": {...}}
        inner = value[only] if only in tools else None
        return [(str(only), inner)] if isinstance(inner, dict) else []
    arguments: Any = next((value[key] for key in _ARGUMENTS if key in value), None)
    if arguments is None:  # the arguments beside the name
        arguments = {key: one for key, one in value.items() if key not in (*_NAMES, "type", "id")}
    if isinstance(arguments, str):  # as OpenAI's protocol has it
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError):
            return []
    return [(str(name), arguments)] if isinstance(arguments, dict) else []


def _python(text: str, place: int, tools: Collection[str]) -> tuple[list[Call], int] | None:
    """The call `name(key=value)` that begins at a place; its values are literals, and nothing is ever run."""
    name, _, _ = text[place:].partition("(")
    if name not in tools:
        return None
    end = place + len(name)
    for _ in range(8):  # a bracket inside a string ends too early
        end = text.find(")", end) + 1
        if not end:
            return None
        try:
            node = ast.parse(text[place:end], mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        if not isinstance(node, ast.Call) or node.args or any(one.arg is None for one in node.keywords):
            return None
        try:
            arguments = {str(one.arg): ast.literal_eval(one.value) for one in node.keywords}
            json.dumps(arguments)
        except (ValueError, TypeError, RecursionError):
            return None
        return [(name, arguments)], end
    return None
