"""Held-out cases of a mixed suite: what the experts that look and measure can serve, and what needs one that reads.

The core kinds are those of `cases.agent_cases` but for cutting out. The kinds of language are open questions, each
with one exact answer that no single search gives, and signs to read.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

from ...queries.nodes import Program
from ...queries.space import Boxes
from ...scenes.language.phrases import FACETS
from ...scenes.language.questions import FAMILIES, Question, QuestionSampler
from ...scenes.render import render
from ...scenes.sample import sample_scene
from ...scenes.scene import Scene
from ...training.controller.dialogues import as_written
from ...training.controller.held_out import KINDS, QUERIES
from ...training.controller.plans.steps import Ask
from ...training.controller.wording.families import HELD_OUT, Family, families, fill
from ...training.controller.wording.mentions import THE_PICTURE
from ...training.controller.wording.noise import disturb
from .agent import Case, Truth, agent_cases

CORE = ("count", "exist", "query", "where")
LANGUAGE = ("open_question", "read")
ANSWERS = ("yes or no", "number", "attribute")  # the types of answers to open questions
WORDINGS = ("wording trained on", "wording held out")  # of the question itself; the request around it is held out

SIDE = 512  # px of the pictures whose visible boxes the questions are about
SEED = 9  # `agent_cases` takes its scenes from 100,000 times this number
FIRST_QUESTION, FIRST_SIGN = 950_000, 980_000  # test scenes
LONGEST = 150  # characters of a question; the tool takes 200
DRAWN = 4  # questions a scene, of which the one with the rarest answer is taken

_REACHED = (
    "one_hop", "two_hop", "three_hop",  # by relations
    "single_and", "same_relate", "ordinal",
)  # fmt: skip


@dataclass(frozen=True)
class MixedCase:
    """A request about one test scene, which is sent with it."""

    name: str
    set: str
    kind: str  # of CORE or LANGUAGE
    family: str
    scene: int  # seed, for `sample_scene(seed, "test")`
    request: str
    asked: str  # what for: "count", "exist", "where", "read", or a facet
    ask: Ask  # what was meant: the plan of its intent has the right calls
    truth: Truth  # what the answer must say; of "read" the word, as an attribute
    tags: tuple[str, ...] = ()  # of an open question: one of ANSWERS and one of WORDINGS
    program: Program | None = None  # of an open question


def mixed_cases(count: int) -> list[MixedCase]:
    """Cases in equal parts of every kind, the held-out sets in turn; a smaller count gives the first of each kind.

    Args:
        count: how many, or a few less: every kind gets the same number, at least one.
    """
    each = max(1, count // len((*CORE, *LANGUAGE)))
    rounds = -(-each // len(HELD_OUT))
    drawn = {held_out: agent_cases(SEED, rounds * len(KINDS), held_out) for held_out in HELD_OUT}
    cases: list[MixedCase] = []
    for kind in CORE:
        intents = QUERIES if kind == "query" else (kind,)
        of_kind = {name: [one for one in some if one.intent in intents] for name, some in drawn.items()}
        for number in range(each):
            held_out = HELD_OUT[number % len(HELD_OUT)]
            cases.append(_core(of_kind[held_out][number // len(HELD_OUT)], kind, held_out, number))
    return [*cases, *_questions(each), *_signs(each)]


def _core(case: Case, kind: str, held_out: str, number: int) -> MixedCase:
    ask = Ask(case.intent, "img_1", case.noun)
    name = f"{held_out}.{kind}.{number:02d}"
    return MixedCase(name, held_out, kind, case.family, case.scenes[0], case.requests[-1], case.intent, ask, case.truth)


def type_of(family: str) -> str | None:
    """The type of the answers to a family of questions; None where a search alone answers it, or it asks otherwise."""
    compared = family.startswith(("comparison_", "compare_integer_"))
    if not (compared or family.endswith(_REACHED)):
        return None
    if compared or family.startswith("exist_"):
        return "yes or no"
    return "number" if family.startswith("count_") else "attribute" if family.startswith("query_") else None


def _questions(count: int) -> Iterator[MixedCase]:
    """Open questions: types of answers and wordings in turn, and of each type the answers about equally often."""
    samplers = {
        (wanted, wording): QuestionSampler(
            SEED + at,
            held_out=wording == WORDINGS[1],
            families=[one for one in FAMILIES if type_of(one) == wanted],
        )
        for at, (wanted, wording) in enumerate(product(ANSWERS, WORDINGS))
    }
    given: Counter[str] = Counter()
    index = FIRST_QUESTION
    for number in range(count):
        # Each set meets every type of answer, though both take turns.
        tags = ANSWERS[(number + number // len(HELD_OUT)) % len(ANSWERS)], WORDINGS[number % len(WORDINGS)]
        while True:
            scene = sample_scene(index, "test")
            drawn = [one for one in samplers[tags].sample(scene, DRAWN, boxes_of(scene)) if _plain(one.text)]
            index += 1
            if drawn:
                break
        least = min(given[one.answer] for one in drawn)
        question = next(one for one in drawn if given[one.answer] == least)
        given[question.answer] += 1
        yield replace(_question(question, scene, number), tags=tags)


def boxes_of(scene: Scene) -> Boxes:
    """What is visible of each thing, (things, 4) xyxy in shares of the picture's side."""
    return (render(scene, SIDE).boxes / SIDE).tolist()


def _plain(text: str) -> bool:
    """Whether a text is one question that can stand inside another sentence."""
    return text.endswith("?") and len(text) <= LONGEST


def _question(question: Question, scene: Scene, number: int) -> MixedCase:
    words = question.text[0].lower() + question.text[1:].rstrip("?")
    case = _case("open_question", scene, number, {"question": words})
    ask = replace(case.ask, words=as_written(words, case.request) + "?")
    asked = question.family.partition("_")[0]
    if asked == "query":
        asked = next(facet for facet in FACETS if question.family.startswith(f"query_{facet}_"))
        truth = Truth("attribute", question.answer)
    elif asked == "count":
        truth = Truth("count", int(question.answer))
    else:
        asked, truth = "exist", Truth("bool", question.answer == "yes")
    return replace(case, ask=ask, asked=asked, truth=truth, program=question.program)


def _signs(count: int) -> Iterator[MixedCase]:
    """Scenes with one sign, to be read."""
    index = FIRST_SIGN
    for number in range(count):
        while True:
            scene = sample_scene(index, "test")
            index += 1
            signed = [thing for thing in scene.things if thing.word]
            if len(signed) == 1:
                break
        yield replace(_case("read", scene, number, {}), truth=Truth("attribute", signed[0].word, (signed[0].id,)))


def _case(intent: str, scene: Scene, number: int, slots: dict[str, str]) -> MixedCase:
    """A request about a scene, in a family of the set whose turn it is; its truth is still to come."""
    held_out = HELD_OUT[number % len(HELD_OUT)]
    rng = random.Random(f"mixed {intent} {number}")
    family: Family = families(intent, held_out)[number // len(HELD_OUT) % len(families(intent, held_out))]
    words = {"the picture": rng.choice((*THE_PICTURE, "img_1"))} | slots
    request = disturb(fill(family.expand(rng), words), rng, 0.0)
    name = f"{held_out}.{intent}.{number:02d}"
    ask = Ask(intent, "img_1", images=("img_1",))
    return MixedCase(name, held_out, intent, family.name, scene.seed, request, intent, ask, Truth("attribute", None))
