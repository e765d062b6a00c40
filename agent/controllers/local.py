"""A local causal LM as a LangChain chat model, its tool calls constrained to what fits.

One class serves the bundled controller and any instruct model in the Hugging Face format: the
tokenizer's own chat template makes the prompt, the grammar of `controllers.grammar` says what may follow,
and the answer is parsed by `prompts.calls`. Decoding is greedy, in a loop of our own: tokens that
the grammar forces are taken together in one forward, and the keys and values of the prompt's
unchanged beginning are kept from call to call.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field, PrivateAttr

from ...prompts.calls import parse_assistant
from ...prompts.other_calls import calls_in
from ...prompts.references import filled, is_open
from ...settings import ControllerSettings, ModelSpec
from ...tools.weights import declared_by, resolve
from ..answers.references import WRITTEN, Referring, references_of
from ..messages import call_ids
from .loaded import Loaded
from .tool_text import with_tools
from .traits import Traits
from .verbatim import Verbatim


class LocalChatModel(BaseChatModel):
    """A causal LM and its tokenizer behind LangChain's chat interface.

    Args:
        spec: `zoo:NAME`, `hf:OWNER/NAME` (from the local cache) or `file:FOLDER`.
        device: "cpu", "cuda", "cuda:1" or "auto".
        threads: CPU threads while it decodes; small models are fastest with one.
        max_text: how many characters a thought or an answer may have; None takes what the model declares.
        max_tokens: how many tokens one answer may have; a call that is cut off by it is not made.
        max_context: prompt tokens; None takes what the model was made for.

    Tools are bound as with any chat model; `handles=[...]` (a keyword of `bind_tools` or `invoke`)
    are the handles that calls may name, `must_call=True` leaves it nothing but a call, and `check=...` is called
    between tokens and may raise to stop the model. The weights load at the first use.
    """

    spec: str
    device: str = "auto"
    threads: int = 1
    max_text: int | None = None
    max_tokens: int = 1024
    max_context: int | None = None
    options: dict[str, Any] = Field(default_factory=dict)  # what the profile says of it, over its own traits

    _loaded: Loaded | None = PrivateAttr(default=None)
    _lock: Any = PrivateAttr(default_factory=threading.Lock)

    @property
    def _llm_type(self) -> str:
        return "saccade-local"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"spec": self.spec}

    @cached_property
    def traits(self) -> Traits:
        """What the model declares that it needs, in its `config.json` under "saccade"; the grammar takes handles."""
        declared = declared_by(ModelSpec.parse(self.spec))
        return Traits.model_validate(declared | {"handles": True} | self.options)

    @property
    def ready(self) -> bool:
        """Whether the weights are in memory."""
        return self._loaded is not None

    def load(self) -> None:
        """Load the weights now rather than at the first use.

        Raises:
            UserError: the spec names nothing that can be loaded, or the device is not there.
        """
        with self._lock:
            self._load()

    def _load(self) -> Loaded:
        if self._loaded is None:
            self._loaded = Loaded.open(ModelSpec.parse(self.spec), self.device, self.threads, self.traits)
        return self._loaded

    def check_fits(self, request: str, tools: Sequence[dict[str, Any]], system: str | None = None) -> None:
        """See whether a request could be answered at all: it, the system message and the tools within the context.

        Raises:
            UserError: it is too long.
        """
        told: list[BaseMessage] = [SystemMessage(system)] if system else []
        with self._lock:
            loaded = self._load()
            self._prompt(loaded, [*told, HumanMessage(request)], tools)

    def _prompt(self, loaded: Loaded, messages: list[BaseMessage], tools: Sequence[dict[str, Any]]) -> list[int]:
        """The prompt's tokens; a model that reads a system message finds the tools there, in few words."""
        traits = self.traits
        if traits.system_prompt and tools:
            system = [one for one in messages if isinstance(one, SystemMessage)]
            told = with_tools(system[0].text if system else "", tools)
            messages = [SystemMessage(told), *(one for one in messages if not isinstance(one, SystemMessage))]
        return loaded.prompt(
            messages, self._limit(loaded), references=traits.references, usual=traits.context, condense=traits.condenses
        )

    def _limit(self, loaded: Loaded) -> int:
        """How many tokens a prompt may have, so that there is room for an answer."""
        return (self.max_context or loaded.context) - min(self.max_tokens, loaded.context // 4)

    def bind_tools(self, tools: Sequence[Any], *, tool_choice: Any = None, **kwargs: Any) -> Runnable[Any, AIMessage]:
        """Offer tools; what is written then fits their schemas. `tool_choice` is left to the model."""
        schemas = [tool if isinstance(tool, dict) else convert_to_openai_tool(tool) for tool in tools]
        return self.bind(tools=schemas, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        text, usage = "", None
        for piece, counted in self._decode(messages, stop, **kwargs):
            text += piece
            usage = counted or usage
        message = self._message(text, messages, kwargs.get("tools", ()))
        message.usage_metadata = usage
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        """Free text as it is written; the calls, which are only whole when they are over, in the last chunk."""
        text, shown, usage = "", 0, None
        known = references_of(messages) if self.traits.references else {}
        for piece, counted in self._decode(messages, stop, **kwargs):
            text += piece
            usage = counted or usage
            # A newline may be the one before a call, and a "<" the call itself.
            free = text.partition("<")[0]
            free = filled(free[: len(free) - is_open(free)], known).rstrip()
            if len(free) > shown:
                new, shown = free[shown:], len(free)
                chunk = ChatGenerationChunk(message=AIMessageChunk(content=new))
                if run_manager:
                    run_manager.on_llm_new_token(new, chunk=chunk)
                yield chunk
        message = self._message(text, messages, kwargs.get("tools", ()))
        yield ChatGenerationChunk(
            message=AIMessageChunk(
                content=message.text[shown:],
                additional_kwargs=message.additional_kwargs,
                tool_calls=message.tool_calls,
                usage_metadata=usage,
                chunk_position="last",
            )
        )

    def _message(self, text: str, messages: Sequence[BaseMessage], tools: Sequence[dict[str, Any]]) -> AIMessage:
        parsed = parse_assistant(text)
        if not parsed.calls and tools:
            parsed = calls_in(text, {tool["function"]["name"] for tool in tools})
        ids = call_ids(messages, len(parsed.calls))
        content = filled(parsed.thought, references_of(messages)) if self.traits.references else parsed.thought
        return AIMessage(
            content=content,
            additional_kwargs={WRITTEN: parsed.thought} if content != parsed.thought else {},
            tool_calls=[
                {"name": name, "args": arguments, "id": id, "type": "tool_call"}
                for (name, arguments), id in zip(parsed.calls, ids, strict=True)
            ],
        )

    def _decode(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        *,
        tools: Sequence[dict[str, Any]] = (),
        handles: Sequence[str] = (),
        must_call: bool = False,
        check: Callable[[], None] = lambda: None,
        **_: Any,
    ) -> Iterator[tuple[str, Any]]:
        """Pieces of the assistant's text as they are decided, the last one with the count of tokens."""
        with self._lock:
            loaded = self._load()
            prompt = self._prompt(loaded, messages, tools)
            traits = self.traits
            verbatim = Verbatim.of(messages) if traits.verbatim else None
            referring = Referring.of(messages) if traits.references else None
            matcher = loaded.grammars.matcher(
                tools,
                handles,
                self.max_text or traits.max_text,
                verbatim,
                referring=referring,
                must_call=must_call,
            )
            most = min(self.max_tokens, (self.max_context or loaded.context) - len(prompt))
            for piece in loaded.decode(prompt, matcher, most, stop or []):
                check()  # between two tokens, so that whoever stops a turn need not wait for the rest of it
                yield piece


def load(spec: ModelSpec, settings: ControllerSettings) -> LocalChatModel:
    """The chat model of local weights. Raises UserError where they are missing, before anything is written."""
    resolve(spec)
    return LocalChatModel(
        spec=str(spec), device=settings.device, threads=settings.threads, options=dict(settings.options)
    )
