"""What LLaVA is taught to say: steps before an answer, descriptions, verdicts about statements.

Before it answers, it tells what it takes the question for, and where it looked: every set of things that is spoken
of, each thing as its number, what was said of it, its column and row (the picture in 20 x 20), its size, colour,
material and shape:

    How many cubes are left of the ball?
    count: 1 ball c12 r7 large red rubber ball; 1 left cube c3 r11 small blue metal cube 2 left cube c9 r4 ... Answer: 2

A count is then the last number, a comparison one of two words that stand there, and a hop ends where the next
begins. That what is asked is said first teaches what a wording means by itself: of a statement that two counts are
the same, a bare "true" tells little. The expert (`tools.experts.llava`) leaves the steps out and gives what stands
after "Answer:".
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...queries.nodes import (
    Compare,
    Count,
    Exist,
    Filter,
    Intersect,
    Ordinal,
    Program,
    Query,
    Read,
    Relate,
    Same,
    SetNode,
    ThingNode,
    Union,
    Unique,
)
from ...queries.space import Boxes, place_of
from ...scenes.language.captions import Caption, foil, full_caption, partial_caption
from ...scenes.language.dialogue import Said as Line
from ...scenes.language.forms import Form, Listed, Placed, Related, Set, Some, fits, holds
from ...scenes.language.grammar import intent_of
from ...scenes.language.nlvr import Pair, Statement
from ...scenes.language.phrases import FACETS, article, attributes_of, noun_phrase
from ...scenes.language.programs import certain_of, thing_of
from ...scenes.language.wordings import apart, frames_of, held_out_of
from ...scenes.scene import Scene, Thing
from ...scenes.space import centres, raster_order
from .tokenizer import ANSWER, BINS

SHORT = ("Describe the picture in short.", "Describe the picture shortly.", "What is in the picture?",
         "Give a short caption.", "What does the picture show?", "Caption this picture.", "In short, what is here?",
         "Sum the picture up in one sentence.")  # fmt: skip
DETAILED = ("Describe the picture in detail.", "Describe everything in the picture.",
            "Give a detailed description of the picture.", "Tell me all that there is in the picture.",
            "Describe this picture at length.", "What is in the picture, in detail?")  # fmt: skip
DENSE = ("List the things in the picture.", "List everything.")
STATEMENT = ("True or false: {}", "True or false: {}?", "True or false: {}.", "Is this true of the picture: {}?",
             "Does this hold of the picture: {}?", "Is it true that this is shown: {}?", "Does the picture agree: {}?",
             "Is this caption true: {}?", "Is it right to say: {}?", "Check this caption: {}.",
             "{}. True or false?", "{}. Is that true?", "Someone says of the picture: {}. Is that so?",
             "Do you agree: {}?", "Tell me if this is true: {}.",
             "Does the caption fit the picture: {}?")  # fmt: skip
PAIR = ("True or false: {}", "True or false: {}.", "Is this true of the pictures: {}?",
        "True or false of the two pictures: {}?", "Does this hold of the pictures: {}?", "{}. True or false?",
        "{}. Is that true?", "Do you agree: {}?", "Tell me if this is true: {}.", "Check this: {}.")  # fmt: skip
SIGN = ("What does the sign say?", "Read the sign.", "What is written on the sign?", "Which word is on the sign?",
        "Read it.", "What does it say?", "What is written here?", "What is written there?", "Read the word.",
        "Tell me what the sign says.", "Tell me the word.", "What word is this?", "What do you read here?",
        "Which letters are these?", "Can you read this?", "The word, please.", "Spell the word.", "Name the word.",
        "Which word does this sign show?", "What stands on the sign?")  # fmt: skip
HELD_OUT_ASKED = held_out_of("asking")
CROP = {
    "shape": (
        "What is this?",
        "What shape is this thing?",
        "What thing is this?",
        "What is it?",
        "Tell me what it is.",
        "What kind of thing is this?",
        "What do you see here?",
    ),
    "color": (
        "What colour is it?",
        "What color is this thing?",
        "Which colour is this?",
        "Tell me its colour.",
        "What is the colour of this thing?",
        "Its color?",
    ),
    "material": (
        "What is it made of?",
        "What material is this thing?",
        "Which material is it?",
        "Tell me its material.",
        "What is this thing made of?",
    ),
    "all": ("Describe this thing.", "Describe it.", "Tell me about this thing.", "Describe what you see here."),
}
# More of each, to train with.
_MORE = frames_of("asking")
SHORT, DETAILED, PAIR = SHORT + _MORE["short"], DETAILED + _MORE["detailed"], PAIR + _MORE["pair"]
STATEMENT += apart(_MORE["statement"], HELD_OUT_ASKED["statement"])
SIGN += apart(_MORE["sign"], HELD_OUT_ASKED["sign"])
CROP = {asked: frames + _MORE[f"crop_{asked}"] for asked, frames in CROP.items()}
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")
_SIDES = ("first", "second")
_ON = {"plain": "On a plain background", "desk": "On a desk", "street": "On a street", "shelf": "On a shelf"}
_AT = {"centre": "in the centre"}


@dataclass(frozen=True)
class Turn:
    """A question and what the assistant says to it."""

    question: str
    reply: str


def mention(scene: Scene, at: int, boxes: Boxes | None) -> str:
    """Where a thing is and what it is: "c12 r7 large red rubber ball"."""
    x, y = centres(scene, boxes)[at]
    column, row = (min(BINS - 1, max(0, int(value * BINS))) for value in (x, y))
    return f"c{column} r{row} " + named(scene.things[at])


def named(thing: Thing) -> str:
    """All of a thing's attributes, canonically: "large red rubber ball"."""
    return f"{thing.size} {thing.color} {thing.material} {thing.shape}"


