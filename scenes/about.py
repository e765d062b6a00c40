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


GRID = 12  # cells along a side of a kind's outline
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
        "outlines": _outlines(),
        "backgrounds": BACKGROUNDS,
        "shapes": {kind: proportion(kind) for kind in SHAPES},  # width beside height
    }


def _outlines() -> dict[str, str]:
    """How a kind of thing fills its box, by every word for it: the mean of its masks, GRID x GRID digits, 9 is full."""
    import numpy as np
    from PIL import Image

    from .drawing.shapes import VARIANTS
    from .render import silhouette, tight_box
    from .scene import Thing

    told: dict[str, str] = {}
    for kind in SHAPES:
        held = []
        for variant, angle in itertools.product(range(VARIANTS), (-3.0, 0.0, 3.0)):
            mask = silhouette(Thing(0, kind, "red", "large", "rubber", 0.5, 0.5, 0.8, angle, None, 0, variant), 128)
            x0, y0, x1, y1 = tight_box(mask)
            part = Image.fromarray(mask[y0:y1, x0:x1].astype(np.uint8) * 255)
            held.append(np.asarray(part.resize((GRID, GRID), Image.Resampling.BOX), float))
        digits = (np.mean(held, 0) / 255 * 9).round().astype(int)
        told |= dict.fromkeys(SHAPE_WORDS[kind], "".join(map(str, digits.ravel())))
    return told
