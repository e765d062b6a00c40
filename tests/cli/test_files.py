"""Files as people have them, on the command line: which are taken and which left out, full disks, narrow terminals."""

from __future__ import annotations

import io
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from saccade.cli import main
from saccade.cli.memory_views import show_indexed
from saccade.errors import UserError
from saccade.memory.pictures.decode import decode
from saccade.memory.pictures.files import find_files

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of chromadb and what it imports

TASK = Path(__file__).parents[2] / "examples" / "tasks" / "count.yaml"


def run(capsys, *arguments) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return int(stopped.value.code or 0), captured.out, captured.err


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A home that remembers one picture, page.png beside it."""
    folder = tmp_path_factory.mktemp("kept")
    Image.new("RGB", (60, 40), "red").save(folder / "page.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SACCADE_HOME", str(folder / "home"))
        with pytest.raises(SystemExit) as stopped:
            main(["index", str(folder / "page.png"), "--no-regions", "--no-words", "--json"])
        assert not stopped.value.code
    return folder


@pytest.fixture
def home(kept, monkeypatch):
    monkeypatch.setenv("SACCADE_HOME", str(kept / "home"))
    monkeypatch.chdir(kept)
    return kept / "home"


def test_files_are_found_in_folders_by_globs_and_by_name(tmp_path):
    for name in ("a/1.png", "a/b/2.JPG", "a/b/3.txt", "home/images/4.png", "c.data"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    home = tmp_path / "home"

    def names(*given):
        return [
            file.relative_to(tmp_path).as_posix()
            for file in find_files([str(tmp_path / one) for one in given], home).files
        ]

    assert names(".") == ["a/1.png", "a/b/2.JPG"]  # nothing of the home folder
    assert names("a", "a/1.png") == ["a/1.png", "a/b/2.JPG"]  # each once
    assert names("**/*.JPG") == ["a/b/2.JPG"]
    assert names("c.data") == ["c.data"]  # named itself: the decoder will say what it is
    found = find_files([str(tmp_path / "a"), str(tmp_path / "nowhere")], home)
    files, bad = found.files, found.bad
    assert (len(files), len(bad)) == (2, 1)
    with pytest.raises(UserError) as refused:
        find_files([str(tmp_path / "nowhere")], home)
    assert refused.value.kind == "nothing_matched"


def test_what_a_system_keeps_for_itself_is_left_out_and_counted(tmp_path):
    names = ("a.png", "b.JFIF", "._a.png", ".hidden.png", "c.heic", "d.txt", ".thumbnails/a.png", "@eaDir/x.jpg",
             "deep/e.avif", "deep/Thumbs.db")  # fmt: skip
    for name in names:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(b"x")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "f.png").write_bytes(b"x")
    (tmp_path / "in" / "linked").symlink_to(tmp_path / "other")
    found = find_files([str(tmp_path / "in"), str(tmp_path / "in" / "a.png")], tmp_path / "home")
    assert [one.name for one in found.files] == ["a.png", "b.JFIF", "c.heic", "e.avif", "f.png"]
    assert dict(found.left_out) == {
        "hidden and system folders": 2, "folders that were gone through already": 1, "hidden files": 2,
        "files that are no pictures": 2,
        "files that were named or linked twice": 1,
    }  # fmt: skip


def test_what_nobody_may_read_or_saccade_keeps_is_counted_and_told(tmp_path):
    (tmp_path / "in" / "home").mkdir(parents=True)
    (tmp_path / "in" / "home" / "a.png").write_bytes(b"x")
    (tmp_path / "in" / "b.png").write_bytes(b"x")
    for patterns, often in (("in",), 1), (("in/*",), 1), (("in/**/*.png",), 1), (("in", "in/*"), 2):
        found = find_files([str(tmp_path / one) for one in patterns], tmp_path / "in" / "home")
        assert [one.name for one in found.files] == ["b.png"], patterns
        assert found.left_out["Saccade's own folder"] == often, patterns
    console = Console(file=io.StringIO(), width=200)
    summary = {
        "new": 1, "regions": 0, "with_words": 0, "known": 0, "failed": [], "seconds": 1.0, "near_duplicates": 0,
        "pictures_per_second": 1.0, "left_out": dict(found.left_out), "notice": None, "stopped": False,
    }  # fmt: skip
    show_indexed(summary, console)
    assert "Left out: 2 Saccade's own folder; 1 files that were named or linked twice." in console.file.getvalue()


def test_ids_stand_whole_in_a_table_of_any_width(capsys, home, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    code, out, _ = run(capsys, "search", "--source", "page.png")
    assert (code, f"pic_{decode('page.png').sha256[:12]}" in out) == (0, True)


FULL = [
    ["index", "page.png"],
    ["ask", "hello", "page.png", "--controller", "SCRIPT"],
    ["memory", "rebuild"],
    ["memory", "export", "out.zip"],
    ["search", "--source", "page.png", "--sheet", "sheet.png"],
    ["forget", "--all", "--yes"],
    ["run", "TASK", "--images", "page.png", "--out", "results"],
]


@pytest.mark.skipif(resource is None, reason="limits of POSIX")
@pytest.mark.parametrize("arguments", FULL, ids=lambda one: " ".join(one[:2]))
def test_a_disk_that_takes_no_more_is_told_in_a_line(capsys, home, tmp_path, monkeypatch, arguments):
    """A limit on the size of files stands for the full disk: every write fails in the same places."""
    monkeypatch.setenv("SACCADE_HOME", str(shutil.copytree(home, tmp_path / "home")))
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (60, 40), "blue").save("page.png")
    Path("script.json").write_text('["Hello."]')
    arguments = [{"SCRIPT": "script:script.json", "TASK": str(TASK)}.get(one, one) for one in arguments]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))
    try:
        code, out, err = run(capsys, *arguments)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (code, out) == (2, ""), err
    assert len(err.strip().splitlines()) == 1, err
    assert "ake room" in err
    assert not Path("out.zip").exists()


@pytest.mark.skipif(os.name == "nt", reason="a shell of POSIX")
def test_where_stdout_is_closed_a_line_says_so(tmp_path):
    command = f"exec {shlex.quote(sys.executable)} -m saccade tools --json >&-"
    done = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, text=True,
                          env=os.environ | {"SACCADE_HOME": str(tmp_path)}, check=False)  # fmt: skip
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "stdout is closed" in done.stderr
