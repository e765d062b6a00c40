"""The package as it is shipped: its folders, its public names, what importing it costs, which way imports point."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import saccade

ROOT = Path(saccade.__file__).parent
FOLDERS = sorted(path.parent.name for path in ROOT.glob("*/__init__.py"))

# What each folder may import, from DESIGN.md section 1 (everything may import errors and settings).
MAY_IMPORT = {
    "memory": set(),
    "prompts": set(),
    "tools": {"memory", "prompts"},
    "agent": {"tools", "memory", "prompts"},
    "connectors": {"agent"},
    "scenes": set(),
    "training": {"scenes", "tools", "prompts", "memory"},
    "evals": {"agent", "memory", "prompts", "scenes", "tools", "training", "connectors"},
    "benchmarks": {"agent", "memory", "prompts", "scenes", "tools", "training", "connectors", "evals"},
}


def test_the_listed_packages_are_the_folders_on_disk():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert listed == ["saccade", *(f"saccade.{folder}" for folder in FOLDERS)]


def test_every_public_name_resolves_and_an_unknown_one_does_not():
    assert sorted(saccade.__all__) == saccade.__all__
    assert len(saccade.__all__) < 10
    for name in saccade.__all__:
        assert getattr(saccade, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Agnet'"):
        _ = saccade.Agnet


def loaded_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    return set(done.stdout.split())


@pytest.mark.parametrize("statement", ["import saccade", "from saccade import Agent", "import saccade.cli"])
def test_importing_loads_nothing_heavy(statement):
    heavy = {"torch", "chromadb", "langchain", "langchain_core", "transformers", "ultralytics", "cv2", "supervision"}
    assert not heavy & loaded_after(statement)


def test_the_help_loads_neither_torch_nor_langchain():
    code = "from saccade.cli import main\ntry: main(['ask', '--help'])\nexcept SystemExit: pass"
    assert not {"torch", "langchain", "langchain_core", "transformers"} & loaded_after(code)


def relative_imports(path: Path) -> set[str]:
    """The folders of ours that a file imports, at any depth, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 2 and node.module:
            found.add(node.module.split(".")[0])
        if isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").startswith("saccade"):
            found.add("an absolute import of saccade")
    return found & {*FOLDERS, "an absolute import of saccade", "cli"}


@pytest.mark.parametrize("folder", FOLDERS)
def test_imports_point_the_way_of_the_design(folder):
    for path in (ROOT / folder).rglob("*.py"):
        assert relative_imports(path) <= MAY_IMPORT[folder], path.relative_to(ROOT)


def test_nothing_evaluates_code():
    for path in ROOT.rglob("*.py"):
        if ".venv" in path.parts or "tests" in path.parts:
            continue
        calls = [
            node.func.id
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        ]
        assert not {"eval", "exec", "compile"} & set(calls), path


def test_the_lock_names_no_index_and_hashes_everything():
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    pinned = [line for line in lock.splitlines() if "==" in line and not line.startswith((" ", "#"))]
    assert all(line.rstrip().endswith("\\") for line in pinned), "a pinned package without a hash"
