"""Plans that compare and count: two kinds, two things, groups, all of some, sums over counts."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from .plans import TELLS, Plan, find, is_, look_for, n, nothing, told_which
from .plans import Seen as Seen
from .targets import Target, anchor_phrase


def versus(image: str | list[str], one: Target, two: Target, asked: str) -> Plan:
    """Counts of two kinds: "more", "fewer", "equal", "either" (which there are more of), "difference", "total"."""
    phrases = [anchor_phrase(one), anchor_phrase(two)]
    call = ("find_objects", {"image": image, "phrase": phrases[0], "alternatives": phrases[1:], "count_by": "phrase"})
    (seen,) = yield [call]
    if not seen.count:
        return f"I see no {one.many} and no {two.many} there."
    counts = dict(re.findall(r"(?:^|, )([^:,]+): (\d+)", seen.references["groups"]))
    first, second = (int(counts.get(phrase, 0)) for phrase in phrases)
    if asked == "either":
        return "They are equally many: {groups}." if first == second else "There are more of the {most}: {groups}."
    if asked in ("difference", "total"):
        return f"{{{'difference' if asked == 'difference' else 'count'}}}: {{regions}}."
    return f"{{{asked}}}: {{groups}}."


def same(facet: str, image: str, one: Target, two: Target) -> Plan:
    """Whether two things have the same colour, material, kind or size."""
    phrases = [anchor_phrase(one), anchor_phrase(two)]
    call = (
        "find_objects",
        {"image": image, "phrase": phrases[0], "alternatives": phrases[1:], "tell": [TELLS[facet]]},
    )
    (seen,) = yield [call]
    if seen.count < 2:
        return "I see only {list} there." if seen.count else f"I see no {one.one} and no {two.one} there."
    return "{same}: {each}."


def larger(image: str, one: Target, two: Target, asked: str, order: str) -> Plan:
    """Which of two things is larger or further on a side ("either"), or whether the first is ("more")."""
    phrases = [anchor_phrase(one), anchor_phrase(two)]
    asks = {"are": phrases[0]} if asked == "more" else {}
    call = ("find_objects", {"image": image, "phrase": phrases[0], "alternatives": phrases[1:], "order": order,
                             "at_most": 1} | asks)  # fmt: skip
    (seen,) = yield [call]
    if not seen.count:
        return f"I see no {one.one} and no {two.one} there."
    return "That is {list}." if asked == "either" else "{are}, it is {list}."


def stands(image: str, one: Target, relation: str, two: Target) -> Plan:
    """Whether one thing stands so to another."""
    (seen,) = yield [find(image, one, relation=relation, anchor=anchor_phrase(two))]
    if not seen.count:
        missing = re.search(r", no (.+)$", seen.brief)
        return f"No, I see no {missing[1]} there." if missing else f"No, I see no {one.one} there."
    return "Yes: {list}."


def grouped(image: str | list[str], target: Target, by: str, asked: str) -> Plan:
    """How many of each colour and the like; the most or the fewest; in how many pictures ("pictures")."""
    (seen,) = yield [find(image, target, count_by=by)]
    if not seen.count and by != "picture":
        return nothing(target, seen)
    if asked in ("different", "difference"):
        return f"{{{asked}}}: {{regions}}." if seen.count else nothing(target, seen)
    if asked == "mean":
        return "{mean}: {groups}." if seen.references.get("groups") else nothing(target, seen)
    if asked == "pictures":
        return "{different}: {groups}." if seen.count else nothing(target, seen)
    if asked == "each" or "equal" in seen.brief.rpartition("; ")[2]:
        return "{groups}." if seen.references.get("groups") else nothing(target, seen)
    if not seen.references.get("groups"):
        return nothing(target, seen)
    return f"{{{'most' if asked == 'most' else 'fewest'}}}: {{groups}}."


def is_facet(facet: str, image: str, target: Target, value: str) -> Plan:
    """Whether something has a value of a facet: "is the cube red"."""

    def told(target: Target, seen: Seen, at: int) -> str:
        if not seen.count:
            return nothing(target, seen)
        if seen.count > 1:
            return f"{n('are', at)}: {n('each', at)}."
        return f"{n('are', at)}, {is_(facet, 'it', at)[:-1]} ({n('regions', at)})."

    return look_for(image, target, told, tell=[TELLS[facet]], are=value)


def all_are(image: str, target: Target, value: str) -> Plan:
    """Whether all of some things are so."""
    (seen,) = yield [find(image, target, are=value)]
    return "{are}, {so} of {count}: {regions}." if seen.count else nothing(target, seen)


def alike(image: str, target: Target, tell: str, denied: bool) -> Plan:
    """Whether all of a kind are the same in what is told; `denied` asks whether they differ."""
    (seen,) = yield [find(image, target, tell=[tell])]
    if not seen.count:
        return nothing(target, seen)
    if seen.count == 1:
        return f"I see only {{count}} {target.one}: {{each}}."
    return f"{{{'differ' if denied else 'same'}}}: {{each}}."


def than_rest(image: str, target: Target) -> Plan:
    """Whether some are more than all the others together."""
    (seen,) = yield [find(image, Target("thing", "things", {"phrase": "everything"}), are=anchor_phrase(target))]
    return "{mostly}, {so} of {count}: {those}." if seen.count else "No, I see nothing there."


def is_so(image: str, place: Target, one: Target) -> Plan:
    """Whether what stands at some place in an order is such a thing."""
    (seen,) = yield [find(image, place, are=anchor_phrase(one))]
    return "{are}, that is {list}." if seen.count else nothing(place, seen)


def two_relations(
    image: str, target: Target, relation: str, anchor: Target, told: Callable[[Target, Seen, int], str]
) -> Plan:
    """Things that stand so to one thing and so to another: the second is chosen among what the first leaves."""
    (seen,) = yield [find(image, target)]
    if not seen.handles:
        return told(target, seen, 1) if told is not told_which else nothing(target, seen)
    arguments = {"regions": seen.handles[:20], "relation": relation, "anchor": anchor_phrase(anchor)}
    (kept,) = yield [("select_regions", arguments)]
    return told(target, kept, 2)


def distance(image: str, one: Target, two: Target) -> Plan:
    """How far apart two things are."""
    (seen,) = yield [find(image, one, anchor=anchor_phrase(two), tell=["distance"])]
    if not seen.count:
        return nothing(Target(one.one, one.many, anchors=(two.one,)), seen)
    return "{distance}: {list}." if seen.count == 1 else "{each}."


def share(image: str, part: Target, whole: Target) -> Plan:
    """What percentage of some things are of a kind."""
    of_all, _ = yield [find(image, whole), find(image, part)]
    if not of_all.count:
        return nothing(whole, of_all)
    yield [("calculate", {"expression": "{count2} / {count} * 100"})]
    return "{result3} percent."


def counts_summed(images: Sequence[str], targets: Sequence[Target], expression: str, words: str) -> Plan:
    """Counts of things, one call each, and a sum of them."""
    calls = [find(image, target) for image, target in zip(images, targets, strict=True)]
    yield calls
    yield [("calculate", {"expression": expression})]
    return words.replace("{result}", n("result", len(calls) + 1))


def times_larger(image: str, one: Target, two: Target, side: str) -> Plan:
    """How many times larger one thing is than another, by their boxes: "area", "width" or "height"."""
    seen = yield [find(image, target, at_most=1) for target in (one, two)]
    for target, found in zip((one, two), seen, strict=True):
        if not found.count:
            return nothing(target, found)
    yield [("calculate", {"expression": f"{{{side}}} / {{{side}2}}"})]
    return "{result3} times: {list} and {list2}."


def measured(image: str, target: Target, what: str) -> Plan:
    """How large a thing is in pixels: "both" sides, "width", "height", "area", or its "share" of the picture."""

    def told(target: Target, seen: Seen, at: int) -> str:
        if not seen.count:
            return nothing(target, seen)
        said = {"both": f"{n('width', at)} x {n('height', at)} pixels", "width": f"{n('width', at)} pixels wide",
                "height": f"{n('height', at)} pixels high", "area": f"{n('area', at)} pixels in area",
                "share": f"{n('share', at)} percent of the picture"}[what]  # fmt: skip
        return f"The {target.one} ({n('regions', at)}) {'takes up' if what == 'share' else 'is'} {said}."

    return look_for(image, target, told, at_most=1)
