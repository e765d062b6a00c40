"""The words in whole pictures, for memory: read outside of any turn, when a folder is indexed or a turn is over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .contracts import Experts, View
from .look import IN_DOMAIN
from .requests import Likeness, Read, Word
from .shared.reading import lines_of

if TYPE_CHECKING:
    from PIL import Image

    from ..memory.pictures.store import PictureStore


def read_words(experts: Experts, store: PictureStore, owner: str, pictures: Sequence[str]) -> dict[str, str]:
    """The words in pictures, line by line, of those that have any and that the reader knows.

    Args:
        experts: who to ask.
        store: where the pictures are.
        owner: whose they are.
        pictures: their ids.

    Raises:
        UserError: the owner has no such picture.
        ExpertFailed: the reader failed, or is not installed.
    """
    texts: dict[str, str] = {}
    for id in pictures:  # one by one: others wait for the pool, too
        view = _whole(id, store.open(id, owner))
        like = experts.ask("reader", [Likeness(view)])[0]
        words: list[Word] = experts.ask("reader", [Read(view)])[0] if like is None or like >= IN_DOMAIN else []
        if words:
            texts[id] = "\n".join(line.text for line in lines_of(words))
    return texts


def _whole(id: str, image: Image.Image) -> View:
    return View(id, image.size, (0, 0, *image.size), lambda: image)
