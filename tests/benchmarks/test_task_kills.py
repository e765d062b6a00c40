"""A run that is killed goes on to the same outputs: the short form of `python -m saccade.benchmarks task_kills`."""

from __future__ import annotations

import os

import pytest

from saccade.benchmarks import task_kills

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and limits of POSIX; runs on Linux and macOS")


def test_killed_on_a_full_disk_or_run_twice_a_task_comes_to_the_same_outputs(tmp_path):
    kills = task_kills.harness(tmp_path, ["any", *task_kills.MOMENTS], 4)
    assert kills["kills"] + kills["too_late"] == 1 + len(task_kills.MOMENTS)
    assert kills["kills"] >= 3
    assert kills["results_kept_over_kills"] > 0
    full = task_kills.full_disks(tmp_path, 4, task_kills.FULL[1:2])
    second = task_kills.second_runner(tmp_path, 4)
    report = {"kills": kills, "full_disks": full, "small_disks": None, "second_runner": second}
    assert task_kills.failures(report) == [], report


def test_the_harness_notices_what_is_not_the_same():
    report = {
        "kills": {"done_again": 1, "differ": 0, "failed": 0}, "small_disks": None,
        "full_disks": {"tried": 2, "refused": 2, "went_on": 2, "same": 1},
        "second_runner": {"refused": True, "goes_on_when_the_first_is_gone": True, "same": False},
    }  # fmt: skip
    assert len(task_kills.failures(report)) == 3
