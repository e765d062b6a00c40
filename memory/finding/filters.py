"""The filters of a query as SQL: for what is found by its texts, or by its time alone."""

from __future__ import annotations

from datetime import UTC, datetime

from ..query import Query

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
        parts.append(("((m.seen >= ? AND m.seen < ?) OR (m.last >= ? AND m.last < ?))", [low, high, low, high]))
    if query.tag is not None:
        parts.append(("m.id IN (SELECT memory FROM tags WHERE tag = ?)", [query.tag]))
    if query.label is not None:
        parts.append(("m.label = ? COLLATE NOCASE", [query.label.strip()]))
    if query.source is not None:
        ending = "/" + query.source
        parts.append(("(m.source = ? OR substr(m.source, -?) = ?)", [query.source, len(ending), ending]))
    if query.kind is not None:
        parts.append(("m.kind = ?", [query.kind]))
    return " AND ".join(one for one, _ in parts), [value for _, values in parts for value in values]


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
