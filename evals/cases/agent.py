"""Cases of the end-to-end suite: requests about unseen scenes, in families of phrasing that never train.

Each comes with the calls and the answer that are right.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ...scenes.language.phrases import phrase_true
from ...scenes.sample import sample_scene
from ...scenes.scene import Scene, Thing
from ...training.controller.held_out import KINDS, QUERIES, check_set, family_in_turn
from ...training.controller.plans.plans import PLANS
from ...training.controller.plans.steps import Ask, Call
from ...training.controller.wording.families import DEV, HELD_OUT, fill
from ...training.controller.wording.mentions import THE_PICTURE
from ...training.controller.wording.noise import disturb
from ...training.controller.wording.noun_phrases import NounPhrase, any_world_noun, world_noun

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
    noun: NounPhrase
    image: str = "img_1"  # the handle of its picture

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
    check_set(held_out)
    cases: list[Case] = []
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        intent = QUERIES[(number // len(KINDS)) % len(QUERIES)] if kind == "query" else kind
        cases.append(_case(seed, number, intent, held_out))
    return cases


def _case(seed: int, number: int, intent: str, held_out: str) -> Case:
    rng = random.Random(f"case {seed} {held_out} {number}")
    family = family_in_turn(intent, held_out, number, rng)
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


def _choose(intent: str, scene: Scene, rng: random.Random, number: int) -> tuple[NounPhrase, Truth] | None:
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


def _noun_of(intent: str, thing: Thing, rng: random.Random) -> NounPhrase:
    facets = [facet for facet in ("color", "material", "shape") if facet != intent]
    keep = {facet for facet in facets if rng.random() < 0.5} or {facets[-1]}
    if intent != "shape" and rng.random() < 0.8:
        keep.add("shape")
    if rng.random() < 0.2:
        keep.add("size")
    return world_noun(
        {facet: getattr(thing, facet) for facet in ("size", "color", "material", "shape") if facet in keep}, rng
    )


def _matching(noun: NounPhrase, scene: Scene) -> list[Thing]:
    return [thing for thing in scene.things if phrase_true(dict(noun.attributes or ()), thing)]


def placed(case: Case, place: int, regions: int) -> Case:
    """The case as a turn of a conversation: its picture becomes `img_<place>`, and so many regions have handles.

    Whoever names the picture by its handle names the new one.
    """
    if place == 1:
        return case
    picture = f"img_{place}"
    requests = tuple(re.sub(r"\bimg_1\b", picture, request) for request in case.requests)
    gold = _gold(Ask(case.intent, picture, case.noun), len(case.truth.things), regions)
    return replace(case, requests=requests, gold=gold, image=picture)


def _gold(ask: Ask, found: int, before: int = 0) -> tuple[tuple[Call, ...], ...]:
    """The calls that the plan makes when it finds that many, after `before` regions of earlier turns."""
    regions = "; ".join(f"reg_{before + n + 1} thing, centre, (0, 0, 1, 1), 0.99" for n in range(found))
    plan = PLANS[ask.intent](ask)
    steps: list[tuple[Call, ...]] = []
    told: Sequence[str] | None = None
    try:
        while True:
            step = next(plan) if told is None else plan.send(list(told))
            steps.append(tuple(step.calls))
            told = [
                f"{found} found: {regions}" if name == "find_objects" else f"reg_{before + 1}: red 0.99"
                for name, _ in step.calls
            ]
    except StopIteration:
        return tuple(steps)
