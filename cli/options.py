"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
ProfileName = Annotated[
    str | None,
    typer.Option("--profile", "-p", help="bundled, gpu, or the path of a TOML file of your own. [default: bundled]"),
]
User = Annotated[
    str | None,
    typer.Option("--user", "-u", help="Whose conversations and pictures; users never see each other's. [default: me]"),
]
