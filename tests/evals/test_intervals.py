"""Intervals are over templates: cases of one template say less than cases that are independent."""

from __future__ import annotations

import pytest

from saccade.evals.judging.intervals import effective_cases, independent, over_templates

HALF = [True, False] * 20


def test_cases_that_stand_for_themselves_give_wilsons_interval():
    assert over_templates(HALF, range(40)) == independent(20, 40)


def test_templates_that_agree_in_all_their_cases_count_once_each():
    alike = [at // 10 % 2 == 0 for at in range(40)]  # four templates of ten: all right, all wrong, all right ...
    templates = [at // 10 for at in range(40)]
    assert effective_cases(alike, templates) == pytest.approx(3)  # of four, less the one that the mean takes
    low, high = over_templates(alike, templates)
    assert (low, high) != independent(20, 40)
    assert high - low > 2 * (independent(20, 40)[1] - independent(20, 40)[0])


def test_templates_that_are_all_alike_say_no_less_than_their_cases():
    templates = [at // 10 for at in range(40)]  # each half right: nothing lies between the templates
    assert effective_cases(HALF, templates) == 40


def test_where_all_are_right_each_template_counts_as_one_case():
    assert over_templates([True] * 40, [at // 10 for at in range(40)]) == independent(4, 4)
    assert over_templates([True] * 40, range(40)) == independent(40, 40)


def test_no_cases_have_no_interval():
    assert over_templates([], []) is None
    assert independent(0, 0) is None


@pytest.mark.parametrize(
    ("some", "of", "low", "high"),
    [
        (0, 0, None, None),
        (10, 10, 0.7225, 1.0),
        (0, 10, 0.0, 0.2775),
        (45, 50, 0.7864, 0.9565),
        (450, 500, 0.8706, 0.9233),
    ],
)
def test_wilson_intervals(some, of, low, high):
    assert independent(some, of) == (None if low is None else (low, high))
