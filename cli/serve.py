"""The commands under which others meet the agent: `serve`, `mcp`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..extras import need
from .options import Controller, ProfileName, User


def add_commands(app: typer.Typer) -> None:
    """Give an app the commands of this module."""
    app.command()(serve)
    app.command("mcp")(serve_mcp)


def serve(
    host: Annotated[str, typer.Option(help="Where to listen; anything but this machine needs a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535)] = 8765,
    tokens: Annotated[
        Path | None,
        typer.Option(help='A TOML file of users and their tokens, as in ann = "her token". Else: SACCADE_TOKEN.'),
    ] = None,
    at_once: Annotated[int, typer.Option(min=1, max=64, help="Turns that run side by side; more wait.")] = 2,
    most_mb: Annotated[int, typer.Option(min=1, max=4096, help="The largest request, in MB.")] = 64,
    log_words: Annotated[bool, typer.Option(help="Write the words of answers into the log, too.")] = False,
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
        serve(agent, host, port, doors, log_words=log_words, at_once=at_once)


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
    profile: ProfileName = None,
    controller: Controller = None,
    user: User = None,
) -> None:
    """Give Saccade's tools to another agent by the Model Context Protocol.

    An MCP client starts it itself: command `saccade`, arguments `["mcp"]`. With --http: http://127.0.0.1:8766/mcp.
    """
    need("mcp", "The Model Context Protocol")
    from ..agent.agent import ME, Agent
    from ..connectors.mcp_server import serve_http, serve_stdio

    with Agent(profile=profile, controller=controller) as agent:
        if not http:
            serve_stdio(agent, user or ME)
            return
        need("web", "--http")
        from ..connectors.web.server import check_host, doors_of

        doors = doors_of(tokens, user or ME)
        check_host(host, doors)
        typer.echo(f"Saccade listens on http://{host}:{port}/mcp (Ctrl-C stops it).", err=True)
        serve_http(agent, host, port, doors)
