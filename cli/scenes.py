"""The commands about the drawn world."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import UserError

scenes = typer.Typer(help="The drawn world that the bundled models know.", no_args_is_help=True)


def add_commands(app: typer.Typer) -> None:
    """Give an app the commands of this module."""
    app.add_typer(scenes, name="scenes")


@scenes.command()
def render(
    out: Annotated[Path, typer.Option(help="A folder for 0000.png, 0000.json, ...")],
    count: Annotated[int, typer.Option(min=1, help="How many scenes.")] = 8,
    seed: Annotated[int, typer.Option(min=0, max=10**9, help="The same seed draws the same scenes.")] = 0,
    size: Annotated[int, typer.Option(min=64, max=2048, help="The picture's side in pixels.")] = 512,
) -> None:
    """Draw scenes with their exact truth: boxes, masks, captions, questions with answers."""
    from ..scenes.export import export_scenes

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{str(out)!r} cannot be a folder for scenes: {error.strerror}.", kind="bad_out") from error
    export_scenes(count, seed, size, out)
    typer.echo(f"{count} scenes in {out}. Try: saccade ask 'What is in the picture?' {out / '0000.png'}")
