"""The end-to-end evaluation: every judge, what counts as exact, and that a perfect agent gets all and a bad one nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from langchain_core.messages import ToolMessage
from saccade.agent.messages import split_request, turn_start
from saccade.agent.reply import Step
from saccade.agent.scripted import Call, Calls, ScriptedController
from saccade.errors import UserError
from saccade.evals import agent as suite
from saccade.evals import judges
from saccade.evals.bench import Bench, blank, follows_plan, show
from saccade.evals.cutouts import best_overlap, places
from saccade.evals.judges import Shown, Told, judge, same_calls
from saccade.evals.suites import run_suite, write_card
from saccade.scenes.phrases import VALUES
from saccade.scenes.sample import sample_scene
from saccade.scenes.scene import SIZES, Scene, Thing
from saccade.settings import ZOO
from saccade.tools.registry import all_tools
from saccade.training.cases import Case, Truth
from saccade.training.nouns import Noun
from saccade.training.plans import FACET_LABELS, PLANS, Ask, seen

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


CONE = Noun("cone", "cone", "cones")
QUERY = Case(
    "a000", "color", "color.a1", (1,), ("What colour is the cone?",), (), Truth("attribute", "red", (0,)), CONE
)
FOUND = '1 found in img_1 (512 x 512 px) for "cone": reg_1 cone, centre, (1, 2, 3, 4), 0.98'
TWO = '2 found in img_1 (512 x 512 px) for "cone": reg_4 cone, centre, (1, 2, 3, 4), 0.98; reg_5 cone, top, (1, 2, 3, 4), 0.97'
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


# The whole suite, with experts that tell the truth


def scripted(cases, turn_of):
    """A controller for which `turn_of(case, observations)` says each turn."""
    by_request = {case.requests[-1]: case for case in cases}

    def script(messages):
        turn = messages[turn_start(messages) :]
        told = [message.text for message in turn if isinstance(message, ToolMessage)]
        return turn_of(by_request[split_request(turn[0].text)[1]], told)

    return ScriptedController(script)


def gold(case, told):
    """What the gold behaviour does next."""
    plan = PLANS[case.intent](Ask(case.intent, "img_1", case.noun))
    try:
        step = next(plan)
        while told:
            told, now = told[len(step.calls) :], told[: len(step.calls)]
            step = plan.send(now)
    except StopIteration as stop:
        return stop.value
    return Calls(tuple(Call(name, arguments) for name, arguments in step.calls), step.thought)


def mistaken(case, told):
    """Look at everything, then be plausibly wrong: one too many, the opposite, another value, another thing."""
    if not told:
        return Call("find_objects", {"image": "img_1"})
    found = seen(told[0])
    truth = case.truth
    if truth.kind == "count":
        return f"There are {truth.value + 1}: reg_1."
    if truth.kind == "bool":
        return "No, there is none." if truth.value else "Yes, there is one: reg_1."
    if truth.kind == "attribute":
        return f"It (reg_1) is {next(value for value in VALUES[case.intent] if value != truth.value)}."
    drawn = show(sample_scene(case.scenes[0], "test"))
    true = drawn.boxes[drawn.row(truth.things[0])]
    other = next(one for one in found if np.abs(np.array(eval_box(one.box)) - true).max() > 2)
    if truth.kind == "box":
        return f"It ({other.handle}) is at the {other.place} of img_1, in the box {other.box}."
    if len(told) == 1:
        return Call("segment_objects", {"regions": [other.handle]})
    if len(told) == 2:
        return Call("crop_image", {"image": other.handle, "background": "transparent"})
    return f"Here it is, cut out: img_2 (from {other.handle})."


def eval_box(text):
    return [float(value) for value in text.strip("()").split(",")]


def evasive(case, told):
    """Cite all there is and say everything at once."""
    if not told:
        return Call("find_objects", {"image": "img_1"})
    handles = [one.handle for one in seen(told[0])]
    if len(told) == 1:
        return Call("segment_objects", {"regions": handles[:8]})
    if len(told) < 4:
        handle = handles[len(told) - 2]
        return Call("crop_image", {"image": handle, "background": "transparent"})
    values = " or ".join(value for facet in ("color", "material", "shape") for value in VALUES[facet])
    return f"Yes or no, 0 or 1 or 2 or 3, {values}, at the upper left or lower right: {', '.join(handles)}."


NUMBERED = [one for one in suite.Plan(15, seed=3).numbered() if int(one[0].name[1:]) < 15]


def bench_of(home, turn_of):
    return Bench(home, controller=scripted([case for case, _ in NUMBERED], turn_of), perfect=True)


def test_the_gold_behaviour_with_true_experts_gets_everything(tmp_path):
    bench = bench_of(tmp_path, gold)
    outcomes = [bench.run(*one) for one in NUMBERED]
    bench.close()
    report = suite.report(outcomes)
    assert report["failures"] == []
    for figure in ("exact", "exact_given_seen", "answer", "twice_answer"):
        assert report["all"][figure] == 1, figure
    assert report["passed"]
    assert report["all"]["blank_answer"] < 0.5
    assert [one["blank_answer"] for one in report["intents"] if one["name"] in ("where", "cut_out", "color")] == [
        0,
        0,
        0,
    ]
    assert list(report["sets"]) == ["a", "b", "c"]
    assert {one["name"] for one in report["intents"]} == {"count", "exist", "where", "cut_out", *FACET_LABELS}
    assert 0 < report["small"][-1]["cases"] < len(NUMBERED)
    json.dumps(report, allow_nan=False)
    assert not list(tmp_path.rglob("*.png"))


@pytest.mark.parametrize("behaviour", [mistaken, evasive], ids=lambda one: one.__name__)
def test_a_bad_controller_gets_nothing(behaviour, tmp_path):
    bench = bench_of(tmp_path, behaviour)
    outcomes = [bench.run(case) for case, _ in NUMBERED[:15]]
    bench.close()
    report = suite.report(outcomes)
    assert report["all"]["exact"] == 0
    assert report["all"]["exact_given_seen"] == 0
    assert [outcome.name for outcome in outcomes if outcome.right] == []
    assert not report["passed"]
    assert all(outcome.steps and outcome.why for outcome in outcomes)


def test_a_turn_that_ends_in_an_error_is_a_wrong_answer_that_tells_it(tmp_path):
    def broken(case, told):
        raise RuntimeError("the controller is gone")

    bench = bench_of(tmp_path, broken)
    outcome = bench.run(*NUMBERED[0])
    bench.close()
    assert (outcome.exact, outcome.right, outcome.blank) == (False, False, False)
    assert "the controller is gone" in outcome.why


def test_several_processes_give_what_one_gives(tmp_path):
    script = tmp_path / "script.json"
    script.write_text(json.dumps(["There are 2."] * 40))
    plan = suite.Plan(2, controller=f"script:{script}", perfect=True)
    alone, together = suite.run(plan, 1), suite.run(plan, 2)
    assert alone["cases"] == 6
    assert together["failed"] > 0
    drop = {"seconds", "turns_per_second", "workers", "failures"}
    assert {key: alone[key] for key in alone.keys() - drop} == {key: together[key] for key in together.keys() - drop}
    names = [[failure["name"] for failure in one["failures"]] for one in (alone, together)]
    assert names[0] == names[1] == sorted(names[0])


def test_the_blank_picture_shows_nothing_and_has_the_same_size(shown):
    empty = blank(shown)
    assert empty.picture.shape == shown.picture.shape
    assert empty.scene.things == ()
    assert len(empty.boxes) == 0
    assert np.abs(empty.picture.astype(int) - shown.picture).max() > 100


# Figures


@pytest.mark.parametrize(
    ("some", "of", "low", "high"),
    [
        (0, 0, None, None),
        (10, 10, 0.7225, 1.0),
        (0, 10, 0.0, 0.2775),
        (45, 50, 0.7864, 0.9565),
        (450, 500, 0.8706, 0.9234),
    ],
)
def test_wilson_intervals(some, of, low, high):
    assert suite.wilson(some, of) == (None if low is None else (low, high))


def outcome(name, exact, right, blank=None, once=None, small=False):
    from saccade.evals.bench import Outcome

    return Outcome(
        name, name[0], "count", "count.a1", small, "How many?", 1, [], {"kind": "count", "value": 1, "things": (0,)},
        exact=exact, exact_given_seen=exact, right=right, blank=blank, once=once,
    )  # fmt: skip


def test_the_worst_set_counts_and_baselines_stand_beside_the_same_cases():
    good = [outcome(f"a{n}", True, True, blank=n == 0, once=n < 2) for n in range(4)]
    bad = [outcome("b0", True, True, True, True), outcome("b1", False, True), outcome("b2", False, False, small=True)]
    report = suite.report(good + bad)
    assert report["worst"]["exact"] == {"set": "b", "share": 0.3333, "bar": 0.9}
    assert report["worst"]["answer"] == {"set": "b", "share": 0.6667, "bar": 0.85}
    assert not report["passed"]
    a, b = report["sets"]["a"], report["sets"]["b"]
    assert (a["baseline_cases"], a["blank_answer"], a["once_answer"], a["twice_answer"]) == (4, 0.25, 0.5, 1.0)
    assert (b["cases"], b["baseline_cases"], b["twice_answer"]) == (3, 1, 1.0)
    assert [(one["name"], one["cases"], one["answer"]) for one in report["small"]] == [
        ("count", 1, 0.0),
        ("all", 1, 0.0),
    ]
    assert [failure["name"] for failure in report["failures"]] == ["b1", "b2"]
    assert suite.report(good)["passed"]


def report_for_card(**changes):
    plan = {"profile": "bundled", "controller": None, "seed": 5} | changes.pop("plan", {})
    made = suite.report([outcome("a0", True, True, False, True)])
    return {"suite": "agent", "plan": plan, "models": {"controller": "zoo:controller 12"}} | made | changes


def test_the_figures_go_into_the_card_and_nothing_else_in_it_changes(tmp_path):
    card = {"recipe": "controller", "metrics": {"exact": 0.9}, "sha256": "ab" * 32}
    (tmp_path / "card.json").write_text(json.dumps(card))
    write_card(report_for_card(), tmp_path)
    written = json.loads((tmp_path / "card.json").read_text())
    figures = written["metrics"].pop("end_to_end")
    assert written == card
    assert figures["worst"]["answer"] == {"set": "a", "share": 1.0, "bar": 0.85}
    assert figures["sets"]["a"]["once_answer"] == 1.0
    assert figures["models"] == {"controller": "zoo:controller 12"}
    assert "failures" not in figures


@pytest.mark.parametrize(
    "changes", [{"suite": "controller"}, {"plan": {"profile": "gpu"}}, {"plan": {"controller": "hf:some/model"}}]
)
def test_only_the_bundled_agents_figures_go_into_the_card(changes, tmp_path):
    (tmp_path / "card.json").write_text('{"metrics": {}}')
    with pytest.raises(UserError, match="suite 'agent'"):
        write_card(report_for_card(**changes), tmp_path)
    assert (tmp_path / "card.json").read_text() == '{"metrics": {}}'


def test_a_missing_card_and_an_unknown_suite_are_told(tmp_path):
    with pytest.raises(UserError, match="saccade train controller"):
        write_card(report_for_card(), tmp_path)
    with pytest.raises(UserError, match="Did you mean 'agent'"):
        run_suite("agnet", quiet=True)


def test_a_missing_model_is_told_before_the_first_case():
    with pytest.raises(UserError, match="nosuch"):
        suite.run(suite.Plan(1, controller="zoo:nosuch", perfect=True))


def test_the_tables_show_the_report(capsys):
    from rich.console import Console
    from saccade.evals.tables import show_report

    cases = [outcome("a0", True, True, False, True), replace(outcome("a1", False, False), why="said 3, not [1]")]
    report = suite.report(cases) | {"seconds": 60.0, "workers": 1, "turns_per_second": 0.1}
    show_report(report, Console(width=200))
    printed = capsys.readouterr().out
    for part in ("50.0", "9 to 91", "count.a1", "said 3, not [1]", "missed", "2 cases in 1.0 minutes"):
        assert part in printed


MISSING = [
    name for name in ("clip", "controller", "detector", "sam") if not (ZOO / name / "model.safetensors").is_file()
]


@pytest.mark.skipif(bool(MISSING), reason=f"the zoo lacks {', '.join(MISSING)}")
def test_a_few_cases_with_the_bundled_models():
    report = run_suite("agent", cases=5, workers=1, quiet=True)
    assert report["cases"] == 15
    assert report["all"]["exact"] >= 0.6, report["failures"]
    assert report["all"]["answer"] >= 0.6, report["failures"]
    assert report["all"]["baseline_cases"] == 15
    assert report["all"]["blank_answer"] < report["all"]["answer"]
