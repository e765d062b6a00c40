"""What the routes of the server share, and what becomes of errors."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fastapi import Request
from fastapi.responses import JSONResponse

from ...errors import SaccadeError, UserError
from ..fetching import Fetcher
from ..turns import Busy, Turns
from .access import Doors
from .metrics import Figures
from .views import Views, error_view

if TYPE_CHECKING:
    from ...agent.agent import Agent

NOT_FOUND = frozenset({"unknown_chat", "unknown_picture", "unknown_region", "unknown_item", "unknown_model"})
AGAIN = 5  # seconds after which to ask again where all is busy


@dataclass
class House:
    """What the routes share."""

    agent: Agent
    doors: Doors
    turns: Turns
    views: Views
    figures: Figures
    fetcher: Fetcher = field(default_factory=lambda: Fetcher(()))  # of pictures that come by their address
    ready: threading.Event = field(default_factory=threading.Event)
    failed: str | None = None  # why the controller cannot be loaded


def user_of(request: Request) -> str:
    """Whose request it is; `Access` has settled that."""
    return request.scope["state"]["user"]


def house_of(request: Request) -> House:
    """What the routes share."""
    return request.app.state.house


def answer_to(error: BaseException, views: Views) -> JSONResponse:
    """What went wrong as an answer: 400 and the like for what the sender can mend, 429 where all is busy, else 500."""
    if isinstance(error, Busy):
        return JSONResponse(error_view(error.message, error.kind), 429, {"retry-after": str(AGAIN)})
    if isinstance(error, UserError):
        status = 404 if error.kind in NOT_FOUND else 400
        return JSONResponse(error_view(views.words(error.message), error.kind), status)
    return JSONResponse(error_view("Something went wrong here; the log has more.", "fault"), 500)


def error_event(error: BaseException, views: Views) -> dict[str, Any]:
    """What went wrong in the middle of a stream."""
    known = isinstance(error, SaccadeError)
    message = views.words(error.message) if known else "Something went wrong here; the log has more."
    return {"type": "error", "kind": error.kind if known else "fault", "message": message}
