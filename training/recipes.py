"""The recipes that `saccade train NAME` knows, each in a module that loads when it is asked for."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Protocol, cast

from ..errors import UserError, suggest

RECIPES = {
    "captioner": ".captioner.recipe",
    "clip": ".clip.recipe",
    "controller": ".talk.recipe",
    "controller-tiny": ".controller.recipe",
    "detector": ".detector.recipe",
    "diffusion": ".diffusion.recipe",
    "llava": ".llava.recipe",
    "sam": ".sam.recipe",
}


class Recipe(Protocol):
    """What the module of a recipe offers."""

    def train(self, budget: str, out: Path, resume: bool, *base: str) -> None:
        """Train, and leave a zoo folder in `out`. Raises KeyboardInterrupt after saving on Ctrl-C.

        The recipes `controller` and `diffusion` also take the spec of the model to go on from.
        """
        ...

    def evaluate(self, folder: Path, cases: int) -> dict[str, Any]:
        """Measure a zoo folder on `cases` held-out cases: name -> figure."""
        ...


def recipe(name: str) -> Recipe:
    """The recipe called `name`.

    Raises:
        UserError: there is no such recipe.
    """
    if name not in RECIPES:
        raise UserError(f"There is no recipe {name!r}.{suggest(name, RECIPES)}", kind="unknown_recipe")
    return cast("Recipe", importlib.import_module(RECIPES[name], __package__))
