"""What is kept of a picture and of a region: plain frozen records, no behaviour.

Handles (`img_1`, `reg_1`) are names inside one conversation; ids (`pic_<12 hex>`,
`pic_<12 hex>.r3`) are names everywhere else. Boxes are xyxy in pixels of the upright
original, x to the right, y down, the right and lower edges exclusive.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

Box = tuple[float, float, float, float]
PictureKind = Literal["given", "crop", "cutout", "edit", "generation"]


@dataclass(frozen=True)
class Lineage:
    """Where something came from: the turn and the tool call that made it, and from what."""

    chat: str | None = None
    turn: int | None = None
    tool: str | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    parent: str | None = None  # the id of the picture or region that it was made from


@dataclass(frozen=True)
class Picture:
    """A picture as it is kept: upright, metadata stripped, stored once by the SHA-256 of its pixels."""

    id: str  # pic_<first 12 hex digits of sha256>
    sha256: str
    path: Path  # the stored PNG
    width: int
    height: int
    kind: PictureKind
    owner: str
    source: str | None  # the file as it was given
    created: datetime
    lineage: Lineage = Lineage()
    handle: str | None = None  # None outside a conversation

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels, as in Pillow."""
        return self.width, self.height


@dataclass(frozen=True)
class Region:
    """A part of a picture that an expert found."""

    id: str  # <picture id>.r<number>
    picture: str  # the picture's id
    box: Box
    label: str
    score: float | None
    mask: Path | None = None  # an 8-bit PNG of the picture's size, 255 inside
    lineage: Lineage = Lineage()
    handle: str | None = None
    image: str | None = None  # the picture's handle, None outside a conversation
