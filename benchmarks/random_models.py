"""Checkpoints with random weights in the formats of published ones: for timing, and for tests of what reads them.

What a model costs depends on its shape alone; what it says is noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

# As the published LLaVA 1.5 writes a conversation, and as LLaVA-NeXT on Mistral does.
LLAVA_TEMPLATE = (
    "{% for message in messages %}{{ message['role'].upper() + ': ' }}"
    "{% for part in message['content'] if part['type'] == 'image' %}{{ '<image>\n' }}{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] + ' ' }}{% endfor %}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
NEXT_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}{{ '[INST] ' }}"
    "{% for part in message['content'] if part['type'] == 'image' %}{{ '<image>\n' }}{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}{{ ' [/INST]' }}"
    "{% else %}{{ ' ' + message['content'][0]['text'] + '</s>' }}{% endif %}{% endfor %}"
)


@dataclass(frozen=True)
class Shape:
    """How large a LLaVA is: of the language model and of the CLIP tower. Tiny unless told."""

    width: int = 64
    hidden: int = 128
    layers: int = 2
    heads: int = 4
    kv_heads: int = 2
    context: int = 1024
    vision_width: int = 32
    vision_hidden: int = 64
    vision_layers: int = 3
    vision_heads: int = 2
    side: int = 32
    patch: int = 8


# The bundled model's shape, and that of LLaVA 1.5 7B.
BUNDLED = Shape(256, 768, 4, 8, 8, 1024, 192, 768, 6, 6, 128, 16)
LLAVA_7B = Shape(4096, 11008, 32, 32, 32, 4096, 1024, 4096, 24, 16, 336, 14)


def byte_tokenizer(*marks: str, **named: Any) -> Any:
    """A tokenizer of bytes with the marks that were named; it knows every text and joins nothing."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokens = [*marks, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    core: Any = Tokenizer(models.BPE({token: number for number, token in enumerate(tokens)}, []))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=core, **named)


def make_llava(shape: Shape, *, anyres: bool = False, device: str = "cpu", half: bool = False) -> tuple[Any, Any]:
    """A LLaVA 1.5 (or NeXT, with `anyres`) of random weights and its processor."""
    import torch
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaNextConfig,
        LlavaNextForConditionalGeneration,
        LlavaNextImageProcessor,
        LlavaNextProcessor,
        LlavaProcessor,
    )

    tokenizer = byte_tokenizer(
        "<pad>", "<s>", "</s>", "<image>",
        pad_token="<pad>", bos_token="<s>", eos_token="</s>", extra_special_tokens={"image_token": "<image>"},
    )  # fmt: skip
    text = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=shape.width, intermediate_size=shape.hidden,
        num_hidden_layers=shape.layers, num_attention_heads=shape.heads, num_key_value_heads=shape.kv_heads,
        max_position_embeddings=shape.context, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        initializer_range=0.1 if shape.width < 1000 else 0.02, tie_word_embeddings=False,
    )  # fmt: skip
    vision = CLIPVisionConfig(
        hidden_size=shape.vision_width, intermediate_size=shape.vision_hidden, num_hidden_layers=shape.vision_layers,
        num_attention_heads=shape.vision_heads, image_size=shape.side, patch_size=shape.patch, projection_dim=16,
    )  # fmt: skip
    given: dict[str, Any] = {"text_config": text, "vision_config": vision, "image_token_index": 3}
    given |= {"vision_feature_select_strategy": "default", "vision_feature_layer": -2, "tie_word_embeddings": False}
    size: dict[str, Any] = {
        "size": {"shortest_edge": shape.side},
        "crop_size": {"height": shape.side, "width": shape.side},
    }
    told: dict[str, Any] = {"patch_size": shape.patch, "vision_feature_select_strategy": "default"}
    told |= {"num_additional_image_tokens": 1, "chat_template": NEXT_TEMPLATE if anyres else LLAVA_TEMPLATE}
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float16 if half else torch.float32)
    try:
        with torch.device(device):
            if anyres:
                grid = [[shape.side, 2 * shape.side], [2 * shape.side, shape.side], [2 * shape.side, 2 * shape.side]]
                model: Any = LlavaNextForConditionalGeneration(LlavaNextConfig(**given, image_grid_pinpoints=grid))
                images = LlavaNextImageProcessor(**size, image_grid_pinpoints=grid)
                processor: Any = LlavaNextProcessor(images, tokenizer, **told)
            else:
                model = LlavaForConditionalGeneration(LlavaConfig(**given))
                processor = LlavaProcessor(CLIPImageProcessor(**size), tokenizer, **told)
    finally:
        torch.set_default_dtype(before)
    model.generation_config.eos_token_id = 2
    return model.eval(), processor


