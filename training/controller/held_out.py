"""Conversations in families of phrasing that never train: a quick look at the controller alone, without pictures."""

from __future__ import annotations

import random

from ...errors import UserError, suggest
from .dialogues import FOLLOW_UPS, PAIRS, REPLIES, Talk
from .plans.memory import MEMORY_PLANS
from .plans.words import LOOK_PLANS
from .trace import Trace
from .wording.families import DEV, HELD_OUT, Family, families

KINDS = ("count", "exist", "query", "where", "cut_out")
QUERIES = ("color", "material", "shape")
LEARNED = (*LOOK_PLANS, *MEMORY_PLANS)  # intents that ask a model that writes or reads, or memory


def held_out_traces(held_out: str, count: int, seed: int, noise: float = 0.0) -> list[Trace]:
    """Conversations of one request each, in the same mix, over boxes without pixels."""
    check_set(held_out)
    traces: list[Trace] = []
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        intent = QUERIES[(number // len(KINDS)) % len(QUERIES)] if kind == "query" else kind
        traces.append(_trace(intent, held_out, number, f"{seed} {held_out} {number}", noise))
    return traces


def learned_traces(held_out: str, each: int, seed: int, noise: float = 0.0) -> list[Trace]:
    """Conversations that end in a request for describing, reading, memory and the like; `each` of every intent."""
    check_set(held_out)
    return [
        _trace(intent, held_out, number * len(KINDS), f"{seed} {held_out} {intent} {number}", noise)
        for intent in LEARNED
        if families(intent, held_out)
        for number in range(each)
    ]


def _trace(intent: str, held_out: str, number: int, seed: str, noise: float) -> Trace:
    """One request, after one that makes it possible where it needs that; only the last is to be judged."""
    rng = random.Random(seed)
    talk = Talk(rng, noise=noise, outside=0.0, flawless=True)
    pictures = 2 if intent in PAIRS else 1
    if intent in FOLLOW_UPS or intent in REPLIES:
        before = "forget" if intent in REPLIES else "where"
        while not (talk.doubtful or talk.it):
            talk = Talk(rng, noise=noise, outside=0.0, flawless=True)
            talk.ask(before, rng.choice(families(before)), 1)
        for message in talk.trace.messages:
            message.learn = False
        pictures = 0
    talk.ask(intent, family_in_turn(intent, held_out, number, rng), pictures)
    return talk.trace


def check_set(held_out: str) -> None:
    """Refuse the name of a set that there is not. Raises UserError."""
    if held_out not in (*HELD_OUT, DEV):
        raise UserError(f"Unknown held-out set {held_out!r}.{suggest(held_out, HELD_OUT)}", kind="unknown_set")


def family_in_turn(intent: str, held_out: str, number: int, rng: random.Random) -> Family:
    """Families in turn, so that each is asked about equally often. Raises UserError where a set has none."""
    known = families(intent, held_out)
    if not known:
        raise UserError(f"The held-out set {held_out!r} has no phrasings for {intent!r}.", kind="no_phrasings")
    return known[(number // len(KINDS)) % len(known)] if rng.random() < 0.9 else rng.choice(known)
