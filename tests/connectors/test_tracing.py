"""Spans of a turn, its steps and the experts, as an exporter gets them."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from web_house import png, true_experts

from saccade import Agent
from saccade.connectors import tracing
from saccade.connectors.turns import Turns
from saccade.testing import ScriptedController, call


@pytest.fixture
def spans(monkeypatch):
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "TRACER", provider.get_tracer("saccade"))
    return exporter


def test_a_turn_its_steps_and_what_was_asked(spans, tmp_path):
    experts = true_experts()
    script = [
        call("find_objects", image="img_1"),
        "I see reg_1.",
        call("find_objects", image="img_7"),
        "I see nothing.",
    ]
    agent = Agent(controller=ScriptedController(script), home=tmp_path, experts=tracing.TracedExperts(experts))
    turns = Turns(listener=tracing.Tracing())
    chat = agent.chat(user="ann")
    turns.submit(chat, "What is there?", [png()], lambda _: None).done.result(30)
    turns.submit(chat, "And in the other?", [], lambda _: None).done.exception(30)
    assert turns.close()
    agent.close()
    told = {
        name: [one for one in spans.get_finished_spans() if one.name == name] for name in ("turn", "step", "expert")
    }
    assert len(told["turn"]) == 2
    assert [one.attributes["saccade.tool"] for one in told["step"]] == ["find_objects", "find_objects"]
    assert told["step"][0].parent.span_id == told["turn"][0].context.span_id
    assert [one.status.is_ok for one in told["step"]] == [True, False]
    assert {one.attributes["saccade.role"] for one in told["expert"]} >= {"detector"}
    words = str([dict(one.attributes) for some in told.values() for one in some])
    assert "What is there" not in words
