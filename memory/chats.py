"""Conversations: which there are, whose they are, and the checkpoints of their messages."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from ..errors import UserError
from .home import open_home
from .ledger.chat_rows import unknown_chat
from .ledger.ledger import BUSY, Ledger, now
from .records import Conversation

if TYPE_CHECKING:
    from langgraph.checkpoint.sqlite import SqliteSaver

NAME = "chats.sqlite"


class Chats:
    """The conversations under a home folder.

    Args:
        home: the home folder, or None to keep everything in memory.
        ledger: the ledger to share (`PictureStore.ledger`); one of its own is opened when not given.
        durable: survive power cuts.
    """

    def __init__(self, home: Path | str | None, ledger: Ledger | None = None, *, durable: bool = True) -> None:
        self.home = Path(home).expanduser().absolute() if home is not None else None
        self.durable = durable
        self._owns_ledger = ledger is None
        self._ledger = ledger if ledger is not None else Ledger(self.home, durable=durable)
        self._saver: SqliteSaver | None = None

    @staticmethod
    def new_id() -> str:
        """An id for a new conversation, `chat_<12 hex>`. Nothing is written until something happens in it."""
        return f"chat_{uuid4().hex[:12]}"

    def create(self, owner: str, *, title: str = "") -> Conversation:
        """Begin a conversation and write it down.

        Raises:
            UserError: the home folder cannot be written.
        """
        chat = self.new_id()
        with self._ledger.write() as db:
            db.execute("INSERT INTO chats (id, owner, title, created) VALUES (?, ?, ?, ?)", (chat, owner, title, now()))
        return self.get(chat, owner)

    def get(self, chat: str, owner: str) -> Conversation:
        """The conversation with this id.

        Raises:
            UserError: this owner has none by that id; whether anybody else has is not told.
        """
        rows = self._ledger.read("SELECT * FROM chats WHERE id = ? AND owner = ?", (chat, owner))
        if not rows:
            raise unknown_chat(chat)
        return _conversation(rows[0])

    def list(self, owner: str) -> list[Conversation]:
        """All conversations of a user, the newest first."""
        rows = self._ledger.read("SELECT * FROM chats WHERE owner = ? ORDER BY created DESC, rowid DESC", (owner,))
        return [_conversation(row) for row in rows]

    def rename(self, chat: str, owner: str, title: str) -> None:
        """Give a conversation a title.

        Raises:
            UserError: this owner has none by that id.
        """
        self.get(chat, owner)
        with self._ledger.write() as db:
            db.execute("UPDATE chats SET title = ? WHERE id = ? AND owner = ?", (title, chat, owner))

    def checkpointer(self) -> SqliteSaver:
        """The LangGraph checkpointer over `chats.sqlite`: one for this object, safe for threads, closed by `close`.

        The thread id of a graph is the conversation's id; check with `get` whose it is first.

        Raises:
            UserError: the home folder cannot be written.
        """
        if self._saver is None:
            # Read when langgraph is imported: stored messages then rebuild plain data and messages, nothing else.
            os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")
            from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
            from langgraph.checkpoint.sqlite import SqliteSaver

            place = ":memory:"
            if self.home is not None:
                place = str(open_home(self.home) / NAME)
                os.close(os.open(place, os.O_CREAT | os.O_RDWR, 0o600))
            db = sqlite3.connect(place, timeout=BUSY, check_same_thread=False)
            try:
                db.execute("PRAGMA journal_mode=WAL")
                db.execute(f"PRAGMA synchronous={'FULL' if self.durable else 'OFF'}")
            except sqlite3.DatabaseError as error:
                db.close()
                if isinstance(error, sqlite3.OperationalError):  # busy, or the disk: nothing is wrong with the file
                    raise
                raise UserError(
                    f"{place!r} is damaged or holds no conversations of Saccade ({error}). Restore it from a backup, "
                    f"or move it away: pictures and regions are kept elsewhere and stay.",
                    kind="damaged_chats",
                ) from error
            # Said here once more, for a process that had imported langgraph before us.
            saver = SqliteSaver(db, serde=JsonPlusSerializer(allowed_msgpack_modules=None))
            saver.setup()
            self._saver = saver
        return self._saver

    def close(self) -> None:
        """Close the checkpointer, and the ledger if it was not given."""
        if self._saver is not None:
            self._saver.conn.close()
            self._saver = None
        if self._owns_ledger:
            self._ledger.close()


def forget_messages(home: Path, chats: Sequence[str]) -> None:
    """Delete the checkpoints of conversations for good, out of the file and its write-ahead log.

    Raises:
        UserError: another process keeps the file busy.
    """
    place = home / NAME
    if not chats or not place.exists():
        return
    with closing(sqlite3.connect(place, timeout=BUSY, isolation_level=None)) as db:
        try:
            db.execute("PRAGMA secure_delete=ON")
            tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            db.execute("BEGIN IMMEDIATE")
            for table in sorted(tables & {"checkpoints", "writes"}):
                db.executemany(f"DELETE FROM {table} WHERE thread_id = ?", [(chat,) for chat in chats])
            db.execute("COMMIT")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.OperationalError as error:
            raise UserError(
                f"The messages in {str(place)!r} could not be deleted ({error}). End the other process that uses it, "
                f"then try again.",
                kind="busy_chats",
            ) from error


def _conversation(row: sqlite3.Row) -> Conversation:
    created = datetime.fromisoformat(row["created"])
    return Conversation(row["id"], row["owner"], row["title"], created, row["turns"])
