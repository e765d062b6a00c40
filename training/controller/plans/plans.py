"""What the controller should do about each intent: its thoughts, its calls and its answer.

What a plan (see `steps.py`) writes must follow from the request and the observations alone, because that is
all the controller will see.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from typing import Any

from ....scenes.scene import BACKDROPS, COLORS, MATERIALS, SHAPES
from ..wording.noun_phrases import NounPhrase
from .memory import MEMORY_PLANS
from .steps import Ask, Call, Plan, Seen, Step, best_of, counted, find, handles_of, missing, noun_of, seen
from .words import LOOK_PLANS

FACET_LABELS = {"color": list(COLORS), "material": list(MATERIALS), "shape": list(SHAPES)}
FACET_NAMES = {"color": "colour", "material": "material", "shape": "shape"}
BACKDROP_LABELS = ["plain background", *BACKDROPS[1:]]
ORDER_NAMES = {
    "largest": "largest", "smallest": "smallest", "leftmost": "leftmost", "rightmost": "rightmost",
    "topmost": "topmost", "bottommost": "bottommost",
}  # fmt: skip
CAN = "find, count, locate, outline, cut out, describe, read, compare and remember what is in pictures, and calculate"
DECLINED = f"I cannot do that. I can {CAN}."
WELCOME = f"Happy to help. Send me a picture and ask: I can {CAN}."
NO_PICTURE = "Please send me a picture first."
NO_PAIR = "Please send me a second picture to compare it with."
NO_THING = "Which thing do you mean? Please name it."


def _count(ask: Ask) -> Plan:
    noun = noun_of(ask)
    (told,) = yield Step(f"I count each {noun.one}.", [find(ask.image, noun)])
    found = seen(told)
    if not found:
        return f"There are no {noun.many} in {ask.image}."
    return f"There {'is' if len(found) == 1 else 'are'} {counted(len(found), noun)}: {handles_of(found)}."


def _exist(ask: Ask) -> Plan:
    noun = noun_of(ask)
    (told,) = yield Step(f"I check whether there is {noun.a}.", [find(ask.image, noun)])
    found = seen(told)
    if not found:
        return f"No, there is no {noun.one} in {ask.image}."
    if len(found) == 1:
        return f"Yes, there is {noun.a}: {found[0].handle}."
    return f"Yes, there are {counted(len(found), noun)}: {handles_of(found)}."


def _name(facet: str, handle: str) -> Step:
    return Step(
        f"I name the {FACET_NAMES[facet]} of {handle}.",
        [("classify_image", {"image": handle, "labels": FACET_LABELS[facet]})],
    )


def _is(facet: str, value: str, subject: str) -> str:
    if facet == "shape":
        return f"{subject} has the shape: {value}."
    return f"{subject} is {'made of ' if facet == 'material' else ''}{value}."


def _query(facet: str) -> Callable[[Ask], Plan]:
    def plan(ask: Ask) -> Plan:
        noun = noun_of(ask)
        (told,) = yield Step(f"I look for the {noun.one} to name its {FACET_NAMES[facet]}.", [find(ask.image, noun)])
        found = seen(told)
        if not found:
            return missing(ask)
        (told,) = yield _name(facet, found[0].handle)
        return _is(facet, best_of(told), f"The {noun.one} ({found[0].handle})")

    return plan


def _at(region: Seen, image: str, subject: str) -> str:
    # In the words' order of the observation: a small model answers by copying on from the label.
    return f"{subject}, {region.place} of {image}, in the box {region.box}: {region.handle}."


def _where(ask: Ask) -> Plan:
    noun = noun_of(ask)
    (told,) = yield Step(f"I look for the {noun.one} to say where it is.", [find(ask.image, noun)])
    found = seen(told)
    if not found:
        return missing(ask)
    return _at(found[0], ask.image, f"I see the {noun.one}")


def _cut(handle: str) -> Generator[Step, list[str], str]:
    """Outline a region, cut it out; the handle of the new picture."""
    yield Step(f"I outline {handle}.", [("segment_objects", {"regions": [handle]})])
    (told,) = yield Step(f"I cut {handle} out.", [("crop_image", {"image": handle, "background": "transparent"})])
    return _made(told)


def _crop(handle: str) -> Generator[Step, list[str], str]:
    (told,) = yield Step(f"I crop {handle}.", [("crop_image", {"image": handle})])
    return _made(told)


def _made(told: str) -> str:
    match = re.search(r"img_\d+", told)
    return match.group() if match else "nothing"


def _cut_out(ask: Ask) -> Plan:
    noun = noun_of(ask)
    (told,) = yield Step(f"I look for the {noun.one} to cut it out.", [find(ask.image, noun)])
    found = seen(told)
    if not found:
        return missing(ask)
    made = yield from _cut(found[0].handle)
    return f"Here is the {noun.one}, cut out: {made} (from {found[0].handle})."


def _crop_plan(ask: Ask) -> Plan:
    noun = noun_of(ask)
    (told,) = yield Step(f"I look for the {noun.one} to crop it.", [find(ask.image, noun)])
    found = seen(told)
    if not found:
        return missing(ask)
    made = yield from _crop(found[0].handle)
    return f"Here is the {noun.one}, cropped: {made} (from {found[0].handle})."


def _outline(ask: Ask) -> Plan:
    noun = noun_of(ask)
    if noun.size != "any":  # segment_objects takes no size: find first, then outline those regions
        (told,) = yield Step(f"I look for each {noun.one} to outline it.", [find(ask.image, noun)])
        found = seen(told)[:8]
        if found:
            yield Step(f"I outline {handles_of(found)}.", [("segment_objects", {"regions": [r.handle for r in found]})])
    else:
        (told,) = yield Step(
            f"I outline each {noun.one}.", [("segment_objects", {"image": ask.image, "phrase": noun.phrase})]
        )
        found = seen(told)
    if not found:
        return f"I cannot find any {noun.many} in {ask.image}."
    return f"I outlined {counted(len(found), noun)}: {handles_of(found)}."


def _told_all(found: list[Seen]) -> str:
    return ", ".join(f"{region.handle} {region.label}" for region in found)


def _list(ask: Ask) -> Plan:
    (told,) = yield Step(f"I look for everything in {ask.image}.", [find(ask.image, None)])
    found = seen(told)
    if not found:
        return f"I see nothing that I know in {ask.image}."
    return f"I see {len(found)} thing{'s' if len(found) > 1 else ''} in {ask.image}: {_told_all(found)}."


def _find_most(ask: Ask) -> Call:
    return find(ask.image, noun_of(ask), order=ask.order, at_most=1)


def _biggest(ask: Ask) -> Plan:
    name = f"{ORDER_NAMES[ask.order]} {noun_of(ask).one}"
    (told,) = yield Step(f"I look for the {name} to say where it is.", [_find_most(ask)])
    found = seen(told)
    if not found:
        return missing(ask)
    return _at(found[0], ask.image, f"I see the {name}")


def _biggest_query(ask: Ask) -> Plan:
    name = f"{ORDER_NAMES[ask.order]} {noun_of(ask).one}"
    (told,) = yield Step(f"I look for the {name} to name its colour.", [_find_most(ask)])
    found = seen(told)
    if not found:
        return missing(ask)
    (told,) = yield _name("color", found[0].handle)
    return _is("color", best_of(told), f"The {name} ({found[0].handle})")


def _biggest_cut_out(ask: Ask) -> Plan:
    name = f"{ORDER_NAMES[ask.order]} {noun_of(ask).one}"
    (told,) = yield Step(f"I look for the {name} to cut it out.", [_find_most(ask)])
    found = seen(told)
    if not found:
        return missing(ask)
    made = yield from _cut(found[0].handle)
    return f"Here is the {name}, cut out: {made} (from {found[0].handle})."


def _withhandles_of(found: list[Seen], noun: NounPhrase) -> str:
    return counted(len(found), noun) + (f" ({handles_of(found)})" if found else "")


def _both(ask: Ask, why: str, sign: str) -> Generator[Step, list[str], tuple[list[Seen], list[Seen], str]]:
    one, two = noun_of(ask), ask.noun2
    assert two is not None
    first, second = yield Step(
        f"I count each {one.one} and each {two.one} {why}.", [find(ask.image, one), find(ask.image, two)]
    )
    a, b = seen(first), seen(second)
    word = "add" if sign == "+" else "subtract"
    (told,) = yield Step(
        f"I {word} {len(a)} {sign} {len(b)}.", [("calculate", {"expression": f"{len(a)} {sign} {len(b)}"})]
    )
    return a, b, told.rstrip(".")


def _compare_more(ask: Ask) -> Plan:
    a, b, result = yield from _both(ask, "to compare them", "-")
    assert ask.noun2 is not None
    told = f"{_withhandles_of(a, noun_of(ask))} and {_withhandles_of(b, ask.noun2)}"
    return f"{result}, so {'yes' if len(a) > len(b) else 'no'}: {told}."


def _difference(ask: Ask) -> Plan:
    a, b, result = yield from _both(ask, "for the difference", "-")
    assert ask.noun2 is not None
    return f"{result}: {_withhandles_of(a, noun_of(ask))} and {_withhandles_of(b, ask.noun2)}."


def _total(ask: Ask) -> Plan:
    a, b, result = yield from _both(ask, "for the total", "+")
    assert ask.noun2 is not None
    return f"{result}: {_withhandles_of(a, noun_of(ask))} and {_withhandles_of(b, ask.noun2)}."


def _backdrop(ask: Ask) -> Plan:
    (told,) = yield Step(
        f"I name the backdrop of {ask.image}.", [("classify_image", {"image": ask.image, "labels": BACKDROP_LABELS})]
    )
    return f"The backdrop of {ask.image}: {best_of(told)}."


def _labels(ask: Ask) -> Plan:
    image = ask.image
    if ask.noun is not None:
        (told,) = yield Step(f"I look for the {ask.noun.one} to choose its label.", [find(image, ask.noun)])
        found = seen(told)
        if not found:
            return missing(ask)
        image = found[0].handle
    (told,) = yield Step(f"I choose a label for {image}.", [("classify_image", {"image": image, "labels": ask.labels})])
    return f"The best label for {image}: {best_of(told)}."


def _look_closer(ask: Ask) -> Plan:
    noun = noun_of(ask)
    (told,) = yield Step(f"I look for the {noun.one} to look closer at it.", [find(ask.image, noun)])
    found = seen(told)
    if not found:
        return missing(ask)
    handle = found[0].handle
    (told,) = yield Step(f"I look for everything in {handle}.", [find(handle, None)])
    within = seen(told)
    if not within:
        return f"I looked closer at the {noun.one} ({handle}) and saw nothing more."
    return f"I looked closer at the {noun.one} ({handle}) and saw: {_told_all(within)}."


def _arithmetic(ask: Ask) -> Plan:
    (told,) = yield Step("I calculate it.", [("calculate", {"expression": ask.expression})])
    return f"{told.rstrip('.')}."


def _it_query(facet: str) -> Callable[[Ask], Plan]:
    def plan(ask: Ask) -> Plan:
        (told,) = yield _name(facet, ask.it[0].handle)
        return _is(facet, best_of(told), f"It ({ask.it[0].handle})")

    return plan


def _it_where(ask: Ask) -> Plan:
    yield from ()
    return _at(ask.it[0], ask.image, f"It is the {ask.it[0].label}")


def _each(ask: Ask, verb: str, arguments: dict[str, Any]) -> Plan:
    handles = [region.handle for region in ask.it][:3]
    told = yield Step(
        f"I {verb.format(', '.join(handles))}.", [("crop_image", {"image": handle} | arguments) for handle in handles]
    )
    return ", ".join(f"{_made(line)} (from {handle})" for handle, line in zip(handles, told, strict=True))


def _it_cut_out(ask: Ask) -> Plan:
    handles = [region.handle for region in ask.it][:3]
    yield Step(f"I outline {', '.join(handles)}.", [("segment_objects", {"regions": handles})])
    made = yield from _each(ask, "cut {} out", {"background": "transparent"})
    return f"Cut out: {made}."


def _it_crop(ask: Ask) -> Plan:
    made = yield from _each(ask, "crop {}", {})
    return f"Cropped: {made}."


def _it_outline(ask: Ask) -> Plan:
    handles = [region.handle for region in ask.it][:8]
    yield Step(f"I outline {', '.join(handles)}.", [("segment_objects", {"regions": handles})])
    return f"I outlined {', '.join(handles)}."


def _says(answer: str) -> Callable[[Ask], Plan]:
    def plan(ask: Ask) -> Plan:
        yield from ()
        return answer

    return plan


PLANS: dict[str, Callable[[Ask], Plan]] = {
    "count": _count, "exist": _exist, "color": _query("color"), "material": _query("material"),
    "shape": _query("shape"), "where": _where, "cut_out": _cut_out, "outline": _outline, "crop": _crop_plan,
    "list": _list, "biggest": _biggest, "biggest_query": _biggest_query, "biggest_cut_out": _biggest_cut_out,
    "compare_more": _compare_more, "difference": _difference, "total": _total, "backdrop": _backdrop,
    "labels": _labels, "look_closer": _look_closer, "arithmetic": _arithmetic, "it_color": _it_query("color"),
    "it_material": _it_query("material"), "it_shape": _it_query("shape"), "it_where": _it_where,
    "it_cut_out": _it_cut_out, "it_crop": _it_crop, "it_outline": _it_outline, "decline": _says(DECLINED),
    "smalltalk": _says(WELCOME), "no_picture": _says(NO_PICTURE), "no_thing": _says(NO_THING),
    "no_pair": _says(NO_PAIR), **LOOK_PLANS, **MEMORY_PLANS,
}  # fmt: skip
