"""The form in which an answer refers to observations, and a request names its pictures. Training and the loop share it.

A tool names what an answer may refer to (`Tool.references`): "count", "regions", "label" ... Of the first observation
of a turn they are written `{count}`, of the second `{count2}`, and so on; code puts the values in. A controller that
is held to them by its grammar cannot misquote.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

REFERENCE = re.compile(r"\{([a-z_]+\d*)\}")
_NAMED = r"img_\d+ \(\d+ x \d+ px\)"
# Ours alone: a person may well write "Pictures: ..." too.
PICTURES = re.compile(rf"^Pictures: ({_NAMED}(?:, {_NAMED})*)\.$")


def numbered(name: str, observation: int) -> str:
    """The name of a reference to the `observation`th of a turn, counted from 1."""
    return name if observation == 1 else f"{name}{observation}"


def filled(text: str, known: Mapping[str, str]) -> str:
    """The text with its references filled in; what nothing is known of stays as it was written."""
    return REFERENCE.sub(lambda match: known.get(match[1], match[0]), text)


def is_open(text: str) -> int:
    """How many characters at the end of a text may be the beginning of a reference."""
    at = text.rfind("{")
    return len(text) - at if at >= 0 and "}" not in text[at:] else 0


def request_text(text: str, pictures: Sequence[tuple[str, tuple[int, int]]]) -> str:
    """The person's message as the controller reads it: a line that names new pictures, then the words.

    `pictures` are (handle, (width, height) in pixels).
    """
    if not pictures:
        return text
    named = ", ".join(f"{handle} ({width} x {height} px)" for handle, (width, height) in pictures)
    return f"Pictures: {named}.\n{text}"


def split_request(content: str) -> tuple[str, str]:
    """Take the pictures line off: (what it names, or "", the person's words)."""
    first, newline, rest = content.partition("\n")
    match = PICTURES.match(first)
    return (match.group(1), rest) if match and newline else ("", content)
