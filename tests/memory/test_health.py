"""Memory mends its index, forgets for good, and goes into an archive and back bit by bit."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saccade.errors import ToolRetry, UserError
from saccade.memory.chats import Chats
from saccade.memory.memory import Memory
from saccade.memory.pictures.store import PictureStore
from saccade.memory.query import Query
from saccade.memory.records import PictureDraft, RegionDraft, ToolResult
from saccade.memory.workspace import LedgerWorkspace
from saccade.settings import Settings
from saccade.testing.embedder import ToyEmbedder


def scene(number: int, side: int = 96) -> Image.Image:
    small = np.random.default_rng(number).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


class Opened:
    """Opens memories over homes, and closes them all."""

    def __init__(self) -> None:
        self.all: list[Memory] = []

    def __call__(self, home: Path, embedder: ToyEmbedder | None = None, **settings: object) -> Memory:
        store = PictureStore(home, durable=False)
        memory = Memory(store, embedder or ToyEmbedder(), settings=Settings(**settings))  # type: ignore[arg-type]
        self.all.append(memory)
        return memory


@pytest.fixture
def opened() -> Iterator[Opened]:
    made = Opened()
    yield made
    for memory in made.all:
        memory.close()
        memory.store.close()


def give(memory: Memory, numbers: range, owner: str = "ann") -> list[str]:
    ids = [memory.store.add(scene(number), owner=owner).id for number in numbers]
    memory.remember(owner, ids)
    return ids


def bytes_under(home: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file())


def talked(memory: Memory, owner: str, name: str = "1") -> LedgerWorkspace:
    """A conversation: one picture given, two regions found (one with a mask), one crop made."""
    space = LedgerWorkspace(memory.store, f"chat_{owner}{name}", owner)
    _, (picture,) = space.begin_turn([scene(70)])
    mask = np.zeros((96, 96), bool)
    mask[5:30, 5:30] = True
    drafts = [
        RegionDraft(picture.id, (0, 0, 40, 40), "cone", 0.9, mask),
        RegionDraft(picture.id, (50, 50, 90, 96), "cube"),
    ]
    space.record("a", "find_objects", {"image": "img_1"}, ToolResult(drafts), lambda _: "2 found in img_1: a rosy cone")
    crop = PictureDraft(scene(70).crop((0, 0, 40, 40)), "crop", f"{picture.id}.r1")
    space.record("b", "crop_image", {"image": "reg_1"}, ToolResult(pictures=[crop]), lambda _: "img_2")
    ids = [
        one.id for one in (space.picture("img_1"), space.region("reg_1"), space.region("reg_2"), space.picture("img_2"))
    ]
    memory.remember(owner, ids)
    return space


# Repair


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
    new = opened(home, ToyEmbedder(dim=32, seed=5))
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
        "from saccade.testing.embedder import ToyEmbedder\nimport numpy as np\nfrom PIL import Image\n"
        "memory = Memory(PictureStore(sys.argv[1], durable=False), ToyEmbedder())\n"
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


def test_an_archive_comes_back_bit_by_bit(home: Path, opened: Opened) -> None:
    memory = opened(home)
    talked(memory, "ann")
    ids = give(memory, range(4))
    give(memory, range(2, 6), "bob")
    memory.remember("ann", [memory.store.add(scene(1, 200), owner="ann").id])
    memory.note("ann", ids[0], tags=["b", "a"], caption="Ein Würfel 🎲", words="KITE")
    archive = memory.export("ann", home.parent / "ann.zip")
    assert b"bob" not in archive.read_bytes()
    other = opened(home.parent / "other")
    new = other.import_(archive, "eve")
    assert len(new) == memory.count("ann")["pictures"] + memory.count("ann")["regions"]
    assert other.export("eve", home.parent / "eve.zip").read_bytes() == archive.read_bytes()
    assert other.import_(archive, "eve") == []
    assert other.near_duplicates("eve", ids[1]) == memory.near_duplicates("ann", ids[1]) != []
    assert other.recall("eve", Query(picture=scene(3), k=1))[0].id == ids[3]
    assert other.recall("eve", Query(words="würfel"))[0].tags == ("a", "b")
    region = next(item for item in new if ".r" in item)
    assert other.forget("eve", ids=[region]).regions == [region]
    space = LedgerWorkspace(other.store, "chat_x", "eve")
    _, (again,) = space.begin_turn([scene(70)])
    space.record("a", "t", {}, ToolResult([RegionDraft(again.id, (0, 0, 1, 1), "x")]), lambda _: "")
    assert space.region("reg_1").id not in new, "a number is never given twice"


def rewritten(archive: Path, change: dict[str, bytes | None], *, honest: bool = True) -> bytes:
    """The archive with members replaced (None: left out), and a manifest that tells so unless it lies."""
    import hashlib

    out = BytesIO()
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(out, "w") as new:
        members = {name: old.read(name) for name in old.namelist() if name != "manifest.json"}
        manifest = json.loads(old.read("manifest.json"))
        for name, data in change.items():
            if name == "manifest.json":
                manifest |= json.loads(data or b"{}")
            elif data is None:
                members.pop(name)
            else:
                members[name] = data
        if honest:
            manifest["members"] = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
        for name, data in members.items():
            new.writestr(name, data)
        new.writestr("manifest.json", json.dumps(manifest))
    return out.getvalue()


def test_a_hostile_archive_is_refused_and_nothing_is_written(home: Path, opened: Opened) -> None:
    memory = opened(home)
    give(memory, range(2))
    archive = memory.export("ann", home.parent / "ann.zip")
    with zipfile.ZipFile(archive) as there:
        lines = there.read("memories.jsonl")
        picture = next(name for name in there.namelist() if name.startswith("images/"))
        vectors = there.read("vectors/0.npy")
    squeezed = BytesIO()
    with zipfile.ZipFile(squeezed, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("pictures.jsonl", b"0" * 1_000_000)
        bomb.writestr("manifest.json", b"{}")
    scene(9).save(other_png := BytesIO(), "PNG")
    boxed = lines.replace(b'"box": null', b'"box": [0, 0, 1, 1]')
    as_npy = BytesIO()
    np.save(as_npy, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    nan = vectors[:-2] + np.array([np.nan], "<f2").tobytes()
    hostile = {
        "no archive": b"PK\x03\x04 but nothing more",
        "cut": archive.read_bytes()[:-500],
        "a bomb": squeezed.getvalue(),
        "a path": rewritten(archive, {"../../escape.png": b"x"}),
        "a false hash": rewritten(archive, {"memories.jsonl": lines.replace(b"null", b"true")}, honest=False),
        "another picture": rewritten(archive, {picture: other_png.getvalue()}),
        "no picture": rewritten(archive, {picture: b"GIF89a"}),
        "a picture missing": rewritten(archive, {picture: None}),
        "a field too many": rewritten(archive, {"memories.jsonl": lines.replace(b'{"', b'{"more": 1, "')}),
        "a foreign item": rewritten(archive, {"memories.jsonl": lines.replace(b'"item": "pic_', b'"item": "pic_0')}),
        "a box where none is": rewritten(archive, {"memories.jsonl": boxed}),
        "a pickle": rewritten(archive, {"vectors/0.npy": as_npy.getvalue()}),
        "vectors cut": rewritten(archive, {"vectors/0.npy": vectors[:-4]}),
        "vectors of no number": rewritten(archive, {"vectors/0.npy": nan}),
        "no time": rewritten(archive, {"memories.jsonl": lines.replace(b'"last": "2', b'"last": "x')}),
        "a newer version": rewritten(archive, {"manifest.json": b'{"version": 2}'}),
        "likes of nothing": rewritten(archive, {"likes.jsonl": b'["pic_a", "pic_b"]\n'}),
        "no JSON": rewritten(archive, {"likes.jsonl": b"[[[["}),
    }  # fmt: skip
    other = opened(home.parent / "other")
    for what, data in hostile.items():
        path = home.parent / "hostile.zip"
        path.write_bytes(data)
        with pytest.raises(UserError):
            other.import_(path, "eve")
        assert other.count("eve")["pictures"] == 0, what
        assert not list((home.parent / "other").rglob("*.png")), what
    assert not (home.parent.parent / "escape.png").exists()
    with pytest.raises(UserError, match="no file"):
        other.import_(home.parent / "none.zip", "eve")
