"""Moments and spans of time as people write them on a command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from ..errors import UserError

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
HOW_SPAN = "write a number and m, h, d or w, as in 30m, 12h, 7d or 8w"
HOW_MOMENT = f"write a date (2026-11-14, 2026-11-14T09:30), today, yesterday, or how long ago: {HOW_SPAN}"


def span(text: str, option: str) -> timedelta:
    """The span in "30d", "12h", "8w", "45m".

    Raises:
        UserError: it is none, or longer than a thousand years.
    """
    found = re.fullmatch(r"\s*(\d{1,9}(?:\.\d{1,6})?)\s*([mhdw])\w*\s*", text.lower(), re.ASCII)
    if found and (value := float(found[1])) > 0:
        try:
            length = timedelta(**{UNITS[found[2]]: value})
        except OverflowError:
            length = timedelta.max
        if length <= timedelta(days=365_250):
            return length
    raise UserError(f"{option} was {text!r}, which is no span of time: {HOW_SPAN}.", kind="bad_time")


def moment(text: str | None, option: str, now: datetime | None = None) -> datetime | None:
    """The moment, in UTC, in an ISO date or time (local unless it has a zone), "today", "yesterday" or "7d" ago.

    Raises:
        UserError: it is none.
    """
    if text is None:
        return None
    local = (now or datetime.now(UTC)).astimezone()
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    word = text.strip().lower()
    days = {"today": 0, "yesterday": 1}
    if word in days:
        return (midnight - timedelta(days=days[word])).astimezone(UTC)
    try:
        if re.fullmatch(r"[\d.]+\s*[mhdw]\w*", word, re.ASCII):
            return (local - span(word, option)).astimezone(UTC)
        return datetime.fromisoformat(text.strip()).astimezone(UTC)
    except (ValueError, OverflowError, UserError) as error:
        raise UserError(f"{option} was {text!r}, which is no time: {HOW_MOMENT}.", kind="bad_time") from error
