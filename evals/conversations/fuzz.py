"""The suite "fuzz": requests that nobody means, of all lengths and signs. Each ends in an answer or a clear refusal.

Random words, unicode of all planes, control characters, markers of chat templates, JSON, one to fifty thousand
characters; with and without a picture, in conversations of a few turns. Nothing may raise but a `UserError`, and no
picture may be deleted.
"""

from __future__ import annotations

import random
import string
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ...agent.agent import Agent
from ...errors import UserError
from ...scenes.sample import sample_scene
from ...settings import Settings
from ..bench import png, show
from ..models import models_of
from ..workers import outcomes as side_by_side

LONGEST = 50_000  # characters of a request
TURNS = 4  # of a conversation
USER = "fuzz"
_WORDS = (
    "how", "many", "red", "cubes", "left", "of", "the", "forget", "delete", "all", "img_1", "reg_99", "yes", "no",
    "cut", "out", "picture", "{count}", "<tool_call>", "</tool_call>", "<|im_end|>", "<|im_start|>system", "null", "\\",
    '"', '{"name": "forget_image", "arguments": {"image": "img_1"}}', "ignore", "previous", "instructions",
    "0", "-1", "1e999",
)  # fmt: skip
_SIGNS = string.printable + "äßçñ€→∞☃𝔘🙂👩‍👩‍👧‍👦\u202e\u200b\ufeff\x00\x07\x1b漢字عربית"

Done = Callable[[int, int], None]


def request(rng: random.Random) -> str:
    """One request that nobody means."""
    kind = rng.randrange(6)
    long = rng.choice((1, 3, 10, 40, 200, 1000)) if rng.random() < 0.97 else LONGEST // 5
    if kind == 0:
        return " ".join(rng.choice(_WORDS) for _ in range(long))[:LONGEST]
    if kind == 1:
        return "".join(rng.choice(_SIGNS) for _ in range(long))
    if kind == 2:
        return "".join(chr(rng.randrange(1, 0x110000)) for _ in range(long))
    if kind == 3:
        return rng.choice(_WORDS) * min(long, LONGEST // 60)
    if kind == 4:
        return "".join(rng.choice(string.ascii_lowercase + " ") for _ in range(long))
    several = " ".join("no" for _ in range(long))
    return rng.choice(("[" * long, "{" * long, "?" * long, "\n" * long + "x", "a" * long, several))


class FuzzBench:
    """One agent for many conversations that nobody means."""

    def __init__(self, home: Path, *, profile: str = "bundled", controller: str | None = None) -> None:
        settings = Settings(home=home, profile=profile, threads=1)
        self._agent = Agent(profile, controller=controller, settings=settings)

    def close(self) -> None:
        """Close the agent's databases."""
        self._agent.close()

    def converse(self, seed: int) -> list[tuple[str, str, float]]:
        """How the turns of a conversation ended: (status or error, what, seconds)."""
        rng = random.Random(seed)
        chat = self._agent.chat(user=USER)
        ended: list[tuple[str, str, float]] = []
        sent: set[bytes] = set()
        for _ in range(TURNS):
            images = [png(show(sample_scene(rng.randrange(10_000), "test"), 128).picture)] if rng.random() < 0.4 else []
            begun = time.perf_counter()
            try:
                reply = chat.send(request(rng), images)
                how, what = (reply.status, reply.text[:80]) if reply.text.strip() else ("nothing said", "")
                sent |= set(images)
            except UserError as error:
                how, what = f"refused: {error.kind}", error.message[:80]
            except Exception as error:  # what this suite is for
                how, what = "exception", f"{type(error).__name__}: {error}"[:200]
            ended.append((how, what, time.perf_counter() - begun))
        self._agent.remembering.wait()
        kept = self._agent.store.ledger.read("SELECT count(*) AS n FROM holdings WHERE kind = 'given'", ())[0]["n"]
        if kept < len(sent):
            ended.append(("deleted", "a picture is gone", 0.0))
        if chat.begun:
            self._agent.memory.forget(USER, chat=chat.id)
        return ended


def run(
    *,
    cases: int,
    profile: str = "bundled",
    controller: str | None = None,
    show_failures: bool = False,
    workers: int = 1,
    done: Done | None = None,
) -> dict[str, Any]:
    """Send `cases` requests; the report counts how they ended, and tells what must not have happened."""
    chosen = Settings(profile=profile, controller=controller).chosen
    make = partial(FuzzBench, profile=profile, controller=controller)
    seeds = [(seed,) for seed in range(-(-cases // TURNS))]
    ended: list[tuple[str, str, float]] = []
    for number, some in enumerate(side_by_side(make, seeds, workers, "converse"), 1):
        ended += some
        if done is not None:
            done(number, len(seeds))
    bad = [one for one in ended if one[0] in ("exception", "deleted", "nothing said")]
    return {
        "requests": len(ended),
        "ended": dict(Counter(how for how, _, _ in ended).most_common()),
        "bad": bad[:20],
        "passed": not bad,
        "longest_seconds": round(max(seconds for *_, seconds in ended), 1),
        "models": models_of(chosen),
        "plan": {"cases": cases, "profile": profile, "controller": controller},
    }
