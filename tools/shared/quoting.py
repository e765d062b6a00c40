"""The fence around words that nobody vouches for: text out of pictures, captions, file names, notes.

Such words are data, whatever they say. In an observation they stand between double quotes on one line, escaped as
in JSON, so that no text can end its own quotation and speak as if it were the tool.
"""

from __future__ import annotations

import json

MOST = 1000  # characters of one quotation


def quoted(text: str, most: int = MOST) -> str:
    r"""The text in double quotes, escaped as in JSON: `Say "hi"` becomes `"Say \"hi\""`.

    Letters of every script stay as they are. What does not print (line ends, control characters, marks that turn
    the direction of writing) is escaped, and what is longer than `most` characters is cut, ending in "...".
    """
    bare = text.strip()
    if len(bare) > most:
        bare = bare[: most - 3] + "..."
    escaped = json.dumps(bare, ensure_ascii=False)
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in escaped)
