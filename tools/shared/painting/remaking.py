"""A picture made again from its recipe: the same call, the same seed, and compared bit by bit with what was made."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image

from ....errors import ExpertFailed, ToolRetry, UserError, suggest
from ....memory.pictures.store import PictureStore
from ....memory.recipes import recipe_of
from ....memory.workspace import LedgerWorkspace
from ...contracts import Experts, Talk, Tool, ToolContext
from ...runner import check_arguments
from ..making import made_with


@dataclass(frozen=True)
class Remade:
    """What came of it.

    Attributes:
        image: the picture as it is made now.
        same: whether it has the same pixels, each of them.
        other: what is no longer as it was then, in words: weights, settings, versions.
    """

    image: Image.Image
    same: bool
    other: tuple[str, ...] = ()


def make_again(
    store: PictureStore, picture: str, owner: str, tools: Mapping[str, Tool[Any]], experts: Experts
) -> Remade:
    """Make a picture once more, as its recipe tells; nothing is written down.

    The whole call is done again, all its tries: what a seed gives can differ in the last bit with what is painted
    beside it. On the same machine, with the same weights and libraries, the bits are the same.

    Args:
        store: where the picture lies.
        picture: its id, `pic_...`.
        owner: the user.
        tools: by name.
        experts: whom they ask.

    Raises:
        UserError: there is no such picture, no recipe, or the call cannot be done any more (kind "cannot_remake").
    """
    recipe = recipe_of(store, picture, owner)
    held = store.get(picture, owner)
    workspace = LedgerWorkspace(store, recipe["chat"], owner)
    number = next(
        (numbers[0] for call in workspace.calls(recipe["turn"]) if call.tool == recipe["tool"]
         and (numbers := [at for at, one in enumerate(call.recorded.pictures) if one.id == held.id])),
        None,
    )  # fmt: skip
    tool = tools.get(recipe["tool"])
    if tool is None or number is None:
        why = f"there is no tool {recipe['tool']!r} here.{suggest(recipe['tool'], tools)}" if tool is None else (
            "the call that made it is no longer written down.")  # fmt: skip
        raise UserError(f"{picture} cannot be made again: {why}", kind="cannot_remake")
    context = ToolContext(workspace, experts, None, Talk(recipe["turn"]))
    painted = recipe["facts"].get("painted") or {}
    told = painted[0] if isinstance(painted, list) else painted
    arguments = recipe["arguments"]
    fix = getattr(experts, "fix_rows", None)
    if fix is not None and told.get("rows") is not None:
        fix({"painter": told["rows"]})  # as tasks paint: at a fixed number of pictures a run
    try:
        result = tool.run(check_arguments(tool, arguments, workspace.handles()), context)
    except (ToolRetry, ExpertFailed) as error:
        raise UserError(f"{picture} cannot be made again: {error.message}", kind="cannot_remake") from error
    finally:
        if fix is not None and told.get("rows") is not None:
            fix(None)
    image = result.pictures[number].image
    same = store.decode(image, held.kind).sha256 == held.sha256
    now = made_with(context, "painter") if told else {}
    other = tuple(
        f"{name} was {_short(told.get(name))} and is {_short(now[name])}"
        for name in ("weights", "settings", "versions")
        if told and told.get(name) != now.get(name)
    )
    return Remade(image, same, other)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 90 else f"{text[:60]}... ({hashlib.sha256(text.encode()).hexdigest()[:8]})"
