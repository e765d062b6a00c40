"""What a model may repeat, to the letter: quotations, observations, handles, and the user's own words.

A small model errs most where it has to copy: it loses a word in the middle of a long question, or goes on with what
it has seen more often. One that was taught to repeat others only verbatim need not be trusted with that: the grammar
of its turn (`.grammar`) then admits in double quotes only what stands so in the conversation, of handles only
those that there are, as an argument that is marked "x-words" only a stretch of whole words of the user's last message,
and a text that begins as an observation does goes on with whole parts of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from langchain_core.messages import BaseMessage

from ...prompts.references import split_request

MOST_WORDS = 200  # of the user's message, the last ones
MOST_TOLD = 2000  # characters of an observation that is repeated
HEAD = 12  # characters by which a part of an observation is known
_PART = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^"])+?(?:(?:[.;!?]|(?<=[.;!?]"))(?=\s)|\n|$)')
_QUOTATION = re.compile(r'"((?:[^"\\]|\\.)*)"')
_WORD = re.compile(r"\w+(?:['’.-]\w+)*")


@dataclass(frozen=True)
class Verbatim:
    """What may be repeated in a turn.

    Attributes:
        quotes: what stands in double quotes in the conversation, without them.
        said: what the user said last, without what is told of its pictures.
        told: what tools have told since, each in its parts.
    """

    quotes: tuple[str, ...]
    said: str
    told: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def of(cls, messages: Sequence[BaseMessage]) -> Verbatim:
        """What the messages so far allow."""
        last = max((at for at, message in enumerate(messages) if message.type == "human"), default=-1)
        said = split_request(messages[last].text)[1] if last >= 0 else ""
        told = [parts_of(message.text) for message in messages[last + 1 :] if message.type == "tool"]
        return cls(quotations(message.text for message in messages), said, tuple(parts for parts in told if parts))


class Word(NamedTuple):
    """A word of what the user said."""

    text: str
    before: str  # what stands between it and the word before


def quotations(texts: Iterable[str]) -> tuple[str, ...]:
    """What stands in double quotes (JSON's) in the texts, without them, each once, in order."""
    return tuple(dict.fromkeys(found for text in texts for found in _QUOTATION.findall(text)))


def parts_of(told: str) -> tuple[str, ...]:
    """An observation's sentences, and what semicolons divide, each with the space before it; () of a long one."""
    parts = tuple(_PART.findall(told)) if len(told) <= MOST_TOLD else ()
    return parts if "".join(parts) == told else ()  # a quotation that never ends


def naming(handles: Sequence[str]) -> str:
    """The regular expression of a text without quotations, and with no other handles than these.

    So an underscore stands in a handle, or in a name in capitals such as SACCADE_DEVICE.
    """
    piece = '[^"_]|_[A-Z]'
    if not handles:
        return f"({piece})*"
    handle = "|".join(sorted(handles))
    return f'({piece})*(({handle})[^"_0-9]({piece})*)*({handle})?'


def words_of(said: str) -> list[Word]:
    """The words of what was said, the last `MOST_WORDS` of them."""
    found = list(_WORD.finditer(said))[-MOST_WORDS:]
    return [Word(word.group(), said[found[at - 1].end() : word.start()] if at else "") for at, word in enumerate(found)]
