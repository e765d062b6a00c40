"""Every judge of the end-to-end evaluation as a table, and which calls count as exact."""

from __future__ import annotations

import numpy as np
import pytest

from saccade.agent.reply import Step
from saccade.evals.bench import follows_plan, show
from saccade.evals.cases.agent import Case, Truth
from saccade.evals.judging import judges
from saccade.evals.judging.cutouts import best_overlap, places
from saccade.evals.judging.judges import Shown, Told, judge, same_calls
from saccade.scenes.scene import SIZES, Scene, Thing
from saccade.tools.registry import all_tools
from saccade.training.controller.plans.plans import FACET_LABELS
from saccade.training.controller.wording.noun_phrases import NounPhrase

TOOLS = all_tools()


def verdict(kind, value, text, intent="count"):
    return judge(intent, Truth(kind, value), Told(text), None).right  # type: ignore[arg-type]


COUNTS = [
    ("There are 2 red cubes: reg_1, reg_2.", 2, True),
    ("There are two red cubes: reg_1, reg_2.", 2, True),
    ("2", 2, True),
    ("I count 2 of them in img_3 (512 x 512 px): reg_4 (1, 2, 30, 40), reg_5 (5, 6, 70, 80).", 2, True),
    ("There is 1 red cube: reg_1.", 1, True),
    ("There is one red cube: reg_7.", 1, True),
    ("There is a single red cube.", 1, True),
    ("There are 2: the big one (reg_1) and the red one (reg_2).", 2, True),
    ("There are no red cubes in img_1.", 0, True),
    ("None.", 0, True),
    ("I cannot find any red cubes in img_1.", 0, True),
    ("No, there are 2 red cubes.", 2, True),
    ("There are 12 rings.", 12, True),
    ("There are 3 red cubes: reg_1, reg_2, reg_3.", 2, False),
    ("There are no red cubes in img_1.", 1, False),
    ("There is 1 red cube: reg_2.", 2, False),
    ("There are red cubes: reg_1, reg_2.", 2, False),
    ("There are 2 or 3 red cubes.", 2, False),
    ("There are 2, maybe.", 2, False),
    ("There are at least 2 red cubes.", 2, False),
    ("About 2.", 2, False),
    ("There are 2 red cubes and 1 blue cube.", 2, False),
    ("There are 2.5 red cubes.", 2, False),
    ("There are 12 rings.", 2, False),
    ("I stopped after 8 steps without an answer.", 8, False),
    ("I cannot do that. I can find, count, locate and cut out things.", 0, False),
    ("Please send me a picture first.", 0, False),
    ("reg_2", 2, False),
    ("", 0, False),
]


@pytest.mark.parametrize(("text", "number", "right"), COUNTS)
def test_a_count_is_right_when_it_says_this_number_and_no_other(text, number, right):
    assert verdict("count", number, text) is right


EXISTS = [
    ("Yes, there is a red cube: reg_1.", True, True),
    ("Yes, there are 2 red cubes: reg_1, reg_2.", True, True),
    ("There is at least one red cube (reg_1).", True, True),
    ("I can see a red cube.", True, True),
    ("No, there is no red cube in img_1.", False, True),
    ("There isn't a red cube.", False, True),
    ("I cannot find a red cube in img_1.", False, True),
    ("No, I don't see any.", False, True),
    ("Nothing like that is here.", False, True),
    ("No, there is no red cube in img_1.", True, False),
    ("Yes, there is a red cube: reg_1.", False, False),
    ("I cannot do that. I can find, count, locate things.", False, False),
    ("Yes, there is no red cube.", True, False),
    ("Yes, there is no red cube.", False, False),
    ("No, there is a red cube: reg_1.", False, False),
    ("Yes and no.", True, False),
    ("Maybe, there is a red cube.", True, False),
    ("Yes, there might be a red cube.", True, False),
    ("The red cube is at the left.", True, False),
    ("img_1 is unlike the drawn pictures that the bundled models know.", False, False),
    ("", False, False),
]


@pytest.mark.parametrize(("text", "there", "right"), EXISTS)
def test_existence_is_right_when_it_says_yes_or_no_and_not_both(text, there, right):
    assert verdict("bool", there, text, "exist") is right


ATTRIBUTES = [
    ("The cone (reg_1) is red.", "color", "red", True),
    ("The cone (reg_1) is crimson.", "color", "red", True),
    ("Red, as the whole metal cone is red.", "color", "red", True),
    ("The red thing (reg_1) has the shape: cube.", "shape", "cube", True),
    ("It is a block.", "shape", "cube", True),
    ("Those are leaves.", "shape", "leaf", True),
    ("The red cube (reg_1) is made of wood.", "material", "wood", True),
    ("It is wooden.", "material", "wood", True),
    ("It is shiny.", "material", "metal", True),
    ("The orange thing is violet.", "color", "purple", False),
    ("The cone (reg_1) is blue.", "color", "red", False),
    ("The cone (reg_1) is red or orange.", "color", "red", False),
    ("The cone (reg_1) is red and blue.", "color", "red", False),
    ("The cone (reg_1) is not red.", "color", "red", False),
    ("The cone isn't red.", "color", "red", False),
    ("The cone might be red.", "color", "red", False),
    ("The cone seems red.", "color", "red", False),
    ("The cone is reddish.", "color", "red", False),
    ("The cone was scored by reg_1.", "color", "red", False),
    ("I cannot find a cone in img_1.", "color", "red", False),
    ("The shiny cube (reg_1) is made of wood.", "material", "wood", False),
    ("", "color", "red", False),
]


