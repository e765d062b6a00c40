"""What is shown of a picture or region in a list, and what is embedded of a region."""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path

from PIL import Image

from ..home import write_whole
from ..records import Box

SIDE = 256  # px: the longer side of a thumbnail, at most


def thumbnail_name(sha256: str, item: str) -> str:
    """Where the thumbnail of a picture or region lies, under the home folder."""
    region = item.partition(".")[2]
    return f"thumbs/{sha256[:2]}/{sha256}{'-' + region if region else ''}.jpg"


def sheet_name(owner: str) -> str:
    """Where the last contact sheet of a user lies, under the home folder: one file a user, written over each time."""
    return f"sheets/{hashlib.sha256(owner.encode()).hexdigest()[:16]}.png"


def write_thumbnail(home: Path, name: str, image: Image.Image) -> None:
    """Write a thumbnail of an RGB picture, unless it is there. A power cut may lose it: it can be made again."""
    if (home / name).exists():
        return
    small = image.copy()
    small.thumbnail((SIDE, SIDE), reducing_gap=2.0)
    out = BytesIO()
    small.save(out, "JPEG", quality=85)
    write_whole(home, name, out.getvalue(), durable=False)


def crop(image: Image.Image, box: Box | None) -> Image.Image:
    """The square around a box as far as the picture reaches, or the whole picture.

    A thing is embedded with its surroundings and its own proportions, as the models are trained on it.
    """
    if box is None:
        return image
    x0, y0, x1, y1 = box
    side = max(1.0, x1 - x0, y1 - y0)
    left, top = (x0 + x1 - side) / 2, (y0 + y1 - side) / 2
    shown = (
        max(0, round(left)),
        max(0, round(top)),
        min(image.width, round(left + side)),
        min(image.height, round(top + side)),
    )
    return image.crop(shown) if shown[0] < shown[2] and shown[1] < shown[3] else image