def save_llava(folder: Path, shape: Shape | None = None, *, anyres: bool = False) -> Path:
    """Write such a checkpoint as `save_pretrained` does, and give its folder back."""
    model, processor = make_llava(shape or Shape(), anyres=anyres)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def save_blip(folder: Path) -> Path:
    """A tiny BlipForConditionalGeneration of random weights with its processor."""
    import torch
    from transformers import BertTokenizer, BlipConfig, BlipForConditionalGeneration, BlipImageProcessor, BlipProcessor

    letters = [chr(number) for number in range(ord("a"), ord("z") + 1)]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", *letters, *(f"##{one}" for one in letters)]
    tokenizer = BertTokenizer(vocab={word: number for number, word in enumerate(words)})
    tower: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    text = tower | {
        "vocab_size": len(words), "encoder_hidden_size": 32, "projection_dim": 16, "max_position_embeddings": 128,
        "bos_token_id": 5, "eos_token_id": 2, "pad_token_id": 0, "sep_token_id": 3, "is_decoder": True,
        "initializer_range": 0.3,
    }  # fmt: skip
    vision = tower | {"image_size": 32, "patch_size": 8, "projection_dim": 16}
    torch.manual_seed(0)
    BlipForConditionalGeneration(BlipConfig(text_config=text, vision_config=vision, projection_dim=16)).save_pretrained(
        folder
    )
    BlipProcessor(BlipImageProcessor(size={"height": 32, "width": 32}), tokenizer).save_pretrained(folder)
    return folder


def save_blip2(folder: Path) -> Path:
    """A tiny Blip2ForConditionalGeneration (on OPT) of random weights with its processor."""
    import torch
    from transformers import (
        Blip2Config,
        Blip2ForConditionalGeneration,
        Blip2Processor,
        BlipImageProcessor,
        OPTConfig,
    )

    tokenizer = byte_tokenizer(
        "<s>", "<pad>", "</s>", "<unk>", "<image>",
        bos_token="<s>", pad_token="<pad>", eos_token="</s>", extra_special_tokens={"image_token": "<image>"},
    )  # fmt: skip
    tower: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    text = OPTConfig(
        vocab_size=len(tokenizer), hidden_size=32, ffn_dim=64, num_hidden_layers=2, num_attention_heads=2,
        word_embed_proj_dim=32, max_position_embeddings=256, bos_token_id=0, pad_token_id=1, eos_token_id=2,
        init_std=0.3,
    )  # fmt: skip
    config = Blip2Config(
        vision_config=tower | {"image_size": 32, "patch_size": 8},
        qformer_config=tower | {"encoder_hidden_size": 32, "vocab_size": 32},
        text_config=text.to_dict(), num_query_tokens=4, image_token_index=4,
    )  # fmt: skip
    torch.manual_seed(0)
    Blip2ForConditionalGeneration(config).save_pretrained(folder)
    Blip2Processor(BlipImageProcessor(size={"height": 32, "width": 32}), tokenizer, num_query_tokens=4).save_pretrained(
        folder
    )
    return folder
