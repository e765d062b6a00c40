"""What a request is about: things by what they are and are not, where they stand, and in which order.

A target has two faces: the words that people use for it, and the arguments of `find_objects` that pick it out. They are
drawn together, so that a request and its call always say the same.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ...scenes.language.phrases import SIZE_WORDS, article, noun_phrase, plural_of
from ...scenes.scene import COLORS, MATERIALS, SHAPES
from ..controller.synthetic.workspace import SyntheticPicture
from ..controller.wording.noun_phrases import outside_noun

RELATION_WORDS: dict[str, tuple[str, ...]] = {
    "left of": ("left of", "to the left of", "on the left of", "on the left side of", "left from", "further left than"),
    "right of": ("right of", "to the right of", "on the right of", "on the right side of", "right from",
                 "further right than"),
    "above": ("above", "over", "higher than", "higher up than", "on top of", "further up than"),
    "below": ("below", "under", "beneath", "underneath", "lower than", "lower down than"),
    "next to": ("next to", "beside", "right next to", "close to", "near", "by", "touching"),
    "nearest to": ("nearest to", "closest to", "nearest", "closest to"),
    "farthest from": ("farthest from", "furthest from", "furthest away from", "farthest away from"),
    "inside": ("inside", "within", "in"),
    "same color as": ("the same colour as", "the same color as", "with the same colour as", "in the same color as",
                      "that match the colour of"),
    "same material as": ("made of the same material as", "of the same material as", "made of the same stuff as"),
    "same kind as": ("of the same kind as", "with the same shape as", "of the same shape as"),
    "same size as": ("as big as", "the same size as", "of the same size as"),
}  # fmt: skip
ORDER_WORDS: dict[str, tuple[str, ...]] = {
    "largest": ("largest", "biggest", "largest"), "smallest": ("smallest", "tiniest", "littlest"),
    "leftmost": ("leftmost", "left-most"), "rightmost": ("rightmost", "right-most"),
    "topmost": ("topmost", "highest", "uppermost"), "bottommost": ("lowest", "bottommost", "lowermost"),
    "central": ("middle", "most central", "central"),
}  # fmt: skip
FROM = {"leftmost": "left", "rightmost": "right", "topmost": "top", "bottommost": "bottom"}
RANKS = ("first", "second", "third", "fourth", "fifth")
SHORT_RANKS = ("1st", "2nd", "3rd", "4th", "5th")
ADJECTIVES = {"rubber": "rubber", "metal": "metal", "wood": "wooden"}
HEADS = ("thing", "thing", "thing", "object", "item")


@dataclass(frozen=True)
class Target:
    """Things, in words and as a call.

    Attributes:
        one: the words in the singular, without an article: "red cube left of the ball".
        many: the same in the plural.
        arguments: of `find_objects`, without the picture.
        before: the target that the anchor is looked for by first, where a relation has a relation inside.
        facets: of a plain target, its facets by name, so that a follow-up can change one.
        anchors: what relations are to, in words.
        ordered: whether it is one by its place in an order ("largest").
    """

    one: str
    many: str
    arguments: dict[str, Any] = field(default_factory=dict)
    before: Target | None = None
    facets: dict[str, str] | None = None
    anchors: tuple[str, ...] = ()
    ordered: bool = False

    @property
    def a(self) -> str:
        """With "a" or "an"."""
        return article(self.one)


def plain(facets: dict[str, str], rng: random.Random) -> Target:
    """A target by facets alone: "small red cubes"; in calls, the size is an argument of its own."""
    bare = {name: value for name, value in facets.items() if name != "size"}
    phrase = noun_phrase(bare) if bare else "everything"
    said = rng.getrandbits(32) if rng.random() < 0.25 else None
    one, many = (noun_phrase(bare, None if said is None else random.Random(said), plural) for plural in (False, True))
    if "shape" not in bare:
        head = rng.choice(HEADS)
        words = " ".join([bare.get("color", ""), ADJECTIVES.get(bare.get("material", ""), "")]).strip()
        one, many = f"{words} {head}".strip(), f"{words} {head}s".strip()
        if set(bare) == {"material"} and rng.random() < 0.3:
            one, many = f"{head} made of {bare['material']}", f"{head}s made of {bare['material']}"
    arguments: dict[str, Any] = {"phrase": phrase}
    if "size" in facets:
        word = rng.choice(SIZE_WORDS[facets["size"]])
        one, many = f"{word} {one}", f"{word} {many}"
        arguments["size"] = facets["size"]
    return Target(one, many, arguments, facets=dict(facets))


def some_facets(rng: random.Random, sheet: SyntheticPicture | None, least: Sequence[str] = ()) -> dict[str, str]:
    """Facets of a thing that is there, mostly; a shape with or without a colour, now and then more."""
    names = set(rng.choice((("shape",), ("shape",), ("color", "shape"), ("color", "shape"), ("color",),
                            ("material", "shape"), ("material",), ("color", "material"), ("size", "shape"),
                            ("size", "color", "shape"), ("color", "material", "shape"), ("size",),
                            ("size", "color"))))  # fmt: skip
    names |= set(least)
    if sheet is not None and sheet.items and rng.random() < 0.82:
        there = rng.choice(sheet.items).attributes
        return {name: there[name] for name in ("size", "color", "material", "shape") if name in names}
    drawn = {"size": rng.choice(("small", "large")), "color": rng.choice(tuple(COLORS)),
             "material": rng.choice(MATERIALS), "shape": rng.choice(SHAPES)}  # fmt: skip
    return {name: drawn[name] for name in ("size", "color", "material", "shape") if name in names}


def stranger(rng: random.Random) -> Target:
    """A target from outside the drawn world, or of no world at all."""
    noun = outside_noun(rng)
    return Target(noun.one, noun.many, noun.arguments, facets=None)


def one_thing(rng: random.Random, sheet: SyntheticPicture | None) -> Target:
    """A plain target that names a kind of thing: what relations are to, and what "the ..." means."""
    if rng.random() < 0.06:
        return stranger(rng)
    facets = some_facets(rng, sheet, ("shape",))
    if rng.random() < 0.7:
        facets.pop("size", None)
    return plain(facets, rng)


def anchor_phrase(target: Target) -> str:
    """A plain target as the anchor of a relation."""
    phrase = str(target.arguments["phrase"])
    return f"{target.arguments['size']} {phrase}" if "size" in target.arguments else phrase


# Kinds of targets -------------------------------------------------------------------------------------------------


def any_plain(rng: random.Random, sheet: SyntheticPicture | None) -> Target:
    """Facets, or a stranger."""
    return stranger(rng) if rng.random() < 0.12 else plain(some_facets(rng, sheet), rng)


def alternatives(rng: random.Random, sheet: SyntheticPicture | None) -> Target:
    """Two or three kinds at once: "red or blue things", "cubes and balls"."""
    number = 2 if rng.random() < 0.85 else 3
    if rng.random() < 0.4:  # one facet, several values
        name = rng.choice(("color", "color", "material", "shape"))
        pool = {"color": tuple(COLORS), "material": MATERIALS, "shape": SHAPES}[name]
        if name == "shape":
            return _either([plain({"shape": shape}, rng) for shape in rng.sample(pool, number)], rng)
        values: list[str] = rng.sample(pool, min(number, len(pool)))
        shape = rng.choice(SHAPES) if rng.random() < 0.5 else None
        words = [str(ADJECTIVES.get(value, value)) for value in values]
        said = f"{', '.join(words[:-1])} {rng.choice(('or', 'or', 'and'))} {words[-1]}"
        head = shape or rng.choice(HEADS)
        phrases = [noun_phrase({name: value} | ({"shape": shape} if shape else {})) for value in values]
        return Target(f"{said} {head}", f"{said} {plural_of(head)}",
                      {"phrase": phrases[0], "alternatives": phrases[1:]})  # fmt: skip
    parts = [plain({k: v for k, v in some_facets(rng, sheet, ("shape",)).items() if k != "size"}, rng)
             for _ in range(number)]  # fmt: skip
    return _either(parts, rng)


def _either(parts: list[Target], rng: random.Random) -> Target:
    word = rng.choice(("or", "or", "and", "or"))
    one, many = (
        f"{', '.join(words[:-1])} {word} {words[-1]}"
        for words in ([part.one for part in parts], [part.many for part in parts])
    )
    phrases = [str(part.arguments["phrase"]) for part in parts]
    return Target(one, many, {"phrase": phrases[0], "alternatives": list(dict.fromkeys(phrases[1:]))})


_NOT_NOUN = (
    "{many} that are not {x}", "{many} that aren't {x}", "{many} except {x}", "{many} other than {x}",
    "{many} but not {x}", "{many} which are not {x}", "{many} apart from {x}", "{many} without the {x}",
    "{many} excluding {x}", "{many} that are anything but {x}", "{many} besides the {x}", "{many} not counting {x}",
    "{many} (not {x})", "{many}, leaving out the {x},", "{many}, ignoring {x},", "non-{y} {many}",
)  # fmt: skip
_NOT_ADJECTIVE = (
    "{many} that are not {x}", "{many} that aren't {x}", "{many} which are not {x}", "non-{x} {many}", "non {x} {many}",
    "{many} that are any colour but {x}", "{many} except the {x} ones", "{many} other than the {x} ones",
    "{many} apart from {x} ones", "not-{x} {many}", "{many}, but not the {x} ones,", "{many} without any {x} on them",
)  # fmt: skip


def exceptions(rng: random.Random, sheet: SyntheticPicture | None) -> Target:
    """Some but not others: "things that are not cubes", "cubes that aren't red", "neither red nor blue"."""
    draw = rng.random()
    base = plain({}, rng) if draw < 0.4 else plain(some_facets(rng, sheet), rng)
    head = base.facets or {}
    if rng.random() < 0.55 and "color" not in head and "material" not in head:  # an adjective is denied
        name = rng.choice(("color", "color", "color", "material"))
        value = _value(name, rng, sheet)
        word = ADJECTIVES.get(value, value)
        text = rng.choice([frame for frame in _NOT_ADJECTIVE if name == "color" or "colour" not in frame])
        if name == "material" and rng.random() < 0.4:
            text, word = rng.choice(("{many} not made of {x}", "{many} that are not made of {x}")), value
        denied = [noun_phrase({name: value})]
        if rng.random() < 0.25 and name == "color":
            other = _value(name, rng, sheet)
            if other != value:
                text, word = "{many} that are neither {x}", f"{value} nor {other}"
                denied.append(noun_phrase({name: other}))
        return _without(base, text, word, word, denied)
    if "shape" in head:
        base = plain({k: v for k, v in head.items() if k != "shape"}, rng)
    others = [plain({"shape": _value("shape", rng, sheet)}, rng)]
    if rng.random() < 0.2:
        others.append(plain({"shape": _value("shape", rng, sheet)}, rng))
    if rng.random() < 0.3:
        others = [plain(some_facets(rng, sheet, ("shape", "color")), rng)]
    text = rng.choice(_NOT_NOUN[:-1])
    word = rng.choice((" and ", " or ")).join(one.many for one in others)
    return _without(base, text, word, word, [anchor_phrase(one) for one in others])


def _without(base: Target, text: str, x: str, y: str, denied: list[str]) -> Target:
    one, many = (text.format(many=words, x=x, y=y).strip() for words in (base.one, base.many))
    for plural_form, single in (("that are ", "that is "), ("that aren't", "that isn't"), ("which are ", "which is "),
                                ("the ones", "one"), ("ones", "one")):  # fmt: skip
        one = one.replace(plural_form, single)
    return Target(one, many, base.arguments | {"exceptions": list(dict.fromkeys(denied))})


def _value(name: str, rng: random.Random, sheet: SyntheticPicture | None) -> str:
    if sheet is not None and sheet.items and rng.random() < 0.8:
        return rng.choice(sheet.items).attributes[name]
    return rng.choice({"color": tuple(COLORS), "material": MATERIALS, "shape": SHAPES}[name])


def related(rng: random.Random, sheet: SyntheticPicture | None, relation: str | None = None) -> Target:
    """Things that stand so to another: "cubes left of the red ball"; the anchor may be related itself."""
    relation = relation or rng.choice(
        ("left of", "right of", "above", "below", "left of", "right of", "above", "below", "next to", "next to",
         "nearest to", "nearest to", "farthest from", "between", "between", "inside", "same color as",
         "same material as", "same kind as", "same size as")
    )  # fmt: skip
    base = plain({} if rng.random() < 0.55 else some_facets(rng, sheet), rng)
    if rng.random() < 0.1:
        base = exceptions(rng, sheet)
    anchor = one_thing(rng, sheet)
    arguments = base.arguments | {"relation": relation, "anchor": anchor_phrase(anchor)}
    if relation == "between":
        other = one_thing(rng, sheet)
        place = rng.choice(("between the {} and the {}", "between the {} and {}", "in between the {} and the {}",
                            "that stand between the {} and the {}"))  # fmt: skip
        place = place.format(anchor.one, other.one)
        arguments["anchor2"] = anchor_phrase(other)
        return _placed(base, place, arguments, (anchor.one, other.one))
    words = rng.choice(RELATION_WORDS[relation])
    if relation in ("nearest to", "farthest from"):
        base = replace(base, many=base.one)
    draw = rng.random()
    if draw < 0.12 and not relation.startswith("same"):
        inner = related(rng, sheet, rng.choice(("left of", "right of", "above", "below", "next to", "nearest to")))
        if inner.before is None:
            place = f"{words} the {inner.one}"
            return replace(_placed(base, place, arguments | {"anchor": "reg_"}, inner.anchors), before=inner)
    if draw < 0.2 and not relation.startswith("same"):
        inner = ordered(rng, sheet)
        place = f"{words} the {inner.one}"
        return replace(_placed(base, place, arguments | {"anchor": "reg_"}, (inner.one,)), before=inner)
    return _placed(base, f"{words} {rng.choice(('the', 'the', 'the', 'that'))} {anchor.one}", arguments, (anchor.one,))


def _placed(base: Target, place: str, arguments: dict[str, Any], anchors: tuple[str, ...]) -> Target:
    return Target(f"{base.one} {place}", f"{base.many} {place}", arguments, anchors=anchors)


def ordered(rng: random.Random, sheet: SyntheticPicture | None) -> Target:
    """One by its place in an order: "largest cube", "second thing from the left"."""
    base = plain({}, rng) if rng.random() < 0.4 else plain(some_facets(rng, sheet), rng)
    if "size" in base.arguments:
        base = plain({name: value for name, value in (base.facets or {}).items() if name != "size"}, rng)
    order = rng.choice(tuple(ORDER_WORDS))
    if order == "central":
        middle = rng.choice(("in the middle", "in the centre", "in the center", "in the middle of the picture",
                             "right in the middle", "nearest to the centre"))  # fmt: skip
        word = rng.choice(ORDER_WORDS[order])
        one = f"{word} {base.one}" if rng.random() < 0.35 else f"{base.one} {middle}"
        return Target(one, one, base.arguments | {"order": order, "at_most": 1}, ordered=True)
    if rng.random() < 0.45:
        rank = rng.choice((2, 2, 2, 3, 3, 4, 1))
        name = (RANKS if rng.random() < 0.75 else SHORT_RANKS)[rank - 1]
        if order in FROM:
            text = rng.choice(("{n} {t} from the {s}", "{n} {t} from the {s}", "{n} {t} counting from the {s}",
                               "{t} that is {n} from the {s}"))  # fmt: skip
            one = text.format(n=name, t=base.one, s=FROM[order])
        else:
            one = f"{name} {rng.choice(ORDER_WORDS[order])} {base.one}"
        return Target(one, one, base.arguments | {"order": order, "rank": rank}, ordered=True)
    word = rng.choice(ORDER_WORDS[order])
    if order in FROM and rng.random() < 0.3:
        one = rng.choice((f"{base.one} furthest to the {FROM[order]}", f"first {base.one} from the {FROM[order]}"))
    else:
        one = f"{word} {base.one}"
    return Target(one, one, base.arguments | {"order": order, "at_most": 1}, ordered=True)


def two_places(rng: random.Random, sheet: SyntheticPicture | None) -> Target:
    """The largest of what stands somewhere: an order within a relation."""
    place = related(rng, sheet, rng.choice(("left of", "right of", "above", "below", "next to")))
    if place.before is not None:
        return place
    order = rng.choice(tuple(ORDER_WORDS))
    one = f"{rng.choice(ORDER_WORDS[order])} {place.one}"
    return replace(place, one=one, many=one, arguments=place.arguments | {"order": order, "at_most": 1}, ordered=True)


Kinds = tuple[tuple[Callable[[random.Random, SyntheticPicture | None], Target], float], ...]
ONE: Kinds = ((one_thing, 46), (related, 22), (ordered, 22), (two_places, 4), (any_plain, 6))
KINDS: Kinds = (
    (any_plain, 34), (alternatives, 12), (exceptions, 16), (related, 26), (ordered, 10), (two_places, 2),
)  # fmt: skip


def draw_target(rng: random.Random, sheet: SyntheticPicture | None, *, one: bool = False) -> Target:
    """Any target; with `one`, of the kinds that mean one thing."""
    kinds = ONE if one else KINDS
    return rng.choices([kind for kind, _ in kinds], [weight for _, weight in kinds])[0](rng, sheet)


def typed(words: str, rng: random.Random, much: float) -> str:
    """Words as people type them: now and then a letter is lost, doubled or swapped in one of them."""
    if rng.random() >= much:
        return words
    parts = words.split(" ")
    long = [at for at, word in enumerate(parts) if len(word) > 3 and word.isalpha()]
    if not long:
        return words
    at = rng.choice(long)
    word, place, kind = parts[at], rng.randrange(1, len(parts[at]) - 1), rng.randrange(4)
    if kind == 0:
        parts[at] = word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    elif kind == 1:
        parts[at] = word[:place] + word[place + 1 :]
    elif kind == 2:
        parts[at] = word[:place] + word[place] + word[place:]
    else:
        parts[at] = word[:place] + rng.choice("aeioustrn") + word[place + 1 :]
    return " ".join(parts)
