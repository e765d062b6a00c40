"""What a server bears: many conversations at once over HTTP, and how long commands take until they answer.

The controller repeats what it is told, so that what is measured is Saccade: HTTP, the queue, the loop, the ledger, and
remembering. Each of the conversations says a word of its own in each turn, and only that may come back.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

CONVERSATIONS, TURNS = 50, 10
LONGEST = 120.0  # seconds until a server has to listen
COMMANDS = ("ask", "chat", "index", "search", "run", "serve", "mcp", "slack", "discord", "telegram", "train", "eval")


def measure() -> dict[str, Any]:
    """Seconds and megabytes; each figure of many conversations stands beside that of one alone."""
    return {"conversations": conversations(CONVERSATIONS, TURNS), "cold start": cold_start()}


def conversations(many: int, turns: int) -> dict[str, Any]:
    """So many conversations at once, each of so many turns, after one alone of as many turns.

    Raises:
        RuntimeError: an answer was another conversation's, or was not given.
    """
    with tempfile.TemporaryDirectory() as home, _server(Path(home)) as (url, process):
        alone = _talk(url, "alone", turns)
        before = _resident(process.pid)
        begun = time.perf_counter()
        waits = _all_at_once(url, many, turns)
        took = time.perf_counter() - begun
        after = _resident(process.pid)
        _all_at_once(url, many, turns)
        again = _resident(process.pid)
    ranked = sorted(waits)
    return {
        "conversations": many, "turns": len(waits), "answers of another's": 0, "turns a second": len(waits) / took,
        "median ms": 1000 * statistics.median(ranked), "p95 ms": 1000 * ranked[int(0.95 * len(ranked))],
        "median ms, one conversation alone": 1000 * statistics.median(alone),
        "turns a second, one alone": len(alone) / sum(alone),
        "megabytes after one": before, "megabytes after all": after, "megabytes after as many again": again,
    }  # fmt: skip


def _all_at_once(url: str, many: int, turns: int) -> list[float]:
    with ThreadPoolExecutor(many) as people:
        return [wait for one in people.map(lambda at: _talk(url, f"w{at}", turns), range(many)) for wait in one]


def _talk(url: str, word: str, turns: int) -> list[float]:
    """The seconds of each turn of a conversation, the first with a picture; each is a person's of its own."""
    waits: list[float] = []
    chat: str | None = None
    picture = io.BytesIO()
    Image.new("RGB", (96, 96), (len(word) * 40, sum(word.encode()) % 256, 120)).save(picture, "PNG")
    with httpx.Client(base_url=url, timeout=LONGEST, headers={"Authorization": f"Bearer {_token(word)}"}) as client:
        for turn in range(turns):
            said = f"{word}x{turn}"
            files = [("images", ("a.png", picture.getvalue(), "image/png"))] if not turn else None
            form = {"text": f"number {said}"} | ({"chat": chat} if chat else {})
            begun = time.perf_counter()
            answer = client.post("/turns", data=form, files=files)
            waits.append(time.perf_counter() - begun)
            events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
            reply = events[-1]["reply"] if events and "reply" in events[-1] else {"text": answer.text[:200]}
            if reply["text"] != f"You said number {said}.":
                raise RuntimeError(f"{said} was answered with {reply['text']!r}")
            chat = reply["chat"]
    return waits


@contextmanager
def _server(home: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    port = _free_port()
    process = subprocess.Popen([sys.executable, "-m", "saccade.benchmarks.serving", str(home), str(port)])
    try:
        _listening(port, process)
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.terminate()
        process.wait(30)


def _serve(home: str, port: str) -> None:
    """What the process behind `_server` does."""
    import re

    from ..agent.agent import Agent
    from ..connectors.web.access import Doors
    from ..connectors.web.server import serve
    from ..testing import ScriptedController

    def echo(messages: Any) -> str:
        return f"You said {re.findall(r'number [a-z0-9]+', str(messages[-1].content))[-1]}."

    with Agent(controller=ScriptedController(echo), home=home) as agent:
        tokens = {word: _token(word) for word in ("alone", *(f"w{at}" for at in range(CONVERSATIONS)))}
        serve(agent, "127.0.0.1", int(port), Doors(tokens), at_once=4)


def _token(word: str) -> str:
    return f"the token of {word}"


def cold_start() -> dict[str, Any]:
    """Seconds from the start of a process until it answers, with the bundled models."""
    figures: dict[str, Any] = {f"saccade {name} --help": _seconds(name, "--help") for name in COMMANDS}
    with tempfile.TemporaryDirectory() as home:
        environment = os.environ | {"SACCADE_HOME": home}
        port = _free_port()
        begun = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, "-m", "saccade", "serve", "--port", str(port)], env=environment, stderr=subprocess.DEVNULL
        ) as process:
            _listening(port, process)
            figures["saccade serve, until it listens"] = time.perf_counter() - begun
            while httpx.get(f"http://127.0.0.1:{port}/readyz").status_code != 200:
                time.sleep(0.02)
            figures["saccade serve, until the controller is loaded"] = time.perf_counter() - begun
            stopped = time.perf_counter()
            process.terminate()
            process.wait(60)
            figures["saccade serve, from SIGTERM to its end"] = time.perf_counter() - stopped
        figures["saccade mcp, until its tools are listed"] = asyncio.run(_until_listed(environment))
    return figures


async def _until_listed(environment: dict[str, str]) -> float:
    from mcp import Client, StdioServerParameters

    begun = time.perf_counter()
    program = StdioServerParameters(command=sys.executable, args=["-m", "saccade", "mcp"], env=environment)
    async with Client(program) as client:
        await client.list_tools()
        return time.perf_counter() - begun


def _seconds(*command: str) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-m", "saccade", *command], capture_output=True, check=True)
    return time.perf_counter() - begun


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _listening(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + LONGEST
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError("the server does not listen")


def _resident(process: int) -> float:
    """Megabytes that a process holds in memory."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1000


if __name__ == "__main__":
    _serve(*sys.argv[1:])
