"""Loading a LLaVA: the model and its processor, and an adapter on top of it where one is named.

Three forms of a spec lead here: a model (`zoo:llava`, `hf:llava-hf/llava-1.5-7b-hf`, `file:/my/llava`), a model with
an adapter (`hf:llava-hf/llava-1.5-7b-hf+file:/my/adapter`), and an adapter alone (`file:/my/adapter`), whose
`adapter_config.json` names its base. An adapter is what `saccade train llava --base ...` leaves, in peft's format:
LoRA matrices and a whole projector, as safetensors. It is merged into the model, so that it costs nothing.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import torch

from ....errors import UserError
from ....extras import need
from ....settings import ModelSpec
from ...weights import ZOO_FILES, load_state, quiet_transformers, read_json, resolve, sha256

TYPES = ("llava", "llava_next")  # of `model_type` in config.json
ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
WHOLE = 512 * 2**20  # bytes: a larger file is hashed in samples
# What a damaged or foreign checkpoint makes transformers, safetensors and peft raise.
LOADING = (OSError, ValueError, KeyError, RuntimeError, TypeError, AttributeError, ImportError)


def split(spec: ModelSpec) -> tuple[ModelSpec, Path | None]:
    """The base and the adapter that a spec names.

    Raises:
        UserError: the adapter alone is named, and it does not tell its base.
    """
    if spec.adapter is not None:
        return spec.base, spec.adapter
    if spec.scheme != "file" or not (spec.path / ADAPTER_CONFIG).is_file():
        return spec, None
    name = read_json(spec.path / ADAPTER_CONFIG).get("base_model_name_or_path")
    if not isinstance(name, str) or not name:
        raise UserError(
            f"The adapter {str(spec.path)!r} does not tell its base: name both, as in "
            f"hf:llava-hf/llava-1.5-7b-hf+file:{spec.path}.",
            kind="bad_adapter",
        )
    if name.split(":")[0] in ("zoo", "hf", "file"):
        base = ModelSpec.parse(name)
        if base.adapter is None:
            return base, spec.path
        raise UserError(f"The adapter {str(spec.path)!r} stands on another one ({name}).", kind="bad_adapter")
    return ModelSpec("file" if Path(name).expanduser().is_dir() else "hf", name), spec.path


def load_llava(spec: ModelSpec, device: str) -> tuple[Any, Any]:
    """The model in eval mode on `device` and its processor.

    Raises:
        UserError: nothing lies there, it is no LLaVA 1.5 or NeXT, or the adapter is damaged or another model's, or the
            extra that adapters need is missing.
    """
    base, adapter = split(spec)
    resolve(spec)  # an adapter that is not there is told before its base is loaded
    if adapter is not None:
        need("adapters", f"The adapter {str(adapter)!r}")
    folder = resolve(base)
    kind = read_json(folder / "config.json").get("model_type") if folder.is_dir() else None
    if kind not in TYPES:
        raise UserError(
            f"{str(spec)!r} is no LLaVA ({f'its model_type is {kind!r}' if kind else 'no folder with config.json'}): "
            f"name a folder that `save_pretrained` wrote, or a checkpoint such as hf:llava-hf/llava-1.5-7b-hf.",
            kind="bad_weights",
        )
    model, processor = from_folder(folder, spec, device)
    if adapter is not None:
        model = put_on(model, adapter)
    return model.eval(), processor


def from_folder(folder: Path, spec: ModelSpec, device: str) -> tuple[Any, Any]:
    """A picture-and-text model and its processor from a folder, safetensors only. Raises UserError."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    quiet_transformers()
    dtype = torch.float16 if device.startswith("cuda") else torch.float32
    try:
        processor: Any = AutoProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        model: Any = AutoModelForImageTextToText.from_pretrained(
            folder, dtype=dtype, local_files_only=True, use_safetensors=True, trust_remote_code=False
        )
    except Exception as error:
        if not told(error):
            raise
        raise UserError(
            f"{str(spec)!r} cannot be loaded from {str(folder)!r}: {reason(error)}", kind="bad_weights"
        ) from (error)
    if not hasattr(processor, "image_processor") or not hasattr(processor, "tokenizer"):
        raise UserError(
            f"{str(folder)!r} lacks the files of a processor: tokenizer and image processor.", kind="bad_weights"
        )
    return model.to(device).eval(), processor


def put_on(model: Any, folder: Path) -> Any:
    """The model with the adapter of a folder merged into it.

    Raises:
        UserError: the adapter is missing, damaged, of another kind or made for another model.
    """
    from peft import LoraConfig, set_peft_model_state_dict

    try:
        settings = read_json(folder / ADAPTER_CONFIG)
        if settings.get("peft_type") != "LORA":
            raise ValueError(f"its peft_type is {settings.get('peft_type')!r}, and only LORA is known here")
        if not (folder / ADAPTER_WEIGHTS).is_file():
            raise ValueError(f"it lacks {ADAPTER_WEIGHTS} (pickles are not read)")
        state = load_state(folder / ADAPTER_WEIGHTS)
        settings |= {"inference_mode": True, "base_model_name_or_path": None}
        adapted = with_lora(model, LoraConfig.from_peft_type(**settings))
        found = set_peft_model_state_dict(adapted, state)
        wanted = {name for name, _ in adapted.named_parameters() if ".default." in name}
        left = wanted & set(found.missing_keys)
        if left or found.unexpected_keys:
            raise ValueError(
                f"it was made for another model ({len(left)} tensors are missing, "
                f"{len(found.unexpected_keys)} have no place)"
            )
        return adapted.merge_and_unload()
    except Exception as error:
        if not told(error):
            raise
        raise UserError(
            f"The adapter {str(folder)!r} cannot be put on its base: {reason(error)} Make it again with "
            f"`saccade train llava --base SPEC --images FOLDER --out {folder}`.",
            kind="bad_adapter",
        ) from error


def with_lora(model: Any, config: Any) -> Any:
    """The model with fresh LoRA matrices (which do nothing yet), as peft wraps it."""
    from peft import get_peft_model

    with warnings.catch_warnings():
        # peft asks transformers by a name that is going away.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        return get_peft_model(model, config)


def told(error: Exception) -> bool:
    """Whether an error says that files are damaged or foreign (running out of memory is another matter)."""
    from safetensors import SafetensorError

    if type(error).__name__ == "OutOfMemoryError":
        return False
    return isinstance(error, (*LOADING, SafetensorError, UserError))


def reason(error: Exception) -> str:
    """What an error says, in a line that ends with a full stop."""
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return line if line.endswith(".") else f"{line}."


def fingerprint(spec: ModelSpec) -> str:
    """A hash that names a model's weights, adapter included: another hash may answer differently.

    Small files are hashed whole, large ones by their size and samples; a zoo card knows its hash.
    """
    base, adapter = split(spec)
    folder = resolve(base)
    digest = hashlib.sha256()
    for place in (folder, adapter):
        if place is None:
            continue
        if all((place / name).is_file() for name in ZOO_FILES):
            digest.update(json.dumps(read_json(place / "card.json").get("sha256")).encode())
        for path in sorted([*place.glob("*.safetensors"), *place.glob("*.json"), *place.glob("*.jinja")]):
            digest.update(f"{path.name} {_hash(path)}".encode())
    return digest.hexdigest()


def _hash(path: Path) -> str:
    size = path.stat().st_size
    if size <= WHOLE:
        return sha256(path)
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        for part in range(64):
            file.seek(part * (size - 2**20) // 63)
            digest.update(file.read(2**20))
    return digest.hexdigest()
