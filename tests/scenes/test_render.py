from __future__ import annotations

import colorsys
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageFilter

from saccade.scenes.drawing.signs import place_signs
from saccade.scenes.render import Rendered, draw, render, silhouette, tight_box
from saccade.scenes.sample import sample_scene
from saccade.scenes.scene import BACKDROPS, COLORS, HELD_OUT_PAIRS, MATERIALS, SHAPES, SIZES, Scene, Thing
from saccade.scenes.splits import SEEDS_PER_SPLIT, SPLITS, split_of, split_seed, words_of
from saccade.scenes.words import WORDS

SIZE = 256
COUNT = 120


@pytest.fixture(scope="module")
def drawn() -> list[tuple[Scene, Rendered]]:
    scenes = [sample_scene(i) for i in range(COUNT)]
    return [(scene, render(scene, SIZE)) for scene in scenes]


def one(shape: str, color: str = "red", material: str = "rubber", variant: int = 0, backdrop: str = "plain") -> Scene:
    return Scene(0, (Thing(0, shape, color, "large", material, 0.5, 0.5, 0.6, variant=variant),), backdrop, -120.0, 2)


def hue_apart(pixels: np.ndarray, color: str) -> float:
    """The angle in degrees between the hue of the pixels' mean and that of a base colour."""
    mean, base = pixels.mean(0) / 255, np.array(COLORS[color]) / 255
    apart = abs(colorsys.rgb_to_hsv(*mean)[0] - colorsys.rgb_to_hsv(*base)[0])
    return 360 * min(apart, 1 - apart)


def nearest(pixels: np.ndarray) -> str:
    median = np.median(pixels, 0)
    return min(COLORS, key=lambda name: float(((np.array(COLORS[name]) - median) ** 2).sum()))


def test_a_masks_pixels_carry_the_things_colour(drawn):
    right = total = 0
    for scene, picture in drawn:
        image = np.asarray(picture.image)
        for thing, mask in zip(scene.things, picture.masks, strict=True):
            pixels = image[mask].astype(float)
            right += nearest(pixels) == thing.color
            total += 1
            assert hue_apart(pixels, thing.color) < 12, thing
    assert total > 400
    assert right >= 0.99 * total


def test_every_shape_colour_and_material_draws_in_its_colour():
    for number, shape in enumerate(SHAPES):
        for color in COLORS:
            for material in MATERIALS:
                picture = render(one(shape, color, material, number % 4), 64)
                pixels = np.asarray(picture.image)[picture.masks[0]].astype(float)
                assert hue_apart(pixels, color) < 12, (shape, color, material)
                assert nearest(pixels) == color, (shape, color, material)


@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_of_a_thing_is_drawn_outside_its_mask(shape):
    for variant in range(4):
        picture = render(one(shape, "red", "wood", variant), SIZE)
        grown = np.asarray(Image.fromarray(picture.masks[0]).convert("L").filter(ImageFilter.MaxFilter(3))) > 0
        values = np.asarray(picture.image).astype(int)
        colourful = values.max(2) - values.min(2) > 40
        assert not (colourful & ~grown).any()
        assert (colourful & picture.masks[0]).sum() > 0.9 * picture.masks[0].sum()


def test_a_box_is_its_masks_tight_box(drawn):
    for scene, picture in drawn:
        assert picture.masks.shape == (len(scene.things), SIZE, SIZE)
        assert picture.masks.dtype == bool
        assert picture.boxes.shape == (len(scene.things), 4)
        assert picture.boxes.dtype == np.float32
        for mask, (x0, y0, x1, y1) in zip(picture.masks, picture.boxes.astype(int), strict=True):
            assert mask[y0:y1, x0:x1].sum() == mask.sum()
            assert mask[y0].any()
            assert mask[y1 - 1].any()
            assert mask[:, x0].any()
            assert mask[:, x1 - 1].any()


def test_no_pixel_belongs_to_two_things_and_an_empty_mask_has_an_empty_box(drawn):
    for _, picture in drawn:
        assert picture.masks.sum(0).max() == 1
    assert tight_box(np.zeros((8, 8), bool)) == (0, 0, 0, 0)


def test_each_thing_is_at_least_half_visible_and_whole_in_the_picture(drawn):
    for scene, picture in drawn:
        for thing, mask in zip(scene.things, picture.masks, strict=True):
            whole = silhouette(thing, SIZE)
            assert mask.sum() >= 0.5 * whole.sum()
            assert not (mask & ~whole).any()
            assert not whole[[0, -1]].any()
            assert not whole[:, [0, -1]].any()


def test_the_longer_side_of_the_whole_silhouette_is_the_things_scale(drawn):
    for scene, _ in drawn:
        for thing in scene.things:
            x0, y0, x1, y1 = tight_box(silhouette(thing, 512))
            assert max(x1 - x0, y1 - y0) == pytest.approx(thing.scale * 512, abs=3.5)
            assert thing.scale == pytest.approx(SIZES[thing.size], rel=0.081)
            assert (x0 + x1) / 2 == pytest.approx(thing.x * 512, abs=2)
            assert (y0 + y1) / 2 == pytest.approx(thing.y * 512, abs=2)


