"""The question language: programs over a scene, and the one executor that answers them.

A program is a tree of frozen nodes, in the manner of CLEVR's functional programs (Johnson et al. 2017).
Nodes give a set of things, one thing, a number, or an answer; answers are always strings ("yes", "3",
"red", "upper left"). Sets are kept with their doubtful members apart (see `space.MARGIN`), so that a
relation that is not clear makes the question ambiguous exactly when the answer would depend on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import pairwise
from typing import Any

from ..scene import Scene
from ..space import MARGIN, RELATIONS, Boxes, centres, clear_place, related
from .phrases import FACETS, VALUES

SIZE_RATIO = 1.15  # how much longer the largest thing must be than the next one

COUNT_COMPARISONS = ("equal", "more", "fewer")
TOWARDS = ("left", "right", "top", "bottom", "largest", "smallest")
_AXES = {"left": (0, 1), "right": (0, -1), "top": (1, 1), "bottom": (1, -1)}


class NoAnswerError(ValueError):
    """The program has no answer on this scene."""


class AmbiguousError(NoAnswerError):
    """The scene does not tell: several things fit, or a relation is not clear."""


class DegenerateError(NoAnswerError):
    """The question is none: nothing fits, or it says its own answer."""


@dataclass(frozen=True)
class Everything:
    """All things of the scene."""


@dataclass(frozen=True)
class Filter:
    """The things of `source` whose `facet` (of phrases.FACETS) is `value`."""

    source: SetNode
    facet: str
    value: str


@dataclass(frozen=True)
class Relate:
    """The things that stand clearly `relation` of the anchor: left, right, above, below."""

    anchor: ThingNode
    relation: str


@dataclass(frozen=True)
class Same:
    """The other things that share the anchor's value of `facet`."""

    anchor: ThingNode
    facet: str


@dataclass(frozen=True)
class Union:
    """The things in either set."""

    first: SetNode
    second: SetNode


@dataclass(frozen=True)
class Intersect:
    """The things in both sets."""

    first: SetNode
    second: SetNode


@dataclass(frozen=True)
class Unique:
    """The only thing of a set."""

    source: SetNode


@dataclass(frozen=True)
class Ordinal:
    """The thing that comes `rank`-th (from 1) in a set of at least two, counted from one side or by size."""

    source: SetNode
    rank: int
    towards: str  # of TOWARDS; "left" counts from the left


@dataclass(frozen=True)
class Count:
    """How many things: "0" to "8"."""

    source: SetNode


@dataclass(frozen=True)
class Exist:
    """Whether there is any: "yes" or "no"."""

    source: SetNode


@dataclass(frozen=True)
class Query:
    """A thing's value of a facet, or its "place" among the nine of space.PLACES."""

    anchor: ThingNode
    facet: str


@dataclass(frozen=True)
class Read:
    """The word on the sign beside a thing."""

    anchor: ThingNode


@dataclass(frozen=True)
class Compare:
    """Whether ("yes", "no") counts compare by "equal", "more", "fewer" (first than second), or things share a facet."""

    first: Count | ThingNode
    second: Count | ThingNode
    by: str


SetNode = Everything | Filter | Relate | Same | Union | Intersect
ThingNode = Unique | Ordinal
Program = Count | Exist | Query | Read | Compare
Node = SetNode | ThingNode | Program

_SETS = (Everything, Filter, Relate, Same, Union, Intersect)
_THINGS = (Unique, Ordinal)
_NODES: dict[str, type] = {
    kind.__name__.lower(): kind for kind in (*_SETS, *_THINGS, Count, Exist, Query, Read, Compare)
}


# ---------------------------------------------------------------- JSON


def to_json(node: Node) -> dict[str, Any]:
    """The node as nested dictionaries: {"op": "filter", "source": {...}, "facet": "color", "value": "red"}."""
    record: dict[str, Any] = {"op": type(node).__name__.lower()}
    for item in fields(node):
        value = getattr(node, item.name)
        record[item.name] = value if isinstance(value, (str, int)) else to_json(value)
    return record


def from_json(record: Mapping[str, Any]) -> Node:
    """The node that `to_json` wrote. Raises ValueError for an unknown op, a missing or an unknown field."""
    rest = dict(record)
    kind = _NODES.get(rest.pop("op", ""))
    if kind is None:
        raise ValueError(f"unknown op {record.get('op')!r}; there are: {', '.join(sorted(_NODES))}")
    if set(rest) != {item.name for item in fields(kind)}:
        raise ValueError(f"{record.get('op')!r} has the fields {', '.join(item.name for item in fields(kind))}")
    node = kind(**{name: from_json(value) if isinstance(value, Mapping) else value for name, value in rest.items()})
    _check_types(node)
    return node


