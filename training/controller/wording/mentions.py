"""How users put what a request names: superlatives, pictures, "it", sums and lists of labels."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ....scenes.scene import COLORS, MATERIALS, SHAPES
from .noun_phrases import outside_noun

IDLE = (
    "individual", "separate", "single", "visible", "different", "distinct", "various", "actual", "particular",
    "specific", "certain", "lone", "whole", "entire", "existing", "nearby", "very", "apparent", "present", "respective",
    "possible", "relevant", "real", "main", "following", "usual", "common", "ordinary", "typical", "obvious",
    "available", "said",
)  # fmt: skip
ORDERS = {
    "largest": ("biggest", "largest"), "smallest": ("smallest", "tiniest", "littlest"),
    "leftmost": ("leftmost", "left-most"), "rightmost": ("rightmost", "right-most"),
    "topmost": ("topmost", "highest", "uppermost", "top-most"), "bottommost": ("lowest", "bottommost", "lowermost"),
}  # fmt: skip
IT = ("it", "it", "it", "it", "that one", "this one", "that thing", "the thing", "that object", "that")
THEM = ("them", "them", "these", "those", "all of them", "them all")
THE_PICTURE = (
    "the picture", "the picture", "the image", "this picture", "this image", "the photo", "this photo", "the pic",
    "my picture", "that picture", "my photo", "the shot", "that image", "my image",
)  # fmt: skip
THIS = ("this", "this one", "that one", "it", "it", "that")  # a picture, where no thing was spoken of
NUMBER_WORDS = {2: "two", 3: "three", 4: "four"}
ORDINALS = ("first", "second", "third", "fourth")
WORDS_FOR = {"+": ("plus",), "-": ("minus",), "*": ("times", "x", "multiplied by"), "/": ("divided by", "over")}


def draw_expression(rng: random.Random) -> tuple[str, str]:
    """Arithmetic as a user writes it, and as the calculator takes it."""
    numbers = [
        str(rng.randrange(1, 10 ** rng.choice((1, 2, 2, 3, 4)))) if rng.random() < 0.9 else f"{rng.uniform(0, 99):.1f}"
        for _ in range(rng.choice((2, 2, 2, 3)))
    ]
    said, written = numbers[0], numbers[0]
    words = rng.random() < 0.5
    for number in numbers[1:]:
        sign = rng.choice("+-*/")
        word = rng.choice(WORDS_FOR[sign]) if words else sign
        said, written = f"{said} {word} {number}", f"{written} {sign} {number}"
    if not words and rng.random() < 0.2:
        said = said.replace(" ", "")
    if len(numbers) == 3 and not words and rng.random() < 0.4:
        written = f"({numbers[0]} {written.split()[1]} {numbers[1]}) {written.split()[3]} {numbers[2]}"
        said = written
    return said, written


def draw_labels(rng: random.Random) -> tuple[list[str], str]:
    """Labels to choose from, and how a user lists them."""
    number = rng.choice((2, 2, 3, 3, 3, 4, 5))
    draw = rng.random()
    if draw < 0.55:
        pool: Sequence[str] = rng.choice(
            (tuple(COLORS), MATERIALS, SHAPES, ("desk", "street", "shelf", "plain background"))
        )
        labels = rng.sample(pool, min(number, len(pool)))
    else:
        labels = list(dict.fromkeys(outside_noun(rng).phrase for _ in range(number)))
    if len(labels) < 2:
        return draw_labels(rng)
    with_articles = draw >= 0.55 and rng.random() < 0.3
    shown = [f"a {label}" if with_articles and label[0] not in "aeiou" else label for label in labels]
    last = rng.choice((" or ", " or ", ", or ", ", "))
    return labels, ", ".join(shown[:-1]) + last + shown[-1]


def draw_pictures(rng: random.Random, handles: Sequence[str], first: bool) -> str:
    """How a user speaks of several pictures at once.

    Args:
        rng: draws the words.
        handles: of the pictures.
        first: whether they are all that the user sent, from img_1 on, so that they can be counted.
    """
    number = NUMBER_WORDS[len(handles)]
    word = rng.choice(("pictures", "pictures", "images", "photos", "pics", "ones"))
    ways = [
        f"the {number} {word}", f"these {number} {word}", f"these {word}", f"my {number} {word}", f"those {word}",
        f"the {word}", f"{number} {word}", "them", f"{', '.join(handles[:-1])} and {handles[-1]}",
        f"{', '.join(handles[:-1])} and {handles[-1]}", "all of them" if len(handles) > 2 else f"both {word}",
        f"all {number} {word}" if len(handles) > 2 else f"both of the {word}",
    ]  # fmt: skip
    if first and len(handles) == 2:
        ways += ["the first and the second picture", "picture 1 and picture 2", "the first picture and the second"]
    return rng.choice(ways)
