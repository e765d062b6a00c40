"""What a chat service brought and what it is to be told, on disk: nothing is done twice, and nothing is lost.

A message is claimed by its id before it is acknowledged; a retry of it is known and dropped. Which turn of which
conversation answers it is written down before the turn begins, and the answer before it is sent. So a process that is
killed anywhere goes on from there.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..memory.home import open_home

NAME = "connectors.sqlite"
BUSY = 30.0  # seconds to wait for another process that writes
KEPT_DAYS = 30  # a service does not bring a message again after so long
_SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    service TEXT, id TEXT, thread TEXT, place TEXT, user TEXT, text TEXT, files TEXT, ordered TEXT, arrived REAL,
    state TEXT DEFAULT 'new', turn INTEGER, ref TEXT, answer TEXT, tries INTEGER DEFAULT 0,
    PRIMARY KEY (service, id)
);
CREATE INDEX IF NOT EXISTS waiting ON messages (service, state, thread, ordered);
CREATE TABLE IF NOT EXISTS threads (service TEXT, thread TEXT, chat TEXT, PRIMARY KEY (service, thread));
"""
_OPEN = "state IN ('new', 'begun', 'answered', 'sending')"  # of messages that are not done with

State = Literal["new", "begun", "answered", "sending", "sent", "given_up"]


@dataclass(frozen=True)
class Incoming:
    """A message that a service brought.

    Attributes:
        id: of the message within the service; every retry has the same.
        thread: which conversation it belongs to.
        user: whose conversation that is, as an owner of ours.
        text: what was said.
        files: what the service needs to fetch the pictures that came with it.
        place: what the service needs to answer it.
        ordered: sorts the messages of a thread by when they were said.
    """

    id: str
    thread: str
    user: str
    text: str
    files: tuple[dict[str, Any], ...] = ()
    place: dict[str, Any] = field(default_factory=dict)
    ordered: str = ""


@dataclass(frozen=True)
class Answer:
    """What a message is answered with: words, and pictures as files with words for those who cannot see them."""

    text: str
    pictures: tuple[tuple[str, str], ...] = ()  # (path, what it shows)


@dataclass(frozen=True)
class Waiting:
    """A message that is not done with."""

    message: Incoming
    state: State
    turn: int | None  # the turn of its conversation that answers it, once one was begun
    ref: str | None  # what the service calls our answer, once one was posted; "": one may have been, before a crash
    answer: Answer | None
    tries: int


