"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from ..settings import CONTROLLERS_GROUP, entry_points


def _brought() -> str:
    """The schemes of controllers that installed packages bring, for the help."""
    return "".join(f", {one.name}:NAME" for one in entry_points(CONTROLLERS_GROUP))


INTERRUPTED = 130  # the exit code after Ctrl-C

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
ProfileName = Annotated[
    str | None,
    typer.Option("--profile", "-p", help="bundled, gpu, or the path of a TOML file of your own. [default: bundled]"),
]
User = Annotated[
    str | None,
    typer.Option("--user", "-u", help="Whose conversations and pictures; users never see each other's. [default: me]"),
]
Controller = Annotated[
    str | None,
    typer.Option(
        help="The controller LLM, as scheme:name: zoo:controller, hf:Qwen/Qwen2.5-7B-Instruct, file:FOLDER, "
        f"openai:MODEL, script:FILE.json{_brought()}."
    ),
]


def profile_name(given: str | None) -> str:
    """The profile that was named, or the one of the environment."""
    from ..settings import Settings

    return given or Settings.from_environment().profile
