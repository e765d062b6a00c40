"""Gold traces for the controller: conversations in which every thought, call and answer is the right one.

Which intents are asked for how often, and how long conversations are; `talk.py` makes them. Nothing here is
about tokens; see `controller.py` for those.
"""

from __future__ import annotations

import json
import random
import re
from typing import Any

from ...errors import SaccadeError
from .dialogues import FOLLOW_UPS, PAIRS, Talk
from .trace import Trace
from .wording.families import Family, families

# How often each intent is asked for.
WEIGHTS: dict[str, float] = {
    "count": 12, "exist": 9.5, "color": 7, "material": 6, "shape": 6, "where": 8, "cut_out": 8, "outline": 3.5,
    "crop": 4, "list": 2.5, "biggest": 4, "biggest_query": 3, "biggest_cut_out": 3, "compare_more": 3.5,
    "difference": 3, "total": 3, "backdrop": 2, "labels": 3, "look_closer": 3, "arithmetic": 2.5,
    "it_color": 2.5, "it_material": 2, "it_shape": 2, "it_where": 2, "it_cut_out": 3, "it_crop": 2,
    "it_outline": 2, "decline": 3, "smalltalk": 1.5,
    "describe": 6, "describe_detail": 5, "describe_it": 3, "describe_thing": 2, "open_question": 9, "read": 3.5,
    "read_it": 2.5, "read_thing": 1.5, "compare": 3, "likeness": 1.5, "statement": 3, "inspect": 3, "cross_check": 2,
    "find_memory": 6, "find_like": 3.5, "find_like_but": 2.5, "remember": 6, "forget": 5,
}  # fmt: skip
DRILLS = 0.10  # the share of short conversations with one request, whose answers copy what was observed
DRILLED = (
    "where", "where", "where", "color", "color", "material", "shape", "biggest", "biggest_query", "count",
    "describe_detail", "describe_detail", "describe_detail", "describe_detail",
)  # fmt: skip
OPENINGS = 0.72  # the share of conversations that end with the first step of their first request
LATE_OPENINGS = 0.5  # the same late in a training, when most phrasings are known and conversations are learned
TURNS, LATE_TURNS = (46, 32, 15, 7), (30, 40, 20, 10)  # how often a conversation has 1 to 4 requests
FOLLOWED, LATE_FOLLOWED = 3.0, 6.0  # how much likelier a request about "it" is where a thing was spoken of


def draw_trace(seed: int, folder_families: Any = families, *, late: bool = False) -> Trace:
    """One training conversation: 1 to 4 requests, or (for breadth at little cost) one and its first step alone.

    Args:
        seed: the same seed gives the same conversation.
        folder_families: gives the families of an intent.
        late: more whole conversations, fewer first steps.

    Raises:
        SaccadeError: there are no families to draw from.
    """
    rng = random.Random(seed)
    draw = rng.random()
    if draw < DRILLS:
        talk = Talk(rng)
        intent = rng.choice(DRILLED)
        known = folder_families(intent)
        if known:
            talk.ask(intent, rng.choice(known), 1)
            return talk.trace
    opening = draw < DRILLS + (LATE_OPENINGS if late else OPENINGS)
    talk = Talk(rng, opening=opening)
    first = True
    for _ in range(1 if opening else rng.choices((1, 2, 3, 4), LATE_TURNS if late else TURNS)[0]):
        followed = (LATE_FOLLOWED if late else FOLLOWED) if talk.it else 0.02
        intent, family = draw_family(rng, folder_families, followed)
        pictures = 0
        if intent == "forget":  # the reply to its question is where it is decided
            opening = talk.opening = False
        if intent in PAIRS and len(talk.given) != 2 and rng.random() < 0.95:
            talk.ask(intent, family, rng.choice((2, 2, 2, 3)) if intent != "statement" else 2)
            first = False
            continue
        if (first and rng.random() < 0.96) or (not talk.given and rng.random() < 0.8) or rng.random() < 0.08:
            pictures = 1 if rng.random() < 0.88 else rng.choice((2, 2, 3))
        if intent in FOLLOW_UPS and pictures and talk.it:
            pictures = 0
        talk.ask(intent, family, pictures)
        first = False
        while talk.doubtful and not opening and rng.random() < 0.8:
            reply = rng.choice(("yes", "yes", "no"))
            known = folder_families(reply)
            if not known:
                break
            talk.ask(reply, rng.choice(known), 0)
    if rng.random() < 0.4:
        _renumber(talk.trace, rng.randrange(0, 9), rng.randrange(0, 40))
    return talk.trace


def _renumber(trace: Trace, pictures: int, regions: int) -> None:
    """Count all handles on from higher numbers, as in a long conversation whose beginning is not shown."""

    def higher(text: str) -> str:
        text = re.sub(r"\bimg_(\d+)", lambda match: f"img_{int(match[1]) + pictures}", text)
        return re.sub(r"\breg_(\d+)", lambda match: f"reg_{int(match[1]) + regions}", text)

    if any("picture 1" in message.content or "number" in message.content for message in trace.messages):
        pictures = 0
    for message in trace.messages:
        message.content = higher(message.content)
        message.calls = [(name, json.loads(higher(json.dumps(arguments)))) for name, arguments in message.calls]
    for turn in trace.turns:
        turn.calls = [[(n, json.loads(higher(json.dumps(a)))) for n, a in calls] for calls in turn.calls]


def draw_family(rng: random.Random, source: Any = families, followed: float = 0.02) -> tuple[str, Family]:
    """An intent by its weight, that of requests about "it" times `followed`, and one of its families."""
    weights = {
        intent: weight * followed if intent in FOLLOW_UPS else weight
        for intent, weight in WEIGHTS.items()
        if source(intent)
    }
    if not weights:
        raise SaccadeError("There are no families of phrasing to draw from.")
    intent = rng.choices(list(weights), list(weights.values()))[0]
    return intent, rng.choice(source(intent))
