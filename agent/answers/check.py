"""Is an answer borne out by what was said and observed? For controllers whose words nothing else constrains.

Numbers, handles, boxes, colours and quotations must stand in the request or in an observation; something that is said
of a picture needs a look at it; and what goes round in circles is no answer. It is text against text: that an answer
passes does not make it true, but what fails it was made up.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from ...prompts.references import split_request
from ...tools.shared.number_words import NUMBER_WORDS
from ..messages import turn_start
from ..status import OWN_AFFAIRS, asks, cannot

HANDLE = re.compile(r"\b(?:img|reg)_\d+\b")
_BOX = re.compile(r"\(\s*-?\d+(?:\s*,\s*-?\d+){1,}\s*\)?")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w]|\.\d)")
_QUOTED = re.compile(r"[\"“]([^\"“”]{2,})[\"”]")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_IN_WORDS = {word: value for word, value in NUMBER_WORDS.items() if value > 1}  # "one" and "no" say too little
COLORS = frozenset(
    {"red", "orange", "yellow", "green", "blue", "purple", "violet", "pink", "brown", "black", "white", "grey", "gray",
     "turquoise", "teal", "magenta", "beige"}
)  # fmt: skip
_CLAIMS = re.compile(
    r"^\W*(?:yes|no|nope|none)\b(?! (?:problem|worries|need|thanks))|\bthere(?:['’]s| (?:is|are|was|were))\b"
    r"|\b(?:I (?:can )?(?:see|count|found|find|spot)|it (?:shows|says|is|reads)|(?:picture|image|photo|img_\d+)\b.*?"
    r"\b(?:shows?|contains?|has|depicts?|is))\b|\bthe (?:\w+ ){1,4}(?:is|are)\b",
    re.IGNORECASE,
)
_NOT = re.compile(r"\b(?:no|not|nothing|none|never|fail(?:s|ed)?|without|missing)\b|n['’]t\b", re.IGNORECASE)
TIMES = 3  # that a word stands one after the other in babble
LONGEST = 8  # words of a phrase that is repeated


class Problem(NamedTuple):
    """What is wrong with an answer: the kind, and what of it, as it stands there."""

    kind: str  # "no_look", "failure", "handle", "number", "color", "quotation" or "babble"
    what: str


def problems(
    answer: str,
    messages: Sequence[BaseMessage],
    handles: Collection[str],
    vocabulary: Collection[str] | None = None,
    *,
    sees: bool = False,
) -> list[Problem]:
    """What an answer says that nothing bears out; [] where all is well.

    Args:
        answer: as the controller wrote it.
        messages: the conversation before it.
        handles: those that the conversation has.
        vocabulary: every word that the controller was taught to answer with; None: any word may be one.
        sees: whether the controller is shown the pictures: then it has looked, and what it saw stands nowhere.
    """
    unsaid = _failed_unsaid(answer, messages)
    if unsaid is not None:  # before all else: why it failed is what the person must hear
        return [Problem("failure", unsaid)]
    if babbles(answer):
        return [Problem("babble", answer[:60])]
    strange = [] if vocabulary is None else _strange(answer, messages, vocabulary)
    if strange:
        return [Problem("babble", ", ".join(strange)[:60])]
    if not sees and not_looked(answer, messages):
        return [Problem("no_look", "")]
    told = "\n".join(_told(one) for one in messages if not isinstance(one, AIMessage) or not one.tool_calls)
    there = {*handles, *HANDLE.findall(told)}  # one that was forgotten can still be spoken of
    found = [Problem("handle", handle) for handle in dict.fromkeys(HANDLE.findall(answer)) if handle not in there]
    if sees:
        return found
    bare = HANDLE.sub(" ", answer)
    pictures = sum(handle.startswith("img_") for handle in handles)
    found += _boxes(bare, told) + _numbers(_BOX.sub(" ", bare), told, pictures)
    lower = told.lower()
    found += [Problem("quotation", one) for one in _QUOTED.findall(answer) if one.strip(" .,!?").lower() not in lower]
    said = set(_WORD.findall(lower))
    grey = {"grey", "gray"}
    known = said | grey if said & grey else said
    if isinstance(messages[-1], ToolMessage):
        words = dict.fromkeys(word.lower() for word in _WORD.findall(answer))
        found += [Problem("color", word) for word in words if word in COLORS and word not in known]
    return found


def not_looked(answer: str, messages: Sequence[BaseMessage]) -> bool:
    """Whether an answer says something of pictures without a look: at those that came with the turn, or at any.

    A call that failed is no look; what an answer says of the failure (`cannot`) is nothing about a picture.
    """
    begin = turn_start(messages)
    new = isinstance(messages[begin], HumanMessage) and bool(split_request(messages[begin].text)[0])
    since = messages[begin:] if new else messages
    if any(isinstance(message, ToolMessage) and message.status != "error" for message in since):
        return False
    shown = any(isinstance(one, HumanMessage) and split_request(one.text)[0] for one in messages)
    return shown and not asks(answer) and not cannot(answer) and bool(_CLAIMS.search(answer) or _NUMBER.search(answer))


def _failed_unsaid(answer: str, messages: Sequence[BaseMessage]) -> str | None:
    """What the last look says of why it failed, where all looks of the turn failed and the answer does not say so."""
    seen = [one for one in messages[turn_start(messages) :] if isinstance(one, ToolMessage)]
    told = [one for one in seen if (one.artifact or {}).get("kind") not in OWN_AFFAIRS]
    if not told or any(one.status != "error" for one in seen):
        return None
    said = asks(answer) or cannot(answer) or bool(_NOT.search(answer))
    return None if said else told[-1].text


def babbles(answer: str) -> bool:
    """Whether a text goes round in circles: a word or a phrase three times in a row, or a sign without end."""
    if re.search(r"(\S)\1{7,}", answer):
        return True
    words = [word.lower() for word in re.findall(r"[\w']+", answer)]
    for length in range(1, LONGEST + 1):
        for start in range(len(words) - TIMES * length + 1):
            part = words[start : start + length]
            if all(words[start + n * length : start + (n + 1) * length] == part for n in range(1, TIMES)):
                return not all(word.isdigit() for word in part)
    return False


def _strange(answer: str, messages: Sequence[BaseMessage], vocabulary: Collection[str]) -> list[str]:
    """Words of an answer that are in no vocabulary and nowhere in the conversation, whatever their endings."""
    told = {form for message in messages for word in _WORD.findall(_told(message).lower()) for form in _forms(word)}
    said = dict.fromkeys(_WORD.findall(_QUOTED.sub(" ", HANDLE.sub(" ", answer)).lower()))
    return [word for word in said if word not in vocabulary and not told & _forms(word)]


def _told(message: BaseMessage) -> str:
    """What a message says, and of an observation all that it lets an answer refer to."""
    if not isinstance(message, ToolMessage):
        return message.text
    return "\n".join([message.text, *(message.artifact or {}).get("references", {}).values()])


_ENDINGS = (("s", ""), ("es", ""), ("ies", "y"), ("ves", "f"), ("ves", "fe"), ("'s", ""), ("ing", ""), ("ed", ""))


def _forms(word: str) -> set[str]:
    """A word, and what it may be the plural or another form of: one of "leaves" is "leaf"."""
    return {word} | {f"{word[: -len(end)]}{more}" for end, more in _ENDINGS if word.endswith(end) and word != end}


def _boxes(answer: str, told: str) -> list[Problem]:
    known = {tuple(re.findall(r"-?\d+", box)) for box in _BOX.findall(told)}
    boxes = {box: tuple(re.findall(r"-?\d+", box)) for box in _BOX.findall(answer)}
    return [Problem("number", box) for box, corners in boxes.items() if corners not in known]


def _numbers(answer: str, told: str, pictures: int) -> list[Problem]:
    """Numbers, in digits or words, that were not told: rounded, or as a percentage of a share, they may be."""
    known = {float(one) for one in re.findall(r"\d+(?:\.\d+)?", told)} | {float(n) for n in range(2 + pictures)}
    words = set(_WORD.findall(told.lower()))
    known |= {float(value) for word, value in _IN_WORDS.items() if word in words}
    near = known | {round(100 * one, digits) for one in known if one <= 1 for digits in (0, 1, 2)}
    near |= {round(one, digits) for one in known for digits in (0, 1, 2)}
    strange = [Problem("number", one) for one in dict.fromkeys(_NUMBER.findall(answer)) if float(one) not in near]
    said = dict.fromkeys(word.lower() for word in _WORD.findall(answer))
    return strange + [Problem("number", word) for word in said if word in _IN_WORDS and _IN_WORDS[word] not in near]
