"""Recall: from a query to ranked hits."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from ...errors import UserError
from ..index.index import TAIL, Index
from ..ledger.memory_rows import APART, Space, chunks, item_of, space_of, unpacked
from ..pictures.near_duplicates import CANDIDATES, COSINE, same, sketch
from ..pictures.store import PictureStore
from ..pictures.thumbnails import crop
from ..query import Embedder, Hit, Query
from .calibration import CAPTION
from .exact_search import VectorCache
from .filters import IN_CHAT, NAMED, conditions, is_filtered, named
from .ranking import NOTHING, Look, Ranking, ids
from .texts import find_texts, saying, whole_sentence
from .wanted import things_of, wanted
from .when import Spoken, spoken_time

SPARE = 3  # candidates beyond k: near duplicates of one another are one hit
MIXED = 4  # times as many where pictures and regions compete, whose cosines do not compare
PARTS = 4  # regions that are looked at for each picture that is wanted

OTHER_TIME = 0.49  # of the score of what was seen at another time than the sentence names: it is a guess


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
        self.ranking = Ranking(store, embedder)

    def space(self, owner: str) -> Space | None:
        """The owner's space of the present embedder."""
        one = self._embedder
        return None if one is None else space_of(self._ledger, owner, one.name, one.sha256, one.dim)

    def apart(self, owner: str) -> Space | None:
        """The owner's space of pictures of kinds that the present embedder does not know."""
        one = self._embedder
        return None if one is None else space_of(self._ledger, owner, one.name + APART, one.sha256, one.dim)

    def spaces(self, owner: str) -> list[Space]:
        """Both, as far as there are any."""
        return [space for space in (self.space(owner), self.apart(owner)) if space is not None]

    def recall(self, owner: str, query: Query) -> list[Hit]:
        """See `Memory.recall`."""
        if query.k < 1:
            return []
        if query.picture is not None and not self._knows(owner, query):
            words = (query.words or "").strip()
            return self.recall(owner, replace(query, picture=None)) if words else self._same(owner, query)
        spoken = spoken_time(query.words) if query.words and query.since is None and query.until is None else None
        if spoken is not None and not whole_sentence(self._ledger, owner, query, wanted(query.words or "")):
            return self._in_time(owner, query, spoken)
        alone = query.words if query.kind is None and query.picture is None else None
        if alone and len(things_of(wanted(alone).text)) > 1:  # no region shows several things
            wholes = self._recalled(owner, replace(query, kind="picture"))
            if any(hit.score >= 0.5 for hit in wholes):
                return wholes
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
            hits = self.ranking.fused(rows, look, texts, query.k, parts)
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
            return Look("both", self.ranking.rules.both(picture, said), besides, asked)
        if said is None:
            return Look("picture", picture, besides)
        named = things_of(asked.text)
        things = self._embedder.words(named).astype(np.float32) if named else None
        return Look("caption" if len(asked.text.split()) >= CAPTION else "words", said, None, asked, things)

    def _picture_vector(self, owner: str, given: str | Image.Image | np.ndarray, space: Space | None) -> np.ndarray:
        assert self._embedder is not None
        if isinstance(given, str):
            sql = "SELECT v.vector FROM vectors v JOIN memories m ON m.id = v.memory WHERE v.space = ? AND m.item = ?"
            rows = self._ledger.read(sql, (space.id, given)) if space is not None else []
            if rows:
                return unpacked([rows[0]["vector"]], self._embedder.dim)[0]
        elif isinstance(given, np.ndarray) and given.ndim == 1:
            if given.shape != (self._embedder.dim,):
                raise UserError(
                    f"A vector of {self._embedder.name} has {self._embedder.dim} numbers, not {len(given)}.",
                    kind="bad_vector",
                )
            vector = given.astype(np.float32)
            return vector / max(float(np.linalg.norm(vector)), 1e-12)
        return self._embedder.pictures([self._picture(owner, given)])[0].astype(np.float32)

    def _picture(self, owner: str, given: str | Image.Image | np.ndarray) -> Image.Image:
        if isinstance(given, str):
            item = item_of(self._ledger, owner, given)
            return crop(self._store.pixels(item.sha256), item.box)
        return (given if isinstance(given, Image.Image) else Image.fromarray(np.asarray(given, np.uint8))).convert(
            "RGB"
        )

    # Pictures of kinds that the model does not know

    def _knows(self, owner: str, query: Query) -> bool:
        """Whether the model knows such pictures as the one asked about: what it makes of others is arbitrary."""
        given, knows = query.picture, getattr(self._embedder, "knows", None)
        if query.unlike or knows is None or given is None:
            return not query.unlike
        if isinstance(given, np.ndarray):
            return given.ndim == 1 or bool(knows([Image.fromarray(np.asarray(given, np.uint8)).convert("RGB")])[0])
        if isinstance(given, Image.Image):
            return bool(knows([given.convert("RGB")])[0])
        whole = item_of(self._ledger, owner, given.partition(".")[0])
        sql = "SELECT v.space FROM vectors v JOIN memories m ON m.id = v.memory WHERE m.owner = ? AND m.item = ?"
        there = {row["space"] for row in self._ledger.read(sql, (owner, given))}
        apart = self.apart(owner)
        if there:
            return apart is None or apart.id not in there
        return bool(knows([self._store.pixels(whole.sha256)])[0])

    def _same(self, owner: str, query: Query) -> list[Hit]:
        """Near duplicates of a picture that the model does not know: embeddings propose, pixels decide."""
        given = query.picture
        besides = given.partition(".")[0] if isinstance(given, str) else None
        if query.kind == "region" or given is None or (isinstance(given, np.ndarray) and given.ndim == 1):
            return []
        image = self._picture(owner, given)
        assert self._embedder is not None
        vector, tiny = self._embedder.pictures([image])[0].astype(np.float32), sketch(image)
        hits: list[Hit] = []
        told: set[str] = set()
        for space in self.spaces(owner):
            table = self.cache.of(space)
            mask = table.mask(replace(query, kind="picture"), self._among(owner, query))
            memories, cosines = table.nearest(vector, CANDIDATES, mask)
            rows = {row["memory"]: row for row in self._rows(owner, space, memories[cosines >= COSINE].tolist(), [])}
            near = [(rows[one], float(cosine)) for one, cosine in zip(memories.tolist(), cosines, strict=True)
                    if one in rows and rows[one]["sketch"]]  # fmt: skip
            alike = same([tiny] * len(near), [row["sketch"] for row, _ in near])
            for (row, cosine), equal in zip(near, alike, strict=True):
                if equal and row["picture"] != besides and row["item"] not in told:
                    also = ids(row["likes"])
                    told |= {row["item"], *also}
                    hit = self.ranking.hit(row, 0.5 + cosine / 2, cosine, also)
                    hits.append(replace(hit, why="is the same picture"))
        return sorted(hits, key=lambda hit: -hit.score)[: query.k]

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
        if look.things is None:
            return self._wholes(owner, *table.nearest(look.vector, PARTS * want, mask))
        return self._several(owner, table.several(look.things, PARTS * want, mask))

    def _several(self, owner: str, found: Sequence[tuple[np.ndarray, np.ndarray]]) -> dict[int, float]:
        """The wholes that have a region like each of several things; that of the worst of a whole's counts.

        What no region at all is like ("on a desk") is no thing. A picture that lacks one has it as its worst.
        """
        rule = self.ranking.rules.rule("words", "region")
        each: list[tuple[dict[int, float], float]] = []
        for regions, cosines in found:
            if len(cosines) and (rule is None or rule(cosines[:1])[0] >= 0.5):
                each.append((self._wholes(owner, regions, cosines), float(cosines[-1])))
        wholes = {whole for best, _ in each for whole in best}
        return {whole: min(best.get(whole, least) for best, least in each) for whole in wholes}

    def _wholes(self, owner: str, regions: np.ndarray, cosines: np.ndarray) -> dict[int, float]:
        """The pictures that regions are of, each with the best of its regions' cosines."""
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
        return [self.ranking.hit(rows[one], 1.0, None, ids(rows[one]["likes"])) for one in memories if one in rows]

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
            "m.source, m.last, m.lineage, m.sketch, p.sha256, p.width, p.height, v.vector, "
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
