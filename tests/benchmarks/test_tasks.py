"""The benchmark of tasks measures what it says: the short form of `python -m saccade.benchmarks tasks`."""

from __future__ import annotations

from saccade.benchmarks import tasks


def test_a_run_is_measured_beside_its_limit_and_both_baselines(monkeypatch):
    monkeypatch.setattr(tasks, "SAMPLE", 4)
    monkeypatch.setattr(tasks, "BATCHES", (4,))
    monkeypatch.setattr(tasks, "SIDE", 96)
    figures = tasks.measure(2, 1)
    assert figures["pictures"] == 2
    assert figures["regions"] > 0
    assert set(figures["experts"]) >= {"detector", "sam", "captioner"}
    assert 0 < figures["limit_seconds"] < figures["seconds"]
    assert figures["baselines"]["picture_by_picture_seconds_a_picture"] > 0
    assert figures["baselines"]["one_call_a_region_seconds_a_picture"] > 0
