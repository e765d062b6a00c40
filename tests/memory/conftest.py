"""Memories for the tests of this folder; each is closed after its test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from small_memory import Opened


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def opened() -> Iterator[Opened]:
    made = Opened()
    yield made
    for memory in made.all:
        memory.close()
        memory.store.close()