def _check_types(node: Node) -> None:
    """Raise ValueError where a node stands or a value is given that does not fit."""
    wanted: dict[str, tuple[type, ...]] = {"source": _SETS, "anchor": _THINGS}
    if isinstance(node, Compare):
        counted = node.by in COUNT_COMPARISONS
        wanted |= {"first": (Count,) if counted else _THINGS, "second": (Count,) if counted else _THINGS}
    else:
        wanted |= {"first": _SETS, "second": _SETS}
    named: dict[str, tuple[Any, ...]] = {"relation": tuple(RELATIONS), "towards": TOWARDS, "rank": tuple(range(1, 9))}
    named["facet"] = (*FACETS, "place") if isinstance(node, Query) else FACETS
    named["by"] = (*COUNT_COMPARISONS, *FACETS)
    if isinstance(node, Filter):
        named["value"] = VALUES.get(node.facet, ())
    for item in fields(node):
        value = getattr(node, item.name)
        if item.name in wanted and not isinstance(value, wanted[item.name]):
            raise ValueError(f"{type(node).__name__}.{item.name} cannot be {type(value).__name__}")
        if item.name in named and value not in named[item.name]:
            raise ValueError(f"{type(node).__name__}.{item.name} cannot be {value!r}: {named[item.name]}")


# ---------------------------------------------------------------- the executor


def execute(program: Program, scene: Scene, boxes: Boxes | None = None) -> str:
    """The answer.

    Args:
        program: what is asked.
        scene: the truth.
        boxes: the visible boxes, (things, 4) xyxy in shares of the picture's side, in the order of
            `scene.things`; without them places and lengths are those of the things themselves.

    Raises:
        AmbiguousError: the scene does not tell.
        DegenerateError: nothing fits, or the question says its own answer.
    """
    check(program)
    return _Run(scene, boxes).answer(program)


def things_of(node: SetNode, scene: Scene, boxes: Boxes | None = None) -> frozenset[int]:
    """The positions in `scene.things` of a set's members. Raises as `execute` does."""
    members = _Run(scene, boxes).clear(node)
    return frozenset(i for i in range(len(scene.things)) if members >> i & 1)


def certain_of(node: SetNode, scene: Scene, boxes: Boxes | None = None) -> frozenset[int]:
    """The positions of those that certainly belong to a set, where others may be doubtful."""
    certain, _ = _Run(scene, boxes).set(node)
    return frozenset(i for i in range(len(scene.things)) if certain >> i & 1)


def thing_of(node: ThingNode, scene: Scene, boxes: Boxes | None = None) -> int:
    """The position in `scene.things` of the thing that a node means. Raises as `execute` does."""
    return _Run(scene, boxes).thing(node)


