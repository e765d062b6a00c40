"""What the vision tools find, make and say, over scenes whose truth is exact."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from saccade.errors import ExpertFailed
from saccade.memory.pictures.store import PictureStore
from saccade.memory.workspace import LedgerWorkspace
from saccade.queries.space import PLACES
from saccade.scenes.about import about
from saccade.scenes.render import render
from saccade.scenes.sample import sample_scene
from saccade.scenes.scene import COLORS, SIZES, Scene, Thing
from saccade.testing.experts import Noise, TrueExperts
from saccade.testing.workspace import MemoryWorkspace
from saccade.tools.contracts import ToolContext
from saccade.tools.look import look, require_known
from saccade.tools.registry import all_tools
from saccade.tools.requests import Detect, Likeness, Match, Segment
from saccade.tools.runner import ToolRunner
from saccade.tools.shared import geometry
from saccade.tools.shared.finding import find


def thing(number, shape, color, material, size, x, y):
    return Thing(number, shape, color, size, material, x, y, SIZES[size])


SCENE = Scene(
    7,
    (
        thing(0, "cube", "red", "metal", "large", 0.15, 0.2),
        thing(1, "cube", "red", "wood", "small", 0.5, 0.5),
        thing(2, "cube", "blue", "metal", "small", 0.85, 0.2),
        thing(3, "ball", "red", "rubber", "large", 0.2, 0.8),
        thing(4, "mug", "green", "rubber", "small", 0.8, 0.85),
    ),
    "desk",
    -60,
)
RENDERED = render(SCENE, 512)


class Listening:
    """Experts that remember what they were asked."""

    def __init__(self, experts):
        self.experts = experts
        self.asked = []

    def about(self, role):
        return self.experts.about(role)

    def ask(self, role, requests):
        self.asked.append((role, list(requests)))
        return self.experts.ask(role, requests)

    def of(self, kind):
        return [one for _, requests in self.asked for one in requests if isinstance(one, kind)]


class Desk:
    """A conversation about `SCENE`, on the real ledger."""

    def __init__(self, noise=None):
        self.workspace = LedgerWorkspace(PictureStore(None), "chat_000000000000", "ann")
        _, (self.picture,) = self.workspace.begin_turn([RENDERED.image])
        truth = (SCENE, RENDERED.boxes.astype(float), RENDERED.masks)
        self.experts = Listening(TrueExperts({self.picture.id: truth}.__getitem__, noise))
        self.runner = ToolRunner(all_tools(), self.workspace, self.experts)
        self.calls = 0

    def __call__(self, name, **arguments):
        self.calls += 1
        return self.runner.run(f"call_{self.calls}", name, arguments, 1)

    def region_of(self, index):
        """The handle of a region of thing number `index`."""
        found = self("find_objects", image="img_1").recorded.regions
        return next(one.handle for one in found if np.allclose(one.box, RENDERED.boxes[index]))


@pytest.fixture
def desk():
    return Desk()


def things_of(regions):
    """Which things of the scene these regions are of."""
    boxes = RENDERED.boxes.astype(float)
    return [int(geometry.box_iou(np.array(one.box), boxes).argmax()) for one in regions]


FINDS = [
    ({"phrase": "red cube"}, {0, 1}),
    ({"phrase": "red metal cube"}, {0}),
    ({"phrase": "scarlet block"}, {0, 1}),
    ({"phrase": "cube"}, {0, 1, 2}),
    ({"phrase": "red thing"}, {0, 1, 3}),
    ({"phrase": "metal thing"}, {0, 2}),
    ({"phrase": "cup"}, {4}),
    ({"phrase": "yellow cube"}, set()),
    ({"phrase": "zebra"}, set()),
    ({}, {0, 1, 2, 3, 4}),
    ({"phrase": "Everything"}, {0, 1, 2, 3, 4}),
    ({"phrase": "cube", "size": "small"}, {1, 2}),
    ({"phrase": "cube", "size": "large"}, {0}),
    ({"size": "small"}, {1, 2, 4}),
    ({"phrase": "cube", "order": "largest", "at_most": 1}, {0}),
    ({"phrase": "thing", "order": "leftmost", "at_most": 1}, {0}),
    ({"phrase": "thing", "order": "rightmost", "at_most": 1}, {2}),
    ({"phrase": "red thing", "order": "bottommost", "at_most": 1}, {3}),
    ({"phrase": "red thing", "order": "topmost", "at_most": 1}, {0}),
]


@pytest.mark.parametrize(("arguments", "expected"), FINDS)
def test_find_objects_finds_just_what_the_phrase_names(desk, arguments, expected):
    regions = desk("find_objects", image="img_1", **arguments).recorded.regions
    assert set(things_of(regions)) == expected
    assert len(regions) == len(expected)
    for region in regions:
        assert np.allclose(region.box, RENDERED.boxes[things_of([region])[0]])


def test_the_observation_of_a_search(desk):
    text = desk("find_objects", image="img_1", phrase="green mug").text
    x0, y0, x1, y1 = (int(value) for value in RENDERED.boxes[4])
    assert text == (
        f'1 found in img_1 (512 x 512 px) for "green mug": reg_1 green mug, lower right, ({x0}, {y0}, {x1}, {y1}), 0.99'
    )
    assert desk("find_objects", image="img_1", phrase="zebra").text == (
        'Nothing found in img_1 (512 x 512 px) for "zebra".'
    )
    everything = desk("find_objects", image="img_1").text
    assert everything.startswith("5 found in img_1 (512 x 512 px): reg_2 ")
    assert "mug, lower right" in everything
    first = desk("find_objects", image="img_1", phrase="cube", order="largest", at_most=1).text
    assert first.startswith('1 of 3 found in img_1 (512 x 512 px) for "cube", largest first: reg_7 cube, upper left')
    small = desk("find_objects", image="img_1", phrase="ball", size="small").text
    assert small == 'Nothing found in img_1 (512 x 512 px) for "ball", small only.'


def test_order_sorts_all_of_them(desk):
    regions = desk("find_objects", image="img_1", order="leftmost").recorded.regions
    centres = [geometry.centre(region.box)[0] for region in regions]
    assert centres == sorted(centres)


def test_looking_into_a_region_sees_its_crop_and_answers_in_the_whole_pictures_pixels(desk):
    handle = desk.region_of(4)
    seen = desk("find_objects", image=handle)
    assert things_of(seen.recorded.regions) == [4]
    assert np.allclose(seen.recorded.regions[0].box, RENDERED.boxes[4])
    assert seen.text.startswith(f"1 found in {handle} (in img_1, 512 x 512 px): ")
    look = desk.experts.of(Detect)[-1].view
    assert not look.whole
    assert look.pixels().width < 100


def test_every_box_is_judged_on_a_crop_of_its_own_in_one_batch(desk):
    desk("find_objects", image="img_1", phrase="cube")
    batches = [requests for _, requests in desk.experts.asked if isinstance(requests[0], Match)]
    assert [len(batch) for batch in batches] == [5]
    for one in batches[0]:
        x0, _, x1, _ = one.view.box
        assert x1 - x0 < 160
        assert one.phrases == ("cube",)


def test_the_picture_is_opened_once_for_all_its_crops(desk, monkeypatch):
    desk("find_objects", image="img_1", phrase="cube")
    opened = []
    original = LedgerWorkspace.open
    monkeypatch.setattr(LedgerWorkspace, "open", lambda *args: opened.append(args) or original(*args))
    for one in desk.experts.of(Match):
        one.view.pixels()
    assert len(opened) == 1


def test_everything_asks_clip_for_nothing_but_the_likeness(desk):
    desk("find_objects", image="img_1")
    assert not desk.experts.of(Match)
    assert desk.experts.of(Detect)[0].phrase is None


def test_words_that_say_nothing_are_not_judged(desk):
    assert len(desk("find_objects", image="img_1", phrase="thing").recorded.regions) == 5
    assert not desk.experts.of(Match)


def test_size_words_are_left_to_the_box(desk):
    desk("find_objects", image="img_1", phrase="cube", size="small")
    assert {one.phrases for one in desk.experts.of(Match)} == {("cube",)}


def test_two_boxes_of_one_thing_are_one_region():
    class Double:
        def ask(self, role, requests):
            if role == "clip":
                return [None for _ in requests]
            sv = pytest.importorskip("supervision")
            boxes = np.array([[10, 10, 50, 50], [11, 10, 51, 50], [100, 100, 140, 140]], np.float32)
            names = np.array(["cube", "ring", "ball"])
            return [sv.Detections(boxes, confidence=np.array([0.8, 0.9, 0.5]), data={"class_name": names})]

    workspace = MemoryWorkspace()
    workspace.add("a", (200, 200))
    context = ToolContext(workspace, Double())
    found = find(context, look(context, "img_1"))
    assert [one.label for one in found.regions] == ["ring", "ball"]


def test_boxes_are_cut_to_the_picture():
    assert geometry.clip_box((-5, -5, 900, 20), (200, 100)) == (0, 0, 200, 20)
    assert geometry.clip_box((250, 40, 260, 40), (200, 100)) == (199, 40, 200, 41)


def test_segment_gives_masks_to_the_regions_that_are_named(desk):
    cube, ball = desk.region_of(0), desk.region_of(3)
    seen = desk("segment_objects", regions=[ball, cube])
    assert [one.handle for one in seen.recorded.masked] == [ball, cube]
    assert not seen.recorded.regions
    mask = desk.workspace.open_mask(desk.workspace.region(cube))
    assert np.array_equal(mask, RENDERED.masks[0])
    assert seen.text == (
        f"Outlined 2: {ball} ball, {RENDERED.masks[3].sum()} px; {cube} cube, {RENDERED.masks[0].sum()} px"
    )
    requests = desk.experts.of(Segment)
    assert [len(one.boxes) for one in requests] == [2]
    assert requests[0].view.whole


def test_segment_by_phrase_finds_and_outlines(desk):
    seen = desk("segment_objects", image="img_1", phrase="red cube")
    assert set(things_of(seen.recorded.regions)) == {0, 1}
    for region, index in zip(seen.recorded.regions, things_of(seen.recorded.regions), strict=True):
        assert np.array_equal(desk.workspace.open_mask(region), RENDERED.masks[index])
    assert seen.text.startswith('2 outlined in img_1 (512 x 512 px) for "red cube": reg_1 red cube, ')
    assert [len(one.boxes) for one in desk.experts.of(Segment)] == [2]
    assert desk("segment_objects", image="img_1", phrase="zebra").text.startswith("Nothing found in img_1")


def test_segment_by_points_makes_a_region_of_what_lies_there(desk):
    rows, columns = np.nonzero(RENDERED.masks[3])
    point = [int(np.median(columns)), int(np.median(rows))]
    seen = desk("segment_objects", image="img_1", points=[point])
    assert np.allclose(seen.recorded.regions[0].box, RENDERED.boxes[3])
    assert seen.text.startswith(
        f"1 outlined in img_1 (512 x 512 px): reg_1 part at ({point[0]}, {point[1]}), lower left"
    )
    nothing = desk("segment_objects", image="img_1", points=[[5, 505]])
    assert nothing.ok
    assert "Nothing to outline" in nothing.text


CLASSIFIED = [
    (0, list(COLORS), "red"),
    (2, list(COLORS), "blue"),
    (1, ["rubber", "metal", "wood"], "wood"),
    (4, ["a cup", "a fish"], "a cup"),
    (None, ["plain background", "desk", "street", "shelf"], "desk"),
]


@pytest.mark.parametrize(("index", "labels", "expected"), CLASSIFIED)
def test_classify_chooses_the_label_that_is_true(desk, index, labels, expected):
    handle = "img_1" if index is None else desk.region_of(index)
    seen = desk("classify_image", image=handle, labels=labels)
    scores = seen.recorded.facts["scores"]
    assert scores[0][0] == expected
    assert sum(score for _, score in scores) == pytest.approx(1, abs=1e-3)
    assert seen.text.startswith(f"{handle}: {expected} 0.")
    assert seen.text.count(",") == min(3, len(labels)) - 1


def test_crop_keeps_the_pixels_of_the_original(desk):
    handle = desk.region_of(0)
    seen = desk("crop_image", image=handle)
    (made,) = seen.recorded.pictures
    x0, y0, x1, y1 = (int(value) for value in RENDERED.boxes[0])
    assert seen.text == f"Made img_2 ({x1 - x0} x {y1 - y0} px), a crop of {handle}."
    assert (made.kind, made.size) == ("crop", (x1 - x0, y1 - y0))
    assert made.lineage.parent == desk.workspace.region(handle).id
    crop = np.asarray(desk.workspace.open(made.id))
    assert np.array_equal(crop, np.asarray(RENDERED.image)[y0:y1, x0:x1])
    wide = desk("crop_image", image=handle, margin=0.5).recorded.pictures[0]
    assert wide.width > made.width


def test_a_cut_out_wants_a_mask_first_and_then_is_clear_around_the_thing(desk):
    handle = desk.region_of(3)
    early = desk("crop_image", image=handle, background="transparent")
    assert (early.ok, early.kind) == (False, "no_mask")
    assert f'segment_objects(regions=["{handle}"])' in early.text
    desk("segment_objects", regions=[handle])
    seen = desk("crop_image", image=handle, background="transparent")
    (made,) = seen.recorded.pictures
    assert seen.text == (
        f"Made {made.handle} ({made.width} x {made.height} px), a cut-out of {handle} on a transparent background."
    )
    x0, y0, x1, y1 = (int(value) for value in RENDERED.boxes[3])
    mask = RENDERED.masks[3][y0:y1, x0:x1]
    with Image.fromarray(np.asarray(desk.workspace.open(made.id, alpha=True))) as image:
        pixels = np.asarray(image)
    assert np.array_equal(pixels[..., 3] > 0, mask)
    assert np.array_equal(pixels[mask][:, :3], np.asarray(RENDERED.image)[y0:y1, x0:x1][mask])
    assert not pixels[~mask].any()


VISION = [
    ("find_objects", {"image": "img_2"}),
    ("segment_objects", {"image": "img_2", "phrase": "cat"}),
    ("segment_objects", {"image": "img_2", "points": [[1, 1]]}),
    ("classify_image", {"image": "img_2", "labels": ["cat", "dog"]}),
]


@pytest.mark.parametrize(("name", "arguments"), VISION)
def test_a_picture_unlike_the_drawn_world_is_refused_with_the_command_that_mends_it(desk, name, arguments):
    desk.workspace.add_given(Image.effect_noise((64, 48), 80).convert("RGB"))
    seen = desk(name, **arguments)
    assert (seen.ok, seen.kind) == (False, "unfamiliar_picture")
    for word in ("img_2", "`saccade models fetch gpu`", "`--profile gpu`"):
        assert word in seen.text


class Fixed:
    def __init__(self, likeness):
        self.likeness = likeness
        self.views = []

    def ask(self, role, requests):
        self.views += [one.view for one in requests]
        return [self.likeness for _ in requests]


@pytest.mark.parametrize("likeness", [None, 0.5, 1.0])
def test_models_without_a_calibration_are_trusted(desk, likeness):
    require_known(desk.runner.context.view("img_1"), Fixed(likeness), "img_1")


def test_the_whole_picture_is_judged_even_for_a_region(desk):
    experts = Fixed(0.49)
    with pytest.raises(ExpertFailed, match="img_1 is unlike"):
        require_known(desk.runner.context.view(desk.region_of(0)), experts, "img_1")
    assert experts.views[0].whole


def test_a_crop_is_judged_by_the_picture_it_came_from(desk):
    desk("crop_image", image=desk.region_of(0))
    desk.experts.asked.clear()
    desk("classify_image", image="img_2", labels=["red", "blue"])
    assert {one.view.picture for one in desk.experts.of(Likeness)} == {desk.picture.id}


def test_places_and_sizes_are_those_of_the_drawn_world():
    assert geometry.PLACES == PLACES
    small, large = SIZES["small"], SIZES["large"]
    assert pytest.approx((small * large) ** 0.5, abs=0.001) == about("detector")["small_below"]
    assert geometry.position((0, 0, 10, 10), (30, 30)) == "upper left"
    assert geometry.position((10, 20, 20, 30), (30, 30)) == "bottom"
    assert geometry.position((30, 30, 30, 30), (30, 30)) == "lower right"


def test_noise_errs_as_told_and_always_alike():
    exact, same, other = Desk(), Desk(Noise(1, spread=0.3)), Desk(Noise(1, spread=0.3))
    for one in (exact, same, other):
        one("find_objects", image="img_1", phrase="cube", order="leftmost")
    texts = [one.runner.run("call_1", "find_objects", {}, 1).text for one in (exact, same, other)]
    assert texts[1] == texts[2] != texts[0]
    assert not Desk(Noise(1, miss=1.0))("find_objects", image="img_1").recorded.regions
    assert things_of(Desk(Noise(1, wrong=1.0))("find_objects", image="img_1", phrase="ball").recorded.regions) != [3]


def test_a_trace_follows_a_cut_out_to_the_thing_it_shows():
    workspace = MemoryWorkspace()
    scene = sample_scene(3)
    workspace.add_scene(scene, render(scene, 128).boxes * 4)
    runner = ToolRunner(all_tools(), workspace, TrueExperts(workspace.truth))
    region = runner.run("a", "find_objects", {"image": "img_1"}, 1).recorded.regions[0]
    runner.run("b", "segment_objects", {"regions": [region.handle]}, 1)
    made = runner.run("c", "crop_image", {"image": region.handle, "background": "transparent"}, 1)
    assert made.ok
    seen = runner.run(
        "d", "classify_image", {"image": "img_2", "labels": sorted({one.color for one in scene.things})}, 1
    )
    wanted = next(one for one in scene.things if one.shape == region.label)
    assert wanted.color in seen.text.split(",")[0]