@pytest.mark.parametrize(("text", "facet", "value", "right"), ATTRIBUTES)
def test_an_attribute_is_right_when_it_says_the_value_and_no_other_of_its_kind(text, facet, value, right):
    assert verdict("attribute", value, text, facet) is right


BOX = (34.0, 50.0, 134.0, 150.0)  # its centre, (84, 100) of (512, 512), is at the upper left
NEAR = (40.0, 55.0, 138.0, 152.0)
FAR = (340.0, 350.0, 440.0, 450.0)
AT = "The red cube (reg_1) is at the upper left of img_1, in the box (34, 50, 134, 150)."
WHERES = [
    (AT, (BOX,), True),
    (AT, (NEAR,), True),
    ("reg_1 is in the top left corner.", (NEAR,), True),
    ("Upper-left: reg_1.", (BOX,), True),
    (AT, (), False),
    (AT, (FAR,), False),
    (AT.replace("upper left", "lower right"), (BOX,), False),
    (AT.replace("upper left", "left"), (BOX,), False),
    (AT.replace("upper left", "upper left and lower right"), (BOX,), False),
    (AT.replace("upper left", "upper left or left"), (BOX,), False),
    (AT.replace("(34, 50, 134, 150)", "(340, 350, 440, 450)"), (BOX,), False),
    ("The red cube is reg_1.", (BOX,), False),
    ("Perhaps at the upper left: reg_1.", (BOX,), False),
    ("I cannot find a red cube in img_1.", (), False),
]


@pytest.mark.parametrize(("text", "boxes", "right"), WHERES)
def test_where_is_right_when_region_place_and_box_in_words_all_fit(text, boxes, right):
    assert judges.judge_where(Told(text, boxes), BOX, (512, 512)).right is right


def test_a_place_near_a_border_between_thirds_may_be_named_either_way():
    near_the_border = (120.0, 30.0, 220.0, 130.0)  # centre x 170, the border is at 170.7
    assert judges.places_of(near_the_border, (512, 512)) == {"upper left", "top"}
    assert judges.places_of(BOX, (512, 512)) == {"upper left"}
    assert judges.places_of((206, 206, 306, 306), (512, 512)) == {"centre"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("at the centre", {"centre"}),
        ("in the middle", {"centre"}),
        ("at the bottom", {"bottom"}),
        ("at the lower right of img_1", {"lower right"}),
        ("top-left, then right", {"upper left", "right"}),
        ("middle left", {"left"}),
        ("nowhere", set()),
    ],
)
def test_places_are_read_as_the_tools_name_them(text, said):
    assert judges.places_said(text) == said


def thing(number, shape, color, x, y, size="large"):
    return Thing(number, shape, color, size, "metal", x, y, SIZES[size])


SCENE = Scene(7, (thing(0, "cube", "red", 0.2, 0.3), thing(1, "mug", "blue", 0.7, 0.7, "small")), "desk", -60)


@pytest.fixture(scope="module")
def shown():
    return show(SCENE, 256)


