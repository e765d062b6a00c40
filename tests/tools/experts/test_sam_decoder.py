"""The shared decoder gives what segment_anything's own gives, for less."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from saccade.tools.contracts import View
from saccade.tools.experts.sam import decoder as sam_decoder
from saccade.tools.experts.sam.decoder import decode_boxes
from saccade.tools.experts.sam.expert import Sam
from saccade.tools.experts.sam.masks import enlarge
from saccade.tools.experts.sam.model import SamConfig, build_sam
from saccade.tools.requests import Segment

# The image encoder plays no part in the decoder: one small block keeps these quick.
SMALL = SamConfig(
    embed_dim=16, depth=1, num_heads=2, global_attn_indexes=(0,), image_size=256, out_chans=56, mask_in_chans=4,
    decoder_heads=4, decoder_mlp_dim=128, iou_head_depth=2, iou_head_hidden_dim=64,
)  # fmt: skip
VIT_B = SamConfig(
    embed_dim=16, depth=1, num_heads=2, global_attn_indexes=(0,)
)  # a ViT-B's decoder: 64 x 64 cells of 256


def random_sam(config: SamConfig, scale: float = 1.0):
    """A SAM of random weights, norms and biases too: fresh ones are 1 and 0 and would hide what is left out."""
    torch.manual_seed(7)
    model = build_sam(config).eval()
    with torch.no_grad():
        for weight in [*model.mask_decoder.parameters(), *model.prompt_encoder.parameters()]:
            if weight.ndim == 1:
                weight.add_(0.3 * torch.randn_like(weight))
            else:
                weight.mul_(scale)
    return model


def random_boxes(count: int, side: int) -> torch.Tensor:
    """(count, 4) xyxy."""
    return torch.rand(count, 2, 2).sort(1).values.flatten(1) * side


@torch.inference_mode()
def stock(model, features: torch.Tensor, boxes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    sparse, dense = model.prompt_encoder(points=None, boxes=boxes, masks=None)
    return model.mask_decoder(
        image_embeddings=features,
        image_pe=model.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=False,
    )


@torch.inference_mode()
def check_same(model, config: SamConfig, count: int) -> None:
    cells = config.image_size // config.patch_size
    features = torch.randn(1, config.out_chans, cells, cells)
    boxes = random_boxes(count, config.image_size)
    logits, quality = decode_boxes(model, features, boxes)
    wanted, told = stock(model, features, boxes)
    assert logits.shape == wanted.shape == (count, 1, 4 * cells, 4 * cells)
    assert wanted.std() > 0.01
    torch.testing.assert_close(logits, wanted, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(quality, told, atol=1e-4, rtol=1e-4)
    if count > 1:
        assert (wanted[0] - wanted[1]).abs().max() > 1e-3  # boxes do make a difference


@pytest.mark.parametrize("count", [1, 2, 3, 8])
@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_small_shape(count: int, scale: float):
    check_same(random_sam(SMALL, scale), SMALL, count)


@pytest.mark.parametrize("count", [2, 3])
def test_shape_of_the_published_models(count: int):
    check_same(random_sam(VIT_B), VIT_B, count)


@pytest.mark.parametrize("depth", [1, 3])
def test_any_number_of_blocks(depth: int):
    config = replace(SMALL, decoder_depth=depth)
    check_same(random_sam(config), config, 3)


@pytest.mark.parametrize(("group", "strip"), [(1, 1), (3 * 256 * 56, 5000), (1 << 30, 1 << 30)])
def test_groups_and_strips_do_not_matter(monkeypatch: pytest.MonkeyPatch, group: int, strip: int):
    monkeypatch.setattr(sam_decoder, "GROUP", group)  # one box, three boxes, all
    monkeypatch.setattr(sam_decoder, "STRIP", strip)  # one cell, a few that do not divide the picture, all
    check_same(random_sam(SMALL), SMALL, 8)


def blobs(side: int) -> torch.Tensor:
    """(7, 1, side, side) logits of masks: small, in corners, of two parts, thin, wide, everywhere, nowhere."""
    y, x = torch.meshgrid(torch.arange(side) / side, torch.arange(side) / side, indexing="ij")
    lumps = [
        [(0.4, 0.3, 0.1, 0.08)], [(0.0, 0.02, 0.1, 0.1)], [(0.2, 0.2, 0.05, 0.05), (0.5, 0.3, 0.04, 0.06)],
        [(0.3, 0.3, 0.4, 0.008)], [(0.45, 0.45, 0.4, 0.35)], [(0.5, 0.5, 9.0, 9.0)], [],
    ]  # fmt: skip
    made = [
        torch.stack([torch.full_like(x, -1.0), *(1 - ((x - a) / w) ** 2 - ((y - b) / h) ** 2 for a, b, w, h in lump)])
        for lump in lumps
    ]
    return torch.stack([one.amax(0).clamp(-8, 8) for one in made])[:, None] + 0.2 * torch.randn(1, 1, side, side)


@pytest.mark.parametrize(
    ("original", "resized"),
    [
        ((512, 512), (256, 256)),
        ((300, 400), (192, 256)),
        ((1500, 700), (256, 119)),
        ((40, 60), (171, 256)),
        ((7, 500), (4, 256)),
        ((1, 1), (256, 256)),
    ],
)
def test_masks_are_enlarged_as_the_stock_way_does(original: tuple[int, int], resized: tuple[int, int]):
    torch.manual_seed(1)
    model, logits = build_sam(SMALL), blobs(64)
    wanted = model.postprocess_masks(logits, resized, original)[:, 0]
    masks = enlarge(model, logits, resized, original)
    assert masks.shape == wanted.shape
    assert masks.dtype == np.bool_
    differ = masks != (wanted > 0).numpy()
    assert np.abs(wanted.numpy()[differ]).max(initial=0) < 1e-5  # nothing but rounding


def test_no_pixel_is_lost_at_the_edge_of_a_window():
    """One logit at a time, so that each is the edge of a window once."""
    model = build_sam(SMALL)
    logits = torch.full((64, 1, 64, 64), -0.01)
    for i in range(64):
        logits[i, 0, i, (i * 37) % 64] = 5.0
    wanted = model.postprocess_masks(logits, (256, 200), (640, 500))[:, 0]
    masks = enlarge(model, logits, (256, 200), (640, 500))
    differ = masks != (wanted > 0).numpy()
    assert np.abs(wanted.numpy()[differ]).max(initial=0) < 1e-5
    assert masks.any((1, 2)).sum() > 40  # the others lie in the padding


@pytest.mark.parametrize("size", [(400, 300), (150, 200)])
def test_boxes_together_get_the_masks_that_each_gets_alone(size: tuple[int, int]):
    from PIL import Image

    expert = Sam(random_sam(SMALL, 2.0), "cpu")
    width, height = size
    noise = np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)
    image = Image.fromarray(noise)
    view = View("pic_x", image.size, (0, 0, *image.size), lambda: image)
    boxes = tuple(tuple(box.tolist()) for box in random_boxes(5, min(size)))
    (together,) = expert.predict([Segment(view, boxes=boxes)])
    alone = [expert.predict([Segment(view, boxes=(box,))])[0] for box in boxes]
    assert together.masks.shape == (5, height, width)
    assert 0.01 < together.masks.mean() < 0.99
    # A logit that rounds to the other side of nothing may turn a pixel.
    assert (together.masks != np.concatenate([one.masks for one in alone])).mean() < 1e-4
    np.testing.assert_allclose(together.scores, np.concatenate([one.scores for one in alone]), atol=1e-4)
    assert expert.encodes == 1
