"""What comes back from a turn: the answer, the pictures made, the regions it rests on, and the steps."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..memory.records import Picture, Region

if TYPE_CHECKING:
    from .status import Status

REGION = re.compile(r"\breg_[1-9][0-9]*\b")
_PICTURE = re.compile(r"\bimg_[1-9][0-9]*\b")


@dataclass(frozen=True)
class Step:
    """One tool call of a turn: why, what, and what was seen."""

    thought: str
    tool: str
    arguments: dict[str, Any]
    observation: str
    seconds: float
    ok: bool

    def to_json(self) -> dict[str, Any]:
        """The step as JSON values, by the names of its fields."""
        return {
            "thought": self.thought,
            "tool": self.tool,
            "arguments": self.arguments,
            "observation": self.observation,
            "seconds": self.seconds,
            "ok": self.ok,
        }


@dataclass(frozen=True)
class Reply:
    """The answer to one request. It compares by value and cannot be hashed (its steps hold what tools were given).

    `images` are the pictures made in this turn (crops, cut-outs, edits), and those that it found in memory or went
    back to and that the answer names by handle; `regions` only those that the answer names. `evidence` is the path of
    one picture that shows the regions, or None.
    `warnings` say which experts could not do their work. `status` tells a script what the words tell a person:
    "answered", "declined", "asked_back" or "failed" (see `agent.status`).

    `print(reply)` gives the answer with the paths to look at; a notebook shows it with its pictures.
    """

    text: str
    images: tuple[Picture, ...] = ()
    regions: tuple[Region, ...] = ()
    evidence: Path | None = None
    steps: tuple[Step, ...] = ()
    chat: str | None = None
    warnings: tuple[str, ...] = field(default=())
    status: Status = "answered"

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def __repr__(self) -> str:
        parts = [repr(shortened(self.text)), f"status={self.status!r}"]
        for name, some in (("steps", self.steps), ("regions", self.regions), ("images", self.images)):
            parts += [f"{name}={len(some)}"] if some else []
        return f"Reply({', '.join(parts)})"

    def __str__(self) -> str:
        lines = [self.text, *(f"Warning: {warning}" for warning in self.warnings if warning not in self.text)]
        lines += [f"{picture.handle}: {picture.path}" for picture in self.images]
        return "\n".join([*lines, *([f"Evidence: {self.evidence}"] if self.evidence else [])])

    def _repr_html_(self) -> str:
        """The answer with its evidence and the pictures that were made, for a notebook."""
        shown = [*([self.evidence] if self.evidence else []), *(picture.path for picture in self.images)]
        pictures = "".join(f'<img src="{data_url_of(path)}" style="max-width:100%;margin:4px 0"><br>' for path in shown)
        warnings = "".join(f"<p><em>{html.escape(warning)}</em></p>" for warning in self.warnings)
        return f"<div><p>{html.escape(self.text)}</p>{warnings}{pictures}</div>"

    def to_json(self) -> dict[str, Any]:
        """The reply in the form that `saccade ask --json` prints; every value is plain JSON."""
        return {
            "status": self.status,
            "text": self.text,
            "images": [picture_json(picture) for picture in self.images],
            "regions": [region_json(region) for region in self.regions],
            "evidence": None if self.evidence is None else str(self.evidence),
            "steps": [step.to_json() for step in self.steps],
            "chat": self.chat,
            "warnings": list(self.warnings),
        }


def shortened(text: str, most: int = 80) -> str:
    """A text on one line, cut to `most` characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 3]}..."


def data_url_of(path: Path) -> str:
    """A PNG file as a `data:` URL; "" where it is gone."""
    try:
        return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"
    except OSError:
        return ""


def picture_json(picture: Picture) -> dict[str, Any]:
    """A picture as `{handle, id, path, kind}`."""
    return {"handle": picture.handle, "id": picture.id, "path": str(picture.path), "kind": picture.kind}


def region_json(region: Region) -> dict[str, Any]:
    """A region as `{handle, id, image, box, label, score, mask}`; `box` is xyxy pixels of the upright original."""
    return {
        "handle": region.handle,
        "id": region.id,
        "image": region.image or region.picture,
        "box": [float(value) for value in region.box],
        "label": region.label,
        "score": None if region.score is None else float(region.score),
        "mask": None if region.mask is None else str(region.mask),
    }


def cited_regions(text: str, known: Iterable[str], region: Callable[[str], Region]) -> tuple[Region, ...]:
    """The regions that an answer names, in the order of their first mention.

    Args:
        text: the answer.
        known: the handles of the conversation; others are no citations.
        region: gives the record behind a handle.
    """
    there = set(known)
    named = list(dict.fromkeys(REGION.findall(text)))
    return tuple(region(handle) for handle in named if handle in there)


def named_pictures(text: str, found: Iterable[Picture], besides: Iterable[Picture]) -> list[Picture]:
    """Those of some pictures that an answer names by handle and that are not among others."""
    named = set(_PICTURE.findall(text)) - {one.handle for one in besides}
    return [one for one in found if one.handle in named]
