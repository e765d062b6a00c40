"""What a model may repeat, to the letter: quotations, and the user's own words.

A small model errs most where it has to copy: it loses a word in the middle of a long question, or goes on with what
it has seen more often. One that was taught to repeat others only verbatim need not be trusted with that: the grammar
of its turn (`agent.grammar`) then admits in double quotes only what stands so in the conversation, and as an argument
that is marked "x-words" only a stretch of whole words of the user's last message.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from langchain_core.messages import BaseMessage

MOST_WORDS = 80  # of the user's message, the last ones; a pattern grows with their square
# The words before which a question may be over, other than at a sign.
ASIDE = frozenset(
    re.findall(
        r"\S+",
        """
        in on of from at for with by as about please pls plz thanks thank thx cheers now then asap just if when because
        since i ok okay again
        """,
    )
)
_QUOTATION = re.compile(r'"((?:[^"\\]|\\.)*)"')
_WORD = re.compile(r"\w+(?:['’.-]\w+)*")
_SIGN = re.compile(r"([\\.+*?()|\[\]{}^$/&~#-])")  # what means something in a regular expression
_COUNTING = r"How many [a-z]+( [a-z]+){0,3} are there\?"  # what a second expert is asked, in words of the model's own


@dataclass(frozen=True)
class Verbatim:
    """What may be repeated in a turn.

    Attributes:
        quotes: what stands in double quotes in the conversation, without them.
        said: what the user said last.
    """

    quotes: tuple[str, ...]
    said: str

    @classmethod
    def of(cls, messages: Sequence[BaseMessage]) -> Verbatim:
        """What the messages so far allow."""
        said = next((message.text for message in reversed(messages) if message.type == "human"), "")
        return cls(quotations(message.text for message in messages), said)


def quotations(texts: Iterable[str]) -> tuple[str, ...]:
    """What stands in double quotes (JSON's) in the texts, without them, each once, in order."""
    return tuple(dict.fromkeys(found for text in texts for found in _QUOTATION.findall(text)))


def quoting(quotes: Sequence[str]) -> str:
    """The regular expression of a text with no other quotations than these."""
    literal = "|".join(escaped(quote) for quote in quotes)
    return f'([^"]|"({literal})")*' if quotes else '[^"]*'


def words_of(said: str, most: int, question: bool = False) -> str | None:
    """The regular expression of every stretch of whole words in what was said; None where nothing was.

    Args:
        said: by the user.
        most: how many characters a stretch may have.
        question: the stretch is over before a sign, before one of `ASIDE` or with the message, and a question mark
            follows; and counting things, to see whether experts agree, may be asked in other words.
    """
    words = list(_WORD.finditer(said))[-MOST_WORDS:]
    ends = [not question or _is_over(said[word.end() :]) for word in words]
    stretches: list[str] = []
    for first, start in enumerate(words):
        last = first - 1
        for at in range(first, len(words)):
            if words[at].end() - start.start() > most - question:
                break
            last = at if ends[at] else last
        rest = ""
        for at in range(last, first, -1):
            rest = escaped(said[words[at - 1].end() : words[at].end()]) + rest
            rest = f"({rest})?" if ends[at - 1] else rest
        if last >= first:
            stretches.append(escaped(start.group()) + rest)
    if not stretches:
        return None
    return rf"({'|'.join(stretches)})\?|{_COUNTING}" if question else "|".join(stretches)


def _is_over(rest: str) -> bool:
    """Whether a question may be over where `rest` still follows."""
    after = _WORD.search(rest)
    return after is None or bool(rest[: after.start()].strip()) or after.group().lower() in ASIDE


def escaped(text: str) -> str:
    """A text as a regular expression that matches nothing else."""
    return _SIGN.sub(r"\\\1", text)
