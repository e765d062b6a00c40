"""`saccade index`, `search`, `forget` and `memory`, with the bundled models on drawn scenes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import matplotlib
import pytest
from PIL import Image, ImageDraw, ImageFont

from saccade.agent.indexing import Indexing
from saccade.cli import main
from saccade.errors import UserError
from saccade.memory.times import moment, span
from saccade.scenes.render import render
from saccade.scenes.sample import sample_scene

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of chromadb and what it imports

SCENES = [sample_scene(number, "test", things=(2, 4)) for number in range(20_010, 20_014)]
THING = SCENES[0].things[0]
NAMED = f"{THING.color} {THING.shape}"


ADDRESS, URL = "https://example.org/cat.png", "is an address (URL)"
TASK = Path(__file__).parents[2] / "examples" / "tasks" / "count.yaml"
QUICK = ("--no-regions", "--no-words")
PAGE = ("Could not load the page", "Error 111: connection refused", "Try again later")


def page(lines):
    font = ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf")), 22)
    image = Image.new("RGB", (480, 170), "white")
    for number, line in enumerate(lines):
        ImageDraw.Draw(image).text((20, 15 + 48 * number), line, "black", font=font)
    return image


def run(capsys, *arguments) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return int(stopped.value.code or 0), captured.out, captured.err


def results(capsys, *arguments):
    code, out, err = run(capsys, "search", *arguments, "--json")
    assert code == 0, err
    return json.loads(out)["results"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for number, scene in enumerate(SCENES):
        place = folder / ("deep" if number % 2 else "flat")
        place.mkdir(exist_ok=True)
        render(scene, 512).image.save(place / f"{number}.png")
    page(PAGE).save(folder / "page.png")
    (folder / "broken.png").write_text("no picture")
    (folder / "notes.txt").write_text("not looked at")
    return folder


@pytest.fixture(scope="module")
def indexed(pictures, tmp_path_factory):
    """A home in which ann has indexed the folder."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SACCADE_HOME", str(home))
        with pytest.raises(SystemExit) as stopped:
            main(["index", str(pictures), "--user", "ann", "--json"])
        assert not stopped.value.code
    return home


@pytest.fixture
def home(indexed, monkeypatch):
    monkeypatch.setenv("SACCADE_HOME", str(indexed))
    return indexed


