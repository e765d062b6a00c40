"""The suite "experts": what it counts as right, and what its table shows."""

from __future__ import annotations

import numpy as np
import pytest

from saccade.evals.suites import SUITES
from saccade.evals.vqa import rows_of
from saccade.training.llava.cases import Case, all_cases, things_in
from saccade.training.llava.measure import figures, right

GREY = np.zeros((128, 128, 3), np.uint8)


@pytest.mark.parametrize(
    ("group", "said", "answer", "good"),
    [
        ("vqa", "red", "red", True),
        ("vqa", "reds", "red", False),
        ("describe", "On a desk there are two things. at the top a small red wooden cube with a sign that says BOX. "
         "at the right a large blue metal key.", "large blue metal key; small red wooden cube", True),
        ("describe", "On a desk there is one thing. at the top a small red wooden cube.", "small blue wooden cube",
         False),
        ("short", "a red cube, an orange key and a red cube, on a desk.", "orange key; red cube; red cube", True),
        ("short", "a red cube, on a desk.", "red cube; red cube", False),
    ],
)  # fmt: skip
def test_an_answer_is_right_to_the_letter_and_a_description_by_its_set_of_things(group, said, answer, good):
    assert right(group, said, answer) == good, things_in(group, said)


def test_the_table_has_each_group_with_its_tags_its_baseline_and_its_bar():
    cases = [
        Case("vqa", (GREY,), ["How many?"], ["2"], [("kind count", "family count_zero_hop")], ["2"]),
        Case("vqa", (GREY,), ["How many?"], ["3"], [("kind count", "family count_zero_hop")], ["2"]),
        Case("dialog", (GREY,), ["What?", "Where?"], ["red", "top"], [("turn 1",), ("turn 2",)], ["red", "left"]),
        Case("words in a crop", (GREY,), ["What?"], ["KITE"], [("letters 4",)], ["KIT"]),
    ]
    report = {"cases": 5} | figures(cases)
    report["vqa"]["blind"] = 0.25
    rows = {(row["group"], row["name"]): row for row in rows_of(report)}
    assert (rows["vqa", "all"]["value"], rows["vqa", "all"]["baseline"], rows["vqa", "all"]["bar"]) == (0.5, 0.25, 0.88)
    assert rows["vqa", "kind count"]["cases"] == 2
    assert ("vqa", "family count_zero_hop") not in rows
    assert rows["dialog", "all"]["value"] == 0.5
    assert rows["dialog", "whole conversations"]["value"] == 0.0
    assert rows["words in a crop", "character error rate"]["value"] == 0.25


def test_every_group_is_drawn_from_test_scenes_with_an_answer_for_each_question():
    cases = all_cases(6)
    groups = {case.group for case in cases}
    assert {"vqa", "vqa, phrasings held out", "dialog", "nlvr", "foil", "words in a crop", "describe"} <= groups
    assert all(len(case.questions) == len(case.answers) == len(case.tags) for case in cases)
    assert all(len(case.pictures) == 2 for case in cases if case.group.startswith("nlvr"))


def test_the_suites_are_named_for_what_they_measure():
    assert {"agent", "controller", "gold", "experts"} <= set(SUITES)
