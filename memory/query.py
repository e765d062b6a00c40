"""The words in which memory is asked and answers: queries, hits, and what an embedder must be. No behaviour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from PIL import Image

from .records import Box, Lineage

MemoryKind = Literal["picture", "region"]


class Embedder(Protocol):
    """What turns pictures and words into vectors of one space. Memory is given it and never makes it."""

    @property
    def name(self) -> str:
        """The model's spec, such as `zoo:clip`."""
        ...

    @property
    def sha256(self) -> str:
        """The hash of the weights: another hash is another embedding space."""
        ...

    @property
    def dim(self) -> int:
        """The number of dimensions."""
        ...

    @property
    def batch(self) -> int:
        """How many pictures are best given at once."""
        ...

    def pictures(self, images: Sequence[Image.Image]) -> np.ndarray:
        """(n, dim) float32 of unit length, for n RGB pictures of any size."""
        ...

    def words(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32 of unit length."""
        ...

    # It may also have `knows(images) -> Sequence[bool]`: whether whole pictures are of a kind that the model knows.
    # What it does not know is remembered apart: neither words nor other pictures find it by its looks.


@dataclass(frozen=True)
class Query:
    """What is looked for: words, a picture, or both ("like this but blue"); every filter that is None lets all pass.

    `picture` is the id of a picture or region that the owner holds, a Pillow image, an (height, width, 3) uint8
    array of RGB pixels, or a (dim,) vector of the embedder's own. With neither words nor a picture, what passes the
    filters comes newest first.
    """

    words: str | None = None
    picture: str | Image.Image | np.ndarray | None = None
    k: int = 10
    chat: str | None = None  # met in this conversation
    since: datetime | None = None  # seen or taken at this time or later; a time without a zone is local
    until: datetime | None = None  # seen or taken before this time
    tag: str | None = None
    label: str | None = None  # a region's label, the whole of it in any case
    source: str | None = None  # a file that the picture is or was given as: its path, or the last parts of it
    kind: MemoryKind | None = None
    unlike: bool = False  # the picture is of no kind that the model knows: the same picture is looked for, no likeness
    exact: bool = False  # search the ledger's vectors, not the index


@dataclass(frozen=True)
class Hit:
    """One thing that was found."""

    id: str  # pic_... or pic_....rN
    picture: str  # the picture's id
    kind: MemoryKind
    score: float  # 0..1; under 0.5 it is a guess
    path: Path  # the stored PNG of the whole picture
    seen: datetime  # when it was met last
    size: tuple[int, int]  # (width, height) of the whole picture, in pixels
    box: Box | None = None  # of a region: xyxy, in pixels of the picture
    label: str | None = None
    caption: str | None = None
    words: str | None = None  # read in the picture
    tags: tuple[str, ...] = ()
    source: str | None = None
    names: tuple[str, ...] = ()  # the paths of the files that are this picture, as they were when last looked at
    thumbnail: Path | None = None
    lineage: Lineage = field(default_factory=Lineage)
    why: str | None = None  # it was found: `says "open"`, `looks like "green cone"`; None where it was not looked for
    cosine: float | None = None  # to what was looked for; None where only its texts matched
    also: list[str] = field(default_factory=list)  # near duplicates of it that the owner has, by id


@dataclass(frozen=True)
class Forgotten:
    """What `Memory.forget` deleted for good."""

    pictures: list[str] = field(default_factory=list)  # ids that the owner holds no longer
    regions: list[str] = field(default_factory=list)
    chats: list[str] = field(default_factory=list)
    files: int = 0  # files deleted, which no other owner held
    note: str | None = None  # what could not be done at once, and when it will be


@dataclass(frozen=True)
class Report:
    """How the index and the files agree with the ledger."""

    vectors: int  # in the ledger
    indexed: int  # in the index
    missing: int = 0  # in the ledger, not in the index (what waits to be indexed counts too)
    extra: int = 0  # in the index, not in the ledger
    different: int = 0  # in both, with another vector
    lost_files: list[str] = field(default_factory=list)  # ids of pictures whose stored file is gone or damaged
    ledger: str = "ok"  # SQLite's own check of its file
    index: str = "ok"  # or why it cannot be read, or who has it
    repaired: bool = False  # the index was made anew from the ledger

    @property
    def healthy(self) -> bool:
        """Whether nothing is lost, strange or waiting."""
        return (
            not (self.missing or self.extra or self.different or self.lost_files) and self.ledger == self.index == "ok"
        )


@dataclass(frozen=True)
class Indexed:
    """The outcome for one file of `Memory.remember_files`, in the order in which files are done."""

    path: Path
    id: str | None = None  # None where the file could not be taken in
    new: bool = False  # False: it was known
    duplicates: tuple[str, ...] = ()  # near duplicates that were there before
    error: str | None = None
