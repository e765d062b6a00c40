"""Requests about signs: what they say, beside what they stand, which things have none."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import Any

from . import plans
from .plans import Plan, n
from .state import Last, Request, State
from .targets import Target, one_thing
from .wording import a_picture, ended, lines, said

_WORDS = ("KITE", "BOX", "OPEN", "EXIT", "STOP", "CAFE", "BANK", "TAXI", "SALE", "FISH", "SOUP", "TEA", "ZOO", "PARK",
          "WEST", "EAST", "NORTH", "BOOKS", "TOYS", "HOTEL", "FARM", "SHOP", "BREAD", "MILK", "MOON", "RIVER", "LAKE",
          "GOLD")  # fmt: skip
_SIGN = Target("sign", "signs", {"phrase": "sign"})


def signs(state: State) -> Request:
    """How many signs there are, or whether there is one."""
    image, named = a_picture(state)
    words = state.rng.choice(lines("signs"))
    make = plans.count if re.search(r"how many|count|number", words) else plans.exist
    return Request("signs", ended(words, named), make(image, _SIGN), Last(make, image, _SIGN))


def sign(state: State) -> Request:
    """What stands beside a sign, or whether a word is there."""
    rng = state.rng
    image, named = a_picture(state)
    word, draw = _word(state, image), rng.random()
    if draw < 0.35:
        words = rng.choice(lines("says")).format(w=_written(state, word))
        return Request("says", ended(words, named), _says(word, image), frame=False)
    facet = "color" if draw < 0.55 else None
    words = rng.choice(lines("beside_color" if facet else "beside")).format(w=_written(state, word))
    return Request("beside_sign", ended(words, named), plans.beside_sign(word, image, facet),
                   Last(image=image, more=partial(_sign_again, image, facet)), frame=False)  # fmt: skip


def _sign_again(image: str, facet: str | None, state: State) -> Request:
    """The same of another sign: "and {w}?"."""
    word = _word(state, image)
    words = state.rng.choice(lines("sign_again")).format(w=_written(state, word))
    return Request("sign_again", words, plans.beside_sign(word, image, facet), state.last, frame=False)


def _word(state: State, image: str) -> str:
    """A word that stands there, mostly."""
    sheet = state.sheet(image)
    there = [item.word for item in sheet.items if item.word] if sheet is not None else []
    return state.rng.choice(there) if there and state.rng.random() < 0.75 else state.rng.choice(_WORDS)


def _written(state: State, word: str) -> str:
    return state.rng.choice((word, word, word, word.lower(), f'"{word}"', word.title()))


def _says(word: str, image: str) -> Plan:
    (read,) = yield [("read_text", {"image": image})]
    if not read.count:
        return "No, I can read no words there."
    there = any(one.lower() == word.lower() for one in re.findall(r'reg_\d+ "([^"]*)"', read.brief))
    return "Yes, I read {words}." if there else "No, I read {words}."


def sign_by(state: State) -> Request:
    """What the sign beside a thing says: the thing is looked for, and what stands by it is read."""
    rng = state.rng
    image, named = a_picture(state, front=True)
    sheet = state.sheet(image)
    with_words = [item for item in sheet.items if item.word] if sheet is not None else []
    shown = replace(sheet, items=with_words, meanings={}) if sheet and with_words and rng.random() < 0.7 else sheet
    target = one_thing(rng, shown)
    words = rng.choice(lines("sign_by")).format(t=said(target, rng)["the thing"])
    return Request("sign_by", ended(words, named), plans.read_thing(image, target),
                   Last(plans.read_thing, image, target, True))  # fmt: skip  # pyright: ignore[reportArgumentType]


def signless(state: State) -> Request:
    """How many things have no sign: those that there are, less the signs."""
    image, named = a_picture(state)
    return Request("signless", ended(state.rng.choice(lines("signless")), named), _signless(image), Last())


def _signless(image: str) -> Plan:
    yield [plans.find(image, Target("thing", "things", {"phrase": "everything"})), plans.find(image, _SIGN)]
    yield [("calculate", {"expression": "{count} - {count2}"})]
    return "{result3}."


def with_sign(state: State) -> Request:
    """Which thing a sign stands beside, whatever it says."""
    image, named = a_picture(state)
    arguments = {"phrase": "everything", "relation": "nearest to", "anchor": "sign"}
    target = Target("thing with a sign", "things with a sign", arguments, anchors=("sign",))
    return Request("with_sign", ended(state.rng.choice(lines("with_sign")), named), plans.which(image, target),
                   Last(plans.which, image, target))  # fmt: skip


def other_signs(state: State) -> Request:
    """What else is written: all that can be read."""
    words = state.rng.choice(lines("other_sign"))
    return Request("other_signs", words, _others(state.image), Last(image=state.image))


def _others(image: str) -> Plan:
    (read,) = yield [("read_text", {"image": image})]
    return f"In all I read {n('words', 1)}." if read.count else "I can read no words there."


def any_words(state: State) -> Request:
    """Whether anything is written there."""
    image, named = a_picture(state)
    more: Any = other_signs if state.rng.random() < 0.5 else None
    return Request("any_words", ended(state.rng.choice(lines("any_words")), named), _any_words(image),
                   Last(image=image, more=more))  # fmt: skip


def _any_words(image: str) -> Plan:
    (read,) = yield [("read_text", {"image": image})]
    return "Yes, I read {words}." if read.count else "No, I can read no words there."
