"""The captioner's recipe: canonical captions that can be read back, targets, the tower that it begins with."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from saccade.errors import UserError
from saccade.evals.captions import rows_of
from saccade.scenes.language.phrases import attributes_of
from saccade.scenes.render import draw
from saccade.scenes.sample import sample_scene
from saccade.scenes.scene import HELD_OUT_PAIRS
from saccade.settings import ZOO, ModelSpec
from saccade.tools.experts.captioner import Captioner
from saccade.training.captioner import recipe as captioner
from saccade.training.captioner import views as captioner_looks
from saccade.training.captioner.measure import Captioned, caption_scenes, exact, figures, short_true
from saccade.training.captioner.views import (
    NAMES,
    CaptionStore,
    crop_caption,
    detailed_caption,
    draw_caption_look,
    parse_caption,
    patch_codes,
    short_caption,
)
from saccade.training.clip.texts import SPECIAL

SCENES = [sample_scene(number, "test", compositional=number % 2 == 1) for number in range(60)]


def test_a_detailed_caption_can_be_read_back_whole():
    for scene in SCENES:
        said = parse_caption(detailed_caption(scene))
        truth = [attributes_of(thing) for thing in scene.things]
        assert sorted(map(str, said)) == sorted(map(str, truth))
        assert exact(scene, detailed_caption(scene), ("color", "material", "shape", "size"))


def test_captions_use_only_words_of_the_vocabulary():
    tokenizer = captioner.tokenizer_of(captioner.vocabulary())
    unknown = tokenizer.token_to_id("<unk>")
    for scene in SCENES:
        for text in (detailed_caption(scene), short_caption(scene), *map(crop_caption, scene.things)):
            ids = tokenizer.encode(text).ids
            assert unknown not in ids
            assert len(ids) <= captioner.LONGEST
            assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_a_true_short_caption_is_told_from_a_false_one():
    for one, other in pairwise(SCENES):
        assert short_true(one, short_caption(one))
        assert not short_true(other, short_caption(one)) or one.backdrop == other.backdrop
    left = next(scene for scene in SCENES if " left of " in short_caption(scene))
    assert not short_true(left, short_caption(left).replace(" left of ", " right of "))


def test_the_figures_of_perfect_and_of_silent_captions():
    perfect = [
        Captioned(scene, detailed_caption(scene), short_caption(scene), 0, crop_caption(scene.things[0]))
        for scene in SCENES
    ]
    best = figures(perfect)
    names = ("exact", "exact_material", "exact_all", "recall", "precision", "backdrop", "short_true", "crop")
    assert [best[name] for name in names] == [1] * len(names)
    assert best["blind_exact"] == 0
    silent = figures([replace(one, detailed="", short="", crop="") for one in perfect])
    assert [silent[name] for name in names] == [0] * len(names)


def test_prompts_and_padding_are_not_learnt():
    tokenizer = captioner.tokenizer_of(captioner.vocabulary())
    ids, targets = captioner.tokens_of(tokenizer, [("in detail:", "a red cube and a ball."), ("", "a key.")])
    learnt = [tokenizer.decode([int(i) for i in row if i >= 0], skip_special_tokens=False) for row in targets]
    assert learnt == ["a red cube and a ball. <eos>", "a key. <eos>"]
    assert tokenizer.decode(ids[0].tolist()[:4], skip_special_tokens=False) == "<bos> in detail :"
    assert (targets[:, 0] == -100).all()


def test_patches_are_named_by_what_they_mostly_show():
    things = np.zeros((1, captioner_looks.MAP, captioner_looks.MAP), np.uint8)
    things[0, :6, :6] = 2
    things[0, 6:8, :6] = 1
    codes = np.zeros((1, captioner_looks.MOST + 1, len(NAMES)), np.uint8)
    codes[0, 1], codes[0, 2] = (3, 1, 1, 1), (5, 2, 2, 2)
    named = patch_codes(things, codes, 8)[0].reshape(8, 8, -1)
    assert named[0, 0].tolist() == [5, 2, 2, 2]
    assert named[1, 0].tolist() == [3, 1, 1, 1]
    assert not named[2:].any()


def test_looks_are_kept_and_found_again(tmp_path):
    store = CaptionStore(tmp_path, 5)
    for number in (0, 3, 1):
        store.add(draw_caption_look(number))
    again = CaptionStore(tmp_path, 5, again=True)
    assert again.count == 3
    assert [scene.seed for scene in again.scenes] == [sample_scene(number).seed for number in (0, 3, 1)]
    assert np.array_equal(again.wholes[1], store.wholes[1])
    assert again.near(1) == store.near(1)
    assert np.array_equal(again.codes, store.codes)
    assert CaptionStore(tmp_path, 5).count == 0


def test_no_training_caption_says_a_held_out_pair():
    for number in range(200):
        said = parse_caption(detailed_caption(sample_scene(number)))
        assert not {(one["shape"], one["color"]) for one in said} & HELD_OUT_PAIRS


def test_the_tower_begins_by_seeing_nearly_what_clip_sees():
    from transformers import CLIPVisionModel

    model = captioner.Trained(len(SPECIAL) + len(captioner.vocabulary())).eval()
    assert sum(part.numel() for part in model.blip.parameters()) < 1_800_000
    clip = CLIPVisionModel.from_pretrained(ZOO / "clip", dtype=torch.float32, local_files_only=True)
    pixels = torch.from_numpy(np.stack([draw(sample_scene(number), 128) for number in range(4)]))
    pixels = pixels.permute(0, 3, 1, 2) / 127.5 - 1
    with torch.inference_mode():
        theirs = clip(pixel_values=pixels, output_hidden_states=True).hidden_states[captioner.LAYERS]
        states = model.blip.vision_model.embeddings(pixels)
        for layer in model.blip.vision_model.encoder.layers:
            made = layer(states)
            states = made[0] if isinstance(made, tuple) else made
    both = torch.stack([states.flatten(), theirs.flatten()])
    assert torch.corrcoef(both)[0, 1] > 0.8


def test_a_short_training_can_be_stopped_resumed_and_loaded(tmp_path, monkeypatch):
    tiny = replace(captioner.BUDGETS["cpu"], steps=2, batch=8, workers=0)
    monkeypatch.setattr(captioner, "BUDGETS", {"cpu": tiny})
    monkeypatch.setattr(captioner, "CAPACITY", 20)
    monkeypatch.setattr(captioner, "evaluate", lambda folder, cases: {"cases": 0})
    captioner.train("cpu", tmp_path, resume=False)
    monkeypatch.setattr(captioner, "BUDGETS", {"cpu": replace(tiny, steps=3)})
    captioner.train("cpu", tmp_path, resume=True)
    made = Captioner.load(ModelSpec("file", str(tmp_path)), "cpu")
    assert made.prompts == captioner_looks.PROMPTS
    assert len(caption_scenes(made, 2)) == 2
    assert Path(tmp_path / "curve.png").is_file()


def test_the_suites_rows_have_a_bar_and_a_blind_baseline():
    report = figures([Captioned(scene, detailed_caption(scene), "", 0, "") for scene in SCENES])
    report |= {"cases": len(SCENES), "unseen_pair_cases": 10, "unseen_pair_exact": 0.5}
    first = rows_of(report)[0]
    assert (first["value"], first["baseline"], first["bar"], first["cases"]) == (1.0, 0.0, 0.8, len(SCENES))
    assert all(row["group"] == "captions" for row in rows_of(report))


needs_weights = pytest.mark.skipif(not (ZOO / "captioner").is_dir(), reason="zoo/captioner has not been trained")


@needs_weights
def test_the_bundled_captioner_names_what_stands_in_held_out_scenes():
    made = figures(caption_scenes(Captioner.load(ModelSpec.parse("zoo:captioner"), "cpu"), 40))
    assert made["backdrop"] > 0.95
    assert made["recall"] > 0.85
    assert made["exact"] > 10 * max(0.01, made["blind_exact"])


def test_a_captioner_that_is_missing_is_said(tmp_path):
    with pytest.raises(UserError):
        Captioner.load(ModelSpec("file", str(tmp_path / "none")), "cpu")
