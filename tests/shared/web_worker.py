"""A server in a process of its own whose controller looks once and then hangs: `python web_worker.py HOME PORT`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from web_house import scripted_agent

from saccade.connectors.web.access import Doors
from saccade.connectors.web.server import serve
from saccade.testing import call


def look_and_hang(messages):
    """One call, and then no answer for a minute."""
    if messages[-1].type == "tool":
        time.sleep(60)
    return call("find_objects", image="img_1")


if __name__ == "__main__":
    home, port = sys.argv[1:]
    agent = scripted_agent(Path(home), look_and_hang)
    serve(agent, "127.0.0.1", int(port), Doors())
