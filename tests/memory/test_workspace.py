"""The workspace of a conversation: handles, and calls that are recorded once."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saccade.errors import ToolRetry, UserError
from saccade.memory.pictures.store import PictureStore
from saccade.memory.records import MaskDraft, PictureDraft, Recorded, RegionDraft, ToolResult
from saccade.memory.workspace import LedgerWorkspace
from saccade.tools.contracts import Workspace


def plain(shade: int, size: tuple[int, int] = (8, 6)) -> Image.Image:
    return Image.new("RGB", size, (shade, 0, 255 - shade))


def spoken(recorded: Recorded) -> str:
    return " ".join([str(found.handle) for found in (*recorded.regions, *recorded.masked, *recorded.pictures)])


MASK = np.eye(6, 8, dtype=bool)


@pytest.fixture
def store(tmp_path: Path) -> PictureStore:
    return PictureStore(tmp_path / "home", durable=False)


@pytest.fixture
def workspace(store: PictureStore) -> LedgerWorkspace:
    space = LedgerWorkspace(store, "chat_1", "ann")
    space.begin_turn([plain(1)])
    return space


def find(workspace: LedgerWorkspace, call: str, count: int = 2, mask: np.ndarray | None = None) -> Recorded:
    picture = workspace.picture("img_1").id
    drafts = [RegionDraft(picture, (1, 2, 3 + n, 5), "red cube", np.float32(0.5), mask) for n in range(count)]  # pyright: ignore[reportArgumentType]
    arguments = {"image": "img_1", "phrase": "red cube"}
    return workspace.record(call, "find_objects", arguments, ToolResult(regions=drafts), spoken, turn=1)[0]


def test_it_is_a_workspace_for_tools(workspace: LedgerWorkspace) -> None:
    tools_see: Workspace = workspace
    assert tools_see.handles() == ["img_1"]


def test_a_turn_begins_with_its_pictures_or_not_at_all(workspace: LedgerWorkspace) -> None:
    turn, pictures = workspace.begin_turn([plain(2), plain(1), plain(2)])
    assert (turn, workspace.turn) == (2, 2)
    assert [picture.handle for picture in pictures] == ["img_2", "img_1", "img_2"]
    assert pictures[0].lineage.turn == 2
    with pytest.raises(UserError):
        workspace.begin_turn([plain(3), b"no picture"])
    assert (workspace.turn, workspace.handles()) == (2, ["img_1", "img_2"])
    assert workspace.begin_turn() == (3, [])


def test_what_a_call_found_gets_handles_ids_and_lineage(workspace: LedgerWorkspace) -> None:
    first, second = find(workspace, "call_1", mask=MASK).regions
    assert (first.handle, first.image, second.handle) == ("reg_1", "img_1", "reg_2")
    assert (first.id, second.id) == (f"{first.picture}.r1", f"{first.picture}.r2")
    assert (first.box, first.label, first.score) == ((1, 2, 3, 5), "red cube", 0.5)
    assert (first.lineage.tool, first.lineage.turn, first.lineage.arguments["phrase"]) == (
        "find_objects",
        1,
        "red cube",
    )
    assert (workspace.open_mask(first) == MASK).all()
    assert workspace.region("reg_2") == second
    assert find(workspace, "call_2", 1).regions[0].handle == "reg_3"
    assert workspace.handles() == ["img_1", "reg_1", "reg_2", "reg_3"]
    assert workspace.handles("region") == ["reg_1", "reg_2", "reg_3"]


def test_a_mask_for_an_older_region_is_its_newest_and_history_keeps_its_own(workspace: LedgerWorkspace) -> None:
    found = find(workspace, "call_1").regions[0]
    for call, mask in (("call_2", MASK), ("call_3", ~MASK)):
        result = ToolResult(masks=[MaskDraft("reg_1", mask, 0.9)])
        recorded, _ = workspace.record(call, "segment_objects", {}, result, spoken, turn=2)
        assert (workspace.open_mask(recorded.masked[0]) == mask).all()
    assert (workspace.open_mask(workspace.region("reg_1")) == ~MASK).all()
    assert workspace.open_mask(workspace.region("reg_2")) is None
    for call, mask in (("call_2", MASK), ("call_3", ~MASK)):
        stored = workspace.recorded(call)
        assert stored is not None
        assert (workspace.open_mask(stored[0].masked[0]) == mask).all()
    again = workspace.recorded("call_1")
    assert again is not None
    assert again[0].regions[0] == found
    assert [region.handle for region in workspace.regions_of_turn(2)] == ["reg_1"]


def test_a_picture_that_was_made_has_a_parent_and_a_handle(workspace: LedgerWorkspace) -> None:
    clear = plain(9, (3, 2)).convert("RGBA")
    clear.putalpha(100)
    region = find(workspace, "call_1").regions[0]
    drafts = [PictureDraft(clear, "cutout", region.id), PictureDraft(plain(7), "crop", region.picture)]
    recorded, words = workspace.record("call_2", "crop_image", {"image": "reg_1"}, ToolResult(pictures=drafts), spoken)
    assert (words, [picture.kind for picture in recorded.pictures]) == ("img_2 img_3", ["cutout", "crop"])
    made = workspace.picture("img_2")
    assert made == recorded.pictures[0]
    assert (made.lineage.parent, made.lineage.tool, made.size, made.source) == (region.id, "crop_image", (3, 2), None)
    assert workspace.open(made.id, alpha=True).tobytes() == clear.tobytes()
    assert workspace.open(made.id).mode == "RGB"
    assert [picture.handle for picture in workspace.pictures_of_turn(1)] == ["img_2", "img_3"]
    assert workspace.pictures_of_turn(2) == []


def test_a_copy_of_a_given_picture_keeps_its_handle_but_counts_as_made(workspace: LedgerWorkspace) -> None:
    result = ToolResult(pictures=[PictureDraft(plain(1), "crop", workspace.picture("img_1").id)])
    recorded, _ = workspace.record("call_1", "crop_image", {}, result, spoken)
    assert (recorded.pictures[0].handle, recorded.pictures[0].kind) == ("img_1", "crop")
    assert workspace.picture("img_1").kind == "given"
    assert workspace.pictures_of_turn(1) == recorded.pictures


def test_a_call_is_recorded_once(workspace: LedgerWorkspace, store: PictureStore) -> None:
    first = find(workspace, "call_1", mask=MASK)
    assert find(workspace, "call_1", 5) == first
    later = LedgerWorkspace(PictureStore(store.home), "chat_1", "ann")
    assert find(later, "call_1") == first
    assert later.recorded("call_1") == (first, "reg_1 reg_2")
    assert later.recorded("call_2") is None
    assert later.handles("region") == ["reg_1", "reg_2"]
    (call,) = later.calls(1)
    assert (call.id, call.tool, call.observation, call.ok, call.recorded) == (
        "call_1",
        "find_objects",
        "reg_1 reg_2",
        True,
        first,
    )
    assert later.calls(2) == []
    assert later.call("call_1") == call
    assert later.call("call_2") is None


def test_a_failed_call_is_recorded_with_what_was_said(workspace: LedgerWorkspace) -> None:
    workspace.record("call_1", "find_objects", {"image": "img_9"}, ToolResult(), lambda _: "No img_9.", ok=False)
    (call,) = workspace.calls()
    assert (call.ok, call.observation, call.turn, call.recorded) == (False, "No img_9.", 1, Recorded())


def test_one_id_for_two_different_calls_is_a_fault(workspace: LedgerWorkspace) -> None:
    find(workspace, "call_1")
    with pytest.raises(ValueError, match="cannot stand for calculate"):
        workspace.record("call_1", "calculate", {}, ToolResult(), spoken)
    arguments = {"image": "img_1", "phrase": "red cube"}
    with pytest.raises(ValueError, match="in turn 2"):
        workspace.record("call_1", "find_objects", arguments, ToolResult(), spoken, turn=2)


@pytest.mark.parametrize(
    "result",
    [
        ToolResult(regions=[RegionDraft("pic_of_nobody", (0, 0, 1, 1), "cube")]),
        ToolResult(masks=[MaskDraft("reg_7", MASK)]),
        ToolResult(masks=[MaskDraft("reg_1", MASK.T)]),
        ToolResult(facts={"pixels": float("nan")}),
    ],
)
def test_a_call_that_cannot_be_recorded_leaves_no_trace(workspace: LedgerWorkspace, result: ToolResult) -> None:
    find(workspace, "call_1", 1)
    good = RegionDraft(workspace.picture("img_1").id, (0, 0, 1, 1), "ball")
    with pytest.raises(ValueError):
        workspace.record(
            "call_2", "tool", {}, ToolResult([good, *result.regions], result.masks, [], result.facts), spoken
        )
    assert workspace.recorded("call_2") is None
    assert workspace.handles() == ["img_1", "reg_1"]


def test_words_that_cannot_be_found_undo_the_call(workspace: LedgerWorkspace) -> None:
    def fails(recorded: Recorded) -> str:
        assert workspace.region("reg_1") == recorded.regions[0]  # the observer may look things up
        raise ZeroDivisionError

    drafts = [RegionDraft(workspace.picture("img_1").id, (0, 0, 1, 1), "ball")]
    with pytest.raises(ZeroDivisionError):
        workspace.record("call_1", "tool", {}, ToolResult(regions=drafts), fails)
    assert (workspace.calls(), workspace.handles("region")) == ([], [])
    assert find(workspace, "call_1", 1).regions[0].handle == "reg_1"


def test_facts_come_back_as_json_has_them(workspace: LedgerWorkspace) -> None:
    result = ToolResult(facts={"names": ("a", "b"), "size": 512})
    recorded, _ = workspace.record("call_1", "tool", {"points": [(1, 2)]}, result, spoken)
    assert recorded.facts == {"names": ["a", "b"], "size": 512}
    assert workspace.record("call_1", "tool", {"points": [[1, 2]]}, result, spoken)[0] == recorded


@pytest.mark.parametrize(
    ("handle", "kind", "says"),
    [
        ("img_7", "picture", "'img_7'.*Pictures: img_1"),
        ("reg_1", "picture", "names a region"),
        ("table.png", "picture", "'table.png'"),
        ("img_01", "picture", "img_1"),
        ("img_1 ", "picture", "img_1"),
        ("img_99999999999999999999", "picture", "img_1"),
        ("img_١", "picture", "img_1"),
        ("reg_7", "region", "Regions: none yet"),
        ("img_1", "region", "names a picture"),
        ("", "region", "''"),
    ],
)
def test_an_unknown_handle_is_quoted_and_those_there_are_listed(
    workspace: LedgerWorkspace, handle: str, kind: str, says: str
) -> None:
    with pytest.raises(ToolRetry, match=says) as retry:
        workspace.picture(handle) if kind == "picture" else workspace.region(handle)
    assert retry.value.kind == "unknown_handle"


def test_a_long_list_of_handles_is_cut(workspace: LedgerWorkspace) -> None:
    find(workspace, "call_1", 30)
    with pytest.raises(ToolRetry, match=r"Regions: reg_11, .*reg_30, and 10 before these\.$"):
        workspace.region("reg_31")


def test_region_numbers_of_a_picture_are_its_own_across_conversations_and_users(store: PictureStore) -> None:
    ids = []
    for chat, owner in (("chat_1", "ann"), ("chat_2", "ann"), ("chat_3", "bob")):
        space = LedgerWorkspace(store, chat, owner)
        space.begin_turn([plain(1)])
        ids += [region.id for region in find(space, "call_1").regions]
        assert space.handles("region") == ["reg_1", "reg_2"]
    assert len(set(ids)) == 6


def test_a_conversation_is_its_owners_alone(workspace: LedgerWorkspace, store: PictureStore) -> None:
    with pytest.raises(UserError, match="You have no conversation 'chat_1'") as refusal:
        LedgerWorkspace(store, "chat_1", "bob")
    assert refusal.value.kind == "unknown_chat"
    early = LedgerWorkspace(store, "chat_2", "bob")  # not begun yet, so not taken
    LedgerWorkspace(store, "chat_2", "ann").begin_turn()
    for write in (early.begin_turn, lambda: early.add_given(plain(5)), lambda: find(early, "call_1", 0)):
        with pytest.raises((UserError, ToolRetry)):
            write()
    mine = LedgerWorkspace(store, "chat_3", "bob")
    mine.begin_turn([plain(4)])
    with pytest.raises(KeyError):
        mine.open(workspace.picture("img_1").id)


def test_recording_is_quick_in_throw_away_homes(store: PictureStore) -> None:
    for kept_in in (store, PictureStore(None)):
        workspace = LedgerWorkspace(kept_in, "chat_9", "ann")
        workspace.begin_turn([plain(1)])
        times = []
        for number in range(100):
            start = time.perf_counter()
            find(workspace, f"call_{number}")
            times.append(time.perf_counter() - start)
        assert sorted(times)[50] < 0.002  # about 0.0003 on a quiet core
