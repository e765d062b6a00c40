"""Tools in few words, and templates that cannot say everything."""

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from saccade import prompts
from saccade.agent.controllers.tool_text import summary, tool_line, with_tools
from saccade.agent.controllers.transcript import Form, for_template, form_of
from saccade.agent.loop import tool_schemas
from saccade.tools.registry import all_tools

TOOLS = tool_schemas(all_tools(), keep_handles=True)


def test_a_tool_is_one_line():
    lines = {tool["function"]["name"]: tool_line(tool["function"]) for tool in TOOLS}
    assert lines["crop_image"].startswith("- crop_image(image, background?: keep|transparent, margin?): Make a new")
    assert "relation?: left of|right of|above" in lines["find_objects"]
    assert all("\n" not in line for line in lines.values())


def test_the_whole_prompt_of_a_real_model_is_short():
    text = with_tools(prompts.load("system"), TOOLS)
    assert len(text) < 5400  # about 1,200 tokens
    for tool in TOOLS:
        assert f"- {tool['function']['name']}(" in text
    assert with_tools("x", []) == "x"


def test_a_summary_ends_with_a_sentence():
    long = "One sentence. " * 40
    assert summary(long).endswith("sentence.")
    assert len(summary(long)) <= 200
    assert summary("Short.\nExample: {}") == "Short."


def chatml(messages):
    return "".join(f"<|{one['role']}|>{one['content']}" for one in messages)


def strict(messages):
    for place, one in enumerate(messages):
        if one["role"] != ("user", "assistant")[place % 2]:
            raise ValueError("Conversation roles must alternate user/assistant/user/assistant/...")
    return chatml(messages)


def hermes(messages):
    return "".join(f"{one['role']}{one['content']}{one.get('tool_calls', '')}" for one in messages)


@pytest.mark.parametrize(
    ("render", "form"),
    [(hermes, Form()), (chatml, Form(calls=False)), (strict, Form(system=False, calls=False, tools=False))],
)
def test_what_a_template_can_say_is_found_out(render, form):
    assert form_of(render) == form
    asked = {"name": "crop_image", "args": {"image": "reg_1"}, "id": "call_1", "type": "tool_call"}
    messages = [
        SystemMessage("Be brief."), HumanMessage("crop it"), AIMessage("", tool_calls=[asked]),
        ToolMessage("made img_2", name="crop_image", tool_call_id="call_1"), HumanMessage("again"),
    ]  # fmt: skip
    told = render(for_template(messages, form))
    for words in ("Be brief.", "crop it", "crop_image", "reg_1", "made img_2", "again"):
        assert words in told
