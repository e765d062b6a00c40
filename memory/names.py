"""Names of files as people write them: composed or decomposed letters, and addresses where a path is meant.

"é" is one character (NFC) or two (NFD), as keyboards, disks and other machines would have it; to a person both are the
same name. Names are kept as they are, and compared as composed.
"""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

from ..errors import UserError

# Of an address; paths that went through `pathlib` have lost a slash. One letter is a drive of Windows.
_ADDRESS = re.compile(r"\s*([a-z][a-z0-9+.-]+):/{1,3}\S|\s*data:image/|\s*www\.[\w-]+\.", re.IGNORECASE)


def composed(text: str) -> str:
    """The text with its letters composed (NFC): the form in which texts and names are compared."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def is_named(name: str | None, wanted: str | None) -> bool:
    """Whether a file's name is the wanted one, or the last parts of its path are."""
    if not name or not wanted:
        return False
    have, want = composed(name), composed(wanted)
    return have == want or have.endswith("/" + want)


def refuse_address(text: str) -> None:
    """Refuse what is the address of something elsewhere, and no path.

    Raises:
        UserError: it is one (kind "is_url").
    """
    found = _ADDRESS.match(text)
    if found is None or os.path.lexists(text):
        return
    local = (found[1] or "").lower() == "file"
    text = re.sub(r"^(\s*[\w+.-]+):/(?=[^/])", r"\1://", text) if not local else text
    mend = "Give the path alone, without file://." if local else "Save the file first, then give its path."
    raise UserError(f"{text[:200]!r} is an address (URL), and nothing is fetched from there. {mend}", kind="is_url")


def existing(path: Path) -> Path:
    """The path as the disk has it, where only the form of its letters differs; else the path as it is given."""
    text = str(path)
    if text.isascii() or os.path.lexists(path):
        return path
    found = Path(path.anchor)
    for part in path.parts[1:] if path.anchor else path.parts:
        place = found / part
        if not os.path.lexists(place):
            try:
                same = [one for one in os.listdir(found) if composed(one) == composed(part)]  # noqa: PTH208 (names)
            except OSError:
                return path
            if not same:
                return path
            place = found / same[0]
        found = place
    return found