@pytest.fixture
def empty(tmp_path, monkeypatch):
    monkeypatch.setenv("SACCADE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_folder_is_taken_in_once_and_bad_files_are_told_at_the_end(capsys, home, pictures):
    code, out, _ = run(capsys, "index", pictures, "--user", "ann", "--json")
    summary = json.loads(out)
    assert (code, summary["new"], summary["known"], summary["regions"]) == (0, 0, len(SCENES) + 1, 0)
    assert [Path(bad["path"]).name for bad in summary["failed"]] == ["broken.png"]
    assert "not a picture" in summary["failed"][0]["error"]
    code, out, _ = run(capsys, "index", pictures, "--user", "ann")
    assert (code, "0 new" in out, "broken.png" in out) == (0, True, True)


def test_things_are_found_by_words_and_the_json_is_the_contract(capsys, home):
    found = results(capsys, NAMED, "--user", "ann", "--k", "3")
    assert found
    assert list(found[0]) == [
        "handle",
        "id",
        "kind",
        "source",
        "path",
        "score",
        "box",
        "label",
        "caption",
        "seen",
        "why",
    ]
    best = found[0]
    assert (best["handle"], best["kind"], Path(best["source"]).name) == (None, "region", "0.png")
    assert Path(best["path"]).is_file()
    assert len(best["box"]) == 4
    assert 0.5 <= best["score"] <= 1
    assert [one["score"] for one in found] == sorted((one["score"] for one in found), reverse=True)
    datetime.fromisoformat(best["seen"])


def test_a_page_is_found_by_what_it_says_however_it_is_asked_for(capsys, home):
    for words in (
        "connection refused",
        "Where did I see 'connection refused'?",
        "the screenshot that says conection refused",
    ):
        (first, *_) = results(capsys, words, "--user", "ann")
        assert (Path(first["source"]).name, first["why"]) == ("page.png", f'says "{PAGE[1]}"'), words
    assert "says" in run(capsys, "search", "connection refused", "--user", "ann")[1]


def test_a_whole_picture_is_found_by_one_thing_in_it(capsys, home):
    found = results(capsys, NAMED, "--user", "ann", "--kind", "picture")
    assert Path(found[0]["source"]).name == "0.png"


def test_people_get_a_table_and_a_contact_sheet_whose_path_comes_last(capsys, home):
    code, out, _ = run(capsys, "search", NAMED, "--user", "ann")
    assert code == 0
    last = out.rstrip().splitlines()[-1]
    with Image.open(last.removeprefix("Contact sheet: ")) as sheet:
        assert sheet.width > 200
    code, out, _ = run(capsys, "search", NAMED, "--user", "ann", "--sheet", home / "mine" / "sheet.png")
    assert (code, (home / "mine" / "sheet.png").is_file()) == (0, True)


def test_a_picture_finds_itself_and_what_was_never_seen_finds_nothing(capsys, home, pictures):
    found = results(capsys, "--image", pictures / "deep" / "1.png", "--user", "ann")
    assert (Path(found[0]["source"]).name, found[0]["kind"]) == ("1.png", "picture")
    assert results(capsys, "giraffe", "--user", "ann") == []
    code, out, _ = run(capsys, "search", "giraffe", "--user", "ann")
    assert (code, out.strip()) == (0, 'Nothing like "giraffe" in memory.')


def test_filters_are_applied(capsys, home):
    assert results(capsys, NAMED, "--user", "ann", "--until", "yesterday") == []
    assert results(capsys, NAMED, "--user", "ann", "--since", "today")
    assert {one["label"] for one in results(capsys, "thing", "--user", "ann", "--label", THING.shape)} <= {THING.shape}
    assert all(
        Path(one["source"]).name == "0.png" for one in results(capsys, NAMED, "--user", "ann", "--source", "0.png")
    )


def test_another_user_sees_nothing_of_it(capsys, home, pictures):
    assert results(capsys, NAMED, "--user", "ben") == []
    assert results(capsys, "--image", pictures / "deep" / "1.png", "--user", "ben") == []
    (hit, *_) = results(capsys, NAMED, "--user", "ann")
    code, _, err = run(capsys, "forget", hit["id"], "--user", "ben")
    assert (code, hit["id"] in err) == (2, True)
    assert results(capsys, NAMED, "--user", "ann")[0]["id"] == hit["id"]
    code, out, _ = run(capsys, "search", NAMED, "--user", "ben")
    assert (code, "saccade index" in out) == (0, True)


def test_the_same_file_of_two_users_is_two_memories(capsys, empty, pictures):
    for user in ("ann", "ben"):
        code, out, _ = run(capsys, "index", pictures / "flat" / "0.png", "--user", user, "--json", *QUICK)
        assert (code, json.loads(out)["new"]) == (0, 1)
    (mine,) = results(capsys, "--image", pictures / "flat" / "0.png", "--user", "ann")
    assert run(capsys, "forget", mine["id"], "--user", "ann")[0] == 0
    assert results(capsys, "--image", pictures / "flat" / "0.png", "--user", "ann") == []
    (theirs,) = results(capsys, "--image", pictures / "flat" / "0.png", "--user", "ben")
    assert Path(theirs["path"]).is_file()


def test_regions_are_looked_for_later_where_they_were_not(capsys, empty, pictures):
    file = pictures / "flat" / "0.png"
    _, out, _ = run(capsys, "index", file, "--json", *QUICK)
    assert (json.loads(out)["new"], json.loads(out)["regions"]) == (1, 0)
    _, out, _ = run(capsys, "index", file, "--json")
    assert (json.loads(out)["new"], json.loads(out)["known"], json.loads(out)["regions"] > 0) == (0, 1, True)


def test_a_stopped_indexing_goes_on_where_it_was(capsys, empty, pictures, monkeypatch):
    whole = Indexing._pictures

    def stopped(self, files):
        for number, one in enumerate(whole(self, files)):
            if number == 2:
                raise KeyboardInterrupt
            yield one

    with monkeypatch.context() as patch:
        patch.setattr(Indexing, "_pictures", stopped)
        code, out, _ = run(capsys, "index", pictures, *QUICK, "--json")
        told = json.loads(out)  # one object, with what was done
        assert (code, told["stopped"], told["files"], told["new"]) == (130, True, 2, 1)  # the first is bad
        assert "the same command goes on" in run(capsys, "index", pictures, *QUICK)[2]
    code, out, _ = run(capsys, "index", pictures, *QUICK, "--json")
    summary = json.loads(out)
    assert (code, summary["new"] + summary["known"]) == (0, len(SCENES) + 1)


def test_where_all_files_are_bad_the_exit_code_says_so(capsys, empty, tmp_path):
    (tmp_path / "bad.png").write_text("no picture")
    code, out, _ = run(capsys, "index", tmp_path, "--json")
    assert (code, len(json.loads(out)["failed"])) == (3, 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["search"], "saccade search"),
        (["search", "x", "--since", "lastweek"], "'lastweek'"),
        (["search", "x", "--chat", "chat_000000000000"], "chat_000000000000"),
        (["search", "--image", "nowhere.png"], "nowhere.png"),
        (["index", "/nowhere/at/all", "*.zzz"], "'*.zzz'"),
        (["index", ADDRESS], URL),
        (["search", "--image", ADDRESS], URL),
        (["ask", "What is this?", ADDRESS], URL),
        (["memory", "import", ADDRESS], URL),
        (["memory", "export", ADDRESS], URL),
        (["recipe", ADDRESS], URL),
        (["run", ADDRESS], URL),
        (["run", TASK, "--images", ADDRESS], URL),
        (["forget"], "--older-than"),
        (["forget", "pic_000000000000"], "pic_000000000000"),
        (["forget", "nonsense"], "nonsense"),
        (["forget", "--all"], "--yes"),
        (["forget", "--older-than", "3x"], "'3x'"),
        (["memory", "import", "nowhere.zip"], "nowhere.zip"),
    ],
)
def test_what_is_wrong_is_quoted_and_ends_with_exit_code_2(capsys, empty, arguments, words):
    code, _, err = run(capsys, *arguments)
    assert (code, words in err) == (2, True)
    code, out, _ = run(capsys, *arguments, "--json")
    assert (code, words in json.loads(out)["error"]["message"]) == (2, True)


