from __future__ import annotations

import random
from pathlib import Path

import pytest

from saccade.errors import UserError
from saccade.evals.cases.agent import agent_cases
from saccade.evals.cases.tools import INTENTS, tool_cases
from saccade.scenes.language.phrases import phrase_true
from saccade.scenes.sample import sample_scene
from saccade.tools.registry import all_tools
from saccade.tools.runner import check_arguments
from saccade.training.controller.dialogues import REPLIES, Talk, as_written
from saccade.training.controller.held_out import KINDS, LEARNED, QUERIES, held_out_traces, learned_traces
from saccade.training.controller.plans.memory import hits_in, when_of
from saccade.training.controller.plans.plans import DECLINED, NO_PAIR, NO_PICTURE, PLANS
from saccade.training.controller.plans.steps import Ask
from saccade.training.controller.plans.words import number_in
from saccade.training.controller.trace import Trace
from saccade.training.controller.traces import WEIGHTS, draw_trace
from saccade.training.controller.wording.families import DEV, HELD_OUT, families, fill, intents
from saccade.training.controller.wording.free_requests import draw_question, draw_statement
from saccade.training.controller.wording.noise import disturb
from saccade.training.controller.wording.noun_phrases import any_world_noun, outside_noun, world_noun

SEEDS = range(150)


@pytest.fixture(scope="module")
def traces() -> list[Trace]:
    return [draw_trace(seed) for seed in SEEDS]


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.txt").write_text(text)
    return folder


def test_a_line_expands_to_all_of_its_alternatives(tmp_path: Path) -> None:
    write(tmp_path, count="(please |)count the {things} ((in|on) {the picture}|)\n# a comment\n\n")
    (family,) = families("count", None, tmp_path)
    told = {"".join(family.expand(random.Random(seed))).strip() for seed in range(60)}
    assert told == {
        f"{please}count the {{things}}{place}"
        for please in ("please ", "")
        for place in (" in {the picture}", " on {the picture}", "")
    }


@pytest.mark.parametrize("line", ["count (the {things}", "count the {thingies}", "count the {things", "count) it"])
def test_a_line_that_cannot_be_read_is_refused(tmp_path: Path, line: str) -> None:
    write(tmp_path, count=line)
    with pytest.raises(ValueError, match=r"phrasing|brace"):
        families("count", None, tmp_path)[0].expand(random.Random(0))


def test_a_training_family_that_says_a_held_out_sentence_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, count="how many {things} (are there|do you see)?\ncount {things}")
    (tmp_path / "held_out_j").mkdir()
    write(tmp_path / "held_out_j", count="How many {things} do you see")
    assert [family.text for family in families("count", None, tmp_path)] == ["count {things}"]


def test_held_out_families_are_never_trained_on() -> None:
    for name in HELD_OUT:
        for intent in intents(name):
            kept = {words for family in families(intent, name) for words in family.skeletons()}
            assert kept, f"{intent} has no held-out families in set {name}"
            trained = {words for family in families(intent) for words in family.skeletons()}
            assert not kept & trained


def test_the_lines_kept_for_choosing_between_models_are_not_trained_on() -> None:
    share = [len(families(intent, DEV)) / len(families(intent)) for intent in WEIGHTS]
    assert 0.03 < sum(share) / len(share) < 0.08
    for intent in WEIGHTS:
        assert not {family.text for family in families(intent, DEV)} & {family.text for family in families(intent)}


def test_every_intent_has_enough_families() -> None:
    for intent in (*WEIGHTS, *REPLIES):
        assert len(families(intent)) + len(families(intent, DEV)) >= 60, intent


def test_an_empty_slot_takes_its_preposition_along() -> None:
    parts = fill(
        ["how many {things}"[:9], "{things}", " are in ", "{the picture}", "?"], {"things": "mugs", "the picture": ""}
    )
    assert disturb(parts, random.Random(0), 0.0) == "How many mugs are?"


def test_noise_never_touches_words_that_must_be_copied() -> None:
    parts = [("how many ", False), ("snortlings", True), (" do you see in the picture", False)]
    said = {disturb(parts, random.Random(seed)) for seed in range(300)}
    assert len(said) > 100
    assert all("snortlings" in text for text in said)


@pytest.mark.parametrize("seed", range(40))
def test_the_phrase_is_singular_without_size_words(seed: int) -> None:
    rng = random.Random(seed)
    noun = any_world_noun(rng) if seed % 2 else outside_noun(rng)
    assert noun.one.endswith(noun.phrase) or noun.phrase == "everything"
    assert not noun.phrase.startswith(("a ", "an ", "the ", "small ", "big "))
    assert (noun.size == "any") == (noun.one == noun.phrase)


