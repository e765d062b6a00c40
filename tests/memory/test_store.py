"""The picture store and the ledger: stored once, owned apart, whole or not there."""

from __future__ import annotations

import os
import sqlite3
import stat
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from saccade.errors import UserError
from saccade.memory.ledger.ledger import Ledger
from saccade.memory.ledger.schema import MIGRATIONS
from saccade.memory.pictures.store import PictureStore
from saccade.memory.records import Lineage, RegionDraft, ToolResult
from saccade.memory.workspace import LedgerWorkspace


def plain(shade: int, size: tuple[int, int] = (8, 6)) -> Image.Image:
    return Image.new("RGB", size, (shade, 0, 255 - shade))


def files(home: Path) -> list[str]:
    return sorted(path.relative_to(home).as_posix() for path in home.rglob("*.png"))


@pytest.fixture
def store(tmp_path: Path) -> PictureStore:
    return PictureStore(tmp_path / "home", durable=False)


def test_a_picture_comes_back_as_it_was_given(store: PictureStore, tmp_path: Path) -> None:
    plain(10).save(tmp_path / "a.png")
    lineage = Lineage("chat_1", 2, "crop_image", {"image": "img_1"}, "pic_0")
    picture = store.add(tmp_path / "a.png", owner="ann", lineage=lineage)
    assert picture.id == f"pic_{picture.sha256[:12]}"
    assert picture.path == tmp_path / "home" / "images" / picture.sha256[:2] / f"{picture.sha256}.png"
    assert (picture.size, picture.kind, picture.owner, picture.handle) == ((8, 6), "given", "ann", None)
    assert (picture.source, picture.lineage) == (str(tmp_path / "a.png"), lineage)
    store.close()
    again = PictureStore(tmp_path / "home")
    assert again.get(picture.id, "ann") == picture
    assert again.open(picture.id, "ann").tobytes() == plain(10).tobytes()
    with Image.open(picture.path) as stored:
        assert stored.tobytes() == plain(10).tobytes()
    again.close()


def test_the_same_picture_twice_is_one_picture(store: PictureStore, tmp_path: Path) -> None:
    plain(10).save(tmp_path / "a.png")
    plain(10).save(tmp_path / "b.bmp")
    first, second = store.add(tmp_path / "a.png", owner="ann"), store.add(tmp_path / "b.bmp", owner="ann")
    assert first == second
    assert len(files(tmp_path / "home")) == 1


def test_nothing_is_created_before_there_is_something_to_keep(tmp_path: Path) -> None:
    store = PictureStore(tmp_path / "home")
    with pytest.raises(UserError):
        store.get("pic_0123456789ab", "ann")
    workspace = LedgerWorkspace(store, "chat_1", "ann")
    assert (workspace.handles(), workspace.turn, workspace.calls()) == ([], 0, [])
    with pytest.raises(UserError, match="nowhere"):
        workspace.begin_turn([plain(1), "nowhere.png"])
    with pytest.raises(UserError, match="nowhere"):
        workspace.add_given([plain(1), "nowhere.png"])
    assert list(tmp_path.iterdir()) == []


def test_pixels_handed_out_may_be_drawn_on(store: PictureStore) -> None:
    picture = store.add(plain(10), owner="ann")
    store.open(picture.id, "ann").paste("white", (0, 0, 8, 6))
    assert store.open(picture.id, "ann").tobytes() == plain(10).tobytes()


def test_a_cutout_keeps_its_transparency(store: PictureStore) -> None:
    image = plain(10).convert("RGBA")
    image.putalpha(0)
    picture = store.add(image, owner="ann", kind="cutout")
    for again in (store, PictureStore(store.home)):
        assert again.open(picture.id, "ann", alpha=True).tobytes() == image.tobytes()
        assert again.open(picture.id, "ann").getpixel((0, 0)) == (255, 255, 255)


def test_masks_come_back_and_equal_ones_are_one_file(store: PictureStore) -> None:
    mask = np.zeros((6, 8), bool)
    mask[2:4, 1:7] = True
    name = store.keep_mask(mask)
    assert store.keep_mask(np.asfortranarray(mask)) == name != store.keep_mask(~mask)
    assert store.home is not None
    assert (store.open_mask(store.home / name) == mask).all()
    with Image.open(store.home / name) as stored:
        assert (stored.mode, stored.size, set(stored.tobytes())) == ("L", (8, 6), {0, 255})
    with pytest.raises(ValueError, match="height, width"):
        store.keep_mask(np.zeros((1, 2, 3), bool))


def test_a_stored_file_that_is_gone_is_told(store: PictureStore) -> None:
    picture = store.add(plain(10), owner="ann")
    picture.path.unlink()
    with pytest.raises(UserError, match="gone or damaged") as refusal:
        PictureStore(store.home).open(picture.id, "ann")
    assert refusal.value.kind == "stored_file_lost"


