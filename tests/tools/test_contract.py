"""What every registered tool must keep, those of installed packages included: the rules of `saccade.testing`."""

from __future__ import annotations

import pytest

from saccade.testing.contract import RULES, Trial, check_tool
from saccade.tools.contracts import Tool, ToolArguments, ToolResult
from saccade.tools.registry import all_tools, builtin_tools

TOOLS = all_tools()


def test_the_tools_are_told_in_the_order_of_their_ranks():
    assert tuple(builtin_tools()) == (
        "find_objects",
        "select_regions",
        "segment_objects",
        "classify_image",
        "crop_image",
        "edit_image",
        "generate_image",
        "calculate",
        "describe_image",
        "answer_about_image",
        "read_text",
        "read_table",
        "compare_images",
        "inspect_image",
        "search_memory",
        "remember_image",
        "forget_image",
    )


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("name", TOOLS)
def test_every_tool(name, rule):
    trial = Trial(type(TOOLS[name]))
    rule(trial)


class Endless(ToolArguments):
    words: str


class Careless(Tool):
    """Breaks what it can: its words have no bound, its facts are no JSON, and it shows pixels."""

    name = "careless"
    description = 'Does whatever it likes with whatever it is given, and tells it.\nExample: {"words": "a"}'
    Arguments = Endless
    roles = ("no such role",)

    def run(self, arguments, context):
        return ToolResult(facts={"numbers": (1, 2)})

    def observe(self, arguments, recorded):
        return "array([1, 2, 3])"


@pytest.mark.parametrize(
    "rule",
    ["bounds_every_argument", "asks_only_experts_that_there_are", "answers_in_words", "gives_facts_that_are_json"],
)
def test_a_careless_tool_is_caught(rule):
    (chosen,) = [one for one in RULES if one.__name__ == rule]
    with pytest.raises(AssertionError):
        chosen(Trial(Careless))


def test_one_call_checks_everything():
    check_tool(type(TOOLS["find_objects"]))
    with pytest.raises(AssertionError):
        check_tool(Careless)
