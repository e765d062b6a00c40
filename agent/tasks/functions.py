"""The functions of expressions: what they take, what they give."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...tools.shared.amounts import amount_in
from .kinds import NUMBER, TEXT, TRUTH, Kind, Listed


class MissingError(LookupError):
    """What is referred to is not there in this run: its step was left out by `when`, or a list is too short."""


@dataclass(frozen=True)
class Function:
    """A function of expressions."""

    takes: Callable[[Sequence[Kind]], str | None]  # what is wrong with the kinds that are given
    gives: Callable[[Sequence[Kind]], Kind]
    run: Callable[..., Any]
    told: str


def _one_list(kinds: Sequence[Kind]) -> str | None:
    return None if len(kinds) == 1 and isinstance(kinds[0], Listed) else "one list"


def _numbers(kinds: Sequence[Kind]) -> str | None:
    good = len(kinds) == 1 and isinstance(kinds[0], Listed) and kinds[0].of == NUMBER
    return None if good or (kinds and all(kind == NUMBER for kind in kinds)) else "numbers, or one list of numbers"


def _a_text(kinds: Sequence[Kind]) -> str | None:
    return None if list(kinds) == [TEXT] else "one text"


def _two_texts(kinds: Sequence[Kind]) -> str | None:
    return None if list(kinds) == [TEXT, TEXT] else "two texts"


def _rounded(kinds: Sequence[Kind]) -> str | None:
    return None if list(kinds) in ([NUMBER], [NUMBER, NUMBER]) else "a number, and how many digits"


def _flat(values: Sequence[Any]) -> list[float]:
    given = values[0] if len(values) == 1 and isinstance(values[0], list | tuple) else values
    if not given:
        raise MissingError("there are no numbers in the list")
    return [float(one) for one in given]


def _first(kinds: Sequence[Kind]) -> Kind:
    (kind,) = kinds
    return kind.of if isinstance(kind, Listed) else kind


def _head(values: Sequence[Any]) -> Any:
    if not values:
        raise MissingError("the list is empty")
    return values[0]


FUNCTIONS: dict[str, Function] = {
    "len": Function(_one_list, lambda _: NUMBER, len, "how many a list holds"),
    "first": Function(_one_list, _first, _head, "the first of a list"),
    "sum": Function(_numbers, lambda _: NUMBER, lambda *v: math.fsum(_flat(v)), "numbers added up"),
    "mean": Function(_numbers, lambda _: NUMBER, lambda *v: math.fsum(_flat(v)) / len(_flat(v)), "their mean"),
    "min": Function(_numbers, lambda _: NUMBER, lambda *v: min(_flat(v)), "the least"),
    "max": Function(_numbers, lambda _: NUMBER, lambda *v: max(_flat(v)), "the greatest"),
    "round": Function(_rounded, lambda _: NUMBER, lambda x, d=0: round(x, int(d)), "a number rounded"),
    "lower": Function(_a_text, lambda _: TEXT, str.lower, "a text in lower case"),
    "contains": Function(_two_texts, lambda _: TRUTH, lambda a, b: b in a, "whether a text holds another"),
    "number": Function(_a_text, lambda _: NUMBER, lambda text: _number(text), "the figure in a text, as in 12,40 EUR"),
}


def _number(text: str) -> float:
    amount = amount_in(text)
    if amount is None:
        raise MissingError(f"there is no figure in {text!r}")
    return float(amount.value)
