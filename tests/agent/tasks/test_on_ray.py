"""A task on Ray: with two workers, one of which is killed in the middle, the outputs are those of one machine."""

from __future__ import annotations

import importlib.util
import os
import signal
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest
from PIL import Image
from task_scenes import files_of

from saccade import Agent, Task
from saccade.errors import UserError
from saccade.settings import Settings

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra `ray`"),
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds the workers' processes as Linux tells them"),
    pytest.mark.filterwarnings("ignore"),  # by Ray, as it starts and ends
]
TASK = """version: 1
inputs: {images: [photos/]}
steps:
  - {id: seen, tool: inspect_image, args: {image: "${image}"}}
  - {id: soft, tool: edit_image, args: {image: "${image}", edits: [{do: greyscale}, {do: resize, width: 20}]}}
  - {id: large, keep: image.width > 35}
outputs:
  - {jsonl: a.jsonl, columns: {file: image.path, seen: seen.observation, made: soft.image.id}}
  - {folder: soft, pictures: soft.image}
"""


def workers():
    """The processes of Ray's actors."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if b"ray::Worker" in path.read_bytes():
                yield int(path.parent.name)


def results(out):
    with closing(sqlite3.connect(out / ".saccade" / "record.sqlite")) as db:
        return dict(db.execute("SELECT key, value FROM results"))


def test_two_workers_of_which_one_is_killed_give_what_one_machine_gives(tmp_path):
    (tmp_path / "photos").mkdir()
    for number in range(12):
        Image.new("RGB", (30 + number, 24), (number * 20, 90, 30)).save(tmp_path / "photos" / f"{number:02d}.png")
    (tmp_path / "photos" / "bad.png").write_bytes(b"no picture")
    (tmp_path / "task.yaml").write_text(TASK, "utf-8")
    task = Task.load(tmp_path / "task.yaml")
    killed = []

    def kill_one(progress):
        if progress.done == 2:
            killed.extend(list(workers())[:1])
            os.kill(killed[0], signal.SIGKILL)

    with Agent(settings=Settings(home=tmp_path / "home", threads=1, device="cpu")) as agent:
        whole = task.run(out=tmp_path / "whole", agent=agent)
        try:
            rayed = task.run(out=tmp_path / "ray", agent=agent, engine="ray", workers=2, window=2, on_event=kill_one)
        except UserError as error:
            if error.kind != "no_cluster":
                raise
            pytest.skip(f"Ray gives its processes 30 s to begin, and this machine is busier than that: {error.message}")
        again = task.run(out=tmp_path / "ray", agent=agent)
    assert killed
    assert (rayed.done, rayed.skipped, len(rayed.failed)) == (whole.done, whole.skipped, 1)
    assert rayed.tables == whole.tables
    assert [one["error"] for one in rayed.failed] == [one["error"] for one in whole.failed]
    assert results(tmp_path / "ray") == results(tmp_path / "whole")
    assert files_of(tmp_path / "ray") == files_of(tmp_path / "whole")
    assert (again.calls, again.known) == (0, whole.calls)
