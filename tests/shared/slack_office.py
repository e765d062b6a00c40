"""A bot in this process that Slack's stand-in reaches over HTTP, and the fixtures of tests about it."""

from __future__ import annotations

import threading
import time

import pytest
import uvicorn
from slack_stand_in import SECRET, TOKEN, Slack, deliver
from web_house import scripted_agent

from saccade.connectors.slack import server
from saccade.connectors.slack.app import Allowed


class Office:
    """A bot in this process, reachable as Slack reaches it."""

    def __init__(self, slack, home, script, allowed, monkeypatch):
        self.slack = slack
        self.agent = scripted_agent(home, script)
        self.bot, app = server.put_together(
            self.agent, TOKEN, SECRET, allowed, api=f"{slack.url}/api/", hosts={"127.0.0.1"}
        )
        started = threading.Event()
        made = []

        def run(web, host, port, **more):
            config = uvicorn.Config(web, host=host, port=0, log_level="warning")
            made.append(uvicorn.Server(config))
            started.set()
            made[0].run()

        monkeypatch.setattr(uvicorn, "run", run)
        self.thread = threading.Thread(target=server.serve_http, args=(self.bot, app, "127.0.0.1", 0), daemon=True)
        self.thread.start()
        started.wait(20)
        self.server = made[0]
        while not self.server.started:
            time.sleep(0.01)
        self.url = f"http://127.0.0.1:{self.server.servers[0].sockets[0].getsockname()[1]}"

    def send(self, *args, **more):
        """Deliver an event, and wait until all is answered; the answer's status."""
        done = deliver(self.url, self.slack.event(*args, **more))
        self.settle()
        return done.status_code

    def settle(self):
        while not self.bot.idle():
            time.sleep(0.01)

    def close(self):
        self.server.should_exit = True
        self.thread.join(20)
        self.agent.close()


@pytest.fixture
def slack(opened):
    """The stand-in for Slack's servers."""
    return opened(Slack())


@pytest.fixture
def offices(slack, tmp_path, opened, monkeypatch):
    """Call it with what the controller is to say, one answer after another; `whole`: a function that answers."""
    return lambda *script, allowed=None, whole=None: opened(
        Office(slack, tmp_path / "home", whole or list(script), allowed or Allowed(), monkeypatch)
    )
