"""Claims about noun phrases and captions: what is said is true, what is made false is false by one word."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from saccade.scenes.language import phrases
from saccade.scenes.language.captions import captions, foil, full_caption, referring
from saccade.scenes.language.forms import Listed, Placed, Related, Some, holds, truths
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


def test_every_phrase_can_be_read_back() -> None:
    rng = random.Random(0)
    for scene in SCENES:
        for one in scene.things:
            said = phrases.region_phrase(one, rng)
            assert phrases.parse_phrase(said.text) == said.attributes
            assert "size" not in said.attributes
            assert phrases.phrase_true(said.attributes, one)
            for plural in (False, True):
                assert phrases.parse_phrase(phrases.noun_phrase(one, rng, plural)) == phrases.attributes_of(one)


def test_the_canonical_phrase_says_size_colour_material_shape() -> None:
    assert phrases.noun_phrase(TABLE.things[1]) == "large blue metal cube"
    assert phrases.noun_phrase({"material": "wood"}, plural=True) == "wooden things"
    assert phrases.article("orange cube") == "an orange cube"


@pytest.mark.parametrize("text", ["red blue cube", "red zebra", "cube under the table"])
def test_a_phrase_with_an_unknown_word_or_two_colours_has_no_form(text: str) -> None:
    assert phrases.parse_phrase(text) is None


def test_a_false_phrase_is_false_and_never_makes_a_held_out_pair() -> None:
    rng = random.Random(1)
    for scene in SCENES:
        for one in scene.things:
            said = phrases.false_phrase(one, rng)
            assert not phrases.phrase_true(said.attributes, one)
            assert (said.attributes.get("shape"), said.attributes.get("color")) not in HELD_OUT_PAIRS


def test_the_matrix_of_phrases_is_what_each_pair_says() -> None:
    rng = random.Random(2)
    things = [one for scene in SCENES[:20] for one in scene.things]
    said = [phrases.region_phrase(one, rng).attributes for one in things]
    alone = [[phrases.phrase_true(attributes, one) for one in things] for attributes in said]
    assert np.array_equal(phrases.phrase_truths(said, things), np.array(alone))


def test_no_two_values_share_a_word() -> None:
    words = [word for table in phrases.WORDS.values() for said in table.values() for word in said]
    assert len(words) == len(set(words))


# ---------------------------------------------------------------- captions


def test_captions_are_true_and_foils_are_false_by_one_word() -> None:
    rng = random.Random(3)
    kinds, foiled, said = Counter(), 0, 0
    for scene in SCENES:
        for caption in captions(scene, rng, 6):
            assert holds(caption.form, scene), caption
            kinds[type(caption.form[0]).__name__] += 1
            said += 1
            false = foil(caption, scene, rng)
            if false is None:
                continue
            foiled += 1
            assert not holds(false.form, scene)
            before, after = caption.text.split(), false.text.split()
            assert [i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b] == [false.index]
            assert false.word == after[false.index].strip(",")
            assert false.truth == before[false.index].strip(",")
    assert foiled > 0.9 * said
    assert set(kinds) == {"Listed", "Some", "Related", "Placed"}


def test_a_full_caption_holds_of_its_own_scene_alone() -> None:
    rng = random.Random(4)
    full = [full_caption(scene, rng) for scene in SCENES[:100]]
    assert np.array_equal(truths([caption.form for caption in full], SCENES[:100]), np.eye(100, dtype=bool))


def test_forms_say_what_they_mean() -> None:
    red, cube, ball = (("color", "red"),), (("shape", "cube"),), (("shape", "ball"),)
    assert holds((Some(red), Some(red, 2)), TABLE)
    assert not holds((Some(red, 1),), TABLE)
    assert holds((Related(cube, "left", ball),), TABLE)
    assert not holds((Related(ball, "above", (("color", "blue"),)),), TABLE)  # apart by less than the margin
    assert holds((Placed(red, "upper left"),), TABLE)
    assert not holds((Placed(red, "bottom"),), TABLE)
    assert not holds((Listed((red,)),), TABLE)


def test_a_caption_about_places_follows_the_boxes_where_they_are_given() -> None:
    boxes = [[0.7, 0.7, 0.9, 0.9], [0.4, 0.4, 0.6, 0.6], [0.1, 0.4, 0.3, 0.6], [0.1, 0.7, 0.3, 0.9]]
    assert holds((Placed((("color", "red"),), "lower right"),), TABLE, boxes)
    assert not holds((Related((("color", "blue"),), "left", (("shape", "ball"),)),), TABLE, boxes)


@pytest.mark.parametrize(("kind", "fits"), [("none", {0}), ("one", {1}), ("several", set(range(2, 9)))])
def test_referring_expressions_mean_as_many_things_as_asked(kind: str, fits: set[int]) -> None:
    rng = random.Random(5)
    made = [(scene, referring(scene, rng, kind)) for scene in SCENES]
    assert sum(expression is not None for _, expression in made) > 200
    for scene, expression in made:
        if expression is not None:
            meant = [one.id for one in scene.things if phrases.phrase_true(expression.attributes, one)]
            assert list(expression.referents) == meant
            assert len(meant) in fits
            assert phrases.parse_phrase(expression.text) == expression.attributes
