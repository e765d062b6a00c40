"""What comes back from a turn: the answer, the pictures made, the regions it rests on, and the steps."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..memory.records import Picture, Region

REGION = re.compile(r"\breg_[1-9][0-9]*\b")


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
    """The answer to one request.

    `images` are only the pictures made in this turn (crops, cut-outs); `regions` only those that the
    answer names by handle. `evidence` is the path of one picture that shows the regions, or None.
    `warnings` say which experts could not do their work.
    """

    text: str
    images: tuple[Picture, ...] = ()
    regions: tuple[Region, ...] = ()
    evidence: Path | None = None
    steps: tuple[Step, ...] = ()
    chat: str | None = None
    warnings: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """The reply in the form that `saccade ask --json` prints; every value is plain JSON."""
        return {
            "text": self.text,
            "images": [picture_json(picture) for picture in self.images],
            "regions": [region_json(region) for region in self.regions],
            "evidence": None if self.evidence is None else str(self.evidence),
            "steps": [step.to_json() for step in self.steps],
            "chat": self.chat,
        }


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
