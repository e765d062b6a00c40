"""Forgetting: rows, vectors, files and messages deleted for good, and nothing of anybody else's."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from .chats import forget_messages
from .index.index import Index
from .ledger.chat_rows import unknown_chat
from .ledger.file_rows import write_names
from .ledger.memory_rows import not_held, parts_of
from .pictures.store import PictureStore
from .pictures.thumbnails import sheet_name, thumbnail_name
from .query import Forgotten
from .records import ASKED, FORGOTTEN

GONE_WORDS = "(forgotten)"  # stands where an observation told of what is forgotten


@dataclass
class Doomed:
    """What is to go, all of one owner."""

    owner: str
    pictures: set[str] = field(default_factory=set)
    regions: set[str] = field(default_factory=set)
    chats: set[str] = field(default_factory=set)


class Forgetting:
    """Deletes for good.

    Args:
        store: the pictures and the ledger.
        index: the index, which is made anew without what is forgotten.
    """

    def __init__(self, store: PictureStore, index: Index) -> None:
        self._store, self._ledger = store, store.ledger
        self._index = index

    def forget(
        self,
        owner: str,
        *,
        ids: Sequence[str] = (),
        chat: str | None = None,
        older_than: timedelta | None = None,
        everything: bool = False,
    ) -> Forgotten:
        """See `Memory.forget`."""
        with self._ledger.write() as db:
            doomed = Doomed(owner)
            _add_ids(db, doomed, ids)
            if chat is not None:
                _add_chat(db, doomed, chat)
            if older_than is not None:
                _add_old(db, doomed, (datetime.now(UTC) - older_than).isoformat())
            if everything:
                doomed.pictures |= _column(db, "SELECT picture FROM holdings WHERE owner = ?", owner)
                doomed.pictures |= _column(db, "SELECT picture FROM memories WHERE owner = ?", owner)
                doomed.chats |= _column(db, "SELECT id FROM chats WHERE owner = ?", owner)
            _add_parts(db, doomed)
            if not (doomed.pictures or doomed.regions or doomed.chats):
                return Forgotten()
            drawn = _drawn(db, self._store.home, doomed)
            deleted = Deletion(db, owner).run(doomed)
            db.executemany("INSERT OR IGNORE INTO doomed (name) VALUES (?)", [(name,) for name in drawn])
        files = self._store.delete_doomed()
        notes = self._wipe(sorted(doomed.chats))
        return Forgotten(
            pictures=sorted(doomed.pictures),
            regions=sorted(deleted),
            chats=sorted(doomed.chats),
            files=files,
            note=" ".join(notes) or None,
        )

    def _wipe(self, chats: Sequence[str]) -> list[str]:
        """Get rid of what the files still have of deleted rows; what could not be done at once."""
        notes: list[str] = []
        if self._store.home is not None:
            forget_messages(self._store.home, chats)
        if not self._ledger.wipe():
            notes.append("Another process reads the ledger: its log is emptied when that has ended.")
        if not self._index.erase():
            notes.append("Another process has the index open: it throws its copy away at its next search.")
        return notes


class Deletion:
    """Deletes the rows of one owner inside a transaction, and names the files that nobody holds any longer."""

    def __init__(self, db: sqlite3.Connection, owner: str) -> None:
        self._db = db
        self._owner = owner

    def run(self, doomed: Doomed) -> set[str]:
        """Delete it all; the ids of the regions that went, those of pictures and conversations included."""
        db, owner = self._db, self._owner
        gone: set[str] = set(doomed.regions)
        for picture in sorted(doomed.pictures):
            gone |= _column(
                db,
                "SELECT r.picture || '.r' || r.n FROM regions r JOIN chats k ON k.id = r.chat "
                "WHERE k.owner = ? AND r.picture = ?",
                owner,
                picture,
            )
            gone |= _column(
                db, "SELECT item FROM memories WHERE owner = ? AND picture = ? AND kind = 'region'", owner, picture
            )
        for chat in sorted(doomed.chats):
            gone |= _column(db, "SELECT picture || '.r' || n FROM regions WHERE chat = ?", chat)
        for region in sorted(gone):
            self._region(region)
        for picture in sorted(doomed.pictures):
            self._picture(picture)
        for chat in sorted(doomed.chats):
            self._chat(chat)
        for picture in sorted(doomed.pictures):
            self._orphan(picture)
        db.execute("INSERT INTO memory_text (memory_text) VALUES ('optimize')")  # drops deleted words' entries
        db.execute("DELETE FROM spaces WHERE owner = ? AND id NOT IN (SELECT space FROM vectors)", (owner,))
        return gone

    def _region(self, region: str) -> None:
        db, (picture, number) = self._db, parts_of(region)
        self._memory(region)
        rows = db.execute(
            "SELECT r.chat, r.number, r.mask, r.found_mask FROM regions r JOIN chats k ON k.id = r.chat "
            "WHERE k.owner = ? AND r.picture = ? AND r.n = ?",
            (self._owner, picture, number),
        ).fetchall()
        for row in rows:
            at = (row["chat"], row["number"])
            masks = {row["mask"], row["found_mask"]}
            masks |= {one["mask"] for one in db.execute("SELECT mask FROM masked WHERE chat = ? AND number = ?", at)}
            db.execute("DELETE FROM masked WHERE chat = ? AND number = ?", at)
            self._scrub(
                row["chat"], f"reg_{row['number']}", "SELECT call FROM regions WHERE chat = ? AND number = ?", at
            )
            db.execute("DELETE FROM regions WHERE chat = ? AND number = ?", at)
            db.execute("INSERT OR IGNORE INTO forgotten (chat, handle) VALUES (?, ?)", (at[0], f"reg_{at[1]}"))
            for mask in masks - {None}:
                sql = (
                    "SELECT 1 FROM regions WHERE mask = ?1 OR found_mask = ?1 UNION ALL "
                    "SELECT 1 FROM masked WHERE mask = ?1 LIMIT 1"
                )
                if not db.execute(sql, (mask,)).fetchone():
                    self._doom(mask)

    def _picture(self, picture: str) -> None:
        db, owner = self._db, self._owner
        self._memory(picture)
        rows = db.execute(
            "SELECT c.chat, c.number FROM chat_pictures c JOIN chats k ON k.id = c.chat "
            "WHERE k.owner = ? AND c.picture = ?",
            (owner, picture),
        ).fetchall()
        for row in rows:
            at = (row["chat"], row["number"])
            self._scrub(row["chat"], f"img_{row['number']}", "SELECT call FROM made WHERE chat = ? AND number = ?", at)
            db.execute("DELETE FROM made WHERE chat = ? AND number = ?", at)
            db.execute("DELETE FROM chat_pictures WHERE chat = ? AND number = ?", at)
            db.execute("INSERT OR IGNORE INTO forgotten (chat, handle) VALUES (?, ?)", (at[0], f"img_{at[1]}"))
        db.execute("DELETE FROM files WHERE owner = ? AND picture = ?", (owner, picture))
        db.execute("DELETE FROM holdings WHERE owner = ? AND picture = ?", (owner, picture))

    def _chat(self, chat: str) -> None:
        shown = _column(self._db, "SELECT picture FROM chat_pictures WHERE chat = ?", chat)
        for table in ("masked", "made", "regions", "calls", "chat_pictures", "turns", "forgotten"):
            self._db.execute(f"DELETE FROM {table} WHERE chat = ?", (chat,))
        self._db.execute("DELETE FROM chats WHERE id = ? AND owner = ?", (chat, self._owner))
        self._db.execute("UPDATE memories SET chat = NULL WHERE chat = ? AND owner = ?", (chat, self._owner))
        for picture in shown:  # the names that they had in it
            write_names(self._db, self._owner, picture)

    def _orphan(self, picture: str) -> None:
        """Name the files of a picture, if nobody else holds it."""
        db = self._db
        row = db.execute(
            "SELECT sha256 FROM pictures p WHERE id = ? AND NOT EXISTS (SELECT 1 FROM holdings WHERE picture = p.id) "
            "AND NOT EXISTS (SELECT 1 FROM memories WHERE picture = p.id) "
            "AND NOT EXISTS (SELECT 1 FROM chat_pictures WHERE picture = p.id)",
            (picture,),
        ).fetchone()
        if row:
            db.execute("DELETE FROM pictures WHERE id = ?", (picture,))
            self._doom(f"images/{row['sha256'][:2]}/{row['sha256']}.png")
            self._doom(thumbnail_name(row["sha256"], picture))

    def _memory(self, item: str) -> None:
        """Delete what is remembered of an item, and tell those who follow."""
        db = self._db
        row = db.execute(
            "SELECT m.id, m.kind, p.sha256 FROM memories m JOIN pictures p ON p.id = m.picture "
            "WHERE m.owner = ? AND m.item = ?",
            (self._owner, item),
        ).fetchone()
        if row is None:
            return
        db.execute(
            "INSERT INTO changes (space, vector, what) SELECT space, id, 'gone' FROM vectors WHERE memory = ?",
            (row["id"],),
        )
        db.execute("DELETE FROM memory_text WHERE rowid = ?", (row["id"],))
        db.execute("DELETE FROM memories WHERE id = ?", (row["id"],))  # vectors, tags and links go along
        if row["kind"] == "region":
            self._doom(thumbnail_name(row["sha256"], item))

    def _scrub(self, chat: str, handle: str, made_by: str, at: tuple[str, int]) -> None:
        """Take away what tool calls told of a thing; that they were made stays."""
        self._db.execute(
            "UPDATE calls SET observation = ?, facts = '{}' WHERE chat = ? AND "
            # That it was asked to be forgotten, and was, may be told: the call is answered again after a crash.
            f"json_extract(facts, '$.{ASKED}') IS NULL AND json_extract(facts, '$.{FORGOTTEN}') IS NULL "
            f"AND (id IN ({made_by}) OR instr(arguments, ?) OR instr(observation, ?))",
            (GONE_WORDS, chat, *at, f'"{handle}"', f"{handle} "),
        )

    def _doom(self, name: str) -> None:
        self._db.execute("INSERT OR IGNORE INTO doomed (name) VALUES (?)", (name,))


def _add_ids(db: sqlite3.Connection, doomed: Doomed, ids: Iterable[str]) -> None:
    for item in ids:
        picture, number = parts_of(item)
        if number is None:
            found = _column(db, "SELECT picture FROM holdings WHERE owner = ? AND picture = ?", doomed.owner, picture)
            doomed.pictures |= found
        else:
            found = _column(
                db,
                "SELECT 1 FROM regions r JOIN chats k ON k.id = r.chat WHERE k.owner = ? AND r.picture = ? AND r.n = ?",
                doomed.owner,
                picture,
                number,
            ) | _column(db, "SELECT 1 FROM memories WHERE owner = ? AND item = ?", doomed.owner, item)
            doomed.regions.add(item)
        if not found:
            raise not_held(item)


def _add_chat(db: sqlite3.Connection, doomed: Doomed, chat: str) -> None:
    """A conversation, with the pictures that came with it and are met nowhere else."""
    if not _column(db, "SELECT id FROM chats WHERE id = ? AND owner = ?", chat, doomed.owner):
        raise unknown_chat(chat)
    doomed.chats.add(chat)
    doomed.pictures |= _column(
        db,
        "SELECT c.picture FROM chat_pictures c JOIN holdings h ON h.picture = c.picture AND h.owner = ?1 "
        "WHERE c.chat = ?2 AND json_extract(h.lineage, '$.chat') = ?2 AND NOT EXISTS (SELECT 1 FROM chat_pictures o "
        "JOIN chats k ON k.id = o.chat WHERE k.owner = ?1 AND o.picture = c.picture AND o.chat <> ?2) "
        "AND NOT EXISTS (SELECT 1 FROM files f WHERE f.owner = ?1 AND f.picture = c.picture)",
        doomed.owner,
        chat,
    )


def _add_old(db: sqlite3.Connection, doomed: Doomed, before: str) -> None:
    """Pictures not met, and conversations not gone on with, since a moment."""
    doomed.pictures |= _column(
        db,
        "SELECT h.picture FROM holdings h WHERE h.owner = ?1 AND h.created < ?2 AND NOT EXISTS "
        "(SELECT 1 FROM memories m WHERE m.owner = ?1 AND m.picture = h.picture AND m.last >= ?2) AND NOT EXISTS "
        "(SELECT 1 FROM chat_pictures c JOIN chats k ON k.id = c.chat "
        "WHERE k.owner = ?1 AND c.picture = h.picture AND c.created >= ?2)",
        doomed.owner,
        before,
    )
    doomed.chats |= _column(
        db,
        "SELECT k.id FROM chats k WHERE k.owner = ?1 AND k.created < ?2 AND NOT EXISTS "
        "(SELECT 1 FROM turns t WHERE t.chat = k.id AND t.created >= ?2) AND NOT EXISTS "
        "(SELECT 1 FROM calls c WHERE c.chat = k.id AND c.created >= ?2)",
        doomed.owner,
        before,
    )


def _add_parts(db: sqlite3.Connection, doomed: Doomed) -> None:
    """Crops and cut-outs of a picture hold its pixels: they go with it."""
    wholes = set(doomed.pictures)
    while wholes:
        parts: set[str] = set()
        for whole in wholes:
            parts |= _column(
                db,
                "SELECT picture FROM holdings WHERE owner = ? AND kind IN ('crop', 'cutout') AND "
                "substr(json_extract(lineage, '$.parent'), 1, ?) = ?",
                doomed.owner,
                len(whole),
                whole,
            )
        wholes = parts - doomed.pictures
        doomed.pictures |= parts


def _drawn(db: sqlite3.Connection, home: Path | None, doomed: Doomed) -> list[str]:
    """Files that show the pictures' pixels again: evidence of the conversations that had them, contact sheets."""
    if home is None:
        return []
    chats = set(doomed.chats)
    for picture in doomed.pictures | {parts_of(region)[0] for region in doomed.regions}:
        sql = "SELECT c.chat FROM chat_pictures c JOIN chats k ON k.id = c.chat WHERE k.owner = ? AND c.picture = ?"
        chats |= _column(db, sql, doomed.owner, picture)
    folders = [home / "evidence" / chat for chat in sorted(chats)]
    files = [file for folder in folders if folder.is_dir() for file in folder.iterdir()]
    sheet = home / sheet_name(doomed.owner)
    return [file.relative_to(home).as_posix() for file in [*files, *([sheet] if sheet.is_file() else [])]]


def _column(db: sqlite3.Connection, sql: str, *parameters: object) -> set[str]:
    return {row[0] for row in db.execute(sql, parameters)}
