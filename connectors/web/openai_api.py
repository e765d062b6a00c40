"""The OpenAI-compatible endpoints: chat completions with pictures, models, embeddings.

The protocol keeps no conversation: each request brings all that was said. What was said before the last message is
looked up by its hash, so that a client that simply goes on goes on in the same conversation of ours, with its regions
and pictures; a history that is not known begins a new one, into which the earlier pictures come along. `saccade.chat`
in a request (`extra_body` of the `openai` client) names a conversation outright, and each answer has its id there.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import logging
import time
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator
from threading import Lock
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from ...agent.events import ReplyReady, StepFinished, StepStarted, TextDelta
from ...errors import SaccadeError, UserError
from ..fetching import Fetcher, Refused
from .house import House, error_event, house_of, user_of
from .streams import begun, events_of, reply_of, sse, while_here

router = APIRouter(prefix="/v1")
LOG = logging.getLogger("saccade.web")
MODEL = "saccade"
KNOWN = 20_000  # histories that are known again
MOST_INPUTS = 256


class _Open(BaseModel):
    """What is not known is let pass, as clients send much that does not matter here."""

    model_config = ConfigDict(extra="ignore")


class ImageUrl(_Open):
    """Where a picture is."""

    url: str


class Part(_Open):
    """A part of a message."""

    type: str
    text: str | None = None
    image_url: ImageUrl | None = None


class Message(_Open):
    """Something that was said."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None


class Extension(_Open):
    """What is ours in a request."""

    chat: str | None = None


class Completion(_Open):
    """A request for an answer."""

    model: str = MODEL
    messages: Annotated[list[Message], Field(min_length=1)]
    stream: bool = False
    user: str | None = None
    n: int = 1
    saccade: Extension = Extension()


class Embeddings(_Open):
    """A request for vectors of words, and of pictures as data URLs."""

    model: str = MODEL
    input: str | list[str]
    encoding_format: Literal["float", "base64"] = "float"


class Histories:
    """Which conversation a history belongs to, by its hash; the oldest are let go. Safe for threads."""

    def __init__(self, most: int = KNOWN) -> None:
        self._chats: OrderedDict[str, str] = OrderedDict()
        self._most, self._lock = most, Lock()

    def find(self, owner: str, messages: list[Message]) -> str | None:
        """The conversation in which exactly this was said."""
        with self._lock:
            return self._chats.get(_hash(owner, messages)) if messages else None

    def keep(self, owner: str, messages: list[Message], chat: str) -> None:
        """Remember that this was said in a conversation."""
        with self._lock:
            self._chats[_hash(owner, messages)] = chat
            while len(self._chats) > self._most:
                self._chats.popitem(last=False)


_HISTORIES = Histories()


def _hash(owner: str, messages: list[Message]) -> str:
    said = [(one.role, *_said(one)) for one in messages if one.role in ("user", "assistant")]
    return hashlib.sha256(json.dumps([owner, said]).encode()).hexdigest()


@router.get("/models")
def models(request: Request) -> dict[str, Any]:
    """The one model that there is: the agent."""
    house = house_of(request)
    return {"object": "list", "data": [{"id": MODEL, "object": "model", "created": 0, "owned_by": "saccade",
                                        "profile": house.agent.profile.name}]}  # fmt: skip


@router.post("/chat/completions")
async def completions(request: Request, asked: Completion) -> Response:
    """An answer, whole or as it is written; the extension field `saccade` has steps, regions and pictures."""
    house = house_of(request)
    _check_model(asked.model)
    if asked.n != 1:
        raise UserError(f"n={asked.n}: one answer a request.", kind="bad_request")
    owner = user_of(request) if not asked.user else f"{user_of(request)}/{asked.user}"
    if asked.messages[-1].role != "user":
        raise UserError("The last message must be the user's.", kind="bad_request")
    before, last = asked.messages[:-1], asked.messages[-1]
    known = asked.saccade.chat or _HISTORIES.find(owner, before)
    conversation = await run_in_threadpool(house.agent.chat, owner, known)
    text, urls = _said(last)
    if known is None:  # a history that is not ours: its pictures come along
        urls = [url for one in before if one.role == "user" for url in _said(one)[1]] + urls
    pictures = await run_in_threadpool(lambda: [_picture(url, house.fetcher) for url in urls])

    def finish(answer: str) -> None:
        said = [*asked.messages, Message(role="assistant", content=answer)]
        _HISTORIES.keep(owner, said, conversation.id)

    made = {"id": f"chatcmpl-{uuid.uuid4().hex[:24]}", "created": int(time.time()), "model": MODEL}
    if not asked.stream:
        reply = await while_here(request, reply_of(house.turns, conversation, text, pictures))
        finish(reply.text)
        message = {"role": "assistant", "content": reply.text}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        return JSONResponse(made | {"object": "chat.completion", "choices": [choice], "usage": _USAGE,
                                    "saccade": house.views.reply(reply)})  # fmt: skip
    stream = await begun(request, events_of(house.turns, conversation, text, pictures))
    lines = _chunks(house, stream, made | {"object": "chat.completion.chunk"}, finish)
    return StreamingResponse(lines, media_type="text/event-stream", headers={"cache-control": "no-store"})


