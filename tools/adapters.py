"""Tools from outside: what is checked of them, and LangChain's tools behind our contract.

A LangChain tool says whatever it likes, so what it gives back is quoted in the observation, as data; what it raises
becomes an observation too, because nobody here can tell its faults from its failures.
"""

from __future__ import annotations

import inspect
import re
import sys
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel, Field, ValidationError, create_model

from ..errors import ExpertFailed, ToolRetry, UserError
from .contracts import Recorded, Tool, ToolArguments, ToolContext, ToolResult
from .shared.quoting import quoted

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

NAME = re.compile(r"[a-z][a-z0-9_]{1,47}")
LONGEST = 4000  # characters of what a LangChain tool gives back
# JSON Schema's types, for tools whose arguments are described by a schema alone (as MCP's are).
TYPES: dict[str, Any] = {
    "string": str, "integer": int, "number": float, "boolean": bool, "array": list[Any], "object": dict[str, Any],
}  # fmt: skip


def as_tool(one: Any, where: str) -> Tool[Any]:
    """A tool from outside behind our contract.

    Args:
        one: a `Tool` class, an instance of one, or a LangChain tool.
        where: where it comes from, for the message.

    Raises:
        UserError: it is none of these, or it is not whole; the message names it (kind "bad_tool").
    """
    if inspect.isclass(one) and issubclass(one, Tool):
        if inspect.isabstract(one):
            left = ", ".join(sorted(one.__abstractmethods__))
            raise _refused(one.__qualname__, where, f"its class lacks {left}")
        one = one()
    elif _is_langchain(one):
        one = from_langchain(cast("BaseTool", one), where)
    if not isinstance(one, Tool):
        raise _refused(repr(one)[:80], where, "it is neither a class of saccade.Tool nor a LangChain tool")
    _check(one, where)
    return one


def from_langchain(tool: BaseTool, where: str = "given") -> Tool[Any]:
    """A LangChain tool behind our contract: its arguments are checked, and its words are data.

    Raises:
        UserError: its arguments are described in a way that cannot be checked.
    """
    arguments = _arguments_of(tool, where)

    def run(_: Any, given: Any, context: ToolContext) -> ToolResult:
        try:
            said = tool.invoke(given.model_dump(exclude_unset=True))
        except ValidationError as error:
            raise ToolRetry(f"{tool.name}: {error}", kind="bad_arguments") from error
        except Exception as error:
            raise ExpertFailed(f"The tool {tool.name!r} failed: {str(error)[:300]}", kind="tool_failed") from error
        return ToolResult(facts={"said": str(said)[:LONGEST]})

    def observe(_: Any, given: Any, recorded: Recorded) -> str:
        return f"{tool.name}: {quoted(recorded.facts['said'], LONGEST)}"

    made = {"name": tool.name, "description": tool.description, "Arguments": arguments, "run": run, "observe": observe}
    return type("LangChainTool", (Tool,), made | {"__doc__": tool.description, "__module__": type(tool).__module__})()


def _arguments_of(tool: BaseTool, where: str) -> type[ToolArguments]:
    schema: Any = tool.tool_call_schema
    fields: dict[str, Any]
    if inspect.isclass(schema) and issubclass(schema, BaseModel):
        fields = {name: (field.annotation, field) for name, field in schema.model_fields.items()}
    elif isinstance(schema, dict):
        required = schema.get("required", [])
        fields = {
            name: (
                TYPES.get(one.get("type", ""), Any),
                Field(... if name in required else one.get("default"), description=one.get("description")),
            )
            for name, one in schema.get("properties", {}).items()
        }
    else:
        raise _refused(tool.name, where, f"its arguments are described by a {type(schema).__name__}")
    return create_model(f"{tool.name}_arguments", __base__=ToolArguments, **fields)


def _check(tool: Tool[Any], where: str) -> None:
    name: Any = getattr(tool, "name", None)
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise _refused(repr(name), where, "its name must be lower-case words with underscores, as in find_objects")
    arguments: Any = getattr(tool, "Arguments", None)
    if not (inspect.isclass(arguments) and issubclass(arguments, ToolArguments)):
        raise _refused(name, where, "`Arguments` must be a class of saccade.ToolArguments")
    if not tool.describe().strip():
        raise _refused(name, where, f"it has no description: set `description`, or put {name}.md beside its file")


def _is_langchain(one: Any) -> bool:
    core = sys.modules.get("langchain_core.tools")  # whoever has such a tool has imported it
    return core is not None and isinstance(one, core.BaseTool)


def _refused(name: str, where: str, why: str) -> UserError:
    return UserError(f"The tool {name} ({where}) cannot be used: {why}.", kind="bad_tool")
