"""When a picture was taken: by its EXIF, else by its file; as text that people read, and as a moment to compare.

"2026-05-01 12:30", by the camera's own clock; with the clock's zone behind it where EXIF tells it (EXIF 2.31), as in
"2026-05-01 12:30 +02:00"; and "2026-05-01 12:30 +00:00 (of the file)" where only the file has a date.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

from PIL import Image

# The EXIF block; when a picture was taken, turned into numbers, or written; and the zones of these.
_EXIF, _TAKEN, _WRITTEN = 0x8769, (0x9003, 0x9004), 0x0132
_ZONES = {0x9003: 0x9011, 0x9004: 0x9012, 0x0132: 0x9010}
_ZONE = re.compile(r"[+-](?:0\d|1[0-4]):[0-5]\d|Z")
OF_FILE = " (of the file)"


def date_taken(image: Image.Image) -> str | None:
    """When a camera took a picture, to the minute: the first date that can be read; None where there is none.

    Args:
        image: as it was opened, with its EXIF.
    """
    try:
        block = image.getexif()
        inner = block.get_ifd(_EXIF)
    except Exception:  # a damaged EXIF block is no reason to refuse good pixels
        return None
    for tag in (*_TAKEN, _WRITTEN):
        said = str(block.get(tag) if tag == _WRITTEN else inner.get(tag))
        try:
            taken = datetime.strptime(said[:16], "%Y:%m:%d %H:%M").strftime("%Y-%m-%d %H:%M")
        except ValueError:
            continue
        zone = _ZONE.fullmatch(str(inner.get(_ZONES[tag], "")).strip("\0 "))
        return f"{taken} {'+00:00' if zone[0] == 'Z' else zone[0]}" if zone else taken
    return None


def date_of_file(changed: float) -> str | None:
    """The date of a file, in local time, from its time of change in seconds; None where that is no date."""
    try:
        local = datetime.fromtimestamp(changed, UTC).astimezone()
    except (OverflowError, OSError, ValueError):
        return None
    zone = local.strftime("%z")
    return f"{local:%Y-%m-%d %H:%M} {zone[:3]}:{zone[3:5]}{OF_FILE}"


@lru_cache(4096)
def moment_of(taken: str | None) -> str | None:
    """The moment of a date as the ledger writes moments (ISO, UTC); a date without a zone is local."""
    if not taken:
        return None
    try:
        return (
            datetime.fromisoformat(taken.removesuffix(OF_FILE).replace(" +", "+").replace(" -", "-"))
            .astimezone(UTC)
            .isoformat()
        )
    except (ValueError, OverflowError):
        return None
