"""Going round in circles is seen early, and lists are not taken for it."""

from __future__ import annotations

import pytest

from saccade.tools.shared.repetition import goes_round


@pytest.mark.parametrize(
    ("text", "round_"),
    [
        ("a red ball . a red ball . a red ball .", True),
        ("there is : at the left a red ball . at the left a red ball . at the left a red ball .", True),
        ("a red ball . a red ball .", False),
        ("a red ball . a red ball . a red cup .", False),
        ("a red ball . a red ball . a red ball . and", False),
        ("1 red ball 2 red ball 3 red ball 4 red ball 5 red ball", False),
        ("no no no no", False),
        ("no no no no no no no no no no no no", True),
        ("", False),
    ],
)
def test_three_times_the_same_is_a_circle(text: str, round_: bool) -> None:
    words = text.split()
    assert goes_round([sorted(set(words)).index(word) for word in words]) is round_


def test_a_long_part_counts_up_to_forty_tokens() -> None:
    assert goes_round([*range(40)] * 3)
    assert not goes_round([*range(41)] * 3)
