"""SAM's own decoder for many prompts on many pictures at once, differentiable, at the places that are judged.

segment_anything's `MaskDecoder` takes one picture a call and makes every mask over the whole picture. Its two
last convolutions have kernel 2 and stride 2, so that each cell of the embedding makes its own 4 x 4 logits, whatever
the others do: a loss needs them only around the thing, and at some cells elsewhere. The products are folded as in
`tools.experts.sam.decoder`; weights and results are those of the stock decoder.

Shapes: n prompts, t tokens of a prompt, k cells of a picture, m cells that are judged, c channels, h heads.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from ...tools.experts.sam.decoder import heads, spread, tokens_look, tokens_talk


def decode(
    sam: Any, features: torch.Tensor, owner: torch.Tensor, sparse: torch.Tensor, places: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of all four masks of each prompt, at some cells.

    Args:
        sam: segment_anything's `Sam`.
        features: (pictures, c, side, side).
        owner: (n,) int64, the picture of each prompt.
        sparse: (n, t, c), the prompts as the prompt encoder embeds them.
        places: (n, m) int64, numbers of cells, row by row.

    Returns:
        (n, m, 2, 2, 2, 2, 4) logits: y, x, finer y, finer x within a cell, then the mask; and (n, 4) predicted IoU.
    """
    decoder = sam.mask_decoder
    position = _cells(sam.prompt_encoder.get_dense_pe()).to(features.dtype)  # (1, k, c)
    every = _cells(features) + sam.prompt_encoder.no_mask_embed.weight.to(features.dtype)
    cells = every.index_select(0, owner)  # (n, k, c)
    placed = cells + position
    own = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
    prompt = torch.cat([own.expand(len(sparse), -1, -1), sparse], 1)  # (n, t, c)
    tokens = prompt
    for layer in decoder.transformer.layers:
        tokens = tokens_talk(layer, tokens, prompt)
        tokens = tokens_look(layer.cross_attn_token_to_image, layer.norm2, tokens, prompt, cells, placed)
        tokens = layer.norm3(tokens + layer.mlp(tokens))
        cells = _cells_look(layer, tokens, prompt, cells, placed)
        placed = cells + position
    last, norm = decoder.transformer.final_attn_token_to_image, decoder.transformer.norm_final_attn
    tokens = tokens_look(last, norm, tokens, prompt, cells, placed)
    quality = decoder.iou_prediction_head(tokens[:, 0])
    kernels = [mlp(tokens[:, 1 + i]) for i, mlp in enumerate(decoder.output_hypernetworks_mlps)]
    chosen = cells.gather(1, places[:, :, None].expand(-1, -1, cells.shape[-1]))  # (n, m, c)
    one, normed, act, two, last_act = decoder.output_upscaling
    fine = spread(one, chosen)
    fine = act(F.layer_norm(fine, fine.shape[-1:], normed.weight, normed.bias, normed.eps))
    fine = last_act(spread(two, fine))  # (n, 16 m, c // 8)
    logits = fine @ torch.stack(kernels, -1)  # (n, 16 m, 4)
    return logits.view(len(sparse), -1, 2, 2, 2, 2, 4), quality


def _cells(maps: torch.Tensor) -> torch.Tensor:
    """(n, c, side, side) with channels last: (n, side * side, c)."""
    return maps.flatten(2).transpose(1, 2).contiguous()


def _cells_look(
    layer: Any, tokens: torch.Tensor, prompt: torch.Tensor, cells: torch.Tensor, placed: torch.Tensor
) -> torch.Tensor:
    """Cells attend to the tokens of their prompt, and are normed: (n, k, c)."""
    attention = layer.cross_attn_image_to_token
    count = attention.num_heads
    keys = heads(attention.k_proj(tokens + prompt), count)  # (n, h, t, d)
    size = keys.shape[-1]
    keys = keys * size**-0.5
    queries = attention.q_proj.weight.unflatten(0, (count, size))  # (h, d, c)
    folded = (keys @ queries).flatten(1, 2)  # (n, h * t, c)
    constant = (keys @ attention.q_proj.bias.view(count, size, 1)).flatten(1, 2)  # (n, h * t, 1)
    values = heads(attention.v_proj(tokens), count)  # (n, h, t, d)
    out = attention.out_proj.weight.unflatten(1, (count, size)).permute(1, 2, 0)  # (h, d, c)
    values = (values @ out + attention.out_proj.bias / count).flatten(1, 2)  # (n, h * t, c)
    scores = torch.baddbmm(constant, folded, placed.transpose(1, 2))  # (n, h * t, k)
    weights = scores.unflatten(1, (count, -1)).softmax(2).flatten(1, 2)  # for each head over its tokens
    return layer.norm4(cells + weights.transpose(1, 2) @ values)
