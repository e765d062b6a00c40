"""How a tiny model comes to copy: heads that are planted at the start, and exercises in saying things again.

A model of two million weights that is trained on the task alone never learns to copy the user's words into
its calls. Copying is the work of *induction heads* (Olsson et al. 2022): in one layer, each token is told
what stands before it; in the next, a token looks for the place whose predecessor is like itself and repeats
what stands there. Random weights find that arrangement late; here it is planted, and training refines it.
"""

from __future__ import annotations

import random
from typing import Any

import torch

from .plans.steps import Call
from .trace import Message, Trace
from .wording.noun_phrases import EVERYDAY, invented

PLANTED = 4  # heads in each of the first two layers
CONSTANT = 0.4  # a share of every embedding that is the same for all tokens; dimension 0 holds it
NORM = 1.0  # length of an embedding
SLOW = 6  # the first pair of rotary dimensions that turns slowly enough to carry content


@torch.no_grad()
def plant_copying(model: Any, seed: int = 0) -> None:
    """Set the first heads of the first two layers of a Llama to copy.

    Layer 0: the query and key of a planted head see only the constant dimension, turned so that the
    rotary positions make each token attend to the one before it (two heads) or to the one before that (two
    more); the value is a projection of that token. Layer 1: a head looks for a place whose two predecessors
    are like the current token and its predecessor (a blank alone would tell little), and adds the token
    that it finds to the residual stream, whose embeddings are tied to the output.
    """
    config = model.config
    heads, width = config.num_attention_heads, config.hidden_size
    size = width // heads
    pairs = size // 2
    generator = torch.Generator().manual_seed(seed)
    embeddings = model.model.embed_tokens.weight
    drawn = torch.randn(embeddings.shape, generator=generator)
    embeddings.copy_(NORM * drawn / drawn.norm(dim=1, keepdim=True))  # equally long, so that all are heard alike
    embeddings[:, 0] = CONSTANT
    first, second = (model.model.layers[n].self_attn for n in (0, 1))
    turns = model.model.rotary_emb.inv_freq

    def basis(count: int) -> torch.Tensor:  # (count, width), orthonormal rows that leave dimension 0 alone
        square = torch.randn(width - 1, width - 1, generator=generator)
        rows = torch.linalg.qr(square)[0][:count]
        return torch.cat([torch.zeros(count, 1), rows], 1)

    half = PLANTED // 2 * size
    read, said = basis(half), basis(PLANTED * size)
    before, earlier = basis(2 * half).split(half)  # where layer 0 writes the token before, and the one before that
    slow = [at for at in range(size) if at % pairs >= SLOW]
    for head in range(PLANTED):
        start = head * size
        rows, same = slice(start, start + size), slice(start % half, start % half + size)
        for layer in (first.q_proj, first.k_proj, second.q_proj, second.k_proj):
            layer.weight[rows] = 0
        back = 1 if head < PLANTED // 2 else 2
        for at in range(SLOW):
            first.q_proj.weight[start + at, 0] = 2.2
            first.k_proj.weight[start + at, 0] = 2.2 * torch.cos(back * turns[at])
            first.k_proj.weight[start + pairs + at, 0] = 2.2 * torch.sin(back * turns[at])
        first.v_proj.weight[rows] = 0.3 * read[same]
        first.o_proj.weight[:, rows] = 0.3 * (before if back == 1 else earlier)[same].T
        for number, at in enumerate(slow):
            here = start % half + at
            mine, its = (read, before) if number % 2 else (before, earlier)
            second.q_proj.weight[start + at] = 2.6 * mine[here]
            second.k_proj.weight[start + at] = 2.6 * its[here]
        second.v_proj.weight[rows] = 0.5 * said[rows]
        second.o_proj.weight[:, rows] = 0.5 * said[rows].T


def copy_trace(seed: int) -> Trace:
    """An exercise: random words, handles and numbers, to be said again, or a part of them to be put into a call."""
    rng = random.Random(seed)

    def word() -> str:
        draw = rng.random()
        if draw < 0.5:
            return invented(rng)
        if draw < 0.75:
            return rng.choice(EVERYDAY)
        return f"{rng.choice(('img', 'reg'))}_{rng.randrange(1, 60)}" if draw < 0.9 else str(rng.randrange(1000))

    words = [word() for _ in range(rng.randrange(3, 12))]
    if rng.random() < 0.5:
        return Trace([Message("user", " ".join(words)), Message("assistant", " ".join(words))])
    at = rng.randrange(len(words) - 2)
    said = words[at : at + rng.choice((1, 2, 2, 3))]
    asked = " ".join([*words[:at], "look for", *said, ",", *words[at + len(said) :]])
    call: Call = ("find_objects", {"image": f"img_{rng.randrange(1, 20)}", "phrase": " ".join(said)})
    line = f"Pictures: {call[1]['image']} ({rng.randrange(100, 2000)} x {rng.randrange(100, 2000)} px).\n"
    return Trace([Message("user", line + asked), Message("assistant", f"I look for {' '.join(said)}.", [call])])
