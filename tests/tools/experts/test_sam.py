from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from saccade.errors import UserError
from saccade.scenes.render import render
from saccade.scenes.sample import sample_scene
from saccade.settings import ZOO, ModelSpec
from saccade.tools.contracts import View
from saccade.tools.experts.sam.expert import KEEP, Sam
from saccade.tools.experts.sam.model import SamConfig, build_sam, rename_published
from saccade.tools.requests import Segment

TINY = SamConfig(
    embed_dim=32, depth=3, num_heads=2, global_attn_indexes=(1,), image_size=64, patch_size=8, window_size=4,
    out_chans=16, mask_in_chans=4, decoder_heads=8, decoder_mlp_dim=32, iou_head_hidden_dim=32,
)  # fmt: skip
bundled = pytest.mark.skipif(not (ZOO / "sam" / "card.json").is_file(), reason="zoo/sam is not trained yet")


def view_of(image: Image.Image, name: str, box: tuple[float, ...] | None = None) -> View:
    return View(name, image.size, box or (0, 0, *image.size), lambda: image)  # pyright: ignore[reportArgumentType]


def noise(seed: int, size: tuple[int, int] = (90, 60)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture
def tiny() -> Sam:
    torch.manual_seed(0)
    return Sam(build_sam(TINY).eval(), "cpu")


def test_boxes_get_a_mask_each_over_the_whole_picture(tiny: Sam) -> None:
    view = view_of(noise(1), "pic_1")
    found = tiny.predict([Segment(view, boxes=((5, 5, 30, 30), (40, 10, 80, 50), (0, 0, 90, 60)))])[0]
    assert found.masks.shape == (3, 60, 90)
    assert found.masks.dtype == bool
    assert found.scores.shape == (3,)
    assert ((found.scores >= 0) & (found.scores <= 1)).all()


def test_points_get_one_mask_together(tiny: Sam) -> None:
    view = view_of(noise(1), "pic_1")
    one, several, none = tiny.predict(
        [Segment(view, points=((20, 20),)), Segment(view, points=((20, 20), (50, 30)), labels=(1, 0)), Segment(view)]
    )
    assert one.masks.shape == several.masks.shape == (1, 60, 90)
    assert none.masks.shape == (0, 60, 90)


def test_a_part_of_a_picture_gets_masks_inside_it(tiny: Sam) -> None:
    view = view_of(noise(1), "pic_1", (20, 10, 70, 40))
    masks = tiny.predict([Segment(view, boxes=((25, 15, 60, 35),))])[0].masks
    assert masks.shape == (1, 60, 90)
    outside = np.ones((60, 90), bool)
    outside[10:40, 20:70] = False
    assert not (masks[0] & outside).any()


def test_many_prompts_over_two_turns_encode_once(tiny: Sam) -> None:
    image = noise(1)
    for _ in range(2):
        for step in range(10):
            tiny.predict([Segment(view_of(image, "pic_1"), boxes=((step, 5, step + 30, 40),))])
    assert tiny.encodes == 1


def test_only_so_many_embeddings_are_kept(tiny: Sam) -> None:
    for seed in range(KEEP + 3):
        tiny.embed(view_of(noise(seed), f"pic_{seed}"))
    assert len(tiny._kept) == KEEP
    tiny.embed(view_of(noise(KEEP + 2), f"pic_{KEEP + 2}"))
    assert tiny.encodes == KEEP + 3


def test_the_answer_is_that_of_the_official_predictor(tiny: Sam) -> None:
    from segment_anything import SamPredictor

    image = noise(4)
    predictor = SamPredictor(tiny.model)
    predictor.set_image(np.asarray(image))
    masks, scores, _ = predictor.predict(box=np.array([10, 8, 50, 40]), multimask_output=False)
    found = tiny.predict([Segment(view_of(image, "pic_4"), boxes=((10, 8, 50, 40),))])[0]
    assert (found.masks[0] == masks[0]).all()
    assert found.scores[0] == pytest.approx(float(np.clip(scores[0], 0, 1)), abs=1e-5)


@pytest.mark.parametrize("name", ["sam.pth", "sam.safetensors"])
def test_a_file_tells_its_own_shape(tmp_path: Path, name: str) -> None:
    state = build_sam(TINY).state_dict()
    assert SamConfig.of_state(state) == TINY
    path = tmp_path / name
    if path.suffix == ".pth":
        torch.save(state, path)
    else:
        save_file(state, path)
    sam = Sam.load(ModelSpec("file", str(path)), "cpu")
    assert sam.predict([Segment(view_of(noise(1), "pic_1"), points=((5, 5),))])[0].masks.shape == (1, 60, 90)


def test_the_published_vit_b_loads_at_its_full_size(tmp_path: Path) -> None:
    from segment_anything import sam_model_registry

    torch.save(sam_model_registry["vit_b"]().state_dict(), tmp_path / "sam_vit_b_01ec64.pth")
    sam = Sam.load(ModelSpec("file", str(tmp_path / "sam_vit_b_01ec64.pth")), "cpu")
    assert sum(value.numel() for value in sam.model.parameters()) > 90_000_000
    assert sam.model.image_encoder.img_size == 1024


def test_the_shapes_of_the_larger_published_ones_are_read() -> None:
    from segment_anything import sam_model_registry

    with torch.device("meta"):
        for name, dim, depth in (("vit_l", 1024, 24), ("vit_h", 1280, 32)):
            config = SamConfig.of_state(sam_model_registry[name]().state_dict())
            assert (config.embed_dim, config.depth, config.num_heads) == (dim, depth, 16)
            assert len(config.global_attn_indexes) == 4


def test_a_checkpoint_of_transformers_gives_the_same_masks(tmp_path: Path) -> None:
    from transformers import SamConfig as Published
    from transformers import SamMaskDecoderConfig, SamModel, SamPromptEncoderConfig, SamVisionConfig

    vision = SamVisionConfig(
        hidden_size=32, output_channels=16, num_hidden_layers=3, num_attention_heads=2, image_size=64, patch_size=8,
        window_size=4, global_attn_indexes=[1], mlp_dim=128, num_pos_feats=8,
    )  # fmt: skip
    prompt = SamPromptEncoderConfig(hidden_size=16, image_size=64, patch_size=8, mask_input_channels=4)
    decoder = SamMaskDecoderConfig(hidden_size=16, mlp_dim=32, iou_head_hidden_dim=32)
    torch.manual_seed(0)
    parts = {
        "vision_config": vision.to_dict(),
        "prompt_encoder_config": prompt.to_dict(),
        "mask_decoder_config": decoder.to_dict(),
    }
    published = SamModel(Published(**parts)).eval()
    published.save_pretrained(tmp_path)
    sam = Sam.load(ModelSpec("file", str(tmp_path)), "cpu")
    assert SamConfig.of_state(rename_published(published.state_dict())) == TINY
    pixels, box = torch.randn(1, 3, 64, 64), torch.tensor([[5.0, 6.0, 40.0, 50.0]])
    with torch.no_grad():
        expected = published(pixel_values=pixels, input_boxes=box[None], multimask_output=True)
        sparse, dense = sam.model.prompt_encoder(points=None, boxes=box, masks=None)
        logits, quality = sam.model.mask_decoder(
            image_embeddings=sam.model.image_encoder(pixels),
            image_pe=sam.model.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=True,
        )
    assert torch.allclose(logits[0], expected.pred_masks[0, 0], atol=1e-4)
    assert torch.allclose(quality[0], expected.iou_scores[0, 0], atol=1e-4)


def test_a_folder_tells_its_shape_in_its_configuration(tmp_path: Path) -> None:
    config = replace(TINY, neck_upscale=2, detail=4)
    numbers = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(config).items()}
    (tmp_path / "config.json").write_text(json.dumps({"saccade": numbers}))
    save_file(build_sam(config).state_dict(), tmp_path / "model.safetensors")
    sam = Sam.load(ModelSpec("file", str(tmp_path)), "cpu")
    embedded = sam.embed(view_of(noise(1), "pic_1"))
    assert embedded.features.shape == (1, 16, 16, 16)  # twice as fine as the 8 x 8 tokens
    assert sam.predict([Segment(view_of(noise(1), "pic_1"), boxes=((5, 5, 30, 30),))])[0].masks.shape == (1, 60, 90)


