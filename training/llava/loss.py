"""What LLaVA is taught by: the words of the assistant, and beside them the names of what patches show."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from .inputs import Looked
from .lessons import PATCHES, WEIGHT, Batch, mask_of
from .tower import Prepared


def losses_of(
    model: Any, batch: Batch, seen: torch.Tensor, targets: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """The weighted sum of the cross entropies of a batch.

    Args:
        model: the whole model.
        batch: rows.
        seen: (pictures, 64, hidden), what stands in the places of the pictures.
        targets: (rows, longest) what shall be said; the rows themselves unless given.

    Returns:
        The sum; and (right, all) answer tokens as they would be said after the true words before them.
    """
    device = seen.device
    tokens, weights = batch.tokens.to(device), batch.weights.to(device)
    words = model.get_input_embeddings()(tokens)
    head = 1 + PATCHES * (len(batch.pictures) // len(tokens))
    hidden = torch.cat([words[:, :1], seen.reshape(len(tokens), head - 1, -1).to(words.dtype), words[:, head:]], 1)
    out = model.model.language_model(
        inputs_embeds=hidden, attention_mask=_added(mask_of(batch.block.to(device))),
        position_ids=batch.positions.to(device),
        use_cache=False,
    ).last_hidden_state  # fmt: skip
    chosen = weights[:, 1:] > 0
    logits = model.lm_head(out[:, :-1][chosen]).float()
    target, weight = (tokens if targets is None else targets)[:, 1:][chosen], weights[:, 1:][chosen]
    loss = (F.cross_entropy(logits, target, reduction="none") * weight).sum()
    answers = weight == WEIGHT
    return loss, torch.stack([(logits.argmax(-1) == target)[answers].sum(), answers.sum()])


def _added(mask: torch.Tensor) -> torch.Tensor:
    """A mask as every kind of attention takes it: added to the scores."""
    return torch.zeros(mask.shape, device=mask.device).masked_fill(~mask, torch.finfo(torch.float32).min)


def naming(heads: Prepared, states: torch.Tensor, shown: Looked) -> torch.Tensor:
    """The loss of the heads that name patches, summed over pictures; it keeps the tower exact about places."""
    device = states.device
    loss = torch.zeros((), device=device)
    if shown.wholes:
        loss = loss + len(shown.wholes) * heads.name_things(states[shown.wholes], shown.codes.to(device))
    if shown.signs:
        loss = loss + 2 * len(shown.signs) * heads.name_letters(states[shown.signs], shown.letters.to(device))[0]
    return loss