@pytest.mark.skipif(os.name == "nt", reason="rights of POSIX")
def test_the_home_is_for_its_owner_alone(store: PictureStore) -> None:
    picture = store.add(plain(10), owner="ann")
    assert store.home is not None
    assert stat.S_IMODE(store.home.stat().st_mode) == 0o700
    for path in (picture.path, *store.home.glob("ledger.sqlite*")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_home_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for home in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/nowhere")):
        with pytest.raises(UserError, match="SACCADE_HOME") as refusal:
            PictureStore(home).add(plain(10), owner="ann")
        assert refusal.value.kind == "home_not_writable"
        assert repr(str(home)) in refusal.value.message


def test_a_ledger_of_a_newer_version_is_refused_and_left_alone(store: PictureStore) -> None:
    picture = store.add(plain(10), owner="ann")
    store.close()
    assert store.home is not None
    with sqlite3.connect(store.home / "ledger.sqlite") as db:
        db.execute(f"PRAGMA user_version={len(MIGRATIONS) + 1}")
    db.close()
    with pytest.raises(UserError, match=f"schema {len(MIGRATIONS) + 1}") as refusal:
        PictureStore(store.home).get(picture.id, "ann")
    assert refusal.value.kind == "newer_ledger"


def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(b"something else " * 100)
    with pytest.raises(UserError, match=r"ledger\.sqlite") as refusal:
        PictureStore(tmp_path).add(plain(10), owner="ann")
    assert refusal.value.kind == "damaged_ledger"


def test_a_transaction_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    insert = "INSERT INTO chats (id, owner, created) VALUES (?, 'ann', 'now')"
    with pytest.raises(sqlite3.IntegrityError), ledger.write() as db:
        db.executemany(insert, [("chat_1",), ("chat_2",), ("chat_1",)])
    assert ledger.read("SELECT * FROM chats") == []
    with ledger.write() as db:
        assert db.execute("PRAGMA synchronous").fetchone()[0] == 2
        assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert db.execute("PRAGMA foreign_keys").fetchone()[0] == 1
        with pytest.raises(RuntimeError), ledger.write():
            pass
    ledger.close()


def test_a_home_in_memory_does_the_same_without_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = PictureStore(None)
    workspace = LedgerWorkspace(store, "chat_1", "ann")
    (picture,) = workspace.add_given(plain(10))
    mask = np.eye(6, 8, dtype=bool)
    result = ToolResult(regions=[RegionDraft(picture.id, (0, 0, 4, 4), "cube", 0.5, mask)])
    recorded, _ = workspace.record("call_1", "find_objects", {}, result, lambda recorded: "one")
    assert (workspace.open_mask(recorded.regions[0]) == mask).all()
    assert workspace.open(picture.id).tobytes() == plain(10).tobytes()
    assert list(tmp_path.iterdir()) == []


def test_threads_and_stores_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    """Two stores over one home stand for two processes; each is used by three threads."""
    stores = [PictureStore(tmp_path / "home", durable=False) for _ in range(2)]
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            workspace = LedgerWorkspace(stores[number % 2], "chat_1", "ann")
            for step in range(12):
                (picture,) = workspace.add_given(plain(step))
                draft = RegionDraft(picture.id, (0, 0, 4, 4), "cube")
                workspace.record(f"call_{number}_{step}", "t", {}, ToolResult(regions=[draft] * 2), lambda found: "ok")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    workspace = LedgerWorkspace(stores[0], "chat_1", "ann")
    assert workspace.handles("picture") == [f"img_{n}" for n in range(1, 13)]
    assert workspace.handles("region") == [f"reg_{n}" for n in range(1, 6 * 12 * 2 + 1)]
    regions = [region for call in workspace.calls() for region in call.recorded.regions]
    assert len({region.id for region in regions}) == len(regions) == 144
    for store in stores:
        store.close()


@settings(max_examples=25, deadline=None)
@given(steps=st.lists(st.tuples(st.sampled_from(["ann", "bob"]), st.integers(0, 4)), min_size=1, max_size=12))
def test_two_users_never_see_each_others_pictures(steps: list[tuple[str, int]]) -> None:
    """Whatever is given by whom in whatever order, each user sees what they would see alone."""

    def seen(mine: list[tuple[str, int]], owner: str) -> list[object]:
        with tempfile.TemporaryDirectory() as folder:
            store = PictureStore(folder, durable=False)
            spaces = {name: LedgerWorkspace(store, f"chat_{name}", name) for name in ("ann", "bob")}
            answers: list[object] = []
            for name, shade in mine:
                (picture,) = spaces[name].add_given(plain(shade))
                if name == owner:
                    answers.append((picture.handle, picture.id, picture.owner, picture.source, picture.lineage))
            for shade in range(5):
                digest = store.decode(plain(shade)).sha256
                try:
                    picture = store.get(f"pic_{digest[:12]}", owner)
                    answers.append((picture.id, picture.lineage, picture.owner))
                except UserError as refusal:
                    answers.append(refusal.message)
            answers.append(spaces[owner].handles())
            store.close()
            return answers

    for owner in ("ann", "bob"):
        alone = [step for step in steps if step[0] == owner]
        assert seen(steps, owner) == seen(alone, owner)


def test_two_users_share_the_bytes_and_nothing_else(store: PictureStore, tmp_path: Path) -> None:
    plain(10).save(tmp_path / "ann.png")
    plain(10).save(tmp_path / "bob.png")
    ann = store.add(tmp_path / "ann.png", owner="ann", lineage=Lineage(chat="chat_a"))
    bob = store.add(tmp_path / "bob.png", owner="bob", lineage=Lineage(chat="chat_b"))
    assert ann.path == bob.path
    assert (bob.source, bob.lineage.chat) == (str(tmp_path / "bob.png"), "chat_b")
    assert store.get(ann.id, "ann") == ann
    with pytest.raises(UserError) as unknown:
        store.get(ann.id, "carl")
    with pytest.raises(UserError) as nobodys:
        store.get("pic_000000000000", "carl")
    assert unknown.value.message.replace(ann.id, "") == nobodys.value.message.replace("pic_000000000000", "")
