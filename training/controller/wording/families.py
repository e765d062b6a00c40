"""Families of phrasing: the sentence frames that requests are drawn from, one family a line.

The files are `phrasings/<intent>.txt` (trained on) and `phrasings/held_out_<set>/<intent>.txt` (only ever
tested on). A line is plain words with slots in braces and alternatives in parentheses, which may be empty
and may nest: `(please|) count the {things} (in|on) {the picture}`.
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice, product
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "phrasings"
HELD_OUT = ("j", "k", "l")
DEV = "dev"  # the lines among the training files that are kept for choosing between models: about one in twenty
DEV_SHARE = 20
SLOTS = frozenset(
    {"things", "thing", "a thing", "the thing", "things2", "thing2", "a thing2", "the thing2", "the picture"}
    | {"it", "labels", "expression", "sup", "question", "statement", "note", "words", "the pictures", "when", "past"}
    | {"place", "relation", "facet", "comp"}
)
_NO_SIGNS = re.compile(r"[^a-z0-9{}']+")
_TOKEN = re.compile(r"\{[^{}]*\}|[()|]|[^{}()|]+")

Node = str | tuple["Node", ...] | list["Node"]  # words or a slot; a sequence; alternatives


@dataclass(frozen=True)
class Family:
    """One frame: everything its line can expand to."""

    intent: str
    held_out: str | None  # "j", "k", "l", "dev"; None for a family that is trained on
    number: int  # its line, from 1
    text: str

    @property
    def name(self) -> str:
        """A short name for tables: `count.g7`."""
        return f"{self.intent}.{self.held_out or 't'}{self.number}"

    def expand(self, rng: random.Random) -> list[str]:
        """Draw one alternative everywhere: pieces of words and slots (`"{things}"`), in order."""
        pieces: list[str] = []
        _draw(_parse(self.text), rng, pieces)
        return pieces

    def skeletons(self, most: int = 4000) -> frozenset[str]:
        """Every sentence that it can expand to, slots and all, without case and signs; at most `most` are looked at."""
        return frozenset(_NO_SIGNS.sub(" ", text.lower()).strip() for text in islice(_all(_parse(self.text)), most))


def families(intent: str, held_out: str | None = None, folder: Path = FOLDER) -> tuple[Family, ...]:
    """The families of an intent, of the training set or of a held-out set ("j", "k", "l", "dev").

    The lines of "dev" stand in the training files, but are not trained on. A training family that can say the very
    sentence of a held-out one is left out, so that the sets stay apart whoever adds a line.
    """
    return _load(intent, held_out, folder)


@cache
def _load(intent: str, held_out: str | None, folder: Path) -> tuple[Family, ...]:
    inside = held_out is None or held_out == DEV
    path = (folder if inside else folder / f"held_out_{held_out}") / f"{intent}.txt"
    if not path.is_file():
        return ()
    lines = enumerate(path.read_text("utf-8").splitlines(), 1)
    read = [Family(intent, held_out, n, line.strip()) for n, line in lines if line.strip() and line[0] != "#"]
    if inside:
        read = [family for family in read if _is_dev(family) == (held_out == DEV)]
        kept = {words for name in HELD_OUT for family in _load(intent, name, folder) for words in family.skeletons()}
        read = [family for family in read if not kept & family.skeletons()]
    return tuple(read)


def _is_dev(family: Family) -> bool:
    return zlib.crc32(f"{family.intent} {family.text}".encode()) % DEV_SHARE == 0


def intents(held_out: str | None = None, folder: Path = FOLDER) -> list[str]:
    """The intents that have a file."""
    return sorted(path.stem for path in (folder / f"held_out_{held_out}" if held_out else folder).glob("*.txt"))


def fill(pieces: Sequence[str], slots: Mapping[str, str]) -> list[tuple[str, bool]]:
    """Put words into the slots.

    Returns:
        The text in parts, in order: (words, whether they came from a slot). A slot filled with nothing takes
        the preposition before it away ("how many are in {the picture}?" -> "how many are?").
    """
    parts: list[tuple[str, bool]] = []
    for piece in pieces:
        if not piece.startswith("{"):
            parts.append((piece, False))
            continue
        words = slots[piece[1:-1]]
        if words:
            parts.append((words, True))
        elif parts and not parts[-1][1]:
            parts[-1] = (
                re.sub(r"\b(in|on|of|from|within|inside|at|for|with|across|over|to)\s*$", "", parts[-1][0]),
                False,
            )
    return parts


def slots_of(text: str) -> set[str]:
    """The names of the slots in a line."""
    return set(re.findall(r"\{([^{}]*)\}", text))


@cache
def _parse(text: str) -> Node:
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != text:
        raise ValueError(f"Stray brace in the phrasing {text!r}.")
    node, rest = _alternatives(tokens, 0, text)
    if rest != len(tokens):
        raise ValueError(f"Unbalanced parenthesis in the phrasing {text!r}.")
    return node


def _alternatives(tokens: list[str], at: int, text: str) -> tuple[Node, int]:
    options: list[Node] = []
    sequence: list[Node] = []
    while at < len(tokens) and tokens[at] != ")":
        token = tokens[at]
        if token == "(":
            node, at = _alternatives(tokens, at + 1, text)
            if at >= len(tokens):
                raise ValueError(f"Unbalanced parenthesis in the phrasing {text!r}.")
            sequence.append(node)
        elif token == "|":
            options.append(tuple(sequence))
            sequence = []
        else:
            if token[0] == "{" and token[1:-1] not in SLOTS:
                raise ValueError(f"Unknown slot {token} in the phrasing {text!r}.")
            sequence.append(token)
        at += 1
    return [*options, tuple(sequence)], at


def _draw(node: Node, rng: random.Random, into: list[str]) -> None:
    if isinstance(node, str):
        into.append(node)
    elif isinstance(node, list):
        _draw(node[rng.randrange(len(node))], rng, into)
    else:
        for child in node:
            _draw(child, rng, into)


def _all(node: Node) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, list):
        for child in node:
            yield from _all(child)
    else:
        yield from ("".join(parts) for parts in product(*(tuple(_all(child)) for child in node)))