def listed(
    scene: Scene, members: Iterable[int], boxes: Boxes | None, ordered: bool = False, said: str = "", first: int = 1
) -> str:
    """Things counted from `first` on, from left to right unless they are `ordered` already; "none" for no things.

    What was `said` of them stands before each: looking for a thing is then finding what the last words name.
    """
    points = centres(scene, boxes)
    order = list(members) if ordered else sorted(members, key=lambda i: (int(points[i][0] * BINS), points[i][1]))
    before = f"{said} " if said else ""
    return " ".join(f"{n} {before}{mention(scene, i, boxes)}" for n, i in enumerate(order, first)) or f"{before}none"


def said_of(node: SetNode) -> str:
    """What a description says of a set in canonical words: relation or "same" first, then attributes."""
    attributes: dict[str, str] = {}
    while isinstance(node, Filter):
        attributes[node.facet] = node.value
        node = node.source
    match node:
        case Relate(_, relation):
            first = [relation]
        case Same(_, facet):
            first = ["same", facet]
        case Intersect(Relate(_, one), Relate(_, other)):
            first = [one, other]
        case _:
            first = []
    return " ".join([*first, *(attributes[facet] for facet in FACETS if facet in attributes)])


class _Steps:
    """The sets that a program speaks of, in the order in which it is worked out."""

    def __init__(self, scene: Scene, boxes: Boxes | None) -> None:
        self.scene, self.boxes = scene, boxes
        self.said: list[str] = []

    def tell(self, members: Iterable[int], said: str, ordered: bool = False) -> None:
        text = listed(self.scene, members, self.boxes, ordered, said)
        if text not in self.said:
            self.said.append(text)

    def thing(self, node: ThingNode) -> None:
        match node:
            case Unique(source):
                self.inside(source)
                self.tell([thing_of(node, self.scene, self.boxes)], said_of(source))
            case Ordinal(source, rank, towards):
                self.inside(source)
                if towards in ("largest", "smallest"):
                    self.tell([thing_of(node, self.scene, self.boxes)], f"{towards} {said_of(source)}".strip())
                else:
                    self.tell(self._row(source, rank, towards), f"{towards} {said_of(source)}".strip(), ordered=True)

    def _row(self, source: SetNode, rank: int, towards: str) -> list[int]:
        """The first things of the order up to the one that is meant, by their centres."""
        axis, sign = {"left": (0, 1), "right": (0, -1), "top": (1, 1), "bottom": (1, -1)}[towards]
        points = centres(self.scene, self.boxes)
        members = sorted(certain_of(source, self.scene, self.boxes), key=lambda i: sign * points[i][axis])
        return members[:rank]

    def inside(self, node: SetNode) -> None:
        match node:
            case Filter(source, _, _):
                self.inside(source)
            case Relate(anchor, _) | Same(anchor, _):
                self.thing(anchor)
            case Union(first, second) | Intersect(first, second):
                self.inside(first)
                self.inside(second)
            case _:
                pass

    def set(self, node: SetNode) -> None:
        self.inside(node)
        if isinstance(node, Union):
            self.either(node)
        else:
            self.tell(certain_of(node, self.scene, self.boxes), said_of(node))

    def either(self, node: Union) -> None:
        """One side after the other, counted on; what is of both sides stands with the first."""
        first = certain_of(node.first, self.scene, self.boxes)
        rest = certain_of(node.second, self.scene, self.boxes) - first
        self.tell(first, said_of(node.first))
        self.said.append(listed(self.scene, rest, self.boxes, said=said_of(node.second), first=len(first) + 1))


def steps(program: Program, scene: Scene, boxes: Boxes | None = None) -> str:
    """What is told before the answer of a program."""
    told = _Steps(scene, boxes)
    match program:
        case Count(source) | Exist(source):
            told.set(source)
        case Query(anchor, _) | Read(anchor):
            told.thing(anchor)
        case Compare(Count(first), Count(second), _):
            told.set(first)
            told.said.append("and")
            told.set(second)
        case Compare(Unique() | Ordinal() as first, Unique() | Ordinal() as second, _):
            told.thing(first)
            told.said.append("and")
            told.thing(second)
    return "; ".join(told.said).replace("; and; ", "; and ").removesuffix("; and") or "none"


def asked_for(program: Program) -> str:
    """What a program asks for, in a word or two."""
    match program:
        case Compare(Unique() | Ordinal(), _, facet):
            return f"same {facet}"
        case _:
            return intent_of(program)


