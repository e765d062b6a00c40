"""The package as it is shipped: its folders, its public names, what importing it costs, which way imports point."""

import ast
import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest

import saccade

ROOT = Path(saccade.__file__).parent
TESTS = ROOT / "tests"
PACKAGES = sorted(
    path.parent.relative_to(ROOT).as_posix()
    for path in ROOT.rglob("__init__.py")
    if path.parent != ROOT and not path.relative_to(ROOT).parts[0].startswith((".", "build"))
)
ROOMS = sorted({package.split("/")[0] for package in PACKAGES})
MODULES = [*ROOT.glob("*.py"), *(path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")))]

# What each room may import, from DESIGN.md section 1 (everything may import errors and settings).
MAY_IMPORT = {
    "memory": set(),
    "prompts": set(),
    "queries": set(),
    "tools": {"memory", "prompts", "queries"},
    "agent": {"tools", "memory", "prompts"},
    "scenes": {"queries"},
    "testing": {"agent", "tools", "memory", "scenes"},
    "training": {"queries", "scenes", "testing", "tools", "prompts", "memory"},
    "evals": {"agent", "memory", "prompts", "queries", "scenes", "testing", "tools", "training"},
    "benchmarks": {"agent", "connectors", "memory", "prompts", "scenes", "testing", "tools", "training", "evals"},
    "connectors": {"agent", "memory", "tools"},
    "cli": {"agent", "connectors", "memory", "prompts", "scenes", "tools", "training", "evals"},
}
LONGEST = 400  # lines of a module: a longer one is two ideas
MOST = 20  # modules in a folder


def test_the_listed_packages_are_the_folders_on_disk():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert listed == ["saccade", *(f"saccade.{package.replace('/', '.')}" for package in PACKAGES)]


def test_every_public_name_resolves_and_an_unknown_one_does_not():
    assert sorted(saccade.__all__) == saccade.__all__
    assert set(saccade.__all__) == set(saccade._HOME_OF)
    for name in saccade.__all__:
        assert getattr(saccade, name) is not None
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


def name_of(path: Path) -> str:
    """A module's dotted name inside the package: "tools.runner"; "tools" for an `__init__`; "" for the root's."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


KNOWN = {name_of(path): path for path in MODULES}


def imports_of(path: Path) -> set[str]:
    """The modules of ours that a file imports, at any depth: inside functions and under TYPE_CHECKING too."""
    found = set()
    package = name_of(path) if path.name == "__init__.py" else name_of(path).rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.ImportFrom):
            continue
        assert node.level or (node.module or "").split(".")[0] != "saccade", f"an absolute import of ours in {path}"
        if node.level:
            parts = package.split(".") if package else []
            base = [*parts[: len(parts) - node.level + 1], *(node.module or "").split(".")]
            target = ".".join(part for part in base if part)
            inner = [f"{target}.{one.name}".lstrip(".") for one in node.names]
            found |= {one if one in KNOWN else target for one in inner}
    return found


GRAPH = {name: imports_of(path) for name, path in KNOWN.items()}


@pytest.mark.parametrize("room", ROOMS)
def test_imports_point_the_way_of_the_design(room):
    for name, imported in GRAPH.items():
        if name.split(".")[0] == room:
            outside = {one.split(".")[0] for one in imported} & set(ROOMS) - {room}
            assert outside <= MAY_IMPORT[room], name


def test_no_import_goes_round_in_a_circle():
    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join([*trail[trail.index(name) :], name])
        if name not in done:
            for one in sorted(GRAPH.get(name, ())):
                visit(one, (*trail, name))
            done.add(name)

    done: set[str] = set()
    for name in GRAPH:
        visit(name, ())


def test_every_module_is_one_idea_and_every_folder_can_be_overlooked():
    files = [*MODULES, *TESTS.rglob("*.py"), *(ROOT / "examples").glob("*.py")]
    long = {path.relative_to(ROOT).as_posix(): len(path.read_text("utf-8").splitlines()) for path in files}
    assert not {path: lines for path, lines in long.items() if lines > LONGEST}
    crowded = Counter(path.parent.relative_to(ROOT).as_posix() for path in files)
    assert not {folder: count for folder, count in crowded.items() if count > MOST}


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


LOCKS = {path.name: path.read_text() for path in ROOT.glob("requirements*.lock")}


def pins(lock: str) -> list[str]:
    return [line for line in lock.splitlines() if "==" in line and not line.startswith((" ", "#"))]


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_index_and_hashes_everything(name):
    assert "://" not in LOCKS[name]
    assert "-c " not in LOCKS[name], "a path of the machine that made it"
    assert all(line.rstrip().endswith("\\") for line in pins(LOCKS[name])), "a pinned package without a hash"


def test_each_lock_adds_to_the_default_and_none_says_a_thing_twice():
    assert set(LOCKS) == {f"requirements{part}.lock" for part in ("", "-dev", "-extras", "-gpu")}
    homes = Counter(name for lock in LOCKS.values() for name in {line.split("==")[0] for line in pins(lock)})
    assert set(homes.values()) == {1}
    assert "triton" not in {line.split("==")[0] for line in pins(LOCKS["requirements.lock"])}


# What a model needs said it declares itself; where a scheme is asked for, it is to find files or programs.
ASKS = re.compile(r"spec\.scheme (?:==|!=|in)|_llm_type\"|isinstance\([^)]*(?:LocalChatModel|ExpertPool|TrueExperts)")
MAY_ASK = {"tools/weights.py", "tools/experts/reader/expert.py", "tools/experts/llava/model.py", "agent/doctor.py",
           "agent/controllers/load.py"}  # fmt: skip


def test_no_code_asks_which_model_it_has_before_it():
    for room in ("agent", "tools", "memory"):
        for path in (ROOT / room).rglob("*.py"):
            name = path.relative_to(ROOT).as_posix()
            assert name in MAY_ASK or not ASKS.search(path.read_text("utf-8")), name


def test_memory_names_no_tool():
    from saccade.tools.registry import builtin_tools

    for path in (ROOT / "memory").rglob("*.py"):
        for tool in builtin_tools():
            assert f"'{tool}'" not in path.read_text("utf-8"), path
            assert f'"{tool}"' not in path.read_text("utf-8"), path
