"""What a turn may refer to: the references of its observations, and the numbers of its request."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from langchain_core.messages import BaseMessage, ToolMessage

from ...prompts.references import numbered
from ..messages import last_words, turn_start

NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?!\w)")
MOST_NUMBERS = 20  # of a request, the first ones
WRITTEN = "written"  # in a message's additional_kwargs: the text before its references were filled in


@dataclass(frozen=True)
class Referring:
    """What a turn may refer to: names of references, and numbers that stand in the request."""

    names: tuple[str, ...]
    numbers: tuple[str, ...]

    @classmethod
    def of(cls, messages: Sequence[BaseMessage]) -> Referring:
        """What the messages so far allow."""
        said = NUMBER.findall(last_words(messages)[0]) if messages else []
        return cls(tuple(references_of(messages)), tuple(dict.fromkeys(said))[:MOST_NUMBERS])


def references_of(messages: Sequence[BaseMessage]) -> dict[str, str]:
    """What can be referred to in the running turn: name -> what stands there in an answer."""
    found: dict[str, str] = {}
    seen = 0
    for message in messages[turn_start(messages) :]:
        if isinstance(message, ToolMessage):
            seen += 1
            told: Mapping[str, str] = (message.artifact or {}).get("references", {})
            found |= {numbered(name, seen): value for name, value in told.items()}
    return found
