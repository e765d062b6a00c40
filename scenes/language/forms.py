"""The logical forms of captions: what a sentence claims about a scene, and whether it holds.

A form is a tuple of clauses that must all hold. Because every caption carries its form, any caption can
be checked on any scene: that is how a batch gets its exact matrix of true pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...queries.space import Boxes, clear_place, related
from ..scene import Scene, Thing
from ..space import centres, raster_order

Said = tuple[tuple[str, str], ...]  # attributes as a hashable tuple of (facet, value), in the order of FACETS


@dataclass(frozen=True)
class Some:
    """There is at least one thing like this; with `count`, there are exactly so many (0 for none)."""

    said: Said
    count: int | None = None


@dataclass(frozen=True)
class Related:
    """Some thing like `first` stands clearly `relation` of some other thing like `second`."""

    first: Said
    relation: str
    second: Said


@dataclass(frozen=True)
class Placed:
    """Some thing like this lies clearly in one of the nine places of the picture."""

    said: Said
    place: str


@dataclass(frozen=True)
class Listed:
    """These are all the things there are, in raster order. A pair ("word", W) says what a thing's sign reads."""

    things: tuple[Said, ...]


@dataclass(frozen=True)
class Set:
    """The things stand before this backdrop."""

    backdrop: str


Clause = Some | Related | Placed | Listed | Set
Form = tuple[Clause, ...]


def holds(form: Form, scene: Scene, boxes: Boxes | None = None) -> bool:
    """Whether every clause of the form is true of the scene; what is not clear is not true.

    Args:
        form: what is claimed.
        scene: the truth.
        boxes: the visible boxes, (things, 4) xyxy in shares of the picture's side; without them the things
            stand where `Thing.x` and `Thing.y` say.
    """
    return all(_clause_holds(clause, scene, boxes) for clause in form)


def truths(forms: Sequence[Form], scenes: Sequence[Scene]) -> np.ndarray:
    """Which forms hold of which scenes: (len(forms), len(scenes)) bool."""
    return np.array([[holds(form, scene) for scene in scenes] for form in forms], bool).reshape(len(forms), len(scenes))


def fits(said: Said, thing: Thing) -> bool:
    """Whether every attribute holds of the thing: `phrases.phrase_true` without making a dictionary."""
    for facet, value in said:  # a plain loop, because a batch of captions asks this a million times  # noqa: SIM110
        if getattr(thing, facet) != value:
            return False
    return True


def _clause_holds(clause: Clause, scene: Scene, boxes: Boxes | None) -> bool:
    match clause:
        case Set(backdrop):
            return scene.backdrop == backdrop
        case Some(said, count):
            found = sum(fits(said, thing) for thing in scene.things)
            return found > 0 if count is None else found == count
        case Placed(said, place):
            points = centres(scene, boxes)
            return any(
                fits(said, thing) and clear_place(*point) == place
                for thing, point in zip(scene.things, points, strict=True)
            )
        case Listed(things):
            if len(things) != len(scene.things):
                return False
            return all(fits(said, thing) for said, thing in zip(things, raster_order(scene), strict=True))
        case Related(first, relation, second):
            ones = [i for i, thing in enumerate(scene.things) if fits(first, thing)]
            others = [i for i, thing in enumerate(scene.things) if fits(second, thing)] if ones else []
            if not others:
                return False
            points = centres(scene, boxes)
            return any(i != j and related(points[i], relation, points[j]) is True for i in ones for j in others)
