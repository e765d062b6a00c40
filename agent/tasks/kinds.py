"""Kinds of values in task files: what a reference or an expression gives, known before anything runs."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

Name = Literal["number", "text", "truth", "nothing", "picture", "region"]


@dataclass(frozen=True)
class Plain:
    """A number, a text, true or false, nothing; a picture or a region with what is known of it."""

    name: Name
    fields: tuple[tuple[str, Kind], ...] = ()

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Listed:
    """A list of values of one kind."""

    of: Kind

    def __str__(self) -> str:
        return f"list of {self.of}s"


@dataclass(frozen=True)
class Record:
    """Named values: what a step gives."""

    what: str
    fields: tuple[tuple[str, Kind], ...]

    def __str__(self) -> str:
        return self.what


@dataclass(frozen=True)
class Maybe:
    """A value that may be missing (null)."""

    of: Kind

    def __str__(self) -> str:
        return f"{self.of} or nothing"


Kind = Plain | Listed | Record | Maybe
NUMBER, TEXT, TRUTH, NOTHING = Plain("number"), Plain("text"), Plain("truth"), Plain("nothing")


def fields_of(kind: Kind) -> Mapping[str, Kind]:
    """The names that may stand after a dot."""
    return dict(kind.fields) if isinstance(kind, Plain | Record) else {}


@cache
def kind_of_model(model: type[BaseModel], what: str) -> Kind:
    """The kind of a pydantic model: a picture or a region where it is marked as one, else a record."""
    fields = tuple((name, kind_of(info.annotation, name)) for name, info in model.model_fields.items())
    handle = model.model_fields.get("handle")
    extra = handle.json_schema_extra if handle is not None else None
    if isinstance(extra, dict) and extra.get("x-is") in ("picture", "region"):
        return Plain("picture" if extra["x-is"] == "picture" else "region", fields)
    return Record(what, fields)


def kind_of(annotation: Any, what: str) -> Kind:
    """The kind of a Python annotation of our output models."""
    if annotation in (int, float):
        return NUMBER
    if annotation in (str, bool):
        return TEXT if annotation is str else TRUTH
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return kind_of_model(annotation, what)
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (list, tuple):
        return Listed(kind_of(inner[0], what))
    if origin in (Union, types.UnionType):
        some = [one for one in inner if one is not type(None)]
        if len(some) == 1:
            return Maybe(kind_of(some[0], what))
    return TEXT


def kind_of_value(value: Any) -> Kind:
    """The kind of a plain value, as of an input."""
    if isinstance(value, bool):
        return TRUTH
    if isinstance(value, int | float):
        return NUMBER
    if value is None:
        return NOTHING
    if isinstance(value, list):
        return Listed(kind_of_value(value[0]) if value else TEXT)
    return TEXT
