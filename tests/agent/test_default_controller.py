"""The bundled agent as a user gets it, its real controller included; everywhere else the tiny one answers."""

from __future__ import annotations

from pathlib import Path

import pytest
import skimage

from saccade import Agent
from saccade.scenes.render import render
from saccade.scenes.sample import sample_scene
from saccade.settings import load_profile


@pytest.fixture(scope="module")
def chats(tmp_path_factory):
    with Agent(home=tmp_path_factory.mktemp("home"), controller=load_profile("bundled").models["controller"]) as agent:
        yield lambda: agent.chat(user="ann")


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    path = tmp_path_factory.mktemp("pictures") / "desk.png"
    render(sample_scene(559, "test"), 512).image.save(path)
    return path


def test_the_default_is_the_language_model():
    assert load_profile("bundled").models["controller"] == "zoo:controller"


def test_a_conversation_in_plain_words(chats, desk):
    chat = chats()
    reply = chat.send("hey, could you tell me how many umbrellas are in this one?", images=[desk])
    assert reply.status == "answered"
    assert "3" in reply.text
    assert len(reply.regions) == 3
    reply = chat.send("and what about green bottles")
    assert reply.status == "answered"
    assert len(reply.regions) == 1
    reply = chat.send("thanks, that was all")
    assert reply.status == "answered"
    assert not reply.steps
    reply = chat.send("please order me a pizza")
    assert reply.status == "declined"
    assert not reply.steps


def test_of_a_photograph_it_says_what_to_do_and_what_is_true_without_models(chats):
    reply = chats().send("How many balls are there?", [Path(skimage.__file__).parent / "data" / "coffee.png"])
    assert "--profile gpu" in reply.text
    assert "Words, codes, colours, sharpness, date" in reply.text
