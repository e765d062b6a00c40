"""Held-out cases for the tools that write, read, compare, measure and remember: which calls a request should lead to.

The calls are what is judged: what they give back is the experts' and memory's own affair (see `evals.memory` and
`evals.vqa` for those).
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from functools import partial

from ...scenes.sample import sample_scene
from ...scenes.scene import Scene
from ...training.controller.dialogues import FOLLOW_UPS, PAIRS, REPLIES, as_written
from ...training.controller.plans.memory import MEMORY_PLANS, when_of
from ...training.controller.plans.steps import Ask
from ...training.controller.plans.words import LOOK_PLANS
from ...training.controller.wording.families import DEV, HELD_OUT, families, fill
from ...training.controller.wording.free_requests import (
    PAST,
    TIMES,
    draw_change,
    draw_note,
    draw_question,
    draw_statement,
)
from ...training.controller.wording.mentions import THE_PICTURE, draw_pictures
from ...training.controller.wording.noise import disturb
from ...training.controller.wording.noun_phrases import NounPhrase, any_world_noun, world_noun

# Intents whose requests can open a conversation.
INTENTS = tuple(intent for intent in (*LOOK_PLANS, *MEMORY_PLANS) if intent not in (*FOLLOW_UPS, *REPLIES))


@dataclass(frozen=True)
class ToolCase:
    """A request about one or two test scenes, which are sent with it, in the order of `scenes`."""

    name: str
    set: str
    intent: str
    family: str
    scenes: tuple[int, ...]  # seeds, for `sample_scene(seed, "test")`
    request: str
    ask: Ask  # what was meant: the plan of its intent has the right calls


def tool_cases(seed: int, count: int, held_out: str) -> list[ToolCase]:
    """Cases in equal parts of every intent for which a held-out set has families; each family in its turn.

    Args:
        seed: other seeds give other scenes.
        count: how many, or a few less: every intent gets the same number.
        held_out: "j", "k", "l" or "dev".
    """
    known = [intent for intent in INTENTS if families(intent, held_out)]
    each = count // max(1, len(known))
    return [_case(seed, held_out, intent, number) for intent in known for number in range(max(1, each))]


def _case(seed: int, held_out: str, intent: str, number: int) -> ToolCase:
    rng = random.Random(f"tools {seed} {held_out} {intent} {number}")
    known = families(intent, held_out)
    family = known[number % len(known)]
    place = ((*HELD_OUT, DEV).index(held_out) * len(INTENTS) + INTENTS.index(intent)) * 200 + 2 * number
    first = 500_000 + seed * 100_000 + place
    scenes = [sample_scene(first + at, "test") for at in range(2 if intent in PAIRS else 1)]
    draw = partial(_noun, scenes, rng)
    noun = draw()
    question, statement, note = draw_question(rng, draw), draw_statement(rng, draw), draw_note(rng)
    change, change_words = draw_change(rng, draw)
    handles = tuple(f"img_{at + 1}" for at in range(len(scenes)))
    words = {
        "things": noun.many, "thing": noun.one, "a thing": noun.a, "the thing": f"the {noun.one}", "words": change,
        "the picture": rng.choice((*THE_PICTURE, "img_1")), "when": rng.choice(("", *TIMES)), "past": rng.choice(PAST),
        "question": question, "statement": statement, "note": note,
        "the pictures": draw_pictures(rng, handles, True) if len(handles) > 1 else "",
    }  # fmt: skip
    pieces = family.expand(rng)
    request = disturb(fill(pieces, words), rng, 0.0)
    ask = Ask(intent, "img_1", noun, images=handles)
    if intent == "find_memory":
        told = [words[piece[1:-1]] if piece in ("{when}", "{past}") else piece for piece in pieces]
        ask = replace(ask, when=when_of(" ".join(piece for piece in told if not piece.startswith("{"))))
    said = {"{question}": question, "{statement}": statement, "{note}": note, "{words}": change_words}
    own = next((said[piece] for piece in pieces if piece in said), "")
    if own:
        ask = replace(ask, words=as_written(own, request) + ("?" if "{question}" in pieces else ""))
    name = f"{held_out}.{intent}.{number:02d}"
    return ToolCase(name, held_out, intent, family.name, tuple(one.seed for one in scenes), request, ask)


def _noun(scenes: list[Scene], rng: random.Random) -> NounPhrase:
    """Mostly a thing that is there; a shape and what may go with it."""
    if rng.random() < 0.2:
        return any_world_noun(rng)
    thing = rng.choice(rng.choice(scenes).things)
    facets = [
        "shape",
        *(facet for facet in ("color", "material", "size") if rng.random() < (0.2, 0.5)[facet != "size"]),
    ]
    return world_noun({facet: getattr(thing, facet) for facet in facets}, rng)
