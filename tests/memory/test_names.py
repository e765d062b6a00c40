"""Names as people have them: composed or not, moved, copied; addresses; and pictures that two runs look through."""

from __future__ import annotations

import os
import unicodedata
from datetime import datetime
from pathlib import Path

import pytest
from PIL import Image
from small_memory import Opened, scene

from saccade.errors import UserError
from saccade.memory.indexed_regions import ready_regions, region_items, write_regions
from saccade.memory.memory import Memory
from saccade.memory.pictures.decode import decode
from saccade.memory.pictures.files import find_files
from saccade.memory.query import Query
from saccade.memory.records import Lineage, RegionDraft

COMPOSED = "caf\u00e9 \u00fcber.png"
APART = unicodedata.normalize("NFD", COMPOSED)


@pytest.fixture
def local(home: Path, opened: Opened) -> Memory:
    return opened(home)


def take(memory: Memory, *paths: Path) -> list[str]:
    return [one.id or str(one.error) for one in memory.remember_files("ann", paths)]


def found(memory: Memory, **asked: object) -> list[str]:
    return [hit.id for hit in memory.recall("ann", Query(**asked))]  # type: ignore[arg-type]


@pytest.mark.parametrize(("named", "asked"), [(COMPOSED, APART), (APART, COMPOSED)])
def test_a_name_is_the_same_however_its_letters_are_composed(local: Memory, tmp_path: Path, named: str, asked: str):
    scene(1).save(tmp_path / named)
    assert decode(tmp_path / asked).image.size == (96, 96)
    (path,) = find_files([str(tmp_path / asked)], tmp_path / "home").files
    (picture,) = take(local, path)
    assert found(local, source=asked) == found(local, source=str(tmp_path / asked)) == [picture]
    (hit, *_) = local.recall("ann", Query(words=asked.removesuffix(".png")))
    assert (hit.id, hit.why) == (picture, f'is named "{named}"')


def test_a_copy_is_found_under_both_names_and_a_moved_picture_under_its_new_one(local: Memory, tmp_path: Path):
    first, copy, moved = (tmp_path / name for name in ("harbour.png", "copy of it.png", "lighthouse.png"))
    scene(1).save(first)
    scene(2).save(tmp_path / "other.png")
    (picture, other) = take(local, first, tmp_path / "other.png")
    copy.write_bytes(first.read_bytes())
    assert take(local, copy) == [picture]
    for path in (first, copy):
        (hit,) = local.recall("ann", Query(source=path.name))
        assert (hit.id, hit.source) == (picture, str(path))
        assert found(local, picture=scene(1), source=str(path)) == [picture]
    assert found(local, words="copy of it")[0] == found(local, words="harbour")[0] == picture
    first.rename(moved)
    assert take(local, moved) == [picture]
    assert found(local, source="harbour.png") == []
    (hit,) = local.recall("ann", Query(source="lighthouse.png"))
    assert (hit.id, hit.source, hit.names) == (picture, str(moved), (str(copy), str(moved)))
    assert local.recall("ann", Query(words="lighthouse"))[0].why == 'is named "lighthouse.png"'
    assert not any(hit.why and "harbour" in hit.why for hit in local.recall("ann", Query(words="harbour")))
    assert found(local, source="other.png") == [other]


def test_a_moved_picture_that_had_one_name_has_the_new_one(local: Memory, tmp_path: Path):
    scene(1).save(tmp_path / "before.png")
    (picture,) = take(local, tmp_path / "before.png")
    (tmp_path / "before.png").rename(tmp_path / "after.png")
    take(local, tmp_path / "after.png")
    (hit,) = local.recall("ann", Query(picture=scene(1), k=1))
    assert (hit.id, hit.source) == (picture, str(tmp_path / "after.png"))
    assert local.store.get(picture, "ann").source == str(tmp_path / "after.png")


def test_a_file_that_shows_something_else_now_is_no_name_of_what_it_was(local: Memory, tmp_path: Path):
    scene(1).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes())
    first = take(local, tmp_path / "a.png", tmp_path / "b.png")[0]
    scene(2).save(tmp_path / "a.png")
    (second,) = take(local, tmp_path / "a.png")
    assert second != first
    assert found(local, source="b.png") == [first]
    assert second in found(local, source="a.png")


