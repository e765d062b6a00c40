"""Spans of a turn, its steps, the tools and the experts, as an exporter gets them."""

from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from web_house import png, scripted_agent

from saccade.connectors import tracing
from saccade.connectors.turns import Turns
from saccade.testing import call
from saccade.tools import tracing as of_tools


@pytest.fixture
def spans(monkeypatch):
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    return exporter


def test_a_turn_its_steps_the_tools_and_the_experts_lie_within_each_other(spans, tmp_path):
    script = [
        call("find_objects", image="img_1"),
        "I see reg_1.",
        call("find_objects", image="img_7"),
        "I see nothing.",
    ]
    agent = scripted_agent(tmp_path, script)
    turns = Turns(listener=tracing.Tracing())
    chat = agent.chat(user="ann")
    turns.submit(chat, "What is there?", [png()], lambda _: None).done.result(30)
    turns.submit(chat, "And in the other?", [], lambda _: None).done.exception(30)
    assert turns.close()
    agent.close()
    told = {
        name: [one for one in spans.get_finished_spans() if one.name == name]
        for name in ("turn", "step", "tool", "expert")
    }
    assert [len(told[name]) for name in ("turn", "step", "tool")] == [2, 2, 2]
    for inner, outer in (("step", "turn"), ("tool", "step"), ("expert", "tool")):
        assert told[inner][0].parent.span_id == told[outer][0].context.span_id
    assert [one.attributes["saccade.tool"] for one in told["step"]] == ["find_objects", "find_objects"]
    assert [one.status.is_ok for one in told["step"]] == [True, False]
    assert told["tool"][1].status.description == "unknown_handle"
    assert {one.attributes["saccade.role"] for one in told["expert"]} >= {"detector"}
    words = str([dict(one.attributes) for some in told.values() for one in some])
    assert "What is there" not in words


def test_a_tool_that_fails_says_what_kind_of_error_and_no_words(spans):
    with pytest.raises(ValueError, match="a red cube"), of_tools.span("tool", tool="paint"):
        raise ValueError("a red cube")
    (failed,) = spans.get_finished_spans()
    assert (failed.status.description, failed.events) == ("ValueError", ())


def test_where_nobody_has_loaded_opentelemetry_nothing_is(monkeypatch):
    monkeypatch.setattr(of_tools, "API", "opentelemetry.not_loaded")
    with of_tools.span("tool", tool="paint"):
        assert of_tools.tracer() is None
