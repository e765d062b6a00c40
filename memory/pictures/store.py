"""The picture store: files by their content, and who holds which."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections import OrderedDict
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from ...errors import UserError
from ..home import write_whole
from ..ledger.ledger import Ledger, now
from ..records import Lineage, Picture, PictureKind
from .colours import on_white
from .decode import Decoded, Limits, Source, decode

CACHE_BYTES = 256_000_000  # of decoded pixels
PNG_EFFORT = 1  # of 9: lossless all the same; 6 takes twice as long for a tenth of the size


@lru_cache(8192)
def path_of(text: str) -> Path:
    """A `Path`, made once: that takes longer than to find the picture in a small memory."""
    return Path(text)


@dataclass(frozen=True)
class Kept:
    """A picture whose file is written but of which no row tells yet."""

    id: str
    sha256: str
    size: tuple[int, int]
    source: str | None
    taken: str | None = None


def readable(name: str | None) -> str | None:
    """A file's name as text that can be stored: bytes that are no UTF-8 become question marks."""
    return None if name is None else name.encode("utf-8", "replace").decode("utf-8")


class PictureStore:
    """Pictures under a home folder: `images/ab/<sha256>.png`, masks beside them, rows in the ledger.

    A file is written whole and flushed before any row names it, so a row never points to nothing.
    Nothing is created before the first picture is accepted.

    Args:
        home: the home folder, or None to keep everything in memory (paths then name no file).
        durable: survive power cuts; False for throw-away homes, such as those of training traces.
        limits: the caps on files that are taken in.
    """

    def __init__(self, home: Path | str | None, *, durable: bool = True, limits: Limits = Limits()) -> None:  # noqa: B008
        self.home = Path(home).expanduser().absolute() if home is not None else None
        self.limits = limits
        self.ledger = Ledger(self.home, durable=durable)
        self._in_memory: dict[str, bytes] = {}  # what would be files
        self._pixels = _PixelCache(CACHE_BYTES)

    def add(
        self,
        source: Source,
        *,
        owner: str,
        kind: PictureKind = "given",
        lineage: Lineage = Lineage(),  # noqa: B008
    ) -> Picture:
        """Decode a picture, keep it, and note that `owner` has it. The same picture again is the one there is.

        Args:
            source: a path, bytes or a Pillow image; transparency is kept unless the kind is "given".
            owner: the user.
            kind: how it came to be.
            lineage: where it came from.

        Raises:
            UserError: it cannot be taken in (see `decode`), or not be written.
        """
        kept = self.keep(self.decode(source, kind))
        with self.ledger.write() as db:
            self.hold(db, kept, owner=owner, kind=kind, lineage=lineage)
        return self.get(kept.id, owner)

    def decode(self, source: Source | Decoded, kind: PictureKind = "given") -> Decoded:
        """Decode under this store's limits; writes nothing. What is decoded already is given back."""
        if isinstance(source, Decoded):
            return source
        return decode(source, self.limits, keep_alpha=kind != "given")

    def keep(self, decoded: Decoded) -> Kept:
        """Write the file of a picture, whole, before any row names it."""
        name = _image_name(decoded.sha256)
        if not self._has(name):
            self._write(name, _png(decoded.image))
        self._pixels.put(decoded.sha256, decoded.image)
        return Kept(f"pic_{decoded.sha256[:12]}", decoded.sha256, decoded.image.size, decoded.source, decoded.taken)

    def hold(self, db: sqlite3.Connection, kept: Kept, *, owner: str, kind: str, lineage: Lineage) -> None:
        """Inside a transaction: note a kept picture and that `owner` has it.

        Raises:
            UserError: another picture has the same id (the first 12 hex digits of its hash).
        """
        db.execute(
            "INSERT OR IGNORE INTO pictures (id, sha256, width, height) VALUES (?, ?, ?, ?)",
            (kept.id, kept.sha256, *kept.size),
        )
        there = db.execute("SELECT sha256 FROM pictures WHERE id = ?", (kept.id,)).fetchone()
        if there["sha256"] != kept.sha256:
            raise UserError(
                f"The picture {kept.id!r} cannot be kept: its id is taken by a different picture. Save it once more "
                f"with a pixel changed.",
                kind="id_taken",
            )
        db.execute(
            "INSERT OR IGNORE INTO holdings (owner, picture, kind, source, created, lineage, taken) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (owner, kept.id, kind, readable(kept.source), now(), lineage_text(lineage), kept.taken),
        )

    def hold_again(
        self, db: sqlite3.Connection, kept: Kept, owner: str, kind: str, source: str | None, created: str, lineage: str
    ) -> None:
        """Inside a transaction: `hold` a picture as it was held before, unless the owner has it."""
        had = db.execute("SELECT 1 FROM holdings WHERE owner = ? AND picture = ?", (owner, kept.id)).fetchone()
        self.hold(db, kept, owner=owner, kind=kind, lineage=lineage_of(lineage))
        if not had:
            db.execute(
                "UPDATE holdings SET source = ?, created = ? WHERE owner = ? AND picture = ?",
                (source, created, owner, kept.id),
            )

    def file(self, sha256: str) -> bytes:
        """The bytes of a picture's stored PNG.

        Raises:
            UserError: it is gone.
        """
        name = _image_name(sha256)
        try:
            return self._in_memory[name] if self.home is None else (self.home / name).read_bytes()
        except (KeyError, OSError) as error:
            raise UserError(
                f"The stored file {str((self.home or Path()) / name)!r} is gone ({error}). Give the picture again, or "
                f"forget it.",
                kind="stored_file_lost",
            ) from error

    def get(self, picture: str, owner: str) -> Picture:
        """The picture with the id `pic_...` as `owner` has it, without a handle.

        Raises:
            UserError: this owner has no such picture; whether anybody else does is not told.
        """
        rows = self.ledger.read(
            "SELECT p.*, h.kind, h.owner, h.source, h.created, h.lineage, h.taken FROM holdings h "
            "JOIN pictures p ON p.id = h.picture WHERE h.owner = ? AND h.picture = ?",
            (owner, picture),
        )
        if not rows:
            raise UserError(
                f"You have no picture with the id {picture!r}. `saccade search WORDS` gives ids (pic_...).",
                kind="unknown_picture",
            )
        row = rows[0]
        return Picture(
            id=row["id"],
            sha256=row["sha256"],
            path=self.path(row["sha256"]),
            width=row["width"],
            height=row["height"],
            kind=row["kind"],
            owner=row["owner"],
            source=row["source"],
            created=datetime.fromisoformat(row["created"]),
            lineage=lineage_of(row["lineage"]),
            taken=row["taken"],
        )

    def open(self, picture: str, owner: str, *, alpha: bool = False) -> Image.Image:
        """The pixels of a picture that `owner` has: a copy that may be drawn on.

        Args:
            picture: its id, `pic_...`.
            owner: the user.
            alpha: give RGBA where the picture has transparency; otherwise always RGB, laid on white.

        Raises:
            UserError: this owner has no such picture, or its file is gone.
        """
        return self.pixels(self.get(picture, owner).sha256, alpha=alpha)

    def pixels(self, sha256: str, *, alpha: bool = False) -> Image.Image:
        """The pixels behind a hash, for callers that have settled whose picture it is."""
        image = self._pixels.get(sha256)
        if image is None:
            image = self._read(_image_name(sha256))
            self._pixels.put(sha256, image)
        if image.mode == "RGBA" and not alpha:
            return on_white(image)
        return image.copy()

    def path(self, sha256: str) -> Path:
        """Where the PNG of a picture lies."""
        name = _image_name(sha256)
        return path_of(name if self.home is None else f"{self.home}/{name}")

    def keep_mask(self, mask: np.ndarray) -> str:
        """Write a mask, (height, width) bool, as an 8-bit PNG with 255 inside; its name under the home folder."""
        flat = np.ascontiguousarray(mask, dtype=bool)
        if flat.ndim != 2:
            raise ValueError(f"a mask is (height, width), not {flat.shape}")
        digest = hashlib.sha256(f"{flat.shape}\n".encode() + np.packbits(flat).tobytes()).hexdigest()
        name = f"masks/{digest[:2]}/{digest}.png"
        if not self._has(name):
            self._write(name, _png(Image.fromarray(flat.view(np.uint8) * np.uint8(255))))
        return name

    def open_mask(self, mask: Path) -> np.ndarray:
        """A mask by its path: (height, width) bool."""
        name = mask.relative_to(self.home).as_posix() if self.home else mask.as_posix()
        return np.asarray(self._read(name)) > 127

    def delete_doomed(self) -> int:
        """Delete the files that `forget` has named, unless they are held again; how many there were."""
        count = 0
        with self.ledger.write() as db:
            for row in db.execute("SELECT name FROM doomed").fetchall():
                name = row["name"]
                sha256 = Path(name).stem
                if not db.execute("SELECT 1 FROM pictures WHERE sha256 = ?", (sha256,)).fetchone():
                    self._pixels.drop(sha256)
                    count += self._delete(name)
            db.execute("DELETE FROM doomed")
        return count

    def _delete(self, name: str) -> bool:
        if self.home is None:
            return self._in_memory.pop(name, None) is not None
        there = (self.home / name).exists()
        (self.home / name).unlink(missing_ok=True)
        return there

    def close(self) -> None:
        """Close the ledger."""
        self.ledger.close()

    def _has(self, name: str) -> bool:
        return name in self._in_memory if self.home is None else (self.home / name).exists()

    def _write(self, name: str, data: bytes) -> None:
        if self.home is None:
            self._in_memory[name] = data
            return
        self.ledger.prepare()
        write_whole(self.home, name, data, durable=self.ledger.durable)

    def _read(self, name: str) -> Image.Image:
        try:
            data = self._in_memory[name] if self.home is None else (self.home / name).read_bytes()
            image = PngImageFile(BytesIO(data))
            image.load()
        except (KeyError, OSError, SyntaxError) as error:
            raise UserError(
                f"The stored file {str((self.home or Path()) / name)!r} is gone or damaged ({error}). Give the "
                f"picture again.",
                kind="stored_file_lost",
            ) from error
        return image


