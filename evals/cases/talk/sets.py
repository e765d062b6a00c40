"""The sets of conversations: a file of JSON lines each.

`dev` and `plain` may be looked at; `m`, `n`, `o` are asked once a release. `plain` holds twenty plain
requests, one a conversation, for models that nobody has taught.

A line is {"id", "family", "scenes": seeds for `sample_scene(seed, "test")`, "turns": [{"say", "images", "expect"}]};
"images" names pictures by their place in "scenes", and "expect" holds checks (see `judging.replies`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ....errors import UserError, suggest

FOLDER = Path(__file__).parent
FRESH = ("m", "n", "o")
DEV, PLAIN = "dev", "plain"


@dataclass(frozen=True)
class TalkTurn:
    """What the person says, which pictures come with it, and what must hold of the answer."""

    say: str
    images: tuple[int, ...]
    expect: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class TalkCase:
    """One conversation."""

    id: str
    set: str
    family: str
    scenes: tuple[int, ...]
    turns: tuple[TalkTurn, ...]


@cache
def talk_cases(name: str) -> tuple[TalkCase, ...]:
    """The conversations of a set, its families in turn.

    Raises:
        UserError: there is no such set.
    """
    path = FOLDER / f"{name}.jsonl"
    if not path.is_file():
        known = sorted(one.stem for one in FOLDER.glob("*.jsonl"))
        raise UserError(f"There is no set of conversations {name!r}.{suggest(name, known)}", kind="unknown_set")
    cases = [_case(json.loads(line), name) for line in path.read_text("utf-8").splitlines() if line.strip()]
    families = {family: place for place, family in enumerate(dict.fromkeys(case.family for case in cases))}
    numbered: dict[str, int] = {}
    order: list[tuple[int, int, TalkCase]] = []
    for case in cases:
        numbered[case.family] = numbered.get(case.family, 0) + 1
        order.append((numbered[case.family], families[case.family], case))
    return tuple(case for *_, case in sorted(order, key=lambda one: one[:2]))


def _case(one: dict[str, Any], name: str) -> TalkCase:
    turns = tuple(TalkTurn(turn["say"], tuple(turn.get("images", ())), tuple(turn["expect"])) for turn in one["turns"])
    return TalkCase(one["id"], name, one["family"], tuple(one["scenes"]), turns)
