"""One flush to the disk for many writers: what waits while a transaction is flushed shares the next one.

A flush costs milliseconds, whatever is flushed. Threads that each write a little are therefore
written together (group commit, as in DeWitt et al. 1984): each is told of its success only after the
flush that covers it.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from .ledger import Ledger

MOST = 512  # pieces of work in one transaction
Result = TypeVar("Result")


class Together:
    """Writes of many threads to one ledger, in shared transactions."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waiting: list[_Piece] = []
        self._queue = threading.Lock()
        self._turn = threading.Lock()

    def write(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run `work` inside a transaction; what it returns comes back when it is durable.

        `work` runs in one of the waiting threads, all of it or none of it: what it raises undoes what it wrote,
        and nothing of the others'. It may run twice, so it does nothing but write.
        """
        piece = _Piece(work)
        with self._queue:
            self._waiting.append(piece)
        with self._turn:
            if not piece.done:
                self._write_all()
        if piece.error is not None:
            raise piece.error
        return piece.result

    def _write_all(self) -> None:
        """Write what waits, up to `MOST` pieces at a time, until the caller's own is among it."""
        with self._queue:
            pieces, self._waiting = self._waiting[:], []
        for start in range(0, len(pieces), MOST):
            part = pieces[start : start + MOST]
            try:
                try:
                    self._commit(part, apart=False)
                except _Failed as one:
                    if len(part) == 1:
                        raise one.why from None
                    self._commit(part, apart=True)
            except BaseException as error:  # the transaction did not come through: nothing of it is kept
                for piece in part:
                    piece.error = error
            for piece in part:
                piece.done = True

    def _commit(self, pieces: list[_Piece], *, apart: bool) -> None:
        """Write pieces in one transaction; `apart`: each with a savepoint, which costs half as much again."""
        with self._ledger.write() as db:
            for piece in pieces:
                piece.run(db, apart=apart)


class _Failed(Exception):
    """A piece raised, and what it wrote is mixed with what the others have written."""

    def __init__(self, why: Exception) -> None:
        super().__init__()
        self.why = why


class _Piece:
    def __init__(self, work: Callable[[sqlite3.Connection], Any]) -> None:
        self.work = work
        self.result: Any = None
        self.error: BaseException | None = None
        self.done = False

    def run(self, db: sqlite3.Connection, *, apart: bool) -> None:
        if apart:
            db.execute("SAVEPOINT piece")
        try:
            self.result = self.work(db)
        except Exception as error:
            if not apart:
                raise _Failed(error) from error
            db.execute("ROLLBACK TO piece")
            self.error = error
        if apart:
            db.execute("RELEASE piece")
