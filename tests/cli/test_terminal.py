"""A conversation in a terminal: what a typed line means, what is shown, and what an error does."""

import io

import pytest
from PIL import Image
from rich.console import Console

from saccade import Agent
from saccade.agent.controllers.scripted import ScriptedController, call, calls
from saccade.cli.terminal import converse


@pytest.fixture(autouse=True)
def remembers_nothing(monkeypatch):
    """These tests are about turns; what is remembered afterwards would only load models."""
    monkeypatch.setenv("SACCADE_REMEMBER", "0")


class Typist(Console):
    """A console whose lines are typed by a test; after the last one comes Ctrl-D."""

    def __init__(self, lines):
        super().__init__(file=io.StringIO(), width=200)
        self.lines = iter(lines)

    def input(self, *_, **__):
        try:
            return next(self.lines)
        except StopIteration:
            raise EOFError from None

    @property
    def shown(self):
        return self.file.getvalue()


def test_a_conversation_shows_every_step_and_goes_on_after_an_error(tmp_path):
    picture = tmp_path / "grey.png"
    Image.new("RGB", (32, 32), "grey").save(picture)
    script = [calls(call("calculate", expression="2 + 3"), thought="I add [them]."), "It is 5 [exactly].", "Good bye."]
    with Agent(controller=ScriptedController(script), home=tmp_path / "home") as agent:
        console = Typist(["what is 2 + 3?", "", "see nowhere.png", str(picture), "and this?", "/quit"])
        converse(agent.chat(), console)
    assert "I add [them]." in console.shown  # words of a model are no markup
    assert 'calculate(expression="2 + 3")' in console.shown
    assert "2 + 3 = 5" in console.shown
    assert "It is 5 [exactly]." in console.shown
    assert "nowhere.png" in console.shown
    assert "And what would you like to know?" in console.shown
    assert "Good bye." in console.shown


def test_ctrl_d_says_how_to_go_on(tmp_path):
    with Agent(controller=ScriptedController(["Good day."]), home=tmp_path / "home") as agent:
        chat = agent.chat()
        left_at_once, later = Typist([]), Typist(["hello"])
        converse(chat, left_at_once)
        assert "Nothing was said" in left_at_once.shown
        converse(chat, later)
        assert f"saccade chat --chat {chat.id}" in later.shown
