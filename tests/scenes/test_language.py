"""Claims about the question language: programs, their answers and their words."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saccade.queries.execute import DegenerateError
from saccade.queries.nodes import (
    Compare,
    Count,
    Everything,
    Exist,
    Filter,
    Ordinal,
    Query,
    Read,
    Relate,
    Same,
    Union,
    Unique,
)
from saccade.queries.space import place_of
from saccade.scenes.language.frames import FRAMES, HELD_OUT
from saccade.scenes.language.grammar import word_question
from saccade.scenes.language.programs import AmbiguousError, execute, from_json, to_json
from saccade.scenes.language.questions import FAMILIES, QuestionSampler, degenerate
from saccade.scenes.sample import sample_scene
from saccade.scenes.scene import HELD_OUT_PAIRS, Scene, Thing

SCENES = [sample_scene(number) for number in range(300)]


def thing(id: int, shape: str, color: str, x: float, y: float, size: str = "small", **more: object) -> Thing:
    rest = {"material": "wood", "scale": 0.215 if size == "large" else 0.115} | more
    return Thing(id=id, shape=shape, color=color, size=size, x=x, y=y, **rest)


TABLE = Scene(
    0,
    (
        thing(0, "cube", "red", 0.2, 0.2),
        thing(1, "cube", "blue", 0.5, 0.52, "large", material="metal", word="STOP"),
        thing(2, "ball", "red", 0.8, 0.5),
        thing(3, "cone", "green", 0.22, 0.8, material="rubber"),
    ),
    "desk",
    -90.0,
)
CUBES = Filter(Everything(), "shape", "cube")
RED = Filter(Everything(), "color", "red")
BALL = Unique(Filter(Everything(), "shape", "ball"))
CONE = Unique(Filter(Everything(), "shape", "cone"))


# ---------------------------------------------------------------- programs


@pytest.mark.parametrize(
    ("program", "answer"),
    [
        (Count(CUBES), "2"),
        (Count(Union(CUBES, RED)), "3"),
        (Exist(Filter(CUBES, "color", "green")), "no"),
        (Count(Relate(BALL, "left")), "3"),
        (Query(Unique(Filter(Relate(CONE, "above"), "material", "metal")), "color"), "blue"),
        (Query(BALL, "place"), "right"),
        (Read(Unique(Filter(CUBES, "color", "blue"))), "STOP"),
        (Query(Unique(Same(BALL, "color")), "shape"), "cube"),
        (Query(Ordinal(Everything(), 2, "right"), "color"), "blue"),
        (Query(Ordinal(Everything(), 1, "largest"), "shape"), "cube"),
        (Compare(Count(CUBES), Count(RED), "equal"), "yes"),
        (Compare(Count(CUBES), Count(Filter(Everything(), "shape", "cone")), "more"), "yes"),
        (Compare(Count(CUBES), Count(Filter(Everything(), "shape", "cone")), "fewer"), "no"),
        (Compare(BALL, CONE, "size"), "yes"),
    ],
)
def test_the_executor_answers(program, answer: str) -> None:
    assert execute(program, TABLE) == answer
    assert from_json(to_json(program)) == program


@pytest.mark.parametrize(
    ("program", "error"),
    [
        (Query(Unique(CUBES), "color"), AmbiguousError),  # two cubes
        (Query(Unique(Filter(Everything(), "shape", "fish")), "color"), DegenerateError),  # no fish
        (Count(Relate(BALL, "above")), AmbiguousError),  # the blue cube is level with the ball
        (Query(Ordinal(Everything(), 1, "left"), "color"), AmbiguousError),  # two things are equally far to the left
        (Query(Ordinal(Everything(), 5, "left"), "color"), DegenerateError),
        (Query(Ordinal(RED, 1, "largest"), "shape"), AmbiguousError),
        (Query(Unique(Filter(Everything(), "color", "green")), "color"), DegenerateError),  # says its own answer
        (Query(Unique(Same(CONE, "color")), "color"), DegenerateError),
        (Compare(CONE, CONE, "size"), DegenerateError),
        (Compare(Unique(Filter(CUBES, "color", "red")), CONE, "shape"), DegenerateError),  # says both shapes
        (Count(Filter(RED, "color", "blue")), DegenerateError),
        (Count(Union(RED, RED)), DegenerateError),
        (Read(BALL), DegenerateError),  # no sign
    ],
)
def test_what_is_ambiguous_or_no_question_is_refused(program, error: type[Exception]) -> None:
    with pytest.raises(error):
        execute(program, TABLE)


def test_a_doubtful_relation_matters_only_where_the_answer_depends_on_it() -> None:
    above = Relate(BALL, "above")  # the blue cube may be above the ball or not; the red one is
    assert execute(Exist(above), TABLE) == "yes"
    assert execute(Count(Filter(above, "color", "red")), TABLE) == "1"
    with pytest.raises(AmbiguousError):
        execute(Exist(Filter(above, "color", "blue")), TABLE)


@pytest.mark.parametrize(
    "record",
    [
        {"op": "steal"},
        {"op": "count"},
        {"op": "count", "source": {"op": "everything"}, "more": 1},
        {"op": "count", "source": {"op": "count", "source": {"op": "everything"}}},
        {"op": "filter", "source": {"op": "everything"}, "facet": "color", "value": "cube"},
        {"op": "filter", "source": {"op": "everything"}, "facet": "__class__", "value": "cube"},
        {"op": "count", "source": 3},
    ],
)
def test_json_that_is_no_program_is_refused(record: dict) -> None:
    with pytest.raises(ValueError):
        from_json(record)


def brute(record: dict, objects: list[dict]) -> Any:
    """A second executor, written from the JSON alone: sets are lists of objects, nothing is doubtful."""
    op = record["op"]
    parts = {key: brute(value, objects) for key, value in record.items() if isinstance(value, dict)}
    axis, sign = {"left": ("x", -1), "right": ("x", 1), "above": ("y", -1), "below": ("y", 1)}.get(
        record.get("relation", ""), ("x", 1)
    )
    match op:
        case "everything":
            return objects
        case "filter":
            return [one for one in parts["source"] if one[record["facet"]] == record["value"]]
        case "unique":
            (only,) = parts["source"]
            return only
        case "relate":
            anchor = parts["anchor"]
            return [one for one in objects if one is not anchor and sign * (one[axis] - anchor[axis]) > 0]
        case "same":
            anchor = parts["anchor"]
            return [one for one in objects if one is not anchor and one[record["facet"]] == anchor[record["facet"]]]
        case "union":
            return [one for one in objects if one in parts["first"] or one in parts["second"]]
        case "intersect":
            return [one for one in objects if one in parts["first"] and one in parts["second"]]
        case "count":
            return str(len(parts["source"]))
        case "exist":
            return "yes" if parts["source"] else "no"
        case "compare":
            one, other, by = parts["first"], parts["second"], record["by"]
            if isinstance(one, str):
                true = {"equal": one == other, "more": int(one) > int(other), "fewer": int(one) < int(other)}[by]
            else:
                true = one[by] == other[by]
            return "yes" if true else "no"
        case "ordinal":
            key = {"left": "x", "right": "x", "top": "y", "bottom": "y"}.get(record["towards"], "scale")
            back = record["towards"] in ("right", "bottom", "largest")
            return sorted(parts["source"], key=lambda one: one[key], reverse=back)[record["rank"] - 1]
        case "query":
            anchor = parts["anchor"]
            if record["facet"] == "place":
                return place_of(anchor["x"], anchor["y"])
            return anchor[record["facet"]]
        case "read":
            return parts["anchor"]["word"]
    raise AssertionError(op)


def test_a_second_executor_agrees_on_every_sampled_question() -> None:
    sampler = QuestionSampler(6)
    asked: Counter[str] = Counter()
    for number in range(2000):
        if number >= 200 and len(asked) == len(FAMILIES):  # some families fit few scenes
            break
        scene = sample_scene(number)
        objects = [vars(one) for one in scene.things]
        for question in sampler.sample(scene, 10):
            assert execute(question.program, scene) == question.answer
            assert brute(to_json(question.program), objects) == question.answer, question
            assert not degenerate(question.program, scene)
            asked[question.family] += 1
    assert set(asked) == set(FAMILIES)


@settings(max_examples=60, deadline=None)
@given(number=st.integers(0, 2**20), seed=st.integers(0, 2**20))
def test_no_answer_turns_over_when_things_move_a_little(number: int, seed: int) -> None:
    """A hundredth of the picture, less than what is clear, makes an answer doubtful at the most, never another."""
    scene, rng = sample_scene(number), random.Random(seed)
    for question in QuestionSampler(seed).sample(scene, 5):
        boxes = []
        for one in scene.things:
            x, y, half = one.x + rng.uniform(-0.01, 0.01), one.y + rng.uniform(-0.01, 0.01), one.scale / 2
            boxes.append([x - half, y - half, x + half, y + half])
        try:
            answer = execute(question.program, scene, boxes)
        except AmbiguousError:
            continue
        assert answer == question.answer


def test_a_hop_that_does_not_matter_makes_a_question_degenerate() -> None:
    scene = Scene(0, (*TABLE.things, thing(4, "fish", "pink", 0.8, 0.8)), "desk", -90.0)
    only = Filter(Relate(BALL, "below"), "shape", "fish")  # there is no other fish than the one below the ball
    assert degenerate(Query(Unique(only), "color"), scene)
    assert degenerate(Exist(only), scene)
    assert not degenerate(Exist(Filter(Relate(BALL, "left"), "color", "red")), scene)  # the ball itself is red too
    assert not degenerate(Count(Filter(Relate(BALL, "right"), "color", "green")), scene)  # the cone is elsewhere
    assert degenerate(Count(Union(CUBES, Filter(CUBES, "color", "red"))), scene)  # the second half adds nothing
    assert not degenerate(Count(Union(CUBES, RED)), scene)


# ---------------------------------------------------------------- questions in words


def test_answers_are_balanced_within_each_family() -> None:
    sampler = QuestionSampler(7)
    for number in range(450):
        sampler.sample(sample_scene(number), 10)
    for family, answers in sampler.answers.items():
        if family.startswith("read") or answers.total() < 60:
            continue
        most = answers.most_common(1)[0][1]
        often = [answer for answer, given in answers.items() if given > 2]  # few scenes have six of a kind
        assert most <= 2 + 1.2 * answers.total() / len(often) + 1, (family, answers)
        if set(answers) == {"yes", "no"}:
            assert 0.4 < answers["yes"] / answers.total() < 0.6, (family, answers)


def test_families_of_phrasings_that_are_held_out_never_word_a_training_question() -> None:
    rng = random.Random(8)
    sampler = QuestionSampler(9)
    programs = [question.program for scene in SCENES[:60] for question in sampler.sample(scene, 12)]
    known = [word_question(program, rng) for program in programs for _ in range(4)]
    test = [word_question(program, rng, held_out=True) for program in programs for _ in range(4)]
    assert {word.intent for word in known} == set(FRAMES)
    assert not any(word.family in HELD_OUT[word.intent] for word in known)
    assert all(word.family in HELD_OUT[word.intent] for word in test)


def test_no_frame_stands_in_two_families_and_enough_are_held_out() -> None:
    for intent, families in FRAMES.items():
        frames = [frame for frames in families.values() for frame in frames]
        assert len(frames) == len(set(frames)), intent
        assert set(HELD_OUT[intent]) < set(families)
        assert len(HELD_OUT[intent]) >= 2, intent


def test_the_words_of_a_question_name_the_things_of_its_program() -> None:
    program = Count(Filter(Relate(CONE, "above"), "color", "red"))
    text = word_question(program, random.Random(0)).text
    assert "cone" in text
    assert "red" in text or "scarlet" in text or "crimson" in text
    assert text[0].isupper()


def test_what_stands_somewhere_is_asked_without_a_noun_too() -> None:
    rng = random.Random(4)
    program = Query(Unique(Relate(CONE, "left")), "shape")
    worded = [word_question(program, rng) for _ in range(60)]
    bare = [word.text for word in worded if word.family == "bare"]
    assert 15 < len(bare) < 45
    assert not [text for text in bare if any(f"{head} " in text for head in ("object", "item"))]
    assert not any(word_question(program, rng, held_out=True).family == "bare" for _ in range(20))
    described = Query(Unique(Filter(Relate(CONE, "left"), "color", "red")), "shape")
    assert not any(word_question(described, rng).family == "bare" for _ in range(20))


def test_fillers_add_words_and_typos_change_one() -> None:
    sampler = QuestionSampler(10)
    misspelt = 0
    for seed, program in enumerate(q.program for scene in SCENES[:40] for q in sampler.sample(scene, 4)):
        plain = word_question(program, random.Random(seed)).text
        filled = word_question(program, random.Random(seed), fillers=1.0).text
        assert plain.rstrip(".?").lower() in filled.lower()
        assert len(filled.split()) > len(plain.split())
        typo = word_question(program, random.Random(seed), typos=1.0).text
        changed = [1 for one, other in zip(plain.split(), typo.split(), strict=True) if one != other]
        assert len(changed) <= 1  # a question of short words stays as it is
        misspelt += len(changed)
    assert misspelt > 150


def test_the_same_seed_asks_the_same() -> None:
    first, second = (QuestionSampler(11), QuestionSampler(11))
    for scene in SCENES[:20]:
        assert first.sample(scene, 6) == second.sample(scene, 6)


def test_training_questions_never_ask_for_a_held_out_pair() -> None:
    sampler = QuestionSampler(12)
    for scene in SCENES[:120]:
        for question in sampler.sample(scene, 6):
            assert not (_pairs(to_json(question.program)) & HELD_OUT_PAIRS)


def _pairs(record: dict, color: str | None = None, shape: str | None = None) -> set[tuple[str, str]]:
    """The (shape, colour) pairs that chains of filters in a program say."""
    found = set()
    if record["op"] == "filter":
        color = record["value"] if record["facet"] == "color" else color
        shape = record["value"] if record["facet"] == "shape" else shape
    else:
        color = shape = None
    if color and shape:
        found.add((shape, color))
    for value in record.values():
        if isinstance(value, dict):
            found |= _pairs(value, color, shape)
    return found
