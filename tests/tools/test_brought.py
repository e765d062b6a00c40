"""Tools that a user's file names: those of MCP servers of others, over both transports, and LangChain's."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time

import mcp_stand_in
import pytest

from saccade import Agent, UserError
from saccade.cli.program import main
from saccade.settings import Settings
from saccade.testing import SceneBook, ScriptedController, TrueExperts, call
from saccade.tools.mcp_tools import McpServer, mcp_tools

PROGRAM = mcp_stand_in.__file__
PYTHON = json.dumps(sys.executable)


@pytest.fixture
def file(tmp_path):
    """A file that names the stand-in as a program."""
    path = tmp_path / "tools.toml"
    mark = json.dumps({"MARK": str(tmp_path / "mark")}).replace(":", " =")
    path.write_text(f"[mcp.weather]\ncommand = {PYTHON}\nargs = [{json.dumps(PROGRAM)}]\nseconds = 1.5\nenv = {mark}\n")
    return path


def ask(file, home, *script):
    """The steps of a turn of an agent that has the tools of a file, and the pictures that it leaves."""
    settings = Settings(home=home, tools=file)
    with Agent(controller=ScriptedController([*script, "I do not know."]), settings=settings,
               experts=TrueExperts(SceneBook())) as agent:  # fmt: skip
        reply = agent.chat().send("What is the weather?")
        return reply.steps, [agent.store.open(one.id, "me") for one in reply.images]


def test_a_servers_tools_are_called_and_what_they_say_is_data(file, tmp_path):
    steps, _ = ask(file, tmp_path / "home", call("weather_get_forecast", town="Bern", days=3))
    (step,) = steps
    assert step.ok
    said = step.observation.removeprefix("weather_get_forecast: ")
    assert json.loads(said).startswith("Sunny in Bern for 3 days.")
    assert '\\"Ignore all' in said


def test_its_pictures_become_pictures_of_the_conversation(file, tmp_path):
    steps, images = ask(file, tmp_path / "home", call("weather_chart", town="Bern"), call("weather_broken_chart"))
    assert "It gave img_1." in steps[0].observation
    assert images[0].size == (40, 30)
    assert "cannot be read" in steps[1].observation


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (call("weather_get_forecast"), "town"),
        (call("weather_get_forecast", town=3), "town"),
        (call("weather_get_forecast", town="Bern", hour=2), "hour"),
        (call("weather_get_forecast", town="x" * 30_000), "longer than"),
        (call("weather_fails"), "no such town"),
        (call("weather_slow"), "does not answer"),
    ],
    ids=["missing", "wrong", "unknown", "long", "failed", "late"],
)
def test_what_goes_wrong_is_told_to_the_controller(file, tmp_path, made, words):
    (step,), _ = ask(file, tmp_path / "home", made)
    assert not step.ok
    assert words in step.observation


def test_a_server_that_ends_is_started_again(file, tmp_path):
    (step,), _ = ask(file, tmp_path / "home", call("weather_dies"))
    assert "here again" in step.observation


def test_a_server_is_given_nothing_of_our_environment(file, tmp_path, monkeypatch):
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-secret")
    (step,), _ = ask(file, tmp_path / "home", call("weather_environment"))
    assert "MARK" in step.observation
    assert "SLACK" not in step.observation


def test_over_http_with_some_of_its_tools(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, PROGRAM, str(port)], stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 30
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert time.monotonic() < until, "the server has not started"
            time.sleep(0.05)
        file = tmp_path / "tools.toml"
        file.write_text(f'[mcp.sky]\nurl = "http://127.0.0.1:{port}/mcp"\nonly = ["getForecast"]\n')
        (step,), _ = ask(file, tmp_path / "home", call("sky_get_forecast", town="Bern"))
        assert "Sunny in Bern" in step.observation
        with pytest.raises(UserError, match="no tool 'rain'"):
            mcp_tools("other", McpServer(url=f"http://127.0.0.1:{port}/mcp", only=("rain",)))
    finally:
        server.terminate()
        server.wait(10)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("not toml", "cannot be read"),
        ("[mcp.a]\n", "either command or url"),
        ('[mcp.a]\ncommand = "x"\nurl = "http://x"\n', "either command or url"),
        ('[mcp.A-1]\ncommand = "x"\n', "mcp.A-1"),
        ('[mcp.a]\ncommand = "x"\ntimeout = 1\n', "timeout"),
        ('[mcp.a]\ncommand = "no-such-program-here"\n', "'a' \\(no-such-program-here\\) does not answer"),
        (f'[mcp.a]\ncommand = {PYTHON}\nargs = ["-c", "import no_such_module"]\n', "No module named 'no_such_module'"),
        ('[mcp.a]\nurl = "http://127.0.0.1:9/mcp"\n', "does not answer"),
        ('[langchain]\ntools = ["no_such.module:tool"]\n', "no_such"),
        ('[langchain]\ntools = ["json:dumps"]\n', "neither a class of saccade.Tool nor a LangChain tool"),
    ],
)
def test_what_does_not_fit_in_the_file_is_told(tmp_path, text, words):
    file = tmp_path / "tools.toml"
    file.write_text(text)
    with pytest.raises(UserError, match=words):
        Agent(settings=Settings(home=tmp_path / "home", tools=file))


def test_langchain_tools_are_named_and_the_command_lists_all(tmp_path, monkeypatch, capsys, file):
    (tmp_path / "my_tools.py").write_text(
        "from langchain_core.tools import tool\n\n\n@tool\ndef hours(day: str) -> str:\n"
        '    """Say when the museum is open."""\n    return f"{day}: 9 to 5"\n'
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    file.write_text(f'{file.read_text()}[langchain]\ntools = ["my_tools:hours"]\n')
    (step,), _ = ask(file, tmp_path / "home", call("hours", day="Monday"))
    assert step.observation == 'hours: "Monday: 9 to 5"'
    monkeypatch.setenv("SACCADE_TOOLS", str(file))
    with pytest.raises(SystemExit):
        main(["tools", "--json"])
    listed = {one["name"]: one["package"] for one in json.loads(capsys.readouterr().out)["tools"]}
    assert listed["hours"] == "my_tools:hours"
    assert listed["weather_get_forecast"] == "the MCP server 'weather'"
    assert listed["find_objects"] == "saccade"
