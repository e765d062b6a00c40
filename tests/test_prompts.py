"""Prompts are files, checked as they are loaded; calls are written and read in one format."""

from __future__ import annotations

import json

import pytest

from saccade import prompts
from saccade.errors import UserError
from saccade.prompts.calls import parse_assistant, render_assistant, render_call
from saccade.tools.registry import all_tools


def test_every_prompt_loads():
    assert {"system", *(f"tools/{name}" for name in all_tools())} <= set(prompts.names())
    for name in prompts.names():
        assert prompts.render(name, tools="- look()") if name == "calls" else prompts.load(name)


def test_every_description_is_of_a_tool():
    assert {name.partition("/")[2] for name in prompts.names() if name.startswith("tools/")} == set(all_tools())


def test_an_unknown_prompt_is_answered_with_a_suggestion():
    with pytest.raises(UserError, match="Did you mean 'system'"):
        prompts.load("sytem")


@pytest.mark.parametrize("name", ["../README", "/etc/passwd", "tools/../system", ""])
def test_a_name_cannot_leave_the_folder(name):
    with pytest.raises(UserError, match="There is no prompt"):
        prompts.load(name)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(prompts, "FOLDER", tmp_path)
    (tmp_path / "greet.md").write_text('Hello {{name}}, see {"a": {"b": 1}} and {{ place }}.\n')
    return tmp_path


def test_placeholders_are_filled_in_once(folder):
    filled = prompts.render("greet", name="{{place}}", place="here")
    assert filled == 'Hello {{place}}, see {"a": {"b": 1}} and here.'


@pytest.mark.parametrize(
    ("values", "words"),
    [({}, "needs a value for: name, place"), ({"name": 1, "place": 2, "nam": 3}, "no placeholder 'nam'.*'name'")],
)
def test_placeholders_are_checked_both_ways(folder, values, words):
    with pytest.raises(UserError, match=words):
        prompts.render("greet", **values)


def test_the_system_prompt_says_what_a_controller_must_know():
    text = prompts.load("system")
    for word in ("img_1", "reg_1", "Never answer", "data", "ask for one"):
        assert word in text
    assert len(text) < 3000


FIND = ("find_objects", {"image": "img_1", "phrase": "red cube"})


def test_the_format_of_calls():
    assert render_call(*FIND) == '{"name": "find_objects", "arguments": {"image": "img_1", "phrase": "red cube"}}'
    assert render_assistant("I look for it.", [FIND]) == (
        "I look for it.\n<tool_call>\n"
        '{"name": "find_objects", "arguments": {"image": "img_1", "phrase": "red cube"}}\n</tool_call>'
    )
    assert render_assistant("There is 1 red cube: reg_1.") == "There is 1 red cube: reg_1."


ROUND = [
    ("An answer.", []),
    ("", [FIND]),
    ("Two of them.", [FIND, ("calculate", {"expression": "3 - 2"})]),
    ("Odd words.", [("find_objects", {"image": "img_1", "phrase": 'a "</tool_call>" é \n {"x": 1}'})]),
    ("Nested.", [("x", {"a": {"b": [1, 2.5, None, True]}})]),
]


@pytest.mark.parametrize(("thought", "calls"), ROUND)
def test_what_is_rendered_is_read_back(thought, calls):
    assert parse_assistant(render_assistant(thought, calls)) == (thought, calls, None)


GOOD = json.dumps({"name": "calculate", "arguments": {"expression": "1"}})
MALFORMED = [
    ("T <tool_call>{not json}</tool_call>", "T", 0, "not valid JSON"),
    ("T <tool_call>", "T", 0, "not valid JSON"),
    ("T <tool_call>\n</tool_call>", "T", 0, "not valid JSON"),
    (f"T <tool_call>{{bad</tool_call><tool_call>{GOOD}</tool_call>", "T", 1, "not valid JSON"),
    ("<tool_call>[1]</tool_call>", "", 0, "has no name"),
    ('<tool_call>{"arguments": {}}</tool_call>', "", 0, "has no name"),
    ('<tool_call>{"name": "x", "arguments": "y"}</tool_call>', "", 0, "are not an object"),
    ("<tool_call>" + "[" * 100_000, "", 0, "nested too deeply"),
    ("<tool_call>" + "9" * 5000, "", 0, "number too long"),
    ("".join(f"<tool_call>{GOOD}</tool_call>" for _ in range(5)), "", 3, "at most 3"),
]


@pytest.mark.parametrize(("text", "thought", "count", "words"), MALFORMED)
def test_malformed_blocks_are_told_and_the_good_ones_kept(text, thought, count, words):
    parsed = parse_assistant(text)
    assert (parsed.thought, len(parsed.calls)) == (thought, count)
    assert parsed.error is not None
    assert words in parsed.error
    assert len(parsed.error) < 400


LENIENT = [
    f"T <tool_call>{GOOD}</tool_call>",
    f"T\n<tool_call>\n{GOOD}\n",
    f"T<tool_call>\n\n  {GOOD} trailing </tool_call> and more words",
]


@pytest.mark.parametrize("text", LENIENT)
def test_small_slips_of_form_do_not_matter(text):
    assert parse_assistant(text) == ("T", [("calculate", {"expression": "1"})], None)


def test_a_call_without_arguments_has_none():
    assert parse_assistant('<tool_call>{"name": "x"}</tool_call>').calls == [("x", {})]
