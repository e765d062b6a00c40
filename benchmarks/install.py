"""What setting up costs: `make setup` as it is beside `make setup` before there was a lock for machines without a GPU.

Runs only when it is named, needs the network and about 20 GB of disk for a while: each set-up is made in folders of its
own, first with an empty cache, which is filled from the registry, then from that cache.
"""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

from ..settings import PACKAGE

# The last commit with a single lock, whose `make setup` installed everything for everybody.
BEFORE = "4201bcb"
MB = 1e6


def measure() -> dict[str, Any]:
    """Size, packages and seconds of each set-up: what a user gets, and what others add to it."""
    with tempfile.TemporaryDirectory(prefix="saccade-install-") as folder:
        work = Path(folder)
        for name, commit in (("old", BEFORE), ("now", "HEAD")):
            _checkout(commit, work / name)
        return {
            "before": _set_up(work, "old", "setup"),
            "default": _set_up(work, "now", "setup", "GPU=0"),
            "default, extras": _set_up(work, "now", "extras", "GPU=0"),
            "default, extras, tools of development": _set_up(work, "now", "tools", "GPU=0"),
            "with a GPU": _set_up(work, "now", "setup", "GPU=1"),
        }


def _checkout(commit: str, folder: Path) -> None:
    """The files of a commit, so that what lies in the work tree has no part in it."""
    packed = subprocess.run(["git", "archive", commit], cwd=PACKAGE, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")


def _set_up(work: Path, clone: str, *arguments: str) -> dict[str, Any]:
    """A set-up made twice: the first fills the clone's cache, and is timed where that was empty."""
    cache = work / f"{clone}-cache"
    empty = not cache.exists()
    seconds: list[float] = []
    figures: dict[str, Any] = {}
    for _ in range(2):
        with tempfile.TemporaryDirectory(dir=work) as folder:
            venv = Path(folder, "venv")
            seconds.append(_make(work / clone, venv, cache, *arguments))
            figures = _weigh(venv)
            if empty and len(seconds) == 2:
                figures |= _first_use(venv)
    return {**figures, **({"seconds, downloading": seconds[0]} if empty else {}), "seconds, from cache": seconds[1]}


def _make(clone: Path, venv: Path, cache: Path, *arguments: str) -> float:
    return _seconds(["make", *arguments, f"VENV={venv}"], clone, UV_CACHE_DIR=str(cache))


def _first_use(venv: Path) -> dict[str, Any]:
    """What is put off until the first question: bytecode of what it loads. The second has it."""
    saccade = str(venv / "bin" / "saccade")
    _seconds([saccade, "scenes", "render", "--count", "1", "--out", "scenes"], venv)
    ask = [saccade, "ask", "Cut out the biggest thing.", "scenes/0000.png", "--json"]
    seconds = [_seconds(ask, venv, SACCADE_HOME=str(venv / "home"), OMP_NUM_THREADS="1") for _ in range(2)]
    return {
        "megabytes after use": _weigh(venv)["megabytes"],
        "seconds, first question": seconds[0],
        "seconds, second question": seconds[1],
    }


def _seconds(command: list[str], folder: Path, **settings: str) -> float:
    # As for a person: Python writes its bytecode, and make takes no flags from a make around it.
    left_out = ("PYTHONDONTWRITEBYTECODE", "MAKEFLAGS", "MAKELEVEL", "VIRTUAL_ENV", "GPU")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, env=kept | settings, check=True, stdout=subprocess.DEVNULL)
    return round(time.perf_counter() - began, 1)


def _weigh(venv: Path) -> dict[str, Any]:
    """What lies in site-packages: its megabytes (bytecode among them), and how many packages."""
    packages = next(venv.glob("lib/python*/site-packages"))
    sizes = [(path.suffix, path.stat().st_size) for path in packages.rglob("*") if path.is_file()]
    return {
        "megabytes": round(sum(size for _, size in sizes) / MB),
        "megabytes of bytecode": round(sum(size for suffix, size in sizes if suffix == ".pyc") / MB),
        "packages": len(list(packages.glob("*.dist-info"))),
    }
