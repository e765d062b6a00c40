"""docs/extending.md as written: its blocks become a package, installed beside Saccade, of which nothing is changed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import saccade
from saccade import UserError
from saccade.cli import main
from saccade.testing import SceneBook, check_tool
from saccade.tools.registry import all_tools, expert_class, tool_origins

PAGE = (Path(saccade.__file__).parent / "docs" / "extending.md").read_text("utf-8")
BLOCKS = dict(re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```', PAGE, re.MULTILINE | re.DOTALL))


def install(folder, name, entry_points, files=()):
    """What an installer leaves: the modules, and beside them the package's own description."""
    described = folder / f"{name}-1.0.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text(entry_points)
    for path, text in files:
        (folder / path).write_text(text)
    return folder


@pytest.fixture
def installed(tmp_path, monkeypatch):
    groups = BLOCKS["pyproject.toml"].replace('project.entry-points."', "").replace('"]', "]").replace('"', "")
    files = [(name, text) for name, text in BLOCKS.items() if name.endswith(".py")]
    folder = install(tmp_path / "site", "edges-kit", groups, files)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    yield folder
    for name, _ in files:
        sys.modules.pop(name.removesuffix(".py"), None)


def shown(*arguments):
    done = subprocess.run([sys.executable, "-m", "saccade", *arguments], capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_one_of_each_takes_less_than_sixty_lines():
    assert set(BLOCKS) == {"edges_tool.py", "edges_expert.py", "polite.py", "pyproject.toml"}
    assert sum(bool(line.strip()) for text in BLOCKS.values() for line in text.splitlines()) < 60


def test_the_tool_is_offered_to_the_controller_with_a_schema_as_mcp_has_it(installed, capsys):
    assert list(all_tools())[-1] == "measure_edges"
    assert tool_origins()["measure_edges"] == "edges-kit 1.0"
    with pytest.raises(SystemExit):
        main(["tools", "--json"])
    told = {one["name"]: one for one in json.loads(capsys.readouterr().out)["tools"]}["measure_edges"]
    assert (told["package"], told["roles"]) == ("edges-kit 1.0", ["edges"])
    assert told["inputSchema"]["required"] == ["image"]
    assert "x-handle" not in json.dumps(told)


def test_the_tool_passes_the_contract_with_the_expert_that_came_with_it(installed):
    check_tool(type(all_tools()["measure_edges"]))
    assert expert_class("edges", "sobel").role == "edges"


def test_all_three_serve_a_request(installed, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SACCADE_HOME", str(tmp_path / "home"))
    SceneBook().draw(7).save(tmp_path / "a.png")
    with pytest.raises(SystemExit) as ended:
        main(["ask", "How busy is it?", str(tmp_path / "a.png"), "--controller", "polite:edges", "--json"])
    reply = json.loads(capsys.readouterr().out)
    assert (ended.value.code, reply["text"]) == (0, "Dear reader: edges were measured.")
    assert reply["steps"][0]["tool"] == "measure_edges"
    assert re.fullmatch(r"img_1 is 0\.\d\d busy\.", reply["steps"][0]["observation"])


def test_the_help_tells_of_them(installed):
    assert "measure_edges" in shown("--help")
    assert "polite:NAME" in re.sub(r"\s|│", "", shown("ask", "--help"))


@pytest.mark.parametrize(
    ("entry_points", "words"),
    [
        ("[saccade.tools]\nlost = nowhere:Tool", "brings the tool 'lost' as 'nowhere:Tool'.*No module named 'nowhere'"),
        ("[saccade.tools]\nwrong = json:dumps", r"wrong-kit 1\.0.*neither a class of saccade\.Tool nor a LangChain"),
    ],
)
def test_a_wrong_tool_is_refused_with_its_name_and_its_package(tmp_path, monkeypatch, entry_points, words):
    monkeypatch.syspath_prepend(str(install(tmp_path / "site", "wrong-kit", entry_points)))
    with pytest.raises(UserError, match=words):
        all_tools()


@pytest.mark.parametrize(
    ("entry_points", "words"),
    [
        ("[saccade.experts]\ndepth.mine = json:dumps", "expert 'depth.mine'.*no whole class of saccade.Expert"),
        ("[saccade.experts]\ndepth.mine = saccade.tools.experts.reader.expert:Reader", "serves the role 'reader'"),
    ],
)
def test_a_wrong_expert_is_refused_with_its_name_and_its_package(tmp_path, monkeypatch, entry_points, words):
    monkeypatch.syspath_prepend(str(install(tmp_path / "site", "wrong-kit", entry_points)))
    with pytest.raises(UserError, match=words):
        expert_class("depth", "mine")


@pytest.mark.parametrize(
    ("value", "words"), [("json:dumps", "cannot be used"), ("builtins:max", "gave a str and no LangChain chat model")]
)
def test_a_wrong_controller_is_refused(tmp_path, monkeypatch, value, words):
    from saccade.agent.controllers.load import load_controller

    files = [("liar.py", "def load(spec, settings):\n    return 'yes'\n")]
    value = value.replace("builtins:max", "liar:load")
    folder = install(tmp_path / "site", "wrong-kit", f"[saccade.controllers]\nmine = {value}", files)
    monkeypatch.syspath_prepend(str(folder))
    with pytest.raises(UserError, match=words):
        load_controller("mine:x")
    sys.modules.pop("liar", None)
