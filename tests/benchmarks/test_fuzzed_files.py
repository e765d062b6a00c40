"""The benchmark of broken files, in small: no damage is fatal, and it would tell if one were."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import pytest

from saccade.benchmarks import fuzzed_files
from saccade.memory.pictures.decode import decode

RESULTS = Path(__file__).parents[2] / "docs" / "results" / "fuzzed_files.json"


def test_broken_files_are_taken_or_refused():
    figures = fuzzed_files.measure(48)
    assert figures["taken"] + figures["refused"] == figures["files"] == 48
    assert set(figures["formats"]) == set(fuzzed_files.formats())
    assert figures["bad"] == []
    assert figures["taken"] > 3
    assert figures["refused"] > 3
    assert 30 < figures["most memory of a process, MB"] < fuzzed_files.MOST_MB


def test_the_same_number_is_the_same_file_and_whole_ones_are_taken():
    assert fuzzed_files.broken(7) == fuzzed_files.broken(7) != fuzzed_files.broken(15)
    for name in fuzzed_files.formats():
        for make in fuzzed_files.KINDS[name]:
            assert decode(make(random.Random(1))).image.mode == "RGB"


@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "AVIF", "HEIF"])
def test_a_file_is_the_sum_of_its_chunks(name):
    data = fuzzed_files.KINDS[name][-1](random.Random(2))
    head, parts = fuzzed_files.chunks(data, name)
    assert head + b"".join(parts) == data
    assert len(parts) > 1


def test_a_process_that_ends_or_is_silent_is_told_and_the_next_goes_on(monkeypatch, tmp_path):
    """A stand-in for the decoder that dies of the second file and sleeps over the third."""
    script = tmp_path / "dies.py"
    script.write_text(
        "import sys, struct, time, json, os\n"
        "while head := sys.stdin.buffer.read(4):\n"
        "    data = sys.stdin.buffer.read(struct.unpack('>I', head)[0])\n"
        "    if data == b'dies': os._exit(9)\n"
        "    if data == b'hang': time.sleep(99)\n"
        "    print(json.dumps({'outcome': 'taken', 'why': '', 'mb': 1.0, 'seconds': 0.0}), flush=True)\n"
    )
    monkeypatch.setattr(fuzzed_files, "broken", [b"well", b"dies", b"hang", b"well"].__getitem__)
    monkeypatch.setattr(fuzzed_files, "COMMAND", [sys.executable, str(script)])
    monkeypatch.setattr(fuzzed_files, "PATIENCE", 1.0)
    told = list(fuzzed_files._decoded(range(4)))
    assert [(one["number"], one["outcome"]) for one in told] == [(0, "taken"), (1, "crash"), (2, "hang"), (3, "taken")]


def test_two_thousand_files_were_decoded_without_a_crash():
    figures = json.loads(RESULTS.read_text("utf-8"))
    assert figures["files"] >= 2000
    assert figures["crashes"] == figures["hangs"] == figures["other errors"] == 0
    assert figures["most memory of a process, MB"] < 1000
