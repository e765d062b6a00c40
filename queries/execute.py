"""The executor: what a program comes to in a world of things, exact or as found.

Sets are kept with their doubtful members apart (see `space.MARGIN`), so that in a drawn scene a relation that is not
clear makes a question ambiguous exactly when the answer would depend on it. Asked leniently, as tools do about
what detectors found, a relation goes by whichever side the centre is on, and of several things that a description
fits the first is meant.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

from .nodes import (
    Between,
    Compare,
    Count,
    Everything,
    Except,
    Exist,
    Filter,
    Group,
    Intersect,
    Nearest,
    Ordinal,
    Program,
    Query,
    Read,
    Relate,
    Same,
    SetNode,
    ThingNode,
    This,
    Union,
    Unique,
)
from .space import MARGIN, NEXT_TO, RELATIONS, Box, between, clear_place, gap, inside, place_of, related

SIZE_RATIO = 1.15  # how much longer the largest thing must be than the next one
_AXES = {"left": (0, 1), "right": (0, -1), "top": (1, 1), "bottom": (1, -1)}


class NoAnswerError(ValueError):
    """The program has no answer in this world."""


class AmbiguousError(NoAnswerError):
    """The world does not tell: several things fit, or a relation is not clear."""


class DegenerateError(NoAnswerError):
    """The question is none: nothing fits, or it says its own answer."""


class World(Protocol):
    """Things, by their positions from 0. Where several are meant and one is wanted, the first counts."""

    strict: bool  # whether what is not clear has no answer

    def __len__(self) -> int: ...

    def holds(self, thing: int, facet: str, value: str) -> bool:
        """Whether `value` is true of the thing in a facet."""
        ...

    def value(self, thing: int, facet: str) -> str | None:
        """The thing's value of a facet, "word" (on its sign) included; None where it has none."""
        ...

    def centre(self, thing: int) -> tuple[float, float]:
        """(x, y) in shares of the picture's sides."""
        ...

    def length(self, thing: int) -> float:
        """The longer side, as a share of the picture's longer side."""
        ...

    def box(self, thing: int) -> Box:
        """xyxy, in units of one length across and down."""
        ...

    def frame(self, thing: int) -> int:
        """Which picture the thing is in: things of two pictures stand in no relation."""
        ...


