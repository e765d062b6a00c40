"""Recall: from a query to ranked hits."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, lru_cache

import numpy as np
from PIL import Image

from ...errors import UserError
from ..index.index import TAIL, Index
from ..ledger.memory_rows import Space, chunks, item_of, space_of, unpacked
from ..pictures.store import PictureStore, lineage_of, path_of
from ..pictures.thumbnails import crop, thumbnail_name
from ..query import Embedder, Hit, Query
from .calibration import CAPTION, NOTHING_SAID, Asked, Calibration, against_nothing
from .exact_search import VectorCache
from .filters import IN_CHAT, NAMED, conditions, is_filtered, named
from .texts import find_texts, saying, whole_sentence, why_found
from .wanted import Wanted, wanted
from .when import Spoken, spoken_time

SPARE = 3  # candidates beyond k: near duplicates of one another are one hit
MIXED = 4  # times as many where pictures and regions compete, whose cosines do not compare
PARTS = 4  # regions that are looked at for each picture that is wanted
SMOOTHING = 60  # of reciprocal rank fusion (Cormack et al. 2009)
ALL_SAID, SOME_SAID = 1.5, 0.5  # the weight of a text that has all the words, or some, beside that of looks

OTHER_TIME = 0.49  # of the score of what was seen at another time than the sentence names: it is a guess

NOTHING = Wanted("")


@dataclass(frozen=True)
class Look:
    """A query as vectors."""

    asked: Asked
    vector: np.ndarray | None  # (dim,)
    besides: str | None = None  # the picture that is asked about: it is no answer
    wanted: Wanted = NOTHING


class Search:
    """Finds what an owner remembers.

    Args:
        store: the pictures and the ledger.
        index: the index.
        embedder: what makes vectors; None: only texts are searched.
    """

    def __init__(self, store: PictureStore, index: Index, embedder: Embedder | None) -> None:
        self._store, self._ledger = store, store.ledger
        self._index = index
        self._embedder = embedder
        self.cache = VectorCache(store.ledger)
        self._nothing: np.ndarray | None = None

    @cached_property
    def _rules(self) -> Calibration:
        """The embedder's own calibration where it has one; asking for it reads its files."""
        return getattr(self._embedder, "calibration", None) or Calibration()

    def space(self, owner: str) -> Space | None:
        """The owner's space of the present embedder."""
        one = self._embedder
        return None if one is None else space_of(self._ledger, owner, one.name, one.sha256, one.dim)

    def recall(self, owner: str, query: Query) -> list[Hit]:
        """See `Memory.recall`."""
        if query.k < 1:
            return []
        spoken = spoken_time(query.words) if query.words and query.since is None and query.until is None else None
        if spoken is not None and not whole_sentence(self._ledger, owner, query, wanted(query.words or "")):
            return self._in_time(owner, query, spoken)
        return self._recalled(owner, query)

    def _in_time(self, owner: str, query: Query, spoken: Spoken) -> list[Hit]:
        """What was seen at the time that a sentence names; after it, as guesses, what was seen at others."""
        rest = replace(query, words=spoken.rest if wanted(spoken.rest).words else None)
        hits = self._recalled(owner, replace(rest, since=spoken.since, until=spoken.until))
        if len(hits) >= query.k or rest.words is None:
            return hits
        there = {hit.id for hit in hits}
        others = [hit for hit in self._recalled(owner, rest) if hit.id not in there]
        return [*hits, *(replace(hit, score=hit.score * OTHER_TIME) for hit in others)][: query.k]

    def _recalled(self, owner: str, query: Query) -> list[Hit]:
        space = self.space(owner)
        look = self._look(owner, query, space)
        texts = find_texts(self._ledger, owner, query, look.wanted) if look.asked in ("words", "caption") else {}
        if look.vector is None and not (query.words or "").strip():
            return self._newest(owner, query)
        return self._ranked(owner, query, space, look, texts)

    def _ranked(
        self, owner: str, query: Query, space: Space | None, look: Look, texts: Mapping[int, float]
    ) -> list[Hit]:
        want = query.k + SPARE
        unwanted = saying(self._ledger, owner, look.wanted.without)
        while True:
            memories, vectors, all_seen = self._candidates(owner, query, space, look, want)
            parts = self._parts(owner, query, space, look, want)
            rows = self._rows(owner, space, [*texts, *memories, *parts], vectors)
            rows = [row for row in rows if row["picture"] != look.besides and row["picture"] not in unwanted]
            hits = self._fused(rows, look, texts, query.k, parts)
            # Near duplicates may have taken all the places.
            likely = sum(hit.score >= 0.5 and hit.cosine is not None for hit in hits)
            folded = sum(len(hit.also) for hit in hits)
            if len(hits) >= query.k or all_seen or not (folded and likely) or want > 16 * (query.k + SPARE):
                return hits
            want *= 4

    # What is looked for

    def _look(self, owner: str, query: Query, space: Space | None) -> Look:
        words = (query.words or "").strip()
        asked = wanted(words) if words else NOTHING
        given, besides = query.picture, None
        if isinstance(given, str):
            item = item_of(self._ledger, owner, given)
            besides = item.picture
        if self._embedder is None:
            if isinstance(given, np.ndarray) and given.ndim == 1:
                raise UserError("A vector cannot be looked for without the model that made it.", kind="no_embedder")
            return Look("words" if words else "picture", None, besides, asked)
        picture = None if given is None else self._picture_vector(owner, given, space)
        said = self._embedder.words([asked.text])[0].astype(np.float32) if words else None
        if picture is not None and said is not None:
            return Look("both", self._rules.both(picture, said), besides, asked)
        if said is None:
            return Look("picture", picture, besides)
        return Look("caption" if len(asked.text.split()) >= CAPTION else "words", said, None, asked)

    def _picture_vector(self, owner: str, given: str | Image.Image | np.ndarray, space: Space | None) -> np.ndarray:
        assert self._embedder is not None
        if isinstance(given, str):
            sql = "SELECT v.vector FROM vectors v JOIN memories m ON m.id = v.memory WHERE v.space = ? AND m.item = ?"
            rows = self._ledger.read(sql, (space.id, given)) if space is not None else []
            if rows:
                return unpacked([rows[0]["vector"]], self._embedder.dim)[0]
            item = item_of(self._ledger, owner, given)
            image = crop(self._store.pixels(item.sha256), item.box)
        elif isinstance(given, Image.Image):
            image = given.convert("RGB")
        elif given.ndim == 1:
            if given.shape != (self._embedder.dim,):
                raise UserError(
                    f"A vector of {self._embedder.name} has {self._embedder.dim} numbers, not {len(given)}.",
                    kind="bad_vector",
                )
            vector = given.astype(np.float32)
            return vector / max(float(np.linalg.norm(vector)), 1e-12)
        else:
            image = Image.fromarray(np.asarray(given, np.uint8)).convert("RGB")
        return self._embedder.pictures([image])[0].astype(np.float32)

    # What comes into question

    def _candidates(
        self, owner: str, query: Query, space: Space | None, look: Look, want: int
    ) -> tuple[list[int], list[int], bool]:
        """Memories' ids, vectors' ids, and whether that is all there is."""
        if space is None or look.vector is None:
            return [], [], True
        if not is_filtered(query) and not query.exact:
            sql = "SELECT 1 FROM memories WHERE owner = ? AND kind = 'region' LIMIT 1"
            mixed = bool(self._ledger.read(sql, (owner,)))
            found = self._from_index(space, look.vector, want * (MIXED if mixed else 1))
            if found is not None:
                return [], found, len(found) < want
        table = self.cache.of(space)
        mask = table.mask(query, self._among(owner, query))
        if query.kind is not None or not table.region[: len(table)].any():
            memories = table.nearest(look.vector, want, mask)[0].tolist()
            return memories, [], len(memories) < want
        memories = []
        count = len(table) if mask is None else len(mask)
        for region in (False, True):  # each kind has its own threshold
            kind = table.region[:count] == region
            memories += table.nearest(look.vector, want, kind if mask is None else kind & mask)[0].tolist()
        return memories, [], len(memories) < want

    def _parts(self, owner: str, query: Query, space: Space | None, look: Look, want: int) -> dict[int, float]:
        """Where whole pictures are looked for by words: those that have a region like them, and its cosine.

        A picture's own embedding hardly tells of one small thing in it, its region's does.
        """
        if space is None or look.vector is None or look.asked not in ("words", "caption") or query.kind != "picture":
            return {}
        if query.tag is not None or query.label is not None:
            return {}
        table = self.cache.of(space)
        mask = table.mask(replace(query, kind="region"), self._among(owner, query))
        assert mask is not None  # the kind is a filter
        regions, cosines = table.nearest(look.vector, PARTS * want, mask)
        best: dict[int, float] = {}
        for marks, part in chunks(regions.tolist()):
            sql = (
                "SELECT m.id, w.id AS whole FROM memories m JOIN memories w "
                f"ON w.owner = m.owner AND w.item = m.picture WHERE m.id IN ({marks})"
            )
            wholes = {row["id"]: row["whole"] for row in self._ledger.read(sql, part)}
            for region, cosine in zip(regions.tolist(), cosines.tolist(), strict=True):
                if region in wholes:
                    best[wholes[region]] = max(best.get(wholes[region], -1.0), cosine)
        return best

    def _from_index(self, space: Space, vector: np.ndarray, want: int) -> list[int] | None:
        """The ids of the nearest vectors out of the index, with those that it has not got yet; None without it."""
        told = self._index.nearest(space, vector, want)
        if told is None:
            return None
        found, reached = told
        sql = "SELECT id, vector FROM vectors WHERE space = ? AND id > ? ORDER BY id LIMIT ?"
        newer = self._ledger.read(sql, (space.id, reached, 2 * TAIL))
        if newer:
            cosines = unpacked((row["vector"] for row in newer), space.dim) @ vector
            found += [newer[place]["id"] for place in np.argsort(-cosines)[:want]]
        return list(dict.fromkeys(found))

    def _among(self, owner: str, query: Query) -> list[list[int]]:
        """The memories that pass the filters that are not columns of the vectors' table."""
        lists: list[list[int]] = []
        if query.chat is not None:
            sql = f"SELECT m.id FROM memories m WHERE m.owner = ? AND {IN_CHAT}"
            lists.append([row["id"] for row in self._ledger.read(sql, (owner, query.chat, owner, query.chat))])
        if query.source is not None:
            sql = f"SELECT m.id FROM memories m WHERE m.owner = ? AND {NAMED}"
            lists.append([row["id"] for row in self._ledger.read(sql, (owner, *named(owner, query.source)))])
        if query.tag is not None:
            # CROSS: the tag first; SQLite would rather go through all that the owner has.
            sql = "SELECT m.id FROM tags t CROSS JOIN memories m ON m.id = t.memory WHERE m.owner = ? AND t.tag = ?"
            lists.append([row["id"] for row in self._ledger.read(sql, (owner, query.tag))])
        return lists

    def _newest(self, owner: str, query: Query) -> list[Hit]:
        where, values = conditions(owner, query)
        sql = f"SELECT m.id FROM memories m WHERE {where} ORDER BY m.last DESC, m.id DESC LIMIT ?"
        memories = [row["id"] for row in self._ledger.read(sql, (*values, query.k))]
        rows = {row["memory"]: row for row in self._rows(owner, None, memories, [])}
        return [self._hit(rows[one], 1.0, None, _ids(rows[one]["likes"])) for one in memories if one in rows]

    # What is answered

    def _rows(
        self, owner: str, space: Space | None, memories: Sequence[int], vectors: Sequence[int]
    ) -> list[sqlite3.Row]:
        """All that a hit tells, for memories and for vectors, by their ids: always the owner's own."""
        wanted = [*memories, *vectors]
        if not wanted:
            return []
        marks = ", ".join("?" * len(memories))
        if vectors:
            given = f"VALUES {', '.join(['(?)'] * len(memories))} UNION ALL " if memories else ""
            marks = f"{given}SELECT memory FROM vectors WHERE id IN ({', '.join('?' * len(vectors))})"
        sql = (
            "SELECT m.id AS memory, m.item, m.picture, m.kind, m.x0, m.y0, m.x1, m.y1, m.label, m.caption, m.words, "
            "m.source, m.last, m.lineage, p.sha256, p.width, p.height, v.vector, "
            "(SELECT json_group_array(path) FROM files WHERE owner = m.owner AND picture = m.picture) AS paths, "
            "(SELECT json_group_array(t.tag) FROM tags t WHERE t.memory = m.id) AS tags, "
            "(SELECT group_concat(t.tag, ', ') FROM tags t WHERE t.memory = m.id) AS noted, "
            "(SELECT json_group_array(o.item) FROM likes l JOIN memories o ON o.id = l.a + l.b - m.id "
            " WHERE (l.a = m.id OR l.b = m.id) AND o.owner = m.owner) AS likes "
            "FROM memories m JOIN pictures p ON p.id = m.picture "
            "LEFT JOIN vectors v ON v.memory = m.id AND v.space = ? "
            f"WHERE m.id IN ({marks}) AND +m.owner = ?"  # the plus: look the few ids up, not all that the owner has
        )
        return self._ledger.read(sql, (space.id if space else 0, *wanted, owner))

    def _fused(
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
            if place not in rank and told is None:
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
            also = _ids(row["likes"])
            # Words that stand written in it are as good a sign as its looks; some of them make a guess.
            share = texts.get(row["memory"], 0.0)
            score = 0.5 + scores[place] / 2 if share == 1 else max(scores[place], share / 2)
            cosine = None if np.isnan(cosines[place]) else float(cosines[place])
            folded |= dict.fromkeys(also, len(hits))
            hits.append(replace(self._hit(row, float(score), cosine, also), why=_why(row, look, share > 0)))
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
            rule = self._rules.rule(look.asked, kind)
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
        rule, whole = self._rules.rule(look.asked, "region"), self._rules.rule(look.asked, "picture")
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

    def _hit(self, row: sqlite3.Row, score: float, cosine: float | None, also: list[str]) -> Hit:
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
            names=tuple(_ids(row["paths"])),
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
    return tuple(sorted(_ids(listed)))


def _ids(listed: str) -> list[str]:
    return [] if listed == "[]" else json.loads(listed)
