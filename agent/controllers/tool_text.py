"""Tools in few words: one line a tool, as a signature, for models that read of them in the system message.

A JSON schema of fourteen tools takes a language model thousands of tokens to read, which on a CPU is most of the
time of a turn; what it may write the grammar knows anyway (`.grammar`), or the tool's own check says (`tools.runner`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ... import prompts

LISTED = 9  # of an argument's values; where there are more, the first ones and "..."
SUMMARY = 200  # characters of what a tool is for


def with_tools(system: str, tools: Iterable[Mapping[str, Any]]) -> str:
    """A system message with the tools after it, and how a call is written; the message alone where there are none."""
    lines = [tool_line(tool["function"]) for tool in tools]
    if not lines:
        return system
    return "\n\n".join([*([system] if system else []), prompts.render("calls", tools="\n".join(lines))])


def tool_line(function: Mapping[str, Any]) -> str:
    """A tool as `- crop_image(image, background?: keep|transparent, margin?): Make a new picture of a region.`"""
    parameters = function.get("parameters") or {}
    required = set(parameters.get("required", ()))
    named = parameters.get("$defs", {})
    arguments = [
        f"{name}{'' if name in required else '?'}{_values(schema, named)}"
        for name, schema in parameters.get("properties", {}).items()
    ]
    return f"- {function['name']}({', '.join(arguments)}): {summary(function.get('description', ''))}"


def summary(description: str) -> str:
    """The first lines of a description, as far as `SUMMARY` characters and a whole sentence go, without the example."""
    text = " ".join(description.partition("\nExample:")[0].split())
    if len(text) <= SUMMARY:
        return text
    cut = text[:SUMMARY].rpartition(". ")[0]
    return f"{cut}." if cut else f"{text[: SUMMARY - 3]}..."


def _values(schema: Mapping[str, Any], named: Mapping[str, Any]) -> str:
    """What an argument may be, where that is not plain from its name: ": [left of|right of]", ": [...]", or nothing."""
    if "$ref" in schema:
        return _values(named[schema["$ref"].rpartition("/")[2]], named)
    options = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    if len(options) > 1:
        return ": one or a list" if any(one.get("type") == "array" for one in options) else ""
    if options:
        return _values(options[0], named)
    if "enum" in schema:
        shown = [str(value) for value in schema["enum"][:LISTED]]
        return f": {'|'.join([*shown, *(['...'] if len(schema['enum']) > LISTED else [])])}"
    if schema.get("type") == "array":
        return f": list{_values(schema.get('items', {}), named).replace(': ', ' of ')}"
    return ""
