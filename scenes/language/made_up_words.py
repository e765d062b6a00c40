"""Made-up words in the frames of questions, so that a word that is not known confuses nobody."""

from __future__ import annotations

import random
import re

# Words without which a frame may mean something else: no `strange` word stands for one of them, and a small vocabulary
# has them all.
DECISIVE = frozenset(
    re.findall(
        r"\S+",
        """
        ahead alike all alone altogether both colour color count each either equal equally equals even every everything
        exactly fewer first form greater holds hue identical joint just larger least less longer made makes many
        material matching more most neither none number numbers only other outnumber place same second shape sign single
        size small smaller somewhere than text thing together total true twice what where whereabouts whereas whether
        which while with without word write written
        """,
    )
)
_SYLLABLES = re.findall(
    r"\S+", "ba bro dal den fi flo gan gri ham jo kel kri lu mip nav or pel plo qua rin ruf sel sto tam ul ven wex zan"
)


def strange(frame: str, rng: random.Random, often: float = 1.0) -> str:
    """A frame, `often` with a made-up word for one of its longer ones: people use words that nobody was taught."""
    if not often or rng.random() >= often:
        return frame
    words = frame.split(" ")
    longer = [
        at
        for at, word in enumerate(words)
        if re.fullmatch(r"[a-z]{4,}", word) and word not in DECISIVE and not word.endswith("er")  # "lower than"
    ]
    if longer:
        words[rng.choice(longer)] = "".join(rng.choices(_SYLLABLES, k=rng.randint(1, 3)))
    return " ".join(words)
