"""Memory mends its index, forgets for good, and goes into an archive and back bit by bit."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from small_memory import Opened, give, scene, talked

from saccade.errors import ToolRetry
from saccade.memory.chats import Chats
from saccade.memory.query import Query
from saccade.testing.embedder import SmallEmbedder


def bytes_under(home: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file())


@pytest.mark.parametrize("harm", ["folder gone", "segment cut", "database cut", "stale copy"])
def test_a_broken_index_is_made_anew_from_the_ledger(home: Path, opened: Opened, harm: str) -> None:
    memory = opened(home)
    ids = give(memory, range(20))
    memory.sync()
    generation = memory.index.generation
    folder = home / "chroma" / str(generation)
    (copy := home.parent / "copy").mkdir()
    shutil.copytree(folder, copy, dirs_exist_ok=True)
    if harm == "stale copy":
        ids += give(memory, range(20, 25))
        memory.sync()
    memory.close()
    if harm == "folder gone":
        shutil.rmtree(home / "chroma")
    elif harm == "stale copy":
        shutil.rmtree(folder)
        shutil.copytree(copy, folder)
    else:
        ending = "*.sqlite3" if harm == "database cut" else "data_level0.bin"
        for path in folder.rglob(ending):
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    again = opened(home)
    assert again.recall("ann", Query(picture=scene(3), k=1))[0].id == ids[3], "the ledger answers meanwhile"
    again.sync()
    report = again.verify()
    assert report.healthy, report
    assert report.indexed == len(ids)
    assert again.index.repaired
    assert again.index.generation != generation
    assert again.recall("ann", Query(picture=scene(3), k=1))[0].id == ids[3]


def test_an_index_that_fails_while_open_is_left_and_made_anew(home: Path, opened: Opened) -> None:
    memory = opened(home)
    ids = give(memory, range(5))
    memory.sync()

    class Broken:
        def query(self, **_: object) -> None:
            raise RuntimeError("Error loading hnsw index")

    space = memory._search.space("ann")  # pyright: ignore[reportPrivateUsage]
    assert space is not None
    memory.index._collections[space.id] = Broken()  # pyright: ignore[reportPrivateUsage]
    assert memory.recall("ann", Query(picture=scene(3), k=1))[0].id == ids[3]
    memory.sync()
    assert memory.verify().healthy


def test_another_process_searches_the_ledger_while_one_has_the_index(home: Path, opened: Opened) -> None:
    first = opened(home)
    ids = give(first, range(8))
    first.sync()
    second = opened(home)
    assert second.recall("ann", Query(picture=scene(2), k=1))[0].id == ids[2]
    assert "Another process has the index open" in (second.notice or "")
    later = give(second, range(8, 10))
    assert first.recall("ann", Query(picture=scene(9), k=1))[0].id == later[1]
    assert not second.verify().healthy
    first.close()
    assert second.verify().healthy
    assert second.notice is None


def test_another_model_gets_a_collection_of_its_own_and_the_old_vectors_stay_until_it_is_full(
    home: Path, opened: Opened
) -> None:
    old = opened(home)
    ids = give(old, range(6))
    old.sync()
    old.close()
    new = opened(home, SmallEmbedder(dim=32, seed=5))
    assert new.recall("ann", Query(picture=scene(2), k=1)) == []
    assert "saccade memory rebuild" in (new.notice or "")
    assert old.recall("ann", Query(picture=scene(2), k=1))[0].id == ids[2]
    old.close()
    report = new.rebuild()
    assert (report.healthy, report.vectors, report.indexed) == (True, 6, 6)
    assert new.recall("ann", Query(picture=scene(2), k=1))[0].id == ids[2]
    assert new.notice is None


def test_verify_tells_of_lost_files(home: Path, opened: Opened) -> None:
    memory = opened(home)
    ids = give(memory, range(3))
    memory.store.get(ids[1], "ann").path.unlink()
    memory.store.get(ids[2], "ann").path.write_bytes(b"\x89PNG\r\n\x1a\n broken")
    assert memory.verify().lost_files == sorted(ids[1:])
    assert not memory.verify().healthy


def test_two_processes_that_write_at_once_lose_nothing(home: Path, opened: Opened) -> None:
    code = (
        "import sys\nfrom saccade.memory.memory import Memory\nfrom saccade.memory.pictures.store import PictureStore\n"
        "from saccade.testing.embedder import SmallEmbedder\nimport numpy as np\nfrom PIL import Image\n"
        "memory = Memory(PictureStore(sys.argv[1], durable=False), SmallEmbedder())\n"
        "for number in range(int(sys.argv[2]), int(sys.argv[2]) + 30):\n"
        "    small = np.random.default_rng(number).integers(0, 256, (6, 6, 3), dtype=np.uint8)\n"
        "    picture = memory.store.add(Image.fromarray(small).resize((96, 96)), owner='ann')\n"
        "    memory.remember('ann', [picture.id])\n"
        "    if number % 5 == 0: memory.sync()\n"
        "memory.close()\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, str(home), str(start)]) for start in (0, 15)]
    assert [process.wait() for process in processes] == [0, 0]
    memory = opened(home)
    assert memory.count("ann") == {"pictures": 45, "regions": 0, "vectors": 45}
    report = memory.verify()
    assert report.healthy, report
    assert report.indexed == 45


# Forgetting


def test_a_forgotten_picture_leaves_no_bytes(home: Path, opened: Opened) -> None:
    memory = opened(home)
    give(memory, range(5))
    space = talked(memory, "ann")
    picture = space.picture("img_1").id
    memory.note("ann", picture, caption="zanzibar", words="quetzal", tags=["xylophone"])
    memory.sync()
    stored = [path for path in home.rglob("*") if path.is_file() and path.suffix in (".png", ".jpg")]
    vector = memory.store.ledger.read(
        "SELECT vector FROM vectors v JOIN memories m ON m.id = v.memory WHERE m.item = ?", (picture,)
    )[0]["vector"]
    as_indexed = np.frombuffer(vector, "<f2").astype(np.float32)
    assert vector in bytes_under(home)
    gone = memory.forget("ann", ids=[picture])
    assert picture in gone.pictures
    assert len(gone.pictures) == 2, "the crop of it goes along"
    assert len(gone.regions) == 2
    assert gone.note is None
    left = bytes_under(home)
    for trace in (
        vector,
        as_indexed[:8].tobytes(),
        b"zanzibar",
        b"quetzal",
        b"xylophone",
        b"rosy cone",
        picture.encode(),
    ):
        assert trace not in left, trace
    assert len([path for path in stored if not path.exists()]) == 2 + 4 + 1  # pictures, thumbnails, the mask
    with pytest.raises(ToolRetry, match="img_1 is forgotten"):
        space.picture("img_1")
    with pytest.raises(ToolRetry, match="reg_2 is forgotten"):
        space.region("reg_2")
    assert space.recorded("a") is not None
    assert memory.recall("ann", Query(picture=scene(70), k=3)) == []
    assert memory.recall("ann", Query(picture=scene(3), k=1))
    memory.sync()
    assert memory.verify().healthy
    again = memory.store.add(scene(70), owner="ann").id
    assert again == picture
    assert memory.remember("ann", [again]) == [again]


def test_a_region_is_forgotten_alone(home: Path, opened: Opened) -> None:
    memory = opened(home)
    space = talked(memory, "ann")
    region = space.region("reg_1").id
    assert memory.forget("ann", ids=[region]).regions == [region]
    assert space.picture("img_1")
    assert space.region("reg_2")
    with pytest.raises(ToolRetry, match="forgotten"):
        space.region("reg_1")


def test_a_conversation_is_forgotten_with_its_messages_and_with_pictures_met_nowhere_else(
    home: Path, opened: Opened
) -> None:
    from langgraph.checkpoint.base import empty_checkpoint

    memory = opened(home)
    one, two = talked(memory, "ann", "1"), talked(memory, "ann", "2")
    two.add_given([scene(71)])
    only, both = two.picture("img_3").id, two.picture("img_1").id
    memory.remember("ann", [only])
    chats = Chats(home, durable=False)
    saver = chats.checkpointer()
    for chat in (one.chat, two.chat):
        config = {"configurable": {"thread_id": chat, "checkpoint_ns": ""}}
        saver.put(config, empty_checkpoint() | {"channel_values": {"said": f"words of {chat}"}}, {}, {})  # type: ignore
    gone = memory.forget("ann", chat=two.chat)
    assert (gone.chats, gone.pictures) == ([two.chat], [only])
    assert memory.store.get(both, "ann")
    assert one.picture("img_1").id == both
    messages = b"".join(path.read_bytes() for path in home.glob("chats.sqlite*") if "-shm" not in path.name)
    assert f"words of {one.chat}".encode() in messages
    assert f"words of {two.chat}".encode() not in messages
    chats.close()


def test_everything_of_one_owner_is_forgotten_and_nothing_of_another(home: Path, opened: Opened) -> None:
    memory = opened(home)
    talked(memory, "ann")
    space = talked(memory, "bob")
    give(memory, range(3), "ann")
    before = memory.export("bob", home.parent / "before.zip").read_bytes()
    gone = memory.forget("ann", everything=True)
    assert len(gone.pictures) == 5
    assert gone.chats == ["chat_ann1"]
    assert memory.count("ann") == {"pictures": 0, "regions": 0, "vectors": 0}
    assert b"ann" not in (home / "ledger.sqlite").read_bytes()
    assert memory.export("bob", home.parent / "after.zip").read_bytes() == before
    assert space.picture("img_1").path.exists()
    assert memory.verify().healthy


def test_age_and_the_retention_setting(home: Path, opened: Opened) -> None:
    memory = opened(home)
    ids = give(memory, range(3))
    assert memory.forget("ann", older_than=timedelta(days=1)).pictures == []
    with memory.store.ledger.write() as db:
        db.execute("UPDATE holdings SET created = '2020-01-01T00:00:00+00:00' WHERE picture <> ?", (ids[0],))
        db.execute("UPDATE memories SET last = '2020-01-01T00:00:00+00:00' WHERE item = ?", (ids[2],))
    keeping = opened(home, keep_days=30)
    keeping.recall("ann", Query(picture=scene(0)))
    assert memory.known("ann", ids) == ids[:2], "the second was met lately"
    assert memory.forget("ann").pictures == []


# Archives
