"""SIGTERM while a model is at work: the server ends all the same, and nothing of the turn is lost."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import web_worker
from web_house import png, scripted_agent


def test_a_turn_that_hangs_is_left_and_finished_later(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    worker = subprocess.Popen(
        [sys.executable, web_worker.__file__, str(tmp_path / "home"), str(port)],
        env={**os.environ, "PYTHONPATH": str(Path(web_worker.__file__).parent)},
    )
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                httpx.get(f"{url}/healthz", timeout=1)
                break
            except httpx.HTTPError:
                assert worker.poll() is None
                time.sleep(0.05)
        with httpx.stream("POST", f"{url}/turns", data={"text": "What is there?"},
                          files={"images": ("a.png", png(), "image/png")}, timeout=60) as answer:  # fmt: skip
            lines = answer.iter_lines()
            while "step_finished" not in next(lines):
                pass
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(50) == 0, "it does not wait for the minute that the model takes"
    finally:
        worker.kill()
        worker.wait()
    with scripted_agent(tmp_path / "home", ["I see reg_1."]) as agent:
        (kept,) = agent.chats.list("me")
        reply = agent.chat("me", kept.id).resume()
        assert reply is not None
        assert (reply.text, [step.tool for step in reply.steps]) == ("I see reg_1.", ["find_objects"])
