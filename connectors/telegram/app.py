"""What Telegram brings: fetched by long polling, claimed, and only then acknowledged."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Any

from telegram import Message, Update
from telegram.error import NetworkError

from ...errors import SaccadeError
from ..bot import FORGET_FIRST, Bot
from ..inbox import Answer, Incoming
from ..running import leave, stopped_by_signals
from .service import TelegramService

LOG = logging.getLogger("saccade.telegram")
POLL = 25  # seconds that Telegram holds a request open
PAUSE = 3.0  # seconds after a failure
WELCOME = (
    "Send me a picture and say what you would like to know. /new begins a new conversation, /search WORDS finds "
    "pictures that you showed me, /forget deletes all that I keep of yours."
)


def owner(user: int) -> str:
    """A person of Telegram as an owner of ours."""
    return f"telegram:{user}"


class Poller:
    """Fetches updates until it is stopped.

    Args:
        bot: who answers.
        service: how Telegram is reached.
        allowed: the chats that may ask, by their numbers; empty: all.
    """

    def __init__(self, bot: Bot, service: TelegramService, allowed: Sequence[int] = ()) -> None:
        self.bot, self.service, self.allowed = bot, service, frozenset(allowed)
        self.stopping = threading.Event()
        self.name = service.bot.username

    def run(self) -> None:
        """Poll; what has been claimed is acknowledged by the next request."""
        self.bot.start()
        offset: int | None = None
        while not self.stopping.is_set():
            try:
                got = self.service.run(self.service.bot.get_updates(offset, timeout=POLL, allowed_updates=["message"]))
            except NetworkError as error:
                LOG.warning("Telegram does not answer: %s", type(error).__name__)
                self.stopping.wait(PAUSE)
                continue
            for message in together(got):
                self._take(message)
            offset = got[-1].update_id + 1 if got else offset

    def _take(self, parts: list[Message]) -> None:
        first = parts[0]
        person = first.from_user
        if person is None or person.is_bot:
            return
        if self.allowed and first.chat.id not in self.allowed:
            LOG.warning("a message from the chat %d was not let in", first.chat.id)
            return
        text = next((said for one in parts if (said := one.text or one.caption)), "")
        if first.chat.type != "private" and not self._meant(first, text):
            return
        message = incoming_of(parts, text.replace(f"@{self.name}", " ").strip())
        try:
            answer = self._commanded(message)
        except SaccadeError as error:
            answer = Answer(error.message)
        self.bot.receive(message, answer)

    def _meant(self, message: Message, text: str) -> bool:
        """Whether we are spoken to in a group: by name, by a command, or in reply to us."""
        replied = message.reply_to_message
        to_us = replied is not None and replied.from_user is not None and replied.from_user.username == self.name
        return to_us or f"@{self.name}" in text

    def _commanded(self, message: Incoming) -> Answer | None:
        """What a command is answered with; None: it is none."""
        word, _, rest = message.text.partition(" ")
        match word:
            case "/start" | "/help":
                return Answer(WELCOME)
            case "/new":
                self.bot.inbox.forget_thread(message.thread)
                return Answer("A new conversation: what shall I look at?")
            case "/search" if rest.strip():
                return Answer(self.bot.found(message.user, rest.strip()))
            case "/search":
                return Answer("Say what to search for, as in: /search a green cone")
            case "/forget":
                if rest.strip() != "everything":
                    return Answer(FORGET_FIRST.format(command="/forget"))
                return Answer(self.bot.forget(message.user))
            case _:
                return None


def together(updates: Sequence[Update]) -> list[list[Message]]:
    """The messages of updates; pictures that were sent as an album are one."""
    groups: dict[Any, list[Message]] = {}
    for update in updates:
        message = update.message
        if message is not None:
            groups.setdefault(message.media_group_id or ("one", message.message_id, message.chat.id), []).append(
                message
            )
    return list(groups.values())


def incoming_of(parts: list[Message], text: str) -> Incoming:
    """A message, or an album, as the bot takes it."""
    first = parts[0]
    assert first.from_user is not None  # checked before
    files: list[dict[str, Any]] = []
    for one in parts:
        if one.photo:  # in several sizes, the largest last
            files.append({"file_id": one.photo[-1].file_id, "size": one.photo[-1].file_size})
        elif one.document is not None:
            files.append({"file_id": one.document.file_id, "size": one.document.file_size})
    chat, user = first.chat.id, first.from_user.id
    topic = first.message_thread_id if first.is_topic_message else None
    return Incoming(
        f"{chat}:{first.message_id}", f"{chat}:{topic or ''}:{user}", owner(user),
        text or ("What is in this picture?" if files else ""), tuple(files),
        {"chat": chat, "message": first.message_id, "topic": topic}, f"{first.message_id:012d}",
    )  # fmt: skip


def serve(bot: Bot, service: TelegramService, allowed: Sequence[int] = ()) -> None:
    """Poll until SIGINT or SIGTERM; what was claimed and not answered goes on at the next start."""
    poller = Poller(bot, service, allowed)
    with stopped_by_signals(poller.stopping.set):
        poller.run()
    leave(bot.close(), bot.agent)
    service.close()