class Inbox:
    """The messages of one service. Safe for threads and processes.

    Args:
        home: the home folder; None keeps everything in memory.
        service: its name.
    """

    def __init__(self, home: Path | None, service: str) -> None:
        self.service = service
        place = ":memory:" if home is None else str(open_home(home) / NAME)
        self._db = sqlite3.connect(place, timeout=BUSY, check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._lock = threading.RLock()
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)
        with self._write() as db:
            old = time.time() - KEPT_DAYS * 86_400
            db.execute("DELETE FROM messages WHERE state IN ('sent', 'given_up') AND arrived < ?", (old,))

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def claim(self, message: Incoming) -> bool:
        """Write a message down, unless it is known; False: it is."""
        with self._write() as db:
            done = db.execute(
                "INSERT OR IGNORE INTO messages (service, id, thread, place, user, text, files, ordered, arrived) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (self.service, message.id, message.thread, json.dumps(message.place), message.user, message.text,
                 json.dumps(message.files), message.ordered, time.time()),
            )  # fmt: skip
            return done.rowcount > 0

    def threads(self) -> list[str]:
        """The threads in which something waits."""
        with self._lock:
            rows = self._db.execute(
                f"SELECT DISTINCT thread FROM messages WHERE service = ? AND {_OPEN}",
                (self.service,),
            ).fetchall()
        return [row["thread"] for row in rows]

    def next(self, thread: str) -> Waiting | None:
        """What is to be done next in a thread: what was begun, else what was said first."""
        with self._lock:
            row = self._db.execute(
                f"SELECT * FROM messages WHERE service = ? AND thread = ? AND {_OPEN} "
                "ORDER BY state = 'new', ordered, arrived LIMIT 1",
                (self.service, thread),
            ).fetchone()
        return None if row is None else _waiting(row)

    def waiting_of(self, user: str) -> int:
        """How many messages of a user wait."""
        with self._lock:
            sql = "SELECT count(*) FROM messages WHERE service = ? AND user = ? AND state IN ('new', 'begun')"
            return self._db.execute(sql, (self.service, user)).fetchone()[0]

    def chat_of(self, thread: str) -> str | None:
        """The conversation of a thread; None: it has none yet."""
        with self._lock:
            sql = "SELECT chat FROM threads WHERE service = ? AND thread = ?"
            row = self._db.execute(sql, (self.service, thread)).fetchone()
        return None if row is None else row["chat"]

    def keep_chat(self, thread: str, chat: str) -> str:
        """Give a thread its conversation; the one that it has, where another process was first."""
        with self._write() as db:
            db.execute("INSERT OR IGNORE INTO threads VALUES (?, ?, ?)", (self.service, thread, chat))
        return self.chat_of(thread) or chat

    def forget_thread(self, thread: str) -> None:
        """A thread begins anew with its next message."""
        with self._write() as db:
            db.execute("DELETE FROM threads WHERE service = ? AND thread = ?", (self.service, thread))

    def forget_user(self, user: str) -> None:
        """A person's threads begin anew; of what was said and answered only the ids stay, so that retries are known."""
        mine = (self.service, user)
        with self._write() as db:
            named = "SELECT thread FROM messages WHERE service = ? AND user = ?"
            db.execute(f"DELETE FROM threads WHERE service = ? AND thread IN ({named})", (self.service, *mine))
            db.execute(
                "UPDATE messages SET text = '', files = '[]', answer = NULL "
                "WHERE service = ? AND user = ? AND state IN ('sent', 'given_up')",
                mine,
            )

    def begin(self, message: str, turn: int) -> None:
        """The turn that answers a message is about to begin."""
        self._set(message, "state = 'begun', turn = ?, tries = tries + 1", turn)

    def opening(self, message: str) -> None:
        """Our answer is about to be posted, empty as yet."""
        self._set(message, "ref = ''")

    def posted(self, message: str, ref: str) -> None:
        """Our answer has been posted, empty as yet; `ref` is what the service calls it."""
        self._set(message, "ref = ?", ref)

    def answer(self, message: str, answer: Answer) -> None:
        """The answer is there, and has to be sent."""
        self._set(message, "state = 'answered', answer = ?", json.dumps([answer.text, answer.pictures]))

    def sending(self, message: str) -> None:
        """The answer is about to be sent."""
        self._set(message, "state = 'sending'")

    def sent(self, message: str) -> None:
        """The answer has been sent."""
        self._set(message, "state = 'sent'")

    def give_up(self, message: str) -> None:
        """Nothing more can be done about it."""
        self._set(message, "state = 'given_up'")

    def _set(self, message: str, what: str, *values: Any) -> None:
        with self._write() as db:
            db.execute(
                f"UPDATE messages SET {what} WHERE service = ? AND id = ?",  # `what` is ours
                (*values, self.service, message),
            )

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()


def _waiting(row: sqlite3.Row) -> Waiting:
    message = Incoming(
        row["id"], row["thread"], row["user"], row["text"], tuple(json.loads(row["files"])), json.loads(row["place"]),
        row["ordered"],
    )  # fmt: skip
    answer = None
    if row["answer"] is not None:
        text, pictures = json.loads(row["answer"])
        answer = Answer(text, tuple((path, words) for path, words in pictures))
    return Waiting(message, row["state"], row["turn"], row["ref"], answer, row["tries"])
