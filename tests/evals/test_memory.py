"""`saccade eval --suite memory`: a few cases with the bundled models, and its table."""

from __future__ import annotations

import io
import json
import random

import numpy as np
import pytest
from rich.console import Console

from saccade.evals.memory import row
from saccade.evals.suites import run_suite
from saccade.evals.tables import show_report
from saccade.evals.variants import CHANGES, lookalikes
from saccade.scenes.render import render
from saccade.scenes.sample import sample_scene

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of chromadb and what it imports


def test_a_few_cases_with_the_bundled_models():
    report = run_suite("memory", cases=4, quiet=True)
    assert json.loads(json.dumps(report)) == report
    assert (report["suite"], report["cases"], report["plan"]["first_scene"]) == ("memory", 4, 20_000)
    groups = {one["group"].split(",")[0] for one in report["rows"]}
    assert groups == {
        "things on the pictures",
        "pictures by full captions",
        "pictures by partial captions",
        "regions by phrases",
        "never seen",
        "near duplicates",
        "zero-shot naming of crops",
    }
    for one in report["rows"]:
        low, high = one["interval"]
        assert 0 <= low <= one["value"] <= high <= 1
        assert 0 <= one["baseline"] <= 1
        assert one["cases"] > 0
    by_name = {f"{one['group']}: {one['name']}": one for one in report["rows"]}
    assert by_name["pictures by full captions: recall@1"]["value"] > 0.5
    out = io.StringIO()
    show_report(report, Console(file=out, width=110))
    assert "recall@1" in out.getvalue()
    assert "low is good" in out.getvalue()


def test_copies_differ_from_the_original_and_lookalikes_show_other_scenes():
    scene = sample_scene(20_003, "test")
    image = render(scene, 256).image
    for name, change in CHANGES.items():
        copy = change(image)
        assert copy.size != image.size or not np.array_equal(np.asarray(copy), np.asarray(image)), name
    others = lookalikes(scene, random.Random(1), 256)
    assert len(others) == 4
    assert all(not np.array_equal(np.asarray(other), np.asarray(image)) for other in others.values())


def test_a_row_holds_its_share_and_interval():
    made = row("group", "name", [True, True, False, True], 0.25)
    assert (made["cases"], made["value"], made["baseline"]) == (4, 0.75, 0.25)
    assert made["interval"][0] < 0.75 < made["interval"][1]
