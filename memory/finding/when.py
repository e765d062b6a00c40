"""Times in sentences: "the green cone from last week", "what did I show you in May", "two days ago"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
           "december")  # fmt: skip
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_NUMBERS = {word: at for at, word in enumerate(_WORDS)} | {
    "a": 1, "an": 1, "couple of": 2, "a couple of": 2, "few": 4, "a few": 4, "some": 4, "several": 5,
}  # fmt: skip
_COUNT = r"(?P<count>\d{1,3}|" + "|".join(sorted(_NUMBERS, key=len, reverse=True)) + r")"
_MONTH = "|".join(_MONTHS) + "|" + "|".join(one[:3] for one in _MONTHS if one != "may") + "|sept"
_YEAR = r"(?:,?\s+(?P<in>\d{4}))?\b"
_LEAD = r"(?:\b(?:from|in|of|during|on|back in|seen|taken|since)\s+)?"
_SINCE = re.compile(r"\bsince\s+$|^since\b", re.IGNORECASE)
_FORMS = tuple(re.compile(form, re.IGNORECASE) for form in (
    rf"{_LEAD}\b(?P<near>today|yesterday|this (?:morning|afternoon|evening)|tonight|last night"
    r"|the day before yesterday)\b",
    rf"{_LEAD}(?:\bthe\s+)?\b(?P<which>this|last|past|previous)\s+(?P<unit>week(?:end)?|month|year)\b",
    rf"{_LEAD}(?:\bthe\s+)?\b(?:last|past)\s+{_COUNT}\s+(?P<units>minute|hour|day|week|month|year)s?\b",
    rf"{_LEAD}\b{_COUNT}\s+(?P<units>minute|hour|day|week|month|year)s?\s+ago\b",
    rf"\b(?:from|on|of|since|last|this)\s+(?:last\s+)?(?P<weekday>{'|'.join(_DAYS)})\b",
    rf"\b(?:from|on|of|since)\s+(?:the\s+)?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<month>{_MONTH})\.?{_YEAR}",
    rf"\b(?:from|on|of|since)\s+(?P<month>{_MONTH})\.?\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?{_YEAR}(?!\d)",
    rf"\b(?:from|in|during|of|since|last|this|back in)\s+(?:last\s+)?(?P<month>{_MONTH})\b\.?(?:\s+(?P<in>\d{{4}}))?",
    r"\b(?:from|in|during|since)\s+(?P<year>(?:19|20)\d\d)\b(?!-)",
    r"\b(?:from|on|since)\s+(?P<date>\d{4}-\d\d-\d\d)\b",
))  # fmt: skip
_QUOTED = re.compile(r"[\"\u201c\u201d\u00ab\u00bb][^\"\u201c\u201d\u00ab\u00bb]*[\"\u201c\u201d\u00ab\u00bb]")


@dataclass(frozen=True)
class Spoken:
    """A sentence without its time, and the span that it names: from `since` on, before `until` (None: no end)."""

    rest: str
    since: datetime
    until: datetime | None


def spoken_time(sentence: str, now: datetime | None = None) -> Spoken | None:
    """The time that a sentence names, in local time; None where it names none. What is quoted names nothing."""
    local = (now or datetime.now(UTC)).astimezone()
    quoted = [(one.start(), one.end()) for one in _QUOTED.finditer(sentence)]
    for form in _FORMS:
        for found in form.finditer(sentence):
            if any(start <= found.start() < end for start, end in quoted):
                continue
            try:
                span = _span(found, local)
            except ValueError:
                continue  # the 31st of June
            if span is None:
                continue
            since, until = span
            rest = " ".join(f"{sentence[: found.start()]} {sentence[found.end() :]}".split())
            rest = re.sub(r"\s+([,.;:!?])", r"\1", rest).strip(" ,")
            open_end = _SINCE.search(found[0]) is not None
            return Spoken(rest, since.astimezone(UTC), None if open_end else until.astimezone(UTC))
    return None


def _span(found: re.Match[str], now: datetime) -> tuple[datetime, datetime] | None:
    """The span of a match, in local time."""
    named = found.groupdict()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    day = timedelta(days=1)
    if "near" in named:
        return _near(named["near"].lower(), midnight)
    if "which" in named:
        return _last(named["unit"].lower(), midnight, this=named["which"].lower() == "this")
    if "count" in named:
        return _ago(named["count"].lower(), named["units"].lower(), now, exact=found[0].lower().endswith("ago"))
    if "weekday" in named:
        back = (midnight.weekday() - _DAYS.index(named["weekday"].lower())) % 7
        start = midnight - (back or (0 if "this" in found[0].lower() else 7)) * day
        return start, start + day
    if "date" in named:
        year, month, day_of = (int(part) for part in named["date"].split("-"))
        start = midnight.replace(year, month, day_of)
        return start, start + day
    if "month" in named:
        return _month(named, midnight)
    start = midnight.replace(int(named["year"]), 1, 1)
    return start, start.replace(start.year + 1)


def _near(word: str, midnight: datetime) -> tuple[datetime, datetime]:
    hours = {"this morning": (0, 12), "this afternoon": (12, 18), "this evening": (17, 24), "tonight": (17, 24),
             "last night": (-7, 6), "yesterday": (-24, 0), "the day before yesterday": (-48, -24)}  # fmt: skip
    start, end = hours.get(word, (0, 24))
    return midnight + timedelta(hours=start), midnight + timedelta(hours=end)


def _last(unit: str, midnight: datetime, *, this: bool) -> tuple[datetime, datetime]:
    monday = midnight - timedelta(days=midnight.weekday())
    week = timedelta(days=7)
    if unit == "weekend":
        start = monday + timedelta(days=5) - (timedelta() if this else week)
        return start, start + timedelta(days=2)
    if unit == "week":
        return (monday, monday + week) if this else (monday - week, monday)
    if unit == "year":
        start = midnight.replace(month=1, day=1)
        return (start, start.replace(start.year + 1)) if this else (start.replace(start.year - 1), start)
    start = midnight.replace(day=1)
    return (start, _next_month(start)) if this else ((start - timedelta(days=1)).replace(day=1), start)


def _ago(count: str, unit: str, now: datetime, *, exact: bool) -> tuple[datetime, datetime]:
    """So long ago, give or take half of it; "the last three days" are all of them."""
    number = int(count) if count.isdigit() else _NUMBERS[count]
    lengths = {"minute": 1 / 1440, "hour": 1 / 24, "day": 1, "week": 7, "month": 30.5, "year": 365.25}
    back = timedelta(days=number * lengths[unit])
    if not exact:
        return now - back, now + timedelta(days=1)
    about = timedelta(days=lengths[unit]) * (1 if number < 3 else number / 3)
    if unit in ("day", "week"):
        start = (now - back).replace(hour=0, minute=0, second=0, microsecond=0)
        slack = timedelta() if unit == "day" and number < 4 else timedelta(days=lengths[unit] / 2)
        return start - slack, start + timedelta(days=1) + slack
    return now - back - about / 2, now - back + about / 2


def _month(named: dict[str, str], midnight: datetime) -> tuple[datetime, datetime]:
    """A month or a day of one; without a year the last that there was."""
    word = named["month"].lower()
    month = next(at for at, one in enumerate(_MONTHS, 1) if one.startswith(word[:3]))
    year = int(named["in"]) if named.get("in") else midnight.year
    start = midnight.replace(year, month, int(named.get("day") or 1))
    if not named.get("in") and start > midnight:
        start = start.replace(year - 1)
    return start, start + timedelta(days=1) if named.get("day") else _next_month(start)


def _next_month(start: datetime) -> datetime:
    return (start + timedelta(days=32)).replace(day=1)
