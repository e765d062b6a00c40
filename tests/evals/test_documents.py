"""The suite about documents: what it counts, and that worn pages are read through the tools that users have."""

from __future__ import annotations

import random

import pytest
from rich.console import Console

from saccade.evals import documents
from saccade.evals.tables import show_report
from saccade.settings import Settings
from saccade.tools.pool import ExpertPool


@pytest.mark.parametrize(("one", "other", "distance"), [("", "abc", 3), ("kitten", "sitting", 3), ("same", "same", 0)])
def test_edits(one, other, distance):
    assert documents.edits(one, other) == documents.edits(other, one) == distance


def test_every_bar_names_a_row_that_a_tally_makes():
    tally = documents._Tally()
    for name in documents.BARS:
        (tally.read(name, "ab c", "abd") if "characters" in name else tally.add(name, True))
    rows = {row["name"]: row for row in tally.rows()}
    assert rows.keys() == documents.BARS.keys()
    assert rows["read: wrong characters of letters and screens"]["value"] == pytest.approx(1 / 3, abs=1e-4)
    assert rows["tool: cells of tables"]["value"] == 1


def test_its_report_can_be_shown(capsys):
    tally = documents._Tally()
    tally.read("read: wrong characters of letters and screens", "abcdef" * 99, "abcdef" * 99)
    tally.add("tool: values by label", False)
    report = {"suite": "documents", "cases": 1, "rows": tally.rows(), "seconds": 1.0, "models": {}}
    show_report(report, Console(width=120))
    told = capsys.readouterr().out
    assert "1.0 met" in told
    assert "97.0 missed" in told


def test_worn_pages_are_read_by_tools(tmp_path):
    settings = Settings(home=tmp_path, threads=1)
    experts, tally = ExpertPool(settings.chosen, "cpu", 1), documents._Tally()
    documents._table(tally, experts, None, 0, random.Random(0))
    documents._totals(tally, experts, None, 2, random.Random(0))
    documents._values(tally, experts, None, 1, random.Random(1))
    assert {row["name"]: row["value"] for row in tally.rows()} == {
        "tool: cells of tables": 1.0,
        "tool: totals over three receipts": 1.0,
        "tool: values by label": 1.0,
    }
