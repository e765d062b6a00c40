"""The checks of conversations: each passes what is right, and only that."""

import json

import numpy as np
import pytest

from saccade.evals.bench import show
from saccade.evals.cases.talk.sets import FOLDER, talk_cases
from saccade.evals.judging.replies import CHECKS, Heard, Scenes, judge_reply
from saccade.scenes.scene import Scene, Thing


def thing(id, shape, color, x, y, size="large", material="wood"):
    return Thing(id, shape, color, size, material, x, y, 0.2 if size == "large" else 0.1)


SCENE = Scene(1, (thing(0, "cube", "red", 0.2, 0.2), thing(1, "ball", "blue", 0.8, 0.2),
                  thing(2, "cube", "green", 0.5, 0.8),
                  thing(3, "key", "red", 0.2, 0.8, "small", "metal")), "plain", -60.0)  # fmt: skip
SHOWN = Scenes([show(SCENE, 256)])


def heard(text, *ids, said="", **more):
    return Heard(text, tuple((0, SHOWN.box((0, id))) for id in ids), said=said, **more)


RIGHT = [
    ({"number": 2}, heard("There are 2 cubes: reg_1, reg_2.")),
    ({"number": 2}, heard("Two.")),
    ({"number": 0}, heard("There are no hearts.")),
    ({"number": 33.33}, heard("33.33 percent.")),
    ({"number": 33.3333}, heard("33.3 %")),
    ({"number": 6}, heard("6 if you add 4 to it", said="add 4 to the number of cubes")),
    ({"about": 2.3}, heard("about 2.2 times as large")),
    ({"yes": True}, heard("Yes, 1: cube (reg_1).")),
    ({"yes": False}, heard("No, I see no heart there.")),
    ({"yes": False}, heard("No: there is a red one.")),
    ({"yes": True}, heard("I looked again. Yes, 1: key (reg_4).")),
    ({"value": "red"}, heard("The key (reg_4) is red.")),
    ({"value": "red"}, heard("The blue ball is not it; the cube is red", said="which one beside the blue ball")),
    ({"value": ["red", "blue"]}, heard("The cube is red, the ball blue.")),
    ({"things": [[0, 0], [0, 2]]}, heard("These: reg_1, reg_2", 2, 0)),
    ({"things": [[0, 1]]}, heard("That is the ball.")),
    ({"things": [[0, 0]]}, heard("That is the red cube.")),
    ({"place": [0, 0]}, heard("It is in the upper left: reg_1.", 0)),
    ({"words": "KITE"}, heard('It says "kite".')),
    ({"groups": {"red": 2, "blue": 1}}, heard("red: 2, blue: 1, green: 1")),
    ({"groups": {"cube": 2, "ball": 1}}, heard("There are two cubes and 1 ball.")),
    ({"groups": {"heart": 0, "key": 1}}, heard("1 key.")),
    ({"says": ["hello", ["picture", "image"]]}, heard("Hello! Send me an image.")),
    ({"never": ["piano is"]}, heard("I see no piano there.")),
    ({"status": ["declined"]}, heard("I cannot.", status="declined")),
    ({"no_tool": True}, heard("You are welcome.")),
    ({"remembered": True}, heard("Remembered.", tools=("remember_image",))),
    ({"remembered": False}, heard("All right.")),
]
WRONG = [
    ({"number": 2}, heard("There are 3.")),
    ({"number": 2}, heard("2 or 3.")),
    ({"number": 2}, heard("I do not know.")),
    ({"number": 2}, heard("Probably 2.")),
    ({"number": 33.33}, heard("34 percent")),
    ({"about": 2.3}, heard("3 times")),
    ({"yes": True}, heard("No, there is none.")),
    ({"yes": True}, heard("Maybe.")),
    ({"yes": False}, heard("Yes, 1: cube.")),
    ({"value": "red"}, heard("It is blue.")),
    ({"value": "red"}, heard("It is red or blue.")),
    ({"value": ["red", "blue"]}, heard("The cube is red.")),
    ({"things": [[0, 0], [0, 2]]}, heard("reg_1", 0)),
    ({"things": [[0, 0]]}, heard("These: reg_1, reg_2", 0, 2)),
    ({"things": [[0, 0]]}, heard("That is the cube.")),
    ({"things": [[0, 0]]}, heard("That is the green cube.")),
    ({"things": [[0, 1]]}, heard("I see something.")),
    ({"place": [0, 0]}, heard("It is in the lower right: reg_1.", 0)),
    ({"place": [0, 0]}, heard("It is in the upper left: reg_2.", 1)),
    ({"words": "KITE"}, heard("It says KITES.")),
    ({"groups": {"red": 2, "blue": 1}}, heard("red: 1, blue: 2")),
    ({"groups": {"heart": 0, "key": 1}}, heard("1 key, 2 hearts.")),
    ({"says": ["hello"]}, heard("Good day.")),
    ({"never": ["piano is"]}, heard("The piano is black.")),
    ({"cutouts": [[0, 0]]}, heard("Here it is.")),
    ({"crops": [[0, 0]]}, heard("Here it is.")),
    ({"status": ["declined"]}, heard("Yes.")),
    ({"no_tool": True}, heard("Thanks.", tools=("find_objects",))),
    ({"remembered": True}, heard("Remembered.")),
]


@pytest.mark.parametrize(("check", "told"), RIGHT)
def test_what_is_right_passes(check, told):
    assert judge_reply([check], told, SHOWN).right, judge_reply([check], told, SHOWN).why


@pytest.mark.parametrize(("check", "told"), WRONG)
def test_what_is_wrong_does_not(check, told):
    assert not judge_reply([check], told, SHOWN).right


def test_cut_outs_and_crops_are_told_from_their_pixels():
    picture, mask = SHOWN.shown[0].picture, SHOWN.mask((0, 0))
    x0, y0, x1, y1 = (round(value) for value in SHOWN.box((0, 0)))
    cut = np.dstack([picture, mask * np.uint8(255)])[y0:y1, x0:x1]
    whole = np.dstack([picture, np.full(mask.shape, 255, np.uint8)])
    crop = whole[max(0, y0 - 5) : y1 + 5, max(0, x0 - 5) : x1 + 5]
    assert judge_reply([{"cutouts": [[0, 0]]}], heard("", cutouts=(cut,)), SHOWN).right
    assert not judge_reply([{"cutouts": [[0, 1]]}], heard("", cutouts=(cut,)), SHOWN).right
    assert not judge_reply([{"cutouts": [[0, 0]]}], heard("", cutouts=(cut, cut)), SHOWN).right
    assert judge_reply([{"crops": [[0, 0]]}], heard("", crops=(crop,)), SHOWN).right
    assert not judge_reply([{"crops": [[0, 1]]}], heard("", crops=(crop,)), SHOWN).right
    assert not judge_reply([{"crops": [[0, 0]]}], heard("", crops=(whole,)), SHOWN).right


def test_an_unknown_check_is_an_error():
    with pytest.raises(ValueError, match="colour"):
        judge_reply([{"colour": 1}], heard(""), SHOWN)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.jsonl")), ids=lambda path: path.stem)
def test_the_sets_are_whole(path):
    cases = talk_cases(path.stem)
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert len(cases) == len(lines) == len({case.id for case in cases})
    for case in cases:
        for turn in case.turns:
            assert turn.say.strip()
            assert turn.expect
            assert all(0 <= at < len(case.scenes) for at in turn.images)
            assert {key for check in turn.expect for key in check} <= CHECKS
