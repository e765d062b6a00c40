"""Noun phrases about things: "red metal cube", "shiny violet blocks", "thing made of wood".

A phrase has a logical form, its *attributes*: a mapping from facets (`size`, `color`, `material`,
`shape`) to the values that `scene.py` lists. Many phrases share one form; `noun_phrase` without a
random source gives the canonical one, and `parse_phrase` goes back from words to the form.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..scene import COLORS, HELD_OUT_PAIRS, MATERIALS, SHAPES, SIZES, Thing

Attributes = Mapping[str, str]

FACETS = ("size", "color", "material", "shape")
VALUES: dict[str, tuple[str, ...]] = {
    "size": tuple(SIZES),
    "color": tuple(COLORS),
    "material": MATERIALS,
    "shape": SHAPES,
}

# The first word of each list is the canonical one.
SIZE_WORDS = {"small": ("small", "little", "tiny"), "large": ("large", "big", "huge")}
COLOR_WORDS = {
    "red": ("red", "scarlet", "crimson"),
    "orange": ("orange",),
    "yellow": ("yellow",),
    "green": ("green",),
    "blue": ("blue",),
    "purple": ("purple", "violet"),
    "pink": ("pink",),
    "brown": ("brown",),
}
MATERIAL_WORDS = {"rubber": ("rubber", "matte"), "metal": ("metal", "shiny", "metallic"), "wood": ("wooden", "wood")}
SHAPE_WORDS = {shape: (shape,) for shape in SHAPES} | {
    "cube": ("cube", "block"),
    "ball": ("ball", "sphere", "orb"),
    "ring": ("ring", "hoop"),
    "mug": ("mug", "cup"),
    "house": ("house", "cottage"),
    "car": ("car", "automobile"),
    "boat": ("boat", "ship"),
    "umbrella": ("umbrella", "parasol"),
    "bottle": ("bottle", "flask"),
}
WORDS: dict[str, dict[str, tuple[str, ...]]] = {
    "size": SIZE_WORDS,
    "color": COLOR_WORDS,
    "material": MATERIAL_WORDS,
    "shape": SHAPE_WORDS,
}
HEADS = ("thing", "object", "item")  # the noun of a phrase that does not say the shape

_PLURALS = {"leaf": "leaves", "fish": "fish"}
_SILENT = frozenset({"a", "an", "the", "made", "of", "that", "is", "are", "one", "ones"})
_MEANING = {word: (facet, value) for facet, table in WORDS.items() for value, words in table.items() for word in words}


def plural_of(noun: str) -> str:
    """The plural of one of the nouns above: "leaf" -> "leaves"."""
    return _PLURALS.get(noun, noun + "s")


_MEANING |= {plural_of(word): ("shape", value) for value, words in SHAPE_WORDS.items() for word in words}
_SILENT |= {*HEADS, *(plural_of(head) for head in HEADS)}


def article(phrase: str) -> str:
    """The phrase with "a" or "an" before it."""
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def attributes_of(thing: Thing, facets: Iterable[str] = FACETS) -> dict[str, str]:
    """What a thing is, facet by facet, in the order of FACETS."""
    wanted = set(facets)
    return {facet: getattr(thing, facet) for facet in FACETS if facet in wanted}


def phrase_true(attributes: Attributes, thing: Thing) -> bool:
    """Whether every attribute holds of the thing. No attributes hold of anything."""
    return all(getattr(thing, facet) == value for facet, value in attributes.items())


def say(facet: str, value: str, rng: random.Random | None = None) -> str:
    """One word for a value: the canonical one, or with `rng` any of its synonyms (half the time the canonical).

    It draws the same amount of randomness whatever the value is, so that two phrases that differ in one value
    and are said with equal random sources differ in one word.
    """
    words = WORDS[facet][value]
    if rng is None:
        return words[0]
    draw = rng.random()
    return words[0] if draw < 0.5 else words[int((2 * draw - 1) * len(words))]


def noun_phrase(of: Thing | Attributes, rng: random.Random | None = None, plural: bool = False) -> str:
    """Words for a thing or for attributes, without an article: "small red metal cube".

    Args:
        of: a thing (all of its facets are said) or the attributes to say.
        rng: draws synonyms, the order of the adjectives and "made of"; None gives the canonical form.
        plural: "small red metal cubes".
    """
    attributes = attributes_of(of) if isinstance(of, Thing) else of
    shape = attributes.get("shape")
    if shape is not None:
        noun = say("shape", shape, rng)
    else:
        noun = HEADS[0] if rng is None else HEADS[int(rng.random() * len(HEADS))]
    if plural:
        noun = plural_of(noun)
    size, color, material = attributes.get("size"), attributes.get("color"), attributes.get("material")
    words = [] if size is None else [say("size", size, rng)]
    tint = [] if color is None else [say("color", color, rng)]
    if material is None:
        return " ".join([*words, *tint, noun])
    draw = 0.0 if rng is None else rng.random()
    if draw > 0.88:  # every material's own name is a noun: rubber, metal, wood
        return " ".join([*words, *tint, noun, "made of", material])
    stuff = say("material", material, rng)
    order = [stuff, *tint] if draw > 0.75 else [*tint, stuff]
    return " ".join([*words, *order, noun])


def parse_phrase(text: str) -> dict[str, str] | None:
    """The attributes that a noun phrase says, in the order of FACETS; None where a word is unknown.

    Reads everything that `noun_phrase` writes: synonyms, plurals, articles, "made of". A phrase that gives
    one facet two values ("red blue cube") has no form either.
    """
    found: dict[str, str] = {}
    for word in text.lower().strip(" .?!").split():
        if word in _SILENT:
            continue
        meaning = _MEANING.get(word)
        if meaning is None or found.setdefault(*meaning) != meaning[1]:
            return None
    return {facet: found[facet] for facet in FACETS if facet in found}


@dataclass(frozen=True)
class RegionPhrase:
    """Words about one thing seen alone, with what they say of it."""

    text: str
    attributes: dict[str, str] = field(hash=False)


# What a region phrase says, and how often. Never the size: a crop hides it.
_SAID = (
    (("shape",), 4),
    (("color", "shape"), 6),
    (("material", "shape"), 3),
    (("color", "material", "shape"), 5),
    (("color",), 3),
    (("material",), 2),
    (("color", "material"), 2),
)
_SAID_FACETS = [facets for facets, _ in _SAID]
_SAID_WEIGHTS = [sum(weight for _, weight in _SAID[: i + 1]) for i in range(len(_SAID))]


def region_phrase(thing: Thing, rng: random.Random) -> RegionPhrase:
    """A random true phrase for a crop of the thing: "red metal cube", "a shiny red block", "red", "made of wood"."""
    facets = rng.choices(_SAID_FACETS, cum_weights=_SAID_WEIGHTS)[0]
    return phrase_of(attributes_of(thing, facets), rng)


def phrase_of(attributes: Attributes, rng: random.Random) -> RegionPhrase:
    """A random phrase for given attributes, in any of the forms that a user, a label list or a caption gives."""
    held = dict(attributes)
    if len(held) == 1 and "shape" not in held and rng.random() < 0.5:  # a bare adjective, as in a list of labels
        ((facet, value),) = held.items()
        if facet == "material":
            return RegionPhrase(rng.choice((value, say(facet, value, rng), f"made of {value}")), held)
        return RegionPhrase(say(facet, value, rng), held)
    words = noun_phrase(held, None if rng.random() < 0.3 else rng)
    draw = rng.random()
    if draw < 0.3:
        words = article(words)
    elif draw < 0.35:
        words = f"the {words}"
    return RegionPhrase(words, held)


def held_out(attributes: Attributes) -> bool:
    """Whether attributes say a pair of shape and colour that no training scene holds."""
    return (attributes.get("shape"), attributes.get("color")) in HELD_OUT_PAIRS


def changed(attributes: Attributes, facet: str, rng: random.Random, compositional: bool = False) -> dict[str, str]:
    """The same attributes with another value for one facet.

    Unless `compositional`, the change never makes one of the held-out pairs: a negative that training repeats
    and that is never true would teach that such things do not exist.
    """
    others = [{**attributes, facet: value} for value in VALUES[facet] if value != attributes[facet]]
    if compositional or held_out(attributes):
        return rng.choice(others)
    return rng.choice([other for other in others if not held_out(other)])


def false_phrase(thing: Thing, rng: random.Random, compositional: bool = False) -> RegionPhrase:
    """A region phrase with one facet changed so that it does not hold of the thing: a hard negative."""
    attributes = region_phrase(thing, rng).attributes
    return phrase_of(changed(attributes, rng.choice(list(attributes)), rng, compositional), rng)


def phrase_truths(phrases: Sequence[Attributes], things: Sequence[Thing]) -> np.ndarray:
    """Which phrases hold of which things: the exact multi-positive targets of a batch.

    Returns:
        (len(phrases), len(things)) bool; the same as `phrase_true` for every pair, at once.
    """
    codes = {facet: {value: i for i, value in enumerate(values)} for facet, values in VALUES.items()}
    said = np.array([[codes[f].get(p.get(f, ""), -1) for f in FACETS] for p in phrases]).reshape(-1, len(FACETS))
    are = np.array([[codes[f][getattr(t, f)] for f in FACETS] for t in things]).reshape(-1, len(FACETS))
    return ((said[:, None] == are[None]) | (said[:, None] < 0)).all(-1)
