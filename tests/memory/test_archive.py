"""Export and import: an archive comes back as it was, and a hostile one changes nothing."""

from __future__ import annotations

import json
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from small_memory import Opened, give, scene, talked

from saccade.errors import UserError
from saccade.memory.query import Query
from saccade.memory.records import RegionDraft, ToolResult
from saccade.memory.workspace import LedgerWorkspace


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
