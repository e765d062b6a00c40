"""How requests are put: families of phrasing, targets in their slots, pictures by their names."""

from __future__ import annotations

import random
import re
from functools import cache
from pathlib import Path

from ...scenes.language.phrases import article
from ..controller.wording.families import FOLDER, families, fill, slots_of
from ..controller.wording.mentions import ORDINALS, THE_PICTURE
from .state import State
from .targets import Target, typed

OWN = Path(__file__).parent / "phrasings"


FRONT = "<"  # marks the name of a picture that comes before the request
TYPOS = 0.09  # how often a target is misspelt


FACET_WORDS = {"color": ("colour", "color"), "material": ("material",), "shape": ("kind", "shape"), "size": ("size",)}


def worded(state: State, intent: str, slots: dict[str, str], own: bool = False) -> str:
    """A family of an intent, filled in; pictures that are not named are called one of the usual names, or nothing."""
    rng = state.rng
    family = rng.choice(families(intent, None, OWN if own else FOLDER))
    missing = slots_of(family.text) - slots.keys()
    if "the picture" in missing:
        slots = slots | {"the picture": "" if rng.random() < 0.35 else rng.choice(THE_PICTURE)}
    while slots_of(family.text) - slots.keys():
        family = rng.choice(families(intent, None, OWN if own else FOLDER))
    return "".join(words for words, _ in fill(family.expand(rng), slots)).strip()


def said(target: Target, rng: random.Random, number: str = "") -> dict[str, str]:
    """A target in the slots of a family, as people type it."""
    one, many = (typed(words, rng, TYPOS) for words in (target.one, target.many))
    the = one if re.match(r"(the|every|all) ", one) else f"the {one}"
    return {
        f"things{number}": many,
        f"thing{number}": one,
        f"a thing{number}": article(one),
        f"the thing{number}": the,
    }


def picture_named(state: State, handle: str) -> str:
    """How a picture is named where there are several, as the end of a request; "" where it need not be."""
    rng, given = state.rng, state.given
    if len(given) < 2 or handle not in given or (handle == state.image and rng.random() < 0.7):
        return ""
    at = given.index(handle)
    ways = [handle]
    if at < len(ORDINALS):
        ways += [f"the {ORDINALS[at]} {rng.choice(('picture', 'image', 'one', 'photo', 'pic'))}"] * 3
        ways += [f"{rng.choice(('picture', 'image', 'photo', 'pic'))} {at + 1}"]
    if at == len(given) - 1:
        ways += [f"the last {rng.choice(('picture', 'image', 'one'))}"]
    if len(given) == 2:
        ways += ["the other picture", "the other one"] if handle != state.image else []
    return f" {rng.choice(('in', 'in', 'on'))} {rng.choice(ways)}"


def a_picture(state: State, *, front: bool = False) -> tuple[str, str]:
    """The picture that a request is about, and how it is named; with `front` now and then before the request."""
    handle = state.rng.choice(state.given) if state.rng.random() < 0.6 else state.image
    named = picture_named(state, handle)
    if named and front and state.rng.random() < 0.3:
        named = f"{FRONT}{named.strip()}{state.rng.choice((', ', ': ', ' '))}"
    return (handle, named) if named else (state.image, "")


def ended(words: str, named: str) -> str:
    """A request with its picture named at its end, before the sign; or before it."""
    if named.startswith(FRONT):
        return f"{named[len(FRONT) :]}{words}"
    bare = words.rstrip(" .?!")
    return f"{bare}{named}{words[len(bare) :]}"


_TEXTED = {"the": "da", "you": "u", "are": "r", "what": "wat", "please": "plz", "where": "wheres", "is": "iz",
           "picture": "pic", "this": "dis", "that": "dat", "there": "ther", "and": "n", "with": "w", "for": "4",
           "to": "2", "see": "c", "how": "hw", "many": "mny", "thing": "thng", "things": "thngs"}  # fmt: skip


def texted(words: str, rng: random.Random) -> str:
    """Words as some type on a telephone: "hw mny grn thngs r there"."""
    how = rng.random()
    parts: list[str] = []
    for word in words.split(" "):
        bare = word.strip(".,?!")
        if how < 0.6 and bare.lower() in _TEXTED and rng.random() < 0.6:
            word = word.replace(bare, _TEXTED[bare.lower()])
        elif how > 0.4 and len(bare) > 3 and bare.isalpha() and rng.random() < 0.4:
            word = word[0] + re.sub("[aeiou]", "", word[1:])
        parts.append(word)
    return re.sub(r"[.,?!']", "", " ".join(parts)).lower()


@cache
def lines(name: str) -> tuple[str, ...]:
    """The lines of a file of phrasings of ours."""
    return tuple((OWN / f"{name}.txt").read_text("utf-8").splitlines())
