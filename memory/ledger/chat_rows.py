"""The rows of one conversation in the ledger: every statement that a workspace needs, and no policy."""

from __future__ import annotations

import json
import math
import re
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ...errors import UserError
from ..pictures.store import Kept, PictureStore, lineage_of, lineage_text
from ..records import (
    RECALLED,
    Lineage,
    MaskDraft,
    Picture,
    PictureDraft,
    PictureKind,
    Recalled,
    Recorded,
    Region,
    RegionDraft,
)
from .ledger import now

_PICTURES = (
    "SELECT c.number, c.picture, c.kind, c.source, c.created, c.lineage, p.sha256, p.width, p.height, "
    "h.taken FROM chat_pictures c JOIN pictures p ON p.id = c.picture JOIN chats t ON t.id = c.chat "
    "LEFT JOIN holdings h ON h.owner = t.owner AND h.picture = c.picture WHERE c.chat = ?"
)
_REGIONS = (
    "SELECT r.*, i.number AS image, c.turn, c.tool, c.arguments FROM regions r "
    "JOIN chat_pictures i ON i.chat = r.chat AND i.picture = r.picture "
    "JOIN calls c ON c.chat = r.chat AND c.id = r.call WHERE r.chat = ?"
)


class ChatRows:
    """Reads and writes the rows of one conversation. Writing takes the connection of an open transaction."""

    def __init__(self, store: PictureStore, chat: str, owner: str) -> None:
        self._store = store
        self._chat = chat
        self._owner = owner

    def read(self, sql: str, *parameters: Any) -> list[sqlite3.Row]:
        """Run a SELECT whose first parameter is the conversation."""
        return self._store.ledger.read(sql, (self._chat, *parameters))

    # Reading

    def pictures(self, condition: str = "", *parameters: Any) -> list[Picture]:
        """Pictures with handles, oldest first; `condition` may narrow `c` (the handle) down."""
        rows = self.read(f"{_PICTURES} {condition} ORDER BY c.number", *parameters)
        return [self._picture(row, row["kind"], lineage_of(row["lineage"])) for row in rows]

    def regions(self, condition: str = "", *parameters: Any) -> list[Region]:
        """Regions with handles and their newest masks, oldest first; `condition` may narrow `r` or its call `c`."""
        rows = self.read(f"{_REGIONS} {condition} ORDER BY r.number", *parameters)
        return [self._region(row, row["mask"]) for row in rows]

    def recorded(self, call: str) -> Recorded:
        """What a call recorded. Always read back, so that the first answer and every later one are the same."""
        row = self.read("SELECT turn, tool, arguments, facts FROM calls WHERE chat = ? AND id = ?", call)[0]
        found = self.read(f"{_REGIONS} AND r.call = ? ORDER BY r.number", call)
        masked = self.read("SELECT number, mask FROM masked WHERE chat = ? AND call = ? ORDER BY place", call)
        made = self.read("SELECT number, kind, parent FROM made WHERE chat = ? AND call = ? ORDER BY place", call)
        arguments, facts = json.loads(row["arguments"]), json.loads(row["facts"])
        return Recorded(
            # A region that got a mask in a later call is told here as this call left it.
            regions=[self._region(one, one["found_mask"]) for one in found],
            masked=[
                self._region(self.read(f"{_REGIONS} AND r.number = ?", one["number"])[0], one["mask"]) for one in masked
            ],
            pictures=[
                self._picture(
                    self.read(f"{_PICTURES} AND c.number = ?", one["number"])[0],
                    one["kind"],
                    Lineage(self._chat, row["turn"], row["tool"], arguments, one["parent"]),
                )
                for one in made
            ],
            facts=facts,
            recalled=[one for handle in facts.get(RECALLED, ()) for one in self._by_handle(handle)],
        )

    def _by_handle(self, handle: str) -> list[Picture] | list[Region]:
        """What a handle names: one, or none where it was forgotten since."""
        if handle.startswith("img_"):
            return self.pictures("AND c.number = ?", number_in(handle, "img"))
        return self.regions("AND r.number = ?", number_in(handle, "reg"))

    def _picture(self, row: sqlite3.Row, kind: PictureKind, lineage: Lineage) -> Picture:
        return Picture(
            id=row["picture"],
            sha256=row["sha256"],
            path=self._store.path(row["sha256"]),
            width=row["width"],
            height=row["height"],
            kind=kind,
            owner=self._owner,
            source=row["source"],
            created=datetime.fromisoformat(row["created"]),
            lineage=lineage,
            handle=f"img_{row['number']}",
            taken=row["taken"],
        )

    def _region(self, row: sqlite3.Row, mask: str | None) -> Region:
        return Region(
            id=f"{row['picture']}.r{row['n']}",
            picture=row["picture"],
            box=(row["x0"], row["y0"], row["x1"], row["y1"]),
            label=row["label"],
            score=row["score"],
            mask=(self._store.home or Path()) / mask if mask else None,
            lineage=Lineage(self._chat, row["turn"], row["tool"], json.loads(row["arguments"]), row["picture"]),
            handle=f"reg_{row['number']}",
            image=f"img_{row['image']}",
        )

    # Writing

    def begin_chat(self, db: sqlite3.Connection) -> int:
        """Write the conversation down if it is new; the number of turns begun so far.

        Raises:
            UserError: it is another user's.
        """
        sql = "INSERT OR IGNORE INTO chats (id, owner, created) VALUES (?, ?, ?)"
        db.execute(sql, (self._chat, self._owner, now()))
        row = db.execute("SELECT owner, turns FROM chats WHERE id = ?", (self._chat,)).fetchone()
        if row["owner"] != self._owner:
            raise unknown_chat(self._chat)
        return row["turns"]

    def begin_turn(self, db: sqlite3.Connection, waits: bool = False) -> int:
        """Begin the next turn; its number, from 1. `waits`: what is met in it is to be remembered afterwards."""
        sql = "UPDATE chats SET turns = turns + 1 WHERE id = ? RETURNING turns"
        turn = db.execute(sql, (self._chat,)).fetchall()[0][0]
        sql = "INSERT INTO turns (chat, turn, created, waits) VALUES (?, ?, ?, ?)"
        db.execute(sql, (self._chat, turn, now(), waits))
        return turn

    def take_handle(self, db: sqlite3.Connection, kept: Kept, kind: PictureKind, lineage: Lineage) -> int:
        """The number of the picture's handle: the one that it has in this conversation, or the next."""
        self._store.hold(db, kept, owner=self._owner, kind=kind, lineage=lineage)
        had = db.execute("SELECT number FROM chat_pictures WHERE chat = ? AND picture = ?", (self._chat, kept.id))
        for row in had.fetchall():
            return row["number"]
        number = self._next(db, "next_img")
        db.execute(
            "INSERT INTO chat_pictures (chat, number, picture, turn, kind, source, created, lineage) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (self._chat, number, kept.id, lineage.turn, kind, kept.source, now(), lineage_text(lineage)),
        )
        return number

    def take_recalled(self, db: sqlite3.Connection, call: str, turn: int, recalled: Sequence[Recalled]) -> list[str]:
        """The handles of what memory gave back: those that it has in this conversation, or the next ones.

        A region of another conversation is written down here once more, as found by this call; so each
        conversation stands by itself.

        Raises:
            ValueError: the owner has no such picture or region (our fault).
        """
        return [
            f"reg_{self._recall_region(db, call, turn, one)}"
            if one.is_region
            else f"img_{self._recall_picture(db, turn, one.picture)}"
            for one in recalled
        ]

    def _recall_picture(self, db: sqlite3.Connection, turn: int, picture: str) -> int:
        row = db.execute(
            "SELECT p.id, p.sha256, p.width, p.height, h.kind, h.source FROM holdings h "
            "JOIN pictures p ON p.id = h.picture WHERE h.owner = ? AND h.picture = ?",
            (self._owner, picture),
        ).fetchone()
        if row is None:
            raise ValueError(f"{self._owner!r} has no picture {picture!r} to recall")
        kept = Kept(row["id"], row["sha256"], (row["width"], row["height"]), row["source"])
        return self.take_handle(db, kept, row["kind"], Lineage(self._chat, turn))

    def _recall_region(self, db: sqlite3.Connection, call: str, turn: int, one: Recalled) -> int:
        found = db.execute(
            "SELECT r.* FROM regions r JOIN chats c ON c.id = r.chat WHERE c.owner = ? AND r.picture = ? AND r.n = ?",
            (self._owner, one.picture, int(one.id.rpartition(".r")[2])),
        ).fetchall()
        if not found:  # one that was found while a folder was indexed, or imported: it belongs to no conversation
            found = db.execute(
                "SELECT m.*, NULL AS mask FROM memories m WHERE owner = ? AND item = ?", (self._owner, one.id)
            ).fetchall()
        if not found:
            raise ValueError(f"{self._owner!r} has no region {one.id!r} to recall")
        row = found[0]
        same = db.execute(
            "SELECT number FROM regions WHERE chat = ? AND picture = ? AND label = ? AND x0 = ? AND y0 = ? "
            "AND x1 = ? AND y1 = ? ORDER BY number",
            (self._chat, one.picture, row["label"], row["x0"], row["y0"], row["x1"], row["y1"]),
        ).fetchone()
        if same is not None:
            return same["number"]
        self._recall_picture(db, turn, one.picture)
        draft = RegionDraft(one.picture, (row["x0"], row["y0"], row["x1"], row["y1"]), row["label"], row["score"])
        self.write_regions(db, call, [draft], [row["mask"]])
        sql = "SELECT max(number) AS number FROM regions WHERE chat = ? AND call = ?"
        return db.execute(sql, (self._chat, call)).fetchone()["number"]

    def write_regions(
        self, db: sqlite3.Connection, call: str, drafts: Sequence[RegionDraft], masks: Sequence[str | None]
    ) -> None:
        """Write the regions that a call found; `masks` are the names of their files."""
        for draft, mask in zip(drafts, masks, strict=True):
            self._check(db, draft.picture, draft.mask)
            x0, y0, x1, y1 = map(float, draft.box)
            if not (all(map(math.isfinite, (x0, y0, x1, y1))) and x0 <= x1 and y0 <= y1):
                raise ValueError(f"a box is (x0, y0, x1, y1) with x0 <= x1 and y0 <= y1, not {draft.box!r}")
            sql = "UPDATE pictures SET next_region = next_region + 1 WHERE id = ? RETURNING next_region - 1"
            values = {
                "chat": self._chat,
                "number": self._next(db, "next_reg"),
                "picture": draft.picture,
                "n": db.execute(sql, (draft.picture,)).fetchall()[0][0],
                "call": call,
                "x0": x0,
                "y0": y0,
                "x1": x1,
                "y1": y1,
                "label": draft.label,
                "score": _float(draft.score),
                "found_mask": mask,
                "mask": mask,
            }
            names = ", ".join(values)
            places = ", ".join(f":{name}" for name in values)
            db.execute(f"INSERT INTO regions ({names}) VALUES ({places})", values)

    def write_masks(self, db: sqlite3.Connection, call: str, drafts: Sequence[MaskDraft], masks: Sequence[str]) -> None:
        """Give regions that have handles the masks that a call drew; `masks` are the names of the files."""
        for place, (draft, mask) in enumerate(zip(drafts, masks, strict=True)):
            number = number_in(draft.region, "reg")
            sql = "SELECT picture FROM regions WHERE chat = ? AND number = ?"
            row = db.execute(sql, (self._chat, number)).fetchone()
            if row is None:
                raise ValueError(f"{self._chat} has no region {draft.region!r} to give a mask to")
            self._check(db, row["picture"], draft.mask)
            db.execute("UPDATE regions SET mask = ? WHERE chat = ? AND number = ?", (mask, self._chat, number))
            db.execute(
                "INSERT INTO masked (chat, call, place, number, mask, score) VALUES (?, ?, ?, ?, ?, ?)",
                (self._chat, call, place, number, mask, _float(draft.score)),
            )

    def write_made(
        self, db: sqlite3.Connection, call: str, place: int, draft: PictureDraft, kept: Kept, lineage: Lineage
    ) -> None:
        """Write a picture that a call made, the `place`th of it."""
        number = self.take_handle(db, kept, draft.kind, lineage)
        db.execute(
            "INSERT INTO made (chat, call, place, number, kind, parent) VALUES (?, ?, ?, ?, ?, ?)",
            (self._chat, call, place, number, draft.kind, draft.parent),
        )

    def _next(self, db: sqlite3.Connection, counter: Literal["next_img", "next_reg"]) -> int:
        sql = f"UPDATE chats SET {counter} = {counter} + 1 WHERE id = ? RETURNING {counter} - 1"
        return db.execute(sql, (self._chat,)).fetchall()[0][0]

    def _check(self, db: sqlite3.Connection, picture: str, mask: np.ndarray | None) -> None:
        sql = (
            "SELECT p.width, p.height FROM chat_pictures c JOIN pictures p ON p.id = c.picture "
            "WHERE c.chat = ? AND c.picture = ?"
        )
        row = db.execute(sql, (self._chat, picture)).fetchone()
        if row is None:
            raise ValueError(f"{self._chat} has no picture {picture!r}: a draft can only be about one that it has")
        if mask is not None and mask.shape != (row["height"], row["width"]):
            raise ValueError(f"a mask of {picture} is {(row['height'], row['width'])}, not {mask.shape}")


def unknown_chat(chat: str) -> UserError:
    """The refusal of a conversation that is not there or not this user's; which of both is not told."""
    return UserError(
        f"You have no conversation {chat!r}. The id of one (chat_...) stands in each reply with --json; a conversation "
        "that is begun without an id is a new one.",
        kind="unknown_chat",
    )


def number_in(handle: str, prefix: str) -> int:
    """The number in a handle, or 0, which no handle has."""
    found = re.fullmatch(rf"{prefix}_([1-9][0-9]{{0,8}})", handle, re.ASCII)
    return int(found[1]) if found else 0


def _float(value: Any) -> float | None:
    return None if value is None else float(value)  # also from numpy's own kinds of numbers
