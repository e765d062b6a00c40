"""Words on their way to a chat service: what a model or a picture says calls nobody and becomes no link."""

from __future__ import annotations

import re

_JOINER = "\u2060"  # a word joiner: it has no width, and what is before it and behind it is no address


def unlinked(text: str) -> str:
    """A text in which no address is one that a service makes a link of, and no word calls everybody."""
    text = re.sub(r"(?i)\b(https?|ftp|mailto|discord)(:)", rf"\1{_JOINER}\2", text)
    return re.sub(r"@(here|channel|everyone)\b", rf"@{_JOINER}\1", text)


def shortened(text: str, most: int) -> str:
    """A text of at most so many characters; one that was cut ends with three dots."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
