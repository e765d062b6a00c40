"""What the README says is so: its figures are those of the files, its Python runs, its commands exist."""

import re
from pathlib import Path

import pytest

import saccade
from saccade.cli import app
from saccade.evals import readme

TEXT = readme.README.read_text("utf-8")
ROOT = Path(saccade.__file__).parent


def test_the_figures_are_those_that_the_commands_wrote(tmp_path):
    copy = tmp_path / "README.md"
    copy.write_text(TEXT, "utf-8")
    readme.write(copy, tmp_path / "figures.md")
    assert copy.read_text("utf-8") == TEXT, "run: python -m saccade.evals.readme"
    assert (tmp_path / "figures.md").read_text("utf-8") == readme.EVERY.read_text("utf-8")


def test_the_pictures_are_there():
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", TEXT)
    assert pictures
    for picture in pictures:
        assert (ROOT / picture).is_file(), picture


def test_every_command_that_it_names_exists():
    named = set(re.findall(r"^saccade ([a-z]+)|`saccade ([a-z]+)", TEXT, re.MULTILINE))
    known = {command.name or command.callback.__name__ for command in app.registered_commands}
    known |= {group.name for group in app.registered_groups}
    assert {one or other for one, other in named} <= known


def test_its_three_lines_of_python_run(tmp_path, monkeypatch, capsys):
    from saccade.scenes.render import render
    from saccade.scenes.sample import sample_scene

    block = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL).group(1)
    lines = [line for line in block.splitlines() if line]
    assert len(lines) == 3
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SACCADE_HOME", str(tmp_path / "home"))
    render(sample_scene(3, "test"), 512).image.save("table.png")
    namespace: dict[str, object] = {}
    for line in lines:  # as a person would type them
        exec_line(line, namespace)
    assert capsys.readouterr().out.strip()


def exec_line(line: str, namespace: dict[str, object]) -> None:
    import code

    shell = code.InteractiveInterpreter(namespace)
    assert not shell.runsource(line), line


@pytest.mark.parametrize("target", ["help", "setup", "demo", "test", "lint", "lock", "eval", "bench"])
def test_make_help_lists_what_there_is(target):
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert re.search(rf"^{target}:.*## ", makefile, re.MULTILINE)
