"""Styles by name: LoRAs (Hu et al. 2021) and textual inversions (Gal et al. 2022) that a prompt calls up.

"a boat in the style of my drawings" calls up the style `drawings` of `[options.painter.styles]`, where there is one;
painters that know styles of their own are given the words as they are.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ....errors import UserError
from ....extras import need
from ....settings import ModelSpec
from ...weights import load_state, resolve
from .options import Options, Style

OWNER = r"(?:my|our|the|your)"


def called(prompt: str, options: Options) -> tuple[str, tuple[str, ...]]:
    """A prompt as the model reads it, and the names of the styles that are to be on for it, in order.

    Args:
        prompt: in the user's words.
        options: names the styles.
    """
    on: list[str] = []
    for name, style in options.styles.items():
        words = style.words or (token_of(name) if style.embedding else name)
        # "in the style of my drawings", "in my drawings style", and the token of an embedding itself
        way = rf"(?:in|with) (?:{OWNER} )?(?:style of (?:{OWNER} )?{re.escape(name)}|{re.escape(name)} style)\b"
        changed, count = re.subn(way, words, prompt, flags=re.IGNORECASE)
        if count or style.always or (style.embedding and token_of(name) in prompt):
            on.append(name)
            prompt = changed
    return prompt, tuple(on)


def token_of(name: str) -> str:
    """What stands for an embedding in a prompt."""
    return f"<{name}>"


class Styles:
    """What of the styles is loaded into which pipeline, and which are on there."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._loaded: dict[int, set[str]] = {}  # by the pipeline's identity

    def put_on(self, pipeline: Any, names: tuple[str, ...]) -> None:
        """Have these styles on in a pipeline, and no others.

        Raises:
            UserError: a style's file is missing, no safetensors, or not of this model (kind "bad_weights").
        """
        loaded = self._loaded.setdefault(id(pipeline), set())
        for name in names:
            if name not in loaded:
                self._load(pipeline, name, self.options.styles[name])
                loaded.add(name)
        loras = {name: self.options.styles[name].scale for name in names if self.options.styles[name].lora}
        if loras:
            pipeline.enable_lora()
            pipeline.set_adapters(list(loras), adapter_weights=list(loras.values()))
        elif any(self.options.styles[name].lora for name in loaded):
            pipeline.disable_lora()

    def _load(self, pipeline: Any, name: str, style: Style) -> None:
        try:
            if style.lora is not None:
                need("adapters", f"The style {name!r} is a LoRA, which")
                pipeline.load_lora_weights(load_state(file_of(style.lora)), adapter_name=name)
            if style.embedding is not None:
                with _hushed():
                    pipeline.load_textual_inversion(load_state(file_of(style.embedding)), token=token_of(name))
        except (ValueError, RuntimeError, KeyError, AttributeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(
                f"The style {name!r} ({style.lora or style.embedding}) does not fit "
                f"{type(pipeline).__name__}: {reason}. It must have been made for this very kind of model.",
                kind="bad_weights",
            ) from error


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """Without transformers' advice on how the rows of a new word are begun: they are given."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def file_of(text: str) -> Path:
    """The one .safetensors file that a style's spec leads to.

    Raises:
        UserError: there is none, or it is of another format, or there are several (kind "bad_weights").
    """
    place = resolve(ModelSpec.parse(text))
    files = [place] if place.is_file() else sorted(place.glob("*.safetensors"))
    if len(files) != 1 or files[0].suffix != ".safetensors":
        found = ", ".join(file.name for file in files) or "none"
        raise UserError(
            f"The style {text!r} must lead to one .safetensors file, and there is: {found}. Name the file itself, as "
            f"in file:/home/me/drawings.safetensors.",
            kind="bad_weights",
        )
    return files[0]
