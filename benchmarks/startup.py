"""What starting costs: importing, `--help`, and a cold `saccade ask`, stage by stage."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ..scenes.render import render
from ..scenes.sample import sample_scene
from ..scenes.splits import split_seed

REPEATS = 5


def seconds(*command: str) -> float:
    """The median wall time of a command, in seconds."""
    times = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        subprocess.run([sys.executable, *command], capture_output=True, check=True)
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def cold_ask() -> dict[str, float]:
    """The stages of one `saccade ask` in a new process with a new home, as `--timings` prints them."""
    with tempfile.TemporaryDirectory() as name:
        picture = Path(name) / "scene.png"
        render(sample_scene(split_seed("test", 5), "test"), 512).image.save(picture)
        command = [sys.executable, "-m", "saccade", "ask", "How many things are there?", str(picture), "--timings"]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"SACCADE_HOME": str(Path(name) / "home")},
        )
    return {
        stage.strip(): float(value) for stage, value in re.findall(r"^(.+?)\s+([\d.]+) s$", done.stderr, re.MULTILINE)
    }


def measure() -> dict[str, Any]:
    """Seconds, beside those of an interpreter that does nothing."""
    nothing = seconds("-c", "pass")
    return {
        "interpreter_s": nothing,
        "import_saccade_s": seconds("-c", "import saccade") - nothing,
        "help_s": seconds("-m", "saccade", "--help"),
        "cold_ask": cold_ask(),
    }
