"""How far the painter is, with previews: in a conversation's stream, in a terminal, and for a script."""

from __future__ import annotations

import io
import json

import pytest
from PIL import Image
from rich.console import Console

from saccade import Agent, ExpertWorking, StepFinished, StepStarted
from saccade.cli.terminal import blocks, follow
from saccade.connectors.bot import progress_of
from saccade.connectors.web.views import Views
from saccade.testing import ScriptedController, call

ASKED = {"prompt": "a red cube", "tries": 2, "steps": 4}


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    script = [call("generate_image", **ASKED), "Here it is: {picture}."] * 2
    with Agent(controller=ScriptedController(script), home=tmp_path_factory.mktemp("home")) as made:
        yield made


def test_a_stream_tells_every_step_between_the_begin_and_the_end_of_the_call(agent):
    events = list(agent.chat().stream("Paint a red cube"))
    kinds = [type(event) for event in events]
    working = [event for event in events if isinstance(event, ExpertWorking)]
    assert [(event.role, event.done, event.of) for event in working] == [("painter", n, 4) for n in range(1, 5)]
    assert kinds.index(StepStarted) < kinds.index(ExpertWorking) < kinds.index(StepFinished)
    previews = [event.preview for event in working if event.preview is not None]
    assert previews
    assert all(isinstance(one, Image.Image) and one.size == (128, 128) for one in previews)
    told = [Views(agent.settings.home).event(event) for event in working]  # as the page is told it
    assert [one["preview"] is None for one in told] == [event.preview is None for event in working]
    assert json.dumps(told).count("data:image/jpeg;base64,") == len(previews)
    assert progress_of(working[0]) == "painter: 1 of 4 steps …"  # as bots say it


def test_a_terminal_shows_it(agent):
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system="truecolor")
    follow(agent.chat().stream("Paint a red cube"), console)
    shown = console.file.getvalue()
    assert "painter: 4 of 4 steps" in shown
    assert "\u2580" in shown


def test_a_picture_as_blocks():
    image = Image.new("RGB", (8, 8), (255, 0, 0))
    image.paste((0, 0, 255), (0, 4, 8, 8))
    text = blocks(image, 4)
    assert text.plain == "▀▀▀▀\n▀▀▀▀\n"
    upper, lower = text.spans[0].style, text.spans[-1].style
    assert (upper.color.triplet, lower.bgcolor.triplet) == ((255, 0, 0), (0, 0, 255))


def test_a_script_hears_it_from_typed_calls(agent):
    heard = []
    with agent.watching(heard.append):
        made = agent.tools.generate_image(**ASKED)
    assert made.count == 1
    assert [event.done for event in heard if isinstance(event, ExpertWorking)] == [1, 2, 3, 4]
    silent = len(heard)
    agent.tools.generate_image(**ASKED, seed=5)
    assert len(heard) == silent
