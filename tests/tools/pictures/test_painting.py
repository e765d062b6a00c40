"""Painting: what a prompt asks for, where it goes, whether it came out, and what the tools refuse."""

from __future__ import annotations

import numpy as np
import pytest
from painted_worlds import Blind, World, grey, noise
from PIL import Image

from saccade.errors import ExpertFailed
from saccade.scenes.about import about
from saccade.settings import load_profile
from saccade.testing import SceneBook, TrueExperts
from saccade.tools.contracts import ToolContext
from saccade.tools.pool import ExpertPool
from saccade.tools.requests import Paint
from saccade.tools.shared.painting import repaint
from saccade.tools.shared.painting.judging import judge
from saccade.tools.shared.painting.layout import holds, lay_out
from saccade.tools.shared.painting.wanted import Asked, Wanted, read_prompt

OURS = about("painter")


@pytest.mark.parametrize(("prompt", "things", "relations", "background"), [
    ("a red cube", ["red cube"], [], ""),
    ("Draw me a picture of two red cubes and a small green star on a desk",
     ["red cube", "red cube", "small green star"], [], "desk"),
    ("a shiny sphere above two wooden rings", ["shiny ball", "wooden ring", "wooden ring"],
     [(0, "above", 1), (0, "above", 2)], ""),
    ("a house with a tree to the right of it", ["house", "tree"], [(1, "right of", 0)], ""),
    ("a blue cube to the right of a red ball and above a green cone", ["blue cube", "red ball", "green cone"],
     [(0, "right of", 1), (0, "above", 2)], ""),
    ("a red cube left of a ball, a cone below the ball", ["red cube", "ball", "cone"],
     [(0, "left of", 1), (2, "below", 1)], ""),
    ("Please, generate an image: exactly three leaves, nothing else.", ["leaf"] * 3, [], ""),
    ("an empty street", [], [], "street"),
])  # fmt: skip
def test_a_prompt_is_read(prompt, things, relations, background):
    wanted = read_prompt(prompt, OURS)
    assert [asked.words for asked in wanted.things] == things
    assert list(wanted.relations) == relations
    assert wanted.background == background


def test_places_in_the_picture_are_read_and_kept():
    wanted = read_prompt("a key in the upper left, a mug at the bottom and a ball in the middle", OURS)
    assert [asked.place for asked in wanted.things] == ["upper left", "bottom", "centre"]
    for seed in range(20):
        key, mug, ball = lay_out(wanted, seed, OURS)
        assert key[2] <= 0.5
        assert key[3] <= 0.5
        assert mug[1] >= 0.5
        assert 0.2 < ball[0] < ball[2] < 0.8


def test_words_that_the_painter_does_not_know_are_named():
    assert read_prompt("a red cube beside a purple unicorn", OURS).unknown == ("unicorn",)


def test_a_layout_keeps_relations_and_things_apart():
    wanted = read_prompt("a red cube left of a blue ball, a green cone below the blue ball, two hearts", OURS)
    for seed in range(30):
        boxes = lay_out(wanted, seed, OURS)
        assert all(holds(boxes, *relation) for relation in wanted.relations)
        for at, one in enumerate(boxes):
            assert all(0 <= value <= 1 for value in one)
            for other in boxes[:at]:
                assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
    assert lay_out(wanted, 3, OURS) == lay_out(wanted, 3, OURS)


def test_a_bottle_gets_a_tall_box():
    (box,) = lay_out(read_prompt("a bottle", OURS), 0, OURS)
    assert box[3] - box[1] > 1.8 * (box[2] - box[0])


def test_a_picture_is_made_as_it_was_asked():
    world = World()
    told = world(prompt="a red metal cube left of a blue ball", count=2)
    assert told.ok, told.text
    assert [(picture.kind, picture.size) for picture in told.recorded.pictures] == [("generation", (128, 128))] * 2
    assert told.text.count("as it was asked") == 2
    assert len(world.asked) == 8
    assert len({one.seed for one in world.asked}) == 8
    recipe = told.recorded.facts["painted"][0]
    assert [words for words, _ in recipe["things"]] == ["red metal cube", "blue ball"]
    assert recipe["seed"] in [one.seed for one in world.asked]


