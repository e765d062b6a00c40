"""Causal language models from their specs, with the LoRA adapter that a folder brings merged in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import UserError
from ..settings import ModelSpec
from .weights import declared_by, load_state, quiet_transformers, read_json, resolve


def open_language_model(spec: ModelSpec, dtype: str) -> tuple[Any, Any]:
    """A causal LM on the CPU and its tokenizer; of an adapter, merged into the base that its `config.json` names.

    Args:
        spec: leads to a folder of `save_pretrained`, or to one with a LoRA adapter and a chat template of its own.
        dtype: "float32", "bfloat16" (where this CPU computes it, else float32) or "auto" (as it was saved).

    Raises:
        UserError: the files are missing, or are no causal LM with a tokenizer and a chat template.
    """
    base = adapted_base(spec)
    model, tokenizer = load_causal_lm(base or spec, dtype)
    if base is not None:
        folder = resolve(spec)
        merge_adapter(model, folder)
        tokenizer.chat_template = (folder / "chat_template.jinja").read_text("utf-8")
    if not tokenizer.chat_template:
        raise UserError(f"The controller {spec} has no chat template: take an instruct model.", kind="bad_weights")
    return model, tokenizer


def adapted_base(spec: ModelSpec) -> ModelSpec | None:
    """The model that an adapter was trained on, as its `config.json` names it; None of what is no adapter."""
    base = declared_by(spec).get("base")
    return None if base is None else ModelSpec.parse(base)


def load_causal_lm(spec: ModelSpec, dtype: str) -> tuple[Any, Any]:
    """A whole causal LM on the CPU, and its tokenizer; see `open_language_model`.

    Raises:
        UserError: the files are missing, or are no causal LM with a tokenizer.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = resolve(spec)
    quiet_transformers()
    if dtype == "bfloat16" and not torch.cpu._is_avx512_bf16_supported():  # pyright: ignore[reportPrivateUsage]
        dtype = "float32"  # without the instructions half precision is several times slower
    kind = {"float32": torch.float32, "bfloat16": torch.bfloat16}.get(dtype, "auto")
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        tokenizer.model_max_length = int(1e9)  # conversations are shortened elsewhere, and need no warning
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=kind, local_files_only=True, use_safetensors=True, trust_remote_code=False
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise UserError(
            f"The controller {spec} cannot be loaded from {str(folder)!r}: {str(error).splitlines()[0]} "
            "It must be a causal LM with its tokenizer, as `save_pretrained` writes them.",
            kind="bad_weights",
        ) from error
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
