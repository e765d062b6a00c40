"""Writers that share a transaction: who fails, fails alone."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from saccade.memory.ledger.group_commit import Together
from saccade.memory.ledger.ledger import Ledger


def piece(name: str, *, fails: bool = False) -> Callable[[sqlite3.Connection], str]:
    def write(db: sqlite3.Connection) -> str:
        db.execute("INSERT INTO home VALUES (?, ?)", (name, "here"))
        if fails:
            raise ValueError(f"{name} fails")
        return name

    return write


def names(ledger: Ledger) -> set[str]:
    return {row["name"] for row in ledger.read("SELECT name FROM home WHERE value = 'here'")}


def test_a_piece_that_fails_alone_raises_its_own_error_and_leaves_nothing(tmp_path: Path) -> None:
    together = Together(Ledger(tmp_path))
    with pytest.raises(ValueError, match="one fails"):
        together.write(piece("one", fails=True))
    assert together.write(piece("two")) == "two"
    assert names(Ledger(tmp_path)) == {"two"}


def test_one_of_many_in_a_transaction_fails_and_the_others_are_kept(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    together = Together(ledger)
    started, go = threading.Event(), threading.Event()

    def slow(db: sqlite3.Connection) -> None:
        started.set()
        go.wait(10)

    told: dict[str, object] = {}

    def ask(name: str, fails: bool) -> None:
        try:
            told[name] = together.write(piece(name, fails=fails))
        except ValueError as error:
            told[name] = str(error)

    first = threading.Thread(target=lambda: together.write(slow))
    first.start()
    assert started.wait(10)
    # These wait for the first, and then share one transaction.
    others = [threading.Thread(target=ask, args=(f"p{n}", n == 3)) for n in range(8)]
    for one in others:
        one.start()
    while len(together._waiting) < len(others):
        time.sleep(0.001)
    go.set()
    for one in (first, *others):
        one.join(10)
    assert told == {f"p{n}": "p3 fails" if n == 3 else f"p{n}" for n in range(8)}
    assert names(ledger) == {f"p{n}" for n in range(8)} - {"p3"}
