"""A server on a port of its own, over pictures whose truth is known: what tests of the web connector talk to."""

from __future__ import annotations

import base64
import io
import json
import threading
import time

import httpx
import uvicorn

from saccade import Agent
from saccade.connectors.web.access import Doors
from saccade.connectors.web.app import create_app
from saccade.scenes.render import render
from saccade.scenes.sample import sample_scene
from saccade.testing import ScriptedController
from saccade.testing.experts import TrueExperts

SCENE = sample_scene(5)
RENDERED = render(SCENE, 256)


def true_experts():
    """Experts that know what is in the picture of `png`, whatever they are shown."""
    return TrueExperts(lambda _: (SCENE, RENDERED.boxes.astype(float), RENDERED.masks))


def scripted_agent(home, script):
    """An agent over that picture. `script` is what the controller says (see `ScriptedController`)."""
    return Agent(controller=ScriptedController(script), home=home, experts=true_experts())


class Hanging:
    """A turn of a script that hangs until its `gate` is opened; `begun` tells when it does."""

    def __init__(self):
        self.gate, self.begun = threading.Event(), threading.Event()

    def __call__(self, messages):
        self.begun.set()
        self.gate.wait(30)
        return "Done."


def png(image=RENDERED.image):
    """The bytes of a picture."""
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def data_url(image=RENDERED.image):
    """A picture as OpenAI's clients send it."""
    return f"data:image/png;base64,{base64.b64encode(png(image)).decode()}"


class House:
    """A running server. `script` is what the controller says (see `ScriptedController`)."""

    def __init__(self, home, script, tokens=None, most_bytes=2**22, **bounds):
        self.agent = scripted_agent(home, script)
        self.app = create_app(self.agent, Doors(tokens or {}, "me", most_bytes), **bounds)
        config = uvicorn.Config(self.app, host="127.0.0.1", port=0, log_level="warning", timeout_graceful_shutdown=2)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = httpx.Client(base_url=self.url, timeout=30)

    def ask(self, text, pictures=(), chat=None, client=None, **headers):
        """One turn by the page's route: the events that came."""
        files = [("images", ("a.png", one, "image/png")) for one in pictures]
        form = {"text": text} | ({"chat": chat} if chat else {})
        answer = (client or self.client).post("/turns", data=form, files=files or None, headers=headers)
        answer.raise_for_status()
        return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]

    def close(self):
        """Stop it as SIGTERM does."""
        self.client.close()
        self.server.should_exit = True
        self.thread.join(20)
        self.agent.close()
        assert not self.thread.is_alive()
