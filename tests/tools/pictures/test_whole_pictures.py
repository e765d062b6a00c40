"""Pictures changed as a whole: new backgrounds, restyling, instructions; and what published painters are judged by."""

from __future__ import annotations

import numpy as np
import pytest
import supervision as sv
from painted_worlds import Behind, Open, World, grey

from saccade.tools.requests import Paint


def test_a_new_background_leaves_the_things_to_the_bit():
    world = Behind()
    _, _, masks = world.truth.lookup(world.workspace.picture("img_1").id)
    told = world.edit(do="background", by="street")
    assert told.ok, told.text
    assert told.recorded.facts["lacks"] == ""
    before, made = (np.asarray(world.workspace.open(world.workspace.picture(one).id)) for one in ("img_1", "img_2"))
    stays = np.any(masks, axis=0)
    assert np.array_equal(made[stays], before[stays])
    assert (made[~stays] != before[~stays]).any(-1).mean() > 0.9
    assert {one.background for one in world.asked} == {"street"}
    recipe = told.recorded.facts["painted"][0]
    assert recipe["seed"] == 7919
    assert recipe["versions"]["torch"]
    kept = world.runner.run("find", "find_objects", {"image": "img_1", "phrase": "everything"}, 1).recorded.regions[0]
    told = world.edit(do="background", by="a street", regions=[kept.handle])
    alone = np.asarray(world.workspace.open(told.recorded.pictures[0].id))
    changed = (alone != before).any(-1)
    x0, y0, x1, y1 = (round(value) for value in kept.box)
    assert not changed[masks[np.argmax([mask[y0:y1, x0:x1].sum() for mask in masks])]].any()
    assert changed[stays].any(), "the others are painted over"


def test_a_background_that_did_not_come_out_or_is_not_known_is_told():
    assert "no street is seen in it" in Behind(street=False).edit(do="background", by="street").text
    told = Behind().edit(do="background", by="a jungle")
    assert not told.ok
    assert "'a jungle' is no background that this painter knows: plain background, desk, street, shelf" in told.text
    empty = Behind()
    empty.or_nothing = lambda role, requests: (
        [sv.Detections.empty()] if role == "detector" else World.ask(empty, role, requests)
    )
    assert "nothing is seen in img_1 that could stay" in empty.edit(do="background", by="desk").text


@pytest.mark.parametrize(
    "edit", [{"do": "restyle", "prompt": "a watercolour"}, {"do": "instruct", "what": "make it winter"}]
)
def test_the_drawn_world_s_painter_changes_no_picture_as_a_whole(edit):
    world = World(grey)
    told = world.runner.run("c", "edit_image", {"image": "img_1", "edits": [edit]}, 1)
    assert not told.ok
    assert "saccade models fetch gpu" in told.text
    assert not world.asked


@pytest.mark.parametrize(("edit", "way", "prompt"), [
    ({"do": "restyle", "prompt": "a watercolour", "strength": 0.5}, "paint", "a watercolour"),
    ({"do": "restyle", "prompt": "a night in town", "keep": "edges"}, "edges", "a night in town"),
    ({"do": "restyle", "prompt": "a night in town", "keep": "depth"}, "depth", "a night in town"),
    ({"do": "instruct", "what": "make it winter"}, "instruct", "make it winter"),
])  # fmt: skip
def test_published_painters_change_whole_pictures(edit, way, prompt):
    world = Open(grey)
    told = world.runner.run("c", "edit_image", {"image": "img_1", "edits": [edit]}, 1)
    assert told.ok, told.text
    assert told.recorded.facts["lacks"] == ""
    assert told.recorded.pictures[0].size == world.image.size
    asked = world.asked[0]
    assert (asked.way, asked.prompt, asked.strength, asked.mask) == (way, prompt, edit.get("strength"), None)
    unchanged = Open(lambda one: one.image, true=False)
    told = unchanged.runner.run("c", "edit_image", {"image": "img_1", "edits": [edit]}, 1)
    assert "It did not all come out" in told.text, "the parent unchanged is not taken for the edit"


def test_what_a_published_painter_paints_is_judged_thing_by_thing():
    def painted(*things):
        return lambda one: world.truth.painter.paint(Paint("", things=things, seed=one.seed))

    left, right = ("red cube", (0.1, 0.4, 0.3, 0.6)), ("blue ball", (0.6, 0.4, 0.8, 0.6))
    for things, said in (((left, right), "as it was asked"), ((left,), "no blue ball is seen in it"),
                         ((("red cube", right[1]), ("blue ball", left[1])), "red cube left of blue ball does not hold"),
                         ):  # fmt: skip
        world = Open(true=False)
        world.paint = painted(*things)
        assert said in world(prompt="a red cube left of a blue ball", tries=1).text
    world = Open(grey, true=False)
    assert "no sunset is seen in it" in world(prompt="a sunset", tries=1, width=128, height=128).text


def test_boxes_reach_a_published_painter_that_has_a_control_net_for_them():
    world = Open(about={"parts": {"segments": "file:/nowhere"}})
    box = [0.1, 0.5, 0.3, 0.7]
    assert "as it was asked" in world(prompt="a fish", things=[{"words": "pink fish", "box": box}], tries=1).text
    assert world.asked[0].things == (("pink fish", tuple(box)),)
    world(prompt="a red cube left of a blue ball", tries=1)
    (_, cube), (_, ball) = world.asked[1].things
    assert cube[2] < ball[0]
    without = Open(lambda one: without.truth.painter.paint(Paint("", things=(("pink fish", (0.7, 0.1, 0.9, 0.3)),))))
    told = without(prompt="a fish", things=[{"words": "pink fish", "box": box}], tries=1)
    assert without.asked[0].things is None
    assert "no pink fish is seen in it" in told.text, "it stands elsewhere than it was asked to"
