"""The filters of a query as SQL: for what is found by its texts, or by its time alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from ..names import composed, is_named
from ..query import Hit, Query

# It was seen then, first or last, or taken then.
IN_TIME = (
    "((m.seen >= ? AND m.seen < ?) OR (m.last >= ? AND m.last < ?) OR EXISTS (SELECT 1 FROM holdings h WHERE "
    "h.owner = m.owner AND h.picture = m.picture AND moment_of(h.taken) >= ? AND moment_of(h.taken) < ?))"
)
# A picture has the names of all its files, and those that it was given under in conversations.
NAMED = (
    "(is_named(m.source, ?) OR m.picture IN (SELECT f.picture FROM files f WHERE f.owner = ? AND is_named(f.path, ?)) "
    "OR m.picture IN (SELECT c.picture FROM chat_pictures c JOIN chats k ON k.id = c.chat "
    "WHERE k.owner = ? AND is_named(c.source, ?)))"
)
# A picture is of every conversation that it has a handle in, a region of the one that found it. The conversation has
# to be the owner's: its id alone shows nobody anything.
IN_CHAT = (
    "(m.chat = ? OR (m.kind = 'picture' AND m.picture IN (SELECT c.picture FROM chat_pictures c "
    "JOIN chats k ON k.id = c.chat WHERE k.owner = ? AND c.chat = ?)))"
)


def is_filtered(query: Query) -> bool:
    """Whether a query asks for less than all that its owner has."""
    return any(
        one is not None
        for one in (query.chat, query.since, query.until, query.tag, query.label, query.source, query.kind)
    )


def conditions(owner: str, query: Query) -> tuple[str, list[object]]:
    """The filters of a query as a condition on `memories m`, with its parameters."""
    parts: list[tuple[str, list[object]]] = [("m.owner = ?", [owner])]
    if query.chat is not None:
        parts.append((IN_CHAT, [query.chat, owner, query.chat]))
    if query.since is not None or query.until is not None:
        low = _utc(query.since) if query.since else ""
        high = _utc(query.until) if query.until else "~"
        parts.append((IN_TIME, [low, high] * 3))
    if query.tag is not None:
        parts.append(("m.id IN (SELECT memory FROM tags WHERE tag = ?)", [query.tag]))
    if query.label is not None:
        parts.append(("m.label = ? COLLATE NOCASE", [composed(query.label.strip())]))
    if query.source is not None:
        parts.append((NAMED, named(owner, query.source)))
    if query.kind is not None:
        parts.append(("m.kind = ?", [query.kind]))
    return " AND ".join(one for one, _ in parts), [value for _, values in parts for value in values]


def named(owner: str, source: str) -> list[object]:
    """The parameters of `NAMED`."""
    return [source, owner, source, owner, source]


def called(hit: Hit, source: str) -> Hit:
    """The hit under that of its names which was asked for."""
    fits = [name for name in (hit.source, *hit.names) if is_named(name, source)]
    return replace(hit, source=fits[0]) if fits else hit


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
