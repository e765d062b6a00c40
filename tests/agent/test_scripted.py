"""The scripted controller plays what it was given, and says clearly when there is nothing left."""

from __future__ import annotations

import json

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage

from saccade.agent.controllers.scripted import ScriptedController, call, calls, read_script
from saccade.errors import UserError


def test_plays_answers_and_calls_in_order():
    controller = ScriptedController(
        [calls(call("calculate", expression="1 + 1"), call("calculate", expression="2"), thought="I add."), "It is 2."]
    )
    first = controller.invoke([HumanMessage("1 + 1?")])
    assert first.text == "I add."
    assert [(one["name"], one["args"], one["id"]) for one in first.tool_calls] == [
        ("calculate", {"expression": "1 + 1"}, "call_1"),
        ("calculate", {"expression": "2"}, "call_2"),
    ]
    assert controller.invoke([HumanMessage("1 + 1?")]).text == "It is 2."
    assert controller.played == 2


def test_ids_of_calls_go_on_through_the_conversation():
    earlier = AIMessage("", tool_calls=[{"name": "f", "args": {}, "id": "call_1", "type": "tool_call"}])
    controller = ScriptedController([[call("f"), call("g")]])
    answer = controller.invoke([HumanMessage("a"), earlier, HumanMessage("b")])
    assert [one["id"] for one in answer.tool_calls] == ["call_2", "call_3"]


def test_a_function_sees_the_messages():
    controller = ScriptedController([lambda messages: f"You said {messages[-1].text}."])
    assert controller.invoke([HumanMessage("hello")]).text == "You said hello."
    assert controller.seen[0][0].text == "hello"


def test_a_script_that_is_one_function_is_never_used_up():
    controller = ScriptedController(lambda messages: str(len(messages)))
    assert [controller.invoke([HumanMessage("a")]).text for _ in range(3)] == ["1", "1", "1"]


def test_a_used_up_script_says_so():
    controller = ScriptedController(["one"])
    controller.invoke([HumanMessage("a")])
    with pytest.raises(UserError, match=r"1 turns and all of them were played.*'What now'") as caught:
        controller.invoke([HumanMessage("What now")])
    assert caught.value.kind == "script_used_up"


def test_streams_word_by_word_and_calls_last():
    controller = ScriptedController([calls(call("f", x=1), thought="I look at it."), "Done it."])
    whole = None
    pieces = []
    for chunk in controller.stream([HumanMessage("a")]):
        pieces.append(chunk.text)
        whole = chunk if whole is None else whole + chunk
    assert isinstance(whole, AIMessageChunk)
    assert "".join(pieces) == "I look at it."
    assert len([piece for piece in pieces if piece]) == 4
    assert whole.tool_calls[0]["args"] == {"x": 1}
    assert "".join(chunk.text for chunk in controller.stream([HumanMessage("a")])) == "Done it."


def test_notes_the_tools_that_were_offered():
    controller = ScriptedController(["a"])
    controller.bind_tools([{"type": "function", "function": {"name": "look"}}]).invoke([HumanMessage("a")])
    assert controller.offered == [["look"]]


def test_reads_a_script_from_a_file(tmp_path):
    path = tmp_path / "script.json"
    turn = {"thought": "t", "calls": [{"name": "calculate", "arguments": {"expression": "1"}}]}
    path.write_text(json.dumps([turn, "Done."]))
    controller = ScriptedController.from_file(path)
    assert controller.invoke([HumanMessage("a")]).tool_calls[0]["args"] == {"expression": "1"}
    assert controller.invoke([HumanMessage("a")]).text == "Done."


@pytest.mark.parametrize(
    "text",
    ["{", '{"a": 1}', "[1]", '[{"calls": 1}]', '[{"calls": [{}]}]', '[{"calls": [{"name": "f", "arguments": 1}]}]'],
)
def test_refuses_a_file_of_another_form(tmp_path, text):
    path = tmp_path / "script.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"script\.json") as caught:
        read_script(path)
    assert caught.value.kind == "bad_script"


def test_refuses_a_missing_file(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.json"):
        read_script(tmp_path / "nowhere.json")
