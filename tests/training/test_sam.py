"""What SAM's recipe computes is what segment_anything's own classes compute."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from segment_anything.modeling.image_encoder import Attention

from saccade.tools.experts.sam.detail import FoldedAttention
from saccade.tools.experts.sam.model import SamConfig, build_sam
from saccade.training.sam.forward import decode
from saccade.training.sam.prompts import CELL, CELLS, WINDOW, Prompt, draw_prompts, places, wide
from saccade.training.sam.recipe import draw_case, embed_prompts
from saccade.training.scene_views import PICTURE, part_map

SMALL = SamConfig(
    embed_dim=32, depth=1, num_heads=2, global_attn_indexes=(0,), image_size=256, window_size=0, out_chans=16,
    mask_in_chans=4, decoder_heads=4, decoder_mlp_dim=16, iou_head_depth=2, iou_head_hidden_dim=16, neck_upscale=2,
    detail=8,
)  # fmt: skip


@pytest.fixture
def sam() -> Any:
    torch.manual_seed(3)
    model: Any = build_sam(SMALL).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return model


@torch.inference_mode()
def test_many_prompts_on_many_pictures_get_the_stock_decoders_logits(sam: Any) -> None:
    features = torch.randn(2, 16, CELLS, CELLS)
    boxes = torch.tensor([[10.0, 20, 90, 120], [30, 40, 200, 180], [100, 5, 140, 60]])
    owner = torch.tensor([0, 1, 1])
    sparse, dense = sam.prompt_encoder(points=None, boxes=boxes, masks=None)
    chosen = torch.randint(0, CELLS**2, (3, 20))
    logits, quality = decode(sam, features, owner, sparse, chosen)
    for i in range(3):
        masks, told = sam.mask_decoder.predict_masks(
            image_embeddings=features[owner[i]][None],
            image_pe=sam.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse[i : i + 1],
            dense_prompt_embeddings=dense[i : i + 1],
        )
        of_cells = masks[0].unflatten(1, (CELLS, 4)).unflatten(3, (CELLS, 4)).permute(1, 3, 2, 4, 0)
        wanted = of_cells.reshape(CELLS**2, 4, 4, 4)[chosen[i]]  # cell, y, x, mask
        given = logits[i].permute(0, 1, 3, 2, 4, 5).reshape(20, 4, 4, 4)
        torch.testing.assert_close(given, wanted, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(quality[i], told[0], atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_folded_attention_is_the_stock_one() -> None:
    torch.manual_seed(1)
    attention = Attention(32, 2, use_rel_pos=True, input_size=(6, 5))
    assert isinstance(attention.rel_pos_h, torch.Tensor)
    assert isinstance(attention.rel_pos_w, torch.Tensor)
    attention.rel_pos_h.normal_()
    attention.rel_pos_w.normal_()
    x = torch.randn(2, 6, 5, 32)
    wanted = attention(x)
    attention.__class__ = FoldedAttention
    torch.testing.assert_close(attention(x), wanted, atol=1e-5, rtol=1e-5)


def test_prompts_fit_their_things_and_lie_in_their_windows() -> None:
    rng = np.random.default_rng(0)
    for index in range(6):
        parts = draw_case(index)[1]
        shown = (parts > 0).reshape(1, CELLS, CELL, CELLS, CELL).mean((2, 4))
        prompts = draw_prompts(parts, rng, 6)
        assert len(prompts) == 6
        for prompt in prompts:
            mask = parts == prompt.thing
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            assert prompt.box.tolist() == [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
            for (x, y), label in zip(prompt.points.astype(int), prompt.labels, strict=True):
                assert mask[y, x] == bool(label)
            window = CELLS if wide(prompt.box) else WINDOW
            here = places(prompt.box[None], shown, window, rng)
            assert here.weight.sum() == pytest.approx(CELLS**2, rel=0.5)
            assert len(set(here.cells[0, : window**2])) == window**2
            assert not set(here.cells[0, : window**2]) & set(here.cells[0, window**2 :])
            in_cells = (here.grid[0] / CELL - here.corner[0]).reshape(-1, 2)
            inner = in_cells.min() >= 0.125 and in_cells.max() <= window - 0.125
            assert inner or window == CELLS or (here.corner == 0).any() or (here.corner == CELLS - window).any()


def test_boxes_and_lone_points_are_embedded_together(sam: Any) -> None:
    nothing = np.zeros((0, 2))
    box = np.array([10, 20, 110, 220], np.float32)
    boxed = Prompt(1, box, box, nothing, np.zeros(0))
    pointed = Prompt(1, box, None, np.array([[50.5, 60.5]], np.float32), np.array([1]))
    tokens = embed_prompts(sam.prompt_encoder, [pointed, boxed, pointed], torch.device("cpu"))
    assert tokens.shape == (3, 2, 16)
    assert torch.equal(tokens[0], tokens[2])
    wanted, _ = sam.prompt_encoder(points=None, boxes=torch.from_numpy(box[None] * 256 / PICTURE), masks=None)
    torch.testing.assert_close(tokens[1], wanted[0])


def test_a_map_of_parts_names_things_from_one() -> None:
    from saccade.scenes.render import render
    from saccade.scenes.sample import sample_scene

    rendered = render(sample_scene(0), PICTURE)
    parts = part_map(rendered)
    assert set(np.unique(parts)) == set(range(len(rendered.masks) + 1))
