"""Seeing that a small language model goes round in circles, so that nobody waits for what never ends."""

from __future__ import annotations

from collections.abc import Sequence

TIMES = 3  # that the same tokens stand one after the other
LONGEST = 40  # tokens that are looked for as a repeated part
LEAST = 12  # tokens that the repetitions have together: "ha ha ha" is no circle


def goes_round(tokens: Sequence[int]) -> bool:
    """Whether what was written ends with the same tokens `TIMES` times, one after the other."""
    for length in range(-(-LEAST // TIMES), min(LONGEST, len(tokens) // TIMES) + 1):
        last = tokens[-length:]
        if all(tokens[-(n + 1) * length : -n * length] == last for n in range(1, TIMES)):
            return True
    return False
