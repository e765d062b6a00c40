"""The search by words: in labels, captions, words that were read, notes and file names; and why something was found."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from difflib import get_close_matches

from ..ledger.ledger import Ledger
from ..names import composed
from ..query import Query
from .filters import conditions
from .wanted import Wanted

TEXTS = 100  # hits
MOST_WORDS = 32  # of a query
LEAST_SHARE = 0.6  # of the words, which a text that lacks some must have
ALIKE = 0.75  # how alike a word must be to one that is known to be taken for a misspelling of it
SHORTEST = 4  # letters of a word that may be misspelt
TERMS = 4000  # words that a misspelt one is compared with
LONGEST = 80  # characters of a quotation


def find_texts(ledger: Ledger, owner: str, query: Query, asked: Wanted) -> dict[int, float]:
    """Memories whose texts have the words, best first, each with the share of them that it has (1: all).

    A text that has the whole sentence comes before all ("sign in"); else what carries the request does not count.
    Where something is said to stand written there, its words alone count: by them a picture is known. Misspelt words
    find those that they are nearest to.
    """
    if not ledger.exists:
        return {}
    whole = whole_sentence(ledger, owner, query, asked)
    if whole:
        return dict.fromkeys(whole, 1.0)
    must = {word: _forgiving(ledger, word) for word in (asked.written or asked.words)[:MOST_WORDS]}
    found = _matching(ledger, owner, query, " AND ".join(must.values()))
    if found or len(must) < 2:
        return dict.fromkeys(found, 1.0)
    has = dict.fromkeys(_matching(ledger, owner, query, " OR ".join(must.values())), 0)
    for term in must.values():
        for memory in _matching(ledger, owner, query, term, 10 * TEXTS):
            if memory in has:
                has[memory] += 1
    shares = {memory: count / len(must) for memory, count in has.items() if count >= LEAST_SHARE * len(must)}
    return dict(sorted(shares.items(), key=lambda one: -one[1]))


def whole_sentence(ledger: Ledger, owner: str, query: Query, asked: Wanted) -> list[int]:
    """The memories of which some text has every word of the sentence."""
    if not ledger.exists or not asked.every or len(asked.every) > MOST_WORDS:
        return []
    return _matching(ledger, owner, query, _all(asked.every))


def saying(ledger: Ledger, owner: str, parts: Sequence[str]) -> set[str]:
    """The pictures of an owner of which some text has all the words of one of the parts, to the letter."""
    sql = (
        "SELECT DISTINCT m.picture FROM memory_text f JOIN memories m ON m.id = f.rowid "
        "WHERE memory_text MATCH ? AND m.owner = ?"
    )
    matches = [_all(_bare(part)) for part in parts]
    return {row["picture"] for match in matches if match for row in ledger.read(sql, (match, owner))}


def why_found(row: sqlite3.Row, asked: Wanted) -> str | None:
    """Which text of a memory has the words that were asked for, in words: `says "connection refused"`."""
    stems = [_stem(word) for word in (*asked.written, *asked.words)]

    def has(text: str | None) -> int:
        return sum(any(one.startswith(stem) for one in _bare(text or "")) for stem in stems)

    names = [("is named", path.rpartition("/")[2]) for path in (row["source"] or "", *json.loads(row["paths"]))]
    lines = max((row["words"] or "").splitlines(), key=has, default="")
    texts = (("says", lines), ("was noted as", row["noted"]), ("is labelled", row["label"]),
             ("was described as", row["caption"]), *names)  # fmt: skip
    best = max(texts, key=lambda one: has(one[1]))
    if not stems or not has(best[1]):
        return None
    text = " ".join(str(best[1]).split())
    return f'{best[0]} "{text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."}"'


def _matching(ledger: Ledger, owner: str, query: Query, match: str, most: int = TEXTS) -> list[int]:
    if not match:
        return []
    where, values = conditions(owner, query)
    sql = (
        "SELECT m.id FROM memory_text f JOIN memories m ON m.id = f.rowid "
        f"WHERE memory_text MATCH ? AND {where} ORDER BY bm25(memory_text), m.id LIMIT {most}"
    )
    return [row["id"] for row in ledger.read(sql, (match, *values))]


def _all(words: Sequence[str]) -> str:
    """Words that must all be there, in FTS5's language."""
    return " AND ".join(f'"{word}"' for word in words)


def _forgiving(ledger: Ledger, word: str) -> str:
    """A word as FTS5 looks for it; with what it may have been meant to be, where no text has it."""
    if len(word) < SHORTEST or ledger.read(
        "SELECT 1 FROM memory_text WHERE memory_text MATCH ? LIMIT 1", (_all([word]),)
    ):
        return _all([word])
    sql = "SELECT term FROM memory_terms WHERE term >= ? AND term < ? AND length(term) BETWEEN ? AND ? LIMIT ?"
    first = word[:1]
    near = ledger.read(sql, (first, f"{first}\U0010ffff", len(word) - 3, len(word) + 1, TERMS))
    meant = get_close_matches(word, [row["term"] for row in near], 3, ALIKE)
    either = " OR ".join(f'"{one}"' for one in (word, *meant))
    return f"({either})"


def _stem(word: str) -> str:
    """The beginning of a word that its plural and its other forms share, as far as a quotation needs it."""
    return word[:-1] if len(word) > 4 and word.endswith("s") else word[:-3] if len(word) > 6 else word


def _bare(text: str) -> list[str]:
    return "".join(char if char.isalnum() else " " for char in composed(text).lower()).split()
