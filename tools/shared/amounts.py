"""Figures as people print them ("1.234,56 EUR", "$12.40"): read, added up and compared by code, never by a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from price_parser import Price


@dataclass(frozen=True)
class Amount:
    """A number and the currency that stands with it, as it is printed there."""

    value: Decimal
    currency: str | None

    def __str__(self) -> str:
        number = f"{self.value:f}"
        return number if self.currency is None else f"{number} {self.currency}"


def amount_in(text: str) -> Amount | None:
    """The first amount of a text; None where it has no figure."""
    price = Price.fromstring(text)
    if price.amount is None:
        return None
    sign = -1 if text.lstrip().startswith(("-", "\u2212")) else 1
    return Amount(sign * price.amount, price.currency)


def total_of(amounts: Sequence[Amount]) -> Amount | None:
    """Amounts added up; None of none, or where two currencies meet."""
    currencies = {one.currency for one in amounts if one.currency is not None}
    if not amounts or len(currencies) > 1:
        return None
    return Amount(sum((one.value for one in amounts), Decimal(0)), next(iter(currencies), None))
