"""What a model of the drawn world declares of itself, in its `config.json` under "saccade".

Recipes write it there; experts that answer from a scene's truth say the same. Tools ask for it (`ToolContext.about`)
instead of knowing any model.
"""

from __future__ import annotations

import math
from typing import Any

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


def about(role: str) -> dict[str, Any]:
    """What the model in a role declares; {} where it declares nothing."""
    return ABOUT.get(role, {})
