"""Which scenes, words and attribute pairs belong to training, and which are kept for tests.

Nothing here depends on the order of a run: a seed, a word or a pair tells by itself where it belongs.
"""

from __future__ import annotations

import zlib
from functools import cache
from typing import Literal, get_args

from .scene import COLORS, HELD_OUT_PAIRS, SHAPES
from .words import WORDS

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)

SEEDS_PER_SPLIT = 2**30

# What things are drawn from, but for those that a compositional scene takes from `HELD_OUT_PAIRS`.
COMMON_PAIRS = tuple((shape, color) for shape in SHAPES for color in COLORS if (shape, color) not in HELD_OUT_PAIRS)


def split_seed(split: Split, index: int) -> int:
    """The seed of a split's scene number `index`. Splits own disjoint ranges of 2**30 seeds each.

    A number that is already one of the split's own seeds stays as it is, so that `Scene.seed` can be
    given back to make the scene again. Raises ValueError for a number that belongs to another split.
    """
    if split not in SPLITS:
        raise ValueError(f"no split {split!r}: choose one of {', '.join(SPLITS)}")
    start = SPLITS.index(split) * SEEDS_PER_SPLIT
    if 0 <= index < SEEDS_PER_SPLIT:
        return start + index
    if start <= index < start + SEEDS_PER_SPLIT:
        return index
    raise ValueError(f"{index} is no scene of the split {split!r}: give 0 to {SEEDS_PER_SPLIT - 1}")


def split_of(seed: int) -> Split:
    """The split that owns a `Scene.seed`. Raises ValueError where none does."""
    place = seed // SEEDS_PER_SPLIT
    if not 0 <= place < len(SPLITS):
        raise ValueError(f"{seed} is no scene's seed")
    return SPLITS[place]


def word_is_held_out(word: str) -> bool:
    """Whether a word stands only on the signs of test scenes: one in five, by a hash of its letters."""
    return zlib.crc32(word.encode()) % 5 == 0


@cache
def words_of(split: Split) -> tuple[str, ...]:
    """The words on a split's signs: the held-out ones for "test", all others for "train" and "val"."""
    return tuple(word for word in WORDS if word_is_held_out(word) == (split == "test"))
