"""Pictures for controllers that can see: small, for one request only, never saved."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage
from PIL import Image

from ..tools.contracts import Workspace

SIDE = 768  # px: the longer side of a picture as the controller sees it
MOST = 4  # pictures: the newest ones are shown


def show_pictures(messages: Sequence[BaseMessage], workspace: Workspace) -> list[Any]:
    """The messages with the newest pictures of the conversation at their end, as one user-role message.

    An image in a tool's message is refused by many servers, and two user messages in a row by some:
    where the last message is the person's own, the pictures are added to a copy of it.
    """
    handles = [handle for handle in workspace.handles() if handle.startswith("img_")][-MOST:]
    if not handles:
        return list(messages)
    blocks: list[str | dict[str, Any]] = []
    for handle in handles:
        picture = workspace.picture(handle)
        blocks.append({"type": "text", "text": f"{handle} ({picture.width} x {picture.height} px):"})
        url = data_url(picture.id, lambda picture=picture: workspace.open(picture.id))
        blocks.append({"type": "image_url", "image_url": {"url": url}})
    last = messages[-1]
    if isinstance(last, HumanMessage):
        return [*messages[:-1], HumanMessage(content=[{"type": "text", "text": last.text}, *blocks])]
    return [*messages, HumanMessage(content=[{"type": "text", "text": "The pictures, for you to look at:"}, *blocks])]


class _Shown:
    """A picture that `lru_cache` knows by its id alone."""

    def __init__(self, id: str, open: Any) -> None:
        self.id, self.open = id, open

    def __hash__(self) -> int:
        return hash(self.id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Shown) and other.id == self.id


def data_url(id: str, open: Any) -> str:
    """A picture as a `data:` URL of a JPEG, at most `SIDE` px on its longer side; `open` gives its RGB pixels."""
    return _encode(_Shown(id, open))


@lru_cache(maxsize=32)
def _encode(shown: _Shown) -> str:
    image: Image.Image = shown.open().convert("RGB")
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    shown.open = None  # the kept key must not hold the workspace
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
