"""Held-out cases: requests in never-trained families of phrasing, with the calls and the answers that are right.

`agent_cases` is for the end-to-end evaluation (unseen scenes, to be drawn and shown to the real agent);
`held_out_traces` is for a quick look at the controller alone.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..errors import UserError, suggest
from ..scenes.phrases import phrase_true
from ..scenes.sample import sample_scene
from ..scenes.scene import Scene, Thing
from .noise import disturb
from .nouns import Noun, any_world_noun, world_noun
from .phrasings import DEV, HELD_OUT, Family, families, fill
from .plans import PLANS
from .plans_look import LOOK_PLANS
from .plans_memory import MEMORY_PLANS
from .steps import Ask, Call
from .talk import FOLLOW_UPS, PAIRS, REPLIES, Talk
from .trace import Trace
from .wording import THE_PICTURE

KINDS = ("count", "exist", "query", "where", "cut_out")
QUERIES = ("color", "material", "shape")
LEARNED = (*LOOK_PLANS, *MEMORY_PLANS)  # intents that ask a model that writes or reads, or memory

AnswerKind = Literal["count", "bool", "attribute", "box", "mask"]


@dataclass(frozen=True)
class Truth:
    """What the answer must say, checkable against the scene.

    `value`: the number, True or False, the attribute's value, or None where `things` (their ids in the
    scene) say it all: one box ("box") or one mask ("mask") must be that thing's.
    """

    kind: AnswerKind
    value: int | bool | str | None
    things: tuple[int, ...] = ()


@dataclass(frozen=True)
class Case:
    """A conversation about test scenes. Pictures are sent with the first request, in the order of `scenes`."""

    name: str
    intent: str
    family: str
    scenes: tuple[int, ...]  # seeds, for `sample_scene(seed, "test")`
    requests: tuple[str, ...]
    gold: tuple[tuple[Call, ...], ...]  # the steps of the last request, the calls of each; handles as if all goes well
    truth: Truth
    noun: Noun

    @property
    def tools(self) -> int:
        """How many tools it takes."""
        return sum(len(step) for step in self.gold)


def agent_cases(seed: int, count: int, held_out: str) -> list[Case]:
    """Cases in equal parts of count, exist, query an attribute, where and cut out, in families of one held-out set.

    Args:
        seed: other seeds give other scenes.
        count: how many.
        held_out: "j", "k", "l" or "dev".

    Raises:
        UserError: there is no such set.
    """
    _check(held_out)
    cases: list[Case] = []
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        intent = QUERIES[(number // len(KINDS)) % len(QUERIES)] if kind == "query" else kind
        cases.append(_case(seed, number, intent, held_out))
    return cases


def held_out_traces(held_out: str, count: int, seed: int, noise: float = 0.0) -> list[Trace]:
    """Conversations of one request each, in the same mix, over boxes without pixels."""
    _check(held_out)
    traces: list[Trace] = []
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        intent = QUERIES[(number // len(KINDS)) % len(QUERIES)] if kind == "query" else kind
        traces.append(_trace(intent, held_out, number, f"{seed} {held_out} {number}", noise))
    return traces


def learned_traces(held_out: str, each: int, seed: int, noise: float = 0.0) -> list[Trace]:
    """Conversations that end in a request for describing, reading, memory and the like; `each` of every intent."""
    _check(held_out)
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
    talk.ask(intent, _family(intent, held_out, number, rng), pictures)
    return talk.trace


def _check(held_out: str) -> None:
    if held_out not in (*HELD_OUT, DEV):
        raise UserError(f"Unknown held-out set {held_out!r}.{suggest(held_out, HELD_OUT)}", kind="unknown_set")


def _family(intent: str, held_out: str, number: int, rng: random.Random) -> Family:
    """Families in turn, so that each is asked about equally often."""
    known = families(intent, held_out)
    if not known:
        raise UserError(f"The held-out set {held_out!r} has no phrasings for {intent!r}.", kind="no_phrasings")
    return known[(number // len(KINDS)) % len(known)] if rng.random() < 0.9 else rng.choice(known)


def _case(seed: int, number: int, intent: str, held_out: str) -> Case:
    rng = random.Random(f"case {seed} {held_out} {number}")
    family = _family(intent, held_out, number, rng)
    index = seed * 100_000 + number * 100 + (*HELD_OUT, DEV).index(held_out) * 20
    while True:
        scene = sample_scene(index, "test")
        index += 1
        chosen = _choose(intent, scene, rng, number)
        if chosen is not None:
            break
    noun, truth = chosen
    words = {
        "things": noun.many, "thing": noun.one, "a thing": noun.a, "the thing": f"the {noun.one}",
        "the picture": rng.choice((*THE_PICTURE, "img_1")), "it": "it",
    }  # fmt: skip
    request = disturb(fill(family.expand(rng), words), rng, 0.0)
    gold = _gold(Ask(intent, "img_1", noun), len(truth.things))
    name = f"{held_out}{number:03d}"
    return Case(name, intent, family.name, (scene.seed,), (request,), gold, truth, noun)


def _choose(intent: str, scene: Scene, rng: random.Random, number: int) -> tuple[Noun, Truth] | None:
    """A noun phrase for the scene and what is true of it; None where the scene does not lend itself."""
    if intent == "exist" and rng.random() < 0.5:
        noun = any_world_noun(rng)
        if noun.phrase == "everything" or _matching(noun, scene):
            return None
        return noun, Truth("bool", False)
    if intent == "count" and rng.random() < 0.15:
        noun = any_world_noun(rng)
        if noun.phrase == "everything" or _matching(noun, scene):
            return None
        return noun, Truth("count", 0)
    noun = _noun_of(intent, rng.choice(scene.things), rng)
    things = _matching(noun, scene)
    ids = tuple(thing.id for thing in things)
    if intent == "exist":
        return noun, Truth("bool", True, ids)
    if intent == "count":
        wanted = 1 + number // len(KINDS) % 3
        return (noun, Truth("count", len(ids), ids)) if len(ids) >= wanted else None
    if len(ids) != 1:
        return None
    if intent in QUERIES:
        return noun, Truth("attribute", getattr(things[0], intent), ids)
    return noun, Truth("box" if intent == "where" else "mask", None, ids)


def _noun_of(intent: str, thing: Thing, rng: random.Random) -> Noun:
    facets = [facet for facet in ("color", "material", "shape") if facet != intent]
    keep = {facet for facet in facets if rng.random() < 0.5} or {facets[-1]}
    if intent != "shape" and rng.random() < 0.8:
        keep.add("shape")
    if rng.random() < 0.2:
        keep.add("size")
    return world_noun(
        {facet: getattr(thing, facet) for facet in ("size", "color", "material", "shape") if facet in keep}, rng
    )


def _matching(noun: Noun, scene: Scene) -> list[Thing]:
    return [thing for thing in scene.things if phrase_true(dict(noun.attributes or ()), thing)]


def _gold(ask: Ask, found: int) -> tuple[tuple[Call, ...], ...]:
    """The calls that the plan makes when it finds that many."""
    regions = "; ".join(f"reg_{n + 1} thing, centre, (0, 0, 1, 1), 0.99" for n in range(found))
    plan = PLANS[ask.intent](ask)
    steps: list[tuple[Call, ...]] = []
    told: Sequence[str] | None = None
    try:
        while True:
            step = next(plan) if told is None else plan.send(list(told))
            steps.append(tuple(step.calls))
            told = [
                f"{found} found: {regions}" if name == "find_objects" else "reg_1: red 0.99" for name, _ in step.calls
            ]
    except StopIteration:
        return tuple(steps)
