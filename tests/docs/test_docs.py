"""The pages of docs/ that hold code: every block of Python is run as it is written, in order, in an empty folder."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import saccade

DOCS = Path(saccade.__file__).parent / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", ["testing", "tasks", "serve"])
def test_the_code_of_a_page_runs_as_written(page, tmp_path):
    blocks = BLOCK.findall((DOCS / f"{page}.md").read_text("utf-8"))
    assert blocks
    script = tmp_path / "page.py"
    script.write_text("\n".join(blocks), "utf-8")
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_saccade_testing_loads_nothing_heavy():
    code = "import saccade.testing, sys; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert not {"torch", "chromadb", "langchain_core", "skia"} & set(done.stdout.split())


def test_its_names_are_sorted_and_there():
    from saccade import testing

    assert sorted(testing.__all__) == testing.__all__
    assert set(testing.__all__) == set(testing._HOMES)
    for name in testing.__all__:
        assert getattr(testing, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'SceneBok'"):
        _ = testing.SceneBok
