"""The nodes of the language: a program is a tree of them, in the manner of CLEVR's (Johnson et al. 2017).

Nodes give a set of things, one thing, or an answer. Answers are strings ("yes", "3", "red", "upper left"); `Group`
gives counts in words ("red 2, blue 1").
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any

from .space import RELATIONS

COUNT_COMPARISONS = ("equal", "more", "fewer")
TOWARDS = ("left", "right", "top", "bottom", "largest", "smallest")
NEAR = ("inside", "next to")  # relations besides those of space.RELATIONS that a `Relate` may have
MOST_RANK = 50


@dataclass(frozen=True)
class Everything:
    """All things there are."""


@dataclass(frozen=True)
class Filter:
    """The things of `source` of which `value` is true in `facet`: color, shape ..., or "phrase"."""

    source: SetNode
    facet: str
    value: str


@dataclass(frozen=True)
class Relate:
    """The things that stand clearly `relation` of the anchor: left, right, above, below; inside it, or next to it."""

    anchor: ThingNode
    relation: str


@dataclass(frozen=True)
class Between:
    """The things that stand between two others."""

    first: ThingNode
    second: ThingNode


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
class Except:
    """The things of the first set that are not in the second."""

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
class Nearest:
    """The thing of a set, other than the anchor, whose edge is nearest to the anchor's (or `farthest` from it)."""

    source: SetNode
    anchor: ThingNode
    farthest: bool = False


@dataclass(frozen=True)
class This:
    """A thing by its position."""

    position: int


@dataclass(frozen=True)
class Count:
    """How many things: "0", "1" ..."""

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
class Group:
    """How many things of each value of a facet, the most frequent first: "red 2, blue 1"."""

    source: SetNode
    facet: str


@dataclass(frozen=True)
class Compare:
    """Whether ("yes", "no") counts compare by "equal", "more", "fewer" (first than second), or things share a facet."""

    first: Count | ThingNode
    second: Count | ThingNode
    by: str


SetNode = Everything | Filter | Relate | Between | Same | Union | Intersect | Except
ThingNode = Unique | Ordinal | Nearest | This
Program = Count | Exist | Query | Read | Group | Compare
Node = SetNode | ThingNode | Program

SETS = (Everything, Filter, Relate, Between, Same, Union, Intersect, Except)
THINGS = (Unique, Ordinal, Nearest, This)
_NODES: dict[str, type] = {
    kind.__name__.lower(): kind for kind in (*SETS, *THINGS, Count, Exist, Query, Read, Group, Compare)
}


def to_json(node: Node) -> dict[str, Any]:
    """The node as nested dictionaries: {"op": "filter", "source": {...}, "facet": "color", "value": "red"}."""
    record: dict[str, Any] = {"op": type(node).__name__.lower()}
    for item in fields(node):
        value = getattr(node, item.name)
        record[item.name] = value if isinstance(value, (str, int)) else to_json(value)
    return record


def from_json(record: Mapping[str, Any], values: Mapping[str, Collection[str]] | None = None) -> Node:
    """The node that `to_json` wrote.

    Args:
        record: nested dictionaries.
        values: the facets that there are, with their values; None: any.

    Raises:
        ValueError: an unknown op, a missing or an unknown field, a facet or a value that there is not.
    """
    rest = dict(record)
    kind = _NODES.get(rest.pop("op", ""))
    if kind is None:
        raise ValueError(f"unknown op {record.get('op')!r}; there are: {', '.join(sorted(_NODES))}")
    if set(rest) != {item.name for item in fields(kind)}:
        raise ValueError(f"{record.get('op')!r} has the fields {', '.join(item.name for item in fields(kind))}")
    node = kind(
        **{name: from_json(value, values) if isinstance(value, Mapping) else value for name, value in rest.items()}
    )
    _check_types(node, values)
    return node


def _check_types(node: Node, values: Mapping[str, Collection[str]] | None) -> None:
    """Raise ValueError where a node stands or a value is given that does not fit."""
    wanted: dict[str, tuple[type, ...]] = {"source": SETS, "anchor": THINGS, "facet": (str,), "value": (str,)}
    if isinstance(node, Compare):
        sides = (Count,) if node.by in COUNT_COMPARISONS else THINGS
    else:
        sides = THINGS if isinstance(node, Between) else SETS
    wanted |= {"first": sides, "second": sides}
    named: dict[str, tuple[Any, ...]] = {
        "relation": (*RELATIONS, *NEAR),
        "towards": TOWARDS,
        "rank": tuple(range(1, MOST_RANK + 1)),
        "farthest": (False, True),
    }
    if values is not None:
        named["facet"] = (*values, "place") if isinstance(node, Query) else tuple(values)
        named["by"] = (*COUNT_COMPARISONS, *values)
        named["value"] = tuple(values.get(node.facet, ())) if isinstance(node, Filter) else ()
    for item in fields(node):
        value = getattr(node, item.name)
        if item.name in wanted and not isinstance(value, wanted[item.name]):
            raise ValueError(f"{type(node).__name__}.{item.name} cannot be {type(value).__name__}")
        if item.name in named and value not in named[item.name]:
            raise ValueError(f"{type(node).__name__}.{item.name} cannot be {value!r}: {named[item.name]}")
