"""Causal language models from their specs, with the LoRA adapter that a folder brings merged in."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..settings import ModelSpec
from .weights import declared_by, load_state, quiet_transformers, read_json, resolve


def open_language_model(spec: ModelSpec, dtype: str) -> tuple[Any, Any]:
    """A causal LM on the CPU and its tokenizer; of an adapter, merged into the base that its `config.json` names.

    Args:
        spec: leads to a folder of `save_pretrained`, or to one with a LoRA adapter and a chat template of its own.
        dtype: "float32", "bfloat16" (where this CPU computes it, else float32), "int8" (linear layers quantized as they
            run) or "auto" (as it was saved).

    Raises:
        UserError: the files are missing, or are no causal LM with a tokenizer and a chat template.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = resolve(spec)
    base = (declared_by(spec) or {}).get("base")
    source = folder if base is None else resolve(ModelSpec.parse(base))
    quiet_transformers()
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(source, local_files_only=True)
        tokenizer.model_max_length = int(1e9)  # conversations are shortened here, and need no warning
        if dtype == "bfloat16" and not torch.cpu._is_avx512_bf16_supported():  # pyright: ignore[reportPrivateUsage]
            dtype = "float32"  # without the instructions half precision is several times slower
        kind = {"float32": torch.float32, "bfloat16": torch.bfloat16, "int8": torch.float32}.get(dtype, "auto")
        model: Any = AutoModelForCausalLM.from_pretrained(
            source, dtype=kind, local_files_only=True, use_safetensors=True, trust_remote_code=False
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise UserError(
            f"The controller {spec} cannot be loaded from {str(source)!r}: {str(error).splitlines()[0]} "
            "It must be a causal LM with its tokenizer, as `save_pretrained` writes them.",
            kind="bad_weights",
        ) from error
    if base is not None:
        merge_adapter(model, folder)
        tokenizer.chat_template = (folder / "chat_template.jinja").read_text("utf-8")
    if not tokenizer.chat_template:
        raise UserError(f"The controller {spec} has no chat template: take an instruct model.", kind="bad_weights")
    if dtype == "int8":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is to move to torchao, which is no part of torch yet
            model = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)
    return model, tokenizer


def merge_adapter(model: Any, folder: Path) -> None:
    """Add a LoRA adapter (PEFT's names of tensors) to the weights that it was trained on, W + alpha / r * B A.

    Raises:
        UserError: it belongs to another model ("bad_weights").
    """
    import torch

    state = load_state(folder)
    lora = read_json(folder / "config.json")["saccade"]["lora"]
    names = sorted(name.removesuffix(".lora_A.weight") for name in state if name.endswith(".lora_A.weight"))
    for name in names:
        try:
            weight = model.get_submodule(name.removeprefix("base_model.model.")).weight
            down, up = (state[f"{name}.lora_{part}.weight"].to(torch.float32) for part in "AB")
            added = up @ down * (lora["alpha"] / lora["rank"])
            with torch.no_grad():
                weight += added.to(weight.dtype)
        except (AttributeError, KeyError, RuntimeError) as error:
            raise UserError(
                f"The adapter in {str(folder)!r} does not fit its base at {name!r}: {error}", kind="bad_weights"
            ) from error
