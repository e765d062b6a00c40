from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from saccade.errors import UserError
from saccade.scenes.render import render
from saccade.scenes.sample import sample_scene
from saccade.settings import ZOO, ModelSpec
from saccade.tools.contracts import View
from saccade.tools.experts.clip.expert import Clip, square
from saccade.tools.requests import Classify, Embed, Likeness, Match

WORDS = ("a", "photo", "of", "red", "blue", "cube", "ball", "thing", ".")
bundled = pytest.mark.skipif(not (ZOO / "clip" / "card.json").is_file(), reason="zoo/clip is not trained yet")


def view_of(image: Image.Image, name: str, box: tuple[float, ...] | None = None) -> View:
    return View(name, image.size, box or (0, 0, *image.size), lambda: image)  # pyright: ignore[reportArgumentType]


def noise(seed: int, size: tuple[int, int] = (60, 40)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def save_clip(folder: Path) -> None:
    """A tiny CLIPModel with CLIP's own BPE tokenizer and processor, random weights, as save_pretrained writes them."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer

    letters = [chr(number) for number in range(ord("a"), ord("z") + 1)] + ["."]
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(letter + "</w>" for letter in letters)]
    tokenizer = CLIPTokenizer(vocab={token: number for number, token in enumerate(tokens)}, merges=[])
    tower = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = tower | {"vocab_size": len(tokens), "max_position_embeddings": 77, "bos_token_id": 0, "eos_token_id": 1}
    config = CLIPConfig(text_config=text, vision_config=tower | {"image_size": 32, "patch_size": 8}, projection_dim=16)
    torch.manual_seed(0)
    CLIPModel(config).save_pretrained(folder)
    images = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    CLIPProcessor(images, tokenizer).save_pretrained(folder)


def save_siglip(folder: Path) -> None:
    """A tiny SiglipModel with a word-level tokenizer, random weights."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, SiglipConfig, SiglipImageProcessor, SiglipModel, SiglipProcessor

    words = ("<pad>", "<unk>", "</s>", *WORDS)
    core = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<pad>", unk_token="<unk>", eos_token="</s>", model_max_length=16
    )
    tower = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = tower | {"vocab_size": len(words), "max_position_embeddings": 16, "projection_size": 32}
    config = SiglipConfig(text_config=text, vision_config=tower | {"image_size": 32, "patch_size": 8})
    torch.manual_seed(0)
    SiglipModel(config).save_pretrained(folder)
    SiglipProcessor(SiglipImageProcessor(size={"height": 32, "width": 32}), tokenizer).save_pretrained(folder)


@pytest.mark.parametrize("save", [save_clip, save_siglip])
def test_a_checkpoint_in_the_published_format_answers_every_request(
    save: Callable[[Path], None], tmp_path: Path
) -> None:
    save(tmp_path)
    clip = Clip.load(ModelSpec("file", str(tmp_path)), "cpu")
    one, other = view_of(noise(1), "pic_1"), view_of(noise(2), "pic_2", (5, 5, 30, 20))
    match, classes, seen, read, known = clip.predict(
        [
            Match(one, ("red cube", "an unheard of giraffe")),
            Classify(other, ("red", "blue", "ball")),
            Embed(one),
            Embed("red cube"),
            Likeness(one),
        ]
    )
    assert match.shape == (2,)
    assert match.dtype == np.float32
    assert ((match >= 0) & (match <= 1)).all()
    assert classes.sum() == pytest.approx(1, abs=1e-5)
    assert np.linalg.norm(seen) == pytest.approx(1, abs=1e-5)
    assert np.linalg.norm(read) == pytest.approx(1, abs=1e-5)
    assert known is None


@pytest.mark.parametrize("save", [save_clip, save_siglip])
def test_answers_do_not_depend_on_what_is_asked_beside(save: Callable[[Path], None], tmp_path: Path) -> None:
    save(tmp_path)
    spec = ModelSpec("file", str(tmp_path))
    views = [view_of(noise(seed), f"pic_{seed}") for seed in range(5)]
    together = Clip.load(spec, "cpu").predict([Match(view, ("red", "a blue ball")) for view in views])
    alone = Clip.load(spec, "cpu").predict([Match(views[3], ("a blue ball",))])[0]
    assert together[3][1] == pytest.approx(alone[0], abs=1e-5)


