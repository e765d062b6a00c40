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

from ...errors import UserError
from ...prompts.calls import CLOSE, OPEN, parse_assistant
from ...settings import ControllerSettings, ModelSpec
from ...tools.shared.repetition import goes_round
from ...tools.weights import declared_by, resolve
from ..messages import call_ids
from .grammar import GrammarCache
from .traits import Traits
from .transcript import for_template, shorten
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
    are the handles that calls may name, and `check=...` is called between tokens and may raise to stop the
    model. The weights load at the first use.
    """

    spec: str
    device: str = "auto"
    threads: int = 1
    max_text: int | None = None
    max_tokens: int = 1024
    max_context: int | None = None
    options: dict[str, Any] = Field(default_factory=dict)  # what the profile says of it, over its own traits

    _loaded: _Loaded | None = PrivateAttr(default=None)
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

    def _load(self) -> _Loaded:
        if self._loaded is None:
            self._loaded = _Loaded.open(ModelSpec.parse(self.spec), self.device, self.threads)
        return self._loaded

    def check_fits(self, request: str, tools: Sequence[dict[str, Any]], system: str | None = None) -> None:
        """See whether a request could be answered at all: it, the system message and the tools within the context.

        Raises:
            UserError: it is too long.
        """
        told: list[BaseMessage] = [SystemMessage(system)] if system else []
        with self._lock:
            loaded = self._load()
            loaded.prompt([*told, HumanMessage(request)], list(tools), self._limit(loaded))

    def _limit(self, loaded: _Loaded) -> int:
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
        message = self._message(text, messages)
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
        for piece, counted in self._decode(messages, stop, **kwargs):
            text += piece
            usage = counted or usage
            # A newline may be the one before a call, and a "<" the call itself.
            free = len(text.partition("<")[0].rstrip())
            if free > shown:
                new, shown = text[shown:free], free
                chunk = ChatGenerationChunk(message=AIMessageChunk(content=new))
                if run_manager:
                    run_manager.on_llm_new_token(new, chunk=chunk)
                yield chunk
        message = self._message(text, messages)
        yield ChatGenerationChunk(
            message=AIMessageChunk(
                content=message.text[shown:],
                tool_calls=message.tool_calls,
                usage_metadata=usage,
                chunk_position="last",
            )
        )

    def _message(self, text: str, messages: Sequence[BaseMessage]) -> AIMessage:
        parsed = parse_assistant(text)
        ids = call_ids(messages, len(parsed.calls))
        return AIMessage(
            content=parsed.thought,
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
        check: Callable[[], None] = lambda: None,
        **_: Any,
    ) -> Iterator[tuple[str, Any]]:
        """Pieces of the assistant's text as they are decided, the last one with the count of tokens."""
        with self._lock:
            loaded = self._load()
            prompt = loaded.prompt(messages, list(tools), self._limit(loaded))
            verbatim = Verbatim.of(messages) if self.traits.verbatim else None
            matcher = loaded.grammars.matcher(tools, handles, self.max_text or self.traits.max_text, verbatim)
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


