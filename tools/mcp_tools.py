"""The tools of MCP servers behind our contract: arguments are checked, and whatever comes back is data.

A server is a program that is started, or an address that is asked; both are named in a file of the user's (see
`brought`). Its tools are offered as `SERVER_TOOL`. Nothing of it is trusted: arguments are checked against the schema
that it gave, what it says is quoted and cut, and pictures are decoded in the guarded place like any other file.
"""

from __future__ import annotations

import asyncio
import atexit
import base64
import json
import re
import tempfile
from contextlib import AsyncExitStack
from functools import cache
from typing import TYPE_CHECKING, Any, Self

from jsonschema.validators import validator_for
from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

from ..errors import ExpertFailed, ToolRetry, UserError
from ..extras import need
from ..memory.pictures.decode import decode
from .adapters import LONGEST, TYPES
from .contracts import PictureDraft, Recorded, Tool, ToolArguments, ToolContext, ToolResult
from .loops import LoopThread
from .shared.quoting import quoted

if TYPE_CHECKING:
    from mcp import Client
    from mcp.types import CallToolResult
    from mcp.types import Tool as Offered

MOST_SENT = 20_000  # characters of the arguments of a call
MOST_PICTURES = 4  # of a result
STARTING, STOPPING = 30.0, 5.0  # seconds until a server has to answer, and to end
NAME = 48  # characters of a tool's name


