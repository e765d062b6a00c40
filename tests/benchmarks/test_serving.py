"""The benchmark of serving, in small: conversations side by side, each with answers of its own."""

from __future__ import annotations

from saccade.benchmarks.serving import conversations


def test_conversations_side_by_side_are_measured():
    figures = conversations(3, 2)
    assert figures["turns"] == 6
    assert figures["answers of another's"] == 0
    assert 0 < figures["median ms"] <= figures["p95 ms"]
    assert figures["megabytes after one"] > 50
