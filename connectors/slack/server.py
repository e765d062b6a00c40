"""Runs the Slack app: over Socket Mode, where nothing here need be reachable, or over HTTP."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Collection
from typing import TYPE_CHECKING

from slack_sdk import WebClient
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler
from slack_sdk.http_retry.handler import RetryHandler

from ..bot import Bot
from ..running import leave, run_server, stopped_by_signals
from ..tracing import logged_and_traced
from .app import SHORTCUT, Allowed, create_app
from .files import HOSTS, Files
from .pane import FIRST
from .service import SlackService

if TYPE_CHECKING:
    from slack_bolt import App

    from ...agent.agent import Agent

LOG = logging.getLogger("saccade.slack")
SCOPES = ("app_mentions:read", "assistant:write", "channels:history", "chat:write", "commands", "files:read",
          "files:write", "groups:history", "im:history", "im:read", "im:write")  # fmt: skip
EVENTS = ("app_mention", "assistant_thread_started", "assistant_thread_context_changed", "message.im")


def put_together(
    agent: Agent, token: str, signing_secret: str, allowed: Allowed, *, at_once: int = 2,
    api: str = "https://slack.com/api/", hosts: Collection[str] = HOSTS, log_words: bool = False,
) -> tuple[Bot, App]:  # fmt: skip
    """The bot and its app. `api` and `hosts` lead to a stand-in in tests; then files may come over http."""
    # By itself the client posts once more where a connection is lost; what was posted already is looked for instead.
    again: list[RetryHandler] = [RateLimitErrorRetryHandler(max_retry_count=5)]
    client = WebClient(token=token, base_url=api, timeout=30, retry_handlers=again)
    files = Files(token, hosts, plain=api.startswith("http://127.0.0.1"))
    bot = Bot(agent, SlackService(client, files), at_once=at_once, listener=logged_and_traced(words=log_words))
    return bot, create_app(bot, client, signing_secret, allowed)


def serve_socket(bot: Bot, app: App, app_token: str) -> None:
    """Listen over Socket Mode until SIGINT or SIGTERM."""
    from slack_bolt.adapter.socket_mode import SocketModeHandler

    stop = threading.Event()
    handler = SocketModeHandler(app, app_token, logger=LOG)
    with stopped_by_signals(stop.set):
        handler.connect()
        bot.start()
        try:
            stop.wait()
        finally:
            handler.close()
            leave(bot.close(), bot.agent)


def serve_http(bot: Bot, app: App, host: str, port: int) -> None:
    """Listen for Slack's requests at `/slack/events` until SIGINT or SIGTERM."""
    from slack_bolt.adapter.starlette.handler import to_bolt_request, to_starlette_response
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse, Response
    from starlette.routing import Route

    async def events(request: Request) -> Response:
        given = to_bolt_request(request, await request.body())
        done = await run_in_threadpool(app.dispatch, given)
        if done.status == 401:
            LOG.warning("a request was refused: its signature or its age is not Slack's")
        return to_starlette_response(done)

    async def alive(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    web = Starlette(routes=[Route("/slack/events", events, methods=["POST"]), Route("/healthz", alive)])
    bot.start()
    try:
        run_server(web, host, port)
    finally:
        leave(bot.close(), bot.agent)


def manifest(url: str | None) -> str:
    """The app's manifest, to be pasted at api.slack.com; over HTTP with the address at which it will be reached."""
    events = {"bot_events": list(EVENTS)} | ({"request_url": f"{url}/slack/events"} if url else {})
    command = {"command": "/saccade", "description": "Search what was seen, or forget it",
               "usage_hint": "search WORDS | forget", "should_escape": True}  # fmt: skip
    told = {
        "display_information": {"name": "Saccade", "description": "Looks at pictures and answers with evidence"},
        "features": {
            "bot_user": {"display_name": "saccade", "always_online": True},
            "app_home": {"messages_tab_enabled": True, "messages_tab_read_only_enabled": False},
            "assistant_view": {
                "assistant_description": "Looks at pictures and answers with evidence",
                "suggested_prompts": [{"title": title, "message": message} for title, message in FIRST],
            },
            "slash_commands": [command | ({"url": f"{url}/slack/events"} if url else {})],
            "shortcuts": [{"name": "Ask about this picture", "type": "message", "callback_id": SHORTCUT,
                           "description": "Ask Saccade about a picture"}],
        },
        "oauth_config": {"scopes": {"bot": list(SCOPES)}},
        "settings": {
            "event_subscriptions": events, "socket_mode_enabled": url is None, "org_deploy_enabled": False,
            "interactivity": {"is_enabled": True} | ({"request_url": f"{url}/slack/events"} if url else {}),
        },
    }  # fmt: skip
    return json.dumps(told, indent=2)
