"""The page's routes about conversations: ask and follow, list, go on, delete; masks and evidence."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import FileResponse, Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from ...errors import SaccadeError, UserError
from .house import error_event, house_of, user_of
from .streams import begun, events_of, sse

router = APIRouter()
LOG = logging.getLogger("saccade.web")
_EVIDENCE = re.compile(r"evidence_\d{1,6}\.png")


@router.get("/chats")
def chats(request: Request) -> dict[str, Any]:
    """The user's conversations, the newest first."""
    house = house_of(request)
    listed = house.agent.chats.list(user_of(request))
    return {
        "user": user_of(request),
        "chats": [
            {"id": one.id, "title": one.title, "created": one.created.isoformat(timespec="seconds")} for one in listed
        ],
    }


@router.get("/chats/{chat}")
def chat(request: Request, chat: str) -> dict[str, Any]:
    """All that was said in a conversation."""
    house = house_of(request)
    return house.views.chat(house.agent.chat(user_of(request), chat))


@router.delete("/chats/{chat}")
def delete(request: Request, chat: str) -> dict[str, Any]:
    """Delete a conversation for good, with the pictures that were met nowhere else."""
    gone = house_of(request).agent.memory.forget(user_of(request), chat=chat)
    return {"pictures": gone.pictures, "chats": gone.chats}


@router.post("/turns")
async def turn(
    request: Request,
    text: Annotated[str, Form()] = "",
    chat: Annotated[str | None, Form()] = None,
    images: Annotated[list[UploadFile], File()] = [],  # noqa: B006  # FastAPI's way to say "none"
) -> Response:
    """Ask, and follow the turn as server-sent events: `chat`, then those of `Views.event`; `error` may end it."""
    house = house_of(request)
    user = user_of(request)
    pictures = [await one.read() for one in images if one.size]
    conversation = await run_in_threadpool(house.agent.chat, user, chat)
    first = not conversation.begun
    stream = await begun(request, events_of(house.turns, conversation, text, pictures))

    async def lines() -> AsyncIterator[bytes]:
        yield sse({"type": "chat", "id": conversation.id, "user": user})
        try:
            async for event in stream:
                if event is None:
                    yield b": still at it\n\n"
                else:
                    yield sse(house.views.event(event))
            if first:
                await run_in_threadpool(house.agent.chats.rename, conversation.id, user, _title(text))
        except asyncio.CancelledError:
            raise
        except Exception as error:
            if not isinstance(error, SaccadeError):
                LOG.exception("a turn of %s failed", conversation.id)
            yield sse(error_event(error, house.views))

    return StreamingResponse(lines(), media_type="text/event-stream", headers={"cache-control": "no-store"})


@router.get("/chats/{chat}/masks/{region}.png")
def mask(request: Request, chat: str, region: str) -> Response:
    """The mask of a region, white inside."""
    found = house_of(request).agent.chat(user_of(request), chat).workspace.region(region)
    if found.mask is None:
        raise UserError(f"{region} has no mask.", kind="unknown_region")
    return FileResponse(found.mask, media_type="image/png", headers=_PRIVATE)


@router.get("/chats/{chat}/evidence/{name}")
def evidence(request: Request, chat: str, name: str) -> Response:
    """The picture that shows what an answer rests on."""
    house = house_of(request)
    known = house.agent.chat(user_of(request), chat)  # whose it is
    path = house.agent.settings.home / "evidence" / known.id / name
    if not _EVIDENCE.fullmatch(name) or not path.is_file():
        raise UserError(f"There is no evidence {name!r}.", kind="unknown_picture")
    return FileResponse(path, media_type="image/png", headers=_PRIVATE)


_PRIVATE = {"cache-control": "private, max-age=3600"}


def _title(text: str, most: int = 60) -> str:
    """What a conversation is called: what was said first."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
