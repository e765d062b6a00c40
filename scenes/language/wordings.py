"""More wordings than anyone would read in code: sentence frames by their intent, in the TOML files of `phrasings/`.

`questions.toml` goes to `frames`, `conversation.toml` to `dialogue`, `pairs.toml` to `nlvr`, `asking.toml` to what
LLaVA is asked of statements, signs and cut-outs. Each frame is a family of its own. `held_out.toml` has, for each of
these files, the families that never train. Who wrote the ones did not see the others, and a frame that says the same
as a held-out one with other little words is left out here, so that the sets stay apart whoever adds a line.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "phrasings"

# Words that many ways of asking share, and that do not tell a family.
LITTLE = frozenset(
    re.findall(
        r"\S+",
        """
        a about all am an and any are as at be been big by can color colour could did do does for form from get give
        had has have here how hue i i'd i'm if image images in into is it item its kind large let made many material
        me my no now number object of on one or other our out photo picture pictures please say scene second see
        shall shape should size small so some tell than that the their them then there these they thing things this
        those to two us was we were what what's where whether which while will with would you your
        """,
    )
)


Families = dict[str, tuple[str, ...]]  # family, or intent -> frames


@cache
def frames_of(file: str) -> Families:
    """What a file holds: intent -> frames."""
    return _frames(_read(file))


@cache
def held_out_of(file: str) -> Families:
    """The frames that are held out beside those of a file: intent -> frames."""
    return _frames(_read("held_out")[file])


def _read(file: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{file}.toml").read_text("utf-8"))


def _frames(read: dict[str, list[str]]) -> Families:
    return {intent: tuple(frames) for intent, frames in read.items()}


def widened(core: Families, added: Iterable[str], held_out: Iterable[str]) -> Families:
    """An intent's families and, each as one of its own, the added frames that none has, and the held-out ones.

    Args:
        core: the families that are written in code.
        added: frames of a file.
        held_out: frames that never train.
    """
    known = {frame for frames in core.values() for frame in frames}
    kept = [frame for frame in apart(added, held_out) if frame not in known]
    return core | {frame: (frame,) for frame in (*kept, *held_out)}


def apart(frames: Iterable[str], held_out: Iterable[str]) -> tuple[str, ...]:
    """The frames that do not say what a held-out one says: none has all the telling words of one of those."""
    kept = [marks for frame in held_out if (marks := telling(frame))]
    return tuple(frame for frame in frames if not any(marks <= telling(frame) for marks in kept))


def telling(frame: str) -> frozenset[str]:
    """The words of a frame that tell it from others, without slots and `LITTLE` words; all where it has no other."""
    words = re.findall(r"[a-z']+", re.sub(r"\{[a-z]*\}", " ", frame.lower()))
    return frozenset(words) - LITTLE or frozenset(words)
