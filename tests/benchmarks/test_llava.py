from __future__ import annotations

import pytest
from PIL import Image

from saccade.benchmarks import llava
from saccade.benchmarks.random_models import Shape


def test_eight_questions_are_measured_with_one_run_of_the_tower(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llava, "TOKENS", 4)
    pictures = [Image.new("RGB", (40, 30), color) for color in ("red", "blue")]
    figures = llava.measure_model(llava.random_expert(Shape()), pictures, rounds=2)
    assert figures["encoder_runs_for_eight_questions"] == 1
    assert figures["eight_questions_one_by_one_vs_batched"] > 1
    assert figures["first_token_ms"] > 0
    assert figures["tokens_a_second"] > 0
