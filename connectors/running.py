"""Running a server until it is told to stop, and ending while something still runs in it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..errors import UserError

if TYPE_CHECKING:
    from ..agent.agent import Agent

LOG = logging.getLogger("saccade.connectors")
STOPPING = 7  # seconds that a running request has to come to its end
REMEMBERING = 2.0  # seconds, after that, to remember what was met


def secret(name: str, what: str) -> str:
    """A secret of the environment. Raises UserError (kind "no_secret") where it is not there."""
    value = os.environ.get(name, "").strip()
    if not value:
        raise UserError(f"{name} is not set: {what}. docs/bots.md has each step.", kind="no_secret")
    return value


class _Stopped(BaseException):
    """SIGTERM came."""


def run_server(app: Any, host: str, port: int) -> None:
    """Serve an ASGI application until SIGINT or SIGTERM, and come back; requests that run have a little time to end."""
    import uvicorn

    logging.getLogger("uvicorn.error").addFilter(_no_cancelled)
    with _coming_back():
        uvicorn.run(
            app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=STOPPING, server_header=False
        )


@contextlib.contextmanager
def _coming_back() -> Iterator[None]:
    """Uvicorn raises the signal that stopped it once more when it is done; here it ends the block, not the process."""

    def stopped(*_: Any) -> None:
        raise _Stopped

    if threading.current_thread() is not threading.main_thread():  # there it hears no signals
        yield
        return
    before = {number: signal.signal(number, stopped) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except (_Stopped, KeyboardInterrupt):
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """SIGINT and SIGTERM call `stop` while the block runs; in a thread that hears no signals nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda *_: stop()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _no_cancelled(record: logging.LogRecord) -> bool:
    """Leave out the traceback of a request that was cut off because the server stops: that is no fault."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


def leave(running: int, agent: Agent) -> None:
    """End the process at once where turns still run, or much has to be remembered: Python would wait for both.

    Nothing is lost: each step is on disk, the next message of a conversation finishes its turn, and what was not
    remembered yet is remembered at the next start.
    """
    if running:
        LOG.warning("%d turns are left as they are; the next message of their conversations finishes them", running)
    elif agent.settled(REMEMBERING):
        return
    else:
        LOG.warning("what was met last is remembered at the next start")
    logging.shutdown()
    os._exit(0)
