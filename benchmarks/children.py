"""Processes that are there to be killed: made from one that has imported what they need, so each begins at once."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from typing import Any


class Children:
    """None of them shares a thread or a file with the parent.

    Args:
        modules: what they need, imported once.
        patience: seconds that one may be silent.
    """

    def __init__(self, modules: Sequence[str], patience: float) -> None:
        self._patience = patience
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(modules))

    def begin(self, work: Callable[..., None], *values: Any) -> tuple[Any, Any]:
        """Start `work(*values, line)` in a new process; the process and the near end of its line."""
        line, far = self._context.Pipe(duplex=False)
        process = self._context.Process(target=work, args=(*values, far), daemon=True)
        process.start()
        far.close()
        return process, line

    def answer(self, work: Callable[..., None], *values: Any) -> Any:
        """What `work` sends, or None where it dies of it or does not come to an end."""
        process, line = self.begin(work, *values)
        try:
            return line.recv() if line.poll(self._patience) else None
        except EOFError:
            return None
        finally:
            _end(process, line)

    def said(self, work: Callable[..., None], *values: Any) -> tuple[str, Any]:
        """The last thing that `work` says; ("died", exit code) where it says nothing at its end."""
        process, line = self.begin(work, *values)
        last: tuple[str, Any] = ("begun", None)
        try:
            while line.poll(self._patience):
                last = line.recv()
        except EOFError:
            pass
        _end(process, line)
        return last if last[0] in ("done", "refused") else ("died", process.exitcode)


def _end(process: Any, line: Any) -> None:
    process.join(5)
    process.kill()
    process.join()
    line.close()
