"""One turn of a conversation at a time, among the threads of a process and among processes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class TurnLock:
    """The lock of one conversation.

    Without it a second process would take a running turn for one that a crash cut off, and finish it
    a second time. The lock of the operating system goes with the process, whatever kills it.

    Args:
        path: the file that processes lock; it stays, empty.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = threading.Lock()

    @contextmanager
    def held(self, *, by_process: bool) -> Iterator[None]:
        """Hold the lock.

        Args:
            by_process: against other processes too; a conversation that is not written down yet is
                known to nobody else, and nothing should be written for it.
        """
        with self._threads:
            if not by_process:
                yield
                return
            from filelock import FileLock

            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            with FileLock(self._path):
                yield
