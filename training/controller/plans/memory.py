"""Plans for memory: searching it by words and by likeness, remembering, and forgetting with the user's own word."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from .steps import Ask, Plan, Step, noun_of

_HIT = re.compile(r'((?:img|reg)_\d+[^;]*? \(seen [^()"]*(?:"(?:[^"\\]|\\.)*")?\)), [\d.]+')
_FOUND = re.compile(r'\d+ found in memory(?: for "(?:[^"\\]|\\.)*")?(?: like \w+)?: (.*)')
_WHEN = (  # the words of a request that tell how far back, the first that fits
    ("month", r"\b(this|last|past|previous) month\b|\ba month ago\b|\b(two|three|few|some|several|2|3) weeks\b"),
    ("month", r"\bweeks ago\b"),
    ("week", r"\bweek\b|\byesterday\b|\bdays? ago\b|\b(mon|tues|wednes|thurs|fri|satur|sun)day\b|\bfew days\b"),
    ("today", r"\btoday\b|\bthis (morning|afternoon|evening)\b|\btonight\b|\bhours? ago\b|\bminutes? ago\b"),
)  # fmt: skip


def when_of(text: str) -> str:
    """How far back a request asks memory to be searched: "today", "week", "month" or "any"."""
    for when, pattern in _WHEN:
        if re.search(pattern, text.lower()):
            return when
    return "any"


def hits_in(observation: str) -> list[str]:
    """What a search of memory found, each as `img_2 (seen 2026-11-20, "table.png")`."""
    match = _FOUND.match(observation)
    return _HIT.findall(match.group(1)) if match else []


def _search(ask: Ask, words: str, image: str) -> Plan:
    arguments: dict[str, Any] = {"words": words} if words else {}
    if image:
        arguments["image"] = image
    if ask.when != "any":
        arguments["when"] = ask.when
    wanted = f"{words} like {image}" if words and image else words or f"pictures like {image}"
    (told,) = yield Step(f"I search memory for {wanted}.", [("search_memory", arguments)])
    found = hits_in(told)
    if not found:
        return f"I find nothing in memory for {wanted}."
    return f"I found in memory: {'; '.join(found)}."


def _find_memory(ask: Ask) -> Plan:
    return (yield from _search(ask, noun_of(ask).one, ""))


def _find_like(ask: Ask) -> Plan:
    return (yield from _search(ask, "", ask.image))


def _find_like_but(ask: Ask) -> Plan:
    return (yield from _search(ask, ask.words, ask.image))


def _remember(ask: Ask) -> Plan:
    arguments = {"image": ask.image} | ({"note": ask.words} if ask.words else {})
    (told,) = yield Step(f"I remember {ask.image}.", [("remember_image", arguments)])
    return told


def _forget(ask: Ask) -> Plan:
    (told,) = yield Step(f"I was asked to forget {ask.image}.", [("forget_image", {"image": ask.image})])
    if told.startswith("Not deleted"):
        return f"Shall I delete {ask.image} for good? Please say yes or no."
    return told


def _no(ask: Ask) -> Plan:
    yield from ()
    return f"I keep {ask.image}."


MEMORY_PLANS: dict[str, Callable[[Ask], Plan]] = {
    "find_memory": _find_memory, "find_like": _find_like, "find_like_but": _find_like_but, "remember": _remember,
    "forget": _forget, "yes": _forget, "no": _no,
}  # fmt: skip
