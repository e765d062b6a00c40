"""A local causal LM in memory: its prompt, its kept keys and values, its greedy decoding under a grammar."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage

from ...errors import UserError
from ...prompts.calls import CLOSE, OPEN
from ...settings import ModelSpec
from ...tools.language_models import open_language_model
from ...tools.shared.repetition import goes_round
from .grammar import GrammarCache
from .traits import Traits
from .transcript import for_template, form_of, shorten


class Loaded:
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
        self.form = form_of(lambda messages: tokenizer.apply_chat_template(messages, tokenize=False))
        self._cache: Any = None
        self._cached: list[int] = []

    @classmethod
    def open(cls, spec: ModelSpec, device: str, threads: int, traits: Traits) -> Loaded:
        """Load a folder in the format of `save_pretrained`, or an adapter and the base that it names.

        Raises:
            UserError: the files are missing or cannot be used, or the device is not there.
        """
        import torch

        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise UserError(
                f"The device {device!r} was asked for, but there is no GPU here. Set SACCADE_DEVICE=cpu.",
                kind="bad_device",
            )
        torch.set_num_threads(threads)
        model, tokenizer = open_language_model(spec, "auto" if device != "cpu" else traits.dtype)
        return cls(model.to(device).eval(), tokenizer, device)

    def prompt(
        self,
        messages: list[BaseMessage],
        limit: int,
        *,
        references: bool = False,
        usual: int | None = None,
        condense: bool = True,
    ) -> list[int]:
        """The prompt's tokens, at most `limit`; the oldest turns go first (see `transcript.shorten`).

        Args:
            messages: the conversation.
            limit: what may not be exceeded.
            references: see `transcript.for_template`.
            usual: what is exceeded only by a turn that is longer by itself.
            condense: see `transcript.shorten`.

        Raises:
            UserError: the running turn alone is too long ("context_too_long").
        """
        kept = messages
        while True:
            told = for_template(kept, self.form, references=references)
            encoded = self.tokenizer.apply_chat_template(
                told, add_generation_prompt=True, tokenize=True, return_dict=True
            )
            tokens = list(encoded["input_ids"])
            alone = sum(isinstance(message, HumanMessage) for message in kept) < 2
            if len(tokens) <= (limit if usual is None or alone else min(limit, usual)):
                return tokens
            shorter = shorten(kept, condense=condense)
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