class _PixelCache:
    """The pictures decoded last, up to so many bytes of pixels."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._used = 0
        self._images: OrderedDict[str, Image.Image] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> Image.Image | None:
        with self._lock:
            image = self._images.get(key)
            if image is not None:
                self._images.move_to_end(key)
            return image

    def drop(self, key: str) -> None:
        with self._lock:
            image = self._images.pop(key, None)
            self._used -= _cost(image) if image is not None else 0

    def put(self, key: str, image: Image.Image) -> None:
        with self._lock:
            if key in self._images or _cost(image) > self._capacity:
                return
            self._images[key] = image
            self._used += _cost(image)
            while self._used > self._capacity:
                self._used -= _cost(self._images.popitem(last=False)[1])


def _cost(image: Image.Image) -> int:
    return image.width * image.height * 4  # Pillow keeps RGB in four bytes a pixel


def _png(image: Image.Image) -> bytes:
    out = BytesIO()
    image.save(out, "PNG", compress_level=PNG_EFFORT)
    return out.getvalue()


def _image_name(sha256: str) -> str:
    return f"images/{sha256[:2]}/{sha256}.png"


def lineage_text(lineage: Lineage) -> str:
    """Lineage as the ledger writes it."""
    return json.dumps(asdict(lineage), ensure_ascii=False, allow_nan=False)


_NOTHING_TOLD = lineage_text(Lineage())  # of nearly every picture that was given


def lineage_of(text: str) -> Lineage:
    """Lineage as it was written."""
    return Lineage() if text == _NOTHING_TOLD else Lineage(**json.loads(text))