def test_what_is_no_sam_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no file or folder"):
        Sam.load(ModelSpec("file", str(tmp_path / "none.pth")), "cpu")
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(UserError, match="no weights of a SAM"):
        Sam.load(ModelSpec("file", str(tmp_path / "other.pth")), "cpu")
    folder = tmp_path / "wrong"
    folder.mkdir()
    numbers = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(TINY).items()}
    (folder / "config.json").write_text(json.dumps({"saccade": numbers}))
    save_file(build_sam(replace(TINY, depth=2)).state_dict(), folder / "model.safetensors")
    with pytest.raises(UserError, match="do not fit"):
        Sam.load(ModelSpec("file", str(folder)), "cpu")


@bundled
def test_the_bundled_model_outlines_held_out_things() -> None:
    sam = Sam.load(ModelSpec.parse("zoo:sam"), "cpu")
    assert sum(value.numel() for value in sam.model.parameters()) <= 1_500_000
    overlaps: list[float] = []
    for index in range(12):
        rendered = render(sample_scene(index, "test"), 512)
        boxes = tuple(tuple(map(float, box)) for box in rendered.boxes)
        masks = sam.predict([Segment(view_of(rendered.image, f"pic_{index}"), boxes=boxes)])[0].masks  # pyright: ignore[reportArgumentType]
        overlaps += [
            (mask & true).sum() / (mask | true).sum() for mask, true in zip(masks, rendered.masks, strict=True)
        ]
    assert np.mean(overlaps) >= 0.88
    assert sam.encodes == 12