def test_what_did_not_come_out_is_said():
    world = World()
    truth = world.truth.painter
    world.paint = lambda one: truth.paint(Paint("", things=(("green star", (0.4, 0.4, 0.6, 0.6)),), seed=one.seed))
    told = world(prompt="a red cube and a green star", tries=2)
    assert told.ok
    assert "no red cube is seen in it" in told.text
    assert "as it was asked" not in told.text


def test_boxes_that_are_given_are_painted_as_they_are():
    world = World()
    box = [0.1, 0.5, 0.3, 0.7]
    told = world(prompt="a fish", things=[{"words": "pink fish", "box": box}], width=256, tries=1)
    assert told.recorded.pictures[0].size == (256, 256)
    assert world.asked[0].things == (("pink fish", tuple(box)),)


@pytest.mark.parametrize(("arguments", "said"), [
    ({"prompt": "a unicorn"}, "not 'unicorn'"),
    ({"prompt": "!!!"}, "knows only drawn things"),
    ({"prompt": "x" * 10_000}, "400"),
    ({"prompt": ""}, "prompt"),
    ({"prompt": "a cube", "width": 20_000}, "2048"),
    ({"prompt": "a cube", "count": 1000}, "4"),
    ({"prompt": "a cube", "seed": -1}, "0"),
    ({"prompt": "a cube", "guidance": float("nan")}, "guidance"),
    ({"prompt": "a cube", "things": [{"words": "a cube", "box": [0.5, 0.5, 0.4, 0.6]}]}, "is no box"),
    ({"prompt": "a cube", "things": [{"words": "a cube", "box": [0.5, 0.5, 1.4, 0.6]}]}, "1"),
    ({"prompt": "a cube", "things": [{"words": "a dragon", "box": [0.1, 0.1, 0.4, 0.6]}]}, "dragon"),
])  # fmt: skip
def test_bad_requests_are_refused_and_nothing_is_painted(arguments, said):
    world = World()
    told = world(**arguments)
    assert not told.ok
    assert said in told.text
    assert not world.asked
    assert not told.recorded.pictures


# ---------------------------------------------------------------- parts painted anew


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("size", [(90, 70), (700, 90), (64, 900)])
def test_a_removal_leaves_all_else_to_the_bit(size, alpha):
    world = Blind(grey)
    image = noise(size, alpha)
    area = np.zeros(size[::-1], bool)
    area[30:50, 20:44] = True
    made, verdict = repaint.repaint(world.context, image, repaint.removal(area), 0)
    assert verdict.good
    assert made.size == image.size
    assert made.mode == image.mode
    changed = (np.asarray(made) != np.asarray(image)).any(-1)
    ys, xs = np.nonzero(changed)
    grown = round(repaint.GROWN * max(world.asked[0].size)) + 2
    assert 20 - grown <= xs.min() < xs.max() < 44 + grown
    assert 30 - grown <= ys.min() < ys.max() < 50 + grown
    assert tuple(np.asarray(made)[40, 32, :3]) == (120, 130, 140)
    if alpha:
        assert np.array_equal(np.asarray(made)[..., 3], np.asarray(image)[..., 3])


def test_an_edit_of_a_large_picture_works_in_a_window():
    world = Blind(grey)
    area = np.zeros((1000, 1400), bool)
    area[500:560, 700:760] = True
    repaint.repaint(world.context, Image.new("RGB", (1400, 1000)), repaint.removal(area), 0)
    assert world.asked[0].size == (583, 583)
    assert world.asked[0].image.size == (583, 583)