def reply(program: Program, answer: str, scene: Scene, boxes: Boxes | None = None) -> str:
    """What is asked for, steps and answer."""
    return f"{asked_for(program)}: {steps(program, scene, boxes)}{ANSWER} {answer}"


def line(said: Line, scene: Scene, boxes: Boxes | None = None) -> Turn:
    """A question of a conversation with its reply."""
    return Turn(said.text, reply(said.program, said.answer, scene, boxes))


# ---------------------------------------------------------------- statements


def verdict(form: Form, true: bool, scene: Scene, boxes: Boxes | None) -> str:
    """What is told about a statement: the things that it may speak of, then "true" or "false"."""
    told: list[str] = []
    for clause in form:
        match clause:
            case Set(_):
                told.append(scene.backdrop)
            case Some(said, _) | Placed(said, _):
                told.append(_fitting(said, scene, boxes))
            case Related(first, _, second):
                told += [_fitting(first, scene, boxes), _fitting(second, scene, boxes)]
            case Listed(_):
                order = [scene.things.index(thing) for thing in raster_order(scene)]
                told.append(listed(scene, order, boxes, ordered=True))
    return "; ".join(told) + f"{ANSWER} {'true' if true else 'false'}"


def _fitting(said: tuple[tuple[str, str], ...], scene: Scene, boxes: Boxes | None) -> str:
    words = " ".join(value for facet, value in said if facet in FACETS)
    return listed(scene, [i for i, thing in enumerate(scene.things) if fits(said, thing)], boxes, said=words)


def statement(
    scene: Scene, rng: random.Random, boxes: Boxes | None, asked: Sequence[str] = STATEMENT
) -> tuple[Turn, bool] | None:
    """A true caption or a FOIL of one, as a question `asked` in one of these ways; with whether it is true."""
    made: Caption | None = full_caption(scene, rng, words=False) if rng.random() < 0.2 else None
    made = made or partial_caption(scene, rng, boxes)
    true = rng.random() < 0.5
    if not true:
        made = foil(made, scene, rng)
        if made is None or holds(made.form, scene, boxes):
            return None
    return Turn(rng.choice(asked).format(made.text), verdict(made.form, true, scene, boxes)), true


def claimed(form: Pair) -> str:
    """What a statement on two pictures claims: "both", "more second", "total 3" ..."""
    match form.kind:
        case "more":
            return f"more {_SIDES[form.which]}"
        case "count":
            return f"{_SIDES[form.which]} {form.number}"
        case "total":
            return f"total {form.number}"
        case "as many":
            return "equal"
        case kind:
            return kind


def pair_reply(told: Statement, scenes: tuple[Scene, Scene], boxes: tuple[Boxes, Boxes] | None) -> str:
    """What is told about a statement on two pictures: what it claims, the things it speaks of in each, the verdict."""
    form: Pair = told.form
    sides = (form.said, form.other or form.said)
    parts = [
        f"{which} {_fitting(said, scene, None if boxes is None else boxes[i])}"
        for i, (which, said, scene) in enumerate(zip(_SIDES, sides, scenes, strict=True))
        if not (form.kind == "count" and i != form.which)
    ]
    return f"{claimed(form)}: " + "; ".join(parts) + f"{ANSWER} {'true' if told.true else 'false'}"


# ---------------------------------------------------------------- descriptions


def dense(scene: Scene, boxes: Boxes | None) -> str:
    """All things in raster order, counted: what the projector is taught with."""
    order = [scene.things.index(thing) for thing in raster_order(scene)]
    return f"{scene.backdrop}; " + listed(scene, order, boxes, ordered=True)


def short(scene: Scene) -> str:
    """One sentence: the backdrop, and the things by colour and shape, in raster order."""
    told = [article(noun_phrase(attributes_of(thing, ("color", "shape")))) for thing in raster_order(scene)]
    return f"{_and(told)}, {_ON[scene.backdrop].lower()}."


def detailed(scene: Scene, boxes: Boxes | None) -> str:
    """A paragraph: how many things there are, then each with all attributes, its place, and its sign."""
    points = centres(scene, boxes)
    many = len(scene.things)
    text = [f"{_ON[scene.backdrop]} there {'is one thing' if many == 1 else f'are {_NUMBERS[many]} things'}."]
    for thing in raster_order(scene):
        place = place_of(*points[scene.things.index(thing)])
        sign = f" with a sign that says {thing.word}" if thing.word else ""
        text.append(f"{_AT.get(place, f'at the {place}')} {article(noun_phrase(thing))}{sign}.")
    return " ".join(text)


def _and(parts: list[str]) -> str:
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0]


def about_crop(thing: Thing, rng: random.Random) -> Turn:
    """A question about a crop of one thing; the size is hidden there."""
    asked = rng.choice(list(CROP))
    told = f"{thing.color} {thing.material} {thing.shape}"
    if asked == "all":
        return Turn(rng.choice(CROP["all"]), article(noun_phrase(attributes_of(thing, FACETS[1:]))))
    return Turn(rng.choice(CROP[asked]), f"{told}{ANSWER} {getattr(thing, asked)}")
