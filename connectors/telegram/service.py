"""Telegram as a chat service: pictures are fetched, answers posted and then filled in where they stand."""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from telegram import Bot as TelegramBot
from telegram import LinkPreviewOptions, ReplyParameters
from telegram.error import BadRequest, Forbidden, InvalidToken

from ...errors import UserError
from ...tools.loops import LoopThread
from ..inbox import Answer, Incoming
from ..words import shortened

T = TypeVar("T")
LOOKING = "Looking …"
MOST = 4_096  # characters of a message
CAPTION = 1_024
MOST_BYTES = 20 * 2**20  # that Telegram gives to bots
_PLAIN = LinkPreviewOptions(is_disabled=True)


class TelegramService:
    """Implements `connectors.bot.Service`. `place` of a message is {chat, message, topic}, as Telegram numbers them.

    Telegram's library is asynchronous: its calls run in one loop, in a thread of its own.
    """

    name = "telegram"

    def __init__(self, bot: TelegramBot) -> None:
        self.bot = bot
        self._loop = LoopThread("telegram loop")
        self.run(bot.initialize())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What comes of a call, from any thread. Raises UserError where Telegram will never do it."""
        try:
            return self._loop.run(work)
        except (BadRequest, Forbidden, InvalidToken) as error:
            raise UserError(f"Telegram refuses this: {error.message}.", kind="telegram_refused") from error

    def close(self) -> None:
        """End the loop."""
        self.run(self.bot.shutdown())
        self._loop.close()

    def fetch(self, message: Incoming) -> list[bytes]:
        """The pictures of a message, from Telegram's own file host."""
        return [self._file(one) for one in message.files]

    def _file(self, file: dict[str, Any]) -> bytes:
        if int(file.get("size") or 0) > MOST_BYTES:
            raise UserError(f"Telegram gives bots no file over {MOST_BYTES // 2**20} MB; send a smaller one.",
                            kind="too_large")  # fmt: skip

        async def given() -> bytes:
            found = await self.bot.get_file(file["file_id"])
            return bytes(await found.download_as_bytearray())

        return self.run(given())

    def open_answer(self, message: Incoming, *, again: bool) -> str:
        """Post "Looking …"; after a crash just then there may be a second one, as bots cannot read what they said."""
        place = message.place
        posted = self.run(
            self.bot.send_message(
                place["chat"], LOOKING, message_thread_id=place.get("topic"), link_preview_options=_PLAIN,
                reply_parameters=ReplyParameters(place["message"], allow_sending_without_reply=True),
            )
        )  # fmt: skip
        return str(posted.message_id)

    def tell(self, message: Incoming, ref: str, text: str) -> None:
        """Show in the place of the answer how far it is."""
        self._edit(message, ref, text)

    def answer(self, message: Incoming, ref: str, answer: Answer, *, again: bool) -> None:
        """The words in the place of "Looking …", and the pictures after it, each with what it shows."""
        self._edit(message, ref, answer.text)
        place = message.place
        for path, words in answer.pictures:
            if Path(path).is_file():
                self.run(
                    self.bot.send_document(
                        place["chat"], Path(path), caption=words[:CAPTION], message_thread_id=place.get("topic"),
                        reply_parameters=ReplyParameters(int(ref), allow_sending_without_reply=True),
                    )
                )  # fmt: skip

    def _edit(self, message: Incoming, ref: str, text: str) -> None:
        """Plain words: no marks are read in them, and no page is shown for an address."""
        shown = shortened(text, MOST)
        try:
            self.run(self.bot.edit_message_text(shown, message.place["chat"], int(ref), link_preview_options=_PLAIN))
        except UserError as error:
            if "not modified" not in error.message:  # it stands there already
                raise
