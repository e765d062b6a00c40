"""The suite "mixed": its cases are true and unseen, its judge is strict, and it shows what LLaVA adds."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest
from rich.console import Console

from saccade.agent.answers.mending import unchecked
from saccade.agent.controllers.scripted import ScriptedController
from saccade.agent.messages import turn_start
from saccade.errors import ExpertFailed
from saccade.evals.bench import blank, gold_turn, png, show
from saccade.evals.cases.agent import Truth
from saccade.evals.cases.mixed import ANSWERS, CORE, LANGUAGE, WORDINGS, boxes_of, mixed_cases, type_of
from saccade.evals.judging.judges import Shown, Told
from saccade.evals.mixed import ROLES, MixedBench, judge_mixed, report, unquoted
from saccade.evals.suites import CASES, SUITES, run_suite
from saccade.evals.tables import show_report
from saccade.evals.wrappers import Without
from saccade.memory.pictures.store import PictureStore
from saccade.prompts.references import split_request
from saccade.scenes.language.phrases import VALUES
from saccade.scenes.language.programs import execute
from saccade.scenes.language.questions import FAMILIES
from saccade.scenes.sample import sample_scene
from saccade.scenes.splits import split_of, split_seed, words_of
from saccade.settings import load_profile
from saccade.testing.experts import TrueExperts
from saccade.tools.pool import ExpertPool
from saccade.tools.requests import Answer, Likeness, Said
from saccade.training.controller.wording.families import HELD_OUT, families

MANY = mixed_cases(72)
FEW = mixed_cases(18)


def said_of(case):
    """The answer to an open question as the executor gives it."""
    value = case.truth.value
    return {True: "yes", False: "no"}[value] if case.truth.kind == "bool" else str(value)


def test_the_kinds_come_in_equal_parts_with_the_held_out_sets_in_turn():
    assert Counter(case.kind for case in MANY) == dict.fromkeys((*CORE, *LANGUAGE), 12)
    assert Counter((case.kind, case.set) for case in MANY) == {
        (kind, held_out): 4 for kind in (*CORE, *LANGUAGE) for held_out in HELD_OUT
    }
    tags = Counter(tag for case in MANY for tag in case.tags)
    assert tags == dict.fromkeys(ANSWERS, 4) | dict.fromkeys(WORDINGS, 6)
    assert len({case.name for case in MANY}) == len(MANY)
    assert len(mixed_cases(1)) == len((*CORE, *LANGUAGE))
    assert {case.name: case for case in FEW}.items() <= {case.name: case for case in MANY}.items()


def test_cases_are_of_unseen_scenes_phrasings_and_words():
    scenes = [case.scene for case in MANY if case.kind in LANGUAGE]
    assert len(set(scenes)) == len(scenes)
    for case in MANY:
        assert split_of(case.scene) == "test"
        assert 900_000 <= case.scene - split_seed("test", 0) < 1_000_000
        assert case.family in {one.name for one in families(case.ask.intent, case.set)}
        assert case.family not in {one.name for one in families(case.ask.intent)}
        if case.kind == "read":
            assert [one.word for one in sample_scene(case.scene, "test").things if one.word] == [case.truth.value]
            assert case.truth.value in words_of("test")


@pytest.mark.parametrize(
    "case", [one for one in MANY if one.kind == "open_question"], ids=lambda one: f"{one.name} {one.tags[0]}"
)
def test_the_truth_of_an_open_question_is_what_the_executor_says(case):
    scene = sample_scene(case.scene, "test")
    assert execute(case.program, scene, boxes_of(scene)) == said_of(case)
    assert case.ask.words.rstrip("?").lower() in case.request.lower()
    assert len(case.ask.words) <= 200
    kind = {"bool": "yes or no", "count": "number", "attribute": "attribute"}[case.truth.kind]
    assert case.tags[0] == kind
    assert kind != "attribute" or case.truth.value in VALUES[case.asked]


def test_open_questions_are_of_families_that_no_single_search_serves():
    served = {name for name in FAMILIES if type_of(name)}
    assert {"count_one_hop", "exist_same_relate", "query_size_ordinal", "comparison_color", "compare_integer_more"} <= (
        served
    )
    assert not {name for name in served if name.endswith(("zero_hop", "single_or")) or name.startswith(("read", "wh"))}
    assert {type_of(name) for name in served} == set(ANSWERS)


# The judge

SHOWN = Shown(sample_scene(0, "test"), None, None, None)  # type: ignore[arg-type]
QUESTION = next(case for case in MANY if case.kind == "open_question")
JUDGED = [
    ("bool", True, 'My answer about img_1: "yes".', True),
    ("bool", True, 'My answer about img_1: "Yes, there is one".', True),
    ("bool", False, 'My answer about img_1: "no".', True),
    ("bool", False, "3 - 4 = -1, so no: 3 large cubes (reg_1, reg_2, reg_3) and 4 red cubes.", True),
    ("bool", True, "Yes, there is a red cube: reg_1.", True),
    ("bool", True, 'My answer about img_1: "no".', False),
    ("bool", False, 'My answer about img_1: "yes".', False),
    ("bool", True, 'My answer about img_1: "yes and no".', False),
    ("bool", False, 'My answer about img_1: "no, yes".', False),
    ("bool", True, 'My answer about img_1: "maybe yes".', False),
    ("bool", True, 'My answer about img_1: "yes or no".', False),
    ("bool", True, 'My answer about img_1: "I cannot tell".', False),
    ("bool", True, 'My answer about img_1: "".', False),
    ("bool", False, "I cannot find a red cube in img_1.", False),
    ("bool", False, "I cannot do that now: no.", False),
    ("count", 2, 'My answer about img_1: "2".', True),
    ("count", 2, 'My answer about img_1: "two"', True),
    ("count", 0, 'My answer about img_1: "0".', True),
    ("count", 0, 'My answer about img_1: "none".', True),
    ("count", 0, 'My answer about img_1: "no".', False),
    ("count", 2, 'Both experts say "2": 2 red cubes (reg_1, reg_2).', True),
    ("count", 2, 'The experts differ: I find 3 red cubes, and the answer in words is "2".', False),
    ("count", 2, 'My answer about img_1: "3".', False),
    ("count", 2, 'My answer about img_1: "2 or 3".', False),
    ("count", 2, 'My answer about img_1: "about 2".', False),
    ("count", 2, 'My answer about img_1: "2". Or perhaps "3".', False),
    ("count", 1, 'My answer about img_1: "yes".', False),
    ("count", 1, "", False),
    ("color", "red", 'My answer about img_1: "red".', True),
    ("color", "red", 'My answer about img_1: "The cube is crimson."', True),
    ("size", "large", 'My answer about img_1: "large".', True),
    ("size", "large", 'My answer about img_1: "big".', True),
    ("material", "wood", 'My answer about img_1: "wood".', True),
    ("shape", "cube", 'My answer about img_1: "cube".', True),
    ("color", "red", 'My answer about img_1: "blue".', False),
    ("color", "red", 'My answer about img_1: "red and blue".', False),
    ("color", "red", 'My answer about img_1: "red or orange".', False),
    ("color", "red", 'My answer about img_1: "not red".', False),
    ("color", "red", 'My answer about img_1: "probably red".', False),
    ("size", "large", 'My answer about img_1: "small".', False),
    ("shape", "cube", 'My answer about img_1: "red".', False),
    ("color", "red", "I cannot find a cube in img_1.", False),
    ("read", "KITE", 'I read in img_1: reg_1 "KITE".', True),
    ("read", "KITE", "The sign says KITE.", True),
    ("read", "KITE", 'My answer about img_1: "KITE".', True),
    ("read", "KITE", 'I read in img_1: reg_1 "KITE", reg_2 "KITE".', True),
    ("read", "KITE", 'I read in img_1: reg_1 "kite".', False),
    ("read", "KITE", "The sign says kite.", False),
    ("read", "KITE", 'I read in img_1: reg_1 "KITES".', False),
    ("read", "KITE", 'I read in img_1: reg_1 "KITE", reg_2 "KATE".', False),
    ("read", "KITE", "The sign says KITE or KATE.", False),
    ("read", "KITE", 'It may be "KITE".', False),
    ("read", "KITE", "I can read no words in img_1.", False),
    ("read", "KITE", "", False),
]


@pytest.mark.parametrize(("asked", "value", "text", "right"), JUDGED)
def test_an_answer_is_right_when_it_says_the_one_value_flatly(asked, value, text, right):
    kind = asked if asked in ("bool", "count") else "attribute"
    case = replace(
        QUESTION,
        kind="read" if asked == "read" else "open_question",
        asked={"bool": "exist"}.get(asked, asked),
        truth=Truth(kind, value),
    )
    verdict = judge_mixed(case, Told(text), SHOWN)
    assert verdict.right is right, verdict.why
    assert bool(verdict.why) is not right


@pytest.mark.parametrize(("quotation", "text"), [('"red"', "red"), (r'"say \"hi\" "', 'say "hi"'), (r'"a\x"', r"a\x")])
def test_a_quotation_is_read_as_the_tools_write_it(quotation, text):
    assert unquoted(quotation) == text


# The runs


class Knowing(TrueExperts):
    """Experts that never err, of which LLaVA knows the answer to every question of the cases, whatever it sees."""

    def __init__(self, cases, store):
        truths, self.answers = {}, {case.ask.words: said_of(case) for case in cases}
        for case in cases:
            shown = show(sample_scene(case.scene, "test"))
            for one in (shown, blank(shown)):
                truths[f"pic_{store.decode(png(one.picture)).sha256[:12]}"] = (one.scene, one.boxes, one.masks)
        super().__init__(truths.__getitem__)

    def _answer(self, role, request):
        if role == "llava" and isinstance(request, Answer):
            return Said(self.answers[request.question], 0.9)
        return super()._answer(role, request)


def perfect(cases):
    """A controller that makes the calls of the gold behaviour, and answers as it does."""
    by_request = {case.request: case for case in cases}

    def script(messages):
        messages = unchecked(messages)
        turn = messages[turn_start(messages) :]
        return gold_turn(by_request[split_request(turn[0].text)[1]].ask, messages)

    return ScriptedController(script)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    home = tmp_path_factory.mktemp("mixed")
    store = PictureStore(home / "other")
    bench = MixedBench(home / "home", controller=perfect(FEW), experts=Knowing(FEW, store))
    store.close()
    try:
        return [bench.run(case) for case in FEW]
    finally:
        bench.close()


def test_without_its_language_models_a_perfect_agent_keeps_the_core_and_loses_the_rest(outcomes):
    made = report(outcomes)
    assert made["wrong"] == made["errors"] == {}
    rows = {(row["group"], row["name"]): row for row in made["rows"]}
    assert list(rows)[:2] == [("all", "all"), ("core", "together")]
    assert [rows[group, "together"]["value"] for group in ("core", "language")] == [1, 1]
    assert rows["core", "together"]["without"] == 1
    assert rows["language", "together"]["without"] == 0
    assert rows["all", "all"]["without"] == round(12 / 18, 4)
    assert rows["language", "read"]["baseline"] == rows["core", "where"]["baseline"] == 0
    assert rows["core", "query"]["baseline"] == 0
    assert {name for group, name in rows if group == "open_question"} == {*ANSWERS, *WORDINGS}
    assert rows["all", "all"]["interval"][0] > 0.8
    assert all(row["good"] == "high" for row in made["rows"])
    json.dumps(made, allow_nan=False)


def test_what_is_wrong_is_told_whole_and_the_table_has_a_column_for_it(outcomes):
    wrong = replace(outcomes[-1], whole=replace(outcomes[-1].whole, right=False, why="said nothing", error="Oh: no"))
    made = report([*outcomes[:-1], wrong], words=True)
    assert made["failed"] == 1
    assert made["failures"][0]["whole"]["why"] == "said nothing"
    assert made["errors"] == {"Oh": 1}
    assert made["wrong"] == {wrong.kind: {"said nothing": 1}}
    assert "failures" not in report([*outcomes[:-1], wrong])
    console = Console(width=80)
    with console.capture() as shown:
        show_report({"suite": "mixed", "models": {"clip": "zoo:clip 12"}, "seconds": 1.0} | made, console)
    assert "without" in shown.get()
    assert "open_question" in shown.get()


def test_a_turn_that_ends_in_an_error_is_a_wrong_answer(tmp_path):
    def broken(messages):
        raise RuntimeError("the controller is gone")

    bench = MixedBench(tmp_path, controller=ScriptedController(broken))
    outcome = bench.run(FEW[0])
    bench.close()
    for answer in (outcome.whole, outcome.without, outcome.blank):
        assert not answer.right
        assert "the controller is gone" in answer.error
    assert report([outcome])["errors"] == {"RuntimeError": 3}
    assert not list(tmp_path.rglob("*.png"))


@pytest.mark.parametrize("role", ROLES)
def test_roles_are_taken_away_as_a_profile_without_them_has_it(role):
    profile = load_profile("bundled")
    kept = {name: spec for name, spec in profile.models.items() if name not in ROLES}
    lesser = ExpertPool(profile.model_copy(update={"models": kept}), "cpu")
    asked = [Likeness(None)]  # type: ignore[arg-type]
    with pytest.raises(ExpertFailed) as real:
        lesser.ask(role, asked)
    with pytest.raises(ExpertFailed) as ours:
        Without(ExpertPool(profile, "cpu"), profile, ROLES).ask(role, asked)
    assert (ours.value.message, ours.value.kind) == (real.value.message, real.value.kind)


def test_the_other_roles_answer_as_ever():
    class Echo:
        def ask(self, role, requests):
            return [role for _ in requests]

    assert Without(Echo(), load_profile("bundled"), ROLES).ask("detector", [1, 2]) == ["detector", "detector"]


def test_the_suite_is_known_and_runs_from_end_to_end(tmp_path):
    assert "mixed" in SUITES
    assert CASES["mixed"] == 240
    script = tmp_path / "script.json"
    script.write_text(json.dumps(["There are 2."] * 40))
    alone = run_suite("mixed", cases=6, workers=1, quiet=True, controller=f"script:{script}")
    assert (alone["suite"], alone["cases"], alone["errors"]) == ("mixed", 6, {})
    assert alone["plan"]["roles taken away"] == list(ROLES)
    assert set(ROLES) <= set(alone["models"])
    assert alone["rows"][0]["value"] == alone["rows"][0]["without"] == alone["rows"][0]["baseline"]
