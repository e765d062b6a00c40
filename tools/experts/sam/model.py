"""The SAM network in `segment_anything`'s own classes, at any size, and the names of its weights elsewhere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Self

import torch

if TYPE_CHECKING:
    from segment_anything.modeling import Sam

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # of RGB in 0..255, as published

State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class SamConfig:
    """The numbers of a SAM. The defaults are what the published ones share."""

    embed_dim: int
    depth: int
    num_heads: int
    global_attn_indexes: tuple[int, ...]  # the blocks that look at the whole picture, not at windows
    image_size: int = 1024
    patch_size: int = 16
    window_size: int = 14
    out_chans: int = 256
    mask_in_chans: int = 16
    decoder_depth: int = 2
    decoder_heads: int = 8
    decoder_mlp_dim: int = 2048
    iou_head_depth: int = 3
    iou_head_hidden_dim: int = 256
    neck_upscale: int = 1  # 2 gives masks of twice the resolution (see sam_detail); published ones have 1
    detail: int = 0  # channels of the short way for details (see sam_detail); published ones have none

    @classmethod
    def of_state(cls, state: State) -> Self:
        """Read the numbers off the shapes of a published state dict.

        Raises:
            KeyError, IndexError: these are not the weights of a SAM.
        """
        _, side, _, dim = state["image_encoder.pos_embed"].shape
        patch = state["image_encoder.patch_embed.proj.weight"].shape[-1]
        rows = _numbered(state, r"image_encoder\.blocks\.(\d+)\.attn\.rel_pos_h")
        lengths = [state[f"image_encoder.blocks.{i}.attn.rel_pos_h"].shape[0] for i in rows]
        head = state["image_encoder.blocks.0.attn.rel_pos_h"].shape[1]
        whole = 2 * side - 1
        windows = [(length + 1) // 2 for length in lengths if length != whole]
        return cls(
            embed_dim=dim,
            depth=len(rows),
            num_heads=dim // head,
            global_attn_indexes=tuple(i for i, length in zip(rows, lengths, strict=True) if length == whole),
            image_size=side * patch,
            patch_size=patch,
            window_size=windows[0] if windows else 0,
            out_chans=state["image_encoder.neck.0.weight"].shape[0],
            mask_in_chans=state["prompt_encoder.mask_downscaling.3.weight"].shape[0],
            decoder_depth=len(_numbered(state, r"mask_decoder\.transformer\.layers\.(\d+)\.norm1\.weight")),
            decoder_mlp_dim=state["mask_decoder.transformer.layers.0.mlp.lin1.weight"].shape[0],
            iou_head_depth=len(_numbered(state, r"mask_decoder\.iou_prediction_head\.layers\.(\d+)\.weight")),
            iou_head_hidden_dim=state["mask_decoder.iou_prediction_head.layers.0.weight"].shape[0],
        )


def build_sam(config: SamConfig) -> Sam:
    """A SAM of this shape with fresh weights, on the CPU."""
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    from .detail import DetailedEncoder

    plain = config.neck_upscale == 1 and config.detail == 0
    encoder = ImageEncoderViT if plain else partial(DetailedEncoder, config.neck_upscale, config.detail)
    side = config.image_size // config.patch_size * config.neck_upscale
    return Sam(
        image_encoder=encoder(
            img_size=config.image_size,
            patch_size=config.patch_size,
            embed_dim=config.embed_dim,
            depth=config.depth,
            num_heads=config.num_heads,
            out_chans=config.out_chans,
            norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),  # pyright: ignore[reportArgumentType]
            use_rel_pos=True,
            window_size=config.window_size,
            global_attn_indexes=tuple(config.global_attn_indexes),
        ),
        prompt_encoder=PromptEncoder(
            embed_dim=config.out_chans,
            image_embedding_size=(side, side),
            input_image_size=(config.image_size, config.image_size),
            mask_in_chans=config.mask_in_chans,
        ),
        mask_decoder=MaskDecoder(
            transformer_dim=config.out_chans,
            transformer=TwoWayTransformer(
                depth=config.decoder_depth,
                embedding_dim=config.out_chans,
                num_heads=config.decoder_heads,
                mlp_dim=config.decoder_mlp_dim,
            ),
            iou_head_depth=config.iou_head_depth,
            iou_head_hidden_dim=config.iou_head_hidden_dim,
        ),
        pixel_mean=list(MEAN),
        pixel_std=list(STD),
    )


# transformers' SamModel holds the same network under other names: (pattern, name in segment_anything).
_RENAMED = (
    (r"^vision_encoder\.", "image_encoder."),
    (r"patch_embed\.projection\.", "patch_embed.proj."),
    (r"^image_encoder\.layers\.", "image_encoder.blocks."),
    (r"neck\.conv1\.", "neck.0."),
    (r"neck\.layer_norm1\.", "neck.1."),
    (r"neck\.conv2\.", "neck.2."),
    (r"neck\.layer_norm2\.", "neck.3."),
    (r"mask_embed\.conv1\.", "mask_downscaling.0."),
    (r"mask_embed\.layer_norm1\.", "mask_downscaling.1."),
    (r"mask_embed\.conv2\.", "mask_downscaling.3."),
    (r"mask_embed\.layer_norm2\.", "mask_downscaling.4."),
    (r"mask_embed\.conv3\.", "mask_downscaling.6."),
    (r"\.point_embed\.", ".point_embeddings."),
    (  # one tensor under two names, of which a file may have either
        r"^(shared_image_embedding|prompt_encoder\.shared_embedding)\.positional_embedding$",
        "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
    ),
    (r"upscale_conv1\.", "output_upscaling.0."),
    (r"upscale_layer_norm\.", "output_upscaling.1."),
    (r"upscale_conv2\.", "output_upscaling.3."),
    (r"\.layer_norm(\d?)\.", r".norm\1."),
    (r"\.layer_norm_final_attn\.", ".norm_final_attn."),
)
_HEADS = r"(iou_prediction_head|output_hypernetworks_mlps\.\d+)\.(proj_in|layers\.\d+|proj_out)\."


def rename_published(state: State) -> State:
    """A state dict under segment_anything's names; one that has them already stays as it is."""
    if not any(name.startswith("vision_encoder.") for name in state):
        return state
    middle: dict[str, int] = {}  # how many layers each small head has between its first and its last
    for name in state:
        if found := re.search(_HEADS, name):
            number = int(found[2][7:]) + 1 if found[2].startswith("layers.") else 0
            middle[found[1]] = max(middle.get(found[1], 0), number)
    return {_rename(name, middle): value for name, value in state.items()}


def _rename(name: str, middle: dict[str, int]) -> str:
    def layer(found: re.Match[str]) -> str:
        place = found[2]
        number = {"proj_in": 0, "proj_out": middle[found[1]] + 1}.get(place)
        return f"{found[1]}.layers.{int(place[7:]) + 1 if number is None else number}."

    name = re.sub(_HEADS, layer, name)
    for pattern, other in _RENAMED:
        name = re.sub(pattern, other, name)
    return name


def _numbered(state: State, pattern: str) -> list[int]:
    """The numbers that a pattern's group has among the names, in order."""
    return sorted(int(found[1]) for name in state if (found := re.fullmatch(pattern, name)))
