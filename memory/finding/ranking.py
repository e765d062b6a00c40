"""From candidates to ranked hits: how alike each is, both searches merged, near duplicates folded."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, lru_cache

import numpy as np

from ..ledger.memory_rows import unpacked
from ..pictures.store import PictureStore, lineage_of, path_of
from ..pictures.thumbnails import thumbnail_name
from ..query import Embedder, Hit
from .calibration import NOTHING_SAID, Asked, Calibration, against_nothing
from .texts import why_found
from .wanted import Wanted

SMOOTHING = 60  # of reciprocal rank fusion (Cormack et al. 2009)
ALL_SAID, SOME_SAID = 1.5, 0.5  # the weight of a text that has all the words, or some, beside that of looks
# What is less alike than this, by its looks, is no guess either. Of 80 things that were in none of 80 pictures of the
# train split two were told as guesses, of 20 words from elsewhere none.
GUESS = 0.1
NOTHING = Wanted("")


@dataclass(frozen=True)
class Look:
    """A query as vectors."""

    asked: Asked
    vector: np.ndarray | None  # (dim,)
    besides: str | None = None  # the picture that is asked about: it is no answer
    wanted: Wanted = NOTHING
    things: np.ndarray | None = None  # (m, dim): several things that it names, each by itself


class Ranking:
    """Judges candidates.

    Args:
        store: where thumbnails and pictures lie.
        embedder: whose vectors are judged.
    """

    def __init__(self, store: PictureStore, embedder: Embedder | None) -> None:
        self._store, self._embedder = store, embedder
        self._nothing: np.ndarray | None = None

    @cached_property
    def rules(self) -> Calibration:
        """The embedder's own calibration where it has one; asking for it reads its files."""
        return getattr(self._embedder, "calibration", None) or Calibration()

    def fused(
        self, rows: list[sqlite3.Row], look: Look, texts: Mapping[int, float], k: int, parts: dict[int, float]
    ) -> list[Hit]:
        """Judge every candidate, merge both searches by reciprocal rank, and fold near duplicates together."""
        scores, cosines = self._judged(rows, look)
        keys = scores
        if parts:
            scores, keys = self._lifted(rows, scores, cosines, look, parts)
        said = {memory: place for place, memory in enumerate(texts)}
        sure = [place for place in np.argsort(-keys, kind="stable") if scores[place] >= 0.5]
        rank = {int(place): number for number, place in enumerate(sure)}
        order: list[tuple[float, float, int]] = []
        for place, row in enumerate(rows):
            told = said.get(row["memory"])
            if place not in rank and told is None and scores[place] < GUESS:
                continue
            merged = 0.0 if place not in rank else 1 / (SMOOTHING + 1 + rank[place])
            if told is not None:
                merged += (ALL_SAID if texts[row["memory"]] == 1 else SOME_SAID) / (SMOOTHING + 1 + told)
            order.append((-merged, -keys[place], place))
        hits: list[Hit] = []
        folded: dict[str, int] = {}  # a near duplicate of a hit: the hit's place
        for _, _, place in sorted(order):
            row = rows[place]
            if row["item"] in folded:
                continue
            if len(hits) == k:
                break
            also = ids(row["likes"])
            # Words that stand written in it are as good a sign as its looks; some of them make a guess.
            share = texts.get(row["memory"], 0.0)
            score = 0.5 + scores[place] / 2 if share == 1 else max(scores[place], share / 2)
            cosine = None if np.isnan(cosines[place]) else float(cosines[place])
            folded |= dict.fromkeys(also, len(hits))
            hits.append(replace(self.hit(row, float(score), cosine, also), why=_why(row, look, share > 0)))
        return hits

    def _judged(self, rows: list[sqlite3.Row], look: Look) -> tuple[np.ndarray, np.ndarray]:
        """(n,) scores in 0..1 and (n,) cosines, computed from the ledger's vectors; NaN where there is no vector."""
        cosines = np.full(len(rows), np.nan)
        scores = np.zeros(len(rows))
        places = [place for place, row in enumerate(rows) if row["vector"] is not None]
        if look.vector is None or not places:
            return scores, cosines
        vectors = unpacked([rows[place]["vector"] for place in places], len(look.vector))
        near = vectors @ look.vector
        cosines[places] = near
        kinds = [rows[place]["kind"] for place in places]
        for kind in set(kinds):
            mine = np.array([one == kind for one in kinds])
            rule = self.rules.rule(look.asked, kind)
            if rule is not None:
                judged = rule(near[mine])
            else:
                judged = against_nothing(near[mine], vectors[mine] @ self._nothing_said().T)
            scores[np.array(places)[mine]] = judged
        return scores, cosines

    def _lifted(
        self, rows: list[sqlite3.Row], scores: np.ndarray, cosines: np.ndarray, look: Look, parts: dict[int, float]
    ) -> tuple[np.ndarray, np.ndarray]:
        """(n,) scores of whole pictures with their best regions in mind, and (n,) keys to rank them by.

        Either is enough to be found; ranked is by both together, the regions' as far as the search has seen them.
        """
        rule, whole = (
            self.rules.rule("words" if look.things is not None else look.asked, "region"),
            self.rules.rule(look.asked, "picture"),
        )
        if rule is None or whole is None:
            return scores, scores
        least = min(parts.values())
        best = np.array([parts.get(row["memory"], least) for row in rows])
        own = np.where(np.isnan(cosines), -1.0, cosines)
        keys = whole.slope * (own - whole.threshold) + rule.slope * (best - rule.threshold)
        return np.maximum(scores, rule(best)), keys

    def _nothing_said(self) -> np.ndarray:
        """(m, dim): words that say nothing, for a model whose cosines nobody has measured."""
        if self._nothing is None:
            assert self._embedder is not None
            self._nothing = self._embedder.words(list(NOTHING_SAID)).astype(np.float32)
        return self._nothing

    def hit(self, row: sqlite3.Row, score: float, cosine: float | None, also: list[str]) -> Hit:
        """A row of what is remembered as a hit."""
        region = row["kind"] == "region"
        box = (row["x0"], row["y0"], row["x1"], row["y1"]) if region else None
        name = thumbnail_name(row["sha256"], row["item"])
        thumbnail = "" if self._store.home is None else f"{self._store.home}/{name}"
        return Hit(
            id=row["item"],
            picture=row["picture"],
            kind=row["kind"],
            score=score,
            path=self._store.path(row["sha256"]),
            seen=datetime.fromisoformat(row["last"]),
            size=(row["width"], row["height"]),
            box=box,
            label=row["label"],
            caption=row["caption"],
            words=row["words"],
            tags=_tags(row["tags"]),
            source=row["source"],
            names=tuple(ids(row["paths"])),
            thumbnail=path_of(thumbnail) if thumbnail and os.path.exists(thumbnail) else None,  # noqa: PTH110 (faster)
            lineage=lineage_of(row["lineage"]),
            cosine=cosine,
            also=also,
        )


def _why(row: sqlite3.Row, look: Look, said: bool) -> str:
    """Why something was found, in words."""
    told = why_found(row, look.wanted) if said else None
    alike = f'looks like "{look.wanted.text}"' if look.asked in ("words", "caption") else "looks like the picture"
    return told or (f"{alike}, as words ask" if look.asked == "both" else alike)


@lru_cache(1024)
def _tags(listed: str) -> tuple[str, ...]:
    return tuple(sorted(ids(listed)))


def ids(listed: str) -> list[str]:
    """The ids in a JSON list of the ledger's."""
    return [] if listed == "[]" else json.loads(listed)