def test_the_health_of_memory_is_told(capsys, home, tmp_path):
    code, out, _ = run(capsys, "memory", "rebuild", "--json")
    assert (code, json.loads(out)["healthy"]) == (0, True)
    code, out, _ = run(capsys, "memory", "verify")
    assert (code, "All is well" in out) == (0, True)
    code, out, _ = run(capsys, "memory", "export", tmp_path / "ann.zip", "--user", "ann", "--json")
    told = json.loads(out)
    assert (code, told["pictures"]) == (0, len(SCENES) + 1)
    code, out, _ = run(capsys, "memory", "import", tmp_path / "ann.zip", "--user", "cat", "--json")
    assert (code, len(json.loads(out)["imported"])) == (0, told["pictures"] + told["regions"])


def test_forgetting_everything_asks_first_and_deletes_contact_sheets_too(capsys, empty, pictures):
    run(capsys, "index", pictures / "flat", *QUICK, "--user", "ann", "--json")
    run(capsys, "search", "--image", pictures / "flat" / "0.png", "--user", "ann")
    assert list((empty / "sheets").iterdir())
    code, out, _ = run(capsys, "forget", "--all", "--yes", "--user", "ann", "--json")
    assert (code, len(json.loads(out)["forgotten"]["pictures"])) == (0, 2)
    assert not list((empty / "sheets").iterdir())
    assert not list((empty / "images").rglob("*.png"))


@pytest.mark.parametrize(("text", "length"), [("30d", 30 * 24), ("12h", 12), ("2w", 14 * 24), ("1.5 days", 36)])
def test_spans_of_time(text, length):
    assert span(text, "--older-than") == timedelta(hours=length)


@pytest.mark.parametrize("text", ["", "3x", "d", "-3d", "0d", "999999999w", "1e9d", "nan"])
def test_what_is_no_span(text):
    with pytest.raises(UserError) as refused:
        span(text, "--older-than")
    assert repr(text) in refused.value.message


def test_moments():
    now = datetime(2026, 11, 21, 13, 30, tzinfo=UTC)
    assert moment("2h", "--since", now) == now - timedelta(hours=2)
    assert moment("2026-11-14T09:30:00+00:00", "--since") == datetime(2026, 11, 14, 9, 30, tzinfo=UTC)
    assert moment("yesterday", "--since", now) < moment("today", "--since", now) <= now
    assert moment(None, "--since") is None