_USAGE = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}  # several models worked: none of them counts


async def _chunks(house: House, stream: AsyncIterator[Any], made: dict[str, Any], finish: Any) -> AsyncIterator[bytes]:
    """Chunks: the answer's words once no call follows on them (else they were a thought), steps as an extension."""

    def chunk(delta: dict[str, Any], reason: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
        return sse(made | {"choices": [choice]} | more)

    yield chunk({"role": "assistant", "content": ""})
    written: list[str] = []
    try:
        async for event in stream:
            if event is None:
                yield b": still at it\n\n"
            elif isinstance(event, TextDelta):
                written.append(event.text)
            elif isinstance(event, StepStarted | StepFinished):
                written = []
                yield chunk({}, saccade=house.views.event(event))
            elif isinstance(event, ReplyReady):
                finish(event.reply.text)
                pieces = written if "".join(written) == event.reply.text else [event.reply.text]
                for piece in pieces:
                    yield chunk({"content": piece})
                yield chunk({}, "stop", saccade=house.views.reply(event.reply))
    except Exception as error:
        if not isinstance(error, SaccadeError):
            LOG.exception("a turn failed")
        told = error_event(error, house.views)
        yield sse({"error": {"message": told["message"], "type": told["kind"], "code": told["kind"]}})
    yield sse("[DONE]")


@router.post("/embeddings")
def embeddings(request: Request, asked: Embeddings) -> dict[str, Any]:
    """Unit vectors of words and pictures (data URLs), in one space."""
    _check_model(asked.model)
    house = house_of(request)
    agent = house.agent
    embedder = agent.memory.embedder
    if embedder is None:
        raise UserError(f"The profile {agent.profile.name!r} has no model that embeds.", kind="no_embedder")
    inputs = [asked.input] if isinstance(asked.input, str) else asked.input
    if not 0 < len(inputs) <= MOST_INPUTS:
        raise UserError(f"{len(inputs)} inputs: give 1 to {MOST_INPUTS}.", kind="bad_request")
    words = [one for one in inputs if not one.startswith("data:")]
    shown = [
        agent.store.decode(_picture(one, house.fetcher)).image.convert("RGB")
        for one in inputs
        if one.startswith("data:")
    ]
    of_words = iter(embedder.words(words) if words else [])
    of_pictures = iter(embedder.pictures(shown) if shown else [])
    data = [
        {"object": "embedding", "index": at,
         "embedding": _vector(next(of_pictures if one.startswith("data:") else of_words), asked.encoding_format)}
        for at, one in enumerate(inputs)
    ]  # fmt: skip
    return {"object": "list", "data": data, "model": MODEL, "usage": {"prompt_tokens": 0, "total_tokens": 0}}


def _vector(vector: np.ndarray, how: str) -> list[float] | str:
    flat = np.asarray(vector, "<f4")
    return base64.b64encode(flat.tobytes()).decode() if how == "base64" else [float(value) for value in flat]


def _check_model(name: str) -> None:
    if name != MODEL:
        raise UserError(f"There is no model {name!r} here; there is {MODEL!r}.", kind="unknown_model")


def _said(message: Message) -> tuple[str, list[str]]:
    """The words of a message and the addresses of its pictures."""
    if message.content is None or isinstance(message.content, str):
        return message.content or "", []
    words = [part.text or "" for part in message.content if part.type in ("text", "input_text")]
    return "\n".join(words), [part.image_url.url for part in message.content if part.image_url is not None]


def _picture(url: str, fetcher: Fetcher) -> bytes:
    """The bytes of a data URL; of another address only where its host is among those that may be asked.

    Raises:
        UserError: it is no picture that may be had.
    """
    head, comma, data = url.partition(",")
    if not head.startswith("data:") or not comma:
        try:
            return fetcher.fetch(url)
        except Refused as error:
            raise _refused(url[:80], error) from error
    try:
        return base64.b64decode(data, validate=True) if head.endswith(";base64") else data.encode()
    except (binascii.Error, ValueError) as error:
        raise UserError("The picture is no base64: send data:image/png;base64,....", kind="bad_picture") from error


def _refused(url: str, error: Refused) -> UserError:
    why = {
        "host": f"{url!r} is not fetched: send the picture itself, as data:image/png;base64,.... The owner of this "
                f"server may name hosts from which pictures are fetched by https (--pictures-from).",
        "private": f"{url!r} is not fetched: its name leads into a private network.",
        "unreachable": f"{url!r} is not fetched: the host does not answer.",
        "status": f"{url!r} is not fetched: the host answers {error.what}.",
        "page": f"{url!r} is a page and no picture.",
        "size": f"{url!r} is too large.",
        "hops": f"{url!r} is not fetched: one is sent from place to place.",
    }  # fmt: skip
    return UserError(why[error.why], kind="picture_by_url")
