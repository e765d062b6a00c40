"""The commands that talk: ask once, or converse."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import AsJson, Controller, ProfileName, User

if TYPE_CHECKING:
    from ..agent.agent import Agent


def add_commands(app: typer.Typer) -> None:
    """Give an app the commands of this module."""
    app.command()(ask)
    app.command("chat")(converse)


def ask(
    request: Annotated[str, typer.Argument(help="What you would like to know or have done, in plain words.")],
    images: Annotated[list[Path] | None, typer.Argument(help="Picture files: PNG, JPEG, WEBP, BMP, GIF, TIFF.")] = None,
    as_json: AsJson = False,
    profile: ProfileName = None,
    controller: Controller = None,
    chat: Annotated[str | None, typer.Option(help="Go on with this conversation.")] = None,
    user: User = None,
    out: Annotated[
        Path | None, typer.Option(help="A folder to copy the pictures that were made and the evidence into.")
    ] = None,
    timings: Annotated[bool, typer.Option(help="Print on stderr where the seconds went.")] = False,
) -> None:
    """Ask once about pictures; prints every step, the answer and its evidence.

    Example: saccade ask "How many red cubes are there?" table.png
    """
    from rich.console import Console

    from ..agent.agent import Agent

    started = time.perf_counter()
    with Agent(profile=profile, controller=controller) as agent:
        opened = time.perf_counter()
        conversation = agent.chat(user=user, id=chat, out=out)
        if timings:
            agent.warm_up()  # so that loading the controller is told apart from the turn
        loaded = time.perf_counter()
        if as_json:
            reply = conversation.send(request, images or [])
        else:
            from .terminal import follow

            reply = follow(conversation.stream(request, images or []), Console())
        finished = time.perf_counter()
        if as_json:
            typer.echo(json.dumps(reply.to_json(), ensure_ascii=False))
        else:
            typer.echo(f"Go on with: saccade ask --chat {conversation.id} ...")
        if timings:
            _show_timings(agent, opened - started, loaded - opened, finished - loaded)


def _show_timings(agent: Agent, opening: float, loading: float, turn: float) -> None:
    from ..tools.pool import ExpertPool

    stages = {"open": opening, "import and load controller": loading}
    if isinstance(agent.experts, ExpertPool):
        for role, spent in agent.experts.seconds.items():
            stages[f"load {role}"] = spent.load
            stages[f"{role}, {spent.requests} asked"] = spent.predict
    stages["whole turn"] = turn
    for stage, seconds in stages.items():
        typer.echo(f"{stage:28} {seconds:7.2f} s", err=True)


def converse(
    profile: ProfileName = None,
    controller: Controller = None,
    chat: Annotated[str | None, typer.Option(help="Go on with this conversation.")] = None,
    user: User = None,
) -> None:
    """Talk in the terminal. A line may name picture files: what is red here? table.png"""
    from rich.console import Console

    from ..agent.agent import Agent
    from .terminal import converse as talk

    with Agent(profile=profile, controller=controller) as agent:
        talk(agent.chat(user=user, id=chat), Console())
