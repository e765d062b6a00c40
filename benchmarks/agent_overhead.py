"""What the agent itself costs for one tool round, beside a bare `create_agent`, and how large its checkpoints are.

Both sides play the same script (one call of `calculate`, one answer) with the same limits and a
SQLite checkpoint at every step, in turns of new conversations, interleaved in one run. The bare side
has its limits in one `wrap_*` middleware too, which is the cheapest form there is; the figure with
LangChain's own two limit middlewares stands beside it.
"""

from __future__ import annotations

import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import supervision as sv
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, ModelCallLimitMiddleware, ToolCallLimitMiddleware
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from langgraph.checkpoint.sqlite import SqliteSaver
from PIL import Image

from ..agent.agent import Agent
from ..agent.controllers.scripted import ScriptedController, call
from ..settings import Settings
from ..tools.requests import Classify, Detect

ROUNDS, TURNS = 12, 12


def script() -> list[Any]:
    """One tool round: a call and an answer."""
    return [call("calculate", expression="2 + 3"), "It is 5."]


@tool
def calculate(expression: str) -> str:
    """Work out an expression."""
    return f"{expression} = 5"


class Limits(AgentMiddleware[Any, Any, Any]):
    """The same two limits as ours, as cheaply as they can be had."""

    def wrap_model_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        """Count the turn's model calls."""
        steps = sum(isinstance(message, AIMessage) for message in request.messages)
        return handler(request.override(tools=[]) if steps >= 8 else request)

    def wrap_tool_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        """Count the turn's identical tool calls."""
        calls = [
            one for message in request.state["messages"] if isinstance(message, AIMessage) for one in message.tool_calls
        ]
        same = sum(
            one["name"] == request.tool_call["name"] and one["args"] == request.tool_call["args"] for one in calls
        )
        assert same <= 2
        return handler(request)


def saver(path: Path) -> SqliteSaver:
    """A SQLite checkpointer as durable as ours."""
    connection = sqlite3.connect(path, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    made = SqliteSaver(connection)
    made.setup()
    return made


def bare(folder: Path, name: str, middleware: list[Any]) -> Callable[[], None]:
    """Turns of a bare `create_agent`, each in a new conversation."""
    checkpoints = saver(folder / f"{name}.sqlite")
    numbers = iter(range(10**9))
    controller = ScriptedController(lambda messages: script()[0 if isinstance(messages[-1], HumanMessage) else 1])
    graph = create_agent(controller, [calculate], middleware=middleware, checkpointer=checkpoints)

    def turn() -> None:
        config: Any = {"configurable": {"thread_id": str(next(numbers))}}
        graph.invoke({"messages": [HumanMessage("What is 2 + 3?")]}, config=config, durability="sync")

    return turn


def ours(folder: Path) -> Callable[[], None]:
    """Turns of `Agent`, each in a new conversation."""
    controller = ScriptedController(lambda messages: script()[0 if isinstance(messages[-1], HumanMessage) else 1])
    agent = Agent(controller=controller, home=folder / "home")
    return lambda: (agent.chat().send("What is 2 + 3?"), None)[1]


def cpu(turn: Callable[[], None]) -> float:
    """CPU seconds of `TURNS` turns, of all threads of this process."""
    begun = time.process_time()
    for _ in range(TURNS):
        turn()
    return time.process_time() - begun


class OneThing:
    """Experts that find one thing in every picture, in its middle half."""

    def ask(self, role: str, requests: Sequence[Any]) -> list[Any]:
        """Answer `Likeness`, `Classify` and `Detect` requests."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        if isinstance(request, Classify):
            return np.eye(1, len(request.labels), dtype=np.float32)[0]  # the first of the labels
        return self._find(request.view.size) if isinstance(request, Detect) else 1.0

    def _find(self, size: tuple[int, int]) -> sv.Detections:
        width, height = size
        box = np.array([[width / 4, height / 4, width * 3 / 4, height * 3 / 4]], dtype=np.float32)
        names: dict[str, Any] = {"class_name": np.array(["thing"])}
        return sv.Detections(box, confidence=np.ones(1, np.float32), class_id=np.zeros(1, int), data=names)


def checkpoint_bytes(folder: Path, side: int) -> int:
    """The bytes of all checkpoints of a conversation about a picture of `side` x `side` pixels."""
    home = folder / f"home{side}"
    picture = folder / f"{side:04d}.png"
    Image.effect_noise((side, side), 80).convert("RGB").save(picture)
    plan = [call("find_objects", image="img_1"), call("crop_image", image="reg_1"), "Here it is: img_2."]
    settings = Settings(home=home, remember=False)  # these experts embed nothing
    with Agent(controller=ScriptedController(plan), settings=settings, experts=OneThing()) as agent:
        assert agent.chat().send("Crop it", [picture]).images, "no picture was made"
    with sqlite3.connect(home / "chats.sqlite") as db:
        rows = db.execute("SELECT sum(length(checkpoint) + length(metadata)) FROM checkpoints").fetchone()
        writes = db.execute("SELECT sum(length(value)) FROM writes").fetchone()
    return int(rows[0]) + int(writes[0])


def measure() -> dict[str, Any]:
    """Ratios of CPU time for one tool round, and checkpoint bytes for pictures of two sizes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stock = [ModelCallLimitMiddleware(run_limit=8), ToolCallLimitMiddleware(run_limit=8)]
        sides = {"ours": ours(folder), "bare": bare(folder, "bare", [Limits()]), "stock": bare(folder, "stock", stock)}
        for turn in sides.values():  # warm up: imports, compiled graphs, SQLite pages
            cpu(turn)
        rounds = [{side: cpu(turn) for side, turn in sides.items()} for _ in range(ROUNDS)]
        return {
            "tool_round_cpu_vs_bare": statistics.median(one["ours"] / one["bare"] for one in rounds),
            "tool_round_cpu_vs_stock_limits": statistics.median(one["ours"] / one["stock"] for one in rounds),
            "tool_round_cpu_ms": 1000 * statistics.median(one["ours"] for one in rounds) / TURNS,
            "checkpoint_bytes_64px": checkpoint_bytes(folder, 64),
            "checkpoint_bytes_2048px": checkpoint_bytes(folder, 2048),
            "rounds": ROUNDS,
            "turns_a_round": TURNS,
        }
