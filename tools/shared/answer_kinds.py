"""What kind of answer a question wants, and whether one is of that kind."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from .number_words import NUMBER_WORDS

Kind = Literal["number", "yes or no", "word", "words read"]

HINTS: dict[Kind, str] = {
    "number": "Answer with a number.", "yes or no": "Answer yes or no.", "word": "Answer with a word.",
    "words read": "Answer with the word.",
}  # fmt: skip
_NUMBER = re.compile(
    r"^(?:and |so |then )?(?:how many|how much|what(?: is|'s)? (?:the )?(?:number|count)\b)", re.IGNORECASE
)
_SAYS = re.compile(r"\b(?:what|which)\b.*\b(?:says?|written|reads?|word|sign)\b", re.IGNORECASE)
_WORD = re.compile(r"^(?:and |so |then )?(?:which|what|who|where)\b", re.IGNORECASE)
_YES_NO = re.compile(
    r"^(?:and |so |then )?(?:is|are|was|were|does|do|did|has|have|had|can|could|will|would|should|true or false)\b"
    r"|^(?:isn't|aren't|doesn't|don't|hasn't|haven't|can't|couldn't|won't|wouldn't)\b",
    re.IGNORECASE,
)
_POLITE = re.compile(  # "could you name its colour" wants no yes
    r"^(?:and |so |then )?(?:can|could|will|would) you\b(?! (?:see|spot|find|detect|say (?:that|whether)))",
    re.IGNORECASE,
)
_YES = re.compile(r"^\W*(?:yes|no|true|false|maybe|yeah|nope)\b", re.IGNORECASE)


def kind_of(question: str) -> Kind | None:
    """The kind of answer that a question wants; None where any would do ("why", "describe")."""
    if _NUMBER.search(question):
        return "number"
    if _POLITE.search(question):
        return None
    if _YES_NO.search(question):
        return None if re.search(r"\bor\b", re.sub(r"^\W*true or false", "", question.lower())) else "yes or no"
    if _SAYS.search(question):
        return "words read"
    return "word" if _WORD.search(question) else None


def fits(kind: Kind | None, answer: str, read: Sequence[str] | None = None) -> bool:
    """Whether an answer is of a kind.

    Args:
        kind: of `kind_of`.
        answer: in words.
        read: what a reader read there; an answer of the kind "words read" must hold one of them. None: nobody read.
    """
    words = re.findall(r"[a-z]+|\d+", answer.lower())
    if kind == "number":
        return any(word.isdigit() or word in NUMBER_WORDS for word in words)
    if kind == "yes or no":
        return bool(_YES.search(answer))
    if kind in ("word", "words read"):
        if kind == "words read" and read is not None:
            return any(word.lower() in answer.lower() for word in read)
        return bool(words) and not _YES.search(answer) and not all(word.isdigit() for word in words)
    return bool(words)
