from __future__ import annotations

import random
from pathlib import Path

import pytest

from saccade.errors import UserError
from saccade.scenes.phrases import phrase_true
from saccade.scenes.sample import sample_scene
from saccade.tools.registry import all_tools
from saccade.tools.runner import check_arguments
from saccade.training.cases import KINDS, QUERIES, agent_cases, held_out_traces
from saccade.training.noise import disturb
from saccade.training.nouns import any_world_noun, outside_noun, world_noun
from saccade.training.phrasings import HELD_OUT, families, fill, intents
from saccade.training.plans import DECLINED, NO_PICTURE, PLANS
from saccade.training.traces import WEIGHTS, Talk, Trace, draw_trace

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
    (tmp_path / "held_out_a").mkdir()
    write(tmp_path / "held_out_a", count="How many {things} do you see")
    assert [family.text for family in families("count", None, tmp_path)] == ["count {things}"]


def test_held_out_families_are_never_trained_on() -> None:
    for name in HELD_OUT:
        for intent in intents(name):
            kept = {words for family in families(intent, name) for words in family.skeletons()}
            assert kept, f"{intent} has no held-out families in set {name}"
            trained = {words for family in families(intent) for words in family.skeletons()}
            assert not kept & trained


def test_every_intent_has_enough_families() -> None:
    for intent in WEIGHTS:
        assert len(families(intent)) >= 60, intent


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
                named = [arguments["image"]] if arguments.get("image") else arguments.get("regions", [])
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
    drawn = {turn.intent for seed in range(600) for turn in draw_trace(seed).turns}
    assert set(WEIGHTS) | {"no_picture", "no_thing"} == set(PLANS)
    assert {intent for intent in WEIGHTS if families(intent)} <= drawn


def test_a_mistake_is_followed_by_its_mending() -> None:
    mistakes = 0
    for seed in range(400):
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
        if not talk.desk.sheets["img_1"].known:
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
    with pytest.raises(UserError, match="held-out set 'd'"):
        agent_cases(0, 1, "d")


def test_held_out_traces_are_the_same_for_the_same_seed() -> None:
    one, two = (held_out_traces("a", 10, seed=1) for _ in range(2))
    assert [m.content for t in one for m in t.messages] == [m.content for t in two for m in t.messages]


def test_declining_says_what_can_be_done() -> None:
    assert "find" in DECLINED
    assert "cut out" in DECLINED
