"""Conversations and their checkpoints, and what a `kill -9` leaves of them."""

from __future__ import annotations

import json
import random
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from saccade.errors import UserError
from saccade.memory.chats import Chats
from saccade.memory.pictures.store import PictureStore
from saccade.memory.workspace import LedgerWorkspace


def test_conversations_are_created_listed_and_resumed(tmp_path: Path) -> None:
    chats = Chats(tmp_path, durable=False)
    assert chats.list("ann") == []
    first, second = chats.create("ann"), chats.create("ann", title="cubes")
    chats.create("bob")
    assert re.fullmatch("chat_[0-9a-f]{12}", first.id)
    assert [chat.id for chat in chats.list("ann")] == [second.id, first.id]
    assert (second.title, second.owner, second.turns) == ("cubes", "ann", 0)
    LedgerWorkspace(PictureStore(tmp_path, durable=False), first.id, "ann").begin_turn()
    chats.rename(first.id, "ann", "balls")
    chats.close()
    resumed = Chats(tmp_path).get(first.id, "ann")
    assert (resumed.title, resumed.turns, resumed.created) == ("balls", 1, first.created)


def test_a_conversation_without_a_row_begins_with_its_first_turn(tmp_path: Path) -> None:
    chats = Chats(tmp_path / "home", durable=False)
    chat = chats.new_id()
    assert not (tmp_path / "home").exists()
    LedgerWorkspace(PictureStore(tmp_path / "home", durable=False), chat, "ann").begin_turn()
    assert chats.get(chat, "ann").turns == 1


def test_another_users_conversation_looks_like_none(tmp_path: Path) -> None:
    chats = Chats(tmp_path, durable=False)
    hers = chats.create("ann").id
    for act in (lambda chat: chats.get(chat, "bob"), lambda chat: chats.rename(chat, "bob", "mine")):
        messages = []
        for chat in (hers, "chat_000000000000"):
            with pytest.raises(UserError) as refusal:
                act(chat)
            assert refusal.value.kind == "unknown_chat"
            messages.append(refusal.value.message.replace(chat, "CHAT"))
        assert messages[0] == messages[1]
    assert chats.get(hers, "ann").title == ""


def test_checkpoints_are_durable_strict_and_resumed(tmp_path: Path) -> None:
    chats = Chats(tmp_path / "home")
    saver = chats.checkpointer()
    assert chats.checkpointer() is saver
    assert saver.conn.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert saver.conn.execute("PRAGMA synchronous").fetchone()[0] == 2
    config: Any = {"configurable": {"thread_id": "chat_1", "checkpoint_ns": ""}}
    checkpoint: Any = {"v": 1, "id": "1", "ts": "now", "channel_values": {"said": "hello"}, "channel_versions": {}}
    saver.put(config, checkpoint | {"versions_seen": {}}, {}, {})
    chats.close()
    again = Chats(tmp_path / "home")
    stored = again.checkpointer().get_tuple(config)
    assert stored is not None
    assert stored.checkpoint["channel_values"] == {"said": "hello"}
    again.close()
    with pytest.raises(sqlite3.ProgrammingError):
        saver.conn.execute("SELECT 1")


def test_a_checkpoint_rebuilds_no_class_that_it_names() -> None:
    import ormsgpack
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

    named = ormsgpack.packb(("collections", "Counter", "aab"))  # langgraph's way of naming a class and its argument
    hostile = ("msgpack", ormsgpack.packb(ormsgpack.Ext(0, named)))
    assert isinstance(JsonPlusSerializer(allowed_msgpack_modules=True).loads_typed(hostile), Counter)
    chats = Chats(None)
    assert not isinstance(chats.checkpointer().serde.loads_typed(hostile), Counter)
    chats.close()


def test_listing_conversations_imports_no_langgraph(tmp_path: Path) -> None:
    code = (
        "import sys; from saccade.memory.chats import Chats; from saccade.memory.workspace import LedgerWorkspace\n"
        f"Chats({str(tmp_path)!r}).create('ann')\n"
        "heavy = {'langgraph', 'langchain', 'torch', 'chromadb', 'pydantic_settings'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


WRITER = """
import json, sys
from PIL import Image
from saccade.memory.pictures.store import PictureStore
from saccade.memory.records import PictureDraft, RegionDraft, ToolResult
from saccade.memory.workspace import LedgerWorkspace

import numpy as np
space = LedgerWorkspace(PictureStore(sys.argv[1]), "chat_1", "ann")
print("ready", flush=True)
while True:
    shade = space.turn
    turn, (given,) = space.begin_turn([Image.new("RGB", (40, 30), (shade % 256, shade // 256, 7))])
    mask = np.zeros((30, 40), bool)
    mask[: 1 + turn % 30, : 1 + turn // 30] = True
    drafts = [RegionDraft(given.id, (0, 0, 5, 5), "cube", 0.5, mask), RegionDraft(given.id, (1, 1, 5, 5), "ball")]
    made = PictureDraft(Image.new("RGB", (4, 3), (shade % 256, shade // 256, 9)), "crop", given.id)
    result = ToolResult(regions=drafts, pictures=[made])
    observe = lambda found: found.regions[0].handle + " " + found.pictures[0].handle
    recorded, words = space.record(f"call_{turn}", "tool", {"turn": turn}, result, observe)
    print(json.dumps([turn, given.handle, words]), flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_kill_at_any_moment_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    rng = random.Random(5)
    acknowledged: list[tuple[int, str, str]] = []
    for _ in range(10):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        timer = threading.Timer(rng.uniform(0.0, 0.15), writer.send_signal, [signal.SIGKILL])
        timer.start()
        lines = writer.stdout.read().split("\n")
        acknowledged += [tuple(json.loads(line)) for line in lines[:-1]]  # the last one has no line end
        timer.join()
        writer.stdout.close()
        assert writer.wait() == -signal.SIGKILL
    assert len(acknowledged) > 10
    with sqlite3.connect(tmp_path / "ledger.sqlite") as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    db.close()
    space = LedgerWorkspace(PictureStore(tmp_path), "chat_1", "ann")
    for turn, given, words in acknowledged:
        assert space.picture(given).lineage.turn == turn
        stored = space.recorded(f"call_{turn}")
        assert stored is not None
        assert stored[1] == words
    for call in space.calls():  # also those whose acknowledgement the kill cut off: whole or not there
        assert (len(call.recorded.regions), len(call.recorded.pictures)) == (2, 1)
        assert call.observation
        assert space.open_mask(call.recorded.regions[0]) is not None
    for handle in space.handles("picture"):
        with Image.open(space.picture(handle).path) as image:
            image.load()
    numbers = [int(handle[4:]) for handle in space.handles("region")]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_damaged_file_of_conversations_is_told_and_left_alone(tmp_path):
    path = tmp_path / "chats.sqlite"
    path.write_bytes(b"garbage, and more than a header's worth of it. " * 40)
    with pytest.raises(UserError, match="damaged") as told:
        Chats(tmp_path).checkpointer()
    assert told.value.kind == "damaged_chats"
    assert path.read_bytes().startswith(b"garbage")
