"""Choose among things: by words, by size, by where they stand, in an order; count them by what they are.

What a controller asks in arguments becomes a program of the question language (`queries`), executed over boxes: those
that a detector found, or regions that the conversation has. Whether words are true of a thing CLIP says; nothing else
here is guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, model_validator

from ...errors import ToolRetry
from ...memory.records import Box
from ...queries.execute import NoAnswerError, Run, positions
from ...queries.nodes import Between, Everything, Except, Filter, Intersect, Relate, Same, SetNode, This, Union
from ...queries.space import gap
from ..contracts import Phrase, ToolArguments, ToolContext
from ..look import Look
from .finding import ANYTHING, EVERYTHING, clean
from .found_world import SAME_THING, FoundWorld, Thing, detected, overlap
from .geometry import Order, Size

Relation = Literal[
    "left of", "right of", "above", "below", "inside", "next to", "between", "nearest to", "farthest from",
    "same color as", "same material as", "same kind as", "same size as",
]  # fmt: skip
Told = Literal["color", "material", "kind", "size", "distance"]
Grouped = Literal["color", "material", "kind", "size", "phrase", "picture"]

FACETS = ("color", "material", "kind", "size")
MOST_KNOWN = 6  # things of which all facets are looked up, so that an answer can say what nobody asked to be told
_SIDES = {"left of": "left", "right of": "right"}
_TOWARDS = {"leftmost": "left", "rightmost": "right", "topmost": "top", "bottommost": "bottom", "central": "middle"}


class Choice(ToolArguments):
    """Which things to keep, in which order, and what to tell of them."""

    alternatives: Annotated[list[Phrase], Field(max_length=4, default_factory=list)]  # kept, too: "red or blue"
    exceptions: Annotated[list[Phrase], Field(max_length=4, default_factory=list)]  # left out: "but not cubes"
    size: Size = "any"
    relation: Relation | None = None
    anchor: Phrase | None = None  # what the relation is to: words for it, or reg_N
    anchor2: Phrase | None = None  # the other end of "between"
    order: Order = "score"
    rank: Annotated[int, Field(ge=1, le=20)] | None = None  # 2 with order "leftmost": the second from the left
    at_most: Annotated[int, Field(ge=1, le=20)] = 20
    tell: Annotated[list[Told], Field(max_length=5, default_factory=list)]
    count_by: Grouped | None = None
    are: Phrase | None = None  # what is asked of those kept: "red", "large", "metal cube"

    @model_validator(mode="after")
    def _whole(self) -> Choice:
        if self.relation is not None and self.anchor is None:
            raise ValueError(f"`relation` {self.relation!r} needs an `anchor`: words for a thing, or reg_N")
        if self.relation is None and self.anchor is not None and "distance" not in self.tell:
            raise ValueError("`anchor` needs a `relation`, as in left of, nearest to")
        if self.relation == "between" and self.anchor2 is None:
            raise ValueError("`between` needs `anchor` and `anchor2`")
        if self.rank is not None and self.order == "score":
            raise ValueError("`rank` needs an `order`, as in leftmost, largest")
        if "distance" in self.tell and self.anchor is None:
            raise ValueError("to tell the distance takes an `anchor`")
        return self

    @property
    def ends(self) -> list[str]:
        """The anchors that there are."""
        return [clean(end) for end in (self.anchor, self.anchor2) if end is not None]


@dataclass(frozen=True)
class Chosen:
    """A thing that was kept."""

    look: Look
    box: Box
    label: str
    score: float
    values: dict[str, str]  # facet -> value, of those that were to be told or counted by
    handle: str | None = None
    known: dict[str, str] = field(default_factory=dict)  # every facet, where few things were kept
    so: bool | None = None  # whether it is what was asked of it


@dataclass(frozen=True)
class Outcome:
    """What was kept, in order; `total` counts what `at_most` and `rank` cut off, too. `anchors` were related to."""

    chosen: list[Chosen]
    total: int
    anchors: list[Chosen]
    missing: list[str]  # anchors that are in none of the pictures, in words


class _Picture(NamedTuple):
    world: FoundWorld
    members: list[int]
    anchors: list[int]
    missing: list[str]


def choose(
    context: ToolContext,
    seen: Sequence[Look],
    phrase: str,
    choice: Choice,
    regions: Sequence[Sequence[Thing]] | None = None,
) -> Outcome:
    """The things that an order of words, place and size picks out.

    Args:
        context: where the pictures are and who to ask.
        seen: what to look at; in a region, the detector sees only its crop.
        phrase: words for what is wanted, in singular; "everything" keeps all.
        choice: which of them.
        regions: in place of what a detector finds, the things of each look.

    Raises:
        ToolRetry: a phrase without words, or an anchor that is a handle of no picture here.
        ExpertFailed: an expert failed.
    """
    phrase = clean(phrase)
    pictures = [
        _one(context, look, phrase, choice, None if regions is None else list(regions[at]))
        for at, look in enumerate(seen)
    ]
    related = any(one.anchors for one in pictures)  # in one picture at least the anchor is there
    missing = [] if related else list(dict.fromkeys(end for one in pictures for end in one.missing))
    kept = _sorted([(one.world, member) for one in pictures for member in one.members], choice, phrase)
    total = len(kept)
    if choice.rank is not None:
        kept = kept[choice.rank - 1 : choice.rank]
    facets = [facet for facet in dict.fromkeys([*choice.tell, choice.count_by]) if facet not in (None, "distance")]
    ends = [end for end in choice.ends if not end.startswith("reg_")] or [EVERYTHING]
    anchors = [_chosen(one.world, at, ends, []) for one in pictures for at in one.anchors]
    words = [phrase, *(clean(other) for other in choice.alternatives)]
    kept = kept[: choice.at_most]
    every = FACETS if context.refers and len(kept) <= MOST_KNOWN else ()
    chosen = [_chosen(world, member, words, facets, every) for world, member in kept]
    if choice.are is not None:
        so = [world.is_so(member, clean(choice.are)) for world, member in kept]
        chosen = [replace(one, so=true) for one, true in zip(chosen, so, strict=True)]
    if "distance" in choice.tell:
        chosen = [_away(one, anchors) for one in chosen]
    return Outcome(chosen, total, anchors, missing)


def _one(context: ToolContext, look: Look, phrase: str, choice: Choice, given: list[Thing] | None) -> _Picture:
    """What is picked out in one picture."""
    things = given
    if things is None:
        words = [end for end in choice.ends if not end.startswith("reg_")]
        things = detected(context, look, [phrase, *choice.alternatives, *words])
    more, known = _known_anchors(context, look, things, choice.ends, given is not None)
    world = FoundWorld(context, look, [*things, *more], len(things))
    found: list[int | None] = []
    for end in choice.ends:  # "between two cubes" names the same words twice, and means two things
        found.append(known[end] if end in known else world.best(end, found))
    missing = [end for end, at in zip(choice.ends, found, strict=True) if at is None]
    if missing:
        return _Picture(world, [], [], missing)
    anchors = [at for at in found if at is not None]
    node, run = _described(phrase, choice), Run(world)
    if choice.relation is None:
        members = positions(run.clear(node))
    elif choice.relation in ("nearest to", "farthest from"):
        try:
            members = [run.nearest(node, This(anchors[0]), choice.relation == "farthest from")]
        except NoAnswerError:  # there is nothing but the anchor
            members = []
    else:
        members = positions(run.clear(Intersect(node, _related(choice.relation, anchors))))
    return _Picture(world, members, anchors, [])


def _known_anchors(
    context: ToolContext, look: Look, things: Sequence[Thing], ends: Sequence[str], given: bool
) -> tuple[list[Thing], dict[str, int | None]]:
    """Anchors that are to be looked for elsewhere than among the things: what comes to them, and each one's position.

    A handle's region, or what a detector finds for words where the things are regions of the conversation.
    """
    more: list[Thing] = []
    known: dict[str, int | None] = {}
    for end in ends:
        if end.startswith("reg_"):
            region = context.workspace.region(end)
            if region.image != look.picture.handle:
                raise ToolRetry(
                    f"{end} is in {region.image}, not in {look.picture.handle}: things of two pictures stand in no "
                    f"relation.",
                    kind="bad_arguments",
                )
            one = Thing(region.box, region.label, region.score or 1.0, end)
        elif given:
            there = FoundWorld(context, look, detected(context, look, [end]))
            best = there.best(end)
            if best is None:
                known[end] = None
                continue
            one = there.things[best]
        else:
            continue
        same = [at for at, other in enumerate(things) if overlap(one.box, other.box) > SAME_THING]
        known[end] = same[0] if same else len(things) + len(more)
        more += [] if same else [one]
    return more, known


def _described(phrase: str, choice: Choice) -> SetNode:
    node = _named(phrase)
    for other in choice.alternatives:
        node = Union(node, _named(clean(other)))
    for other in choice.exceptions:
        node = Except(node, _named(clean(other)))
    return node if choice.size == "any" else Filter(node, "size", choice.size)


def _named(phrase: str) -> SetNode:
    return Filter(Filter(Everything(), "among", "found"), "phrase", phrase)


def _related(relation: str, anchors: Sequence[int]) -> SetNode:
    if relation == "between":
        return Between(This(anchors[0]), This(anchors[1]))
    if relation.startswith("same "):
        return Same(This(anchors[0]), relation.split()[1])
    return Relate(This(anchors[0]), _SIDES.get(relation, relation))


def _sorted(kept: list[tuple[FoundWorld, int]], choice: Choice, phrase: str) -> list[tuple[FoundWorld, int]]:
    """In the order that was asked for, over all pictures where it is by size, else picture by picture."""
    if choice.order in ("largest", "smallest"):
        sign = -1 if choice.order == "largest" else 1
        return sorted(kept, key=lambda one: sign * one[0].length(one[1]))
    words = [phrase, *(clean(other) for other in choice.alternatives)]
    ordered: list[tuple[FoundWorld, int]] = []
    for world in dict.fromkeys(world for world, _ in kept):
        mine = [member for other, member in kept if other is world]
        if choice.order == "score":
            mine.sort(key=lambda member, world=world: -max(world.likely(word)[member] for word in words))
        else:
            mine = Run(world).ordered(mine, _TOWARDS[choice.order])
        ordered += [(world, member) for member in mine]
    return ordered


def _chosen(
    world: FoundWorld, member: int, words: Sequence[str], facets: Sequence[Any], every: Sequence[str] = ()
) -> Chosen:
    thing = world.things[member]
    best = max(words, key=lambda word: world.likely(word)[member])
    values = {facet: _value(world, member, facet, best) for facet in facets}
    plain = best.lower() in ANYTHING or thing.handle is not None
    label, score = (thing.kind, thing.score) if plain else (best, world.likely(best)[member])
    known = {facet: _value(world, member, facet, best) for facet in every}
    return Chosen(world.look, thing.box, label, round(score, 4), values, thing.handle, known)


def _value(world: FoundWorld, member: int, facet: str, best: str) -> str:
    if facet == "phrase":
        return best
    if facet == "picture":
        return str(world.look.handle)
    return str(world.value(member, facet))


def _away(one: Chosen, anchors: Sequence[Chosen]) -> Chosen:
    end = next((anchor for anchor in anchors if anchor.look is one.look), None)
    if end is None:
        return one
    return replace(one, values=one.values | {"distance": f"{round(gap(one.box, end.box))} px"})
