"""The Bolt app: what Slack tells us, checked and claimed before it is acknowledged; commands and the shortcut."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from slack_bolt import App
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.errors import SlackApiError

from ...errors import SaccadeError
from ..bot import FORGET_FIRST, Bot
from ..inbox import Incoming
from .pane import FIRST, HELLO, Pane
from .text import escaped, said

if TYPE_CHECKING:
    from slack_sdk import WebClient

LOG = logging.getLogger("saccade.slack")
SHORTCUT = "saccade_ask"
MOST_FILES = 4  # of a message that is asked about: a window holds 3,000 characters
NOT_HERE = "I may not be used here."
NO_PICTURE = "There is no picture in this message."
NOT_IN = "I answer in the thread of the message, and I am not in this channel: write /invite @saccade there first."
HELP = "`/saccade search WORDS` finds pictures that you showed me; `/saccade forget` deletes all that I keep of yours."


@dataclass(frozen=True)
class Allowed:
    """Which workspaces and channels may ask; an empty list lets all in."""

    teams: frozenset[str] = field(default_factory=frozenset)
    channels: frozenset[str] = field(default_factory=frozenset)

    def lets(self, team: str, channel: str) -> bool:
        """Whether a message from there is answered."""
        return (not self.teams or team in self.teams) and (not self.channels or channel in self.channels)


def owner(team: str, user: str) -> str:
    """A person of a workspace as an owner of ours."""
    return f"slack:{team}:{user}"


def create_app(bot: Bot, client: WebClient, signing_secret: str, allowed: Allowed = Allowed()) -> App:
    """The app, for Socket Mode or HTTP. Requests over HTTP are verified by their signature and age (Bolt does that)."""
    quiet = LOG.getChild("bolt")
    quiet.setLevel(logging.ERROR)  # below that Bolt logs the words of what it refuses, or does not know
    app = App(client=client, signing_secret=signing_secret, token_verification_enabled=False,
              authorize=_authorize(client), logger=quiet)  # fmt: skip

    pane = Pane(client)

    @app.middleware
    def claim(body: dict[str, Any], next: Callable[[], None]) -> None:  # Bolt gives it by this name
        message = incoming_of(body, allowed)
        if message is not None:
            first = message.place["pane"] and bot.inbox.chat_of(message.thread) is None
            bot.receive(replace(message, place=message.place | {"first": first}))
        next()

    @app.event("app_mention")
    @app.event("message")
    def done() -> None:  # all was done before it was acknowledged
        pass

    @app.event("assistant_thread_started")
    @app.event("assistant_thread_context_changed")  # where the person looks now: what to begin with stays the same
    def opened(body: dict[str, Any]) -> None:
        thread = body["event"]["assistant_thread"]
        if allowed.lets(str(body.get("team_id")), str(thread["channel_id"])):
            pane.suggest(thread["channel_id"], thread["thread_ts"], HELLO, FIRST)

    @app.command("/saccade")
    def command(ack: Callable[..., None], body: dict[str, Any]) -> None:
        ack(_commanded(bot, body, allowed))

    @app.shortcut(SHORTCUT)
    def shortcut(ack: Callable[..., None], body: dict[str, Any], client: WebClient) -> None:
        ack()
        why_not = None if allowed.lets(str(body["team"]["id"]), str(body["channel"]["id"])) else NOT_HERE
        why_not = why_not or _why_not(body, client)
        client.views_open(trigger_id=body["trigger_id"], view=_told(why_not) if why_not else _question(body))

    @app.view(SHORTCUT)
    def asked(ack: Callable[..., None], body: dict[str, Any]) -> None:
        message = _from_view(body)
        if allowed.lets(str(body["team"]["id"]), message.place["channel"]):
            bot.receive(message)
        ack()

    return app


def _authorize(client: WebClient) -> Callable[..., Any]:
    def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
        return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id, bot_token=client.token, bot_user_id=None)

    return authorize


def incoming_of(body: dict[str, Any], allowed: Allowed) -> Incoming | None:
    """The message of an event that is to be answered; None: there is none in it."""
    event = body.get("event") or {}
    kind, subtype = event.get("type"), event.get("subtype")
    spoken = kind == "app_mention" or (kind == "message" and event.get("channel_type") == "im")
    if not spoken or subtype not in (None, "file_share") or event.get("bot_id") or not event.get("user"):
        return None
    team, channel = str(body.get("team_id") or event.get("team") or ""), str(event.get("channel") or "")
    if not allowed.lets(team, channel):
        LOG.warning("a message from channel %r of workspace %r was not let in", channel, team)
        return None
    ts = str(event.get("ts") or "")
    thread = str(event.get("thread_ts") or ts)
    return _incoming(
        team, channel, thread, ts, str(event["user"]), str(event.get("text") or ""), event.get("files"),
        pane=kind == "message" and "thread_ts" in event,
    )  # fmt: skip


def _incoming(
    team: str, channel: str, thread: str, ts: str, user: str, text: str, files: Any, *, pane: bool = False
) -> Incoming:
    kept = ("name", "size", "mode", "is_external", "url_private", "url_private_download")
    named = tuple({key: one[key] for key in kept if key in one} for one in files or ())
    words = said(text) or ("What is in this picture?" if named else "")
    return Incoming(
        f"{team}:{channel}:{ts}", f"{team}:{channel}:{thread}:{user}", owner(team, user), words, named,
        {"channel": channel, "thread": thread, "pane": pane}, ts,
    )  # fmt: skip


def _commanded(bot: Bot, body: dict[str, Any], allowed: Allowed) -> str:
    """What `/saccade ...` is answered with, for the person alone."""
    team = str(body.get("team_id"))
    if not allowed.lets(team, str(body.get("channel_id"))):
        return NOT_HERE
    user = owner(team, str(body.get("user_id")))
    word, _, rest = str(body.get("text") or "").strip().partition(" ")
    try:
        if word == "search" and rest.strip():
            return escaped(bot.found(user, rest.strip()))
        if word == "forget":
            if rest.strip() != "everything":
                return FORGET_FIRST.format(command="`/saccade forget") + "`"
            return bot.forget(user)
    except SaccadeError as error:
        return escaped(error.message)
    return HELP


def _why_not(body: dict[str, Any], client: WebClient) -> str | None:
    """Why a message cannot be asked about; None: it can."""
    message = body.get("message") or {}
    if not message.get("files"):
        return NO_PICTURE
    try:
        client.conversations_replies(channel=body["channel"]["id"], ts=message["ts"], limit=1)
    except SlackApiError as error:
        return NOT_IN if error.response.get("error") in ("not_in_channel", "channel_not_found") else None
    return None


def _window(**more: Any) -> dict[str, Any]:
    return {"type": "modal", "title": {"type": "plain_text", "text": "Ask about this picture"}, **more}


def _told(text: str) -> dict[str, Any]:
    """A window that says something."""
    return _window(blocks=[{"type": "section", "text": {"type": "plain_text", "text": text}}])


def _question(body: dict[str, Any]) -> dict[str, Any]:
    """The window in which a person says what they want to know about the picture of a message."""
    message = body["message"]
    kept = [{key: one[key] for key in ("name", "size", "mode", "is_external", "url_private") if key in one}
            | {"name": str(one.get("name") or "")[:80]} for one in message["files"]][:MOST_FILES]  # fmt: skip
    about = {"channel": body["channel"]["id"], "thread": message.get("thread_ts") or message["ts"], "files": kept}
    return _window(
        callback_id=SHORTCUT, private_metadata=json.dumps(about), submit={"type": "plain_text", "text": "Ask"},
        blocks=[{
            "type": "input", "block_id": "question", "label": {"type": "plain_text", "text": "Your question"},
            "element": {"type": "plain_text_input", "action_id": "text", "initial_value": "What is in this picture?"},
        }],
    )  # fmt: skip


def _from_view(body: dict[str, Any]) -> Incoming:
    view = body["view"]
    about = json.loads(view["private_metadata"])
    text = str(view["state"]["values"]["question"]["text"]["value"] or "")
    return _incoming(
        str(body["team"]["id"]), about["channel"], about["thread"], f"view-{view['id']}", str(body["user"]["id"]), text,
        about["files"],
    )  # fmt: skip
