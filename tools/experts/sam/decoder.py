"""SAM's mask decoder for several boxes on one picture: the same weights and results, with far less work.

segment_anything's `MaskDecoder` repeats the picture's embedding for every box, and projects all of its cells (64 x 64
for the published models) to queries, keys and values again and again. On a CPU eight boxes in one call of it cost
as much as eight calls, or more, because the copies fall out of the cache. Here:

- before the first block has run the picture's side is the same for all boxes: its keys and values are made once;
- afterwards projections move to the side of the tokens, of which a box has seven. `(q Wq) (k Wk)^T` is
  `(q Wq Wk^T) k^T`, and `w (k Wv)` is `(w k) Wv`, so the cells are never projected;
- boxes pass in groups that stay in the cache;
- the two transposed convolutions (kernel 2, stride 2: no overlap) are matrix products with channels last, and
  the cells are put in the picture's order once, at the end, when there is one number for each;
- only what the single mask needs is made: one hypernetwork, and two rows of the last attention.

Up to rounding the logits are those of the stock decoder, which stays in use for single prompts and for points.

Shapes: n boxes, b boxes of one group, t tokens of a box, k cells of the picture (side * side), c channels,
h heads of d channels each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional as F

if TYPE_CHECKING:
    from segment_anything.modeling import Sam

GROUP = 1 << 20  # numbers (4 MB) that the cells of one group of boxes may hold
STRIP = 1 << 17  # numbers that the cells of one group hold that are worked on at a time
QUALITY, MASK = 0, 1  # places of the token that tells the IoU and of the single mask's


def decode_boxes(model: Sam, features: torch.Tensor, boxes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The decoder's single mask for each of several boxes on one picture.

    Args:
        model: a SAM whose prompt encoder and mask decoder are segment_anything's own.
        features: (1, c, side, side), the picture's embedding.
        boxes: (n, 4) xyxy in pixels of the resized picture, as `PromptEncoder` takes them.

    Returns:
        Logits (n, 1, 4 * side, 4 * side) and predicted IoU (n, 1): up to float rounding what `MaskDecoder`
        gives with `multimask_output=False`.
    """
    prompts: Any = model.prompt_encoder
    decoder: Any = model.mask_decoder
    side = features.shape[-1]
    position = _cells(prompts.get_dense_pe())  # (1, k, c)
    cells = _cells(features) + prompts.no_mask_embed.weight  # (1, k, c)
    placed = cells + position  # (1, k, c)
    sparse, _ = prompts(points=None, boxes=boxes, masks=None)  # (n, 2, c)
    own = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
    prompt = torch.cat([own.expand(len(boxes), -1, -1), sparse], 1)  # (n, t, c)

    first, *rest = decoder.transformer.layers
    last, norm = decoder.transformer.final_attn_token_to_image, decoder.transformer.norm_final_attn
    needed = [QUALITY, MASK]
    tokens = _first_tokens(first, prompt, cells, placed)
    size = min(len(boxes), max(1, GROUP // cells.numel()))
    space = cells.new_empty(2, size, *cells.shape[1:])  # of every group in turn: fresh memory costs more than sums
    logits, quality = [], []
    for mine, seen in zip(prompt.split(size), tokens.split(size), strict=True):
        changed = space[0, : len(mine)], space[1, : len(mine)]  # (b, k, c) cells, and the same with positions
        _cells_look(first, seen, mine, (cells, placed), position, changed)
        for layer in rest:
            seen = tokens_talk(layer, seen, mine)
            seen = tokens_look(layer.cross_attn_token_to_image, layer.norm2, seen, mine, *changed)
            seen = layer.norm3(seen + layer.mlp(seen))
            _cells_look(layer, seen, mine, changed, position, changed)
        seen = tokens_look(last, norm, seen[:, needed], mine[:, needed], *changed)
        kernel = decoder.output_hypernetworks_mlps[0](seen[:, MASK])  # (b, c // 8)
        logits.append(_upscale(decoder.output_upscaling, changed[0], kernel, side))
        quality.append(decoder.iou_prediction_head(seen[:, QUALITY])[:, :1])
    return torch.cat(logits), torch.cat(quality)


def _cells(maps: torch.Tensor) -> torch.Tensor:
    """(1, c, side, side) with channels last: (1, side * side, c)."""
    return maps.flatten(2).transpose(1, 2).contiguous()


def tokens_talk(layer: Any, tokens: torch.Tensor, prompt: torch.Tensor) -> torch.Tensor:
    """Self-attention among a box's tokens: (n, t, c)."""
    if layer.skip_first_layer_pe:
        return layer.norm1(layer.self_attn(q=tokens, k=tokens, v=tokens))
    placed = tokens + prompt
    return layer.norm1(tokens + layer.self_attn(q=placed, k=placed, v=tokens))


def _first_tokens(layer: Any, prompt: torch.Tensor, cells: torch.Tensor, placed: torch.Tensor) -> torch.Tensor:
    """The token side of the first block. The cells are still the same for every box.

    Tokens look at cells each for itself, so those of all boxes pass as the tokens of one: (n, t, c).
    """
    tokens = tokens_talk(layer, prompt, prompt)
    asked = (tokens + prompt).flatten(0, 1)[None]  # (1, n * t, c)
    answer = layer.cross_attn_token_to_image(q=asked, k=placed, v=cells)
    tokens = layer.norm2(tokens + answer.view_as(tokens))
    return layer.norm3(tokens + layer.mlp(tokens))


def tokens_look(
    attention: Any, norm: Any, tokens: torch.Tensor, prompt: torch.Tensor, cells: torch.Tensor, placed: torch.Tensor
) -> torch.Tensor:
    """Tokens attend to their box's own cells: (b, t, c), normed.

    The bias of the keys adds the same number to all scores of a token, so softmax does not see it.
    """
    count = attention.num_heads
    queries = heads(attention.q_proj(tokens + prompt), count)  # (b, h, t, d)
    size = queries.shape[-1]
    keys = attention.k_proj.weight.unflatten(0, (count, size))  # (h, d, c)
    folded = (queries * size**-0.5) @ keys  # (b, h, t, c)
    weights = (folded.flatten(1, 2) @ placed.transpose(1, 2)).softmax(-1)  # (b, h * t, k)
    values = attention.v_proj.weight.unflatten(0, (count, size)).transpose(1, 2)  # (h, c, d)
    found = (weights @ cells).unflatten(1, (count, -1)) @ values  # (b, h, t, d)
    found = found.transpose(1, 2).flatten(2) + attention.v_proj.bias  # weights add up to 1: so does the bias
    return norm(tokens + attention.out_proj(found))


def _cells_look(
    layer: Any,
    tokens: torch.Tensor,
    prompt: torch.Tensor,
    before: tuple[torch.Tensor, torch.Tensor],
    position: torch.Tensor,
    after: tuple[torch.Tensor, torch.Tensor],
) -> None:
    """Cells attend to the tokens of each box, and are normed.

    Args:
        layer: whose attention and norm.
        tokens: (b, t, c).
        prompt: (b, t, c), the tokens as they were given: their positions.
        before: cells, and cells with their positions added, (1 or b, k, c) each.
        position: (1, k, c).
        after: where both are written, (b, k, c) each; it may be `before`, as no cell looks at another.
    """
    attention = layer.cross_attn_image_to_token
    count = attention.num_heads
    keys = heads(attention.k_proj(tokens + prompt), count)  # (b, h, t, d)
    size = keys.shape[-1]
    keys = keys * size**-0.5
    queries = attention.q_proj.weight.unflatten(0, (count, size))  # (h, d, c)
    folded = (keys @ queries).flatten(1, 2)  # (b, h * t, c)
    constant = (keys @ attention.q_proj.bias.view(count, size, 1)).flatten(1, 2)  # (b, h * t, 1)
    values = heads(attention.v_proj(tokens), count)  # (b, h, t, d)
    out = attention.out_proj.weight.unflatten(1, (count, size)).permute(1, 2, 0)  # (h, d, c)
    # Every head's weights add up to 1, so that a share of the bias in each head's values makes one whole bias.
    values = (values @ out + attention.out_proj.bias / count).flatten(1, 2)  # (b, h * t, c)
    for strip in _strips(after[0]):
        cells, placed = before[0][:, strip].expand(len(tokens), -1, -1), before[1][:, strip]
        scores = folded @ placed.transpose(1, 2) + constant  # (b, h * t, some of k)
        weights = scores.unflatten(1, (count, -1)).softmax(2).flatten(1, 2)  # for each head over its tokens
        normed = layer.norm4(torch.baddbmm(cells, weights.transpose(1, 2), values))  # (b, some of k, c)
        after[0][:, strip] = normed
        after[1][:, strip] = normed.add_(position[:, strip])


def _strips(cells: torch.Tensor) -> list[slice]:
    """Slices of k for cells (b, k, c), each small enough for the cache."""
    rows = max(1, STRIP // (cells.shape[0] * cells.shape[2]))
    return [slice(start, start + rows) for start in range(0, cells.shape[1], rows)]


def heads(x: torch.Tensor, count: int) -> torch.Tensor:
    """(b, t, h * d) as (b, h, t, d)."""
    return x.unflatten(-1, (count, -1)).transpose(1, 2)


def _upscale(upscaling: Any, cells: torch.Tensor, kernel: torch.Tensor, side: int) -> torch.Tensor:
    """Logits (b, 1, 4 * side, 4 * side) of cells (b, side * side, c) under one mask's kernel (b, c // 8)."""
    one, norm, act, two, last = upscaling
    strips = []
    for strip in _strips(cells):
        fine = spread(one, cells[:, strip])  # (b, 4 for each cell, c // 4)
        fine = act(F.layer_norm(fine, fine.shape[-1:], norm.weight, norm.bias, norm.eps))
        fine = last(spread(two, fine))  # (b, 16 for each cell, c // 8)
        strips.append(fine @ kernel[:, :, None])
    logits = torch.cat(strips, 1).view(-1, side, side, 2, 2, 2, 2)  # (b, y, x, dy, dx, ddy, ddx)
    return logits.permute(0, 1, 3, 5, 2, 4, 6).reshape(-1, 1, 4 * side, 4 * side)


def spread(convolution: Any, cells: torch.Tensor) -> torch.Tensor:
    """A transposed convolution of kernel 2 and stride 2: (b, k, c) to (b, k * 4, out), cell by cell, row by row."""
    weight = convolution.weight  # (c, out, 2, 2)
    flat = weight.permute(2, 3, 1, 0).flatten(0, 2)  # (4 * out, c)
    return F.linear(cells, flat, convolution.bias.repeat(4)).view(len(cells), -1, weight.shape[1])