def test_a_new_thing_stands_on_the_foot_of_the_old_one():
    mask = repaint.box_mask((40, 40, 80, 80), (200, 200))
    change = repaint.replacement(mask, (40, 40, 80, 80), "red bottle", OURS, (200, 200))
    assert change.box[3] == 80
    assert change.box[3] - change.box[1] == 40
    assert change.box[0] + change.box[2] == pytest.approx(120)
    assert change.area.sum() >= mask.sum()


@pytest.mark.parametrize(("edit", "said"), [
    ({"do": "remove", "phrase": "blue elephant"}, "nothing in img_1"),
    ({"do": "remove"}, "give `regions`, or a `phrase`"),
    ({"do": "replace", "phrase": "green bottle", "by": "a dragon"}, "dragon"),
    ({"do": "recolour", "phrase": "green bottle", "color": "octarine"}, "octarine"),
    ({"do": "add", "what": "red cube", "box": [600, 10, 700, 20]}, "outside"),
    ({"do": "add", "what": "red cube", "box": [50, 10, 20, 20]}, "is no box"),
    ({"do": "add", "what": "sofa"}, "sofa"),
    ({"do": "remove", "regions": ["reg_7"]}, "reg_7"),
])  # fmt: skip
def test_edits_that_name_nothing_that_is_there_are_refused(edit, said):
    world = World(grey)
    told = world.runner.run("call_1", "edit_image", {"image": "img_1", "edits": [edit]}, 1)
    assert not told.ok
    assert said in told.text
    assert not told.recorded.pictures


def test_an_empty_area_is_refused():
    with pytest.raises(Exception, match="no pixel"):
        repaint.repaint(World(grey).context, noise(), repaint.removal(np.zeros((70, 90), bool)), 0)


# ---------------------------------------------------------------- the judge


@pytest.fixture(scope="module")
def real():
    return ToolContext(None, ExpertPool(load_profile("bundled"), "cpu"))  # pyright: ignore[reportArgumentType]


def test_the_judge_believes_true_pictures_and_no_others(real):
    painter = TrueExperts(SceneBook()).painter
    right = wrong = 0
    cases = [("red cube", "blue ball"), ("green tree", "pink heart"), ("yellow star", "purple car"),
             ("brown bottle", "orange cone"), ("blue mug", "red house"), ("yellow fish", "green ring")]  # fmt: skip
    for seed, (one, other) in enumerate(cases):
        wanted = Wanted((Asked(one), Asked(other)), ((0, "left of", 1),))
        boxes = lay_out(wanted, seed, OURS)
        image = painter.paint(Paint("", things=((one, boxes[0]), (other, boxes[1])), seed=seed))
        right += judge(real, image, wanted).good
        wrong += judge(real, image, Wanted((Asked(other), Asked(one)), ((0, "left of", 1),))).good
        wrong += judge(real, image, Wanted((Asked(one),))).good
        wrong += judge(real, image, Wanted((Asked(one), Asked(other), Asked("yellow key")))).good
    assert right >= 5
    assert wrong == 0


def test_a_painter_that_is_not_there_is_told(tmp_path):
    from saccade.settings import Profile

    pool = ExpertPool(Profile(name="mine", models={"clip": "zoo:clip"}), "cpu")
    with pytest.raises(ExpertFailed, match="painter"):
        pool.ask("painter", [Paint("a cube")])


@pytest.mark.parametrize(
    ("prompt", "things"),
    [
        ("I'd like to see a brown bottle", ["brown bottle"]),
        ("paint a pink car for me", ["pink car"]),
        ("would you make me a picture where there's a red cube and a blue ball, please?", ["red cube", "blue ball"]),
        ("We want two green leaves, thanks", ["green leaf", "green leaf"]),
        ("can I get a small blue cone on a shelf if possible", ["small blue cone"]),
        ("let's have a yellow fish in the upper left", ["yellow fish"]),
    ],
)
def test_words_of_asking_are_nothing_to_be_painted(prompt, things):
    wanted = read_prompt(prompt, OURS)
    assert [one.words for one in wanted.things] == things
    assert wanted.unknown == ()
