"""Programs over a scene: the question language (`queries`) asked about the drawn world's exact truth.

What is not clear in a scene (see `queries.space.MARGIN`) has no answer, and neither has a question that says its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ...queries import nodes
from ...queries.execute import AmbiguousError, DegenerateError, NoAnswerError, Run, positions
from ...queries.nodes import (
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
    Node,
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
    to_json,
)
from ...queries.space import Box, Boxes
from ..scene import Scene
from ..space import centres
from .phrases import FACETS, VALUES

__all__ = ["AmbiguousError", "NoAnswerError", "SceneWorld", "certain_of", "check", "execute", "from_json",
           "thing_of", "things_of", "to_json"]  # fmt: skip


class SceneWorld:
    """A scene as a `queries.execute.World`.

    Args:
        scene: the truth.
        boxes: the visible boxes, (things, 4) xyxy in shares of the picture's side, in the order of
            `scene.things`; without them places and lengths are those of the things themselves.
    """

    strict = True

    def __init__(self, scene: Scene, boxes: Boxes | None = None) -> None:
        self.things = scene.things
        self.boxes = boxes
        self._centres = centres(scene, boxes)

    def __len__(self) -> int:
        return len(self.things)

    def holds(self, thing: int, facet: str, value: str) -> bool:
        """Whether it has this value."""
        return self.value(thing, facet) == value

    def value(self, thing: int, facet: str) -> str | None:
        """Its value of a facet."""
        return getattr(self.things[thing], facet)

    def centre(self, thing: int) -> tuple[float, float]:
        """Of the visible box, where that is known."""
        return self._centres[thing]

    def length(self, thing: int) -> float:
        """The longer side, as a share of the picture's side."""
        if self.boxes is None:
            return self.things[thing].scale
        x0, y0, x1, y1 = self.boxes[thing]
        return float(max(x1 - x0, y1 - y0))

    def box(self, thing: int) -> Box:
        """The visible box, or a square around the centre."""
        if self.boxes is not None:
            return self.boxes[thing]
        (x, y), half = self._centres[thing], self.things[thing].scale / 2
        return x - half, y - half, x + half, y + half

    def frame(self, thing: int) -> int:
        """All are in one picture."""
        return 0


def from_json(record: Mapping[str, Any]) -> Node:
    """The node that `to_json` wrote. Raises ValueError as `queries.nodes.from_json` does."""
    return nodes.from_json(record, VALUES)


def execute(program: Program, scene: Scene, boxes: Boxes | None = None) -> str:
    """The answer.

    Args:
        program: what is asked.
        scene: the truth.
        boxes: as of `SceneWorld`.

    Raises:
        AmbiguousError: the scene does not tell.
        DegenerateError: nothing fits, or the question says its own answer.
    """
    check(program)
    return Run(SceneWorld(scene, boxes)).answer(program)


def things_of(node: SetNode, scene: Scene, boxes: Boxes | None = None) -> frozenset[int]:
    """The positions in `scene.things` of a set's members. Raises as `execute` does."""
    return frozenset(positions(Run(SceneWorld(scene, boxes)).clear(node)))


def certain_of(node: SetNode, scene: Scene, boxes: Boxes | None = None) -> frozenset[int]:
    """The positions of those that certainly belong to a set, where others may be doubtful."""
    certain, _ = Run(SceneWorld(scene, boxes)).set(node)
    return frozenset(positions(certain))


def thing_of(node: ThingNode, scene: Scene, boxes: Boxes | None = None) -> int:
    """The position in `scene.things` of the thing that a node means. Raises as `execute` does."""
    return Run(SceneWorld(scene, boxes)).thing(node)


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
        case Group(source, facet) if facet in _said(source):
            raise DegenerateError(f"the question says the {facet}")
        case Count(source) | Exist(source) | Group(source, _):
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
        case Union(first, second) | Intersect(first, second) | Except(first, second):
            if first == second:
                raise DegenerateError("the two sets are the same")
            one, other = _said(first), _said(second)
            if isinstance(node, Except):
                return one
            return one & other if isinstance(node, Union) else one | other
        case Between(first, second):
            if first == second:
                raise DegenerateError("the two things are the same")
            _said(first)
            _said(second)
            return frozenset()
        case Unique(source) | Ordinal(source, _, _) | Count(source):
            return _said(source)
        case Nearest(source, anchor, _):
            _said(anchor)
            return _said(source)
        case This():
            return frozenset()
        case _:
            raise TypeError(f"no description: {node!r}")
