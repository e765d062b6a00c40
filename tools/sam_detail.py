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
from torch import nn


class DetailedEncoder(ImageEncoderViT):
    """The ViT encoder with embeddings `upscale` times as fine as its tokens, and details of the picture in them.

    Args:
        upscale: cells a side of a token.
        detail: channels of the first convolution; 0 leaves the short way out.
        options: what ImageEncoderViT takes.
    """

    def __init__(self, upscale: int, detail: int, **options: Any) -> None:
        super().__init__(**options)
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