def test_a_bare_thing_with_a_size_means_everything_of_that_size() -> None:
    noun = world_noun({"size": "small"}, random.Random(1))
    assert noun.arguments == {"phrase": "everything", "size": "small"}


def test_gold_calls_fit_the_tools_and_name_handles_that_exist(traces: list[Trace]) -> None:
    tools = all_tools()
    for trace in traces:
        known: set[str] = set()
        for message in trace.messages:
            for name, arguments in message.calls if message.learn else ():
                if name != "calculate" or "complete" not in message.content:
                    check_arguments(tools[name], arguments, [])
                named = [arguments["image"]] if arguments.get("image") else []
                named += arguments.get("regions", []) + arguments.get("images", [])
                assert all(handle in known for handle in named), (arguments, sorted(known))
            known |= set(_handles(message.content))


def _handles(text: str) -> list[str]:
    import re

    return re.findall(r"(?:img|reg)_\d+", text)


def test_thoughts_are_short_and_come_before_calls(traces: list[Trace]) -> None:
    for trace in traces:
        for message in trace.messages:
            if message.calls:
                assert 2 <= len(message.content.split()) <= 24
                assert 1 <= len(message.calls) <= 3


def test_every_intent_is_drawn_and_has_a_plan() -> None:
    drawn = {turn.intent for seed in range(1500) for turn in draw_trace(seed, late=True).turns}
    assert set(WEIGHTS) | {"no_picture", "no_thing", "no_pair", *REPLIES} == set(PLANS)
    assert {intent for intent in WEIGHTS if families(intent)} <= drawn


def test_a_mistake_is_followed_by_its_mending() -> None:
    mistakes = 0
    for seed in range(800):
        messages = draw_trace(seed).messages
        for at, message in enumerate(messages):
            if not message.learn:
                mistakes += 1
                mended = messages[at + 2]
                assert mended.role == "assistant"
                assert mended.learn
                assert mended.calls != message.calls
    assert mistakes > 3


def test_a_failing_expert_is_passed_on_with_its_command() -> None:
    talk = Talk(random.Random(3), noise=0.0, outside=0.0)
    for seed in range(200):
        talk = Talk(random.Random(seed), noise=0.0, outside=0.0)
        talk.ask("count", families("count")[0], 1)
        if not talk.workspace.by_handle["img_1"].known:
            break
    answer = talk.trace.messages[-1].content
    assert "saccade models fetch gpu" in answer
    assert "--profile gpu" in answer


def test_without_a_picture_one_is_asked_for() -> None:
    talk = Talk(random.Random(0), flawless=True)
    talk.ask("count", families("count")[0], 0)
    assert talk.trace.messages[-1].content == NO_PICTURE


@pytest.mark.parametrize("held_out", HELD_OUT)
def test_cases_are_balanced_and_their_truth_is_the_scenes(held_out: str) -> None:
    cases = agent_cases(0, 45, held_out)
    assert cases == agent_cases(0, 45, held_out)
    assert len({case.scenes for case in cases}) == 45
    kinds = ["query" if case.intent in QUERIES else case.intent for case in cases]
    assert all(kinds.count(kind) == 9 for kind in KINDS)
    for case in cases:
        scene = sample_scene(case.scenes[0], "test")
        true = tuple(t.id for t in scene.things if phrase_true(dict(case.noun.attributes or ()), t))
        assert case.truth.things == true
        assert 1 <= case.tools <= 3
        if case.truth.kind == "count":
            assert case.truth.value == len(true)
        if case.truth.kind in ("attribute", "box", "mask"):
            assert len(true) == 1
        if case.truth.kind == "attribute":
            assert case.truth.value == getattr(scene.things[true[0]], case.intent)
        if case.intent == "cut_out":
            assert [step[0][0] for step in case.gold] == ["find_objects", "segment_objects", "crop_image"]


def test_an_unknown_set_is_refused() -> None:
    with pytest.raises(UserError, match="held-out set 'a'"):
        agent_cases(0, 1, "a")


def test_held_out_traces_are_the_same_for_the_same_seed() -> None:
    one, two = (held_out_traces("j", 10, seed=1) for _ in range(2))
    assert [m.content for t in one for m in t.messages] == [m.content for t in two for m in t.messages]


def test_declining_says_what_can_be_done() -> None:
    assert "find" in DECLINED
    assert "cut out" in DECLINED


# Tools that write, read, compare and remember


