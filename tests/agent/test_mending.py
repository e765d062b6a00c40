"""What a server sends that is not quite right, and copies of what a reply shows."""

from __future__ import annotations

from langchain_core.messages import AIMessage

from saccade.agent.exports import export
from saccade.agent.loop import mend


def test_the_same_result_is_copied_once(tmp_path):
    (tmp_path / "a.png").write_bytes(b"a")
    assert [export(tmp_path / "a.png", tmp_path / "out", "b.png").name for _ in range(2)] == ["b.png", "b.png"]


def test_a_broken_call_of_a_server_becomes_one_that_can_be_answered():
    broken = {"name": "look", "args": '{"image": "img_', "id": "x", "error": None, "type": "invalid_tool_call"}
    mended = mend(AIMessage("", invalid_tool_calls=[broken]), [])
    assert mended.tool_calls == [
        {"name": "look", "args": {"malformed": '{"image": "img_'}, "id": "x", "type": "tool_call"}
    ]
    assert mended.invalid_tool_calls == []


def test_ids_that_a_server_gives_twice_are_replaced():
    def message(id):
        return AIMessage("", tool_calls=[{"name": "f", "args": {}, "id": id, "type": "tool_call"}])

    assert mend(message("a"), [message("a")]).tool_calls[0]["id"] == "call_2"
    assert mend(message("b"), [message("a")]).tool_calls[0]["id"] == "b"
    assert mend(message(None), []).tool_calls[0]["id"] == "call_1"
    assert mend(message("call_2"), [message("call_2")]).tool_calls[0]["id"] == "call_2_again"
    assert mend(AIMessage(" "), []).text
