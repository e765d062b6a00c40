"""What detectors found in a picture, as a world that the question language (`queries`) can be executed in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

from ...memory.records import Box
from ..contracts import ToolContext
from ..look import Look
from ..requests import Classify, Detect, Match
from .finding import ANYTHING, MARGIN, TRUE_FROM, apart_for, asked_for_only, thin_out
from .geometry import SMALL_BELOW, centre, longer_side, size_class
from .naming import labels_of

_NO_MATTER = frozenset({"a", "an", "the", "thing", "object", "item", "one"})
SAME_THING = 0.5  # a region and a box that was found overlap by more (IoU): they are of one thing


@dataclass(frozen=True)
class Thing:
    """One thing: its box in xyxy pixels of the whole picture; `handle` where it is a region already."""

    box: Box
    kind: str
    score: float
    handle: str | None = None


class FoundWorld:
    """The things of one picture as a `queries.execute.World`; words and attributes are asked for in batches.

    The first `count` of them (all, where None) are "among" what was "found"; the others are there to be related to.
    """

    strict = False

    def __init__(self, context: ToolContext, look: Look, things: Sequence[Thing], count: int | None = None) -> None:
        self.context, self.look, self.things = context, look, things
        self.count = len(things) if count is None else count
        self.load = cache(look.view.load)  # all the crops are cut from one opening of the picture
        self.small = float(context.about("detector").get("small_below", SMALL_BELOW))
        self.apart = asked_for_only(context.about("detector"))
        self._likely: dict[str, list[float]] = {}
        self._values: dict[str, list[str]] = {}

    def __len__(self) -> int:
        return len(self.things)

    def holds(self, thing: int, facet: str, value: str) -> bool:
        """Whether words ("phrase") or a size are true of a thing."""
        if facet == "phrase":
            return self.likely(value)[thing] >= TRUE_FROM
        if facet == "among":
            return thing < self.count
        return self.value(thing, facet) == value

    def likely(self, phrase: str) -> list[float]:
        """How likely words are true of each thing, as CLIP sees its crop, cut at the picture's own resolution."""
        if phrase not in self._likely:
            self._likely[phrase] = self._judged(phrase.lower(), phrase)
        return self._likely[phrase]

    def _judged(self, word: str, phrase: str) -> list[float]:
        if word in self.apart:
            return [one.score if one.kind in self.apart else 0.0 for one in self.things]
        named = bool(self.apart & set(word.split()))
        if word in ANYTHING:  # a doubtful box is a thing all the same
            fits = [max(one.score, TRUE_FROM) for one in self.things]
        else:
            fits = [float(one[0]) for one in self._ask([Match(crop, (phrase,)) for crop in self._crops()])]
        return [
            p if named or one.handle or one.kind not in self.apart else 0.0
            for p, one in zip(fits, self.things, strict=True)
        ]

    def is_so(self, thing: int, words: str) -> bool:
        """Whether a thing is what words say: word by word where all are values of facets, else as CLIP sees it whole.

        So "is it metal" and "what is it made of" always agree.
        """
        wanted: dict[str, str] = {}
        named = self._named
        for word in words.lower().split():
            if word in named:
                facet, value = named[word]
                wanted[facet] = value
            elif word not in _NO_MATTER:
                return self.holds(thing, "phrase", words)
        own = self.things[thing].kind
        apart = {"kind": own} if own in self.apart else {}  # a sign is a sign, whatever CLIP would rather see
        return all(apart.get(facet, self.value(thing, facet)) == value for facet, value in wanted.items())

    @cached_property
    def _named(self) -> dict[str, tuple[str, str]]:
        """Words for values of facets: "red" -> ("color", "red"), "wooden" -> ("material", "wood")."""
        about = self.context.about("clip")
        named = {size: ("size", size) for size in ("small", "large")}
        for facet in ("color", "material", "kind"):
            named |= {label.lower(): (facet, label) for label in labels_of(about, facet)}
        return named | {said.lower(): ("material", label) for label, said in dict(about.get("materials", {})).items()}

    def value(self, thing: int, facet: str) -> str | None:
        """A thing's size by its box, its kind, or what CLIP chooses among the labels that it declares."""
        if facet == "size":
            return size_class(self.things[thing].box, self.look.picture.size, self.small)
        if facet not in self._values:
            self._values[facet] = self._classified(facet)
        return self._values[facet][thing]

    def _classified(self, facet: str) -> list[str]:
        labels = labels_of(self.context.about("clip"), facet)
        if not labels or (facet == "kind" and all(one.handle is None for one in self.things)):
            return [one.kind for one in self.things]
        shares = self._ask([Classify(crop, labels) for crop in self._crops()])
        return [labels[max(range(len(labels)), key=lambda at: float(one[at]))] for one in shares]

    def _ask(self, requests: list[Any]) -> list[Any]:
        return self.context.experts.ask("clip", requests) if requests else []

    def _crops(self) -> list[Any]:
        return [
            replace(self.context.view_of(self.look.picture, one.box, MARGIN), load=self.load) for one in self.things
        ]

    def best(self, phrase: str, but: Sequence[int | None] = ()) -> int | None:
        """The position of the thing, among those found and none of `but`, that words fit best; None: they fit none."""
        likely = self.likely(phrase)[: self.count]
        at = max((at for at in range(len(likely)) if at not in but), key=likely.__getitem__, default=None)
        return at if at is not None and likely[at] >= TRUE_FROM else None

    def centre(self, thing: int) -> tuple[float, float]:
        """The centre of its box, in shares of the picture's sides."""
        x, y = centre(self.things[thing].box)
        return x / self.look.picture.width, y / self.look.picture.height

    def length(self, thing: int) -> float:
        """Its longer side, as a share of the picture's longer side."""
        return longer_side(self.things[thing].box) / max(self.look.picture.size)

    def box(self, thing: int) -> Sequence[float]:
        """Its box, in shares of the picture's longer side."""
        return [value / max(self.look.picture.size) for value in self.things[thing].box]

    def frame(self, thing: int) -> int:
        """All are in one picture."""
        return 0


def detected(context: ToolContext, look: Look, phrases: Sequence[str]) -> list[Thing]:
    """The things that the detector finds in a look, best first; one that takes words is asked for each phrase.

    Signs and the like (`asked_for_only`) are among them only where a phrase names them.
    """
    about = context.about("detector")
    words = [None if phrase.lower() in ANYTHING else phrase for phrase in dict.fromkeys(phrases)]
    asked: list[str | None] = list(dict.fromkeys(words))
    if about.get("fixed_names"):
        asked = [words[0]]
    found: list[Thing] = []
    for detections in context.experts.ask("detector", [Detect(look.view, phrase) for phrase in asked]):
        kept = apart_for(detections, [phrase.lower() for phrase in phrases], asked_for_only(about))
        boxes, scores, kinds = thin_out(kept, look.picture.size)
        found += [Thing(box, kind, score) for box, kind, score in zip(boxes, kinds, scores, strict=True)]
    if len(asked) == 1:
        return found
    different: list[Thing] = []
    for one in sorted(found, key=lambda one: -one.score):
        if all(overlap(one.box, other.box) <= SAME_THING for other in different):
            different.append(one)
    return different


def overlap(first: Box, second: Box) -> float:
    """The IoU of two xyxy boxes."""
    width = max(0.0, min(first[2], second[2]) - max(first[0], second[0]))
    height = max(0.0, min(first[3], second[3]) - max(first[1], second[1]))
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second))
    return width * height / max(areas - width * height, 1e-9)
