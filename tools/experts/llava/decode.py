"""Greedy decoding of several prompts at once, whose common beginnings are computed once.

Eight questions on one picture share their beginning (system words and the picture, hundreds of tokens): its keys and
values are computed in one row, kept, and copied to eight; only the questions' own tokens are then fed, padded on the
left, and masked so that no row notices the others. Rows that have ended leave the batch.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ...shared.repetition import goes_round
from .prompt import Prompt

Layers = list[tuple[torch.Tensor, torch.Tensor]]  # keys and values, layer by layer: (1, heads, length, width)


@dataclass(frozen=True)
class Token:
    """A token that was decided: in which row, which, and how probable it was."""

    row: int
    id: int
    probability: float


class Decoder:
    """Decodes prompts with one model. `beginnings` counts how many beginnings were computed.

    Args:
        model: the LLaVA, in eval mode.
        ends: the ids of the tokens that end an answer.
        begin: makes the embeddings of a prompt's beginning, (1, length, width).
        keep: how many beginnings are kept.
    """

    def __init__(self, model: Any, ends: Sequence[int], begin: Callable[[Prompt], torch.Tensor], keep: int) -> None:
        self.language, self.head = model.model.language_model, model.get_output_embeddings()
        self.words = model.get_input_embeddings()
        self.ends, self.begin, self.keep = frozenset(ends), begin, keep
        self.beginnings = 0
        self._kept: OrderedDict[Any, Layers] = OrderedDict()

    def forget(self) -> None:
        """Drop the beginnings that are kept."""
        self._kept.clear()

    @torch.inference_mode()
    def decode(self, prompts: Sequence[Prompt], most: int) -> Iterator[Token]:
        """Tokens as they are decided, row by row, step by step; an end is not told. What goes round in circles ends.

        Args:
            prompts: with beginnings of one length; any number of them may be the same.
            most: tokens an answer may have.
        """
        cache = self._cache(prompts)
        device, length = self.words.weight.device, len(prompts[0].beginning)
        longest = max(len(prompt.rest) for prompt in prompts)
        pads = [longest - len(prompt.rest) for prompt in prompts]
        ids = torch.tensor(
            [[0] * pad + list(prompt.rest) for pad, prompt in zip(pads, prompts, strict=True)], device=device
        )
        mask = torch.ones(len(prompts), length + longest, dtype=torch.long, device=device)
        for row, pad in enumerate(pads):
            mask[row, length : length + pad] = 0
        rows = list(range(len(prompts)))
        written: list[list[int]] = [[] for _ in prompts]
        for step in range(most):
            new = ids.shape[1]
            places = (mask.cumsum(1) - 1).clamp(min=0)[:, -new:]
            states = self.language(
                inputs_embeds=self.words(ids),
                attention_mask=mask,
                position_ids=places,
                past_key_values=cache,
                use_cache=True,
            ).last_hidden_state
            odds = self.head(states[:, -1]).float().softmax(-1)
            best = odds.max(-1)
            tokens, sure = best.indices.tolist(), best.values.tolist()
            live = [place for place, token in enumerate(tokens) if token not in self.ends]
            for place in live:
                written[rows[place]].append(tokens[place])
                yield Token(rows[place], tokens[place], sure[place])
            live = [place for place in live if not goes_round(written[rows[place]])]
            if not live or step + 1 == most:
                return
            if len(live) < len(rows):
                index = torch.tensor(live, device=device)
                cache.batch_select_indices(index)
                mask, best_ids = mask[index], best.indices[index]
                rows = [rows[place] for place in live]
            else:
                best_ids = best.indices
            ids = best_ids[:, None]
            mask = torch.cat([mask, mask.new_ones(len(rows), 1)], 1)

    def _cache(self, prompts: Sequence[Prompt]) -> Any:
        """A cache with every prompt's beginning in its row; beginnings that are not kept are computed together."""
        from transformers import DynamicCache

        different = {prompt.key: prompt for prompt in prompts}
        fresh = [prompt for key, prompt in different.items() if key not in self._kept]
        if fresh:
            cache = DynamicCache()
            self.language(
                inputs_embeds=torch.cat([self.begin(prompt) for prompt in fresh]), past_key_values=cache, use_cache=True
            )
            self.beginnings += len(fresh)
            for place, prompt in enumerate(fresh):
                part = slice(place, place + 1)
                self._kept[prompt.key] = [(layer.keys[part], layer.values[part]) for layer in cache.layers]  # pyright: ignore
        for key in different:
            self._kept.move_to_end(key)
        layers = [self._kept[prompt.key] for prompt in prompts]
        while len(self._kept) > self.keep:
            self._kept.popitem(last=False)
        # Copies: what is written after a beginning never reaches the kept one.
        return DynamicCache(
            [
                tuple(torch.cat([row[place][which] for row in layers]) for which in (0, 1))
                for place in range(len(layers[0]))
            ]
        )