def cut(shown: Shown, mask: np.ndarray, margin: int = 0) -> np.ndarray:
    """A cut-out along a mask, as the tool makes it."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    part = np.s_[
        max(0, rows[0] - margin) : rows[-1] + 1 + margin, max(0, columns[0] - margin) : columns[-1] + 1 + margin
    ]
    made = np.dstack([shown.picture[part], np.where(mask[part], 255, 0).astype(np.uint8)])
    made[~mask[part]] = 0
    return made


def eroded(mask, rows):
    """The mask without its upper rows."""
    smaller = mask.copy()
    first = np.flatnonzero(mask.any(1))[0]
    smaller[first : first + rows] = False
    return smaller


def cutout_right(shown, *cutouts):
    told = Told("Here is the red cube, cut out: img_2 (from reg_1).", (), cutouts)
    return judge("cut_out", Truth("mask", None, (0,)), told, shown).right


def test_a_cut_out_is_right_when_its_alpha_is_the_things_mask(shown):
    mask = shown.masks[0]
    assert cutout_right(shown, cut(shown, mask))
    assert cutout_right(shown, cut(shown, mask, margin=9))
    assert cutout_right(shown, cut(shown, eroded(mask, 3)))


def test_a_cut_out_is_wrong_when_it_is_another_thing_half_of_it_the_box_or_one_of_several(shown):
    mask = shown.masks[0]
    box = np.zeros_like(mask)
    x0, y0, x1, y1 = shown.boxes[0].astype(int)
    box[y0:y1, x0:x1] = True
    assert not cutout_right(shown)
    assert not cutout_right(shown, cut(shown, shown.masks[1]))
    assert not cutout_right(shown, cut(shown, eroded(mask, (y1 - y0) // 2)))
    assert not cutout_right(shown, cut(shown, box))
    assert not cutout_right(shown, cut(shown, mask), cut(shown, shown.masks[1]))
    assert not cutout_right(shown, cut(shown, mask)[..., :3])


def test_a_cut_out_is_laid_where_its_pixels_are_and_nowhere_in_another_picture(shown):
    made = cut(shown, shown.masks[1])
    x0, y0 = shown.boxes[1][:2]
    assert places(made, shown.picture) == [(int(x0), int(y0))]
    assert best_overlap(made, shown.picture, shown.masks[1]) == 1
    other = made.copy()
    other[..., :3] ^= 64
    assert best_overlap(other, shown.picture, shown.masks[1]) == 0
    assert places(np.zeros((900, 900, 4), np.uint8), shown.picture) == []


FIND = ("find_objects", {"image": "img_1", "phrase": "red cube"})
LOOK = ("classify_image", {"image": "reg_1", "labels": ["red", "blue"]})
EXACT = [
    ([FIND], [FIND], True),
    ([("find_objects", {"phrase": "red cube", "image": "img_1", "size": "any", "at_most": 20})], [FIND], True),
    ([("find_objects", {"image": "img_1", "phrase": "everything"})], [("find_objects", {"image": "img_1"})], True),
    ([FIND, LOOK], [FIND, LOOK], True),
    ([], [], True),
    ([], [FIND], False),
    ([FIND], [], False),
    ([FIND, FIND], [FIND], False),
    ([LOOK, FIND], [FIND, LOOK], False),
    ([("find_objects", {"image": "img_1", "phrase": "red cubes"})], [FIND], False),
    ([("find_objects", {"image": "img_1", "phrase": "red cube", "size": "small"})], [FIND], False),
    ([("find_objects", {"image": "reg_1", "phrase": "red cube"})], [FIND], False),
    ([("segment_objects", {"image": "img_1", "phrase": "red cube"})], [FIND], False),
    ([("find_objects", {"image": "img_1", "phrase": "red cube", "at_most": "twenty"})], [FIND], False),
    ([("find_things", {"image": "img_1"})], [("find_things", {"image": "img_1"})], False),
    ([("classify_image", {"image": "reg_1", "labels": ["red"]})], [LOOK], False),
]


@pytest.mark.parametrize(("made", "gold", "exact"), EXACT)
def test_calls_are_exact_when_tools_and_arguments_agree_with_defaults_filled_in(made, gold, exact):
    assert same_calls(made, gold, TOOLS) is exact


CONE = NounPhrase("cone", "cone", "cones")
QUERY = Case(
    "a000", "color", "color.a1", (1,), ("What colour is the cone?",), (), Truth("attribute", "red", (0,)), CONE
)
FOUND = '1 found in img_1 (512 x 512 px) for "cone": reg_1 cone, centre, (1, 2, 3, 4), 0.98'
TWO = "2 found in img_1: reg_4 cone, top, (1, 2, 3, 4), 0.98; reg_5 cone, left, (1, 2, 3, 4), 0.97"
NOTHING = 'Nothing found in img_1 (512 x 512 px) for "cone".'


def find(observation, ok=True, phrase="cone"):
    return Step("", "find_objects", {"image": "img_1", "phrase": phrase}, observation, 0, ok)


def classify(handle, labels=FACET_LABELS["color"]):
    return Step("", "classify_image", {"image": handle, "labels": labels}, f"{handle}: red 0.99", 0, True)


GIVEN_SEEN = [
    ([find(FOUND), classify("reg_1")], True),
    ([find(TWO), classify("reg_4")], True),
    ([find(NOTHING)], True),
    ([find("The detector is missing.", ok=False)], True),
    ([], False),
    ([find(FOUND)], False),
    ([find(TWO), classify("reg_5")], False),
    ([find(TWO), classify("reg_4"), classify("reg_5")], False),
    ([find(NOTHING), classify("reg_1")], False),
    ([find(NOTHING, phrase="cones")], False),
    ([find("The detector is missing.", ok=False), find(FOUND)], False),
    ([find(FOUND), classify("reg_1", ["red", "blue"])], False),
]


@pytest.mark.parametrize(("steps", "exact"), GIVEN_SEEN)
def test_the_controller_is_judged_by_what_the_experts_told_it(steps, exact):
    assert follows_plan(QUERY, steps, TOOLS) is exact
