"""The logical forms of captions: what a sentence claims about a scene, and whether it holds.

A form is a tuple of clauses that must all hold. Because every caption carries its form, any caption can
be checked on any scene: that is how a batch gets its exact matrix of true pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .phrases import phrase_true
from .scene import Scene
from .space import centres, clear_place, raster_order, related

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


def holds(form: Form, scene: Scene) -> bool:
    """Whether every clause of the form is true of the scene; what is not clear is not true."""
    return all(_clause_holds(clause, scene) for clause in form)


def truths(forms: Sequence[Form], scenes: Sequence[Scene]) -> np.ndarray:
    """Which forms hold of which scenes: (len(forms), len(scenes)) bool."""
    return np.array([[holds(form, scene) for scene in scenes] for form in forms], bool).reshape(len(forms), len(scenes))


def _clause_holds(clause: Clause, scene: Scene) -> bool:
    match clause:
        case Set(backdrop):
            return scene.backdrop == backdrop
        case Some(said, count):
            attributes = dict(said)
            found = sum(phrase_true(attributes, thing) for thing in scene.things)
            return found > 0 if count is None else found == count
        case Placed(said, place):
            attributes = dict(said)
            return any(
                phrase_true(attributes, thing) and clear_place(thing.x, thing.y) == place for thing in scene.things
            )
        case Listed(things):
            if len(things) != len(scene.things):
                return False
            return all(phrase_true(dict(said), thing) for said, thing in zip(things, raster_order(scene), strict=True))
        case Related(first, relation, second):
            points = centres(scene)
            ones = [i for i, thing in enumerate(scene.things) if phrase_true(dict(first), thing)]
            others = [i for i, thing in enumerate(scene.things) if phrase_true(dict(second), thing)]
            return any(i != j and related(points[i], relation, points[j]) is True for i in ones for j in others)
