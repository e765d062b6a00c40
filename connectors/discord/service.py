"""Discord as a chat service: pictures are fetched, answers posted and then filled in where they stand."""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import discord
from discord import utils

from ...errors import UserError
from ...tools.loops import LoopThread
from ..inbox import Answer, Incoming
from ..words import shortened, unlinked

T = TypeVar("T")
LOOKING = "Looking …"
MOST = 2_000  # characters of a message
ALT = 1_024  # of what a picture shows
FILES = 10  # of a message
MOST_BYTES = 50 * 2**20
HOSTS = frozenset({"cdn.discordapp.com", "media.discordapp.net"})  # Discord's own, where attachments lie
NEAR = 50  # messages after a question among which our answer to it is looked for
_NOBODY = discord.AllowedMentions.none()


def plain(text: str) -> str:
    """A text that Discord shows as it is: no marks, no links, nobody is called, and not too long."""
    return shortened(unlinked(utils.escape_mentions(utils.escape_markdown(text))), MOST)


class DiscordService:
    """Implements `connectors.bot.Service`. `place` of a message is {channel, message}, as Discord numbers them.

    Discord's library is asynchronous: its calls run in one loop, in a thread of its own.

    Args:
        client: Discord's client; it need not be connected for what is done here, but logged in.
        loop: where it runs.
        hosts: whence attachments may be fetched.
    """

    name = "discord"

    def __init__(self, client: discord.Client, loop: LoopThread, hosts: frozenset[str] = HOSTS) -> None:
        self.client, self.loop, self.hosts = client, loop, hosts

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What comes of a call, from any thread. Raises UserError where Discord will never do it."""
        try:
            return self.loop.run(work)
        except discord.HTTPException as error:
            if 400 <= error.status < 500 and error.status != 429:
                raise UserError(
                    f"Discord refuses this: {error.text or error.status}.", kind="discord_refused"
                ) from error
            raise

    def fetch(self, message: Incoming) -> list[bytes]:
        """The pictures of a message. It is asked for anew, since the addresses of attachments are good for a day."""
        if not message.files:
            return []
        sent = self.run(self._channel(message).fetch_message(message.place["message"]))
        wanted = {one["id"] for one in message.files}
        return [self._file(one) for one in sent.attachments if one.id in wanted]

    def _file(self, file: discord.Attachment) -> bytes:
        if file.size > MOST_BYTES:
            raise UserError(
                f"{file.filename!r} has over {MOST_BYTES // 2**20} MB; send a smaller one.", kind="too_large"
            )
        if urlsplit(file.url).hostname not in self.hosts:
            raise UserError(f"{file.filename!r} does not lie on Discord's own servers.", kind="foreign_file")
        return self.run(file.read())

    def open_answer(self, message: Incoming, *, again: bool) -> str:
        """Post "Looking …" as a reply. A nonce keeps Discord from taking it twice; later a look at the channel does."""
        if again and (there := self.run(self._posted(message))):
            return there
        channel, asked = message.place["channel"], message.place["message"]
        reference = discord.MessageReference(channel_id=channel, message_id=asked, fail_if_not_exists=False)
        posted = self.run(
            self._channel(message).send(
                LOOKING, reference=reference, nonce=str(asked), allowed_mentions=_NOBODY, suppress_embeds=True
            )
        )
        return str(posted.id)

    async def _posted(self, message: Incoming) -> str | None:
        """Our answer to a message, if it is there already."""
        asked = discord.Object(message.place["message"])
        async for one in self._channel(message).history(limit=NEAR, after=asked):
            ours = self.client.user is not None and one.author.id == self.client.user.id
            if ours and one.reference is not None and one.reference.message_id == asked.id:
                return str(one.id)
        return None

    def tell(self, message: Incoming, ref: str, text: str) -> None:
        """Show in the place of the answer how far it is."""
        self.run(self._answer(message, ref).edit(content=plain(text), allowed_mentions=_NOBODY))

    def answer(self, message: Incoming, ref: str, answer: Answer, *, again: bool) -> None:
        """Words and pictures in the place of "Looking …", in one request, which may well be made twice."""
        shown = [(Path(path), words) for path, words in answer.pictures if Path(path).is_file()][:FILES]
        files = [discord.File(path, description=words[:ALT]) for path, words in shown]
        try:
            self.run(
                self._answer(message, ref).edit(content=plain(answer.text), attachments=files, allowed_mentions=_NOBODY)
            )
        finally:
            for file in files:
                file.close()

    def _channel(self, message: Incoming) -> discord.PartialMessageable:
        return self.client.get_partial_messageable(message.place["channel"])

    def _answer(self, message: Incoming, ref: str) -> discord.PartialMessage:
        return self._channel(message).get_partial_message(int(ref))
