"""Requests about a picture as a whole: what it shows, says and measures; and those to memory."""

from __future__ import annotations

import re
from typing import Any

from ...scenes.scene import BACKDROPS
from ..controller.plans.memory import when_of
from ..controller.wording.families import families, fill, slots_of
from ..controller.wording.free_requests import PAST, TIMES, draw_change, draw_note, draw_question
from ..controller.wording.mentions import THE_PICTURE, draw_labels
from ..controller.wording.noun_phrases import any_world_noun
from . import plans
from .chatter import DELETE
from .plans import Plan
from .state import Last, Request, State
from .targets import Target, any_plain
from .wording import a_picture, said, worded


def describe(state: State) -> Request:
    """A picture in words."""
    image, named = a_picture(state)
    detail = state.rng.random() < 0.4
    slots = {"the picture": named.strip().partition(" ")[2]} if named else {}
    words = worded(state, "describe_detail" if detail else "describe", slots)
    arguments = {"image": image} | ({"detail": "detailed"} if detail else {})
    return Request("describe", words, plans.say("describe_image", arguments, "{description}"))


def everything(state: State) -> Request:
    """A list of all that is there."""
    image, named = a_picture(state)
    slots = {"the picture": named.strip().partition(" ")[2]} if named else {}
    target = Target("thing", "things", {"phrase": "everything"})
    return Request("list", worded(state, "list", slots), _listed(image, target), Last(plans.which, image, target))


def _reading(image: str) -> Plan:
    (seen,) = yield [("read_text", {"image": image})]
    return plans.told_words(seen, 1)


def _listed(image: str, target: Target) -> Plan:
    (seen,) = yield [plans.find(image, target)]
    return "I see {count}: {list}." if seen.count else "I see nothing that I know there."


def read(state: State) -> Request:
    """All words of a picture."""
    image, named = a_picture(state)
    slots = {"the picture": named.strip().partition(" ")[2]} if named else {}
    return Request("read", worded(state, "read", slots), _reading(image))


def backdrop(state: State) -> Request:
    """What is behind the things."""
    image, named = a_picture(state)
    slots = {"the picture": named.strip().partition(" ")[2]} if named else {}
    labels = ["plain background", *BACKDROPS[1:]]
    arguments = {"image": image, "labels": labels}
    return Request("backdrop", worded(state, "backdrop", slots), plans.say("classify_image", arguments, "{best}."))


def labels(state: State) -> Request:
    """One label of several for a picture."""
    image, named = a_picture(state)
    chosen, listed = draw_labels(state.rng)
    slots = {"labels": listed} | ({"the picture": named.strip().partition(" ")[2]} if named else {})
    arguments = {"image": image, "labels": chosen}
    return Request(
        "labels", worded(state, "labels", slots), plans.say("classify_image", arguments, "{best}."), frame=False
    )


def inspect(state: State) -> Request:
    """What can be measured."""
    image, named = a_picture(state)
    slots = {"the picture": named.strip().partition(" ")[2]} if named else {}
    return Request(
        "inspect", worded(state, "inspect", slots), plans.say("inspect_image", {"image": image}, "{measured}")
    )


# Open questions are those about why, what for and what might be; what can be found or counted, other tools answer.
_OPEN = re.compile(
    r"^(why|when|who|what (could|might|would|do|makes|happens)|how (come|might|would)|could (?!you)|would"
    r"|does the .* look)\b",
    re.IGNORECASE,
)


def open_question(state: State) -> Request:
    """What only an expert that reads questions can answer; it is handed on as it was put."""
    image, named = a_picture(state)
    question = draw_question(state.rng, lambda: any_world_noun(state.rng))
    while not _OPEN.search(question):
        question = draw_question(state.rng, lambda: any_world_noun(state.rng))
    slots = {"question": question} | ({"the picture": named.strip().partition(" ")[2]} if named else {})
    arguments = {"images": [image], "question": f"{question[:1].upper()}{question[1:].rstrip('?')}?"}
    return Request("open_question", worded(state, "open_question", slots),
                   plans.say("answer_about_image", arguments, "{answer}"), frame=False)  # fmt: skip


def search(state: State) -> Request:
    """What was shown before."""
    rng = state.rng
    noun = any_plain(rng, state.sheet(state.image) if state.image and rng.random() < 0.3 else None)
    slots = said(noun, rng) | {"when": rng.choice(TIMES) if rng.random() < 0.5 else "", "past": rng.choice(PAST)}
    words = worded(state, "find_memory", slots)
    when = when_of(words.replace(noun.one, "").replace(noun.many, ""))
    phrase = noun.one if noun.arguments["phrase"] == "everything" else str(noun.arguments["phrase"])
    arguments = {"words": phrase} | ({"when": when} if when != "any" else {})
    return Request("search", words, plans.say("search_memory", arguments, "I found {count}: {hits}.",
                   "I find nothing like that in memory."))  # fmt: skip


def search_like(state: State) -> Request:
    """What is like a picture, or like it but for something."""
    rng = state.rng
    image, named = a_picture(state)
    but = rng.random() < 0.4
    slots = {"the picture": named.strip().partition(" ")[2]} if named else {}
    arguments: dict[str, Any] = {"image": image}
    if but:
        slots["words"], own = draw_change(rng, lambda: any_world_noun(rng))
        arguments = {"words": own, "image": image}
    slots |= {"when": "", "past": rng.choice(PAST)}
    words = worded(state, "find_like_but" if but else "find_like", slots)
    when = when_of(words)
    arguments |= {"when": when} if when != "any" else {}
    return Request("search_like", words, plans.say("search_memory", arguments, "I found {count}: {hits}.",
                   "I find nothing like that in memory."), frame=not but)  # fmt: skip


def remember(state: State) -> Request:
    """A picture kept, under a note where the user gives one."""
    image, named = a_picture(state)
    note = draw_note(state.rng)
    slots = {"note": note} | ({"the picture": named.strip().partition(" ")[2]} if named else {})
    family = state.rng.choice(families("remember"))
    slots |= {} if named else {"the picture": state.rng.choice((*THE_PICTURE, "this", "this one"))}
    words = "".join(text for text, _ in fill(family.expand(state.rng), slots)).strip()
    noted = {"note": note} if "note" in slots_of(family.text) else {}
    return Request("remember", words, plans.say("remember_image", {"image": image} | noted,
                   "I will remember it: {note}." if noted else "I will remember it."), frame=False)  # fmt: skip


def forget(state: State) -> Request:
    """A picture to be deleted: the tool asks for the user's word first."""
    image, named = a_picture(state)
    slots = {"the picture": named.strip().partition(" ")[2]} if named else {}
    return Request("forget", worded(state, "forget", slots), _forget(image))


def _forget(image: str) -> Plan:

    (seen,) = yield [("forget_image", {"image": image})]
    return DELETE if seen.brief.startswith("Not deleted") else "It is forgotten."
