"""Plans for looking in words: describing, answering, reading, comparing, inspecting, and asking two experts at once.

What an expert said is passed on between the quotation marks in which it came.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator

from .steps import Ask, Call, Plan, Step, counted, find, handles_of, missing, noun_of, seen

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_WORD = re.compile(r'(reg_\d+) ("(?:[^"\\]|\\.)*")')
_LIKENESS = re.compile(r"^Likeness of (.+?: [\d.]+)\. ")
_HASH = re.compile(r" hash [0-9a-f]+;")
COUNTED = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def quoted_in(observation: str) -> str:
    """The first quotation of an observation, marks and all."""
    match = _QUOTED.search(observation)
    return match.group() if match else '""'


def _describe_call(handle: str, detail: str = "short") -> Call:
    return "describe_image", {"image": handle} | ({} if detail == "short" else {"detail": detail})


def _describe(detail: str) -> Callable[[Ask], Plan]:
    how = " in detail" if detail == "detailed" else ""

    def plan(ask: Ask) -> Plan:
        (told,) = yield Step(f"I describe {ask.image}{how}.", [_describe_call(ask.image, detail)])
        return f"{ask.image} shows {quoted_in(told)}"

    return plan


def _describe_it(ask: Ask) -> Plan:
    handle = ask.it[0].handle
    (told,) = yield Step(f"I describe {handle}.", [_describe_call(handle)])
    return f"{handle} shows {quoted_in(told)}"


def _found(ask: Ask, why: str) -> Generator[Step, list[str], str | None]:
    """Look for the thing of the request; its handle, or None."""
    (told,) = yield Step(f"I look for the {noun_of(ask).one} to {why} it.", [find(ask.image, noun_of(ask))])
    found = seen(told)
    return found[0].handle if found else None


def _describe_thing(ask: Ask) -> Plan:
    handle = yield from _found(ask, "describe")
    if handle is None:
        return missing(ask)
    (told,) = yield Step(f"I describe {handle}.", [_describe_call(handle)])
    return f"{handle} shows {quoted_in(told)}"


def _open_question(ask: Ask) -> Plan:
    (told,) = yield Step(
        f"I ask about {ask.image}.", [("answer_about_image", {"images": [ask.image], "question": ask.words})]
    )
    return f"My answer about {ask.image}: {quoted_in(told)}."


def _reading(handle: str) -> Generator[Step, list[str], str]:
    (told,) = yield Step(f"I read {handle}.", [("read_text", {"image": handle})])
    words = [f"{region} {word}" for region, word in _WORD.findall(told)]
    return f"I read in {handle}: {', '.join(words)}." if words else f"I can read no words in {handle}."


def _read(ask: Ask) -> Plan:
    return (yield from _reading(ask.image))


def _read_it(ask: Ask) -> Plan:
    return (yield from _reading(ask.it[0].handle))


def _read_thing(ask: Ask) -> Plan:
    handle = yield from _found(ask, "read")
    if handle is None:
        return missing(ask)
    return (yield from _reading(handle))


def _compare(ask: Ask) -> Plan:
    (told,) = yield Step(f"I compare {', '.join(ask.images)}.", [("compare_images", {"images": list(ask.images)})])
    return told


def _likeness(ask: Ask) -> Plan:
    (told,) = yield Step(
        f"I compare {', '.join(ask.images)} for their likeness.", [("compare_images", {"images": list(ask.images)})]
    )
    match = _LIKENESS.match(told)
    return f"Likeness of {match.group(1)}." if match else told


def _statement(ask: Ask) -> Plan:
    images = ", ".join(ask.images)
    (told,) = yield Step(
        f"I judge the statement about {images}.",
        [("compare_images", {"images": list(ask.images), "statement": ask.words})],
    )
    return f"Yes, that is true of {images}." if told.startswith("True") else f"No, that is false of {images}."


def _inspect(ask: Ask) -> Plan:
    (told,) = yield Step(f"I inspect {ask.image}.", [("inspect_image", {"image": ask.image})])
    return _HASH.sub("", told)


def number_in(text: str) -> int | None:
    """The number that a short answer says, in digits or as a word."""
    bare = text.strip('". ').lower()
    if bare.isdigit():
        return int(bare)
    return COUNTED.index(bare) if bare in COUNTED else None


def _cross_check(ask: Ask) -> Plan:
    noun = noun_of(ask)
    question = f"How many {noun.many} are there?"
    told, said = yield Step(
        f"I count each {noun.one} in two ways.",
        [find(ask.image, noun), ("answer_about_image", {"images": [ask.image], "question": question})],
    )
    found = seen(told)
    quote = quoted_in(said)
    listed = counted(len(found), noun) + (f" ({handles_of(found)})" if found else "")
    if number_in(quote) == len(found):
        return f"Both experts say {quote}: {listed}."
    return f"The experts differ: I find {listed}, and the answer in words is {quote}."


LOOK_PLANS: dict[str, Callable[[Ask], Plan]] = {
    "describe": _describe("short"), "describe_detail": _describe("detailed"), "describe_it": _describe_it,
    "describe_thing": _describe_thing, "open_question": _open_question, "read": _read, "read_it": _read_it,
    "read_thing": _read_thing, "compare": _compare, "likeness": _likeness, "statement": _statement,
    "inspect": _inspect, "cross_check": _cross_check,
}  # fmt: skip