def talk_of(intent: str, seed: int = 0, pictures: int = 1, **words: str) -> Talk:
    talk = Talk(random.Random(seed), noise=0.0, outside=0.0, flawless=True)
    talk.ask(intent, families(intent)[0], pictures)
    return talk


def ended(intent: str, told: list[str], **more: object) -> str:
    """The answer of a plan after one step."""
    plan = PLANS[intent](Ask(intent, "img_1", **more))  # type: ignore[arg-type]
    next(plan)
    try:
        plan.send(told)
    except StopIteration as stop:
        return str(stop.value)
    raise AssertionError("the plan goes on")


def test_what_was_read_or_said_is_passed_on_in_its_quotation_marks() -> None:
    assert ended("describe", ['img_1: "a \\"red\\" cube."']) == 'img_1 shows "a \\"red\\" cube."'
    told = '2 words in img_1: reg_1 "KITE", upper left, (34, 50, 100, 120), 0.97; reg_2 "BOX", top, (1, 2, 3, 4), 0.91'
    assert ended("read", [told]) == 'I read in img_1: reg_1 "KITE", reg_2 "BOX".'
    assert ended("read", ["No words found in img_1."]) == "I can read no words in img_1."
    assert ended("open_question", ['About img_1: "blue".'], words="what is it?") == 'My answer about img_1: "blue".'


def test_two_experts_that_differ_are_told_apart() -> None:
    noun = world_noun({"shape": "cube"}, random.Random(1))
    found = "1 found in img_1 (512 x 512 px): reg_1 cube, top, (1, 2, 3, 4), 0.9"
    assert ended("cross_check", [found, 'About img_1: "one".'], noun=noun).startswith("Both experts say")
    assert ended("cross_check", [found, 'About img_1: "2".'], noun=noun).startswith("The experts differ")
    assert [number_in(text) for text in ('"3"', '"Three."', '"a few"')] == [3, 3, None]


def test_what_memory_found_is_cited_and_nothing_is_passed_on_as_nothing() -> None:
    told = (
        '2 found in memory for "green: cone" like img_1: img_2 (seen 2026-11-20, "a (1).png"), 0.91; '
        "reg_4 green cone in img_3 (seen 2026-11-14), 0.88"
    )
    assert hits_in(told) == ['img_2 (seen 2026-11-20, "a (1).png")', "reg_4 green cone in img_3 (seen 2026-11-14)"]
    assert ended("find_like", ["Nothing like img_1 in memory."]).startswith("I find nothing in memory")


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("did i send it this morning", "today"),
        ("the one from last week", "week"),
        ("which i sent yesterday", "week"),
        ("two weeks ago", "month"),
        ("from last month", "month"),
        ("once", "any"),
    ],
)
def test_how_far_back_a_request_goes(text: str, when: str) -> None:
    assert when_of(text) == when


def test_a_picture_is_deleted_only_after_a_yes() -> None:
    for reply, gone in (("yes", True), ("no", False)):
        talk = talk_of("forget")
        assert talk.doubtful == "img_1"
        assert talk.trace.messages[-1].content.endswith("Please say yes or no.")
        talk.ask(reply, families(reply)[0], 0)
        assert ("img_1" not in talk.workspace.handles()) == gone
        assert talk.doubtful == ""


def test_one_picture_cannot_be_compared() -> None:
    assert talk_of("compare").trace.messages[-1].content == NO_PAIR


def test_questions_and_statements_are_kept_in_the_users_words() -> None:
    rng = random.Random(5)
    for _ in range(2000):
        question = draw_question(rng, lambda: any_world_noun(rng))
        assert len(question) < 199
        assert as_written(question, f"Hello, {question.upper()} please") == question.upper()
        assert "{" not in question + draw_statement(rng, lambda: any_world_noun(rng))


def test_cases_for_the_tools_have_calls_that_fit(traces: list[Trace]) -> None:
    tools = all_tools()
    cases = tool_cases(0, 2 * len(INTENTS), DEV)
    assert cases == tool_cases(0, 2 * len(INTENTS), DEV)
    assert {case.intent for case in cases} <= set(INTENTS)
    for case in cases:
        for name, arguments in next(PLANS[case.intent](case.ask)).calls:
            check_arguments(tools[name], arguments, [])
        assert case.ask.words.rstrip("?") in case.request or case.intent == "find_like_but"


def test_every_learned_intent_is_measured() -> None:
    assert {trace.turns[-1].intent for trace in learned_traces(DEV, 1, 0)} == {i for i in LEARNED if families(i, DEV)}
