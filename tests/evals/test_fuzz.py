"""Requests that nobody means end in an answer or a clear refusal. The whole suite: `saccade eval --suite fuzz`."""

import random

from saccade.evals.conversations import fuzz


def test_requests_are_of_many_kinds_and_lengths():
    drawn = [fuzz.request(random.Random(seed)) for seed in range(400)]
    assert len(set(drawn)) > 300
    assert max(map(len, drawn)) > 5_000
    assert min(map(len, drawn)) <= 3
    assert any(not text.isascii() for text in drawn)


def test_each_ends_in_an_answer_or_a_clear_refusal():
    report = fuzz.run(cases=12, controller="zoo:controller-tiny")
    assert report["requests"] == 12
    assert report["passed"], report["bad"]
    assert sum(report["ended"].values()) == 12
