"""What a prompt asks to be seen: things, where they stand to one another, and what is behind them.

It is read for two uses: to lay the things out before they are painted, for painters that take boxes (the idea of
LayoutGPT and of "Attend before you paint": plan first), and to judge what came out by what was asked. The words that a
painter knows it declares itself ("kinds": each with its synonyms, "colors", "backgrounds"); one that declares none is
given the prompt as it is, and the nouns are whatever stands between articles, commas and relations.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..number_words import NUMBER_WORDS

MOST = 8  # things that are laid out
RELATIONS = {
    "left of": r"(?:to the |on the )?left (?:of|from)",
    "right of": r"(?:to the |on the )?right (?:of|from)",
    "above": r"(?:above|over|on top of|higher than)",
    "below": r"(?:below|under|underneath|beneath|lower than)",
    "next to": r"(?:next to|beside|near|by|close to|alongside)",
}
PLACES = {
    "upper left": r"(?:upper|top) left(?: corner)?", "upper right": r"(?:upper|top) right(?: corner)?",
    "lower left": r"(?:lower|bottom) left(?: corner)?", "lower right": r"(?:lower|bottom) right(?: corner)?",
    "left": r"left(?: side| half)?", "right": r"right(?: side| half)?", "top": r"(?:top|upper half|upper part)",
    "bottom": r"(?:bottom|lower half|lower part)", "centre": r"(?:centre|center|middle)",
}  # fmt: skip
_LEAD = re.compile(
    r"^(?:please |can you |could you |now )*(?:(?:draw|paint|make|create|generate|give|show)(?: me| us)? )?"
    r"(?:(?:a|an|the|some|another) )?(?:(?:new|small|little|nice|simple) )?"
    r"(?:(?:picture|image|drawing|painting|photo|scene|sketch)(?: (?:of|with|showing|that shows|containing)|:) )?"
    r"(?:there (?:is|are) )?"
)
_ONLY = re.compile(r"\b(?:and )?nothing (?:else|more)\b|\b(?:only|just|exactly|please)\b")
_COPULA = re.compile(r"\b(?:which|that|who) (?:is|are|stands?|lies|sits)\b|\b(?:is|are|stands|stand|standing|placed)\b")
_PRONOUN = re.compile(r"(?:it|them|that|this)\b")
_ARTICLES = frozenset({"a", "an", "the", "some", "another", "one"})
# Words of asking, which name nothing that could be painted: "I'd like to see ... for me, if you would".
_ASKING = frozenset(
    """
    i i'd id i'll i'm we we'd you your me us my our it its let let's lets would will can could may might shall should
    like love want wish need have has had get got see look try do does be is are was here there this that these those
    please kindly possible thanks thank hello hi hey ok okay so now then also just only maybe perhaps again
    draw paint make create generate render produce design show give add put place imagine picture image drawing painting
    photo photograph scene sketch illustration render version of for to in if it'd that's there's showing shows shown
    containing contains depicting having where
    """.split()  # noqa: SIM905
)
_SIZES = {"small": "small", "little": "small", "tiny": "small", "large": "large", "big": "large", "huge": "large"}


@dataclass(frozen=True)
class Asked:
    """One thing that is asked for."""

    words: str  # "red metal cube", without article and number
    size: str | None = None  # "small", "large"
    place: str | None = None  # one of PLACES


@dataclass(frozen=True)
class Wanted:
    """What a prompt asks for. Relations hold between things by their numbers: (0, "left of", 1)."""

    things: tuple[Asked, ...]
    relations: tuple[tuple[int, str, int], ...] = ()
    background: str = ""
    unknown: tuple[str, ...] = ()  # words that the painter does not know


@dataclass
class _Reader:
    about: Mapping[str, Any]
    things: list[Asked] = field(default_factory=list)
    relations: list[tuple[int, str, int]] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def nouns(self) -> dict[str, str]:
        """Singular and plural of every noun that the painter knows -> the name of its kind."""
        found = {noun: kind for kind, others in self.about.get("kinds", {}).items() for noun in (kind, *others)}
        found |= {"thing": "thing", "object": "object"}
        plurals = self.about.get("plurals", {})
        return found | {plurals.get(noun, noun + ("es" if noun.endswith("s") else "s")): noun for noun in found}


def read_prompt(prompt: str, about: Mapping[str, Any]) -> Wanted:
    """What a prompt asks for, as far as it names things.

    Args:
        prompt: plain words: "two red cubes left of a blue ball, on a desk".
        about: what the painter declares of itself.
    """
    text = re.sub(r"^\W*(?:please|ok|okay|hi|hello|hey)\b\W*", "", prompt.lower())
    text = " ".join(re.sub(r"[.!?;]+(?=\s|$)", " , ", text).split())
    background, text = _background(_LEAD.sub("", text), about)
    text = _COPULA.sub(" ", _ONLY.sub(" ", text))
    reader = _Reader(about)
    any_relation = "|".join(RELATIONS.values())
    for clause in re.split(r"\s*(?:,|\bplus\b|\bas well as\b)\s*", text):
        subject: list[int] = []  # of the relation before: "right of the ball and above the cone" tells two of one thing
        before: list[int] = []
        relation: str | None = None
        for part in re.split(rf"\s*\b({any_relation})\b\s*", clause):
            named = next((name for name, way in RELATIONS.items() if re.fullmatch(way, part)), None)
            if named is not None:
                relation = named
                continue
            groups = [_group(reader, words) for words in re.split(r"\s*\b(?:and|with|but|&)\b\s*", part)]
            groups = [group for group in groups if group]
            found = groups[0] if groups else []
            if _PRONOUN.match(part):
                found = [at for at in range(len(reader.things)) if at not in before][-1:]
            if relation is not None and before and found:
                reader.relations += [(one, relation, other) for one in before for other in found]
                subject = before
            before = subject if re.search(r"\b(?:and|but)\s*$", part) and subject else groups[-1] if groups else before
            relation = None
    return Wanted(tuple(reader.things[:MOST]), tuple(r for r in reader.relations if max(r[0], r[2]) < MOST),
                  background, tuple(dict.fromkeys(reader.unknown)))  # fmt: skip


def _background(text: str, about: Mapping[str, Any]) -> tuple[str, str]:
    """The background that is named, and the text without it."""
    names: Mapping[str, Sequence[str]] = about.get("backgrounds", {})
    for name, ways in names.items():
        for way in sorted({name, *ways}, key=len, reverse=True):
            found = re.search(
                rf"(?:\b(?:on|in|at|against|before|in front of|with)\s+)?(?:\b(?:a|an|the)\s+)?\b{way}\b", text
            )
            if found:
                return name, f"{text[: found.start()]} {text[found.end() :]}".strip()
    return "", text


def _group(reader: _Reader, words: str) -> list[int]:
    """Read "three small red cubes in the upper left": the numbers of the things that it adds."""
    place, words = _place(words)
    if _PRONOUN.match(words):
        return []
    tokens = re.findall(r"[a-z0-9'-]+", words)
    count = 1
    kept: list[str] = []
    for token in tokens:
        if token in _ARTICLES:
            continue
        if token in NUMBER_WORDS or token.isdigit():
            count = NUMBER_WORDS.get(token, int(token) if token.isdigit() else 1)
            continue
        kept.append(token)
    if not kept:
        return []
    nouns = reader.nouns()
    size = next((_SIZES[token] for token in kept if token in _SIZES), None)
    if reader.about.get("kinds"):
        kept = [nouns.get(token, token) for token in kept]
        known = {*nouns.values(), *reader.about.get("words", ())}
        reader.unknown += [token for token in kept if token not in known and token not in _ASKING]
        kept = [token for token in kept if token in known]
        if not any(token in nouns for token in kept):
            reader.unknown += [] if reader.unknown else kept
            return []
    if tokens[0] in ("the", "that"):  # one that was named before
        before = [at for at, thing in enumerate(reader.things) if {*kept} <= {*thing.words.split()}]
        if before:
            return before[-1:]
    first = len(reader.things)
    reader.things += [Asked(" ".join(kept), size, place)] * max(0, min(count, 4 * MOST))
    return list(range(first, len(reader.things)))


def _place(words: str) -> tuple[str | None, str]:
    for name, way in PLACES.items():
        found = re.search(rf"\b(?:in|at|on) (?:the )?{way}(?: of the (?:picture|image))?\s*$", words)
        if found:
            return name, words[: found.start()]
    return None, words


def without_sizes(asked: Asked) -> Asked:
    """The same without its size: a crop does not show it."""
    return replace(asked, words=" ".join(word for word in asked.words.split() if word not in _SIZES))
