"""The painter that never errs: it draws the scene that it is told, and remembers what is in the picture."""

from __future__ import annotations

from typing import Any

from PIL import Image

from ..errors import ExpertFailed
from ..scenes.language.phrases import parse_phrase
from ..scenes.render import render
from ..scenes.scene import Scene, Thing
from ..tools.embedder import view_of_image
from ..tools.requests import Paint

SIDE = 128  # px, where no size is asked for


class TruePainter:
    """Draws what it is told: things in their boxes on a plain backdrop. `truths` has what is in each picture."""

    def __init__(self) -> None:
        self.truths: dict[str, Any] = {}

    def paint(self, request: Paint) -> Image.Image:
        """The picture of a request.

        Raises:
            ExpertFailed: a part of a picture is to be painted, or the things have no boxes.
        """
        if request.mask is not None or request.things is None:
            raise ExpertFailed("The painter of scenes draws whole ones, from things in boxes.", kind="no_truth")
        size = request.size or (SIDE, SIDE)
        scene = Scene(request.seed, tuple(map(_thing, range(len(request.things)), request.things)), "plain", -60.0)
        drawn = render(scene, size[0])
        truth = (scene, drawn.boxes.astype(float), drawn.masks)
        self.truths[view_of_image(drawn.image).picture] = truth
        return drawn.image


def _thing(number: int, told: tuple[str, tuple[float, float, float, float]]) -> Thing:
    words, (x0, y0, x1, y1) = told
    attributes: dict[str, Any] = {"size": "large", "color": "red", "material": "rubber", "shape": "cube"} | (
        parse_phrase(words) or {}
    )
    return Thing(number, **attributes, x=(x0 + x1) / 2, y=(y0 + y1) / 2, scale=max(x1 - x0, y1 - y0))
