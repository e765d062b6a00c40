"""Running a server until it is told to stop, and ending while something still runs in it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

LOG = logging.getLogger("saccade.connectors")
STOPPING = 7  # seconds that a running request has to come to its end


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


def _no_cancelled(record: logging.LogRecord) -> bool:
    """Leave out the traceback of a request that was cut off because the server stops: that is no fault."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


def leave(running: int) -> None:
    """End the process at once where turns still run: Python would wait for them, and a model cannot be interrupted.

    Nothing is lost: each step is on disk, and the next message of a conversation finishes its turn.
    """
    if running:
        LOG.warning("%d turns are left as they are; the next message of their conversations finishes them", running)
        logging.shutdown()
        os._exit(0)
