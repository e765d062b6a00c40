"""A conversation as a chat template takes it, and how it is made shorter."""

from __future__ import annotations

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from saccade.agent.controllers.transcript import for_template, shorten


def test_shortening_keeps_the_system_message_the_pictures_and_whole_steps():
    call = {"name": "f", "args": {}, "id": "call_1", "type": "tool_call"}
    talk = [
        SystemMessage("S"),
        HumanMessage("Pictures: img_1 (8 x 8 px).\nOne"),
        AIMessage("A"),
        HumanMessage("Pictures: img_2 (9 x 9 px).\nTwo"),
        AIMessage("t", tool_calls=[call]),
        ToolMessage("seen", tool_call_id="call_1"),
        AIMessage("t", tool_calls=[{**call, "id": "call_2"}]),
        ToolMessage("seen more", tool_call_id="call_2"),
    ]
    once = shorten(talk)
    assert [message.text for message in once] == [
        "S",
        "Pictures: img_1 (8 x 8 px), img_2 (9 x 9 px).\nTwo",
        "t",
        "seen",
        "t",
        "seen more",
    ]
    twice = shorten(once)
    assert [message.text for message in twice] == ["S", once[1].text, "t", "seen more"]
    assert shorten(twice) is None


def test_older_turns_are_condensed_before_they_are_lost():
    call = {"name": "f", "args": {}, "id": "call_1", "type": "tool_call"}
    talk = [
        HumanMessage("One"), AIMessage("", tool_calls=[call]), ToolMessage("seen", tool_call_id="call_1"),
        AIMessage("There are 2.", additional_kwargs={"written": "There are {count}."}),
        HumanMessage("Two"), AIMessage("", tool_calls=[call]), ToolMessage("more", tool_call_id="call_1"),
    ]  # fmt: skip
    once = shorten(talk)
    assert [message.text for message in once] == ["One", "There are 2.", "Two", "", "more"]
    assert for_template(once, references=True)[1]["content"] == "There are 2."
    twice = shorten(once)
    assert [message.text for message in twice] == ["Two", "", "more"]


def test_messages_take_the_form_that_templates_read():
    call = {"name": "f", "args": {"x": 1}, "id": "call_1", "type": "tool_call"}
    talk = [
        SystemMessage("S"),
        HumanMessage("H"),
        AIMessage("T", tool_calls=[call]),
        ToolMessage("O", tool_call_id="call_1", name="f"),
    ]
    assert for_template(talk) == [
        {"role": "system", "content": "S"},
        {"role": "user", "content": "H"},
        {
            "role": "assistant",
            "content": "T",
            "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {"x": 1}}}],
        },
        {"role": "tool", "name": "f", "content": "O"},
    ]
