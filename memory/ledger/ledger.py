"""The ledger: one SQLite file that is the truth about what is kept.

Pictures are rows about files, stored once; *holdings* say who has which. Everything that a user
can see hangs on an owner: two users who give the same file share its bytes and know nothing of
each other.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ...errors import UserError
from ..dates import moment_of
from ..home import not_writable, open_home
from ..names import is_named
from .schema import MIGRATIONS

NAME = "ledger.sqlite"
BUSY = 30.0  # seconds that a write waits for another process


class Ledger:
    """One connection to the ledger, opened at first use, shared by threads through a lock.

    Args:
        home: the home folder, or None for a ledger in memory that ends with the object.
        durable: flush every commit to the disk, so that a power cut loses nothing that was
            acknowledged. False is for throw-away homes (a `kill -9` still loses nothing).
    """

    def __init__(self, home: Path | None, *, durable: bool = True) -> None:
        self.home = home.expanduser() if home is not None else None
        self.durable = durable
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._opened = 0  # how many connections there were

    @property
    def exists(self) -> bool:
        """Whether there is anything to read yet; asking creates nothing."""
        return self._connection is not None or (self.home is not None and (self.home / NAME).exists())

    def read(self, sql: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> list[sqlite3.Row]:
        """Run one SELECT. Nothing is created: a ledger that is not there yet has no rows."""
        with self._lock:
            if not self.exists:
                return []
            return self._open().execute(sql, parameters).fetchall()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One short transaction: all of it is kept when the block ends, none of it when it raises.

        Raises:
            UserError: the ledger cannot be created or written, is damaged, or another process held it
                for longer than half a minute.
        """
        with self._lock:
            db = self._open()
            if db.in_transaction:
                raise RuntimeError("a transaction of the ledger was begun inside another one")
            try:
                db.execute("BEGIN IMMEDIATE")
                try:
                    yield db
                except BaseException:
                    db.execute("ROLLBACK")
                    raise
                db.execute("COMMIT")
            except sqlite3.OperationalError as error:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise self._refusal(error) from error

    def stamp(self) -> tuple[int, ...]:
        """What is another after every change of the ledger, by whomever: cheaper than to look for what has changed."""
        with self._lock:
            if not self.exists:
                return ()
            db = self._open()
            return self._opened, db.total_changes, db.execute("PRAGMA data_version").fetchone()[0]

    def prepare(self) -> None:
        """Create the home folder and the ledger now, if they are not there."""
        with self._lock:
            self._open()

    def wipe(self) -> bool:
        """Empty the write-ahead log, so that nothing deleted stays in it; False where a reader is in the way."""
        with self._lock:
            if not self.exists:
                return True
            return self._open().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0

    def close(self) -> None:
        """Close the connection; the next use opens it again (a ledger in memory begins anew)."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            if self.home is None:
                place = ":memory:"
            else:
                place = str(open_home(self.home) / NAME)
                # SQLite gives its -wal and -shm files the rights of this one.
                os.close(os.open(place, os.O_CREAT | os.O_RDWR, 0o600))
            db = sqlite3.connect(place, timeout=BUSY, isolation_level=None, check_same_thread=False)
            db.row_factory = sqlite3.Row
            db.create_function("is_named", 2, is_named, deterministic=True)
            db.create_function("moment_of", 1, moment_of, deterministic=True)
            try:
                self._prepare(db)
            except sqlite3.DatabaseError as error:
                db.close()
                raise self._refusal(error) from error
            except BaseException:
                db.close()
                raise
            self._connection = db
            self._opened += 1
        return self._connection

    def _prepare(self, db: sqlite3.Connection) -> None:
        """Set the connection up and bring the schema to this version.

        Raises:
            UserError: a newer Saccade wrote it.
        """
        version = db.execute("PRAGMA user_version").fetchone()[0]
        self._refuse_newer(version)
        _use_wal(db)
        db.execute(f"PRAGMA synchronous={'FULL' if self.durable else 'OFF'}")
        db.execute("PRAGMA foreign_keys=ON")
        db.execute("PRAGMA secure_delete=ON")  # what is forgotten is overwritten, not only unlinked
        if version == len(MIGRATIONS):
            return
        db.execute("BEGIN IMMEDIATE")
        try:
            version = db.execute("PRAGMA user_version").fetchone()[0]  # another process may have been first
            self._refuse_newer(version)
            for script in MIGRATIONS[version:]:
                for statement in _statements(script):
                    db.execute(statement)
            db.execute(f"PRAGMA user_version={len(MIGRATIONS)}")
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise

    def _refuse_newer(self, version: int) -> None:
        if version > len(MIGRATIONS):
            raise UserError(
                f"The ledger in {str(self.home)!r} was written by a newer Saccade (schema {version}; this one knows "
                f"{len(MIGRATIONS)}). Update Saccade, or choose another folder with SACCADE_HOME.",
                kind="newer_ledger",
            )

    def _refusal(self, error: sqlite3.DatabaseError) -> Exception:
        """A SQLite error as what the user can do about it; an error of ours stays what it is."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        where = (self.home or Path(":memory:")) / NAME
        if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            return UserError(
                f"{str(where)!r} is damaged or no ledger of Saccade ({error}). Restore it from a backup, or move it "
                f"away and begin anew.",
                kind="damaged_ledger",
            )
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return UserError(
                f"Another process has kept {str(where)!r} busy for {BUSY:g} seconds. End it, then try again.",
                kind="busy_ledger",
            )
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
            return not_writable(where, error)
        return error


def _use_wal(db: sqlite3.Connection) -> None:
    """Switch to write-ahead logging; SQLite does not wait by itself for another process that does the same."""
    deadline = time.monotonic() + BUSY
    while True:
        try:
            db.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _statements(script: str) -> Iterator[str]:
    """The statements of a script: `executescript` would commit the transaction around them."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def now() -> str:
    """This moment in UTC, as the ledger writes it."""
    return datetime.now(UTC).isoformat()
