"""The tools that a user's file names: those of MCP servers, and LangChain tools of installed packages.

In TOML: a table `mcp.NAME` for each server, whose tools become `NAME_...` (see `mcp_tools.McpServer` for what may stand
there), and `langchain.tools`, a list of "module:attribute". docs/extending.md has one in full.
"""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import UserError
from .mcp_tools import McpServer, mcp_tools

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,19}$")]


class _Langchain(BaseModel):
    model_config = ConfigDict(extra="forbid")

    tools: list[Annotated[str, Field(pattern=r"^[\w.]+:\w+$")]] = []


class ToolsFile(BaseModel):
    """What a file of tools may say."""

    model_config = ConfigDict(extra="forbid")

    mcp: dict[Name, McpServer] = {}
    langchain: _Langchain = _Langchain()


def tools_of(path: Path) -> Iterator[tuple[Any, str]]:
    """The tools that a file names, each with where it comes from.

    Raises:
        UserError: the file cannot be read, a server does not answer, or something is no tool (kind "bad_tool").
    """
    try:
        file = ToolsFile.model_validate(tomllib.loads(path.expanduser().read_text("utf-8")))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise UserError(f"The tools of {str(path)!r} do not fit. {wrong}.", kind="bad_tool") from error
    except (OSError, UnicodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"The file of tools {str(path)!r} cannot be read: {error}.", kind="bad_tool") from error
    for name, server in file.mcp.items():
        for tool in mcp_tools(name, server):
            yield tool, f"the MCP server {name!r}"
    for text in file.langchain.tools:
        module, _, attribute = text.partition(":")
        try:
            yield getattr(importlib.import_module(module), attribute), text
        except (ImportError, AttributeError) as error:
            raise UserError(f"The tool {text!r} of {str(path)!r} cannot be loaded: {error}.", kind="bad_tool"
                            ) from error  # fmt: skip
