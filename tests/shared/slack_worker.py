"""A bot in a process of its own, which tests kill."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
from web_house import true_experts

from saccade import Agent
from saccade.connectors.slack.app import Allowed
from saccade.connectors.slack.server import put_together, serve_http
from saccade.testing import ScriptedController, call


class StallingExperts:
    """Experts that answer once the stand-in's gate is open."""

    def __init__(self, gate):
        self.known, self.gate = true_experts(), gate

    def ask(self, role, requests):
        httpx.get(self.gate, timeout=None).raise_for_status()
        return self.known.ask(role, requests)

    def about(self, role):
        return self.known.about(role)


def echo(messages):
    """Repeats the number that the person named, after a look at the picture where they ask for one."""
    asked = next(str(one.content) for one in reversed(messages) if one.type == "human")
    if "look" in asked and messages[-1].type == "human":
        return call("find_objects", image="img_1")
    return f"You said {re.findall(r'number [a-z0-9]+', asked)[-1]}."


def work(home, api, port):
    """Answer until SIGTERM."""
    agent = Agent(controller=ScriptedController(echo), home=Path(home), experts=StallingExperts(f"{api}/gate"))
    bot, app = put_together(
        agent, "xoxb-the-token", "the signing secret", Allowed(), at_once=4, api=f"{api}/api/", hosts={"127.0.0.1"}
    )
    serve_http(bot, app, "127.0.0.1", port)
