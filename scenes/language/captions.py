"""Captions with their logical forms: full, partial, FOIL (one word made false), and referring expressions.

A caption is drawn in two steps: first its form, from the scene's truth, then its words, from the form and a
seed. A FOIL caption is the same wording, drawn with the same seed, of a form in which one value is changed.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from ...queries.space import OPPOSITE, PLACE_NAMES, RELATIONS, Boxes, clear_place, related
from ..scene import BACKDROPS, Scene, Thing
from ..space import centres, raster_order
from .forms import Clause, Form, Listed, Placed, Related, Said, Set, Some, holds
from .phrases import FACETS, article, attributes_of, changed, held_out, noun_phrase, phrase_true

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")

_BEFORE = {
    "plain": ("on a plain background", "before a plain background"),
    "desk": ("on a desk", "on top of a desk"),
    "street": ("on a street", "in a street"),
    "shelf": ("on a shelf", "standing on a shelf"),
}
_AT = dict.fromkeys(PLACE_NAMES, ("at the", "towards the"))
_BESIDE = {
    "left": ("to the left of", "left of", "on the left side of"),
    "right": ("to the right of", "right of", "on the right side of"),
    "above": ("above", "higher up than"),
    "below": ("below", "lower down than"),
}
_OPENINGS = ("", "", "there is ", "a picture of ", "a drawing with ", "we see ", "a scene with ")
_PAIRED = {"color", "shape"}  # what a caption says most often of a thing


@dataclass(frozen=True)
class Caption:
    """Words and what they claim. `voice` is the seed that the words were drawn with."""

    text: str
    form: Form
    voice: int


@dataclass(frozen=True)
class Foil(Caption):
    """A false caption, one word away from a true one: `word` at `index` (counted in words) instead of `truth`."""

    word: str
    truth: str
    index: int


@dataclass(frozen=True)
class Referring:
    """An expression about things of a scene, and the ids of all the things that it may mean (none, one or several)."""

    text: str
    attributes: dict[str, str]
    referents: tuple[int, ...]


# ---------------------------------------------------------------- from forms to words


def wording(form: Form, voice: int) -> str:
    """The words of a form, drawn with the seed `voice`."""
    rng = random.Random(voice)
    opening = rng.choice(_OPENINGS)
    *first, last = (_clause_words(clause, rng) for clause in form)
    plain = " ".join([*first, last]) if isinstance(form[-1], Set) else " and ".join([*first, last])
    if opening == "there is " and isinstance(form[0], Some) and form[0].count not in (None, 1):
        opening = "there are "
    if isinstance(form[0], Set):
        return plain
    return opening + plain


def _clause_words(clause: Clause, rng: random.Random) -> str:
    match clause:
        case Set(backdrop):
            return rng.choice(_BEFORE[backdrop])
        case Some(said, count):
            draw = rng.random()
            phrase = noun_phrase(dict(said), rng, plural=count is not None and count != 1)
            if count is None:
                return article(phrase)
            number = str(count) if draw < 0.25 and count > 1 else NUMBERS[count]
            return f"{'exactly ' if count == 1 else ''}{number} {phrase}"
        case Placed(said, place):
            return f"{_thing_words(said, rng)} {rng.choice(_AT[place])} {place}"
        case Listed(things):
            *before, last = (_thing_words(said, rng) for said in things)
            return f"{', '.join(before)} and {last}" if before else last
        case Related(first, relation, second):
            one = _thing_words(first, rng)
            # The relation's words are drawn by position, so that its opposite would be said alike.
            beside = _BESIDE[relation][int(rng.random() * len(_BESIDE[relation]))]
            return f"{one} {beside} {_thing_words(second, rng)}"


def _thing_words(said: Said, rng: random.Random) -> str:
    """Said attributes with their article, and the word on the sign where one is said."""
    attributes = dict(said)
    word = attributes.pop("word", None)
    phrase = article(noun_phrase(attributes, rng))
    if word is None:
        return phrase
    return f"{phrase} {rng.choice(('with a sign that says', 'beside a sign that reads', 'with the word'))} {word}"


# ---------------------------------------------------------------- from scenes to captions


def caption(form: Form, rng: random.Random) -> Caption:
    """A caption of a form in a random voice."""
    voice = rng.getrandbits(32)
    return Caption(wording(form, voice), form, voice)


def full_caption(scene: Scene, rng: random.Random, words: bool = True) -> Caption:
    """Everything that stands in the scene, in raster order, with all attributes, and mostly the backdrop.

    Args:
        scene: what to describe.
        rng: draws the voice.
        words: whether to say what the signs read.
    """
    listed: list[Said] = []
    for thing in raster_order(scene):
        said = tuple(attributes_of(thing).items())
        listed.append((*said, ("word", thing.word)) if words and thing.word else said)
    form: Form = (Listed(tuple(listed)),)
    return caption((*form, Set(scene.backdrop)) if rng.random() < 0.8 else form, rng)


def partial_caption(scene: Scene, rng: random.Random, boxes: Boxes | None = None) -> Caption:
    """A true caption that says only a part: a thing or two, a count, a relation, a place, the backdrop, an absence.

    Args:
        scene: what to describe.
        rng: draws what is said, and the voice.
        boxes: where the things are seen to stand, as `forms.holds` takes them.
    """
    while True:
        form = rng.choices(_PARTS, _PART_WEIGHTS)[0](scene, rng)
        if form is not None and holds(form, scene, boxes):
            return caption(form, rng)


def captions(scene: Scene, rng: random.Random, count: int = 5, boxes: Boxes | None = None) -> list[Caption]:
    """One full caption, then partial ones that say different things, at most `count` together."""
    made = {(first := full_caption(scene, rng)).form: first}
    for _ in range(4 * count):
        if len(made) >= count:
            break
        part = partial_caption(scene, rng, boxes)
        made.setdefault(part.form, part)
    return list(made.values())


def _some_of(thing: Thing, rng: random.Random) -> Said:
    """Two facets or so of a thing, most often its colour and its shape."""
    facets = {facet for facet in FACETS if rng.random() < (0.8 if facet in _PAIRED else 0.25)} or {"shape"}
    return tuple(attributes_of(thing, facets).items())


def _one_form(scene: Scene, rng: random.Random) -> Form:
    return (Some(_some_of(rng.choice(scene.things), rng)),)


def _two_form(scene: Scene, rng: random.Random) -> Form | None:
    if len(scene.things) < 2:
        return None
    first, second = rng.sample(scene.things, 2)
    return (Some(_some_of(first, rng)), Some(_some_of(second, rng)))


def _count_form(scene: Scene, rng: random.Random) -> Form:
    facet = rng.choice(FACETS)
    said = tuple(attributes_of(rng.choice(scene.things), (facet,)).items())
    return (Some(said, sum(phrase_true(dict(said), thing) for thing in scene.things)),)


def _none_form(scene: Scene, rng: random.Random) -> Form | None:
    attributes = dict(_some_of(rng.choice(scene.things), rng))
    attributes = changed(attributes, rng.choice(list(attributes)), rng)
    said = tuple((facet, attributes[facet]) for facet in FACETS if facet in attributes)
    return (Some(said, 0),) if not held_out(attributes) else None


def _related_form(scene: Scene, rng: random.Random) -> Form | None:
    if len(scene.things) < 2:
        return None
    i, j = rng.sample(range(len(scene.things)), 2)
    points = centres(scene)
    relation = rng.choice(list(RELATIONS))
    if related(points[i], relation, points[j]) is not True:
        return None
    return (Related(_some_of(scene.things[i], rng), relation, _some_of(scene.things[j], rng)),)


def _placed_form(scene: Scene, rng: random.Random) -> Form | None:
    thing = rng.choice(scene.things)
    place = clear_place(thing.x, thing.y)
    return None if place is None else (Placed(_some_of(thing, rng), place),)


def _set_form(scene: Scene, rng: random.Random) -> Form:
    return (Some(_some_of(rng.choice(scene.things), rng)), Set(scene.backdrop))


_PARTS: tuple[Callable[[Scene, random.Random], Form | None], ...] = (
    _one_form,
    _two_form,
    _count_form,
    _none_form,
    _related_form,
    _placed_form,
    _set_form,
)
_PART_WEIGHTS = (3, 3, 2, 1, 4, 2, 1)


# ---------------------------------------------------------------- FOIL


def foil(true: Caption, scene: Scene, rng: random.Random, compositional: bool = False, tries: int = 24) -> Foil | None:
    """The caption with one word changed so that it is false of the scene; None where no try succeeded.

    Args:
        true: a caption that holds of the scene.
        scene: the scene.
        rng: draws what is changed.
        compositional: whether the false word may make one of the held-out pairs.
        tries: how many changes to try; some change an article as well, or leave the caption true.
    """
    before = true.text.split()
    for _ in range(tries):
        at = rng.randrange(len(true.form))
        clause = _foiled(true.form[at], rng, compositional)
        if clause is None:
            continue
        form = (*true.form[:at], clause, *true.form[at + 1 :])
        text = wording(form, true.voice)
        after = text.split()
        if len(before) != len(after):
            continue
        differ = [i for i, (one, other) in enumerate(zip(before, after, strict=True)) if one != other]
        if len(differ) == 1 and not holds(form, scene):
            (i,) = differ
            return Foil(text, form, true.voice, after[i].strip(","), before[i].strip(","), i)
    return None


def _foiled(clause: Clause, rng: random.Random, compositional: bool) -> Clause | None:
    """The clause with one value changed: an attribute, a number, a relation, a place or the backdrop."""
    match clause:
        case Set(backdrop):
            return Set(rng.choice([other for other in BACKDROPS if other != backdrop]))
        case Some(said, count):
            if count is not None and count >= 2 and rng.random() < 0.5:
                return Some(said, rng.choice([other for other in range(2, len(NUMBERS)) if other != count]))
            return replace(clause, said=_said_otherwise(said, rng, compositional))
        case Placed(said, place):
            if rng.random() < 0.5:
                return Placed(said, rng.choice([other for other in PLACE_NAMES if other != place]))
            return Placed(_said_otherwise(said, rng, compositional), place)
        case Listed(things):
            at = rng.randrange(len(things))
            return Listed((*things[:at], _said_otherwise(things[at], rng, compositional), *things[at + 1 :]))
        case Related(first, relation, second):
            draw = rng.random()
            if draw < 0.4:
                return Related(first, OPPOSITE[relation], second)
            if draw < 0.7:
                return Related(_said_otherwise(first, rng, compositional), relation, second)
            return Related(first, relation, _said_otherwise(second, rng, compositional))


def _said_otherwise(said: Said, rng: random.Random, compositional: bool) -> Said:
    attributes = dict(said)
    facet = rng.choice([facet for facet in attributes if facet in FACETS])
    return tuple(changed(attributes, facet, rng, compositional).items())


# ---------------------------------------------------------------- referring expressions


def referring(scene: Scene, rng: random.Random, referents: str = "one", tries: int = 60) -> Referring | None:
    """An expression that means one thing of the scene, "none" of them or "several"; None where no try succeeded.

    Args:
        scene: the scene.
        rng: draws the things, what is said and the words.
        referents: "one", "none" or "several".
        tries: how many attributes to try.
    """
    for _ in range(tries):
        attributes = dict(_some_of(rng.choice(scene.things), rng))
        if referents == "none":
            attributes = changed(attributes, rng.choice(list(attributes)), rng)
        meant = tuple(thing.id for thing in scene.things if phrase_true(attributes, thing))
        if {"none": len(meant) == 0, "one": len(meant) == 1, "several": len(meant) > 1}[referents]:
            return Referring(noun_phrase(attributes, rng, plural=referents == "several"), attributes, meant)
    return None