class _Loaded:
    """The model, its tokenizer, its grammars and the kept keys and values."""

    def __init__(self, model: Any, tokenizer: Any, device: str) -> None:
        import llguidance.hf

        self.model = model
        self.tokenizer = tokenizer
        self.device = device
        self.context: int = getattr(model.config, "max_position_embeddings", None) or 4096
        self.vocabulary: int = model.config.vocab_size
        ends = model.generation_config.eos_token_id
        ends = ends if isinstance(ends, list) else [ends]
        self.ends = list(dict.fromkeys(end for end in [tokenizer.eos_token_id, *ends] if end is not None))
        if not self.ends:
            raise UserError("The controller's tokenizer names no end-of-turn token (eos_token).", kind="bad_weights")
        known = tokenizer.get_added_vocab()
        view = llguidance.hf.from_tokenizer(tokenizer, n_vocab=self.vocabulary, eos_token=self.ends)
        self.grammars = GrammarCache(view, [marker for marker in (OPEN, CLOSE) if marker in known])
        self._cache: Any = None
        self._cached: list[int] = []

    @classmethod
    def open(cls, spec: ModelSpec, device: str, threads: int) -> _Loaded:
        """Load a folder in the format of `save_pretrained`. Raises UserError where that cannot be done."""
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        from ...tools.weights import quiet_transformers

        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise UserError(
                f"The device {device!r} was asked for, but there is no GPU here. Set SACCADE_DEVICE=cpu.",
                kind="bad_device",
            )
        folder = resolve(spec)
        quiet_transformers()
        torch.set_num_threads(threads)
        # On a CPU half precision is several times slower than fp32.
        dtype = torch.float32 if device == "cpu" else "auto"
        try:
            tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            tokenizer.model_max_length = int(1e9)  # conversations are shortened here, and need no warning
            model: Any = AutoModelForCausalLM.from_pretrained(
                folder, dtype=dtype, local_files_only=True, use_safetensors=True, trust_remote_code=False
            )
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise UserError(
                f"The controller {spec} cannot be loaded from {str(folder)!r}: {str(error).splitlines()[0]} "
                "It must be a causal LM with its tokenizer, as `save_pretrained` writes them.",
                kind="bad_weights",
            ) from error
        if not tokenizer.chat_template:
            raise UserError(f"The controller {spec} has no chat template: take an instruct model.", kind="bad_weights")
        return cls(model.to(device).eval(), tokenizer, device)

    def prompt(self, messages: list[BaseMessage], tools: list[dict[str, Any]], limit: int) -> list[int]:
        """The prompt's tokens, at most `limit`; the oldest turns go first (see `transcript.shorten`)."""
        kept = messages
        while True:
            encoded = self.tokenizer.apply_chat_template(
                for_template(kept), tools=tools or None, add_generation_prompt=True, tokenize=True, return_dict=True
            )
            tokens = list(encoded["input_ids"])
            if len(tokens) <= limit:
                return tokens
            shorter = shorten(kept)
            if shorter is None:
                raise UserError(
                    f"The request is too long for the controller: {len(tokens)} tokens, and {limit} fit. "
                    "Say it in fewer words, send fewer pictures at once, or use a controller with a longer context.",
                    kind="context_too_long",
                )
            kept = shorter

    def forward(self, tokens: list[int]) -> Any:
        """Feed tokens after those in the cache; the logits after the last one, (vocabulary,) float32."""
        import torch

        with torch.inference_mode():
            out = self.model(
                input_ids=torch.tensor([tokens], device=self.device),
                past_key_values=self._cache,
                use_cache=True,
                logits_to_keep=1,
            )
        self._cached += tokens
        return out.logits[0, -1].float().cpu().numpy()

    def rewind(self, prompt: list[int]) -> list[int]:
        """Keep the cache as far as the prompt begins with what it holds; the tokens still to be fed."""
        from transformers import DynamicCache

        same = 0
        for old, new in zip(self._cached, prompt[:-1], strict=False):
            if old != new:
                break
            same += 1
        if self._cache is None or same == 0 or not _can_crop(self._cache):
            self._cache, same = DynamicCache(config=self.model.config), 0
        elif same < len(self._cached):
            self._cache.crop(same - len(self._cached))  # negative: how many to take away
        self._cached = self._cached[:same]
        return prompt[same:]

    def decode(self, prompt: list[int], matcher: Any, most: int, stop: Sequence[str]) -> Iterator[tuple[str, Any]]:
        """Greedy decoding under the grammar, ended where it goes round in circles; text as decided, then the usage."""
        import numpy as np

        written: list[int] = []
        text = whole = ""
        try:
            waiting = self.rewind(prompt)
            while len(written) < most and not goes_round(written):
                forced = matcher.compute_ff_tokens()
                if forced:
                    matcher.consume_tokens(forced)
                    written += forced
                    waiting += forced
                elif matcher.is_stopped():
                    break
                else:
                    logits = self.forward(waiting)
                    allowed = np.frombuffer(matcher.compute_logit_bias(), dtype=np.uint8)[: len(logits)] > 0
                    token = int(np.where(allowed, logits[: len(allowed)], -np.inf).argmax())
                    if token in self.ends:
                        break
                    if not matcher.consume_token(token):
                        raise RuntimeError(f"the grammar refused its own token {token}: {matcher.get_error()}")
                    written.append(token)
                    waiting = [token]
                whole = self.tokenizer.decode(written, skip_special_tokens=False, clean_up_tokenization_spaces=False)
                cut = min((at for at in (whole.find(word) for word in stop) if at >= 0), default=-1)
                if cut >= 0:
                    whole = whole[:cut]
                    break
                if not whole.endswith("�"):  # half of a character: its other bytes come with the next token
                    shown = whole[: len(whole) - _begun(whole, stop)]
                    yield shown[len(text) :], None
                    text = shown
        except BaseException:
            self._cache, self._cached = None, []  # nobody knows how far it got
            raise
        yield (
            whole[len(text) :],
            {
                "input_tokens": len(prompt),
                "output_tokens": len(written),
                "total_tokens": len(prompt) + len(written),
            },
        )


def _begun(text: str, stop: Sequence[str]) -> int:
    """How many characters at the end of the text may be the beginning of a stop string."""
    return max((n for word in stop for n in range(1, len(word)) if text.endswith(word[:n])), default=0)


def _can_crop(cache: Any) -> bool:
    """Whether the cache can be cut back: a sliding window or a recurrent state cannot."""
    layers = getattr(cache, "layers", [])
    return bool(layers) and all(type(layer).__name__ == "DynamicLayer" for layer in layers)
