"""The commands about this machine: what it can run, which models are there, which tools the controller has."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from .options import AsJson, ProfileName, profile_name

models = typer.Typer(help="The models that a profile names: what is there, what is missing.", no_args_is_help=True)


def add_commands(app: typer.Typer) -> None:
    """Give an app the commands of this module."""
    app.command()(doctor)
    app.command()(tools)
    app.add_typer(models, name="models")


def doctor(as_json: AsJson = False, profile: ProfileName = None) -> None:
    """Say what this machine can run, which weights are there, and the command that mends what is missing."""
    from ..agent.doctor import examine

    report = examine(profile_name(profile))
    if as_json:
        typer.echo(json.dumps(report))
    else:
        from rich.console import Console

        from .terminal import show_machine

        show_machine(report, Console())
    if not report["ready"]:
        raise typer.Exit(2)


def tools(as_json: AsJson = False) -> None:
    """List the tools that the controller may call: ours, those of packages, and those that SACCADE_TOOLS names.

    With --json, each with its JSON schema in the form that MCP has: name, description, inputSchema.
    """
    from ..settings import Settings
    from ..tools.registry import all_tools, tool_origins

    file = Settings.from_environment().tools
    every, origins = all_tools(file=file), tool_origins(file)
    if as_json:
        told = [{**tool.to_mcp(), "package": origins[name], "roles": list(tool.roles)} for name, tool in every.items()]
        typer.echo(json.dumps({"tools": told}, ensure_ascii=False))
        return
    from rich.console import Console

    from .terminal import show_tools

    show_tools(every, origins, Console())


@models.command("list")
def list_models(as_json: AsJson = False, profile: ProfileName = None) -> None:
    """List the models of a profile and whether their weights are on this machine."""
    from ..agent.doctor import examine

    report = examine(profile_name(profile))
    if as_json:
        typer.echo(json.dumps({"models": report["models"]}))
    else:
        from rich.console import Console

        from .terminal import show_models

        show_models(report, Console())


@models.command()
def fetch(what: Annotated[str, typer.Argument(help="A profile, or one model as hf:OWNER/NAME.")] = "gpu") -> None:
    """Download the published checkpoints of a profile (the one command that fetches from the network)."""
    from ..agent.doctor import fetch as download

    fetched = download(what)
    for spec in fetched:
        typer.echo(f"{spec} is here")
    if not fetched:
        typer.echo(f"The profile {what!r} names no model of the hub: there is nothing to download.")


@models.command()
def verify(profile: ProfileName = None) -> None:
    """Compare the SHA-256 of every bundled weight file with its card."""
    from ..settings import load_profile
    from ..tools.weights import verify as check

    chosen = load_profile(profile_name(profile))
    for role in chosen.models:
        spec = chosen.spec(role)
        if spec.shipped:
            check(spec.path)
            typer.echo(f"{role:12} {spec}: as its card says")
        else:
            typer.echo(f"{role:12} {spec}: not bundled, nothing to compare it with")
