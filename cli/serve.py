"""The commands under which others meet the agent: `serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..extras import need
from .options import Controller, ProfileName, User


def add_commands(app: typer.Typer) -> None:
    """Give an app the commands of this module."""
    app.command()(serve)


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
