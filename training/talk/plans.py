"""What the controller should do about a request: its calls, and an answer that refers to what they observed.

A plan is a generator: it yields the calls of a step, is sent their observations, and returns the answer as it is to be
written, with `{references}` where something was observed (`agent.answers.references`). It may look only at what a
controller sees: brief observations, the names of what can be referred to, and the request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from .targets import Target

Call = tuple[str, dict[str, Any]]


TELLS = {"color": "color", "material": "material", "shape": "kind", "size": "size"}


@dataclass(frozen=True)
class Seen:
    """An observation as the controller reads it, and what can be referred to."""

    brief: str
    references: dict[str, str]

    @property
    def handles(self) -> list[str]:
        """The regions that were found."""
        return [handle for handle in self.references.get("regions", "").split(", ") if handle]

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self.references.get("count", "0"))


Plan = Generator[list[Call], list[Seen], str]


def find(image: str | list[str], target: Target, **more: Any) -> Call:
    """A call of find_objects."""
    return "find_objects", {"image": image} | target.arguments | more


def look_for(
    image: str | list[str], target: Target, go_on: Callable[[Target, Seen, int], str | Plan], **more: Any
) -> Plan:
    """Find a target, its anchor first where that takes a look of its own, and go on from there.

    Args:
        image: where to look.
        target: what for.
        go_on: gives the answer, or a plan for the rest, from the target, what was seen, and how many looks it took.
        more: arguments of the call besides those of the target.
    """
    looks = 1
    if target.before is not None and isinstance(image, str):
        inner = target.before
        single = inner.ordered or inner.arguments.get("relation", "").startswith(("near", "far"))
        (seen,) = yield [find(image, inner, **({} if single else {"at_most": 1}))]
        if not seen.handles:
            return nothing(inner, seen)
        target = replace(target, arguments=target.arguments | {"anchor": seen.handles[0]}, before=None)
        looks = 2
    (seen,) = yield [find(image, target, **more)]
    said = go_on(target, seen, looks)
    return said if isinstance(said, str) else (yield from said)


def nothing(target: Target, seen: Seen) -> str:
    """The answer where nothing was found: the anchor is missing, or there is no such thing."""
    missing = re.search(r"no (.+)$", seen.brief.partition(", ")[2])
    if missing and target.anchors:
        return f"I see no {missing[1]} there."
    return f"I see no {target.one} there."


def n(name: str, number: int) -> str:
    """A reference to the observation of this number."""
    return f"{{{name}{number if number > 1 else ''}}}"


def count(image: str | list[str], target: Target) -> Plan:
    """How many there are."""
    return look_for(image, target, told_count)


def told_count(target: Target, seen: Seen, at: int) -> str:
    """The count in words."""
    if not seen.count:
        missing = re.search(r", no (.+)$", seen.brief)
        return f"I see no {missing[1]} there." if missing else f"There are no {target.many}."
    if seen.count == 1:
        return f"There is {n('count', at)} {target.one}: {n('regions', at)}."
    return f"There are {n('count', at)} {target.many}: {n('regions', at)}."


def exist(image: str | list[str], target: Target) -> Plan:
    """Whether there is one."""
    answer = yield from look_for(image, target, told_exist)
    return answer if answer.startswith(("Yes", "No")) else f"No, {answer}"


def told_exist(target: Target, seen: Seen, at: int) -> str:
    """Yes or no, with what was found."""
    if not seen.count:
        missing = re.search(r", no (.+)$", seen.brief)
        return f"No, I see no {missing[1] if missing else target.one} there."
    return f"Yes, {n('count', at)}: {n('list', at)}."


def which(image: str | list[str], target: Target) -> Plan:
    """Which things they are."""
    return look_for(image, target, told_which)


def told_which(target: Target, seen: Seen, at: int) -> str:
    """Which they are, or that there are none."""
    if not seen.count:
        return nothing(target, seen)
    return f"{'That is' if seen.count == 1 else 'These are'} {n('list', at)}."


def query(facet: str, image: str, target: Target) -> Plan:
    """The colour, the material, the kind or the size of what is meant."""
    return look_for(image, target, partial(told_query, facet), tell=[TELLS[facet]])


def told_query(facet: str, target: Target, seen: Seen, at: int) -> str:
    """What it is, or what each of them is."""
    if not seen.count:
        return nothing(target, seen)
    if seen.count > 1:
        return f"{n('each', at)}."
    return is_(facet, f"The {target.one} ({n('regions', at)})", at)


def is_(facet: str, subject: str, at: int) -> str:
    """A sentence that says a facet."""
    value = n(TELLS[facet], at)
    if facet == "shape":
        return f"{subject} is a {value}."
    return f"{subject} is {'made of ' if facet == 'material' else ''}{value}."


def where(image: str, target: Target) -> Plan:
    """In which part of the picture it is."""
    return look_for(image, target, told_where)


def told_where(target: Target, seen: Seen, at: int) -> str:
    """The place, or each place."""
    if not seen.count:
        return nothing(target, seen)
    if seen.count > 1:
        return f"{n('places', at)}."
    return f"The {target.one} is here: {n('place', at)}, in the box {n('box', at)} ({n('regions', at)})."


def made(handles: Sequence[str], at: int, how: str) -> Plan:
    """Cut out ("cut"), crop ("crop") or outline ("outline") regions; `at` observations were made before."""
    some = list(handles)[:6]
    if how != "crop":
        yield [("segment_objects", {"regions": some})]
        at += 1
    if how == "outline":
        return f"I outlined {n('count', at)}: {n('regions', at)}."
    more = {"background": "transparent" if how == "cut" else "keep"}
    for start in range(0, len(some), 3):
        yield [("crop_image", {"image": handle} | more) for handle in some[start : start + 3]]
    pictures = ", ".join(n("picture", at + 1 + number) for number in range(len(some)))
    word = "cut out" if how == "cut" else "cropped"
    return f"Here {'it is' if len(some) == 1 else 'they are'}, {word}: {pictures}."


def do(how: str, image: str, target: Target) -> Plan:
    """Find, then make."""

    def go_on(target: Target, seen: Seen, at: int) -> str | Plan:
        return made(seen.handles, at, how) if seen.handles else nothing(target, seen)

    return look_for(image, target, go_on)


def describe_thing(image: str, target: Target) -> Plan:
    """Find, then describe."""

    def go_on(target: Target, seen: Seen, at: int) -> Plan:
        if not seen.handles:
            return nothing(target, seen)
        yield [("describe_image", {"image": seen.handles[0]})]
        return n("description", at + 1)

    return look_for(image, target, go_on)


def read_thing(image: str, target: Target) -> Plan:
    """Find, then read what stands beside it."""

    def go_on(target: Target, seen: Seen, at: int) -> Plan:
        if not seen.handles:
            return nothing(target, seen)
        (read,) = yield [("read_text", {"image": seen.handles[0]})]
        return told_words(read, at + 1)

    return look_for(image, target, go_on)


def told_words(read: Seen, at: int) -> str:
    """What was read."""
    return f"It says {n('words', at)}." if read.count else "I can read no words there."


def beside_sign(word: str, image: str, facet: str | None) -> Plan:
    """Which thing a sign stands beside."""
    (read,) = yield [("read_text", {"image": image})]
    handle = next(
        (h for h, said in re.findall(r'(reg_\d+) "([^"]*)"', read.brief) if said.lower() == word.lower()), None
    )
    if handle is None:
        return f"I can read no {word} there. I read {n('words', 1)}." if read.count else "I can read no words there."
    more = {"tell": [TELLS[facet]]} if facet else {}
    target = Target("thing", "things", {"phrase": "everything"})
    (seen,) = yield [find(image, target, relation="nearest to", anchor=handle, **more)]
    if not seen.count:
        return "I see nothing beside it."
    return is_(facet, f"The {n('label', 2)} ({n('regions', 2)})", 2) if facet else f"That is {n('list', 2)}."


def say(tool: str, arguments: dict[str, Any], answer: str, empty: str = "") -> Plan:
    """One call, and its result handed on."""
    (seen,) = yield [(tool, arguments)]
    if empty and (seen.references.get("count") == "0" or not seen.references):
        return empty
    return answer


def statement(images: list[str], words: str) -> Plan:
    """Whether something is true of pictures."""
    (seen,) = yield [("compare_images", {"images": images, "statement": words})]
    return "Yes, that is true." if seen.references.get("verdict") == "true" else "No, that is not true."


def describe_each(images: list[str]) -> Plan:
    """Several pictures described, one call each."""
    yield [("describe_image", {"image": image}) for image in images[:3]]
    return " ".join(n("description", number + 1) for number in range(len(images[:3])))


def only(answer: str) -> Plan:
    """An answer without a look."""
    yield from ()
    return answer


def among(handles: Sequence[str], arguments: dict[str, Any], told: Callable[[Seen, int], str]) -> Plan:
    """Choose among regions, and tell of them."""
    (seen,) = yield [("select_regions", {"regions": list(handles)[:20]} | arguments)]
    return told(seen, 1)


def together(plans: Sequence[Plan]) -> Plan:
    """Several plans as one: their first steps at once, the rest of each in turn, their answers one after another."""
    steps = [next(plan) for plan in plans]
    numbers: list[list[int]] = []  # of each plan, the observations of the whole turn that are its own
    made = 0
    for own in steps:
        numbers.append(list(range(made + 1, made + 1 + len(own))))
        made += len(own)
    seen = yield [call for own in steps for call in own]
    answers: list[str] = []
    for plan, mine in zip(plans, numbers, strict=True):
        got = [seen[at - 1] for at in mine]
        try:
            while True:
                calls = [(tool, {k: _renumbered(v, mine) for k, v in arguments.items()})
                         for tool, arguments in plan.send(got)]  # fmt: skip
                got = yield calls
                mine += range(made + 1, made + 1 + len(calls))
                made += len(calls)
        except StopIteration as stop:
            answers.append(_renumbered(str(stop.value), mine))
    return " ".join(answers)


def _renumbered(value: Any, numbers: Sequence[int]) -> Any:
    """References of a plan's own observations as those of the whole turn; other values as they are."""

    def later(match: re.Match[str]) -> str:
        return n(match[1], numbers[int(match[2] or 1) - 1])

    return re.sub(r"\{([a-z_]+?)(\d*)\}", later, value) if isinstance(value, str) else value
