"""A contact sheet: what a search found, as one picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from ..errors import UserError
from .evidence import COLORS

if TYPE_CHECKING:
    from PIL import Image

    from ..memory.memory import Memory
    from ..memory.query import Hit

TILE = 240  # px: the longer side of a thumbnail
LINES = 2  # of text under it
LINE = 18  # px
GAP = 12
COLUMNS = 5
INK = "#202020"
PALE = "#606060"


def draw_sheet(memory: Memory, owner: str, hits: Sequence[Hit], path: Path) -> Path:
    """Draw the hits in reading order, best first, regions with their boxes, and write one PNG.

    Args:
        memory: gives the pixels of what the owner has.
        owner: the user.
        hits: at least one.
        path: where the PNG goes; folders are made, and the file is whole or not there.

    Raises:
        UserError: the file cannot be written there.
    """
    from PIL import Image

    columns = min(COLUMNS, len(hits))
    rows = -(-len(hits) // columns)
    wide, high = TILE + GAP, TILE + LINES * LINE + GAP
    sheet = Image.new("RGB", (columns * wide + GAP, rows * high + GAP), "white")
    for place, hit in enumerate(hits):
        tile = _tile(memory, owner, hit, place)
        sheet.paste(tile, (GAP + place % columns * wide, GAP + place // columns * high))
    unfinished = path.with_name(f".{path.stem}-{uuid4().hex[:8]}.png")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        sheet.save(unfinished, "PNG")
        unfinished.replace(path)
    except (OSError, ValueError) as error:
        raise UserError(
            f"The contact sheet cannot be written to {str(path)!r} ({error}): name another place with --sheet.",
            kind="bad_sheet",
        ) from error
    return path


def _tile(memory: Memory, owner: str, hit: Hit, place: int) -> Image.Image:
    """A thumbnail with its number, score and name under it."""
    from PIL import Image, ImageDraw, ImageFont

    tile = Image.new("RGB", (TILE, TILE + LINES * LINE), "white")
    draw = ImageDraw.Draw(tile)
    try:
        image = memory.store.open(hit.picture, owner)
    except UserError:  # its file is lost; the hit is still told
        draw.rectangle((0, 0, TILE - 1, TILE - 1), outline=PALE)
    else:
        scale = TILE / max(image.size)
        small = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
        if hit.box is not None:
            box = [value * scale for value in hit.box]
            box = [box[0], box[1], max(box[0] + 1, box[2] - 1), max(box[1] + 1, box[3] - 1)]
            ImageDraw.Draw(small).rectangle(box, outline=COLORS[place % len(COLORS)], width=3)
        tile.paste(small, ((TILE - small.width) // 2, (TILE - small.height) // 2))
    font = ImageFont.load_default(13)
    said = hit.label or hit.caption or ""
    name = (hit.source or "").replace("\\", "/").rpartition("/")[2]
    for line, (text, ink) in enumerate(((f"{place + 1}. {hit.score:.2f} {said}", INK), (name or hit.id, PALE))):
        draw.text((2, TILE + line * LINE + 2), _fitted(draw, text, font), fill=ink, font=font)
    return tile


def _fitted(draw: object, text: str, font: object) -> str:
    """The text on one line, cut to the width of a tile."""
    text = " ".join("".join(one if one.isprintable() else " " for one in text).split())[:100]
    length = draw.textlength  # pyright: ignore[reportAttributeAccessIssue]
    if length(text, font=font) <= TILE - 4:
        return text
    while text and length(f"{text}...", font=font) > TILE - 4:
        text = text[:-1]
    return f"{text}..."
