"""What is true in words: captions, answers and readings from a scene, for experts that answer without looking."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from ..memory.records import Box
from ..scenes.drawing.signs import place_signs
from ..scenes.language.phrases import article, noun_phrase, parse_phrase, phrase_true
from ..scenes.scene import Scene, Thing
from ..scenes.space import raster_order

UNSURE = "I cannot tell"
DIM = 128  # of an embedding, as of zoo:clip
_BEFORE = {
    "plain": "on a plain background",
    "desk": "on a desk",
    "street": "on a street",
    "shelf": "on a shelf",
}


def describe(scene: Scene, things: Sequence[Thing], whole: bool, detail: str) -> str:
    """A caption in canonical words: all things in raster order, or the two largest and how many there are."""
    if not things:
        return "nothing"
    if not whole:
        return article(noun_phrase(things[0])) + "."
    ordered = [thing for thing in raster_order(scene) if thing in things]
    if detail == "detailed":
        said = [
            article(noun_phrase(thing)) + (f" beside a sign that reads {thing.word}" if thing.word else "")
            for thing in ordered
        ]
    else:
        said = [article(noun_phrase(thing)) for thing in sorted(ordered, key=lambda thing: -thing.scale)[:2]]
    listed = " and ".join([", ".join(said[:-1]), said[-1]]) if len(said) > 1 else said[0]
    return f"{listed} {_BEFORE[scene.backdrop]}."


def answer(seen: Sequence[tuple[Scene, Sequence[Thing]]], question: str) -> str:
    """The answer to a plain question, or to "True or false: ..."; `UNSURE` for what these few patterns do not know.

    Args:
        seen: for each view, its scene and the things that it shows.
        question: what is asked.
    """
    text = question.strip().lower().rstrip("?.! ")
    if text.startswith("true or false:"):
        verdict = statement_true(seen, text.partition(":")[2].strip())
        return UNSURE if verdict is None else str(verdict).lower()
    things = list(seen[0][1])
    if found := re.fullmatch(r"what (colou?r|material|shape|size) (?:is|are) (.+)|(what) is (this|it|that)", text):
        facet = (found[1] or "shape").replace("colour", "color")
        meant = things if found[3] else _meant(things, found[2])
        values = {getattr(thing, facet) for thing in meant}
        return values.pop() if len(values) == 1 else UNSURE
    if found := re.fullmatch(r"how many (.+?)(?: are there| are in .*| do you see)?", text):
        return str(len(_meant(things, found[1])))
    if found := re.fullmatch(r"(?:is|are) there (?:an? |any )?(.+)", text):
        return "yes" if _meant(things, found[1]) else "no"
    if "say" in text or "read" in text:
        words = [thing.word for thing in things if thing.word]
        return words[0] if words else UNSURE
    return UNSURE


def statement_true(seen: Sequence[tuple[Scene, Sequence[Thing]]], statement: str) -> bool | None:
    """Whether a plain statement holds of the views together; None for one that these few patterns do not know."""
    numbers = "first", "second", "third", "fourth"
    pattern = r"there are (more|fewer|as many) (.+?) in the (\w+) (?:picture|image)(?: (?:than|as) in the (\w+).*)?"
    if found := re.fullmatch(pattern, statement):
        one = numbers.index(found[3]) if found[3] in numbers else 0
        other = numbers.index(found[4]) if found[4] in numbers else 1 - min(one, 1)
        if max(one, other) >= len(seen):
            return None
        a, b = (len(_meant(seen[at][1], found[2])) for at in (one, other))
        return {"more": a > b, "fewer": a < b, "as many": a == b}[found[1]]
    if found := re.fullmatch(
        r"(both|all|each|every) (?:pictures?|images?) (?:show|has|have|shows|hold)s? (.+)", statement
    ):
        return all(bool(_meant(things, found[2])) for _, things in seen)
    if found := re.fullmatch(r"there (?:is|are) (.+)", statement):
        return any(bool(_meant(things, found[1])) for _, things in seen)
    return None


def _meant(things: Sequence[Thing], phrase: str) -> list[Thing]:
    attributes = parse_phrase(phrase)
    return [] if attributes is None else [thing for thing in things if phrase_true(attributes, thing)]


def signs(scene: Scene, size: tuple[int, int], view: Box) -> list[tuple[Box, str]]:
    """The signs whose centre a view shows: xyxy pixels of the whole picture, and the word on each."""
    scale = np.array([size[0], size[1], size[0], size[1]])
    found: list[tuple[Box, str]] = []
    for sign in place_signs(scene):
        if sign is not None:
            x0, y0, x1, y1 = (float(value) for value in np.array(sign.box) * scale)
            if view[0] <= (x0 + x1) / 2 <= view[2] and view[1] <= (y0 + y1) / 2 <= view[3]:
                found.append(((x0, y0, x1, y1), sign.word))
    return found


def embedding(scene: Scene, things: Sequence[Thing]) -> np.ndarray:
    """(DIM,) float32 of length 1: nearer to one another the more the things have in common."""
    vector = np.full(DIM, 1e-3)
    vector[sum(map(ord, scene.backdrop)) % 8] += 1
    for thing in things:
        for facet, value in (("color", thing.color), ("material", thing.material), ("shape", thing.shape)):
            vector[_place(facet, value)] += 1
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def embedding_of(words: str) -> np.ndarray:
    """The same of words: near to things that they are true of."""
    vector = np.full(DIM, 1e-3)
    for facet, value in (parse_phrase(words) or {}).items():
        vector[_place(facet, value)] += 1
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def _place(facet: str, value: str) -> int:
    return 8 + sum(map(ord, facet + value)) % (DIM - 8)
