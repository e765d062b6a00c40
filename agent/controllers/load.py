"""From a model spec to the chat model that controls: local weights, a server, or a script."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...errors import UserError
from ...settings import ModelSpec

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import BaseChatModel

BUNDLED_TEXT, HUB_TEXT = 400, 1600  # characters that a thought or an answer may have


def load_controller(spec: ModelSpec | str, device: str = "auto", threads: int = 1) -> BaseChatModel:
    """The chat model behind a spec. Local weights load at their first use, not here.

    Args:
        spec: `zoo:NAME`, `hf:OWNER/NAME`, `file:FOLDER` (a causal LM in the Hugging Face format),
            `openai:MODEL` (a server that speaks OpenAI's protocol: the one at OPENAI_BASE_URL, or
            OpenAI's own with OPENAI_API_KEY), or `script:FILE.json`.
        device: where local weights go.
        threads: CPU threads of a local model.

    Raises:
        UserError: the spec has no known scheme, its weights are missing, no server is named, or the
            script cannot be read.
    """
    if isinstance(spec, str):
        spec = ModelSpec.parse(spec)
    if spec.scheme == "script":
        from .scripted import ScriptedController

        return ScriptedController.from_file(spec.name)
    if spec.scheme == "openai":
        return _server(spec)
    from ...tools.experts.weights import resolve
    from .local import LocalChatModel

    resolve(spec)  # missing weights are told before anything is written
    text = BUNDLED_TEXT if spec.scheme == "zoo" else HUB_TEXT
    return LocalChatModel(spec=str(spec), device=device, threads=threads, max_text=text)


def _server(spec: ModelSpec) -> BaseChatModel:
    base, key = os.environ.get("OPENAI_BASE_URL"), os.environ.get("OPENAI_API_KEY")
    if not base and not key:
        raise UserError(
            f"{str(spec)!r} needs a server: set OPENAI_BASE_URL (for vLLM, Ollama or llama.cpp, as in "
            "http://localhost:8000/v1), or OPENAI_API_KEY for OpenAI's own.",
            kind="missing_server",
        )
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    # Local servers ask for no key, but the client wants one.
    return ChatOpenAI(model=spec.name, base_url=base, api_key=SecretStr(key or "none"))