def test_two_runs_that_look_through_one_picture_give_its_regions_once(home: Path, opened: Opened, tmp_path: Path):
    """Both have looked before either has written, and they differ by parts of a pixel, as batches do."""
    scene(1).save(tmp_path / "a.png")
    runs = [opened(home), opened(home)]
    (picture,) = take(runs[0], tmp_path / "a.png")
    ready = []
    for number, one in enumerate(runs):
        boxes = [(0, 0, 40 + number / 99, 40), (50, 50, 90, 96 - number / 99)]
        drafts = {picture: [RegionDraft(picture, box, "cone", 0.9) for box in boxes]}
        items = region_items(one.store, "ann", drafts, Lineage(tool="find_objects"))
        ready.append(ready_regions(one.store, one.remembering, "ann", items))
    told = [
        write_regions(one.remembering, "ann", what, [picture], "zoo:detector")
        for one, what in zip(runs, ready, strict=True)
    ]
    assert [len(some) for some in told] == [2, 0]
    assert runs[0].count("ann") == {"pictures": 1, "regions": 2, "vectors": 3}
    assert runs[0].store.ledger.read("SELECT count(*) AS n FROM searched")[0]["n"] == 1
    runs[0].forget("ann", ids=[picture])
    assert runs[0].store.ledger.read("SELECT count(*) AS n FROM searched")[0]["n"] == 0


ADDRESSES = ["https://example.org/cat.png", "http:/example.org/cat.png", "ftp://x/cat.jpg", "s3://bucket/cat.png",
             "www.example.org/cat.png", "data:image/png;base64,iVBORw0KGgo", "file:///tmp/cat.png"]  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_is_refused_as_one(tmp_path: Path, address: str):
    with pytest.raises(UserError, match=r"is an address \(URL\)") as refusal:
        decode(address)
    assert refusal.value.kind == "is_url"
    assert repr(address.replace("http:/e", "http://e")) in refusal.value.message  # as it was typed
    with pytest.raises(UserError, match=r"is an address \(URL\)"):
        find_files([address], tmp_path)


def test_a_file_that_is_named_like_an_address_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "http:" / "x").mkdir(parents=True)
    scene(1).save(tmp_path / "http:" / "x" / "a.png")
    scene(1).save(tmp_path / "www.pictures.png")
    assert decode("http://x/a.png").image.size == decode("www.pictures.png").image.size == (96, 96)


def with_exif(path: Path, **dates: str) -> Path:
    exif = Image.Exif()
    tags = {"original": 0x9003, "digitized": 0x9004, "zone": 0x9011, "digitized_zone": 0x9012, "written_zone": 0x9010}
    for name, said in dates.items():
        if name == "written":
            exif[0x0132] = said
        else:
            exif.get_ifd(0x8769)[tags[name]] = said
    scene(1).save(path, exif=exif, quality=95)
    return path


@pytest.mark.parametrize(
    ("dates", "taken"),
    [
        ({"original": "2026:05:01 12:30:59", "zone": "+02:00"}, "2026-05-01 12:30 +02:00"),
        ({"original": "2026:05:01 12:30:59", "zone": "Z"}, "2026-05-01 12:30 +00:00"),
        ({"original": "2026:05:01 12:30:59", "zone": "somewhere"}, "2026-05-01 12:30"),
        ({"original": "2026:05:01 12:30:59", "written_zone": "+02:00"}, "2026-05-01 12:30"),  # of another date
        ({"original": "    :  :     :  :  ", "digitized": "2026:05:02 08:00:00", "digitized_zone": "-07:00"},
         "2026-05-02 08:00 -07:00"),
        ({"written": "2026:05:03 09:00:00", "written_zone": "+05:30"}, "2026-05-03 09:00 +05:30"),
    ],
)  # fmt: skip
def test_dates_have_the_zone_that_the_exif_tells(tmp_path: Path, dates: dict[str, str], taken: str):
    assert decode(with_exif(tmp_path / "a.jpg", **dates)).taken == taken


def test_a_picture_without_a_date_has_its_files(tmp_path: Path):
    scene(1).save(tmp_path / "a.png")
    moment = datetime(2025, 3, 4, 5, 6).astimezone()
    os.utime(tmp_path / "a.png", (moment.timestamp(), moment.timestamp()))
    zone = moment.strftime("%z")
    assert decode(tmp_path / "a.png").taken == f"2025-03-04 05:06 {zone[:3]}:{zone[3:]} (of the file)"
    assert decode((tmp_path / "a.png").read_bytes()).taken is None


def test_pictures_are_found_by_the_day_on_which_they_were_taken(local: Memory, tmp_path: Path):
    spring = with_exif(tmp_path / "spring.jpg", original="2025:05:01 00:30:00", zone="+02:00")  # the last of April, UTC
    scene(2).save(tmp_path / "other.png")
    (picture, _) = take(local, spring, tmp_path / "other.png")
    local.note("ann", picture, caption="a boat")
    since = datetime.fromisoformat("2025-04-30T22:00:00+00:00")
    until = datetime.fromisoformat("2025-04-30T23:00:00+00:00")
    assert found(local, since=since, until=until) == [picture]
    assert found(local, picture=scene(1), since=since, until=until) == [picture]
    assert found(local, picture=scene(1), since=until, until=datetime.fromisoformat("2025-05-02T00:00:00+00:00")) == []
    (hit, *_) = local.recall("ann", Query(words="the boat from 2025"))
    assert hit.id == picture
    assert hit.score >= 0.5
