"""Times in sentences: which span they name, what is left of the sentence, and that memory keeps to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.memory.finding.when import spoken_time

NOW = datetime(2026, 11, 26, 15, 30).astimezone()  # a Thursday

SPANS = {
    "the green cone from last week": ("the green cone", "2026-11-16", "2026-11-23"),
    "what did I show you this week": ("what did I show you", "2026-11-23", "2026-11-30"),
    "photos of yesterday with a mug": ("photos with a mug", "2026-11-25", "2026-11-26"),
    "Have I shown you a key today?": ("Have I shown you a key?", "2026-11-26", "2026-11-27"),
    "receipts from May": ("receipts", "2026-05-01", "2026-06-01"),
    "anything with a cat in December": ("anything with a cat", "2025-12-01", "2026-01-01"),
    "the sign in May 2024, please": ("the sign, please", "2024-05-01", "2024-06-01"),
    "pictures from last month": ("pictures", "2026-10-01", "2026-11-01"),
    "the boat from two days ago": ("the boat", "2026-11-24", "2026-11-25"),
    "a house on Monday": ("a house", "2026-11-23", "2026-11-24"),
    "a house from last Thursday": ("a house", "2026-11-19", "2026-11-20"),
    "the bill from 3 March 2025": ("the bill", "2025-03-03", "2025-03-04"),
    "the bill from March 3rd": ("the bill", "2026-03-03", "2026-03-04"),
    "things seen in 2025": ("things seen", "2025-01-01", "2026-01-01"),
    "cups from last year": ("cups", "2025-01-01", "2026-01-01"),
    "what I sent on 2026-11-01": ("what I sent", "2026-11-01", "2026-11-02"),
    "screenshots from last weekend": ("screenshots", "2026-11-21", "2026-11-23"),
}


@pytest.mark.parametrize("sentence", SPANS)
def test_spans(sentence):
    rest, since, until = SPANS[sentence]
    found = spoken_time(sentence, NOW)
    assert found is not None
    assert found.rest == rest
    assert found.since.astimezone(NOW.tzinfo).date().isoformat() == since
    assert found.until.astimezone(NOW.tzinfo).date().isoformat() == until


def test_since_has_no_end():
    found = spoken_time("everything red since Monday", NOW)
    assert (found.rest, found.until) == ("everything red", None)


def test_the_last_days_reach_up_to_now():
    found = spoken_time("red things of the last three days", NOW)
    assert found.since == (NOW - timedelta(days=3)).astimezone(UTC)
    assert found.until > NOW


@pytest.mark.parametrize(
    "sentence",
    ["a green cone", "may I see the cat", "the march of the penguins", "a sign that says \"LAST WEEK\"", "sunday roast",
     "the second picture", "a car from 31 June", "5 cats", "route 2025", ""],
)  # fmt: skip
def test_what_names_no_time(sentence):
    assert spoken_time(sentence, NOW) is None


@given(st.text(max_size=80))
def test_any_text_is_taken(text):
    found = spoken_time(text, NOW)
    assert found is None or found.until is None or found.since < found.until
