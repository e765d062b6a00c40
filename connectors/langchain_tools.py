"""Saccade inside LangChain: its tools in anyone's own agent, and the whole of it as a runnable.

>>> from langchain.agents import create_agent
>>> from saccade import Agent
>>> from saccade.agent.calls.desk import Desk
>>> from saccade.connectors.langchain_tools import langchain_tools
>>> desk = Desk(Agent())
>>> agent = create_agent("openai:gpt-5", langchain_tools(desk))
>>> handle = desk.show(["table.png"])[0].handle
>>> agent.invoke({"messages": [("user", f"How many red cubes are in {handle}?")]})
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.runnables import Runnable, RunnableLambda
from langchain_core.tools import BaseTool, StructuredTool, ToolException

from ..agent.calls.desk import Desk
from ..tools.contracts import without_marks

if TYPE_CHECKING:
    from ..agent.agent import Agent
    from ..agent.reply import Reply


def langchain_tools(desk: Desk) -> list[BaseTool]:
    """Every tool of the desk's agent as a LangChain tool: its schema, its words, and its checks.

    The content of a result is the observation; its artifact has the handles of `regions` and `pictures` (no pixels:
    `desk.image(handle)` gives those). A call that does not fit is answered with what was wrong.
    """

    def made(name: str) -> BaseTool:
        tool = desk.agent.tools[name]

        def run(**arguments: Any) -> tuple[str, dict[str, Any]]:
            seen = desk.call(name, arguments)
            if not seen.ok:
                raise ToolException(seen.text)
            recorded = seen.recorded
            return seen.text, {"regions": [one.handle for one in recorded.regions],
                               "pictures": [one.handle for one in recorded.pictures]}  # fmt: skip

        return StructuredTool.from_function(
            run, name=name, description=tool.describe(), args_schema=without_marks(tool.Arguments.model_json_schema()),
            response_format="content_and_artifact", handle_tool_error=True,
        )  # fmt: skip

    return [made(name) for name in desk.agent.tools]


def as_runnable(agent: Agent, user: str | None = None) -> Runnable[dict[str, Any], Reply]:
    """The agent as a runnable: {"text", "images", "chat"} -> `Reply`; `Reply.chat` goes on with the conversation."""

    def run(given: dict[str, Any]) -> Reply:
        chat = agent.chat(user, given.get("chat"))
        return chat.send(given["text"], given.get("images", ()))

    async def arun(given: dict[str, Any]) -> Reply:
        chat = agent.chat(user, given.get("chat"))
        return await chat.asend(given["text"], given.get("images", ()))

    return RunnableLambda(run, arun, name="saccade")
