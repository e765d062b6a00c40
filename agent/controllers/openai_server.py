"""A controller behind a server that speaks OpenAI's protocol: OpenAI's own, vLLM, Ollama, llama.cpp."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...errors import UserError
from ...extras import missing_extra, need
from ...settings import ControllerSettings, ModelSpec


def missing(spec: ModelSpec) -> str | None:
    """What must be installed or set before the server can be asked; None where all is."""
    lacks = missing_extra("openai")
    if lacks is not None:
        return lacks
    if os.environ.get("OPENAI_BASE_URL") or os.environ.get("OPENAI_API_KEY"):
        return None
    return (
        f"{str(spec)!r} needs a server: set OPENAI_BASE_URL (for vLLM, Ollama or llama.cpp, as in "
        "http://localhost:8000/v1), or OPENAI_API_KEY for OpenAI's own."
    )


def load(spec: ModelSpec, settings: ControllerSettings) -> Any:
    """The chat model `openai:MODEL`. Device and threads are the server's own affair.

    Raises:
        UserError: no server is named (kind "missing_server"), or its client is not installed ("missing_extra").
    """
    need("openai", f"The controller {spec}")
    lacks = missing(spec)
    if lacks is not None:
        raise UserError(lacks, kind="missing_server")
    base, key = os.environ.get("OPENAI_BASE_URL"), os.environ.get("OPENAI_API_KEY")
    from langchain_openai import ChatOpenAI
    from openai import OpenAIError
    from pydantic import SecretStr

    @contextmanager
    def told() -> Iterator[None]:
        """What the server or the line to it does wrong, as an error that the user can do something about."""
        try:
            yield
        except OpenAIError as error:
            raise UserError(
                f"The controller {spec} could not be asked: {error} "
                "Check OPENAI_BASE_URL, OPENAI_API_KEY and that the server runs.",
                kind="controller_unreachable",
            ) from error

    class ServedChatModel(ChatOpenAI):
        """LangChain's client, whose errors say what to check."""

        def _generate(self, *given: Any, **named: Any) -> Any:
            with told():
                return super()._generate(*given, **named)

        def _stream(self, *given: Any, **named: Any) -> Iterator[Any]:
            with told():
                yield from super()._stream(*given, **named)

    # Local servers ask for no key, but the client wants one.
    return ServedChatModel(model=spec.name, base_url=base, api_key=SecretStr(key or "none"))
