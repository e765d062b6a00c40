"""Visual memory: what an owner has met, found again by words, by a picture, or by both."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import cached_property
from pathlib import Path

import numpy as np

from ..settings import Settings
from .archive import export
from .archive_import import import_archive
from .finding.filters import called
from .finding.search import Search
from .forgetting import Forgetting
from .index.chroma import Embedded, Place, Server
from .index.health import Health
from .index.index import NUDGE, Index
from .ledger.memory_rows import APART
from .pictures.intake import Intake
from .pictures.store import PictureStore
from .query import Embedder, Forgotten, Hit, Indexed, Query, Report
from .remembering import Remembering

LOOK_EVERY = 3600  # seconds between two looks for what is too old to be kept


class Memory:
    """Pictures and regions with their embeddings. The ledger is the truth; Chroma is an index made from it.

    Opening is cheap: neither Chroma nor the embedder does anything before it is needed. All methods
    may be called from several threads, and several processes may have the same home open: each writes
    to the ledger; one of them owns the embedded index, the others search the ledger exactly.

    Args:
        store: the pictures and the ledger.
        embedder: what makes vectors; without one, only texts are searched, and `put` still takes vectors.
        settings: `chroma_url` (an index on a server) and `keep_days` (retention) are read.
    """

    def __init__(self, store: PictureStore, embedder: Embedder | None, *, settings: Settings | None = None) -> None:
        self.store = store
        self.embedder = embedder
        self.settings = settings if settings is not None else Settings()
        self._index: Index | None = None
        self._lock = threading.Lock()
        self._looked: float | None = None

    @property
    def index(self) -> Index:
        """The index; nothing is opened by asking for it."""
        with self._lock:
            if self._index is None:
                self._index = Index(self.store.ledger, self._place)
            return self._index

    def _place(self) -> tuple[Place, str]:
        """Where the collections live, and this home's own id."""
        home_id = self.store.ledger.read("SELECT value FROM home WHERE name = 'id'")[0]["value"]
        if self.settings.chroma_url is not None:
            return Server(self.settings.chroma_url, home_id), home_id
        assert self.store.home is not None
        return Embedded(self.store.home), home_id

    @cached_property
    def _search(self) -> Search:
        return Search(self.store, self.index, self.embedder)

    @cached_property
    def _remembering(self) -> Remembering:
        return Remembering(self.store, self._search, self.embedder)

    @property
    def remembering(self) -> Remembering:
        """What writes; for those who find things in many pictures at once (`memory.indexed_regions`)."""
        return self._remembering

    @cached_property
    def _health(self) -> Health:
        return Health(self.store, self.index, self._remembering, self.embedder)

    # Remembering

    def remember(self, owner: str, items: Sequence[str]) -> list[str]:
        """Embed and keep pictures and regions that the owner holds, in batches; each id is kept once.

        When this returns, the vectors are durable. Near duplicates among the owner's own pictures are linked.

        Args:
            owner: the user.
            items: ids, `pic_...` and `pic_....rN`.

        Returns:
            The ids that are new; those that were remembered with this embedder already are left out.

        Raises:
            UserError: the owner has no such picture or region; then nothing was written.
        """
        self._forget_old()
        done = self._remembering.remember(owner, items)
        self._index_lately(owner)
        return done

    def remember_files(self, owner: str, paths: Sequence[Path | str]) -> Iterator[Indexed]:
        """Take in picture files: decode, keep, embed, link near duplicates; lazily, in batches, resumable.

        Files are decoded beside the embedding. A file whose path, size and time of change are known is skipped
        unread. A bad file is told of in its `Indexed` and is never fatal.
        """
        yield from Intake(self.store, self._remembering).files(owner, paths)
        self._index_lately(owner)

    def put(
        self, owner: str, items: Sequence[str], vectors: np.ndarray, *, model: tuple[str, str] | None = None
    ) -> list[str]:
        """Keep given vectors for pictures and regions that the owner holds, durably, in one transaction.

        Args:
            owner: the user.
            items: ids, `pic_...` and `pic_....rN`, each once.
            vectors: (n, dim), any float type; kept as float16 of unit length.
            model: (name, sha256) of what made them; the embedder's own when not given.

        Returns:
            The ids that had no vector of this model before.
        """
        if model is None:
            if self.embedder is None:
                raise ValueError("say which model made the vectors: this memory has no embedder")
            model = (self.embedder.name, self.embedder.sha256)
        return self._remembering.put(owner, items, vectors, model)

    def note(
        self, owner: str, item: str, *, tags: Sequence[str] = (), caption: str | None = None, words: str | None = None
    ) -> None:
        """Say something about a picture or region, for the search by words.

        Args:
            owner: the user.
            item: its id.
            tags: added to those that it has.
            caption: replaces the caption that it has, unless None.
            words: text read in it; replaces what was read before, unless None.

        Raises:
            UserError: the owner holds no such thing.
        """
        self._remembering.note(owner, item, tags=tags, caption=caption, words=words)

    # Recalling

    def recall(self, owner: str, query: Query) -> list[Hit]:
        """Find what is like the query among what this owner has, best first.

        Filters are applied before the k nearest are taken. Near duplicates of a hit stand in its `also`.

        Returns:
            At most `query.k` hits; none when nothing is like it.

        Raises:
            UserError: the owner holds no picture or region of the id in the query.
        """
        self._forget_old()
        hits = self._search.recall(owner, query)
        return hits if query.source is None else [called(hit, query.source) for hit in hits]

    def near_duplicates(self, owner: str, item: str) -> list[str]:
        """The ids of the owner's pictures that are the same picture, resized, recompressed or cropped."""
        return self._remembering.near_duplicates(owner, [item]).get(item, [])

    def known(self, owner: str, items: Sequence[str]) -> list[str]:
        """Those of the ids that are remembered (with whatever model), in the order given."""
        return self._remembering.known(owner, items)

    def count(self, owner: str) -> dict[str, int]:
        """How many pictures, regions and vectors of this owner are remembered."""
        rows = self.store.ledger.read(
            "SELECT kind, count(*) AS n FROM memories WHERE owner = ? GROUP BY kind", (owner,)
        )
        found = {f"{row['kind']}s": row["n"] for row in rows}
        sql = "SELECT count(*) AS n FROM vectors WHERE space = ?"
        vectors = sum(self.store.ledger.read(sql, (space.id,))[0]["n"] for space in self._search.spaces(owner))
        return {"pictures": found.get("pictures", 0), "regions": found.get("regions", 0), "vectors": vectors}

    @property
    def notice(self) -> str | None:
        """What a person should know about the last search: why the index was not used. None when all is well."""
        if self.index.notice is None and self.embedder is not None:
            one = self.embedder
            others = self.store.ledger.read(
                "SELECT 1 FROM spaces s JOIN models m ON m.id = s.model "
                "WHERE m.name NOT IN (?, ?) OR m.sha256 <> ? LIMIT 1",
                (one.name, one.name + APART, one.sha256),
            )
            if others:
                return (
                    f"Some of what is remembered was embedded with another model than {one.name} and is found by its "
                    f"words only, until `saccade memory rebuild` embeds it anew."
                )
        return self.index.notice

    # Forgetting

    def forget(
        self,
        owner: str,
        *,
        ids: Sequence[str] = (),
        chat: str | None = None,
        older_than: timedelta | None = None,
        everything: bool = False,
    ) -> Forgotten:
        """Delete for good: rows and vectors, the index's copy, thumbnails, files that nobody else holds.

        A handle of a forgotten picture answers that it is forgotten. A conversation goes with its messages.

        Args:
            owner: the user; nobody else's memory is touched.
            ids: pictures and regions. A picture takes its regions along, and its crops and cut-outs.
            chat: a conversation, with the pictures that were met nowhere else.
            older_than: pictures not met, and conversations not gone on with, for so long.
            everything: all pictures and conversations of the owner.

        Raises:
            UserError: the owner has no such picture, region or conversation; then nothing was deleted.
        """
        return Forgetting(self.store, self.index).forget(
            owner, ids=ids, chat=chat, older_than=older_than, everything=everything
        )

    # Health

    def verify(self) -> Report:
        """Compare the index with the ledger, vector by vector, and look at every stored file."""
        return self._health.verify()

    def rebuild(self) -> Report:
        """Make the index anew from the ledger; where the embedder is another than before, embed everything anew."""
        return self._health.rebuild()

    def export(self, owner: str, path: Path | str) -> Path:
        """Write everything that an owner remembers into one `.zip`: JSON lines, PNG files, vectors as `.npy`."""
        return export(self.store, owner, Path(path).expanduser())

    def import_(self, path: Path | str, owner: str) -> list[str]:
        """Take in what `export` wrote; what is there already stays as it is. Returns the ids that are new.

        Raises:
            UserError: the archive is damaged, too large, or not one of ours; then nothing was written.
        """
        done = import_archive(self.store, owner, Path(path).expanduser())
        self._index_lately(owner)
        return done

    def sync(self) -> None:
        """Bring the index up to the ledger now, if this process can have it; otherwise it happens in the background."""
        self.index.follow()

    def close(self) -> None:
        """Close the index, and let another process have it. The store stays open."""
        self.index.close()

    def _index_lately(self, owner: str) -> None:
        """Let the index follow in the background when much waits."""
        if sum(self.index.waiting(space) for space in self._search.spaces(owner)) > NUDGE:
            self.index.nudge()

    def _forget_old(self) -> None:
        """Keep to the retention setting; looked at once an hour at most."""
        days, moment = self.settings.keep_days, time.monotonic()
        if days is None or (self._looked is not None and moment - self._looked < LOOK_EVERY):
            return
        self._looked = moment
        for row in self.store.ledger.read("SELECT DISTINCT owner FROM holdings"):
            self.forget(row["owner"], older_than=timedelta(days=days))
