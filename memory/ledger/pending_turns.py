"""What a conversation's turns met and memory does not know yet.

A turn is marked as waiting in the same transaction that begins it, and the mark is taken off once what
was met is remembered. So a crash in between costs nothing: the mark is still there at the next open.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ..records import CAPTIONS, LABELS_READ, RECALLED, Box
from .ledger import Ledger

SAME_BOX = 0.9  # regions of one picture that overlap by more (IoU) are one thing under two labels
RUNNING = timedelta(hours=1)  # how long the last turn of a conversation may still be running in another process


@dataclass(frozen=True)
class PendingTurn:
    """A turn whose pictures and regions are still to be remembered."""

    owner: str
    chat: str
    turn: int


@dataclass
class Met:
    """What a turn met: ids to remember, and what was said of them."""

    items: list[str] = field(default_factory=list)
    tags: dict[str, list[str]] = field(default_factory=dict)  # by id: further labels of a region that is there
    captions: dict[str, str] = field(default_factory=dict)  # by id
    words: dict[str, str] = field(default_factory=dict)  # by a picture's id: all that was read in it


def pending_turns(ledger: Ledger, owner: str | None = None) -> list[PendingTurn]:
    """The turns that wait, oldest first; of one owner, or of all."""
    rows = ledger.read(
        "SELECT c.owner, t.chat, t.turn FROM turns t JOIN chats c ON c.id = t.chat "
        "WHERE t.waits = 1 AND (? IS NULL OR c.owner = ?) ORDER BY t.created",
        (owner, owner),
    )
    return [PendingTurn(row["owner"], row["chat"], row["turn"]) for row in rows]


def met(ledger: Ledger, turn: PendingTurn) -> Met:
    """What was given, made and found in a turn, as far as it is written down and not forgotten."""
    found = Met()
    of_turn = (turn.chat, turn.turn)
    rows = ledger.read("SELECT picture FROM chat_pictures WHERE chat = ? AND turn = ? ORDER BY number", of_turn)
    found.items += [row["picture"] for row in rows]
    regions = ledger.read(
        f"SELECT r.*, json_extract(c.facts, '$.{LABELS_READ}') AS read FROM regions r "
        "JOIN calls c ON c.chat = r.chat AND c.id = r.call WHERE r.chat = ? AND c.turn = ? "
        f"AND json_extract(c.facts, '$.{RECALLED}') IS NULL ORDER BY r.number",
        of_turn,  # what was recalled was remembered before
    )
    known: dict[str, list[tuple[str, Box, str]]] = {}  # by picture: (id, box, label)
    for row in regions:
        picture, item = row["picture"], f"{row['picture']}.r{row['n']}"
        box = (row["x0"], row["y0"], row["x1"], row["y1"])
        if picture not in known:
            known[picture] = _regions_of(ledger, turn.owner, picture)
        same = next((one for one in known[picture] if one[0] == item or overlap(one[1], box) > SAME_BOX), None)
        if same is None:
            known[picture].append((item, box, row["label"]))
            found.items.append(item)
        elif same[2] != row["label"] and not row["read"]:
            found.tags.setdefault(same[0], []).append(row["label"])
    for picture in dict.fromkeys(row["picture"] for row in regions if row["read"]):
        found.words[picture] = _words_of(ledger, turn.owner, picture)
    _captions(ledger, turn, found)
    return found


def settle(ledger: Ledger, turn: PendingTurn) -> None:
    """Take the mark off a turn, unless the turn may still be running in another process."""
    soon = (datetime.now(UTC) - RUNNING).isoformat()
    with ledger.write() as db:
        db.execute(
            "UPDATE turns SET waits = 0 WHERE chat = ? AND turn = ? AND "
            "(created < ? OR turn < (SELECT turns FROM chats WHERE id = ?))",
            (turn.chat, turn.turn, soon, turn.chat),
        )


def done(ledger: Ledger, turn: PendingTurn) -> None:
    """Take the mark off a turn that is known to be over."""
    with ledger.write() as db:
        db.execute("UPDATE turns SET waits = 0 WHERE chat = ? AND turn = ?", (turn.chat, turn.turn))


def overlap(one: Box, two: Box) -> float:
    """The IoU of two xyxy boxes."""
    width = min(one[2], two[2]) - max(one[0], two[0])
    height = min(one[3], two[3]) - max(one[1], two[1])
    inner = max(0.0, width) * max(0.0, height)
    union = (one[2] - one[0]) * (one[3] - one[1]) + (two[2] - two[0]) * (two[3] - two[1]) - inner
    return inner / union if union > 0 else 0.0


def _regions_of(ledger: Ledger, owner: str, picture: str) -> list[tuple[str, Box, str]]:
    """The regions of a picture that the owner remembers: (id, box, label)."""
    rows = ledger.read("SELECT * FROM memories WHERE owner = ? AND picture = ? AND kind = 'region'", (owner, picture))
    return [(row["item"], (row["x0"], row["y0"], row["x1"], row["y1"]), row["label"]) for row in rows]


def _words_of(ledger: Ledger, owner: str, picture: str) -> str:
    """All that was read in a picture, in any conversation of its owner."""
    rows = ledger.read(
        "SELECT DISTINCT r.label FROM regions r JOIN chats h ON h.id = r.chat "
        "JOIN calls c ON c.chat = r.chat AND c.id = r.call "
        f"WHERE h.owner = ? AND r.picture = ? AND json_extract(c.facts, '$.{LABELS_READ}')",
        (owner, picture),
    )
    return " ".join(row["label"] for row in rows)


def _captions(ledger: Ledger, turn: PendingTurn, found: Met) -> None:
    """Captions of this turn: the last one of each picture or region; a full one goes before a short one."""
    rows = ledger.read(
        f"SELECT json_extract(facts, '$.{CAPTIONS}') AS captions FROM calls WHERE chat = ? AND turn = ? AND ok = 1 "
        f"AND json_extract(facts, '$.{CAPTIONS}') IS NOT NULL ORDER BY rowid",
        (turn.chat, turn.turn),
    )
    full: set[str] = set()
    for caption in (one for row in rows for one in json.loads(row["captions"])):
        item = _id_of(ledger, turn.chat, caption["of"])
        if item is not None and caption["text"] and (caption["full"] or item not in full):
            found.captions[item] = caption["text"]
            if caption["full"]:
                full.add(item)


def _id_of(ledger: Ledger, chat: str, handle: str) -> str | None:
    prefix, _, number = handle.partition("_")
    if prefix == "img":
        rows = ledger.read("SELECT picture FROM chat_pictures WHERE chat = ? AND number = ?", (chat, int(number)))
        return rows[0]["picture"] if rows else None
    rows = ledger.read("SELECT picture, n FROM regions WHERE chat = ? AND number = ?", (chat, int(number or 0)))
    return f"{rows[0]['picture']}.r{rows[0]['n']}" if rows else None
