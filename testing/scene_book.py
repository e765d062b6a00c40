"""Drawn scenes with their truth, by the picture that shows them: what `TrueExperts` look things up in."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from ..memory.pictures.decode import decode
from ..scenes.render import render
from ..scenes.sample import sample_scene
from ..scenes.scene import Scene
from ..tools.embedder import view_of_image
from .experts import Truth


class SceneBook:
    """Draws scenes and remembers what is in their pictures.

    >>> book = SceneBook()
    >>> table = book.draw(7)                      # a picture to send
    >>> agent = Agent(controller=ScriptedController([...]), experts=TrueExperts(book))

    A picture that the book has not drawn is one that no model knows.
    """

    def __init__(self) -> None:
        self._truths: dict[str, Truth] = {}
        self._as_pixels: dict[str, Truth] = {}
        self._scenes: dict[str, Scene] = {}

    def draw(self, scene: Scene | int, size: int = 512) -> Image.Image:
        """The picture of a scene, or of the test scene of that seed; (size, size) RGB."""
        scene = sample_scene(scene, "test") if isinstance(scene, int) else scene
        drawn = render(scene, size)
        picture = self.id_of(drawn.image)
        self._scenes[picture] = scene
        truth = (scene, drawn.boxes.astype(float), drawn.masks)
        self._truths[picture] = truth
        self._as_pixels[view_of_image(drawn.image).picture] = truth  # as memory asks for it
        return drawn.image

    def __call__(self, picture: str) -> Truth:
        """The truth of a picture, by its id. Raises KeyError for one that was not drawn here."""
        return self._as_pixels[picture] if picture in self._as_pixels else self._truths[picture]

    def scene(self, picture: str | Image.Image) -> Scene:
        """The scene behind a picture, by its id or its pixels. Raises KeyError for one that was not drawn here."""
        return self._scenes[picture if isinstance(picture, str) else self.id_of(picture)]

    @property
    def pictures(self) -> Sequence[str]:
        """The ids of what was drawn, in order."""
        return tuple(self._truths)

    @staticmethod
    def id_of(image: Image.Image) -> str:
        """The id under which an agent will keep a picture."""
        return f"pic_{decode(image).sha256[:12]}"
