"""What every registered tool must keep, whoever writes it."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from saccade.errors import ToolRetry
from saccade.memory.pictures.store import PictureStore
from saccade.memory.records import Recalled, RegionDraft, ToolResult
from saccade.memory.workspace import LedgerWorkspace
from saccade.scenes.render import render
from saccade.scenes.sample import sample_scene
from saccade.testing.experts import TruthExperts
from saccade.tools.registry import all_tools, builtin_tools, expert_roles
from saccade.tools.runner import ToolRunner, check_arguments

TOOLS = all_tools()
SCENE = sample_scene(5)
RENDERED = render(SCENE, 512)


class SmallMemory:
    """A memory in which the conversation's own picture and first region are all there is."""

    def __init__(self, workspace):
        self.workspace = workspace

    def recall(self, words, view, *, k, since, kind):
        picture, region = self.workspace.picture("img_1"), self.workspace.region("reg_1")
        return [Recalled(picture.id, 0.91, picture.created, "table.png"), Recalled(region.id, 0.88, picture.created)]

    def remember(self, handle, note):
        pass

    def forget(self, picture):
        raise AssertionError("nobody said yes")


@pytest.fixture
def runner():
    """A conversation with a picture, two regions of it with masks, and experts that know the truth."""
    workspace = LedgerWorkspace(PictureStore(None), "chat_000000000000", "ann")
    _, (picture,) = workspace.begin_turn([RENDERED.image])
    drafts = [
        RegionDraft(picture.id, tuple(map(float, box)), thing.shape, 0.9, mask)
        for box, thing, mask in zip(RENDERED.boxes[:2], SCENE.things, RENDERED.masks, strict=False)
    ]
    workspace.record("before", "find_objects", {}, ToolResult(regions=drafts), lambda recorded: "", turn=1)
    truth = (SCENE, RENDERED.boxes.astype(float), RENDERED.masks)
    experts = TruthExperts({picture.id: truth}.__getitem__)
    return ToolRunner(TOOLS, workspace, experts, memory=SmallMemory(workspace))


def example(name):
    """The arguments of the example that ends a tool's description."""
    return json.loads(re.findall(r"^Example: (\{.*\})$", TOOLS[name].describe(), re.MULTILINE)[-1])


def schemas(schema):
    """Every schema inside a schema, itself included."""
    yield schema
    for key in ("properties", "$defs"):
        for inner in schema.get(key, {}).values():
            yield from schemas(inner)
    for inner in [*schema.get("anyOf", []), *schema.get("prefixItems", [])]:
        yield from schemas(inner)
    if isinstance(schema.get("items"), dict):
        yield from schemas(schema["items"])


def with_unknown_handles(value):
    """The same arguments with every handle changed into one that nobody has."""
    if isinstance(value, dict):
        return {key: with_unknown_handles(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [with_unknown_handles(inner) for inner in value]
    return re.sub(r"^(img|reg)_\d+$", r"\1_99", value) if isinstance(value, str) else value


def test_the_tools_are_told_in_the_order_in_which_the_bundled_controller_learned_them():
    assert tuple(builtin_tools()) == (
        "find_objects",
        "segment_objects",
        "classify_image",
        "crop_image",
        "calculate",
        "describe_image",
        "answer_about_image",
        "read_text",
        "compare_images",
        "inspect_image",
        "search_memory",
        "remember_image",
        "forget_image",
    )


@pytest.mark.parametrize("name", TOOLS)
class TestEveryTool:
    def test_has_a_short_description_with_an_example_that_fits(self, name):
        text = TOOLS[name].describe()
        assert 40 < len(text) < 900
        TOOLS[name].Arguments.model_validate(example(name))

    def test_bounds_every_argument(self, name):
        for schema in schemas(TOOLS[name].Arguments.model_json_schema()):
            if schema.get("type") == "string":
                assert "enum" in schema or "const" in schema or schema["maxLength"] <= 200
            if schema.get("type") == "array":
                assert schema["maxItems"] <= 20
            if schema.get("type") in ("integer", "number"):
                assert {"minimum", "maximum"} <= schema.keys()

    def test_refuses_unknown_arguments_by_name(self, name):
        assert TOOLS[name].Arguments.model_json_schema()["additionalProperties"] is False
        with pytest.raises(ToolRetry, match="no argument 'colour'"):
            check_arguments(TOOLS[name], example(name) | {"colour": "red"}, [])

    def test_marks_its_handles(self, name):
        for schema in schemas(TOOLS[name].Arguments.model_json_schema()):
            if "img" in schema.get("pattern", "") or "reg" in schema.get("pattern", ""):
                assert schema["x-handle"] in ("any", "picture", "region")

    def test_asks_only_experts_that_there_are(self, name):
        assert set(TOOLS[name].roles) <= set(expert_roles())

    def test_answers_in_words(self, runner, name):
        seen = runner.run("call_1", name, example(name), 1)
        assert seen.ok, seen.text
        assert seen.kind is None
        assert seen.seconds >= 0
        assert 3 < len(seen.text) < 4000
        assert not re.search(r"base64|<PIL|array\(|tensor\(|\\x", seen.text)

    def test_gives_facts_that_are_json(self, runner, name):
        arguments = TOOLS[name].Arguments.model_validate(example(name))
        result = TOOLS[name].run(arguments, runner.context)
        assert json.loads(json.dumps(result.facts, allow_nan=False)) == result.facts

    def test_does_a_call_once(self, runner, name):
        first = runner.run("call_1", name, example(name), 1)
        handles = runner.workspace.handles()
        again = runner.run("call_1", name, example(name), 1)
        assert again.text == first.text
        assert again.recorded == first.recorded
        assert runner.workspace.handles() == handles

    def test_lists_the_handles_when_one_is_unknown(self, runner, name):
        arguments = with_unknown_handles(example(name))
        if arguments == example(name):
            pytest.skip("takes no handle")
        with pytest.raises(ToolRetry, match=r"img_1|reg_1, reg_2"):
            TOOLS[name].run(TOOLS[name].Arguments.model_validate(arguments), runner.context)
        seen = runner.run("call_1", name, arguments, 1)
        assert not seen.ok
        assert seen.kind == "unknown_handle"
        assert "_99" in seen.text

    def test_writes_down_where_things_came_from(self, runner, name):
        recorded = runner.run("call_1", name, example(name), 1).recorded
        for one in [*recorded.regions, *recorded.pictures]:
            assert (one.lineage.turn, one.lineage.tool) == (1, name)
            assert one.lineage.arguments == example(name)
            assert one.lineage.parent is not None

    def test_leaves_the_pictures_as_they_were(self, runner, name):
        before = np.asarray(runner.workspace.open(runner.workspace.picture("img_1").id))
        runner.run("call_1", name, example(name), 1)
        assert np.array_equal(before, np.asarray(runner.workspace.open(runner.workspace.picture("img_1").id)))
