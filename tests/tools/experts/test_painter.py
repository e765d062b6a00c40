"""The painter's expert over small randomly made pipelines of published classes, saved in the hub's format."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerFast

from saccade.errors import UserError
from saccade.settings import ZOO, ModelSpec
from saccade.tools.experts.painter.expert import Painter
from saccade.tools.experts.painter.wording import grounded_prompt
from saccade.tools.requests import Paint


def save(folder, channels=4, dtype=torch.float32, safe=True):
    """A pipeline like Stable Diffusion's (4 channels), or like that for inpainting (9)."""
    from diffusers import (  # pyright: ignore[reportPrivateImportUsage]
        AutoencoderKL,
        DDIMScheduler,
        StableDiffusionInpaintPipeline,
        StableDiffusionPipeline,
        UNet2DConditionModel,
    )

    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=16, in_channels=channels, out_channels=4, layers_per_block=1, block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32, attention_head_dim=4, norm_num_groups=8,
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=(8, 16), down_block_types=("DownEncoderBlock2D",) * 2, norm_num_groups=4,
        up_block_types=("UpDecoderBlock2D",) * 2, latent_channels=4, sample_size=32,
    )  # fmt: skip
    text = CLIPTextModel(CLIPTextConfig(vocab_size=154, hidden_size=32, intermediate_size=37, num_hidden_layers=1,
                                        num_attention_heads=4, max_position_embeddings=24, eos_token_id=3,
                                        bos_token_id=2, pad_token_id=0))  # fmt: skip
    tokenizer = PreTrainedTokenizerFast.from_pretrained(ZOO / "clip", model_max_length=24)
    schedule = DDIMScheduler(steps_offset=1, clip_sample=False)
    kind = StableDiffusionPipeline if channels == 4 else StableDiffusionInpaintPipeline
    pipeline = kind(
        vae=vae, text_encoder=text, tokenizer=tokenizer, unet=unet, scheduler=schedule, safety_checker=None,
        feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.to(dtype).save_pretrained(folder, safe_serialization=safe)
    return folder


@pytest.fixture(scope="module", params=[4, 9])
def painter(request, tmp_path_factory):
    folder = save(tmp_path_factory.mktemp("pipeline") / "model", request.param)
    return Painter.load(ModelSpec("file", str(folder)), "cpu")


def test_what_a_seed_gives_does_not_depend_on_its_company(painter):
    def ask(seed, size=(32, 32)):
        return Paint("a red cube", size=size, seed=seed, steps=2)

    together = painter.predict([ask(1), ask(2, (64, 32)), ask(3), ask(1)])
    assert [image.size for image in together] == [(32, 32), (64, 32), (32, 32), (32, 32)]
    (alone,) = painter.predict([ask(3)])
    off = np.abs(np.asarray(alone, int) - np.asarray(together[2], int))
    assert off.max() <= 1  # of 255: sums in another order
    assert np.array_equal(*map(np.asarray, (together[0], together[3])))
    assert not np.array_equal(*map(np.asarray, (together[0], together[2])))


def test_a_part_is_painted_by_either_class(painter):
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (48, 48, 3), dtype=np.uint8))
    mask = np.zeros((48, 48), bool)
    mask[10:30, 10:30] = True
    (made,) = painter.predict([Paint("a ball", size=(48, 48), image=image, mask=mask, steps=2)])
    assert (made.size, made.mode) == ((48, 48), "RGB")


def test_fp16_weights_are_read(tmp_path):
    folder = save(tmp_path / "model", dtype=torch.float16)
    (made,) = Painter.load(ModelSpec("file", str(folder)), "cpu").predict([Paint("a cube", size=(32, 32), steps=1)])
    assert made.size == (32, 32)


def test_pickled_weights_and_other_folders_are_refused(tmp_path):
    folder = save(tmp_path / "model", safe=False)
    with pytest.raises(UserError, match="safetensors"):
        Painter.load(ModelSpec("file", str(folder)), "cpu")
    with pytest.raises(UserError, match=r"model_index\.json"):
        Painter.load(ModelSpec("zoo", "clip"), "cpu")


def test_boxes_are_words():
    told = grounded_prompt([("red cube", (0.0, 0.5, 0.26, 1.0))], "desk")
    assert told == "desk, red cube <at0> <at16> <at8> <at31>"
    assert grounded_prompt([]) == "nothing"
