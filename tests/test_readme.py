"""What the README says is so: its figures are those of the files, and every block of it runs as written, in order."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import saccade
from saccade.cli import app, main
from saccade.evals import readme
from saccade.evals.headlines import headlines
from saccade.settings import Profile

TEXT = readme.README.read_text("utf-8")
ROOT = Path(saccade.__file__).parent
GUIDE = (ROOT / "docs" / "guide.md").read_text("utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_figures_are_those_that_the_commands_wrote(tmp_path):
    copy = tmp_path / "README.md"
    copy.write_text(TEXT, "utf-8")
    readme.write(copy, tmp_path / "figures.md")
    assert copy.read_text("utf-8") == TEXT, "run: python -m saccade.evals.readme"
    assert (tmp_path / "figures.md").read_text("utf-8") == readme.EVERY.read_text("utf-8")


def test_it_has_one_table_of_at_most_eight_figures_in_which_missed_targets_are_marked():
    rows = headlines().splitlines()[2:]
    assert len(rows) <= 8
    assert TEXT.count("|---|") >= 1
    assert len(re.findall(r"^\|---", TEXT, re.MULTILINE)) == 1
    assert all(row.endswith(("| met |", "| **missed** |")) for row in rows)


def test_a_stranger_reads_it_in_three_minutes():
    assert len(re.sub(r"^```.*?^```", "", TEXT, flags=re.MULTILINE | re.DOTALL).split()) < 900


def test_the_pictures_and_pages_are_there():
    linked = re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT + GUIDE.replace("](", "](docs/"))
    assert "docs/pictures/evidence.png" in linked
    for path in linked:
        assert (ROOT / path).is_file(), path


def test_every_command_that_it_names_exists():
    named = set(re.findall(r"^saccade ([a-z]+)|`saccade ([a-z]+)", TEXT + GUIDE, re.MULTILINE))
    known = {command.name or command.callback.__name__ for command in app.registered_commands}
    known |= {group.name for group in app.registered_groups}
    assert {one or other for one, other in named} <= known


def test_every_block_runs_as_written_in_order(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SACCADE_HOME", str(tmp_path / "home"))
    said: list[str] = []
    for language, block in [*BLOCK.findall(TEXT), *BLOCK.findall(GUIDE)]:
        if language == "toml":
            continue
        if language == "python":
            (tmp_path / "block.py").write_text(block, "utf-8")
            done = subprocess.run([sys.executable, "block.py"], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            said += done.stdout.splitlines()
            continue
        for line in block.splitlines():
            command = shlex.split(line, comments=True)
            if command[:1] == ["make"]:  # what they do is tested elsewhere, and one of them is running now
                subprocess.run([*command, "--dry-run"], cwd=ROOT, check=True, capture_output=True)
            elif command:
                assert command[0] == "saccade", line
                with pytest.raises(SystemExit) as ended:
                    main(command[1:])
                assert ended.value.code == 0, line
                said += capsys.readouterr().out.splitlines()
    told = "\n".join(said)
    for words in ("is blue", "img_2 cutout: ", "Contact sheet: ", "There are 2 stars", "Ready.", "find_objects"):
        assert words in told, words
    assert re.search(r"^answered 2 1$", told, re.MULTILINE)
    assert re.search(r"^pic_\w+\.r\d+ .*star", told, re.MULTILINE)


def test_its_python_has_three_lines():
    (block,) = [block for language, block in BLOCK.findall(TEXT) if language == "python"]
    assert len([line for line in block.splitlines() if line]) == 3


def test_the_guides_profile_can_be_read():
    block, *_ = re.findall(r"^```toml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    profile = Profile.model_validate({"name": "mine"} | tomllib.loads(block))
    assert profile.options["clip"]["materials"]["wood"] == "wooden"


@pytest.mark.parametrize(
    "target", ["help", "setup", "extras", "tools", "demo", "test", "lint", "lock", "eval", "bench"]
)
def test_make_help_lists_what_there_is(target):
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert re.search(rf"^{target}:.*## ", makefile, re.MULTILINE)
