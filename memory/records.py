"""What is kept of a picture and of a region, and the drafts of it: plain frozen records, no behaviour.

A tool returns *drafts* in a `ToolResult`; a workspace writes them down and returns a `Recorded`,
in which every draft is a `Region` or a `Picture` with its handle.

Handles (`img_1`, `reg_1`) are names inside one conversation; ids (`pic_<12 hex>`,
`pic_<12 hex>.r3`) are names everywhere else. Boxes are xyxy in pixels of the upright
original, x to the right, y down, the right and lower edges exclusive.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

# Facts of a tool call that memory itself understands, whatever tool it was:
CAPTIONS = "captions"  # [{"of": handle, "text": words, "full": whether it tells everything}]
LABELS_READ = "labels_read"  # true: the regions are labelled with words that were read in the picture
ASKED = "asked"  # what the call waits for the user's word about; it did nothing yet
FORGOTTEN = "forgotten"  # the id of a picture that the call deletes for good
RECALLED = "recalled"  # the handles of what the call brought back from memory; nothing of it is new

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
    taken: str | None = None  # when it was taken, as `memory.dates` writes it

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


@dataclass(frozen=True)
class RegionDraft:
    """A region as a tool found it, before it has a handle."""

    picture: str  # the picture's id
    box: Box
    label: str
    score: float | None = None
    mask: np.ndarray | None = None  # (height, width) bool over the whole picture


@dataclass(frozen=True)
class MaskDraft:
    """A mask for a region that already has a handle."""

    region: str  # the region's handle
    mask: np.ndarray  # (height, width) bool over the whole picture
    score: float | None = None


@dataclass(frozen=True)
class PictureDraft:
    """A picture as a tool made it, before it has a handle."""

    image: Image.Image  # RGB, or RGBA where there is transparency
    kind: PictureKind
    parent: str | None = None  # the id of the picture or region it was made from


@dataclass(frozen=True)
class Recalled:
    """A picture or a region that memory gave back, before it has a handle in the conversation."""

    id: str  # pic_<12 hex> or pic_<12 hex>.r<number>
    score: float  # 0..1, how well it fits what was asked
    seen: datetime  # when it came to memory first
    source: str | None = None  # of a picture: the file as it was given
    quoted: bool = False  # of a region: its label was read from the picture, so it is data and stands in quotes

    @property
    def picture(self) -> str:
        """The id of the picture that it is, or that it is a part of."""
        return self.id.partition(".")[0]

    @property
    def is_region(self) -> bool:
        """Whether it is a part of a picture."""
        return "." in self.id


@dataclass(frozen=True)
class ToolResult:
    """What a run found and made. `facts` is what `Tool.observe` needs besides (JSON values only)."""

    regions: list[RegionDraft] = field(default_factory=list)
    masks: list[MaskDraft] = field(default_factory=list)
    pictures: list[PictureDraft] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    recalled: list[Recalled] = field(default_factory=list)


@dataclass(frozen=True)
class Recorded:
    """A `ToolResult` after it was written down: every draft is a record with its handle."""

    regions: list[Region] = field(default_factory=list)  # new ones, in the order of the drafts
    masked: list[Region] = field(default_factory=list)  # older ones that got a mask
    pictures: list[Picture] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    recalled: list[Picture | Region] = field(default_factory=list)  # in the order of the drafts


@dataclass(frozen=True)
class Call:
    """A tool call that was done and written down, with what the controller was told."""

    id: str
    turn: int
    tool: str
    arguments: dict[str, Any]
    observation: str
    ok: bool  # False: the observation tells of a failure
    recorded: Recorded


@dataclass(frozen=True)
class Conversation:
    """One conversation of one user."""

    id: str  # chat_<12 hex>
    owner: str
    title: str
    created: datetime
    turns: int  # how many were begun