class Run:
    """One execution in a world. Sets are pairs of bit masks over positions: (certainly in, possibly in)."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.all = (1 << len(world)) - 1

    def answer(self, node: Program) -> str:
        """The answer. Raises AmbiguousError or DegenerateError where there is none."""
        match node:
            case Count(source):
                return str(self.clear(source).bit_count())
            case Exist(source):
                certain, possible = self.set(source)
                if not certain and possible:
                    raise AmbiguousError("whether there is any depends on a relation that is not clear")
                return "yes" if certain else "no"
            case Query(anchor, "place"):
                at = self.world.centre(self.thing(anchor))
                place = clear_place(*at) if self.world.strict else place_of(*at)
                if place is None:
                    raise AmbiguousError("the thing lies on the border between two places")
                return place
            case Query(anchor, facet):
                return self._value(self.thing(anchor), facet)
            case Read(anchor):
                return self._value(self.thing(anchor), "word")
            case Group(source, facet):
                counted = Counter(self._value(thing, facet) for thing in positions(self.clear(source)))
                return ", ".join(f"{value} {count}" for value, count in counted.most_common())
            case Compare(Count(first), Count(second), by):
                one, other = self.clear(first).bit_count(), self.clear(second).bit_count()
                return "yes" if {"equal": one == other, "more": one > other, "fewer": one < other}[by] else "no"
            case Compare(first, second, by) if not isinstance(first, Count) and not isinstance(second, Count):
                one, other = self.thing(first), self.thing(second)
                if one == other:
                    raise DegenerateError("a thing is compared with itself")
                return "yes" if self._value(one, by) == self._value(other, by) else "no"
            case _:
                raise TypeError(f"no program: {node!r}")

    def thing(self, node: ThingNode) -> int:
        """The position of the one thing that is meant."""
        match node:
            case This(position):
                return position
            case Ordinal(source, rank, towards):
                return self.ordinal(source, rank, towards)
            case Nearest(source, anchor, farthest):
                return self.nearest(source, anchor, farthest)
            case Unique(source):
                certain, possible = self.set(source)
                if not possible:
                    raise DegenerateError("nothing fits")
                if self.world.strict and (certain != possible or certain.bit_count() > 1):
                    raise AmbiguousError("several things may be meant")
                return positions(certain or possible)[0]

    def clear(self, node: SetNode) -> int:
        """The members of a set, as a bit mask, where none is doubtful."""
        certain, possible = self.set(node)
        if certain != possible:
            raise AmbiguousError("what belongs to the set depends on a relation that is not clear")
        return certain

    def set(self, node: SetNode) -> tuple[int, int]:
        """The certain and the possible members."""
        match node:
            case Everything():
                return self.all, self.all
            case Filter(source, facet, value):
                certain, possible = self.set(source)
                fits = sum(1 << i for i in range(len(self.world)) if self.world.holds(i, facet, value))
                return certain & fits, possible & fits
            case Relate(anchor, relation):
                return self._related(self.thing(anchor), relation)
            case Between(first, second):
                one, other = self.thing(first), self.thing(second)
                ends = self.world.centre(one), self.world.centre(other)
                fits = sum(
                    1 << i
                    for i in range(len(self.world))
                    if i not in (one, other) and self._beside(i, one) and between(self.world.centre(i), *ends)
                )
                return fits, fits
            case Same(anchor, facet):
                at = self.thing(anchor)
                value = self._value(at, facet)
                fits = sum(1 << i for i in range(len(self.world)) if i != at and self.world.value(i, facet) == value)
                return fits, fits
            case Union(first, second):
                one, other = self.set(first), self.set(second)
                return one[0] | other[0], one[1] | other[1]
            case Intersect(first, second):
                one, other = self.set(first), self.set(second)
                return one[0] & other[0], one[1] & other[1]
            case Except(first, second):
                one, other = self.set(first), self.set(second)
                return one[0] & ~other[1], one[1] & ~other[0]

    def _related(self, at: int, relation: str) -> tuple[int, int]:
        certain = possible = 0
        for i in range(len(self.world)):
            verdict = False if i == at or not self._beside(i, at) else self._stands(i, relation, at)
            certain |= (verdict is True) << i
            possible |= (verdict is not False) << i
        return certain, possible

    def _stands(self, thing: int, relation: str, at: int) -> bool | None:
        if relation == "inside":
            return inside(self.world.box(thing), self.world.box(at))
        if relation == "next to":
            return gap(self.world.box(thing), self.world.box(at)) <= NEXT_TO
        here, there = self.world.centre(thing), self.world.centre(at)
        verdict = related(here, relation, there)
        if verdict is None and not self.world.strict:
            axis, sign = RELATIONS[relation]
            return sign * (here[axis] - there[axis]) > 0
        return verdict

    def _beside(self, thing: int, other: int) -> bool:
        return self.world.frame(thing) == self.world.frame(other)

    def _value(self, thing: int, facet: str) -> str:
        value = self.world.value(thing, facet)
        if value is None:
            raise DegenerateError(f"the thing has no {'sign' if facet == 'word' else facet}")
        return value

    def ordered(self, members: Sequence[int], towards: str) -> list[int]:
        """Things sorted from one side, from the middle of the picture, or by size."""
        if towards in _AXES:
            axis, sign = _AXES[towards]
            return sorted(members, key=lambda i: (self.world.frame(i), sign * self.world.centre(i)[axis]))
        if towards == "middle":
            return sorted(members, key=lambda i: (self.world.frame(i), math.dist(self.world.centre(i), (0.5, 0.5))))
        return sorted(members, key=self.world.length, reverse=towards == "largest")

    def ordinal(self, source: SetNode, rank: int, towards: str) -> int:
        """The thing that comes `rank`-th in a set."""
        order = self.ordered(positions(self.clear(source)), towards)
        if len(order) < (max(2, rank) if self.world.strict else rank):
            raise DegenerateError(f"there is no number {rank} among {len(order)}")
        if self.world.strict:
            at = rank - 1
            if not all(self._apart(i, j, towards) for i, j in list(pairwise(order))[max(0, at - 1) : at + 1]):
                raise AmbiguousError("the neighbours in the order are not clearly apart")
        return order[rank - 1]

    def _apart(self, first: int, second: int, towards: str) -> bool:
        if towards in _AXES:
            axis, _ = _AXES[towards]
            return abs(self.world.centre(first)[axis] - self.world.centre(second)[axis]) >= MARGIN
        lengths = sorted((self.world.length(first), self.world.length(second)))
        return lengths[1] >= SIZE_RATIO * lengths[0]

    def nearest(self, source: SetNode, anchor: ThingNode, farthest: bool) -> int:
        """The thing of a set that is nearest to the anchor, or farthest from it."""
        at = self.thing(anchor)
        others = [i for i in positions(self.clear(source)) if i != at and self._beside(i, at)]
        if not others:
            raise DegenerateError("there is nothing else")
        away = {i: gap(self.world.box(i), self.world.box(at)) for i in others}
        best = (max if farthest else min)(others, key=away.__getitem__)
        if self.world.strict and any(abs(away[i] - away[best]) < MARGIN for i in others if i != best):
            raise AmbiguousError("another thing is about as near")
        return best


def positions(members: int) -> list[int]:
    """The positions in a bit mask, ascending."""
    return [i for i in range(members.bit_length()) if members >> i & 1]
