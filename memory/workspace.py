"""The workspace of one conversation: its pictures and regions by handle, and what its tool calls wrote down.

A tool call is recorded in one transaction under its id. So a crash leaves it either not done at
all or done with its observation; and when it is run again after a crash it gives back what it
gave before, without a second set of regions.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Literal, cast

import numpy as np
from PIL import Image

from ..errors import ToolRetry
from .ledger.chat_rows import ChatRows, number_in, unknown_chat
from .ledger.ledger import now
from .pictures.decode import Decoded, Source
from .pictures.store import Kept, PictureStore
from .records import RECALLED, Call, Lineage, Picture, Recorded, Region, ToolResult

HandleKind = Literal["picture", "region"]
LISTED = 20  # handles that a message about an unknown one lists


class LedgerWorkspace:
    """The pictures and regions of one conversation.

    The conversation is written down with the first thing that happens in it. All methods may be
    called from several threads.

    Args:
        store: where pictures are kept.
        chat: the conversation's id.
        owner: whose it is.

    Raises:
        UserError: the conversation is another user's; the words are those for one that is not there.
    """

    def __init__(self, store: PictureStore, chat: str, owner: str) -> None:
        self.store = store
        self.chat = chat
        self.owner = owner
        self._rows = ChatRows(store, chat, owner)
        rows = self._rows.read("SELECT owner FROM chats WHERE id = ?")
        if rows and rows[0]["owner"] != owner:
            raise unknown_chat(chat)

    # Turns, and pictures that the user gives

    @property
    def turn(self) -> int:
        """The number of the turn begun last; 0 before the first."""
        rows = self._rows.read("SELECT turns FROM chats WHERE id = ?")
        return rows[0]["turns"] if rows else 0

    def begin_turn(
        self, sources: Sequence[Source | Decoded] = (), *, remember: bool = False
    ) -> tuple[int, list[Picture]]:
        """Begin the next turn with the pictures that the user gives in it: all of it, or nothing.

        Args:
            sources: the pictures.
            remember: what is met in this turn is to be remembered (`memory.ledger.pending_turns` does it).

        Returns:
            The turn's number, from 1, and one picture a source, with handles. A picture that the
            conversation has already comes back under the handle that it has.

        Raises:
            UserError: a picture cannot be taken in (see `decode`); then nothing was written at all.
        """
        kept = self._take_in(sources)
        with self.store.ledger.write() as db:
            self._rows.begin_chat(db)
            turn = self._rows.begin_turn(db, remember)
            numbers = [self._rows.take_handle(db, one, "given", Lineage(self.chat, turn)) for one in kept]
        return turn, [self.picture(f"img_{number}") for number in numbers]

    def add_given(self, source: Source | Sequence[Source], *, turn: int | None = None) -> list[Picture]:
        """Take pictures of the user into the conversation: all of them, or none.

        Args:
            source: one picture or several; each a path, bytes or a Pillow image.
            turn: the turn they belong to; the one begun last when not given.

        Returns:
            One picture a source, with handles, as `begin_turn` gives them.

        Raises:
            UserError: one cannot be taken in; then nothing was written.
        """
        one = not isinstance(source, list | tuple)
        kept = self._take_in(cast("Sequence[Source]", [source] if one else source))
        with self.store.ledger.write() as db:
            turns = self._rows.begin_chat(db)
            lineage = Lineage(self.chat, turns if turn is None else turn)
            numbers = [self._rows.take_handle(db, one, "given", lineage) for one in kept]
        return [self.picture(f"img_{number}") for number in numbers]

    def _take_in(self, sources: Sequence[Source | Decoded]) -> list[Kept]:
        decoded = [self.store.decode(source) for source in sources]  # every refusal comes before any writing
        return [self.store.keep(one) for one in decoded]

    # Tool calls

    def record(
        self,
        call_id: str,
        tool: str,
        arguments: dict[str, Any],
        result: ToolResult,
        observe: Callable[[Recorded], str],
        *,
        turn: int | None = None,
        ok: bool = True,
    ) -> tuple[Recorded, str]:
        """Write down what a tool call found and made, once.

        Everything happens in one transaction, in which `observe` is asked for the words; a call id
        that is there already gives back what was stored, and writes nothing.

        Args:
            call_id: names the call within the conversation; the same after a crash and resumption.
            tool: the tool's name.
            arguments: as the controller gave them (JSON values).
            result: the drafts.
            observe: puts the recorded result into words for the controller.
            turn: the turn of the call; the one begun last when not given.
            ok: False where the observation tells of a failure.

        Returns:
            The records with their handles, and the observation.

        Raises:
            ValueError: the same id was recorded for another call, or a draft is malformed (our fault).
        """
        done = self._done(call_id, tool, arguments, turn)
        if done is not None:
            return done
        given, facts = _json(arguments), _json(result.facts)
        # Files come before the rows that name them, so a crash leaves a file without a row at worst.
        # They are named by their content: the next try finds them again.
        region_masks = [None if draft.mask is None else self.store.keep_mask(draft.mask) for draft in result.regions]
        masks = [self.store.keep_mask(draft.mask) for draft in result.masks]
        pictures = [self.store.keep(self.store.decode(draft.image, draft.kind)) for draft in result.pictures]
        with self.store.ledger.write() as db:
            done = self._done(call_id, tool, arguments, turn)  # another thread or process may have been first
            if done is not None:
                return done
            turns = self._rows.begin_chat(db)
            turn = turns if turn is None else turn
            db.execute(
                "INSERT INTO calls (chat, id, turn, tool, arguments, facts, observation, ok, created) "
                "VALUES (?, ?, ?, ?, ?, ?, '', ?, ?)",
                (self.chat, call_id, turn, tool, given, facts, ok, now()),
            )
            self._rows.write_regions(db, call_id, result.regions, region_masks)
            self._rows.write_masks(db, call_id, result.masks, masks)
            for place, (draft, kept) in enumerate(zip(result.pictures, pictures, strict=True)):
                lineage = Lineage(self.chat, turn, tool, arguments, draft.parent)
                self._rows.write_made(db, call_id, place, draft, kept, lineage)
            if result.recalled:
                facts = _json(result.facts | {RECALLED: self._rows.take_recalled(db, call_id, turn, result.recalled)})
                db.execute("UPDATE calls SET facts = ? WHERE chat = ? AND id = ?", (facts, self.chat, call_id))
            recorded = self._rows.recorded(call_id)
            observation = observe(recorded)
            db.execute("UPDATE calls SET observation = ? WHERE chat = ? AND id = ?", (observation, self.chat, call_id))
        return recorded, observation

    def recorded(self, call_id: str) -> tuple[Recorded, str] | None:
        """What a call recorded and what the controller was told, or None when it was not done."""
        rows = self._rows.read("SELECT observation FROM calls WHERE chat = ? AND id = ?", call_id)
        return (self._rows.recorded(call_id), rows[0]["observation"]) if rows else None

    def calls(self, turn: int | None = None) -> list[Call]:
        """The calls of a turn, or of the whole conversation, in the order in which they were done."""
        sql = "SELECT * FROM calls WHERE chat = ? AND (? IS NULL OR turn = ?) ORDER BY rowid"
        return [self._call(row) for row in self._rows.read(sql, turn, turn)]

    def call(self, call_id: str) -> Call | None:
        """A call that was done, by its id, or None."""
        rows = self._rows.read("SELECT * FROM calls WHERE chat = ? AND id = ?", call_id)
        return self._call(rows[0]) if rows else None

    def met_anything(self, turn: int) -> bool:
        """Whether a turn brought anything that could be remembered; a turn of words alone waits no longer."""
        met = "SELECT 1 FROM chat_pictures WHERE chat = ? AND turn = ?"
        sql = f"{met} UNION ALL SELECT 1 FROM calls WHERE chat = ? AND turn = ?"
        if self._rows.read(sql, turn, self.chat, turn):
            return True
        with self.store.ledger.write() as db:
            db.execute("UPDATE turns SET waits = 0 WHERE chat = ? AND turn = ?", (self.chat, turn))
        return False

    def facts_of(self, tool: str, turn: int) -> list[dict[str, Any]]:
        """The facts that the calls of a tool recorded in a turn, in the order of the calls."""
        sql = "SELECT facts FROM calls WHERE chat = ? AND tool = ? AND turn = ? ORDER BY rowid"
        return [json.loads(row["facts"]) for row in self._rows.read(sql, tool, turn)]

    def regions_of_turn(self, turn: int) -> list[Region]:
        """The regions that the calls of a turn found or gave masks, as they are now, in the order of their handles."""
        return self._rows.regions(
            "AND (c.turn = ? OR r.number IN (SELECT m.number FROM masked m JOIN calls k "
            "ON k.chat = m.chat AND k.id = m.call WHERE m.chat = ? AND k.turn = ?))",
            turn,
            self.chat,
            turn,
        )

    def pictures_of_turn(self, turn: int) -> list[Picture]:
        """The pictures that the calls of a turn made, each once, in the order in which they were made."""
        made = [picture for call in self.calls(turn) for picture in call.recorded.pictures]
        return list({picture.handle: picture for picture in made}.values())

    def brought_back(self, turn: int) -> list[Picture]:
        """The pictures that the calls of a turn found in memory or went back to, each once, in their order."""
        found = [one for call in self.calls(turn) for one in call.recorded.recalled if isinstance(one, Picture)]
        return list({picture.handle: picture for picture in found}.values())

    # What tools look at

    def handles(self, kind: HandleKind | None = None) -> list[str]:
        """Every handle of the conversation, oldest first: pictures, then regions; or those of one kind."""
        found: list[str] = []
        if kind in (None, "picture"):
            rows = self._rows.read("SELECT number FROM chat_pictures WHERE chat = ? ORDER BY number")
            found += [f"img_{row['number']}" for row in rows]
        if kind in (None, "region"):
            rows = self._rows.read("SELECT number FROM regions WHERE chat = ? ORDER BY number")
            found += [f"reg_{row['number']}" for row in rows]
        return found

    def picture(self, handle: str) -> Picture:
        """The picture behind `img_N`.

        Raises:
            ToolRetry: there is none; the message lists the handles there are.
        """
        found = self._rows.pictures("AND c.number = ?", number_in(handle, "img"))
        if not found:
            raise self._unknown(handle, "picture")
        return found[0]

    def region(self, handle: str) -> Region:
        """The region behind `reg_N`, with its newest mask.

        Raises:
            ToolRetry: there is none; the message lists the handles there are.
        """
        found = self._rows.regions("AND r.number = ?", number_in(handle, "reg"))
        if not found:
            raise self._unknown(handle, "region")
        return found[0]

    def open(self, picture: str, *, alpha: bool = False) -> Image.Image:
        """The upright RGB pixels of a picture of this conversation, by its id: a copy that may be drawn on.

        Args:
            picture: the id, `pic_...`.
            alpha: give RGBA where the picture has transparency, instead of laying it on white.

        Raises:
            KeyError: the conversation has no such picture (our fault: handles are looked up before).
        """
        found = self._rows.pictures("AND c.picture = ?", picture)
        if not found:
            raise KeyError(f"{self.chat} has no picture {picture!r}")
        return self.store.pixels(found[0].sha256, alpha=alpha)

    def open_mask(self, region: Region) -> np.ndarray | None:
        """The region's mask, (height, width) bool over the whole picture, or None."""
        return None if region.mask is None else self.store.open_mask(region.mask)

    def _call(self, row: sqlite3.Row) -> Call:
        return Call(
            id=row["id"],
            turn=row["turn"],
            tool=row["tool"],
            arguments=json.loads(row["arguments"]),
            observation=row["observation"],
            ok=bool(row["ok"]),
            recorded=self._rows.recorded(row["id"]),
        )

    def _done(
        self, call_id: str, tool: str, arguments: dict[str, Any], turn: int | None
    ) -> tuple[Recorded, str] | None:
        """What was stored under a call id, or None.

        Raises:
            ValueError: it was another call that was stored.
        """
        rows = self._rows.read("SELECT tool, arguments, turn FROM calls WHERE chat = ? AND id = ?", call_id)
        if not rows:
            return None
        row = rows[0]
        if row["tool"] != tool or row["arguments"] != _json(arguments) or turn not in (None, row["turn"]):
            raise ValueError(
                f"the call id {call_id!r} of {self.chat} stands for {row['tool']}({row['arguments']}) in turn "
                f"{row['turn']} and cannot stand for {tool}({_json(arguments)}) in turn {turn} too"
            )
        return self.recorded(call_id)

    def _unknown(self, handle: str, kind: HandleKind) -> ToolRetry:
        if self._rows.read("SELECT 1 FROM forgotten WHERE chat = ? AND handle = ?", handle):
            return ToolRetry(f"{handle} is forgotten: it was deleted for good.", kind="forgotten_handle")
        there = self.handles(kind)
        names = ", ".join(there[-LISTED:]) or "none yet"
        earlier = f", and {len(there) - LISTED} before these" if len(there) > LISTED else ""
        other, prefix = ("region", "reg_") if kind == "picture" else ("picture", "img_")
        why = f" ({prefix}N names a {other})" if handle.startswith(prefix) else ""
        return ToolRetry(
            f"There is no {kind} {handle[:40]!r} in this conversation{why}. {kind.capitalize()}s: {names}{earlier}.",
            kind="unknown_handle",
        )


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
