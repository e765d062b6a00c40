"""Painters with random weights, of the classes of published ones and in the hub's format; what they paint is noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from ..settings import ZOO

Kind = Literal["sd", "inpaint", "instruct", "xl", "kontext"]
CHANNELS = {"sd": 4, "inpaint": 9, "instruct": 8, "xl": 4}  # of the denoiser
WIDTH = 32  # of everything


def make_painter(kind: Kind) -> Any:
    """A pipeline of a few thousand parameters that paints 32 x 32 px.

    Args:
        kind: the class: "sd" Stable Diffusion, "inpaint" the one that mends, "instruct" InstructPix2Pix, "xl" Stable
            Diffusion XL, "kontext" FLUX Kontext, an editor with a diffusion transformer.
    """
    import diffusers
    import torch

    torch.manual_seed(0)
    library: Any = diffusers
    parts: dict[str, Any] = {"vae": _autoencoder(kind), "text_encoder": _text_tower(kind), "tokenizer": _tokenizer()}
    if kind == "kontext":
        return library.FluxKontextPipeline(**parts, **_flux_parts())
    xl: dict[str, Any] = {}
    if kind == "xl":
        parts |= {"text_encoder_2": _text_tower(kind, projected=True), "tokenizer_2": _tokenizer()}
        xl = {"addition_embed_type": "text_time", "addition_time_embed_dim": 8,
              "projection_class_embeddings_input_dim": 6 * 8 + WIDTH, "cross_attention_dim": 2 * WIDTH}  # fmt: skip
    shape = _unet_shape() | xl
    parts["unet"] = library.UNet2DConditionModel(**shape, in_channels=CHANNELS[kind], out_channels=4)
    parts["scheduler"] = library.DDIMScheduler(steps_offset=1, clip_sample=False)
    if kind == "xl":
        return library.StableDiffusionXLPipeline(**parts)
    unsafe = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    names = {"sd": "", "inpaint": "Inpaint", "instruct": "InstructPix2Pix"}
    return getattr(library, f"StableDiffusion{names[kind]}Pipeline")(**parts, **unsafe)


def save_painter(folder: Path, kind: Kind = "sd", *, half: bool = False, variant: str | None = None) -> Path:
    """Write such a pipeline as `save_pretrained` does, and give its folder back.

    Args:
        folder: where.
        kind: the class.
        half: in fp16.
        variant: as in `unet/diffusion_pytorch_model.fp16.safetensors`.
    """
    import torch
    from diffusers.utils import logging

    logging.set_verbosity_error()
    pipeline = make_painter(kind).to(torch.float16 if half else torch.float32)
    pipeline.save_pretrained(folder, safe_serialization=True, variant=variant)
    return folder


def save_controlnet(folder: Path) -> Path:
    """A tiny ControlNet for the painter "sd"."""
    import diffusers
    import torch

    torch.manual_seed(1)
    library: Any = diffusers
    shape = _unet_shape()
    shape.pop("up_block_types")
    shape.pop("sample_size")
    net = library.ControlNetModel(**shape, in_channels=4, conditioning_embedding_out_channels=(8, 8))
    for name, weight in net.named_parameters():
        if "controlnet" in name:  # these begin as zeros, so that at first nothing is guided
            torch.nn.init.normal_(weight, std=0.5)
    net.save_pretrained(folder, safe_serialization=True)
    return folder


def save_depth_model(folder: Path) -> Path:
    """A tiny DPT that sees depth, with its image processor."""
    import torch
    from transformers import DPTConfig, DPTForDepthEstimation, DPTImageProcessor

    torch.manual_seed(2)
    config = DPTConfig(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=32, image_size=32, patch_size=8,
        backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[8, 8, 8, 8], fusion_hidden_size=8, is_hybrid=False,
        reassemble_factors=[4, 2, 1, 0.5], readout_type="project", initializer_range=0.5,
    )  # fmt: skip
    DPTForDepthEstimation(config).save_pretrained(folder)
    DPTImageProcessor(size={"height": 32, "width": 32}, ensure_multiple_of=8).save_pretrained(folder)
    return folder


def save_lora(path: Path, kind: Kind = "sd") -> Path:
    """A LoRA for a painter's denoiser, as diffusers writes it: one .safetensors file."""
    import torch
    from diffusers.utils.state_dict_utils import convert_state_dict_to_diffusers
    from peft import LoraConfig, get_peft_model_state_dict
    from safetensors.torch import save_file

    pipeline = make_painter(kind)
    pipeline.unet.add_adapter(LoraConfig(r=2, lora_alpha=2, target_modules=["to_q", "to_v"], init_lora_weights=False))
    state = convert_state_dict_to_diffusers(get_peft_model_state_dict(pipeline.unet))
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({f"unet.{name}": (20 * value).to(torch.float32).contiguous() for name, value in state.items()}, path)
    return path


def save_embedding(path: Path, token: str) -> Path:
    """A textual inversion of one vector: one .safetensors file."""
    import torch
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({token: 5 * torch.randn(WIDTH, generator=torch.Generator().manual_seed(3))}, path)
    return path


def _unet_shape() -> dict[str, Any]:
    return {
        "sample_size": 16, "layers_per_block": 1, "block_out_channels": (16, 32), "norm_num_groups": 8,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"), "cross_attention_dim": WIDTH,
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"), "attention_head_dim": 4,
    }  # fmt: skip


def _autoencoder(kind: Kind) -> Any:
    import diffusers

    library: Any = diffusers
    more = {"use_quant_conv": False, "use_post_quant_conv": False, "shift_factor": 0.1} if kind == "kontext" else {}
    return library.AutoencoderKL(
        block_out_channels=(8, 16), down_block_types=("DownEncoderBlock2D",) * 2, norm_num_groups=4,
        up_block_types=("UpDecoderBlock2D",) * 2, latent_channels=4, sample_size=32, **more,
    )  # fmt: skip


def _text_tower(kind: Kind, *, projected: bool = False) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=len(_tokenizer()), hidden_size=WIDTH, intermediate_size=37, num_hidden_layers=1 + (kind == "xl"),
        num_attention_heads=4, max_position_embeddings=77, eos_token_id=3, bos_token_id=2, pad_token_id=0,
        projection_dim=WIDTH,
    )  # fmt: skip
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)


def _tokenizer() -> Any:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast.from_pretrained(ZOO / "clip", model_max_length=77)


def _flux_parts() -> dict[str, Any]:
    import diffusers
    from transformers import T5Config, T5EncoderModel

    library: Any = diffusers
    config = T5Config(vocab_size=len(_tokenizer()), d_model=WIDTH, d_kv=8, d_ff=37, num_layers=1, num_heads=4)
    return {
        "text_encoder_2": T5EncoderModel(config),
        "tokenizer_2": _tokenizer(),
        "transformer": library.FluxTransformer2DModel(
            patch_size=1, in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16,
            num_attention_heads=2, joint_attention_dim=WIDTH, pooled_projection_dim=WIDTH, axes_dims_rope=[4, 4, 8],
            guidance_embeds=True,
        ),
        "scheduler": library.FlowMatchEulerDiscreteScheduler(),
    }  # fmt: skip
