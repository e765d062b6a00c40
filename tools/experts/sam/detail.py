"""An image encoder for small SAMs: segment_anything's own ViT, with a finer neck and a short way for details.

A small ViT sees patches of 16 px through 128 numbers each, too few to keep where an edge runs. Its neck therefore
makes several finer cells of each token, and a few convolutions carry the picture's details past the transformer
into these cells (as the skip connections of SAM 2 do, Ravi et al. 2024). The prompt encoder and the mask decoder
are the published classes; they only see a finer embedding.
"""

from __future__ import annotations

from typing import Any

import torch
from segment_anything.modeling import ImageEncoderViT
from segment_anything.modeling.common import LayerNorm2d
from segment_anything.modeling.image_encoder import Attention
from torch import nn


class FoldedAttention(Attention):
    """The ViT's attention over the whole picture, with its relative positions folded into the product.

    `q . k + q . across(x_q - x_k) + q . down(y_q - y_k)` is the product of two longer vectors: of the query with
    its 2 * side answers to the positions, and of the key with the two places that it stands at, one-hot. One
    product instead of two sums over every pair, which take longer on a CPU than all the rest. Weights and results are
    those of segment_anything's own.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, height, width, channels) of the same."""
        n, height, width, channels = x.shape
        qkv = self.qkv(x).view(n, height * width, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        queries, keys, values = qkv.unbind(0)  # (n, heads, height * width, d)
        down, across = torch.arange(height, device=x.device), torch.arange(width, device=x.device)
        grid = queries.unflatten(2, (height, width))
        rows = self.rel_pos_h[down[:, None] - down + height - 1]  # (height, height, d)
        columns = self.rel_pos_w[across[:, None] - across + width - 1]
        answers = grid @ rows.transpose(1, 2), (grid.transpose(2, 3) @ columns.transpose(1, 2)).transpose(2, 3)
        long = torch.cat([queries * self.scale, *(one.flatten(2, 3) for one in answers)], -1)
        stands = down.repeat_interleave(width)[:, None] == down, across.repeat(height)[:, None] == across
        longer = torch.cat([keys, *(one.to(keys.dtype).expand(n, self.num_heads, -1, -1) for one in stands)], -1)
        weights = (long.to(keys.dtype) @ longer.transpose(2, 3)).softmax(-1)
        return self.proj((weights @ values).transpose(1, 2).reshape(n, height, width, channels))


class DetailedEncoder(ImageEncoderViT):
    """The ViT encoder with embeddings `upscale` times as fine as its tokens, and details of the picture in them.

    Args:
        upscale: cells a side of a token.
        detail: channels of the first convolution; 0 leaves the short way out.
        options: what ImageEncoderViT takes.
    """

    def __init__(self, upscale: int, detail: int, **options: Any) -> None:
        super().__init__(**options)
        for block in self.blocks:
            if block.window_size == 0:
                attention: Any = block.attn  # its weights stay under their published names
                attention.__class__ = FoldedAttention
        width, channels, patch = options["embed_dim"], options["out_chans"], options["patch_size"]
        middle = width // upscale**2
        self.neck = nn.Sequential(
            nn.Conv2d(width, middle * upscale**2, 1, bias=False),
            nn.PixelShuffle(upscale),
            LayerNorm2d(middle),
            nn.Conv2d(middle, channels, 3, padding=1, bias=False),
            LayerNorm2d(channels),
        )
        self.detail = None
        if detail:
            last = patch // upscale // 4  # the stride that is left after two halvings
            self.detail = nn.Sequential(
                nn.Conv2d(3, detail, 3, stride=2, padding=1),
                nn.GELU(),
                nn.Conv2d(detail, detail * 3 // 2, 3, stride=2, padding=1),
                nn.GELU(),
                nn.Conv2d(detail * 3 // 2, channels, last, stride=last),
            )
            nn.init.zeros_(self.detail[-1].weight)  # pyright: ignore[reportArgumentType]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Embeddings (n, channels, side * upscale, side * upscale) of (n, 3, image, image) normalised pixels."""
        embedded = super().forward(x)
        return embedded if self.detail is None else embedded + self.detail(x)
