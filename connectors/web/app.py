"""The application: what it holds, who comes in, and what becomes of errors; its routes are in modules of their own."""

from __future__ import annotations

import threading
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles
from prometheus_client import generate_latest
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from ...errors import SaccadeError
from ..fetching import Fetcher
from ..tracing import logged_and_traced
from ..turns import Turns
from . import chats, gallery, openai_api
from .access import COOKIE, Access, Doors
from .house import House, answer_to
from .metrics import Figures, Loads
from .views import Views, error_view

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from ...agent.agent import Agent

CLOSING = 2.0  # seconds that turns have to end once their connections are gone
PAGE = Path(__file__).parent / "page"


def create_app(
    agent: Agent,
    doors: Doors = Doors(),  # noqa: B008
    *,
    log_words: bool = False,
    pictures_from: Sequence[str] = (),
    **bounds: int,
) -> FastAPI:
    """The application over an agent; give it to any ASGI server, or to `server.serve`.

    Args:
        agent: the agent; it is closed by whoever made it.
        doors: who may come in.
        log_words: write the words of answers to the log, too.
        pictures_from: hosts from which pictures are fetched by their address, beside those of the settings.
        bounds: of `connectors.turns.Turns`: at_once, waiting, of_one.
    """
    figures = Figures()
    turns = Turns(listener=logged_and_traced(words=log_words, also=[figures]), **bounds)
    hosts = {*agent.settings.fetch_hosts, *(host.lower() for host in pictures_from)}
    fetcher = Fetcher(hosts, most_bytes=int(agent.settings.max_file_mb * 1e6))
    house = House(agent, doors, turns, Views(agent.settings.home), figures, fetcher)
    figures.registry.register(Loads(turns, agent))  # pyright: ignore[reportArgumentType]  # a collector by its method

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        threading.Thread(target=_load, args=(house,), daemon=True).start()
        yield
        await run_in_threadpool(turns.close, CLOSING)

    app = FastAPI(title="Saccade", docs_url=None, redoc_url=None, openapi_url=None, lifespan=life)
    app.state.house = house
    for module in (chats, gallery, openai_api):
        app.include_router(module.router)
    app.mount("/page", StaticFiles(directory=PAGE), name="page")
    _add_common(app, house)
    app.add_middleware(Access, doors=doors)
    return app


def _load(house: House) -> None:
    try:
        house.agent.warm_up()
        house.ready.set()
    except SaccadeError as error:
        house.failed = error.message


def _add_common(app: FastAPI, house: House) -> None:
    @app.get("/")
    async def page() -> Response:
        return FileResponse(PAGE / "index.html", headers={"cache-control": "no-cache"})

    @app.get("/favicon.ico")
    async def icon() -> Response:
        return FileResponse(PAGE / "icon.svg", media_type="image/svg+xml")

    @app.post("/login")
    async def login(request: Request) -> Response:
        given = await request.json()
        token = str(given.get("token", "")) if isinstance(given, dict) else ""
        user = house.doors.user_of(token)
        if user is None:
            return JSONResponse(error_view("That is no token of this server.", "no_token"), 401)
        answer = JSONResponse({"user": user})
        secure = request.url.scheme == "https"
        answer.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=secure, max_age=30 * 86_400)
        return answer

    @app.get("/healthz")
    async def alive() -> Response:
        return PlainTextResponse("ok\n")

    @app.get("/readyz")
    async def ready() -> Response:
        if house.ready.is_set():
            return PlainTextResponse("ready\n")
        return PlainTextResponse(f"{'failed' if house.failed else 'loading'}\n", 503)

    @app.get("/metrics")
    async def figures() -> Response:
        return Response(generate_latest(house.figures.registry), media_type="text/plain; version=0.0.4")

    @app.exception_handler(SaccadeError)
    async def told(request: Request, error: SaccadeError) -> Response:
        return answer_to(error, house.views)

    @app.exception_handler(RequestValidationError)
    async def misfit(request: Request, error: RequestValidationError) -> Response:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc'][1:]))}: {one['msg']}" for one in error.errors())
        return JSONResponse(error_view(f"The request does not fit: {wrong}.", "bad_request"), 400)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        kind = {404: "not_found", 405: "wrong_method", 413: "too_large"}.get(error.status_code, "bad_request")
        return JSONResponse(error_view(str(error.detail), kind), error.status_code, error.headers)
