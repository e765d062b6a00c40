"""How a picture was made: the call, what it was made from, and whatever is needed to make it again."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from ..errors import UserError
from .pictures.store import PictureStore
from .records import Picture
from .workspace import LedgerWorkspace

KEY = "saccade"  # of the text in a PNG
MOST = 100_000  # characters of it that are read


def recipe_of(store: PictureStore, picture: str, owner: str) -> dict[str, Any]:
    """The recipe of a picture that was made, as JSON values.

    Args:
        store: where it lies.
        picture: its id, `pic_...`.
        owner: the user.

    Returns:
        `picture`, `kind`, `tool`, `arguments`, `parent` (an id, or null), `chat`, `turn`, and `facts`: what the tool
        wrote down, of a painted picture its prompt, seed, steps, guidance, boxes, and the hash of the weights.

    Raises:
        UserError: this user has no such picture, or it was not made by a tool here (kind "no_recipe").
    """
    held = store.get(picture, owner)
    line = held.lineage
    if line.tool is None or line.chat is None:
        raise UserError(f"{picture} was given, not made: there is no recipe.", kind="no_recipe")
    facts: dict[str, Any] = {}
    for call in LedgerWorkspace(store, line.chat, owner).calls(line.turn):
        numbers = [at for at, one in enumerate(call.recorded.pictures) if one.id == held.id]
        if numbers and call.tool == line.tool:
            facts = dict(call.recorded.facts)
            if "painted" in facts:  # several at once: the one that it is
                facts["painted"] = facts["painted"][numbers[0]]
    return {
        "picture": held.id, "kind": held.kind, "tool": line.tool, "arguments": dict(line.arguments),
        "parent": line.parent, "chat": line.chat, "turn": line.turn, "facts": facts,
    }  # fmt: skip


def with_recipe(png: bytes, recipe: dict[str, Any]) -> bytes:
    """A PNG with its recipe as a text in it; the pixels are the same."""
    told = PngImagePlugin.PngInfo()
    told.add_itxt(KEY, json.dumps(recipe, ensure_ascii=False))
    data = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        image.save(data, "PNG", pnginfo=told)
    return data.getvalue()


def recipe_in(path: Path) -> dict[str, Any] | None:
    """The recipe that stands in a PNG file; None where there is none. It is data: nothing in it is carried out."""
    try:
        with Image.open(path) as image:
            text = getattr(image, "text", {}).get(KEY)
        told = json.loads(text) if isinstance(text, str) and len(text) <= MOST else None
    except (OSError, ValueError, SyntaxError):
        return None
    return told if isinstance(told, dict) else None


def made(picture: Picture) -> bool:
    """Whether a picture was made by a tool, so that it has a recipe."""
    return picture.kind != "given" and picture.lineage.tool is not None
