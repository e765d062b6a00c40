"""Words of experts over a desk: captions, answers and signs, as varied as those of models that read and write."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from ....scenes.language.phrases import article, noun_phrase
from ....scenes.scene import COLORS, MATERIALS, SHAPES
from ..wording.noun_phrases import EVERYDAY, any_world_noun, invented, outside_noun

Attributes = Mapping[str, str]

_PLACES = ("upper left", "top", "upper right", "left", "centre", "right", "lower left", "bottom", "lower right")
_RELATED = ("left of", "right of", "above", "below", "next to", "behind", "in front of")
_SIGNS = """
    KITE BOX OPEN EXIT STOP CAFE BANK TAXI SALE FISH SOUP TEA ZOO PARK WEST EAST NORTH SOUTH BOOKS TOYS HOTEL GARAGE
    FARM SHOP BREAD MILK ROSE MOON STAR RIVER LAKE HILL GOLD LIME PLUM FROG BEAR LION WOLF SHIP BOAT TRAIN TOWER
"""
SIGNS = tuple(_SIGNS.split())


def caption_text(things: Sequence[Attributes], backdrop: str, detail: str, rng: random.Random) -> str:
    """A caption of things: one sentence, or for "detailed" one a thing in the manner of a paragraph."""
    said = [_said(thing, rng) for thing in things]
    ground = rng.choice((f"on a {backdrop}", f"before a {backdrop}", f"in front of a {backdrop}", f"on the {backdrop}"))
    if not said:
        return rng.choice((f"nothing {ground}.", f"an empty {backdrop}.", "nothing"))
    if detail == "detailed" and rng.random() < 0.5:
        return _all_of(things, ground, rng)
    if detail == "detailed" and len(said) > 1:
        said = said[: rng.choice((3, 4, 5, 6))]
        opening = rng.choice(
            (f"There are {len(things)} things {ground}.", f"The picture shows {len(things)} things.", "")
        )
        lines = [f"{_upper(one)} {rng.choice(('is', 'stands', 'lies'))} {rng.choice(_PLACES)}." for one in said]
        if rng.random() < 0.3:
            lines = [f"From left to right: {', '.join(said)}."]
        return " ".join([opening, *lines]).strip()
    shown = rng.sample(said, min(len(said), rng.choice((1, 2, 2, 3))))
    if len(shown) == 2 and rng.random() < 0.5:
        text = f"{shown[0]} {rng.choice(_RELATED)} {shown[1]}"
    else:
        text = " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else shown[0]
    return f"{text}{rng.choice((',', ''))} {ground}." if rng.random() < 0.7 else f"{text}."


def _all_of(things: Sequence[Attributes], ground: str, rng: random.Random) -> str:
    """A long description, in the manner of the LLaVA that is trained here: up to eight things, with all attributes."""
    full = [article(noun_phrase(thing)) for thing in things]
    full += [any_world_noun(rng).a for _ in range(rng.randint(0, 8 - min(8, len(full))))]
    lines = [
        f"{'in' if place == 'centre' else 'at'} the {place} {one}." for one in full for place in [rng.choice(_PLACES)]
    ]
    return " ".join([f"{ground} there are {len(full)} things.", *lines])


def _said(thing: Attributes, rng: random.Random) -> str:
    if rng.random() < 0.25:
        return outside_noun(rng).a
    keep = {facet: value for facet, value in thing.items() if facet == "shape" or rng.random() < 0.6}
    return article(noun_phrase(keep, rng))


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def answer_text(question: str, rng: random.Random) -> str:
    """A short answer that fits the question's first words, now and then one that fits none."""
    start = question.lower().split(" ", 2)
    if start[0] in ("is", "are", "does", "do", "can", "could") and rng.random() < 0.9:
        return rng.choice(("yes", "no", "yes", "no", "Yes.", "No."))
    if start[:2] == ["how", "many"] and rng.random() < 0.9:
        return str(rng.randrange(9))
    if any(word in question.lower() for word in ("sign", "word", "written")) and rng.random() < 0.8:
        return rng.choice(sign_words(rng, 1, 1))
    share = rng.random()
    if share < 0.3:
        return rng.choice((*COLORS, *MATERIALS, *SHAPES, "small", "large", *_PLACES))
    noun = any_world_noun(rng) if share < 0.6 else outside_noun(rng)
    if share < 0.85:
        return noun.a
    return rng.choice((f"the {noun.one}", f"It is {noun.a}.", f"{noun.a} and {any_world_noun(rng).a}", "nothing"))


def sign_words(rng: random.Random, most: int, least: int = 0) -> list[str]:
    """Words on signs: some that scenes have, others made up, mostly in capitals."""
    words: list[str] = []
    for _ in range(rng.randrange(least, most + 1)):
        word = rng.choice(SIGNS) if rng.random() < 0.4 else rng.choice((invented(rng), rng.choice(EVERYDAY).split()[0]))
        words.append(word.upper() if rng.random() < 0.8 else word)
    return words
