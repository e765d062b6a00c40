"""A turn as a stream: events come from the thread that works and go out as they happen."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request

from ...agent.events import Event, ReplyReady

if TYPE_CHECKING:
    from ...agent.chat import Chat, Images
    from ..turns import Turns

T = TypeVar("T")
_LOOK = 0.25  # seconds after which one looks whether the client is still there
_QUIET = 15.0  # seconds without an event after which a proxy is shown that there is still somebody


async def events_of(turns: Turns, chat: Chat, text: str, images: Images) -> AsyncIterator[Event | None]:
    """The events of a turn, the last one `ReplyReady`; None where nothing has happened for a while.

    Whoever stops listening cancels the turn.

    Raises:
        Busy: at once, where there is too much to do. Later what `Chat.send` raises.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[Event | BaseException] = asyncio.Queue()

    def put(event: Event | BaseException) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody listens any more
            loop.call_soon_threadsafe(queue.put_nowait, event)

    ticket = turns.submit(chat, text, images, put)

    def finished(_: Any) -> None:
        error = ticket.done.exception()
        put(error if error is not None else ReplyReady(ticket.done.result()))

    ticket.done.add_done_callback(finished)
    try:
        while True:
            try:
                event = await asyncio.wait_for(queue.get(), _QUIET)
            except TimeoutError:
                yield None
                continue
            if isinstance(event, BaseException):
                raise event
            yield event
            if isinstance(event, ReplyReady):
                return
    finally:
        ticket.cancel()


async def reply_of(turns: Turns, chat: Chat, text: str, images: Images) -> Any:
    """The reply of a turn. Raises as `events_of`."""
    async for event in events_of(turns, chat, text, images):
        if isinstance(event, ReplyReady):
            return event.reply
    raise AssertionError("a turn that ends without a reply has raised")


async def while_here(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What comes of some work, which is cancelled as soon as whoever asked has gone.

    Raises:
        HTTPException: they have gone; nobody reads this answer.
    """
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({task}, timeout=_LOOK))[0]:
            if await request.is_disconnected():
                raise HTTPException(499, "The client has gone.")
        return task.result()
    finally:
        task.cancel()


async def begun(request: Request, stream: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """The same stream once its first event is there: what goes wrong before that is still an answer of its own."""

    async def beginning() -> Any:
        return await anext(stream)

    first = await while_here(request, beginning())

    async def whole() -> AsyncIterator[Any]:
        yield first
        async for one in stream:
            yield one

    return whole()


def sse(data: Any, event: str | None = None) -> bytes:
    """One server-sent event: JSON, or a text as it is."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    named = f"event: {event}\n" if event else ""
    return f"{named}data: {text}\n\n".encode()
