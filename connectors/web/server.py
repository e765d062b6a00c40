"""Runs the application: where it listens, who may come in, and how it stops."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import UserError
from ..running import leave, run_server
from .access import LOOPBACK, MOST_BYTES, Doors
from .app import create_app

if TYPE_CHECKING:
    from ...agent.agent import Agent

SHORTEST = 16  # characters of a token


def serve(
    agent: Agent, host: str, port: int, doors: Doors, *, log_words: bool = False, at_once: int = 2,
    pictures_from: Sequence[str] = (),
) -> None:  # fmt: skip
    """Listen until SIGINT or SIGTERM; then take nothing more on, and let what runs come to its end.

    Raises:
        UserError: others could come in without a token (kind "no_token").
    """
    check_host(host, doors)
    app = create_app(agent, doors, log_words=log_words, pictures_from=pictures_from, at_once=at_once)
    run_server(app, host, port)
    leave(app.state.house.turns.running, agent)


def check_host(host: str, doors: Doors) -> None:
    """Refuse to let other machines in without a token. Raises UserError (kind "no_token")."""
    if not doors.tokens and host not in LOOPBACK:
        raise UserError(
            f"--host {host} lets other machines in, so a token is needed: set SACCADE_TOKEN to {SHORTEST} characters "
            "or more, or give a file of users and their tokens with --tokens.",
            kind="no_token",
        )


def doors_of(tokens: Path | None, user: str, most_mb: int | None = None) -> Doors:
    """Who may come in: those of a TOML file (`ann = "her token"`), else whoever has SACCADE_TOKEN, else anybody here.

    Raises:
        UserError: the file cannot be read, or a token is too short to keep anybody out.
    """
    known: Mapping[str, str] = {}
    if tokens is not None:
        try:
            known = tomllib.loads(tokens.read_text("utf-8"))
        except (OSError, UnicodeError, tomllib.TOMLDecodeError) as error:
            raise UserError(f'{str(tokens)!r} is no TOML of users, as in ann = "her token": {error}.',
                            kind="bad_tokens") from error  # fmt: skip
    elif token := os.environ.get("SACCADE_TOKEN"):
        known = {user: token}
    for name, token in known.items():
        if not isinstance(token, str) or len(token) < SHORTEST:
            raise UserError(f"The token of {name!r} is no text of {SHORTEST} characters or more.", kind="bad_tokens")
    if len(set(known.values())) < len(known):
        raise UserError("Two users have the same token; each needs one of their own.", kind="bad_tokens")
    return Doors(known, user, MOST_BYTES if most_mb is None else most_mb * 2**20)