class _Run:
    """One execution. Sets are pairs of bit masks over `scene.things`: (certainly in, possibly in)."""

    def __init__(self, scene: Scene, boxes: Boxes | None) -> None:
        self.things = scene.things
        self.all = (1 << len(scene.things)) - 1
        self.centres = centres(scene, boxes)
        self.boxes = boxes

    def answer(self, node: Program) -> str:
        match node:
            case Count(source):
                return str(self.clear(source).bit_count())
            case Exist(source):
                certain, possible = self.set(source)
                if not certain and possible:
                    raise AmbiguousError("whether there is any depends on a relation that is not clear")
                return "yes" if certain else "no"
            case Query(anchor, "place"):
                place = clear_place(*self.centres[self.thing(anchor)])
                if place is None:
                    raise AmbiguousError("the thing lies on the border between two places")
                return place
            case Query(anchor, facet):
                return getattr(self.things[self.thing(anchor)], facet)
            case Read(anchor):
                word = self.things[self.thing(anchor)].word
                if word is None:
                    raise DegenerateError("the thing has no sign")
                return word
            case Compare(Count(first), Count(second), by):
                one, other = self.clear(first).bit_count(), self.clear(second).bit_count()
                return "yes" if {"equal": one == other, "more": one > other, "fewer": one < other}[by] else "no"
            case Compare(Unique() | Ordinal() as first, Unique() | Ordinal() as second, by):
                one, other = self.thing(first), self.thing(second)
                if one == other:
                    raise DegenerateError("a thing is compared with itself")
                return "yes" if getattr(self.things[one], by) == getattr(self.things[other], by) else "no"
            case _:
                raise TypeError(f"no program: {node!r}")

    def thing(self, node: ThingNode) -> int:
        if isinstance(node, Ordinal):
            return self.ordinal(node)
        certain, possible = self.set(node.source)
        if not possible:
            raise DegenerateError("nothing fits")
        if certain != possible or certain.bit_count() > 1:
            raise AmbiguousError("several things may be meant")
        return certain.bit_length() - 1

    def clear(self, node: SetNode) -> int:
        certain, possible = self.set(node)
        if certain != possible:
            raise AmbiguousError("what belongs to the set depends on a relation that is not clear")
        return certain

    def set(self, node: SetNode) -> tuple[int, int]:
        match node:
            case Everything():
                return self.all, self.all
            case Filter(source, facet, value):
                certain, possible = self.set(source)
                fits = sum(1 << i for i, thing in enumerate(self.things) if getattr(thing, facet) == value)
                return certain & fits, possible & fits
            case Relate(anchor, relation):
                at = self.thing(anchor)
                certain = possible = 0
                for i, point in enumerate(self.centres):
                    verdict = False if i == at else related(point, relation, self.centres[at])
                    certain |= (verdict is True) << i
                    possible |= (verdict is not False) << i
                return certain, possible
            case Same(anchor, facet):
                at = self.thing(anchor)
                value = getattr(self.things[at], facet)
                fits = sum(1 << i for i, thing in enumerate(self.things) if i != at and getattr(thing, facet) == value)
                return fits, fits
            case Union(first, second):
                one, other = self.set(first), self.set(second)
                return one[0] | other[0], one[1] | other[1]
            case Intersect(first, second):
                one, other = self.set(first), self.set(second)
                return one[0] & other[0], one[1] & other[1]

    def ordinal(self, node: Ordinal) -> int:
        members = self.clear(node.source)
        order = [i for i in range(len(self.things)) if members >> i & 1]
        if len(order) < max(2, node.rank):
            raise DegenerateError(f"there is no number {node.rank} among {len(order)}")
        if node.towards in _AXES:
            axis, sign = _AXES[node.towards]
            order.sort(key=lambda i: sign * self.centres[i][axis])
            apart = [self.centres[j][axis] * sign - self.centres[i][axis] * sign >= MARGIN for i, j in pairwise(order)]
        else:
            order.sort(key=self.length, reverse=node.towards == "largest")
            apart = [
                max(self.length(i), self.length(j)) >= SIZE_RATIO * min(self.length(i), self.length(j))
                for i, j in pairwise(order)
            ]
        at = node.rank - 1
        if not all(apart[max(0, at - 1) : at + 1]):
            raise AmbiguousError("the neighbours in the order are not clearly apart")
        return order[at]

    def length(self, i: int) -> float:
        """The longer side of a thing, as a share of the picture's side."""
        if self.boxes is None:
            return self.things[i].scale
        x0, y0, x1, y1 = self.boxes[i]
        return float(max(x1 - x0, y1 - y0))


# ---------------------------------------------------------------- questions that say their own answer


@lru_cache(maxsize=4096)
def check(program: Program) -> None:
    """Raise DegenerateError for a program that is no question on any scene: it repeats itself or says its answer."""
    match program:
        case Query(anchor, facet) if facet in _said(anchor):
            raise DegenerateError(f"the question says the {facet}")
        case Compare(first, second, by):
            if first == second:
                raise DegenerateError("the two sides are the same")
            if by in FACETS and by in _said(first) & _said(second):
                raise DegenerateError(f"the question says both {by}s")
            _said(first)
            _said(second)
        case Count(source) | Exist(source):
            _said(source)
        case Query(anchor, _) | Read(anchor):
            _said(anchor)


def _said(node: Node) -> frozenset[str]:
    """The facets that a description tells of the things it means."""
    match node:
        case Everything():
            return frozenset()
        case Filter(source, facet, _):
            said = _said(source)
            if facet in said:
                raise DegenerateError(f"the {facet} is said twice")
            return said | {facet}
        case Relate(anchor, _):
            _said(anchor)
            return frozenset()
        case Same(anchor, facet):
            _said(anchor)
            return frozenset({facet})
        case Union(first, second) | Intersect(first, second):
            if first == second:
                raise DegenerateError("the two sets are the same")
            one, other = _said(first), _said(second)
            return one & other if isinstance(node, Union) else one | other
        case Unique(source) | Ordinal(source, _, _) | Count(source):
            return _said(source)
        case _:
            raise TypeError(f"no description: {node!r}")
