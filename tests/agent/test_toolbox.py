"""Tools as typed calls: what one finds the next may be given, and a picture may be a file."""

from __future__ import annotations

import inspect

import pytest
from task_scenes import Scenes

from saccade import UserError
from saccade.memory.ledger.pending_turns import pending_turns
from saccade.tools.registry import all_tools
from saccade.tools.values import Output


@pytest.fixture
def scenes(tmp_path):
    made = Scenes(tmp_path, count=2)
    yield made
    made.agent.close()


def test_calls_share_what_they_find(scenes):
    tools = scenes.agent.tools
    path, scene, drawn = scenes.scenes[0]
    found = tools.find_objects(image=path, phrase="thing")
    assert isinstance(found, Output)
    assert found.count == len(scene.things)
    assert sorted(one.box[0] for one in found.regions) == sorted(drawn.boxes[:, 0].tolist())
    outlined = tools.segment_objects(regions=found.regions)
    assert all(one.masked for one in outlined.regions)
    cut = tools.crop_image(image=outlined.regions[0], background="transparent")
    assert (cut.image.handle, cut.image.kind) == ("img_2", "cutout")
    assert str(cut.image.width) in tools.inspect_image(image=cut.image).observation


@pytest.mark.parametrize("given", [str, lambda path: path.read_bytes(), lambda path: path])
def test_a_picture_may_be_a_path_or_bytes_and_several_may_be_given(scenes, given):
    tools = scenes.agent.tools
    both = [given(path) for path, _, _ in scenes.scenes]
    found = tools.find_objects(image=both, phrase="thing")
    assert {one.image for one in found.regions} == {"img_1", "img_2"}


def test_what_does_not_fit_is_an_error_that_says_so(scenes):
    tools = scenes.agent.tools
    with pytest.raises(UserError, match=r"nowhere\.png"):
        tools.find_objects(image="nowhere.png", phrase="mug")
    with pytest.raises(UserError, match="phrases"):
        tools.find_objects(image=scenes.scenes[0][0], phrases="mug")
    with pytest.raises(AttributeError, match="find_objects"):
        tools.find_object  # noqa: B018


def test_each_says_what_it_takes(scenes):
    tools = scenes.agent.tools
    assert [*tools] == [*all_tools()]
    for name in tools:
        assert name in dir(tools)
        signature = inspect.signature(getattr(tools, name))
        assert [*signature.parameters] == [*tools[name].Arguments.model_fields]
        assert signature.return_annotation is tools[name].Output
        assert getattr(tools, name).__doc__ == tools[name].describe()


def test_after_the_agent_was_closed_calls_begin_anew_and_what_they_met_is_remembered(scenes):
    tools = scenes.agent.tools
    path, scene, _ = scenes.scenes[0]
    tools.find_objects(image=path, phrase="thing")
    first = tools.desk.chat.id
    scenes.agent.close()
    assert pending_turns(scenes.agent.store.ledger, None) == [], "all was remembered"
    assert tools.find_objects(image=path, phrase="thing").count == len(scene.things)
    assert tools.desk.chat.id != first
