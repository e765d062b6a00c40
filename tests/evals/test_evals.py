"""The end-to-end evaluation: a perfect agent gets all, a bad one nothing; what report, tables and card say."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from langchain_core.messages import ToolMessage
from PIL import Image

from saccade.agent.answers.mending import unchecked
from saccade.agent.controllers.scripted import Call, ScriptedController
from saccade.agent.messages import turn_start
from saccade.cli import main
from saccade.errors import UserError
from saccade.evals import agent as suite
from saccade.evals import workers
from saccade.evals.bench import Bench, Outcome, blank, gold_turn, show
from saccade.evals.suites import run_suite, write_card
from saccade.evals.wrappers import OneLook
from saccade.prompts.references import split_request
from saccade.scenes.language.phrases import VALUES
from saccade.scenes.sample import sample_scene
from saccade.settings import ZOO
from saccade.tools.contracts import View
from saccade.tools.requests import Answer, Embed, Match
from saccade.training.controller.plans.plans import FACET_LABELS
from saccade.training.controller.plans.steps import seen


def scripted(cases, turn_of):
    """A controller for which `turn_of(case, observations)` says each turn."""
    by_request = {case.requests[-1]: case for case in cases}

    def script(messages):
        messages = unchecked(messages)
        turn = messages[turn_start(messages) :]
        told = [message.text for message in turn if isinstance(message, ToolMessage)]
        return turn_of(by_request[split_request(turn[0].text)[1]], told)

    return ScriptedController(script)


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
    other = next(one for one in found if np.abs(np.array(corners(one.box)) - true).max() > 2)
    if truth.kind == "box":
        return f"It ({other.handle}) is at the {other.place} of img_1, in the box {other.box}."
    if len(told) == 1:
        return Call("segment_objects", {"regions": [other.handle]})
    if len(told) == 2:
        return Call("crop_image", {"image": other.handle, "background": "transparent"})
    return f"Here it is, cut out: img_2 (from {other.handle})."


def corners(text):
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


NUMBERED = suite.Plan(15, seed=3).numbered()


def bench_of(home, turn_of):
    return Bench(home, controller=scripted([case for case, _ in NUMBERED], turn_of), true_experts=True)


def test_the_gold_behaviour_with_true_experts_gets_everything(tmp_path):
    bench = Bench(tmp_path, true_experts=True, gold_controller=True)
    outcomes = [bench.run(case, baselines=case.name[0] == "j") for case, _ in NUMBERED]
    bench.close()
    report = suite.report(outcomes)
    assert report["wrong"] == report["errors"] == {}
    for figure in ("exact", "exact_given_seen", "answer", "twice_answer"):
        assert report["all"][figure] == 1, figure
    assert report["passed"]
    assert report["all"]["blank_answer"] < 0.5
    blanks = [one["blank_answer"] for one in report["intents"] if one["name"] in ("where", "cut_out", "color")]
    assert blanks == [0, 0, 0]
    assert list(report["sets"]) == ["j", "k", "l"]
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
    assert len(outcome.errors) == 2  # the second is the blank picture's
    assert all("the controller is gone" in error for error in outcome.errors)
    assert outcome.why == "the turn failed"
    assert suite.report([outcome])["errors"] == {"RuntimeError": 2}


def test_one_look_cuts_regions_from_the_first_small_look():
    seen = []

    class Looking:
        def ask(self, role, requests):
            seen.extend(requests)
            return [None for _ in requests]

    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (512, 512, 3), np.uint8))
    view = View("pic_1", (512, 512), (10, 10, 74, 74), lambda: picture)
    OneLook(Looking()).ask("clip", [Match(view, ("cube",)), Answer((view, view), "Alike?"), Embed("cube")])
    match, answer, words = seen
    assert words == Embed("cube")
    assert match.view.box == view.box
    assert {one.key for one in (match.view, *answer.views)} == {match.view.key} != {view.key}
    sharp, blurred = (np.asarray(one.pixels(), float) for one in (view, match.view))
    assert sharp.shape == blurred.shape
    assert np.abs(np.diff(sharp, axis=1)).mean() > np.abs(np.diff(blurred, axis=1)).mean()


def test_several_processes_give_what_one_gives(tmp_path):
    script = tmp_path / "script.json"
    script.write_text(json.dumps(["There are 2."] * 40))
    plan = suite.Plan(2, controller=f"script:{script}", true_experts=True)
    alone, together = suite.run(plan, 1), suite.run(plan, 2)
    assert alone["cases"] == 6
    assert together["failed"] > 0
    drop = {"seconds", "turns_per_second", "workers"}
    assert {key: alone[key] for key in alone.keys() - drop} == {key: together[key] for key in together.keys() - drop}
    assert alone["plan"]["remembering"]
    assert [(one["name"], one["cases"]) for one in alone["turns"]] == [("turn 1", 3), ("turn 2", 3)]


def test_the_command_prints_the_report_alone_and_writes_it(tmp_path, capsys):
    script, out = tmp_path / "script.json", tmp_path / "deep" / "report.json"
    script.write_text(json.dumps(["There are no things."] * 20))
    arguments = ["--suite", "controller", "--cases", "1", "--workers", "1", "--controller", f"script:{script}"]
    with pytest.raises(SystemExit) as ended:
        main(["eval", *arguments, "--json", "--out", str(out)])
    printed = json.loads(capsys.readouterr().out)
    assert ended.value.code == 0
    assert printed == json.loads(out.read_text())
    assert (printed["suite"], printed["cases"], printed["all"]["exact"]) == ("controller", 3, 0)
    with pytest.raises(SystemExit) as ended:
        main(["eval", *arguments, "--json", "--card"])
    assert ended.value.code == 2
    assert json.loads(capsys.readouterr().out)["error"]["kind"] == "wrong_suite"


def test_a_part_of_the_cases_meets_the_baselines_where_that_is_asked_for():
    chosen = [baselines for _, baselines in suite.Plan(60, every=3).numbered()]
    assert chosen[:60] == [True] * 15 + [False] * 30 + [True] * 15
    assert [baselines for _, baselines in suite.Plan(30, every=1).numbered()] == [True] * 90


def test_the_blank_picture_shows_nothing_and_has_the_same_size():
    shown = show(sample_scene(3, "test"), 256)
    empty = blank(shown)
    assert empty.picture.shape == shown.picture.shape
    assert empty.scene.things == ()
    assert len(empty.boxes) == 0
    assert np.abs(empty.picture.astype(int) - shown.picture).max() > 100


# Figures


def outcome(name, exact, right, blank=None, once=None, small=False):
    return Outcome(
        name, name[0], "count", "count.g1", small, "How many?", 1, [], {"kind": "count", "value": 1, "things": (0,)},
        exact=exact, exact_given_seen=exact, right=right, blank=blank, once=once,
    )  # fmt: skip


def test_the_worst_set_counts_and_baselines_stand_beside_the_same_cases():
    good = [outcome(f"j{n}", True, True, blank=n == 0, once=n < 2) for n in range(4)]
    bad = [
        outcome("k0", True, True, True, True),
        outcome("k1", False, True),
        replace(outcome("k2", False, False, small=True), why="another number"),
    ]
    report = suite.report(good + bad)
    assert report["worst"]["exact"] == {"set": "k", "share": 0.3333, "bar": 0.9}
    assert report["worst"]["answer"] == {"set": "k", "share": 0.6667, "bar": 0.85}
    assert not report["passed"]
    a, b = report["sets"]["j"], report["sets"]["k"]
    assert (a["baseline_cases"], a["blank_answer"], a["once_answer"], a["twice_answer"]) == (4, 0.25, 0.5, 1.0)
    assert (b["cases"], b["baseline_cases"], b["twice_answer"]) == (3, 1, 1.0)
    assert [(one["name"], one["cases"], one["answer"]) for one in report["small"]] == [
        ("count", 1, 0.0),
        ("all", 1, 0.0),
    ]
    assert (report["failed"], report["wrong"]) == (2, {"count": {"another number": 1}})
    assert "failures" not in report
    told = suite.report(good + bad, words=True)["failures"]
    assert [failure["name"] for failure in told] == ["k1", "k2"]
    assert suite.report(good)["passed"]


def report_for_card(**changes):
    plan = {"profile": "bundled", "controller": None, "seed": 5} | changes.pop("plan", {})
    made = suite.report([outcome("j0", True, True, False, True)])
    return {"suite": "agent", "plan": plan, "models": {"controller": "zoo:controller 12"}} | made | changes


def test_the_figures_go_into_the_card_and_nothing_else_in_it_changes(tmp_path):
    card = {"recipe": "controller", "metrics": {"exact": 0.9}, "sha256": "ab" * 32}
    (tmp_path / "card.json").write_text(json.dumps(card))
    write_card(report_for_card(), tmp_path)
    written = json.loads((tmp_path / "card.json").read_text())
    figures = written["metrics"].pop("end_to_end")
    assert written == card
    assert figures["worst"]["answer"] == {"set": "j", "share": 1.0, "bar": 0.85}
    assert figures["sets"]["j"]["once_answer"] == 1.0
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


@pytest.mark.parametrize(
    ("plan", "controller", "others"),
    [
        (suite.Plan(), True, True),
        (suite.Plan(true_experts=True), True, False),
        (suite.Plan(gold_controller=True), False, True),
    ],
)
def test_only_the_models_that_are_measured_must_be_there(plan, controller, others, monkeypatch, tmp_path):
    from saccade.tools import embedder

    (tmp_path / "card.json").write_text('{"sha256": "12ab"}')
    monkeypatch.setattr(embedder, "resolve", lambda spec: tmp_path)
    needed = suite.require_models(plan)
    assert ("controller" in needed) == controller
    assert ({"clip", "detector", "sam"} <= needed.keys()) == others
    assert all((one["sha256"] == "12ab") == one["spec"].startswith("zoo:") for one in needed.values())


def test_a_missing_model_is_told_before_the_first_case():
    with pytest.raises(UserError, match="nosuch"):
        suite.run(suite.Plan(1, controller="zoo:nosuch", true_experts=True))


def test_the_tables_show_the_report(capsys):
    from rich.console import Console

    from saccade.evals.tables import show_report

    cases = [outcome("j0", True, True, False, True), replace(outcome("k1", False, False), why="another number")]
    report = suite.report(cases, words=True) | {"seconds": 60.0, "workers": 1, "turns_per_second": 0.1}
    show_report(report, Console(width=200))
    printed = capsys.readouterr().out
    for part in ("50.0", "9-91", "count.g1", "wrong, count: 1 x another number", "missed", "2 cases in 1.0 minutes"):
        assert part in printed


MISSING = [
    name for name in ("clip", "controller", "detector", "sam") if not (ZOO / name / "model.safetensors").is_file()
]


@pytest.mark.skipif(bool(MISSING), reason=f"the zoo lacks {', '.join(MISSING)}")
def test_a_few_cases_with_the_bundled_models():
    report = run_suite("agent", cases=2, workers=1, quiet=True)
    assert report["cases"] == 6
    assert report["errors"] == {}
    assert report["all"]["exact"] >= 0.5, report["wrong"]
    assert report["all"]["answer"] >= 0.5, report["wrong"]
    assert report["all"]["baseline_cases"] == 6
    assert report["all"]["blank_answer"] < report["all"]["answer"]


# The suite "tools"


def test_a_blank_picture_is_guessed_at_rather_than_refused():
    from saccade.evals.wrappers import Trusting
    from saccade.tools.contracts import View
    from saccade.tools.requests import Detect, Likeness

    class Doubting:
        def ask(self, role, requests):
            return [0.0 if isinstance(one, Likeness) else "answer" for one in requests]

    view = View("pic_1", (8, 8), (0, 0, 8, 8), lambda: None)
    experts = Trusting(Doubting())
    assert experts.ask("clip", [Likeness(view)]) == [1.0]
    assert experts.ask("detector", [Detect(view)]) == ["answer"]


def test_the_gold_behaviour_is_exact_in_every_kind_of_the_tools_suite(tmp_path):
    from saccade.evals.cases.tools import INTENTS, tool_cases
    from saccade.evals.toolcalls import ToolBench

    cases = tool_cases(3, len(INTENTS), "dev")
    assert {case.intent for case in cases} >= {"find_like", "find_memory", "remember", "forget", "describe"}
    for case in cases:
        bench = ToolBench(tmp_path / case.name, "bundled", ScriptedController(partial(gold_turn, case.ask)))
        done = bench.run(case)
        bench.close()
        assert done.error == "", case
        assert not any("No scene is known" in step["observation"] for step in done.steps), (case, done.steps)
        assert not any("has no true answer" in step["observation"] for step in done.steps), (case, done.steps)
        assert done.exact, (case, done.steps)


def test_the_tools_suite_judges_the_calls_alone(tmp_path):
    from saccade.evals import toolcalls
    from saccade.evals.cases.tools import tool_cases
    from saccade.evals.suites import SUITES
    from saccade.evals.tables import show_report
    from saccade.training.controller.plans.plans import PLANS

    cases = tool_cases(1, 16, "dev")
    gold = [next(PLANS[case.intent](case.ask)).calls for case in cases]
    script = tmp_path / "script.json"
    script.write_text(json.dumps([{"calls": [{"name": n, "arguments": a} for n, a in gold[0]]}, "There."]))
    make = partial(toolcalls.ToolBench, profile="bundled", controller=f"script:{script}")
    with workers.bench_of(make) as bench:
        one = bench.run(cases[0])
    assert one.error == ""
    assert one.exact
    wrong = replace(one, exact=False, set="k")
    report = toolcalls.report([one, wrong])
    assert report["worst"] == 0.0
    assert {row["group"] for row in report["rows"]} >= {"sets", "intents, all sets"}
    assert report["wrong"] == {one.intent: 1}
    assert toolcalls.report([one, wrong], words=True)["failures"][0]["name"] == one.name
    assert "tools" in SUITES
    from rich.console import Console

    show_report({"suite": "tools", "models": {}, "seconds": 1.0} | report, Console(quiet=True))


def test_a_later_turn_names_its_own_picture_though_cut_outs_took_handles(tmp_path):
    bench = Bench(tmp_path, true_experts=True, gold_controller=True)
    cut_out = next(case for case, _ in NUMBERED if case.intent == "cut_out")
    count = next(case for case, _ in NUMBERED if case.intent == "count")
    outcomes = bench.converse([cut_out, count])
    bench.close()
    assert [(outcome.turn, outcome.exact, outcome.right) for outcome in outcomes] == [(1, True, True), (2, True, True)]
    assert outcomes[1].gold[0]["arguments"]["image"] == "img_3"  # img_2 is the cut-out
