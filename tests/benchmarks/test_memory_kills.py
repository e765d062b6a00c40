"""A killed writer loses nothing that was acknowledged: the short form of `python -m saccade.benchmarks kills`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from saccade.benchmarks import kill_workers as kill_sides
from saccade.benchmarks import kills
from saccade.memory.ledger.ledger import Ledger
from saccade.memory.memory import Memory
from saccade.memory.pictures.store import PictureStore


@pytest.fixture(scope="module")
def children() -> kills.Children:
    return kills.children_of()


def test_nothing_acknowledged_is_lost_when_the_writer_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kills, "LONGEST", 0.5)
    ours, _, _ = kills.harness(tmp_path, len(kills.MOMENTS), 0)
    told = kills.told(ours)
    assert told["kills"] == len(kills.MOMENTS)
    assert told["acknowledged"] > 0
    assert not any(told[name] for name in (*kills.HARM, "unreadable", "writers_that_failed")), told


def test_two_processes_that_write_at_once_lose_and_tear_nothing(tmp_path: Path, children: kills.Children) -> None:
    told = kills.several_at_once(children, tmp_path / "two", writers=2, calls=4)
    assert told["acknowledged"] == told["vectors"] == 2 * 4 * kill_sides.TOGETHER
    assert not any(told[name] for name in (*kills.HARM, "writers_that_failed")), told


class Line:
    def send(self, said: Any) -> None:
        self.said = said


@pytest.mark.parametrize("harm", ["none", "row", "vector", "texts", "file", "forgotten"])
def test_the_examination_notices_what_is_lost_or_torn(tmp_path: Path, harm: str) -> None:
    store = PictureStore(tmp_path)
    memory = Memory(store, kill_sides.Light())
    ids = [store.add(kill_sides.picture(5, number), owner="ann").id for number in range(6)]
    memory.remember("ann", ids)
    memory.close()
    store.close()
    kept: kill_sides.Kept = {one: ("ann", 5, number) for number, one in enumerate(ids)}
    statements = {
        "row": "DELETE FROM memories WHERE item = ?",
        "vector": "DELETE FROM vectors WHERE memory = (SELECT id FROM memories WHERE item = ?)",
        "texts": "DELETE FROM memory_text WHERE rowid = (SELECT id FROM memories WHERE item = ?)",
    }
    if harm in statements:
        ledger = Ledger(tmp_path)
        with ledger.write() as db:
            db.execute(statements[harm], (ids[2],))
        ledger.close()
    elif harm == "file":
        found = PictureStore(tmp_path)
        found.get(ids[2], "ann").path.write_bytes(b"")
        found.close()
    line = Line()
    kill_sides.examine_ours(str(tmp_path), kept, ids[:1] if harm == "forgotten" else [], line)
    told = line.said
    assert told["lost"] == (harm in ("row", "vector", "texts", "file"))
    assert told["returned"] == (harm == "forgotten")
    assert bool(told["torn"]) == (harm not in ("none", "forgotten"))
