"""A bot in a process of its own, which tests kill: `python slack_worker.py HOME API PORT`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from saccade import Agent
from saccade.connectors.slack.app import Allowed
from saccade.connectors.slack.server import put_together, serve_http
from saccade.testing import ScriptedController


def echo(messages):
    """Repeats the last number that the person named."""
    number = re.findall(r"number \w+", str(messages[-1].content))
    return f"You said {number[-1] if number else 'nothing'}."


if __name__ == "__main__":
    home, api, port = sys.argv[1:]
    agent = Agent(controller=ScriptedController(echo), home=Path(home))
    bot, app = put_together(
        agent, "xoxb-the-token", "the signing secret", Allowed(), at_once=4, api=f"{api}/api/", hosts={"127.0.0.1"}
    )
    serve_http(bot, app, "127.0.0.1", int(port))
