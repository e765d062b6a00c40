"""What one owner has never shows to another: not in a search, a link, an archive, an error, or a cache."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from saccade.errors import UserError
from saccade.memory.memory import Memory
from saccade.memory.pictures.store import PictureStore
from saccade.memory.query import Query
from saccade.memory.records import RegionDraft, ToolResult
from saccade.memory.workspace import LedgerWorkspace
from saccade.settings import Settings
from saccade.testing.embedder import SmallEmbedder

OWNERS = ("ann", "bob")


def scene(number: int, side: int = 60) -> Image.Image:
    small = np.random.default_rng(number).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)


class Person:
    """One owner, and all that is ever theirs."""

    def __init__(self, memory: Memory, name: str) -> None:
        self.memory, self.name = memory, name
        self.space = LedgerWorkspace(memory.store, f"chat_{name}", name)
        self.had: set[str] = set()
        self.holds: set[str] = set()
        self.count = 0

    def sees(self, number: int, side: int) -> None:
        _, (picture,) = self.space.begin_turn([scene(number, side)])
        self.count += 1
        draft = RegionDraft(picture.id, (0, 0, 30, 30), f"thing of {self.name}")
        recorded, _ = self.space.record(f"c{self.count}", "find_objects", {}, ToolResult([draft]), lambda _: "")
        ids = [picture.id, recorded.regions[0].id]
        self.memory.remember(self.name, ids)
        self.memory.note(self.name, picture.id, caption=f"secret of {self.name}", tags=[f"tag of {self.name}"])
        self.had.update(ids)
        self.holds.update(ids)

    def forgets(self, number: int) -> None:
        mine = sorted(one for one in self.holds if ".r" not in one)
        if mine:
            gone = self.memory.forget(self.name, ids=[mine[number % len(mine)]])
            self.holds -= {*gone.pictures, *gone.regions}


steps = st.lists(
    st.tuples(st.sampled_from(OWNERS), st.sampled_from(["sees", "sees", "forgets", "index"]), st.integers(0, 5)),
    min_size=2,
    max_size=8,
)


@given(steps=steps)
@settings(max_examples=25, deadline=None)
def test_no_way_leads_from_one_owner_to_what_another_has(steps: list[tuple[str, str, int]]) -> None:
    with TemporaryDirectory() as name:
        memory = Memory(PictureStore(Path(name) / "home", durable=False), SmallEmbedder(), settings=Settings())
        people = {owner: Person(memory, owner) for owner in OWNERS}
        try:
            for owner, step, number in steps:
                if step == "sees":
                    people[owner].sees(number, 60 if owner == "ann" else 50 + number % 2 * 10)
                elif step == "forgets":
                    people[owner].forgets(number)
                else:
                    memory.sync()
            for owner, other in (OWNERS, OWNERS[::-1]):
                check(memory, people[owner], people[other], Path(name))
        finally:
            memory.close()
            memory.store.close()


def check(memory: Memory, person: Person, other: Person, folder: Path) -> None:
    queries: list[dict[str, Any]] = [
        {}, {"words": f"secret of {other.name}"}, {"words": f"thing of {other.name}"}, {"tag": f"tag of {other.name}"},
        {"label": f"thing of {other.name}"}, {"chat": other.space.chat},
        *({"picture": scene(number), "k": 20} for number in range(6)),
        *({"picture": scene(number, 50), "k": 20, "exact": True} for number in range(6)),
        {"picture": scene(1), "chat": other.space.chat}, {"picture": scene(1), "label": f"thing of {other.name}"},
    ]  # fmt: skip
    for query in queries:
        for hit in memory.recall(person.name, Query(**query)):
            told = {hit.id, hit.picture, *hit.also}
            assert told <= person.holds, query
            assert other.name not in f"{hit.label} {hit.caption} {hit.tags} {hit.lineage} {hit.source}"
            assert not any(key in query for key in ("chat", "label", "tag"))
    for item in person.holds:
        assert set(memory.near_duplicates(person.name, item)) <= person.holds
    assert set(memory.known(person.name, sorted(other.had | person.had))) == person.holds
    archive = memory.export(person.name, folder / "out.zip").read_bytes()
    assert other.name.encode() not in archive
    for item in sorted(other.had - person.had):
        assert item.encode() not in archive
        for stranger in (item, "pic_ffffffffffff"):
            for work in (
                lambda item=stranger: memory.remember(person.name, [item]),
                lambda item=stranger: memory.forget(person.name, ids=[item]),
                lambda item=stranger: memory.recall(person.name, Query(picture=item)),
                lambda item=stranger: memory.note(person.name, item, caption="mine now"),
            ):
                with pytest.raises(UserError) as refusal:
                    work()
                assert refusal.value.message == f"You have no picture or region with the id {stranger!r}."