class McpServer(BaseModel):
    """A server: a program that speaks MCP over its standard input and output, or the address of one.

    Attributes:
        command, args, env: the program, what it is given, and variables of its environment.
        url: the address, as in http://127.0.0.1:8766/mcp.
        headers: sent with each request to it, a token say.
        only: the tools that are wanted; None: all.
        seconds: that a call may take.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: str | None = None
    args: tuple[str, ...] = ()
    env: dict[str, str] = Field(default_factory=dict)
    url: str | None = Field(default=None, pattern=r"^https?://\S+$")
    headers: dict[str, str] = Field(default_factory=dict)
    only: tuple[str, ...] | None = None
    seconds: float = Field(default=60, gt=0, le=3600)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.command is None) == (self.url is None):
            raise ValueError("give either command or url")
        return self


def mcp_tools(name: str, server: McpServer) -> list[Tool[Any]]:
    """The tools of a server, which is started or asked for them; it is left running for as long as the process.

    Args:
        name: what the server is called here; the names of its tools begin with it.
        server: where it is.

    Raises:
        UserError: it does not answer, or lacks a tool that is wanted (kind "bad_tool").
    """
    need("mcp", f"The MCP server {name!r}")
    connection = _connection(name, server.model_dump_json())
    offered = {one.name: one for one in connection.offered}
    for wanted in server.only or ():
        if wanted not in offered:
            raise UserError(f"The MCP server {name!r} has no tool {wanted!r}; it has {', '.join(offered) or 'none'}.",
                            kind="bad_tool")  # fmt: skip
    return [_tool(connection, one) for one in offered.values() if server.only is None or one.name in server.only]


@cache
def _connection(name: str, server: str) -> Connection:
    """One connection a process, however many agents there are; `server` is its JSON, so that it can be hashed."""
    return Connection(name, McpServer.model_validate_json(server))


class Connection:
    """A server that is connected, and again after it has ended.

    Raises:
        UserError: it does not answer (kind "bad_tool").
    """

    def __init__(self, name: str, server: McpServer) -> None:
        self.name, self.server = name, server
        self._loop = LoopThread(f"mcp {name}")
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 (as long as this)
        self._client: Client | None = None
        self._leave: asyncio.Event | None = None  # ends what holds the client
        self._holding: asyncio.Task[None] | None = None
        try:
            self.offered = self._loop.run(asyncio.wait_for(self._listed(), STARTING))
        except Exception as error:
            self._loop.close()
            where = server.url or " ".join([server.command or "", *server.args])
            raise UserError(
                f"The MCP server {name!r} ({where}) does not answer: {self._last_words() or _first(error)}.",
                kind="bad_tool",
            ) from error
        atexit.register(self.close)

    def call(self, tool: str, arguments: dict[str, Any]) -> CallToolResult:
        """What a tool of the server says; a server that has ended is started once more.

        Raises:
            ExpertFailed: it does not answer.
            ToolRetry: it refuses the call.
        """
        from mcp import MCPError
        from mcp.types import CONNECTION_CLOSED, REQUEST_TIMEOUT

        for again in (False, True):
            try:
                return self._loop.run(self._called(tool, arguments))
            except Exception as error:
                code = error.error.code if isinstance(error, MCPError) else CONNECTION_CLOSED
                if code not in (CONNECTION_CLOSED, REQUEST_TIMEOUT):
                    raise ToolRetry(f"{self.name} refuses this call: {_first(error)}", kind="bad_arguments") from error
                if again or code == REQUEST_TIMEOUT:
                    raise ExpertFailed(
                        f"The MCP server {self.name!r} does not answer: {_first(error)}.", kind="tool_failed"
                    ) from error
                self._loop.run(self._hang_up())
        raise AssertionError("it was either answered or raised")

    def close(self) -> None:
        """Hang up, and end a program that was started."""
        self._loop.run(self._hang_up())
        self._loop.close()
        self._errors.close()

    def _last_words(self) -> str:
        """The last line that a program which was started wrote to its standard error."""
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        self._errors.close()
        return lines[-1][:300] if lines else ""

    async def _called(self, tool: str, arguments: dict[str, Any]) -> CallToolResult:
        client = await self._connected()
        return await client.call_tool(tool, arguments, read_timeout_seconds=self.server.seconds)

    async def _listed(self) -> list[Offered]:
        client = await self._connected()
        tools: list[Offered] = []
        cursor: str | None = None
        while True:
            page = await client.list_tools(cursor=cursor)
            tools += page.tools
            cursor = page.next_cursor
            if not cursor:
                return tools

    async def _connected(self) -> Client:
        if self._client is None:
            ready: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
            self._leave = asyncio.Event()
            self._holding = asyncio.create_task(self._hold(ready, self._leave))
            self._client = await asyncio.wait_for(ready, STARTING)
        return self._client

    async def _hold(self, ready: asyncio.Future[Client], leave: asyncio.Event) -> None:
        """Keep the client open, in one task: it has to be left where it was entered."""
        try:
            async with AsyncExitStack() as stack:
                client = await stack.enter_async_context(await self._made(stack))
                ready.set_result(client)
                await leave.wait()
        except Exception as error:
            if not ready.done():
                ready.set_exception(error)

    async def _hang_up(self) -> None:
        holding, self._client, self._holding = self._holding, None, None
        if holding is not None and self._leave is not None:
            self._leave.set()
            await asyncio.wait([holding], timeout=STOPPING)

    async def _made(self, stack: AsyncExitStack) -> Client:
        from mcp import Client, StdioServerParameters
        from mcp.client.stdio import get_default_environment, stdio_client
        from mcp.client.streamable_http import streamable_http_client
        from mcp.shared._httpx_utils import create_mcp_http_client

        if self.server.url is None:
            environment = {**get_default_environment(), **self.server.env}  # and nothing else of ours, no token say
            command = self.server.command or ""
            program = StdioServerParameters(command=command, args=[*self.server.args], env=environment)
            return Client(stdio_client(program, errlog=self._errors))
        http = await stack.enter_async_context(create_mcp_http_client(headers=self.server.headers))
        return Client(streamable_http_client(self.server.url, http_client=http))


def _tool(connection: Connection, offered: Offered) -> Tool[Any]:
    """A tool of a server as one of ours."""
    name = re.sub(r"[^a-z0-9]+", "_", f"{connection.name}_{_snake(offered.name)}".lower()).strip("_")[:NAME]
    schema = offered.input_schema
    checker = validator_for(schema)(schema)

    def run(_: Any, given: Any, context: ToolContext) -> ToolResult:
        arguments = given.model_dump(exclude_unset=True)
        wrong = next(iter(checker.iter_errors(arguments)), None)
        if wrong is not None:
            raise ToolRetry(f"{name}: {wrong.message[:300]}", kind="bad_arguments")
        if len(json.dumps(arguments)) > MOST_SENT:
            raise ToolRetry(f"{name}: the arguments are longer than {MOST_SENT} characters.", kind="bad_arguments")
        return _result(name, connection.call(offered.name, arguments))

    def observe(_: Any, given: Any, recorded: Recorded) -> str:
        made = f" It gave {', '.join(str(one.handle) for one in recorded.pictures)}." if recorded.pictures else ""
        return f"{name}: {quoted(recorded.facts['said'], LONGEST)}{made}"

    told = (offered.description or offered.title or offered.name).strip()
    made = {"name": name, "description": told, "Arguments": _arguments(name, schema), "run": run, "observe": observe}
    return type("McpTool", (Tool,), made | {"__doc__": told, "__module__": __name__})()


def _result(name: str, answer: CallToolResult) -> ToolResult:
    """What came back: words as they are, pictures decoded, all else as JSON."""
    said: list[str] = []
    pictures: list[PictureDraft] = []
    for part in answer.content:
        if part.type == "text":
            said.append(part.text)
        elif part.type == "image" and len(pictures) < MOST_PICTURES:
            try:
                pictures.append(PictureDraft(decode(base64.b64decode(part.data, validate=True)).image, "generation"))
            except (UserError, ValueError) as error:
                said.append(f"(a picture that cannot be read: {_first(error)})")
        else:
            said.append(f"({part.type})")
    if answer.structured_content is not None and not said:
        said.append(json.dumps(answer.structured_content, ensure_ascii=False))
    words = "\n".join(said)[:LONGEST]
    if answer.is_error:
        raise ToolRetry(f"{name} says that it failed: {quoted(words)}", kind="tool_failed")
    return ToolResult(pictures=pictures, facts={"said": words})


def _arguments(name: str, schema: dict[str, Any]) -> type[ToolArguments]:
    """The arguments by their names, for whoever fills them in; the schema itself is what they are checked by."""
    required = schema.get("required", [])
    fields: dict[str, Any] = {}
    for key, one in schema.get("properties", {}).items():
        kind = TYPES.get(one.get("type", ""), Any) if isinstance(one.get("type"), str) else Any
        more = {"description": one.get("description")}
        fields[key] = (kind, Field(..., **more)) if key in required else (kind | None, Field(None, **more))
    return create_model(f"{name}_arguments", __base__=ToolArguments, **fields)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)


def _first(error: BaseException) -> str:
    """The first line of what went wrong; of several things at once the first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
