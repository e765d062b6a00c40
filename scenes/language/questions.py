"""Questions about a scene: programs that are drawn, executed, sifted and worded.

Families are named like CLEVR's, by what is asked and by how the thing is reached: "count_one_hop",
"query_color_same_relate", "compare_integer_more". A sampler keeps, for each family, how often every answer
was given, and prefers the rarest, so that no family can be guessed by its most frequent answer.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from ...queries.nodes import (
    COUNT_COMPARISONS,
    Compare,
    Count,
    Everything,
    Exist,
    Filter,
    Intersect,
    Ordinal,
    Program,
    Query,
    Read,
    Relate,
    Same,
    SetNode,
    ThingNode,
    Union,
    Unique,
)
from ...queries.space import RELATIONS, Boxes
from ..scene import Scene, Thing
from .grammar import word_question
from .phrases import FACETS, attributes_of, changed
from .programs import NoAnswerError, execute, thing_of, things_of

_BY_LENGTH = sorted(range(1 << len(FACETS)), key=int.bit_count)  # sets of facets, the small ones first
HOPS = ("zero_hop", "one_hop", "two_hop", "three_hop")


@dataclass(frozen=True)
class Question:
    """A question, the program behind it, its answer, and where it belongs."""

    text: str
    program: Program
    answer: str
    family: str  # what is asked, and how the thing is reached
    phrasing: str  # the family of phrasings: intent/family of frames.FRAMES


class _NotHere(Exception):
    pass


class _Draw:
    """Random parts of programs about one scene. Every method may raise _NotHere or NoAnswerError."""

    def __init__(self, scene: Scene, boxes: Boxes | None, rng: random.Random) -> None:
        self.scene, self.boxes, self.rng = scene, boxes, rng

    def members(self, node: SetNode) -> list[Thing]:
        return [self.scene.things[i] for i in sorted(things_of(node, self.scene, self.boxes))]

    def unique(self, within: SetNode, avoid: Iterable[str] = ()) -> Unique:
        """A description that one thing of a set alone fits, mostly a short one, without the facets to avoid."""
        things = self.members(within)
        if not things:
            raise _NotHere
        thing = self.rng.choice(things)
        facets = [facet for facet in FACETS if facet not in set(avoid) | _settled(within)]
        # One bit a facet: what tells the thing from each of the others.
        differ = [
            sum(1 << i for i, facet in enumerate(facets) if getattr(thing, facet) != getattr(other, facet))
            for other in things
            if other is not thing
        ]
        masks = [mask for mask in _BY_LENGTH if mask < 1 << len(facets) and all(mask & other for other in differ)]
        options = [[facet for i, facet in enumerate(facets) if mask >> i & 1] for mask in masks]
        if isinstance(within, Everything):
            options = [chosen for chosen in options if chosen]
        if not options:
            raise _NotHere
        shortest = [chosen for chosen in options if len(chosen) == len(options[0])]
        chosen = self.rng.choice(shortest if self.rng.random() < 0.6 else options)
        return Unique(filtered(within, attributes_of(thing, chosen)))

    def some(self, within: SetNode, least: int = 0, false: float = 0.2) -> SetNode:
        """A set within another: described by attributes that hold of a thing, or with one of them changed (`false`)."""
        inside = self.members(within) if self.rng.random() < 0.5 else ()
        thing = self.rng.choice(inside or self.scene.things)
        facets = [facet for facet in FACETS if facet not in _settled(within)]
        count = max(least, self.rng.choices((0, 1, 2, 3), (1, 5, 4, 1))[0])
        attributes = attributes_of(thing, self.rng.sample(facets, min(count, len(facets))))
        if attributes and self.rng.random() < false:
            attributes = changed(attributes, self.rng.choice(list(attributes)), self.rng)
        return filtered(within, attributes)

    def hop(self, hops: int) -> SetNode:
        """Everything, or the things that `hops` relations lead to."""
        node: SetNode = Everything()
        for _ in range(hops):
            node = Relate(self.unique(node), self.rng.choice(list(RELATIONS)))
        return node

    def same(self) -> Same:
        return Same(self.unique(Everything()), self.rng.choice(FACETS))

    def both(self) -> Intersect:
        first, second = self.unique(Everything()), self.unique(Everything())
        if thing_of(first, self.scene, self.boxes) == thing_of(second, self.scene, self.boxes):
            raise _NotHere
        one, other = self.rng.choices(list(RELATIONS), k=2)
        return Intersect(Relate(first, one), Relate(second, other))

    def either(self) -> Union:
        false = self.rng.choice((0.0, 0.9))
        return Union(self.some(Everything(), 1, false), self.some(Everything(), 1, false))

    def ordinal(self, avoid: Iterable[str] = ()) -> Ordinal:
        facets = [facet for facet in FACETS if facet not in set(avoid)]
        thing = self.rng.choice(self.scene.things)
        source = filtered(Everything(), attributes_of(thing, self.rng.sample(facets, self.rng.choice((0, 1, 1)))))
        many = len(self.members(source))
        if many < 2:
            raise _NotHere
        towards = self.rng.choice(("left", "right", "top", "bottom", "left", "right", "largest", "smallest"))
        return Ordinal(source, 1 if towards.endswith("est") else self.rng.randint(1, min(4, many)), towards)


def filtered(node: SetNode, attributes: dict[str, str]) -> SetNode:
    """The set with one filter an attribute."""
    for facet, value in attributes.items():
        node = Filter(node, facet, value)
    return node


def _settled(node: SetNode) -> set[str]:
    """The facets that all things of a set share by the way they were reached."""
    if isinstance(node, Same):
        return {node.facet}
    if isinstance(node, Filter):
        return _settled(node.source) | {node.facet}
    return set()


# ---------------------------------------------------------------- the families

Maker = Callable[[_Draw], Program]


def _makers() -> dict[str, Maker]:
    """Every family with what draws a program of it."""
    makers: dict[str, Maker] = {}
    reach: dict[str, Callable[[_Draw], SetNode]] = {
        name: (lambda draw, hops=hops: draw.hop(hops)) for hops, name in enumerate(HOPS)
    }
    reach |= {"same_relate": _Draw.same, "single_and": _Draw.both}
    for name, within in reach.items():
        least = int(name == "zero_hop")  # of all things one says something; of those a relation leads to, perhaps not
        makers[f"count_{name}"] = lambda draw, within=within, least=least: Count(draw.some(within(draw), least))
        makers[f"exist_{name}"] = lambda draw, within=within, least=least: Exist(draw.some(within(draw), least))
        for facet in FACETS:
            makers[f"query_{facet}_{name}"] = lambda draw, within=within, facet=facet: Query(
                draw.unique(within(draw), (facet,)), facet
            )
    makers["count_single_or"] = lambda draw: Count(draw.either())
    makers["exist_single_or"] = lambda draw: Exist(draw.either())
    for hops in (0, 1):
        makers[f"where_{HOPS[hops]}"] = lambda draw, hops=hops: Query(draw.unique(draw.hop(hops)), "place")
        makers[f"read_{HOPS[hops]}"] = lambda draw, hops=hops: Read(draw.unique(draw.hop(hops)))
    for facet in FACETS:
        makers[f"query_{facet}_ordinal"] = lambda draw, facet=facet: Query(draw.ordinal((facet,)), facet)
        makers[f"comparison_{facet}"] = lambda draw, facet=facet: Compare(
            draw.unique(Everything(), (facet,)), draw.unique(draw.hop(draw.rng.choice((0, 0, 1))), (facet,)), facet
        )
    for by in COUNT_COMPARISONS:
        makers[f"compare_integer_{by}"] = lambda draw, by=by: Compare(
            Count(draw.some(Everything(), 1)), Count(draw.some(Everything(), 1)), by
        )
    return makers


FAMILIES: dict[str, Maker] = _makers()


# ---------------------------------------------------------------- sifting


def degenerate(program: Program, scene: Scene, boxes: Boxes | None = None) -> bool:
    """Whether a hop of the program does not matter: without it the same things are meant.

    CLEVR's test: each relation in turn is taken out of the program; if what is meant stays as it was,
    the question could be answered without it, and asks for fewer hops than it seems.
    """
    if isinstance(program, Compare):
        return any(degenerate(Query(side, "place"), scene, boxes) for side in _anchors(program)) or (
            isinstance(program.first, Count)
            and isinstance(program.second, Count)
            and _meaning(program.first, scene, boxes) == _meaning(program.second, scene, boxes)
        )
    meant = _meaning(program, scene, boxes)
    if isinstance(program, (Count, Exist)) and isinstance(program.source, Union):
        parts = [things_of(side, scene, boxes) for side in (program.source.first, program.source.second)]
        return any(part == meant for part in parts) and bool(meant)
    return any(_meaning(shorter, scene, boxes) == meant for shorter in _without_a_hop(program))


def _anchors(program: Compare) -> list[ThingNode]:
    return [side for side in (program.first, program.second) if not isinstance(side, Count)]


def _meaning(program: Program, scene: Scene, boxes: Boxes | None) -> frozenset[int] | None:
    """The things that a program is about; None where that is not clear."""
    try:
        match program:
            case Count(source) | Exist(source):
                return things_of(source, scene, boxes)
            case Query(anchor, _) | Read(anchor):
                return frozenset({thing_of(anchor, scene, boxes)})
            case _:
                return None
    except NoAnswerError:
        return None


def _without_a_hop(node: Program | SetNode | ThingNode) -> list[Program]:
    """The node with each of its hops in turn replaced by everything (a list of nodes of the same kind)."""
    made: list[Any] = []
    if isinstance(node, (Relate, Same)):
        made.append(Everything())
    for name in ("source", "anchor", "first", "second"):
        inner = getattr(node, name, None)
        if inner is not None:
            made += [replace(node, **{name: shorter}) for shorter in _without_a_hop(inner)]
    return made


# ---------------------------------------------------------------- the sampler


class QuestionSampler:
    """Draws questions from many scenes, with the families in turn and the answers balanced within each.

    Args:
        seed: makes the same questions from the same scenes in the same order.
        held_out: word them by families of phrasings that training never uses.
        families: names of FAMILIES to draw from; all unless told.
        fillers: how often an opening or an ending is added.
        typos: how often a word is misspelt.
        strangers: how often a made-up word stands for one that matters little.
    """

    def __init__(
        self,
        seed: int,
        *,
        held_out: bool = False,
        families: Iterable[str] | None = None,
        fillers: float = 0.0,
        typos: float = 0.0,
        strangers: float = 0.0,
    ) -> None:
        self.rng = random.Random(seed)
        self.held_out = held_out
        self.families = list(FAMILIES if families is None else families)
        self.noise = (fillers, typos, strangers)
        self.turns: Counter[str] = Counter()
        self.answers: dict[str, Counter[str]] = {family: Counter() for family in self.families}

    def sample(self, scene: Scene, count: int, boxes: Boxes | None = None) -> list[Question]:
        """At most `count` questions about a scene, each of another family; the families take turns."""
        made: list[Question] = []
        order = sorted(self.families, key=lambda family: (self.turns[family], self.rng.random()))
        for family in order:
            if len(made) == count:
                break
            self.turns[family] += 1
            drawn = self.draw(family, scene, boxes)
            if drawn is not None:
                made.append(drawn)
        return made

    def draw(self, family: str, scene: Scene, boxes: Boxes | None = None, tries: int = 12) -> Question | None:
        """One question of a family: of the programs that pass, the one whose answer was given least. Or None."""
        seen = self.answers[family]
        fair = seen.total() / max(1, len(seen))  # how often each answer would have been given, had all been alike
        best: tuple[float, Program, str] | None = None
        for _ in range(tries):
            try:
                program = FAMILIES[family](_Draw(scene, boxes, self.rng))
                answer = execute(program, scene, boxes)
            except (_NotHere, NoAnswerError):
                continue
            if (best is None or seen[answer] < best[0]) and not degenerate(program, scene, boxes):
                best = (seen[answer], program, answer)
                if best[0] <= fair - 1:
                    break
        if best is None or best[0] > 2 + 1.1 * fair:
            return None  # an answer that was given too often already is rather not asked for again
        _, program, answer = best
        seen[answer] += 1
        wording = word_question(program, self.rng, self.held_out, *self.noise)
        return Question(wording.text, program, answer, family, f"{wording.intent}/{wording.family}")
