"""Health: the index compared with the ledger, made anew from it, and everything embedded again for a new model."""

from __future__ import annotations

from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from ...errors import SaccadeError, UserError
from ..ledger.memory_rows import APART, item_of
from ..pictures.store import PictureStore
from ..pictures.thumbnails import crop
from ..query import Embedder, Report
from ..remembering import Ready, Remembering
from .index import Index


class Health:
    """Looks at what is kept, and mends what can be mended.

    Args:
        store: the pictures and the ledger.
        index: the index.
        remembering: writes what is embedded again.
        embedder: the present one.
    """

    def __init__(self, store: PictureStore, index: Index, remembering: Remembering, embedder: Embedder | None) -> None:
        self._store, self._ledger = store, store.ledger
        self._index = index
        self._remembering = remembering
        self._embedder = embedder

    def verify(self) -> Report:
        """See `Memory.verify`."""
        rows = self._ledger.read("SELECT count(*) AS n FROM vectors")
        vectors = rows[0]["n"] if rows else 0
        told = [row[0] for row in self._ledger.read("PRAGMA quick_check")]
        lost = self._lost_files()
        ledger = "ok" if told in ([], ["ok"]) else "; ".join(told)
        if self._store.home is None or not rows:
            return Report(vectors, vectors, lost_files=lost, ledger=ledger)
        try:
            if not self._index.follow():
                return Report(vectors, 0, lost_files=lost, ledger=ledger, index=self._index.notice or "not open")
            indexed, missing, extra, different = self._index.compare()
        except UserError as error:
            return Report(vectors, 0, lost_files=lost, ledger=ledger, index=error.message)
        return Report(vectors, indexed, missing, extra, different, lost, ledger, repaired=self._index.repaired)

    def rebuild(self) -> Report:
        """See `Memory.rebuild`."""
        if self._store.home is None or not self._ledger.exists:
            return self.verify()
        if self._embedder is not None and self._embed_again():
            self._index.follow()  # the new collection, beside the old one
            self._drop_other_models()
            self._index.follow()
        else:
            self._index.begin_anew()
            self._index.follow()
        return self.verify()

    def _embed_again(self) -> bool:
        """Embed whatever has no vector of the present embedder; whether there was anything."""
        assert self._embedder is not None
        one, size = self._embedder, self._remembering.batch
        found = False
        for owner in [row["owner"] for row in self._ledger.read("SELECT DISTINCT owner FROM memories")]:
            after = 0
            while True:
                rows = self._ledger.read(
                    "SELECT m.id, m.item FROM memories m WHERE m.owner = ? AND m.id > ? AND NOT EXISTS "
                    "(SELECT 1 FROM vectors v JOIN spaces s ON s.id = v.space JOIN models k ON k.id = s.model "
                    "WHERE v.memory = m.id AND k.name IN (?, ?) AND k.sha256 = ? AND k.dim = ?) ORDER BY m.id LIMIT ?",
                    (owner, after, one.name, one.name + APART, one.sha256, one.dim, size),
                )
                if not rows:
                    break
                after = rows[-1]["id"]
                self._remembering.write(owner, self._ready(owner, [row["item"] for row in rows]))
                found = True
        return found

    def _ready(self, owner: str, names: list[str]) -> list[Ready]:
        items, images = [], list[Image.Image]()
        for name in names:
            try:
                item = item_of(self._ledger, owner, name)
                images.append(crop(self._store.pixels(item.sha256), item.box))
            except SaccadeError:  # its file is lost: `verify` lists it
                continue
            items.append(item)
        return self._remembering.made_ready(owner, items, images)

    def _drop_other_models(self) -> None:
        """Swap: the vectors of other models go, where there is one of the present model, in one transaction."""
        assert self._embedder is not None
        one = self._embedder
        with self._ledger.write() as db:
            db.execute(
                "DELETE FROM vectors WHERE space NOT IN (SELECT s.id FROM spaces s JOIN models m ON m.id = s.model "
                "WHERE m.name IN (?1, ?4) AND m.sha256 = ?2 AND m.dim = ?3) AND memory IN "
                "(SELECT v.memory FROM vectors v JOIN spaces s ON s.id = v.space JOIN models m ON m.id = s.model "
                "WHERE m.name IN (?1, ?4) AND m.sha256 = ?2 AND m.dim = ?3)",
                (one.name, one.sha256, one.dim, one.name + APART),
            )
            db.execute("DELETE FROM spaces WHERE id NOT IN (SELECT space FROM vectors)")

    def _lost_files(self) -> list[str]:
        """The ids of pictures whose file is not there, or is damaged."""
        lost: list[str] = []
        for row in self._ledger.read("SELECT id, sha256 FROM pictures ORDER BY id"):
            if self._store.home is None:
                continue
            try:
                with PngImageFile(self._store.path(row["sha256"])) as image:
                    image.verify()  # the checksums of all chunks
            except (OSError, SyntaxError, ValueError):
                lost.append(row["id"])
        return lost
