"""The suite of whole conversations: what can be had without looking, or without thinking, is counted, too."""

from __future__ import annotations

import pytest

from saccade.evals.conversations import talk


@pytest.mark.parametrize("control", ["blank", "shuffled", "first_tool"])
def test_the_controls_of_conversations(control):
    told = talk.run(cases=1, sets=("dev",), controller="zoo:controller-tiny", true_experts=True, control=control,
                    show_failures=True)  # fmt: skip
    assert told["plan"]["control"] == control
    assert told["turns"] > 2
    assert told["garbled"] == told["misquoted"] == 0
    if control == "first_tool":  # 5 balls, a cone, no car, no star: what is listed says neither yes nor "wood"
        assert {one["said"] for one in told["failures"]} >= {"what is the cone made of?", "how many stars?"}
