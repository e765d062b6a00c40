"""Visual memory: remembered once, found again by words and by picture, near duplicates linked, on both indexes."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saccade.errors import UserError
from saccade.memory.memory import Memory
from saccade.memory.pictures.store import PictureStore
from saccade.memory.query import Query
from saccade.memory.records import RegionDraft, ToolResult
from saccade.memory.workspace import LedgerWorkspace
from saccade.settings import Settings
from saccade.testing.embedder import SmallEmbedder

RNG = np.random.default_rng(7)


def scene(number: int, side: int = 96) -> Image.Image:
    """A picture of soft patches, different for each number."""
    small = np.random.default_rng(number).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Chroma server on this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("chroma")
    command = [str(Path(sys.executable).with_name("chroma")), "run", "--path", str(folder), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        assert process.poll() is None
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait()


@pytest.fixture(params=["embedded", "server"])
def settings(request: pytest.FixtureRequest) -> Settings:
    url = request.getfixturevalue("server") if request.param == "server" else None
    return Settings(chroma_url=url)


@pytest.fixture
def memory(tmp_path: Path, settings: Settings) -> Iterator[Memory]:
    made = Memory(PictureStore(tmp_path / "home", durable=False), SmallEmbedder(), settings=settings)
    yield made
    made.close()
    made.store.close()


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Memory]:
    made = Memory(PictureStore(tmp_path / "home", durable=False), SmallEmbedder(), settings=Settings())
    yield made
    made.close()
    made.store.close()


def give(memory: Memory, numbers: range, owner: str = "ann") -> list[str]:
    ids = [memory.store.add(scene(number), owner=owner).id for number in numbers]
    memory.remember(owner, ids)
    return ids


def found(memory: Memory, owner: str = "ann", **query: object) -> list[str]:
    return [hit.id for hit in memory.recall(owner, Query(**query))]  # type: ignore[arg-type]


def with_regions(memory: Memory, owner: str = "ann") -> tuple[LedgerWorkspace, str, list[str]]:
    """A conversation with one picture and two regions in it."""
    space = LedgerWorkspace(memory.store, f"chat_{owner:0>12}", owner)
    _, (picture,) = space.begin_turn([scene(50)])
    drafts = [
        RegionDraft(picture.id, (0, 0, 40, 40), "green cone", 0.9),
        RegionDraft(picture.id, (50, 50, 90, 96), "red cube", 0.8),
    ]
    recorded, _ = space.record("call_1", "find_objects", {"image": "img_1"}, ToolResult(drafts), lambda _: "found")
    return space, picture.id, [region.id for region in recorded.regions]


def test_what_is_remembered_is_found_by_its_picture(memory: Memory) -> None:
    ids = give(memory, range(30))
    for indexed in (False, True):  # before and after the index has it
        if indexed:
            memory.sync()
            assert memory.index.compare() == (30, 0, 0, 0)
        hits = memory.recall("ann", Query(picture=scene(4), k=5))
        assert hits[0].id == ids[4]
        assert hits[0].score > 0.9
        assert hits[0].path.is_file()
        assert hits[0].thumbnail is not None
        assert hits[0].thumbnail.is_file()
        assert all(0.5 <= hit.score <= 1 for hit in hits)


def test_unfiltered_recall_asks_the_index_and_agrees_with_exact_search(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(memory, range(40))
    memory.sync()
    asked: list[int] = []
    nearest = memory.index.nearest
    monkeypatch.setattr(memory.index, "nearest", lambda *given: asked.append(1) or nearest(*given))
    for number in range(5):
        view = scene(number, 50)
        assert found(memory, picture=view, k=3) == found(memory, picture=view, k=3, exact=True)
    assert len(asked) == 5
    found(memory, picture=scene(1), kind="picture")
    assert len(asked) == 5, "a filtered search is exact"


def test_what_came_after_the_index_is_found_beside_it(memory: Memory) -> None:
    give(memory, range(10))
    memory.sync()
    later = give(memory, range(10, 12))
    assert found(memory, picture=scene(11), k=1) == [later[1]]
    assert memory.index.compare()[0] == 10


def test_remembering_twice_is_remembering_once(memory: Memory) -> None:
    ids = give(memory, range(3))
    assert memory.remember("ann", ids) == []
    assert memory.count("ann") == {"pictures": 3, "regions": 0, "vectors": 3}
    assert memory.known("ann", [ids[2], "pic_000000000000"]) == [ids[2]]


def test_words_find_what_they_mean(memory: Memory) -> None:
    ids = give(memory, range(12))
    embedder = memory.embedder
    assert isinstance(embedder, SmallEmbedder)
    embedder.teach("a green cone", scene(5))
    memory.sync()
    assert found(memory, words="a green cone", k=1) == [ids[5]]


def test_words_find_captions_read_words_tags_labels_and_file_names(local: Memory) -> None:
    ids = give(local, range(4))
    local.note("ann", ids[0], caption="A red metal cube on a desk.")
    local.note("ann", ids[1], words="BAKERY open")
    local.note("ann", ids[2], tags=["holiday", "Sea-side"])
    _, picture, regions = with_regions(local)
    local.remember("ann", [picture, *regions])
    for words, item in [
        ("the red cubes", ids[0]), ("bakery", ids[1]), ("holiday", ids[2]), ("sea", ids[2]), ("green cone", regions[0])
    ]:  # fmt: skip
        assert item in found(local, words=words), words
    assert ids[0] not in found(local, words="red cone")
    assert found(local, words='"') == []
    assert ids[0] not in found(local, words="NOT (red cone OR")  # no language of SQLite's is read into a sentence
    hit = next(hit for hit in local.recall("ann", Query(words="red cubes desk")) if hit.id == ids[0])
    assert (hit.caption, hit.words, hit.tags) == ("A red metal cube on a desk.", None, ())


def test_nothing_is_returned_for_what_was_never_seen(memory: Memory) -> None:
    give(memory, range(20))
    for place in ("ledger", "index"):
        assert found(memory, picture=Image.effect_noise((90, 90), 1).convert("RGB")) == [], place
        memory.sync()


def test_regions_are_embedded_with_their_box(memory: Memory) -> None:
    _, picture, regions = with_regions(memory)
    assert memory.remember("ann", [picture, *regions]) == [picture, *regions]
    memory.sync()
    whole = memory.store.open(picture, "ann")
    hits = memory.recall("ann", Query(picture=whole.crop((0, 0, 40, 40)), kind="region", k=1))
    assert [(hit.id, hit.kind, hit.box, hit.label) for hit in hits] == [
        (regions[0], "region", (0, 0, 40, 40), "green cone")
    ]
    assert hits[0].lineage.tool == "find_objects"
    assert found(memory, picture=whole.crop((0, 0, 40, 40)), k=1) == [regions[0]]
    assert found(memory, picture=regions[1], k=5) == [], "the picture that is asked about is no answer"


def test_picture_and_words_together_lie_between_both(memory: Memory) -> None:
    one, other = scene(60), scene(61)
    between = Image.blend(one, other, 0.5)
    ids = [memory.store.add(image, owner="ann").id for image in (one, other, between, scene(62))]
    memory.remember("ann", ids)
    memory.sync()
    embedder = memory.embedder
    assert isinstance(embedder, SmallEmbedder)
    embedder.teach("but like the other", other)
    assert found(memory, picture=one, words="but like the other", k=1) == [ids[2]]


def test_filters_come_before_the_nearest_are_taken(memory: Memory) -> None:
    ids = give(memory, range(30))
    memory.note("ann", ids[20], tags=["kept"])
    space, picture, regions = with_regions(memory)
    memory.remember("ann", [picture, *regions])
    memory.sync()
    assert found(memory, picture=scene(20, 90), tag="kept", k=1) == [ids[20]]
    memory.note("ann", ids[3], tags=["kept"])
    near = Image.blend(scene(3), scene(20), 0.3)
    assert set(found(memory, picture=near, tag="kept", k=9)) <= {ids[3], ids[20]}
    whole = memory.store.open(picture, "ann")
    assert found(memory, picture=whole.crop((0, 0, 40, 40)), label="green cone") == [regions[0]]
    assert found(memory, picture=whole.crop((0, 0, 40, 40)), label="Green Cone") == [regions[0]]
    assert found(memory, label=" GREEN cone") == [regions[0]]
    assert found(memory, picture=whole, chat=space.chat, kind="picture") == [picture]
    assert found(memory, chat=space.chat, kind="picture") == [picture]
    assert found(memory, picture=whole, chat="chat_of_nobody") == []
    now = datetime.now(UTC)
    assert found(memory, picture=whole, since=now + timedelta(hours=1)) == []
    assert picture in found(memory, picture=whole, since=now - timedelta(hours=1), until=now + timedelta(hours=1))
    assert found(memory, picture=whole, until=now - timedelta(hours=1)) == []


def test_files_are_taken_in_once_and_bad_ones_are_told_of(memory: Memory, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(20):
        scene(number).save(folder / f"{number:02}.png")
    scene(3).save(folder / "again.bmp")
    (folder / "bad.png").write_bytes(b"no picture")
    paths = [*sorted(folder.iterdir()), folder / "missing.png"]
    first = list(memory.remember_files("ann", paths))
    assert [one.path for one in first] == paths
    assert sum(one.new for one in first) == 20
    assert [one.path.name for one in first if one.error] == ["bad.png", "missing.png"]
    again = list(memory.remember_files("ann", paths))
    assert not any(one.new for one in again)
    assert [one.id for one in again] == [one.id for one in first]
    assert found(memory, picture=scene(7), source="07.png") == [first[7].id]
    assert not any(one.new for one in memory.remember_files("ann", [folder / "again.bmp"]))
    assert sum(one.new for one in memory.remember_files("bob", paths)) == 20


def altered() -> list[tuple[str, Image.Image]]:
    original = scene(90, 256)
    jpeg = BytesIO()
    original.save(jpeg, "JPEG", quality=40)
    return [
        ("resized", original.resize((100, 120))),
        ("recompressed", Image.open(jpeg).convert("RGB")),
        ("cropped", original.crop((12, 6, 244, 250))),
        ("turned", original.rotate(2, Image.Resampling.BICUBIC).crop((14, 14, 242, 242))),
    ]


@pytest.mark.parametrize("name", [name for name, _ in altered()])
def test_near_duplicates_are_linked_and_folded_into_one_hit(local: Memory, name: str) -> None:
    give(local, range(10))
    original = local.store.add(scene(90, 256), owner="ann").id
    local.remember("ann", [original])
    copy = local.store.add(dict(altered())[name], owner="ann").id
    local.remember("ann", [copy])
    assert local.near_duplicates("ann", copy) == [original]
    assert local.near_duplicates("ann", original) == [copy]
    hits = local.recall("ann", Query(picture=scene(90), k=5))
    assert {hits[0].id, *hits[0].also} == {original, copy}
    assert len({hit.id for hit in hits} & {original, copy}) == 1


def test_near_duplicates_in_one_batch_are_linked_and_other_pictures_are_not(local: Memory) -> None:
    ids = [local.store.add(image, owner="ann").id for image in (scene(1, 256), scene(1, 200), scene(2, 256))]
    local.remember("ann", ids)
    assert local.near_duplicates("ann", ids[0]) == [ids[1]]
    assert local.near_duplicates("ann", ids[2]) == []
    one_more = scene(1, 256)
    one_more.paste((255, 255, 255), (20, 20, 90, 90))  # the same picture with a thing more in it
    other = local.store.add(one_more, owner="ann").id
    local.remember("ann", [other])
    assert local.near_duplicates("ann", other) == []


def test_an_id_that_is_not_held_is_refused_without_a_word_about_others(local: Memory) -> None:
    ids = give(local, range(1))
    for work in (
        lambda item: local.remember("bob", [item]),
        lambda item: local.note("bob", item, caption="x"),
        lambda item: local.recall("bob", Query(picture=item)),
        lambda item: local.forget("bob", ids=[item]),
        lambda item: local.put("bob", [item], np.ones((1, 64))),
    ):
        told: list[str] = []
        for item in (ids[0], "pic_000000000000"):
            with pytest.raises(UserError) as refusal:
                work(item)
            told.append(refusal.value.message.replace(item, "ID"))
        assert told[0] == told[1]


def test_given_vectors_are_kept_as_they_are_by_many_threads_at_once(local: Memory) -> None:
    from concurrent.futures import ThreadPoolExecutor

    ids = [local.store.add(scene(number), owner="ann").id for number in range(40)]
    vectors = RNG.normal(size=(40, 64)).astype(np.float32)
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda at: local.put("ann", [ids[at]], vectors[at : at + 1]), range(40)))
    assert done == [[one] for one in ids]
    assert local.put("ann", [ids[0]], vectors[:1]) == []
    assert local.count("ann")["vectors"] == 40
    assert local.recall("ann", Query(picture=vectors[9], k=1))[0].id == ids[9]
    with pytest.raises(ValueError, match="not zero"):
        local.put("ann", [ids[0]], np.zeros((1, 64)))


def test_without_an_embedder_words_are_searched(tmp_path: Path) -> None:
    with_words = Memory(PictureStore(None), None, settings=Settings())
    picture = with_words.store.add(scene(1), owner="ann").id
    assert with_words.remember("ann", [picture]) == [picture]
    with_words.note("ann", picture, caption="a desk")
    assert found(with_words, words="desk") == [picture]
    assert found(with_words, picture=scene(1)) == [picture], "the newest, where nothing can be compared"


def test_memory_in_memory_searches_exactly(tmp_path: Path) -> None:
    local = Memory(PictureStore(None), SmallEmbedder(), settings=Settings())
    ids = give(local, range(5))
    local.sync()
    assert found(local, picture=scene(2), k=1) == [ids[2]]
    assert local.verify().healthy
    local.close()


def test_a_filtered_search_sees_what_has_changed_whoever_changed_it(local: Memory, tmp_path: Path) -> None:
    first = give(local, range(3))
    ask = {"picture": RNG.normal(size=64), "k": 50, "kind": "picture", "exact": True}

    def held() -> set[int]:
        space = local._search.space("ann")  # what is held, not what passes a threshold
        assert space is not None
        table = local._search.cache.of(space)
        return set(table.memory[: len(table)].tolist())

    before = held()
    assert len(before) == 3
    assert held() == before
    other = Memory(PictureStore(tmp_path / "home", durable=False), SmallEmbedder(), settings=Settings())
    give(other, range(3, 5))
    assert len(held()) == 5, "another connection wrote"
    give(local, range(5, 6))
    assert len(held()) == 6, "this one wrote"
    other.forget("ann", ids=first[:1])
    assert len(held()) == 5, "another one forgot"
    local.store.ledger.close()
    give(other, range(6, 7))
    assert len(held()) == 6, "the connection was closed and opened again"
    assert first[0] not in found(local, **ask)
    other.close()
    other.store.close()


def test_a_time_in_a_sentence_is_kept_to_and_other_times_are_guesses(memory: Memory) -> None:
    (one,) = give(memory, [1])
    memory.note("ann", one, caption="the harbour at dusk")
    memory.sync()
    now = {hit.id: hit.score for hit in memory.recall("ann", Query(words="harbour dusk from today"))}
    before = {hit.id: hit.score for hit in memory.recall("ann", Query(words="harbour dusk from last month"))}
    assert now[one] >= 0.5
    assert 0 < before[one] < 0.5
    assert one in {hit.id for hit in memory.recall("ann", Query(words="what did I show you today"))}
    assert memory.recall("ann", Query(words="what did I show you in 1999")) == []
    memory.note("ann", one, caption="the ferry arrives on Monday")
    (hit, *_) = memory.recall("ann", Query(words="arrives on Monday"))
    assert hit.score >= 0.5, "what a text says word for word names no time"
