"""Documents by seed: what stands on them, before anything is drawn."""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, get_args

from ..splits import Split, split_seed
from .words import CITIES, GOODS, HEADS, LABELS, MESSAGES, MONTHS, NAMES, SENTENCE_WORDS, SHOPS, TITLES

Kind = Literal["receipt", "form", "table", "letter", "screen"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Document:
    """What stands on a document.

    Attributes:
        seed: of its split; the same seed and kind give the same document.
        kind: receipt, form, table, letter or screen.
        title: its first line; "" where there is none.
        pairs: labels and their values, as (label, value): the lines of a receipt and of a form.
        cells: the rows of a table, its head first; every row is of one length, "" where a cell is empty.
        lines: running text, line by line: paragraphs of a letter, messages and buttons of a screen.
        total: of a receipt, what its goods come to, and the label under which it stands.
    """

    seed: int
    kind: Kind
    title: str = ""
    pairs: tuple[tuple[str, str], ...] = ()
    cells: tuple[tuple[str, ...], ...] = ()
    lines: tuple[str, ...] = ()
    total: tuple[str, Decimal] | None = None

    @property
    def texts(self) -> list[str]:
        """Everything that is written, in reading order."""
        paired = [text for pair in self.pairs for text in pair]
        return [text for text in (self.title, *self.lines, *paired, *(c for row in self.cells for c in row)) if text]


def sample_document(seed: int, kind: Kind, split: Split = "train") -> Document:
    """The document number `seed` of a split. "test" has names, goods and words that "train" never shows.

    Raises:
        ValueError: a seed of another split, or a kind that is none.
    """
    number = split_seed(split, seed)
    if kind not in KINDS:
        raise ValueError(f"no kind of document {kind!r}: choose one of {', '.join(KINDS)}")
    rng = random.Random(f"document {kind} {number}")
    return {"receipt": _receipt, "form": _form, "table": _table, "letter": _letter, "screen": _screen}[kind](
        rng, number, split
    )


def _pool(words: tuple[str, ...], split: Split) -> tuple[str, ...]:
    """The words of a split: every third is kept for tests."""
    return tuple(word for at, word in enumerate(words) if (at % 3 == 2) == (split == "test"))


def _receipt(rng: random.Random, seed: int, split: Split) -> Document:
    count = rng.randint(2, 9)
    prices = [Decimal(rng.randrange(50, 9000)) / 100 for _ in range(count)]
    goods = rng.sample(_pool(GOODS, split), count)
    whole = sum(prices, Decimal(0))
    label = rng.choice(("Total", "TOTAL", "Total due", "Amount due", "To pay"))
    rows = [(name, f"{price:.2f}") for name, price in zip(goods, prices, strict=True)]
    if rng.random() < 0.5:
        rows.append((rng.choice(("Subtotal", "Net")), f"{whole:.2f}"))
    if rng.random() < 0.5:
        tax = (whole * Decimal(rng.choice((5, 7, 19, 20))) / 100).quantize(Decimal("0.01"))
        rows.append((rng.choice(("VAT", "Tax")), f"{tax:.2f}"))
        whole += tax
    rows.append((label, f"{whole:.2f}"))
    if rng.random() < 0.6:
        given = whole + Decimal(rng.randrange(0, 2000)) / 100
        rows += [("Cash", f"{given:.2f}"), ("Change", f"{given - whole:.2f}")]
    return Document(seed, "receipt", rng.choice(_pool(SHOPS, split)), tuple(rows), total=(label, whole))


def _form(rng: random.Random, seed: int, split: Split) -> Document:
    labels = rng.sample(_pool(LABELS, split), rng.randint(4, 8))
    return Document(seed, "form", rng.choice(_pool(TITLES, split)), tuple((one, _entry(rng, split)) for one in labels))


def _table(rng: random.Random, seed: int, split: Split) -> Document:
    heads = rng.sample(_pool(HEADS, split), rng.randint(2, 5))
    kinds = ["name", *(rng.choice(("name", "number", "money", "number")) for _ in heads[1:])]
    rows = [tuple(_cell(rng, kind, split) for kind in kinds) for _ in range(rng.randint(3, 9))]
    return Document(seed, "table", rng.choice((*_pool(TITLES, split), "")), cells=(tuple(heads), *rows))


def _letter(rng: random.Random, seed: int, split: Split) -> Document:
    lines = [f"{rng.choice(_pool(CITIES, split))}, {_date(rng)}"]
    for _ in range(rng.randint(6, 22)):
        lines.append(_sentence(rng, split, rng.randint(4, 9)))
    return Document(seed, "letter", rng.choice(_pool(TITLES, split)), lines=tuple(lines))


def _screen(rng: random.Random, seed: int, split: Split) -> Document:
    lines = rng.sample(_pool(MESSAGES, split), rng.randint(2, 5))
    lines += [_sentence(rng, split, rng.randint(3, 7)) for _ in range(rng.randint(0, 3))]
    return Document(seed, "screen", rng.choice(_pool(TITLES, split)), lines=tuple(lines))


def _entry(rng: random.Random, split: Split) -> str:
    return rng.choice((lambda: rng.choice(_pool(NAMES, split)), lambda: rng.choice(_pool(CITIES, split)),
                       lambda: _date(rng), lambda: str(rng.randrange(10, 99_999)),
                       lambda: f"{rng.choice('ABCDEFGHKLMNPRST')}{rng.randrange(100, 9999)}",
                       lambda: f"{Decimal(rng.randrange(100, 99_999)) / 100:.2f}"))()  # fmt: skip


def _cell(rng: random.Random, kind: str, split: Split) -> str:
    if rng.random() < 0.06 and kind != "name":
        return ""
    if kind == "name":
        return rng.choice(_pool(NAMES + CITIES + GOODS, split))
    return str(rng.randrange(1, 2000)) if kind == "number" else f"{Decimal(rng.randrange(100, 99_999)) / 100:.2f}"


def _date(rng: random.Random) -> str:
    return f"{rng.randint(1, 28)} {rng.choice(MONTHS)} {rng.randint(2019, 2026)}"


def _sentence(rng: random.Random, split: Split, length: int) -> str:
    words = [rng.choice(_pool(SENTENCE_WORDS, split)) for _ in range(length)]
    return f"{' '.join(words).capitalize()}{rng.choice('..,?')}"
