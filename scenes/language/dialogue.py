"""Conversations about one scene, in which later questions say "it" and "the other one".

Every question carries the program that it stands for, with what "it" means put in its place, so that the answer
is the executor's. "It" is the thing that was spoken of last; "the other one" is the second of a pair.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from ...queries.nodes import (
    Count,
    Everything,
    Exist,
    Filter,
    Ordinal,
    Program,
    Query,
    Relate,
    SetNode,
    ThingNode,
    Unique,
)
from ...queries.space import RELATIONS, Boxes
from ..scene import Scene, Thing
from .phrases import FACETS, article, attributes_of, held_out, noun_phrase, plural_of, say
from .programs import NoAnswerError, execute, thing_of
from .wordings import Families, frames_of, held_out_of, widened

_RELATION = {"left": "left of", "right": "right of", "above": "above", "below": "below"}

# what is asked -> family -> wordings; the families of HELD_OUT never train. `wordings` adds more to train with.
_CORE: dict[str, Families] = {
    "color": {
        "is": ("What colour is it?", "And what color is it?"),
        "its": ("What is its colour?", "And its color?"),
        "tell": ("Tell me its colour.",),
        "have": ("What colour does it have?",),
        "which": ("Which colour is it?", "And which color is that?"),
        "know": ("Do you know what colour it is?",),
    },
    "material": {
        "made": ("What is it made of?", "And what is it made of?"),
        "its": ("What is its material?",),
        "which": ("Which material is it?",),
        "consist": ("What does it consist of?",),
        "tell": ("Tell me what it is made of.", "Tell me its material."),
        "built": ("What is it built from?",),
    },
    "size": {
        "big": ("How big is it?", "And how large is it?"),
        "or": ("Is it small or large?",),
        "its": ("What size is it?",),
        "tell": ("Tell me how big it is.",),
        "which": ("Which size is it?", "And which size is that?"),
        "know": ("Do you know how large it is?",),
    },
    "shape": {
        "what": ("What is it?", "What shape is it?"),
        "its": ("What is its shape?",),
        "kind": ("What kind of thing is it?",),
        "tell": ("Tell me what it is.", "Tell me its shape."),
        "which": ("Which shape is it?",),
    },
    "place": {
        "where": ("Where is it?", "And where is it?"),
        "part": ("In which part of the picture is it?",),
        "find": ("Where can I find it?",),
        "look": ("Where should I look for it?",),
        "tell": ("Tell me where it is.",),
        "stand": ("Where does it stand?", "And where does it stand?"),
    },
    "count": {
        "many": ("How many things are {relation} it?", "And how many objects are {relation} it?"),
        "count": ("Count the things {relation} it.",),
        "tell": ("Tell me how many things are {relation} it.",),
        "number": ("What is the number of things {relation} it?",),
        "there are": ("There are how many things {relation} it?",),
        "see": ("How many things do you see {relation} it?",),
    },
    "exist": {
        "is": ("Is there {a} {relation} it?", "And is there {a} {relation} it?"),
        "see": ("Do you see {a} {relation} it?",),
        "check": ("Check whether there is {a} {relation} it.",),
        "tell": ("Tell me if there is {a} {relation} it.",),
        "can": ("Can you see {a} {relation} it?", "Can one see {a} {relation} it?"),
    },
    "move": {
        "what": ("What {facet} is the {thing} {relation} it?",),
        "and": ("And what {facet} is the {thing} {relation} it?",),
        "tell": ("Tell me the {facet} of the {thing} {relation} it.",),
        "which": ("Which {facet} is the {thing} {relation} it?",),
        "the of": ("What is the {facet} of the {thing} {relation} it?",),
    },
    "other": {
        "and": ("And the other one?", "And what about the other one?"),
        "what": ("What {facet} is the other one?", "And what {facet} is the other one?"),
        "as for": ("As for the other one: what {facet} is it?",),
        "its": ("And the {facet} of the other one?", "What is the {facet} of the other one?"),
        "know": ("I want to know what {facet} the other one is.",),
    },
}
HELD_OUT = held_out_of("conversation")
IT = {kind: widened(core, frames_of("conversation")[kind], HELD_OUT[kind]) for kind, core in _CORE.items()}
_FIRST_CORE: dict[str, tuple[str, ...]] = {
    "ask": ("What {facet} is the {the}?", "Look at the {the}: what {facet} is it?"),
    "exist": ("Is there {a}?", "Do you see {a}?"),
    "pair": ("What {facet} is the {side} {noun}?", "Of the two {nouns}, what {facet} is the {side} one?"),
    "again": ("Now look at the {the}. What {facet} is it?", "And the {the}: what {facet} is it?"),
}
_FIRST = {kind: core + frames_of("conversation")[f"first_{kind}"] for kind, core in _FIRST_CORE.items()}


@dataclass(frozen=True)
class Said:
    """One question of a conversation: its words, the program behind them, its answer, and what it rests on."""

    text: str
    program: Program
    answer: str
    refers: str  # "first", "it" or "other"
    kind: str  # a key of IT, or of the opening questions


class _Stuck(Exception):
    pass


@dataclass
class _State:
    scene: Scene
    boxes: Boxes | None
    rng: random.Random
    unseen: bool
    focus: Thing | None = None
    known: frozenset[str] = frozenset()  # facets of the focus that were said
    other: Thing | None = None
    facet: str = ""  # asked last, where one may go on with "And the other one?"

    def anchor(self, thing: Thing) -> ThingNode:
        """A description that fits the thing alone."""
        node: SetNode = Everything()
        for facet, value in self.telling(thing).items():
            node = Filter(node, facet, value)
        return Unique(node)

    def telling(self, thing: Thing, avoid: str = "") -> dict[str, str]:
        """The fewest attributes, drawn among equals, that tell a thing from all others."""
        facets = [facet for facet in FACETS if facet != avoid]
        options = [[f for i, f in enumerate(facets) if mask >> i & 1] for mask in range(1, 1 << len(facets))]
        self.rng.shuffle(options)
        for chosen in sorted(options, key=len):
            alike = [t for t in self.scene.things if all(getattr(t, f) == getattr(thing, f) for f in chosen)]
            if len(alike) == 1:
                return attributes_of(thing, chosen)
        raise _Stuck

    def frame(self, kind: str) -> str:
        names = [name for name in IT[kind] if (name in HELD_OUT[kind]) == self.unseen]
        return self.rng.choice(IT[kind][self.rng.choice(names)])

    def said(self, text: str, program: Program, refers: str, kind: str) -> Said:
        return Said(text[0].upper() + text[1:], program, execute(program, self.scene, self.boxes), refers, kind)


def _facet_word(facet: str, rng: random.Random) -> str:
    return rng.choice(("colour", "color")) if facet == "color" else facet


def _open(state: _State, again: bool = False) -> Said:
    """A question about a thing that becomes "it"."""
    rng = state.rng
    pairs = _pairs(state)
    if pairs and not again and rng.random() < 0.4:
        return _open_pair(state, *rng.choice(pairs))
    thing = rng.choice([t for t in state.scene.things if t is not state.focus])
    if not again and rng.random() < 0.35:
        attributes = state.telling(thing)
        node: SetNode = Everything()
        for facet, value in attributes.items():
            node = Filter(node, facet, value)
        state.focus, state.known, state.other = thing, frozenset(attributes), None
        text = rng.choice(_FIRST["exist"]).format(a=article(noun_phrase(attributes, rng)))
        return state.said(text, Exist(node), "first", "exist")
    asked = rng.choice(FACETS)
    attributes = state.telling(thing, avoid=asked)
    node = Everything()
    for facet, value in attributes.items():
        node = Filter(node, facet, value)
    state.focus, state.known, state.other = thing, frozenset({*attributes, asked}), None
    frame = rng.choice(_FIRST["again" if again else "ask"])
    text = frame.format(the=noun_phrase(attributes, rng), facet=_facet_word(asked, rng))
    return state.said(text, Query(Unique(node), asked), "first", "ask")


def _pairs(state: _State) -> list[tuple[Thing, Thing]]:
    """Pairs of which one stands clearly left of the other, the only ones of their shape."""
    made = []
    for shape in {thing.shape for thing in state.scene.things}:
        alike = [thing for thing in state.scene.things if thing.shape == shape]
        if len(alike) == 2:
            made.append((alike[0], alike[1]))
    return sorted(made, key=lambda pair: pair[0].id)


def _open_pair(state: _State, one: Thing, two: Thing) -> Said:
    rng = state.rng
    side = rng.choice(("left", "right"))
    node = Ordinal(Filter(Everything(), "shape", one.shape), 1, side)
    at = thing_of(node, state.scene, state.boxes)
    facet = rng.choice(("color", "material", "size"))
    state.focus = state.scene.things[at]
    state.other = two if state.focus is one else one
    state.known, state.facet = frozenset({"shape", facet}), facet
    noun = say("shape", one.shape, rng)
    text = rng.choice(_FIRST["pair"]).format(facet=_facet_word(facet, rng), side=side, noun=noun, nouns=plural_of(noun))
    return state.said(text, Query(node, facet), "first", "pair")


def _ask_it(state: _State) -> Said:
    assert state.focus is not None
    free = [facet for facet in (*FACETS, "place") if facet not in state.known]
    if not free:
        raise _Stuck
    facet = state.rng.choice(free)
    state.known |= {facet}
    state.facet = "" if facet == "shape" else facet  # the pair have one shape
    told = _without(state, state.focus, facet)
    return state.said(state.frame(facet), Query(told, facet), "it", facet)


def _without(state: _State, thing: Thing, facet: str) -> ThingNode:
    """An anchor that does not say the facet that is asked for; by place where nothing else tells the thing."""
    try:
        node: SetNode = Everything()
        for name, value in state.telling(thing, avoid=facet).items():
            node = Filter(node, name, value)
        return Unique(node)
    except _Stuck:
        for side in ("left", "right", "top", "bottom"):
            for rank in range(1, len(state.scene.things) + 1):
                node_ = Ordinal(Everything(), rank, side)
                try:
                    if state.scene.things[thing_of(node_, state.scene, state.boxes)] is thing:
                        return node_
                except NoAnswerError:
                    continue
        raise


def _count_by_it(state: _State) -> Said:
    assert state.focus is not None
    relation = state.rng.choice(list(RELATIONS))
    state.facet = ""
    program = Count(Relate(state.anchor(state.focus), relation))
    return state.said(state.frame("count").format(relation=_RELATION[relation]), program, "it", "count")


def _exist_by_it(state: _State) -> Said:
    assert state.focus is not None
    relation = state.rng.choice(list(RELATIONS))
    state.facet = ""
    thing = state.rng.choice([t for t in state.scene.things if t is not state.focus])
    facets = state.rng.choice((("color",), ("shape",), ("color", "shape"), ("material",)))
    attributes = attributes_of(thing, facets)
    node: SetNode = Relate(state.anchor(state.focus), relation)
    for facet, value in attributes.items():
        node = Filter(node, facet, value)
    text = state.frame("exist").format(a=article(noun_phrase(attributes, state.rng)), relation=_RELATION[relation])
    return state.said(text, Exist(node), "it", "exist")


def _move(state: _State) -> Said:
    """A question about the thing beside it, which becomes "it"."""
    assert state.focus is not None
    relation = state.rng.choice(list(RELATIONS))
    facet = state.rng.choice(("color", "material", "size"))
    beside = Relate(state.anchor(state.focus), relation)
    thing = state.rng.choice([t for t in state.scene.things if t is not state.focus])
    program = Query(Unique(Filter(beside, "shape", thing.shape)), facet)
    frame = state.frame("move")
    words = frame.format(
        facet=_facet_word(facet, state.rng), thing=say("shape", thing.shape, state.rng), relation=_RELATION[relation]
    )
    made = state.said(words, program, "it", "move")
    state.focus = state.scene.things[thing_of(program.anchor, state.scene, state.boxes)]
    state.known, state.other = frozenset({"shape", facet}), None
    return made


def _other(state: _State) -> Said:
    if state.other is None or state.focus is None:
        raise _Stuck
    frame = state.frame("other")
    facet = state.rng.choice(("color", "material", "size")) if "{facet}" in frame else state.facet
    if not facet:
        raise _Stuck
    program = Query(_without(state, state.other, facet), facet)
    made = state.said(frame.format(facet=_facet_word(facet, state.rng)), program, "other", "other")
    state.focus, state.other = state.other, state.focus
    state.known, state.facet = frozenset({"shape", facet}), facet
    return made


_LATER: tuple[tuple[Callable[[_State], Said], int], ...] = (
    (_ask_it, 6),
    (_count_by_it, 2),
    (_exist_by_it, 2),
    (_move, 3),
    (_other, 8),
    (lambda state: _open(state, again=True), 1),
)


def conversation(
    scene: Scene, rng: random.Random, turns: int = 5, boxes: Boxes | None = None, unseen: bool = False
) -> list[Said] | None:
    """A conversation of `turns` questions, or None where none was found in a few tries.

    Args:
        scene: what it is about, two things at least.
        rng: draws everything.
        turns: how many questions.
        boxes: the visible boxes in shares, as the executor takes them.
        unseen: word the later questions by the families that training never uses.
    """
    if len(scene.things) < 2:
        return None
    for _ in range(4):
        state = _State(scene, boxes, rng, unseen)
        made: list[Said] = []
        for _ in range(12 * turns):
            if len(made) == turns:
                return made
            before = (state.focus, state.known, state.other, state.facet)
            try:
                draw = _open if not made else rng.choices([d for d, _ in _LATER], [w for _, w in _LATER])[0]
                told = draw(state)
                if any(told.text == one.text and one.program == told.program for one in made):
                    raise _Stuck
                made.append(told)
            except (_Stuck, NoAnswerError):
                state.focus, state.known, state.other, state.facet = before
    return None


def says_held_out(scene: Scene) -> bool:
    """Whether a scene has one of the held-out pairs, about which no training conversation may speak."""
    return any(held_out(attributes_of(thing)) for thing in scene.things)