def test_a_view_is_encoded_once(tmp_path: Path) -> None:
    save_clip(tmp_path)
    clip = Clip.load(ModelSpec("file", str(tmp_path)), "cpu")
    passes: list[int] = []
    clip.model.vision_model.register_forward_hook(lambda *_: passes.append(1))
    views = [view_of(noise(seed), f"pic_{seed}") for seed in range(20)]
    clip.predict([Match(view, ("red",)) for view in views])
    clip.predict([Classify(view, ("red", "blue")) for view in views])
    assert len(passes) == 1


def test_a_region_is_shown_square_with_its_surroundings() -> None:
    image = Image.new("RGB", (100, 60), (10, 20, 30))
    inside = square(view_of(image, "pic_1", (40, 10, 60, 50)), (0, 0, 0))
    assert inside.size == (40, 40)
    assert inside.getextrema() == ((10, 10), (20, 20), (30, 30))
    edge = square(view_of(image, "pic_1", (0, 10, 10, 50)), (255, 0, 0))
    assert edge.getpixel((0, 0)) == (255, 0, 0)
    assert edge.getpixel((39, 0)) == (10, 20, 30)


def test_other_models_are_refused(tmp_path: Path) -> None:
    from transformers import ViTConfig, ViTModel

    with pytest.raises(UserError, match="no file or folder"):
        Clip.load(ModelSpec("file", str(tmp_path / "none")), "cpu")
    ViTModel(
        ViTConfig(hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2)
    ).save_pretrained(tmp_path)
    with pytest.raises(UserError):
        Clip.load(ModelSpec("file", str(tmp_path)), "cpu")
    (tmp_path / "one.bin").write_bytes(b"no model")
    with pytest.raises(UserError, match="single file"):
        Clip.load(ModelSpec("file", str(tmp_path / "one.bin")), "cpu")


@pytest.fixture(scope="module")
def clip() -> Clip:
    return Clip.load(ModelSpec.parse("zoo:clip"), "cpu")


@bundled
def test_the_bundled_model_sees_single_things(clip: Clip) -> None:
    from saccade.training.clip.measure import attribute_shares, matching, single_crops

    crops = list(single_crops(50, compositional=False))
    found = attribute_shares(clip, crops, "") | matching(clip, crops)
    for name in ("color", "material", "shape", "match_balanced", "match_unknown_rejected"):
        assert found[name] >= 0.9, (name, found)


@bundled
def test_the_bundled_model_knows_backdrops(clip: Clip) -> None:
    labels = {"plain": "plain background", "desk": "desk", "street": "street", "shelf": "shelf"}
    scenes = [sample_scene(index, "test") for index in range(24)]
    views = [view_of(render(scene, 512).image, f"pic_{scene.seed}") for scene in scenes]
    answers = clip.predict([Classify(view, tuple(labels.values())) for view in views])
    right = [
        list(labels)[int(answer.argmax())] == scene.backdrop for answer, scene in zip(answers, scenes, strict=True)
    ]
    assert np.mean(right) >= 0.9


@bundled
def test_scenes_are_known(clip: Clip) -> None:
    views = [view_of(render(sample_scene(index, "test"), 512).image, f"pic_{index}") for index in range(24)]
    assert min(clip.predict([Likeness(view) for view in views])) >= 0.5


def _photographs() -> list[str]:
    import skimage

    folder = Path(skimage.__file__).parent / "data"
    names = ("astronaut.png", "camera.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")
    return [str(folder / name) for name in names if (folder / name).is_file()]


@bundled
@pytest.mark.parametrize("path", _photographs(), ids=lambda path: Path(path).stem)
def test_photographs_are_not_known(clip: Clip, path: str) -> None:
    image = Image.open(path).convert("RGB")
    assert clip.predict([Likeness(view_of(image, path))])[0] < 0.5


@bundled
def test_noise_and_blank_pictures_are_not_known(clip: Clip) -> None:
    ramp = np.tile(np.linspace(0, 255, 256, dtype=np.uint8)[None, :, None], (256, 1, 3))
    for name, image in {
        "noise": noise(3, (300, 300)),
        "black": Image.new("RGB", (256, 256)),
        "blue": Image.new("RGB", (256, 256), (0, 0, 255)),
        "ramp": Image.fromarray(ramp),
    }.items():
        assert clip.predict([Likeness(view_of(image, name))])[0] < 0.5, name


@bundled
def test_the_card_tells_what_was_measured() -> None:
    card = json.loads((ZOO / "clip" / "card.json").read_text())
    assert card["parameters"] <= 3_600_000
    for name in (
        "cases",
        "color",
        "material",
        "shape",
        "match_balanced",
        "backdrop",
        "recall_at_1_text_to_image",
        "foil",
    ):
        assert name in card["metrics"]
