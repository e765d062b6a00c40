"""What plans are made of: what was asked, what is done about it, and what observations tell.

A plan is a generator: it yields a `Step` (a thought with one to three calls), is sent the observations of
those calls, and returns the answer.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

from ..wording.noun_phrases import NounPhrase

Call = tuple[str, dict[str, Any]]

_REGION = re.compile(r"(reg_\d+) ([^,;()]+), ([a-z ]+), (\([\d, ]+\))")
_BEST = re.compile(r"^\w+: (.+?) \d(?:\.\d+)?(?:,|$|\.)")


@dataclass(frozen=True)
class Seen:
    """A region as an observation tells of it."""

    handle: str
    label: str
    place: str
    box: str


@dataclass(frozen=True)
class Ask:
    """A request, understood."""

    intent: str
    image: str  # the handle of the picture that it is about
    noun: NounPhrase | None = None
    noun2: NounPhrase | None = None
    order: str = "largest"
    labels: list[str] = field(default_factory=list)
    expression: str = ""
    it: tuple[Seen, ...] = ()  # what "it" or "them" stands for
    images: tuple[str, ...] = ()  # the handles of all pictures that it is about, where there are several
    words: str = ""  # a question, a statement, a note, or how something should differ: in the user's own words
    when: str = "any"  # how far back memory is to be searched


@dataclass(frozen=True)
class Step:
    """A thought and its calls."""

    thought: str
    calls: list[Call]


Plan = Generator[Step, list[str], str]


def seen(observation: str) -> list[Seen]:
    """The regions that an observation tells of."""
    return [Seen(*match) for match in _REGION.findall(observation)]


def find(image: str, noun: NounPhrase | None, **more: Any) -> Call:
    """A call of find_objects, its arguments in the order of the tool's schema."""
    return "find_objects", {"image": image} | (noun.arguments if noun else {"phrase": "everything"}) | more


def counted(number: int, noun: NounPhrase) -> str:
    """A number and the noun: "no red cubes", "1 red cube", "2 red cubes"."""
    return f"1 {noun.one}" if number == 1 else f"{number or 'no'} {noun.many}"


def noun_of(ask: Ask) -> NounPhrase:
    """The noun phrase of a request that has one."""
    assert ask.noun is not None
    return ask.noun


def handles_of(regions: list[Seen] | tuple[Seen, ...]) -> str:
    """Handles in a row."""
    return ", ".join(region.handle for region in regions)


def missing(ask: Ask) -> str:
    """The answer where nothing was found."""
    return f"I cannot find {noun_of(ask).a} in {ask.image}."


def best_of(observation: str) -> str:
    """The label that a classification put first."""
    match = _BEST.match(observation)
    return match.group(1) if match else observation
