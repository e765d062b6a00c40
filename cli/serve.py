"""The commands under which others meet the agent: `serve`, `mcp`, `slack`, `discord`, `telegram`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..extras import need
from .options import Controller, ProfileName, User

AtOnce = Annotated[int, typer.Option(min=1, max=64, help="Turns that run side by side; more wait.")]
LogWords = Annotated[bool, typer.Option(help="Write the words of answers into the log, too.")]


def add_commands(app: typer.Typer) -> None:
    """Give an app the commands of this module."""
    app.command()(serve)
    app.command("mcp")(serve_mcp)
    app.command("slack")(serve_slack)
    app.command("discord")(serve_discord)
    app.command("telegram")(serve_telegram)


def serve(
    host: Annotated[str, typer.Option(help="Where to listen; anything but this machine needs a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535)] = 8765,
    tokens: Annotated[
        Path | None,
        typer.Option(help='A TOML file of users and their tokens, as in ann = "her token". Else: SACCADE_TOKEN.'),
    ] = None,
    at_once: AtOnce = 2,
    most_mb: Annotated[int, typer.Option(min=1, max=4096, help="The largest request, in MB.")] = 64,
    pictures_from: Annotated[
        list[str] | None,
        typer.Option(help="A host from which programs may have pictures fetched by https; several times. None."),
    ] = None,
    log_words: LogWords = False,
    profile: ProfileName = None,
    controller: Controller = None,
    user: User = None,
) -> None:
    """Open a chat page in the browser, and an OpenAI-compatible endpoint for programs, on one address.

    Everything stays on this machine. Programs use http://127.0.0.1:8765/v1 as the base URL, and the model "saccade".
    """
    need("web", "The web page")
    import logging

    from ..agent.agent import ME, Agent
    from ..connectors.web.server import doors_of, serve

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    doors = doors_of(tokens, user or ME, most_mb)
    with Agent(profile=profile, controller=controller) as agent:
        shown = f"[{host}]" if ":" in host else host
        typer.echo(f"Saccade listens on http://{shown}:{port} (Ctrl-C stops it).", err=True)
        serve(agent, host, port, doors, log_words=log_words, at_once=at_once, pictures_from=pictures_from or ())


def serve_mcp(
    http: Annotated[bool, typer.Option("--http", help="Listen for many clients, instead of talking to one.")] = False,
    host: Annotated[
        str, typer.Option(help="With --http: where; anything but this machine needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535, help="With --http.")] = 8766,
    tokens: Annotated[
        Path | None,
        typer.Option(help='With --http: a TOML file, as in ann = "her token". Else: SACCADE_TOKEN.'),
    ] = None,
    log_words: LogWords = False,
    profile: ProfileName = None,
    controller: Controller = None,
    user: User = None,
) -> None:
    """Give Saccade's tools to another agent by the Model Context Protocol.

    An MCP client starts it itself: command `saccade`, arguments `["mcp"]`. With --http: http://127.0.0.1:8766/mcp.
    """
    need("mcp", "The Model Context Protocol")
    import logging

    from ..agent.agent import ME, Agent
    from ..connectors.mcp_server import serve_http, serve_stdio
    from ..connectors.tracing import logged_and_traced

    logging.basicConfig(level=logging.INFO, format="%(message)s")  # on stderr: stdout is the client's
    for name in ("httpx", "mcp"):
        logging.getLogger(name).setLevel(logging.WARNING)
    listener = logged_and_traced(words=log_words)
    with Agent(profile=profile, controller=controller) as agent:
        if not http:
            serve_stdio(agent, user or ME, listener)
            return
        need("web", "--http")
        from ..connectors.web.server import check_host, doors_of

        doors = doors_of(tokens, user or ME)
        check_host(host, doors)
        typer.echo(f"Saccade listens on http://{host}:{port}/mcp (Ctrl-C stops it).", err=True)
        serve_http(agent, host, port, doors, listener)


def serve_slack(
    manifest: Annotated[
        bool, typer.Option("--manifest", help="Print the app's manifest, to be pasted at api.slack.com, and end.")
    ] = False,
    http: Annotated[
        str | None,
        typer.Option(help="The https address at which Slack reaches this machine; without it Socket Mode is used."),
    ] = None,
    host: Annotated[str, typer.Option(help="With --http: where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535, help="With --http.")] = 8767,
    team: Annotated[
        list[str] | None, typer.Option(help="A workspace that may ask (its id); several times. All.")
    ] = None,
    channel: Annotated[
        list[str] | None, typer.Option(help="A channel that may ask (its id); several times. All.")
    ] = None,
    at_once: AtOnce = 2,
    log_words: LogWords = False,
    profile: ProfileName = None,
    controller: Controller = None,
) -> None:
    """Answer in Slack: mention it, or write to it directly, with pictures.

    Set up once as docs/bots.md says: `saccade slack --manifest`, then SLACK_BOT_TOKEN and SLACK_APP_TOKEN.
    """
    need("slack", "Slack")
    import logging

    from ..agent.agent import Agent
    from ..connectors.running import secret
    from ..connectors.slack import server
    from ..connectors.slack.app import Allowed

    if manifest:
        typer.echo(server.manifest(http))
        return
    token = secret("SLACK_BOT_TOKEN", "the bot's token (xoxb-...), under OAuth & Permissions")
    app_token = "" if http else secret("SLACK_APP_TOKEN", "the app-level token (xapp-...), for Socket Mode")
    signing = secret("SLACK_SIGNING_SECRET", "it is under Basic Information") if http else "unused"
    if http:
        need("web", "--http")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    allowed = Allowed(frozenset(team or ()), frozenset(channel or ()))
    with Agent(profile=profile, controller=controller) as agent:
        bot, app = server.put_together(agent, token, signing, allowed, at_once=at_once, log_words=log_words)
        typer.echo("Saccade answers in Slack (Ctrl-C stops it).", err=True)
        if http:
            server.serve_http(bot, app, host, port)
        else:
            server.serve_socket(bot, app, app_token)


def serve_discord(
    server: Annotated[
        list[int] | None, typer.Option(help="A server that may ask (its number); several times. All.")
    ] = None,
    channel: Annotated[
        list[int] | None, typer.Option(help="A channel that may ask (its number); several times. All.")
    ] = None,
    at_once: AtOnce = 2,
    log_words: LogWords = False,
    profile: ProfileName = None,
    controller: Controller = None,
) -> None:
    """Answer in Discord: mention it, or write to it directly, with pictures.

    Set up once as docs/bots.md says, then export DISCORD_BOT_TOKEN=... Nothing here need be reachable.
    """
    need("discord", "Discord")
    import logging

    from ..agent.agent import Agent
    from ..connectors.bot import Bot
    from ..connectors.discord.app import Client, log_in, serve
    from ..connectors.running import secret
    from ..connectors.tracing import logged_and_traced

    token = secret("DISCORD_BOT_TOKEN", "the token that Discord shows under Bot, Reset Token")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("discord").setLevel(logging.ERROR)  # among others it warns that it cannot speak
    client = Client(server or (), channel or ())
    service = log_in(client, token)
    with Agent(profile=profile, controller=controller) as agent:
        bot = Bot(agent, service, at_once=at_once, listener=logged_and_traced(words=log_words))
        typer.echo(f"Saccade answers as {client.user} (Ctrl-C stops it).", err=True)
        serve(bot, client, service)


def serve_telegram(
    chat: Annotated[list[int] | None, typer.Option(help="A chat that may ask (its number); again for more.")] = None,
    at_once: AtOnce = 2,
    log_words: LogWords = False,
    profile: ProfileName = None,
    controller: Controller = None,
) -> None:
    """Answer in Telegram: write to the bot with pictures, or name it in a group.

    Set up once: /newbot at @BotFather gives a token; export TELEGRAM_BOT_TOKEN=... Nothing here need be reachable.
    """
    need("telegram", "Telegram")
    import logging

    from telegram import Bot as TelegramBot

    from ..agent.agent import Agent
    from ..connectors.bot import Bot
    from ..connectors.running import secret
    from ..connectors.telegram.app import serve
    from ..connectors.telegram.service import TelegramService
    from ..connectors.tracing import logged_and_traced

    token = secret("TELEGRAM_BOT_TOKEN", "the token that @BotFather gave with /newbot")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # its lines have the token in them
    with Agent(profile=profile, controller=controller) as agent:
        service = TelegramService(TelegramBot(token))
        bot = Bot(agent, service, at_once=at_once, listener=logged_and_traced(words=log_words))
        typer.echo(f"Saccade answers as @{service.bot.username} (Ctrl-C stops it).", err=True)
        serve(bot, service, chat or ())
