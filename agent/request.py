"""What a person sends, checked before anything is done with it: the words, and one picture or several."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from typing import TYPE_CHECKING, Any

from ..errors import UserError

if TYPE_CHECKING:
    from ..memory.pictures.decode import Source


def checked_request(text: Any) -> str:
    """The words of a request. What cannot be stored as UTF-8 (halves of a character) becomes question marks.

    Raises:
        UserError: they are no text, or there are none.
    """
    if not isinstance(text, str):
        raise UserError(
            f"A request is text, not {type(text).__name__} ({str(text)[:80]!r}): say what you want to know.",
            kind="bad_request",
        )
    said = text.strip().encode("utf-8", "replace").decode("utf-8")
    if not said:
        raise UserError("The request is empty: say what you want to know.", kind="empty_request")
    return said


def several(images: Iterable[Source] | Source | None) -> list[Source]:
    """The pictures of a request as a list: none, one, or whatever can be gone through.

    A thing that is no picture is left to the decoder, which says what is wrong with it.
    """
    if images is None:
        return []
    from PIL import Image

    one = isinstance(images, str | bytes | bytearray | memoryview | PathLike | Image.Image)
    # An array could be gone through too, row by row, and a file line by line: each is one picture.
    if one or hasattr(images, "__array__") or hasattr(images, "read") or not isinstance(images, Iterable):
        return [images]  # pyright: ignore[reportReturnType]
    return list(images)
