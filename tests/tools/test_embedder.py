"""What memory embeds with: the profile's CLIP or SigLIP, by whichever scheme it is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image

from saccade.errors import UserError
from saccade.memory.memory import Memory
from saccade.memory.pictures.store import PictureStore
from saccade.memory.query import Query
from saccade.scenes.render import render
from saccade.scenes.sample import sample_scene
from saccade.settings import ZOO, ModelSpec, Profile, Settings
from saccade.tools.contracts import View
from saccade.tools.embedder import ClipEmbedder, trained_rule, view_of_image, weights_hash
from saccade.tools.pool import ExpertPool
from saccade.tools.requests import Embed
from saccade.tools.weights import sha256

IMAGE = render(sample_scene(20_100, "test"), 256).image


def embedder(spec):
    profile = Profile(name="test", models={"clip": spec})
    return ClipEmbedder(ExpertPool(profile, "cpu"), profile)


@pytest.fixture(scope="module")
def bundled():
    return embedder("zoo:clip")


def test_pictures_and_words_lie_in_one_space_of_unit_vectors(bundled):
    pictures = bundled.pictures([IMAGE, IMAGE.resize((64, 64)), Image.new("RGB", (30, 90))])
    words = bundled.words(["a red cube", "x"])
    assert (pictures.shape, words.shape, bundled.dim) == ((3, 128), (2, 128), 128)
    assert pictures.dtype == words.dtype == np.float32
    assert np.allclose(np.linalg.norm(np.concatenate([pictures, words]), axis=1), 1, atol=1e-5)
    assert pictures[0] @ pictures[1] > 0.9 > pictures[0] @ pictures[2]


def test_tools_and_memory_see_the_same(bundled):
    view = View("pic_0", IMAGE.size, (0, 0, *IMAGE.size), lambda: IMAGE)
    (asked,) = bundled._experts.ask("clip", [Embed(view)])
    assert np.allclose(asked, bundled.pictures([IMAGE])[0], atol=1e-5)


def test_a_photograph_is_like_nothing_that_the_model_knows_and_found_as_itself(bundled, tmp_path):
    """A bus was like three pages of text once, at 0.98: what the model makes of strangers lies close together."""
    data = Path(skimage.__file__).parent / "data"
    photographs = [Image.open(data / name).convert("RGB") for name in ("coffee.png", "page.png", "text.png")]
    assert bundled.knows([IMAGE, *photographs]) == [True, False, False, False]
    memory = Memory(PictureStore(None), bundled, settings=Settings())
    ids = [memory.store.add(image, owner="ann").id for image in (IMAGE, *photographs)]
    memory.remember("ann", ids)
    rocket = Image.open(data / "rocket.jpg").convert("RGB")
    assert memory.recall("ann", Query(picture=rocket)) == []
    small = photographs[0].resize((300, 200))
    assert [(hit.id, hit.why) for hit in memory.recall("ann", Query(picture=small))] == [
        (ids[1], "is the same picture")
    ]
    assert [hit.id for hit in memory.recall("ann", Query(picture=IMAGE.resize((200, 200))))] == [ids[0]]
    memory.close()


def test_no_pictures_are_no_vectors(bundled):
    assert bundled.pictures([]).shape == (0, 128)


def test_more_than_a_batch_is_asked_in_parts(bundled):
    texts = [f"{number} cubes" for number in range(70)]
    assert np.allclose(bundled.words(texts)[65], bundled.words([texts[65]])[0], atol=1e-5)


def test_the_hash_is_that_of_the_weights_whatever_the_scheme(tmp_path):
    card = json.loads((ZOO / "clip" / "card.json").read_text())
    assert embedder("zoo:clip").sha256 == card["sha256"] == sha256(ZOO / "clip" / "model.safetensors")
    copy = shutil.copytree(ZOO / "clip", tmp_path / "mine")
    assert embedder(f"file:{copy}").sha256 == card["sha256"]
    (copy / "model.safetensors").write_bytes(b"others")
    assert embedder(f"file:{copy}").sha256 != card["sha256"]


def test_shards_have_a_hash_too(tmp_path):
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    first = weights_hash(ModelSpec("file", str(tmp_path)))
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {}}')
    assert len(first) == 64
    assert weights_hash(ModelSpec("file", str(tmp_path))) != first


def test_weights_that_are_not_here_are_told():
    with pytest.raises(UserError, match="saccade models fetch"):
        _ = embedder("hf:openai/clip-vit-large-patch14").sha256


def test_the_bundled_clip_knows_from_where_on_it_holds_things_alike(bundled, tmp_path):
    rules = bundled.calibration
    for asked in ("words", "picture"):
        for kind in ("picture", "region"):
            assert 0 < rules.rule(asked, kind).threshold < 1
    # Where its calibration is of other weights, what it was trained with stands in.
    rule = trained_rule(ZOO / "clip").rule("words", "region")
    assert 0 < rule.threshold < 0.5 < rule.slope


def test_the_same_pixels_have_the_same_name():
    assert view_of_image(IMAGE).key == view_of_image(IMAGE.copy()).key
    assert view_of_image(IMAGE).key != view_of_image(IMAGE.resize((255, 256))).key
    assert view_of_image(IMAGE.convert("RGBA")).pixels().mode == "RGB"


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_any_clip_or_siglip_serves(tmp_path, kind):
    import transformers

    vision = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = vision | {"vocab_size": 600, "max_position_embeddings": 64}
    eyes = vision | {"image_size": 128, "patch_size": 32}
    if kind == "clip":
        text |= {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
        config = transformers.CLIPConfig(text_config=text, vision_config=eyes, projection_dim=24)
        model = transformers.CLIPModel(config)
    else:
        config = transformers.SiglipConfig(
            text_config=text | {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}, vision_config=eyes
        )
        model = transformers.SiglipModel(config)
    folder = shutil.copytree(ZOO / "clip", tmp_path / kind)
    model.save_pretrained(folder)
    one = embedder(f"file:{folder}")
    assert one.pictures([IMAGE]).shape == (1, one.dim)
    assert one.words(["a cube"]).shape == (1, one.dim)
    assert one.dim == (24 if kind == "clip" else 32)
