"""The page of a task: thumbnails, evidence, a table to filter, what failed. Nothing is loaded from afar."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from ...errors import UserError
from ..evidence import annotate
from .outputs import Gathering, cell_text, inside
from .plan import PlannedOutput
from .record import write_whole
from .running import Outcome

THUMBNAIL, EVIDENCE = 160, 480  # px of the longer side
MOST_PICTURES = 12  # that were made, of one picture
TEMPLATE = Path(__file__).with_name("report.html.jinja")


@dataclass
class Card:
    """One picture on the page; pictures are data URIs, `rows` the cells of the table."""

    name: str
    status: str
    reason: str
    thumbnail: str = ""
    evidence: str = ""
    pictures: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)


class Page:
    """A page while it is being made, picture by picture.

    Args:
        planned: what it is to show.
        out: the folder of outputs.
        title: its heading.
    """

    def __init__(self, planned: PlannedOutput, out: Path, title: str) -> None:
        self.planned, self._title = planned, title
        self._path = inside(out, planned.output.file)
        self._cards: list[Card] = []

    def add(self, outcome: Outcome, gathering: Gathering, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take in one picture, while its pixels are there."""
        card = Card(outcome.path.name, outcome.status, outcome.reason)
        if outcome.workspace is not None and outcome.image is not None:
            image = outcome.workspace.open(outcome.image.id)
            card.thumbnail = _inline(image, THUMBNAIL)
            if outcome.status == "done":
                card.evidence = self._drawn(outcome, gathering, image)
                made = gathering.pictures_of(outcome, self.planned)
                card.pictures = [_inline(outcome.workspace.open(one.id, alpha=True), THUMBNAIL)
                                 for one in made[:MOST_PICTURES]]  # fmt: skip
        card.rows = [[cell_text(row.get(name)) for name in self.planned.columns] for row in rows]
        self._cards.append(card)

    def _drawn(self, outcome: Outcome, gathering: Gathering, image: Image.Image) -> str:
        """The picture with the regions of its evidence drawn in."""
        assert outcome.workspace is not None
        handles = dict.fromkeys(one.handle for one in gathering.evidence_of(outcome, self.planned))
        regions = [outcome.workspace.region(handle) for handle in handles]
        some = [one for one in regions if outcome.image is not None and one.picture == outcome.image.id]
        if not some:
            return ""
        masks = [outcome.workspace.open_mask(one) for one in some]
        return _inline(annotate(image, some, masks, list(range(len(some)))), EVIDENCE)

    def write(self, summary: Mapping[str, Any]) -> Path:
        """Write the page.

        Raises:
            UserError: it cannot be written.
        """
        text = page_of(self._title, self._cards, list(self.planned.columns), summary)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._path, text.encode("utf-8"))
        except OSError as error:
            raise UserError(f"{str(self._path)!r} cannot be written: {error.strerror}.", kind="cannot_write") from error
        return self._path


def page_of(title: str, cards: Sequence[Card], columns: Sequence[str], summary: Mapping[str, Any]) -> str:
    """The page as HTML, one file; what stands in cards is text, whatever marks are in it."""
    from jinja2 import Environment

    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(TEMPLATE.read_text("utf-8"))
    return page.render(title=title, cards=cards, columns=columns, summary=summary)


def _inline(image: Image.Image, side: int) -> str:
    """A small copy as a data URI; transparency stays."""
    small = image.copy()
    small.thumbnail((side, side))
    out = io.BytesIO()
    small.save(out, "WEBP", quality=78)
    return f"data:image/webp;base64,{base64.b64encode(out.getvalue()).decode()}"
