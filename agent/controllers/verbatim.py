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
# Other than at a sign or a line's end: the words after which a question may begin, and the asides before which it may
# be over. Of 950 questions that the bundled controller is taught to hand on, 99 % begin at such places.
LEADS = frozenset({"and", "but", "hmm", "look", "next", "now", "please", "say", "so", "sorry", "then", "well"})
_ASIDE = re.compile(
    r"""
    (?:as\ (?:shown|seen)\ )? (?:in|on|of|from|at|about|for)\ (?:(?:the|this|that|these|those|my|our|your|his|her|both
        |all|first|second|third|fourth|last|next|same)\ ){0,3}
        (?:img_\d|(?:picture|image|photo|pic|shot)s?\b|ones?\b|me\b|us\b)
    | (?:please|pls|plz|thanks?|thx|cheers|asap|ok|okay|again|today|exactly|by\ the\ way|right\ now|as\ far|tell\ me)\b
    | if\ (?:possible|you)\b | just\ (?:so|curious|wondering)\b | when\ you\b | from\ the\ look\b
    | i\ (?:mean|wonder|have|would|am|need|want)\b | (?:would|will)\ (?:you\b|like\ an\b) | (?:now|then)\W*$
    """,
    re.VERBOSE | re.IGNORECASE,
)
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
    begins: bool  # whether a question may begin with it
    over: bool  # whether a question may be over after it


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
    made: list[Word] = []
    for at, word in enumerate(found):
        before = said[found[at - 1].end() : word.start()] if at else ""
        after = said[word.end() : found[at + 1].start()] if at + 1 < len(found) else "."
        begins = not at or _is_sign(before) or found[at - 1].group().lower() in LEADS
        over = _is_sign(after) or _ASIDE.match(said, found[at + 1].start()) is not None
        made.append(Word(word.group(), before, begins, over))
    return made


def _is_sign(between: str) -> bool:
    return "\n" in between or bool(between.strip())
