"""Memory and measuring over a desk: the real tools' observations, of pictures that were never drawn."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ....errors import ExpertFailed
from ....memory.records import Recalled, Region
from ....tools.builtin.inspect_image import InspectImage, InspectImageArguments
from ....tools.contracts import ToolContext, ToolResult, View
from ..wording.noun_phrases import any_world_noun, invented, outside_noun

if TYPE_CHECKING:
    from .workspace import SyntheticWorkspace

_BEGIN = datetime(2024, 1, 1, 12, tzinfo=UTC)
_NAMES = ("table", "photo", "IMG", "scan", "picture", "desk", "holiday", "shelf", "DSC", "my drawing", "new", "street")
_COLORS = ("beige", "brown", "red", "grey", "green", "blue", "white", "black", "yellow", "orange", "pink", "purple")
_CODES = ("QR code", "QR code", "EAN-13", "Code 128")


def file_name(rng: random.Random) -> str:
    """What people and cameras call files."""
    stem = rng.choice(_NAMES) if rng.random() < 0.6 else invented(rng)
    number = rng.choice(("", str(rng.randrange(100)), f"_{rng.randrange(10_000):04d}", f" ({rng.randrange(1, 5)})"))
    return f"{stem}{number}.{rng.choice(('png', 'png', 'jpg', 'JPG', 'webp'))}"


class SyntheticMemory:
    """Implements `tools.contracts.VisualMemory`: what it recalls is made up on the spot, and it keeps nothing."""

    def __init__(self, workspace: SyntheticWorkspace, rng: random.Random) -> None:
        self.workspace, self.rng = workspace, rng
        self.made = 0
        self.broken: str | None = None  # why memory cannot be asked

    def recall(
        self, words: str | None, view: View | None, *, k: int, since: datetime | None, kind: str
    ) -> list[Recalled]:
        """Up to five pictures and regions, or nothing."""
        rng = self.rng
        self._check()
        number = min(k, rng.choice((0, 0, 1, 1, 1, 2, 2, 3, 4, 5)))
        scores = sorted((rng.uniform(0.3, 1) for _ in range(number)), reverse=True)
        return [self._hit(words, score, kind) for score in scores]

    def _hit(self, words: str | None, score: float, kind: str) -> Recalled:
        from .workspace import draw_picture

        rng = self.rng
        self.made += 1
        picture = self.workspace.put_away(f"shelf {len(self.workspace.handles())} {self.made}", draw_picture(rng))
        when = _BEGIN + timedelta(hours=rng.randrange(24 * 1200))
        source = file_name(rng) if rng.random() < 0.85 else None
        if kind == "picture" or (kind == "any" and rng.random() < 0.65):
            return Recalled(picture.id, score, when, source)
        noun = any_world_noun(rng) if rng.random() < 0.6 else outside_noun(rng)
        label = words if words and rng.random() < 0.6 else noun.phrase
        region = Region(
            id=f"{picture.id}.r1", picture=picture.id, box=(1.0, 1.0, 50.0, 60.0), label=label, score=score, mask=None
        )  # fmt: skip
        self.workspace.shelve(region)
        return Recalled(region.id, score, when)

    def remember(self, handle: str, note: str | None) -> None:
        """Nothing to do: the conversation has it."""
        self._check()

    def forget(self, picture: str) -> None:
        """Take a picture out of the conversation."""
        self.workspace.drop(picture)

    def _check(self) -> None:
        if self.broken is not None:
            raise ExpertFailed(self.broken)


class SyntheticInspect(InspectImage):
    """The tool with facts made up, for pictures without pixels."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def run(self, arguments: InspectImageArguments, context: ToolContext) -> ToolResult:
        """Facts of the picture's true size, and any others."""
        rng = self.rng
        view = context.view(arguments.image)
        shares = sorted((rng.random() ** 2 for _ in range(rng.randrange(1, 6))), reverse=True)
        total = sum(shares) * rng.uniform(1, 1.2)
        facts = {
            "size": [round(view.box[2] - view.box[0]), round(view.box[3] - view.box[1])],
            "sharpness": round(rng.random(), 4),
            "exposure": rng.choice(("well exposed", "well exposed", "underexposed", "overexposed", "high contrast")),
            "colors": [[name, share / total] for name, share in zip(rng.sample(_COLORS, 5), shares, strict=False)],
            "hash": f"{rng.getrandbits(64):016x}",
            "codes": [] if rng.random() < 0.7 else [[rng.choice(_CODES), _code(rng)]],
            "handle": arguments.image,
            "taken": None if rng.random() < 0.7 else str((_BEGIN - timedelta(hours=rng.randrange(90_000))).date()),
        }
        return ToolResult(facts=facts)


def _code(rng: random.Random) -> str:
    if rng.random() < 0.4:
        return str(rng.randrange(10**12, 10**13))
    return f"https://{invented(rng)}.{rng.choice(('org', 'com', 'net'))}/{invented(rng)}"
