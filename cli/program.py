"""The command line as a whole: its groups of commands, and what becomes of errors.

With `--json` stdout holds one JSON object and nothing else. Exit codes: 0 done; 2 you must change
something (the message says what); 1 a fault of ours.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import sys
from typing import Any, Protocol, runtime_checkable

import typer

from ..errors import SaccadeError, UserError
from ..settings import TOOLS_GROUP, entry_points
from . import machine, memory, scenes, serve, talk, tasks, work
from .options import INTERRUPTED

_SERVERS = {"serve", "slack", "discord", "telegram"}  # they print nothing on stdout
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)  # a disk, or what stdout leads to, takes no more
NO_ROOM = (
    "A disk is full ({error}). What was acknowledged is kept. Make room, or choose another folder with SACCADE_HOME "
    "(or --out), then give the same command again."
)
STOPPED = "Stopped. What was acknowledged is kept{how}."
# How a command that was stopped is gone on with.
GO_ON = {
    "train": "; the same command with --resume goes on",
    "run": "; the same command goes on",
    "index": "; the same command goes on",
    "chat": "; `saccade chat --chat ID` goes on",
    "ask": "; `saccade ask --chat ID` goes on",
}


def _brought() -> str:
    """The tools that installed packages bring, for the help; nothing of them is imported."""
    names = ", ".join(one.name for one in entry_points(TOOLS_GROUP))
    return f" Tools from other packages: {names} (see: saccade tools)." if names else ""


app = typer.Typer(
    name="saccade",
    help="A local-first visual agent: give it pictures and a request in plain words.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: saccade scenes render --count 4 --out scenes; "
    f"then: saccade ask 'What is in the picture?' scenes/0000.png.{_brought()}",
)
for group in (talk, tasks, memory, serve, machine, scenes, work):
    group.add_commands(app)


@runtime_checkable
class _UsageError(Protocol):
    """What typer raises for a wrong option or a missing argument."""

    def format_message(self) -> str: ...


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; every `SaccadeError` becomes a message and an exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    as_json = "--json" in given
    if sys.stdout is None and not _SERVERS & set(given[:1]):  # closed, as in `saccade tools >&-`
        typer.secho("stdout is closed, so nothing can be printed and nothing was done.", fg="red", err=True)
        raise SystemExit(1)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that knows no é gets a question mark, not a traceback
            stream.reconfigure(errors="replace")
    try:
        code: Any = app(given, standalone_mode=False)
        if code == INTERRUPTED:  # typer makes an exit code of a Ctrl-C
            raise KeyboardInterrupt
    except UserError as error:
        code = _complain(error.kind, error.message, 2, as_json)
    except SaccadeError as error:
        code = _complain(error.kind, error.message, 1, as_json)
    except KeyboardInterrupt:
        how = GO_ON.get(next((word for word in given if not word.startswith("-")), ""), "")
        code = _complain("interrupted", STOPPED.format(how=how), INTERRUPTED, as_json)
    except typer.Exit as done:
        code = done.exit_code
    except typer.exceptions.TyperException as error:
        text = error.format_message() if isinstance(error, _UsageError) else str(error)
        # No arguments at all: the help was printed, and there is nothing to add.
        code = _complain("usage", f"{text} See: saccade --help", 2, as_json) if text.strip() else 2
    except BrokenPipeError:  # the reader went away, as in `saccade ask ... | head -1`
        sys.stderr.close()
        code = 0
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _FULL and _stdout_is_full():
            raise SystemExit(_unwritable(error)) from None
        if _disk_is_full(error):
            raise SystemExit(_complain("disk_full", NO_ROOM.format(error=error), 2, as_json)) from None
        if as_json:  # a fault of ours: a program that reads JSON is told too, and the traceback stays
            message = f"A fault of Saccade: {type(error).__name__}: {error}. The traceback is on stderr."
            _complain("fault", message, 1, as_json)
        raise
    try:
        if sys.stdout is not None and not sys.stdout.closed:  # None where it was closed for us
            sys.stdout.flush()
    except BrokenPipeError:
        code = 0
    except OSError as error:
        code = _unwritable(error)
    raise SystemExit(code or 0)


def _stdout_is_full() -> bool:
    """Whether it was stdout that took no more: a line's end is written to it, for what it refused it has forgotten."""
    try:
        os.write(sys.stdout.fileno(), b"\n")
    except (OSError, ValueError):
        return True
    return False


def _disk_is_full(error: BaseException | None) -> bool:
    """Whether an error, or what it came from, tells of a full disk, whichever library says so."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        if any(words in str(error) for words in ("disk is full", "No space left on device", "Disk quota exceeded")):
            return True
        error = error.__cause__ or error.__context__
    return False


def _unwritable(error: OSError) -> int:
    """Say that what was to be printed could not be, and have Python not try it once more at its end."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    message = f"What was to be printed could not be written: {error.strerror}. What was acknowledged is kept."
    typer.secho(message, fg="red", err=True)
    return 1


def _complain(kind: str, message: str, code: int, as_json: bool) -> int:
    if as_json:
        typer.echo(json.dumps({"error": {"kind": kind, "message": message}}, ensure_ascii=False))
    else:
        typer.secho(message, fg="red", err=True)
    return code
