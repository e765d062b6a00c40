"""What a model of the drawn world declares of itself, in its `config.json` under "saccade".

Recipes write it there; experts that answer from a scene's truth say the same. Tools ask for it (`ToolContext.about`)
instead of knowing any model.
"""

from __future__ import annotations

import itertools
import math
import statistics
from functools import cache
from typing import Any

from .language.phrases import COLOR_WORDS, MATERIAL_WORDS, SHAPE_WORDS, SIZE_WORDS, plural_of
from .scene import COLORS, SHAPES, SIZES

ABOUT: dict[str, dict[str, Any]] = {
    "clip": {
        "colors": [*COLORS],
        "kinds": [*SHAPES],
        "materials": {"rubber": "rubber", "metal": "metal", "wood": "wooden"},  # the label, and what is said of a thing
        "domain": "the drawn pictures that the bundled models know",
    },
    "detector": {
        "asked_for_only": ["sign"],  # boxes of signs are for reading, and no things among the others
        "fixed_names": True,  # whatever it is asked for, it finds what it knows
        "small_below": round(math.sqrt(math.prod(SIZES.values())), 3),  # between the two sizes that there are
    },
}


BACKGROUNDS = {  # of a scene, as they are named to the painter, and how else people name them
    "plain background": ["background", "plain", "wall"], "desk": ["table", "desktop"], "street": ["road"],
    "shelf": ["shelves"],
}  # fmt: skip


def about(role: str) -> dict[str, Any]:
    """What the model in a role declares; {} where it declares nothing."""
    return _painter() if role == "painter" else ABOUT.get(role, {})


@cache
def _painter() -> dict[str, Any]:
    from .drawing.shapes import VARIANTS, pose

    def proportion(kind: str) -> float:
        """The width of a kind of thing beside its height, as it is drawn: the middle one of its variants."""
        held = [pose(kind, variant, 0.0) for variant in range(VARIANTS)]
        return round(statistics.median(one.width / one.height for one in held), 3)

    tables = (COLOR_WORDS, MATERIAL_WORDS, SIZE_WORDS)
    return {
        "grounded": True,  # it takes boxes
        "kinds": {kind: list(words[1:]) for kind, words in SHAPE_WORDS.items()},  # with their synonyms
        "plurals": {word: plural_of(word) for words in SHAPE_WORDS.values() for word in words},
        "words": [word for table in tables for said in table.values() for word in said],
        "colors": [*COLORS],
        "sketch": {word: list(COLORS[color]) for color, words in COLOR_WORDS.items() for word in words},
        "codes": _codes(),
        "backgrounds": BACKGROUNDS,
        "shapes": {kind: proportion(kind) for kind in SHAPES},  # width beside height
    }


def _codes() -> dict[str, str]:
    """A pattern for each kind, by every word for it: 4 of 3 x 3 cells, any two as different as can be had."""
    every = list(itertools.combinations(range(9), 4))
    chosen: list[tuple[int, ...]] = []
    for shared in (2, 3):  # cells that two patterns have in common, at most
        for cells in every:
            if len(chosen) < len(SHAPES) and all(len({*cells} & {*one}) <= shared for one in chosen):
                chosen.append(cells)
    codes = ["".join("1" if at in cells else "0" for at in range(9)) for cells in chosen]
    return {word: code for kind, code in zip(SHAPES, codes, strict=True) for word in SHAPE_WORDS[kind]}
