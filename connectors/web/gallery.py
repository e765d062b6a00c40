"""The page's routes about pictures and memory: what is remembered, search by words and by picture, forgetting."""

from __future__ import annotations

import io
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import FileResponse, Response
from PIL import Image

from ...memory.query import Query
from .house import house_of, user_of

router = APIRouter()
MOST = 60  # hits of one answer
SIDE = 256  # px: of a thumbnail that has to be made on the spot
_PRIVATE = {"cache-control": "private, max-age=3600"}


@router.get("/pictures/{picture}.png")
def picture(request: Request, picture: str) -> Response:
    """A stored picture, for its owner."""
    found = house_of(request).agent.store.get(picture, user_of(request))
    return FileResponse(found.path, media_type="image/png", headers=_PRIVATE)


@router.get("/thumbnails/{item}.jpg")
def thumbnail(request: Request, item: str) -> Response:
    """A small picture of what is remembered, for its owner."""
    store = house_of(request).agent.store
    found = store.get(item.partition(".")[0], user_of(request))
    small: Image.Image = store.pixels(found.sha256)
    small.thumbnail((SIDE, SIDE), reducing_gap=2.0)
    data = io.BytesIO()
    small.save(data, "JPEG", quality=85)
    return Response(data.getvalue(), media_type="image/jpeg", headers=_PRIVATE)


@router.get("/memory")
def memory(request: Request, words: str = "", k: int = 24) -> dict[str, Any]:
    """What is remembered, best first for words, newest first without."""
    house = house_of(request)
    query = Query(words=words.strip() or None, k=max(1, min(k, MOST)), kind=None if words.strip() else "picture")
    hits = house.agent.memory.recall(user_of(request), query)
    return {"hits": [house.views.hit(one) for one in hits], "count": house.agent.memory.count(user_of(request))}


@router.post("/memory/like")
def like(
    request: Request, image: Annotated[UploadFile, File()], words: Annotated[str, Form()] = "", k: int = 24
) -> dict[str, Any]:
    """What is remembered and looks like a picture; words say how it should differ."""
    house = house_of(request)
    shown = house.agent.store.decode(image.file.read()).image
    query = Query(words=words.strip() or None, picture=shown.convert("RGB"), k=max(1, min(k, MOST)))
    return {"hits": [house.views.hit(one) for one in house.agent.memory.recall(user_of(request), query)]}


@router.delete("/memory/{item}")
def forget(request: Request, item: str) -> dict[str, Any]:
    """Forget a picture or a region for good."""
    gone = house_of(request).agent.memory.forget(user_of(request), ids=[item])
    return {"pictures": gone.pictures, "regions": gone.regions}
