"""What Discord brings: messages and commands, claimed before anything is done about them."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import Callable, Iterable

import discord
from discord import app_commands

from ...errors import SaccadeError, UserError
from ...tools.loops import LoopThread
from ..bot import FORGET_FIRST, Bot
from ..inbox import Incoming
from ..running import leave, stopped_by_signals
from .service import DiscordService, plain

LOG = logging.getLogger("saccade.discord")


def owner(user: int) -> str:
    """A person of Discord as an owner of ours."""
    return f"discord:{user}"


class Client(discord.Client):
    """A client that hands messages to `receive` and has our commands. It needs no privileged intent.

    Args:
        servers, channels: those that may ask, by their numbers; empty: all. Direct messages count as a channel.
    """

    def __init__(self, servers: Iterable[int] = (), channels: Iterable[int] = ()) -> None:
        super().__init__(intents=discord.Intents(guilds=True, guild_messages=True, dm_messages=True))
        self.bot: Bot | None = None
        self.servers, self.channels = frozenset(servers), frozenset(channels)
        self.tree = app_commands.CommandTree(self)
        self._add_commands()

    async def setup_hook(self) -> None:
        """Tell Discord which commands there are."""
        await self.tree.sync()

    async def on_message(self, message: discord.Message) -> None:
        """Claim a message that is meant for us."""
        if self.bot is None or message.author.bot or self.user is None:
            return
        spoken_to = message.guild is None or self.user in message.mentions
        if not spoken_to or message.type not in (discord.MessageType.default, discord.MessageType.reply):
            return
        if not self.lets_in(message.guild, message.channel):
            LOG.warning("a message from the channel %d was not let in", message.channel.id)
            return
        await asyncio.to_thread(self.bot.receive, incoming_of(message, self.user.id))

    def lets_in(self, server: discord.Guild | None, channel: discord.abc.Snowflake | None) -> bool:
        """Whether those of a server and a channel, or of a thread in it, may ask."""
        if self.servers and (server is None or server.id not in self.servers):
            return False
        here = {getattr(channel, "id", None), getattr(channel, "parent_id", None)}
        return not self.channels or bool(here & self.channels)

    def _add_commands(self) -> None:
        tree = self.tree

        @tree.command(description="Begin a new conversation here")
        async def new(interaction: discord.Interaction) -> None:
            await self._reply(interaction, lambda bot: self._renewed(bot, interaction))

        @tree.command(description="Find pictures that you showed me")
        @app_commands.describe(words="What they show, or say, as in: a green cone")
        async def search(interaction: discord.Interaction, words: str) -> None:
            await self._reply(interaction, lambda bot: bot.found(owner(interaction.user.id), words))

        @tree.command(description="Delete all that I keep of yours, for good")
        @app_commands.describe(everything="Yes, every picture and conversation")
        async def forget(interaction: discord.Interaction, everything: bool = False) -> None:
            first = FORGET_FIRST.format(command="/forget").replace(" everything", " everything:True")
            user = owner(interaction.user.id)
            await self._reply(interaction, lambda bot: bot.forget(user) if everything else first)

    @staticmethod
    def _renewed(bot: Bot, interaction: discord.Interaction) -> str:
        channel = interaction.channel
        if channel is not None:
            bot.inbox.forget_thread(thread_of(channel, interaction.user.id))
        return "A new conversation: what shall I look at?"

    async def _reply(self, interaction: discord.Interaction, said: Callable[[Bot], str]) -> None:
        """Answer a command, to that person only."""
        await interaction.response.defer(ephemeral=True, thinking=True)  # Discord waits for three seconds only
        if self.bot is None or not self.lets_in(interaction.guild, interaction.channel):
            text = "I may not answer here."
        else:
            try:
                text = await asyncio.to_thread(said, self.bot)
            except SaccadeError as error:
                text = error.message
        await interaction.followup.send(plain(text), ephemeral=True, allowed_mentions=discord.AllowedMentions.none())


def thread_of(channel: discord.abc.Snowflake, user: int) -> str:
    """The conversation of a place: each person has one there, so that nobody meets another's pictures."""
    return f"{channel.id}:{user}"


def incoming_of(message: discord.Message, me: int) -> Incoming:
    """A message as the bot takes it; our own name in it is left out."""
    files = tuple({"id": one.id, "size": one.size} for one in message.attachments)
    text = " ".join(re.sub(rf"<@!?{me}>", " ", message.content).split())
    return Incoming(
        str(message.id), thread_of(message.channel, message.author.id), owner(message.author.id),
        text or ("What is in this picture?" if files else "Hello."), files,
        {"channel": message.channel.id, "message": message.id}, f"{message.id:020d}",
    )  # fmt: skip


def log_in(client: Client, token: str) -> DiscordService:
    """Log a client in. Raises UserError where Discord does not take the token (kind "bad_token")."""
    loop = LoopThread("discord loop")
    try:
        loop.run(client.login(token))
    except discord.LoginFailure as error:
        loop.run(client.close())
        loop.close()
        raise UserError("Discord does not take this token. Under Bot, Reset Token gives a new one.",
                        kind="bad_token") from error  # fmt: skip
    return DiscordService(client, loop)


class Door:
    """The open connection over which messages come.

    Args:
        bot: who answers.
        client: logged in; it connects in `run`, and again by itself where the connection is lost.
        service: how Discord is reached.
    """

    def __init__(self, bot: Bot, client: Client, service: DiscordService) -> None:
        self.bot, self.client, self.service = bot, client, service
        self.stopping = threading.Event()

    def run(self) -> None:
        """Stay connected until `stopping` is set. Raises UserError where Discord closes the connection for good."""
        self.client.bot = self.bot
        self.bot.start()
        connected = self.service.loop.start(self.client.connect())
        connected.add_done_callback(lambda _: self.stopping.set())
        self.stopping.wait()
        if connected.done() and (error := connected.exception()) is not None:
            raise UserError(f"Discord has closed the connection: {error}", kind="discord_refused") from error

    def close(self) -> int:
        """Hang up; how many threads are still at work (see `Bot.close`)."""
        running = self.bot.close()
        self.service.loop.run(self.client.close())
        self.service.loop.close()
        return running


def serve(bot: Bot, client: Client, service: DiscordService) -> None:
    """Answer until SIGINT or SIGTERM; what was claimed and not answered goes on at the next start."""
    door = Door(bot, client, service)
    with stopped_by_signals(door.stopping.set):
        try:
            door.run()
        finally:
            leave(door.close(), bot.agent)