def test_lower_things_are_in_front_and_ids_count_from_the_back(drawn):
    for scene, _ in drawn:
        assert [thing.id for thing in scene.things] == list(range(len(scene.things)))
        feet = [tight_box(silhouette(thing, SIZE))[3] for thing in scene.things]
        assert all(after >= before - 1 for before, after in pairwise(feet))


def test_a_scene_is_the_same_whenever_it_is_asked_for():
    for index in range(10):
        for split in SPLITS:
            scene = sample_scene(index, split)
            assert scene == sample_scene(index, split) == sample_scene(scene.seed, split)
            assert draw(scene, 128).tobytes() == draw(scene, 128).tobytes()
            assert np.array_equal(draw(scene, 128), np.asarray(render(scene, 128).image))


def test_the_splits_seeds_words_and_pairs_never_meet():
    assert {split_of(split_seed(split, i)) == split for split in SPLITS for i in (0, 5, SEEDS_PER_SPLIT - 1)} == {True}
    assert len({split_seed(split, i) for split in SPLITS for i in range(50)}) == 150
    assert not set(words_of("train")) & set(words_of("test"))
    assert set(words_of("train")) | set(words_of("test")) == set(WORDS)
    for split in ("train", "val"):
        for index in range(200):
            for thing in sample_scene(index, split).things:
                assert (thing.shape, thing.color) not in HELD_OUT_PAIRS
                assert thing.word is None or thing.word in words_of(split)


def test_compositional_scenes_hold_the_held_out_pairs_often():
    things = [thing for i in range(200) for thing in sample_scene(i, "test", compositional=True).things]
    share = np.mean([(thing.shape, thing.color) in HELD_OUT_PAIRS for thing in things])
    assert 0.25 < share < 0.45
    assert {thing.word for thing in things} - {None} <= set(words_of("test"))


@pytest.mark.parametrize(
    ("arguments", "keywords"),
    [
        ((0, "train"), {"compositional": True}),
        ((0, "dev"), {}),
        ((-1, "train"), {}),
        ((split_seed("val", 3), "test"), {}),
        ((0, "train"), {"things": (0, 3)}),
        ((0, "train"), {"things": (2, 9)}),
    ],
)
def test_what_no_scene_can_be_is_refused(arguments, keywords):
    with pytest.raises(ValueError):
        sample_scene(*arguments, **keywords)


def test_the_number_of_things_is_what_was_asked_for():
    for index in range(20):
        assert len(sample_scene(index, things=(1, 1)).things) == 1
        assert len(sample_scene(index, things=(6, 8)).things) in (6, 7, 8)


def test_attributes_and_counts_are_balanced():
    scenes = [sample_scene(i) for i in range(1000)]
    things = [thing for scene in scenes for thing in scene.things]
    for values, pick in (
        (SHAPES, "shape"),
        (tuple(COLORS), "color"),
        (MATERIALS, "material"),
        (tuple(SIZES), "size"),
    ):
        shares = [sum(getattr(thing, pick) == value for thing in things) / len(things) for value in values]
        assert max(shares) < 1.35 / len(values), pick
        assert min(shares) > 0.65 / len(values), pick
    assert {len(scene.things) for scene in scenes} == set(range(2, 9))
    alike = [max(sum(t.shape == u.shape for u in scene.things) for t in scene.things) for scene in scenes]
    assert all(alike.count(count) >= 20 for count in (1, 2, 3))
    assert 0.35 < np.mean([any(thing.word for thing in scene.things) for scene in scenes]) < 0.6


def test_signs_are_legible_near_their_thing_and_in_no_mask(drawn):
    seen = 0
    for scene, picture in drawn:
        for thing, box, sign in zip(scene.things, picture.sign_boxes, place_signs(scene), strict=True):
            assert (box is None) == (thing.word is None) == (sign is None)
            if box is None or sign is None:
                continue
            seen += 1
            assert 3 <= sign.capital * 128 <= 9
            assert sign.lead > 0
            x0, y0, x1, y1 = box
            assert 0 <= x0 < x1 <= SIZE
            assert 0 <= y0 < y1 <= SIZE
            cx, cy = round((x0 + x1) / 2), round((y0 + y1) / 2)
            assert not picture.masks[:, cy - 1 : cy + 2, cx - 1 : cx + 2].any()
    assert seen > 40


@pytest.mark.parametrize("backdrop", BACKDROPS)
def test_every_backdrop_draws_and_is_nearly_grey(backdrop):
    for seed in range(3):
        for tone in range(5):
            values = draw(Scene(seed, (), backdrop, -90.0, tone), 128).astype(int)
            assert (values.max(2) - values.min(2)).max() < 30
            assert values.std() > 1
    assert render(Scene(0, (), backdrop, -90.0), 64).boxes.shape == (0, 4)


def test_backdrops_and_materials_differ():
    empty = [draw(Scene(0, (), backdrop, -90.0), 64).astype(int) for backdrop in BACKDROPS]
    assert all(np.abs(a - b).mean() > 8 for i, a in enumerate(empty) for b in empty[i + 1 :])
    for shape in SHAPES:
        looks = [draw(one(shape, "blue", material), 64).astype(int) for material in MATERIALS]
        inside = silhouette(one(shape).things[0], 64)
        assert all(np.abs(a - b)[inside].mean() > 5 for i, a in enumerate(looks) for b in looks[i + 1 :]), shape
