"""`saccade run`: what it prints, its exit codes, and that its example and schema are right."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from saccade import Task
from saccade.cli import main

MEASURE = """version: 1
inputs: {images: [photos/], least: 0}
steps:
  - {id: seen, tool: inspect_image, args: {image: "${image}"}}
  - {id: large, keep: image.width > least}
outputs: [{csv: sizes.csv, columns: {file: image.path, wide: image.width}}]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SACCADE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for number in range(2):
        Image.new("RGB", (60 + number, 40), (number * 90, 20, 30)).save(f"photos/{number}.png")
    (tmp_path / "task.yaml").write_text(MEASURE, "utf-8")
    return tmp_path


def saccade(capsys, *arguments):
    with pytest.raises(SystemExit) as code:
        main(list(arguments))
    told = capsys.readouterr()
    return code.value.code, told.out, told.err


def test_a_run_in_json_and_in_words(folder, capsys):
    code, out, _ = saccade(capsys, "run", "task.yaml", "--json")
    told = json.loads(out)
    assert (code, told["done"], told["calls"], told["failed"]) == (0, 2, 2, [])
    assert [row["wide"] for row in told["tables"]["sizes.csv"]] == [60, 61]
    code, out, err = saccade(capsys, "run", "task.yaml", "--resume", "--set", "least=60")
    assert code == 0
    assert "1 done, 1 skipped, 0 failed, of 2 pictures" in out
    assert "0 calls made, 2 from the record" in out
    assert "[2/2] 1.png done" in err


def test_failed_pictures_have_an_exit_code_of_their_own(folder, capsys):
    (folder / "photos/bad.png").write_bytes(b"no")
    code, out, _ = saccade(capsys, "run", "task.yaml")
    assert code == 3
    assert "Failed: photos/bad.png: " in out
    assert "2 done, 0 skipped, 1 failed" in out


def test_a_dry_run_does_nothing(folder, capsys):
    code, out, _ = saccade(capsys, "run", "task.yaml", "--dry-run")
    assert code == 0
    assert out.startswith("2 pictures. With each of them:\n  seen: inspect_image")
    assert not (folder / "results").exists()
    assert "add --try 2" in out
    _, out, _ = saccade(capsys, "run", "task.yaml", "--dry-run", "--try", "1", "--json")
    assert json.loads(out)["seconds"] >= 0
    assert not (folder / "results").exists()


def test_a_dry_run_says_why_each_thing_would_be_done_again(folder, capsys):
    saccade(capsys, "run", "task.yaml")
    Image.new("RGB", (99, 40), (1, 2, 3)).save("photos/0.png")
    Image.new("RGB", (98, 40), (1, 2, 3)).save("photos/new.png")
    _, out, _ = saccade(capsys, "run", "task.yaml", "--dry-run", "--json")
    told = json.loads(out)
    assert (told["pictures"], told["done"], told["known"]) == (3, 1, 1)
    assert told["again"] == [
        {"step": "seen", "why": "it was never done", "calls": 1},
        {"step": "seen", "why": "its picture, or what earlier steps found in it, is another", "calls": 1},
    ]
    assert told["seconds"] > 0
    _, out, _ = saccade(capsys, "run", "task.yaml", "--dry-run")
    assert "1 pictures are done, and 1 calls are on record" in out
    assert "That takes about" in out
    saccade(capsys, "run", "task.yaml")
    _, out, _ = saccade(capsys, "run", "task.yaml", "--dry-run")
    assert "nothing; the outputs are written anew" in out


def test_an_engine_that_there_is_not_is_refused(folder, capsys):
    code, _, err = saccade(capsys, "run", "task.yaml", "--engine", "spark")
    assert code == 2
    assert "it is here or ray" in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["run"], "saccade run --example"), (["run", "no.yaml"], "no task file"), (["run", "photos"], "is a folder"),
     (["run", "task.yaml", "--set", "most=1"], "no input 'most' to set"),
     (["run", "task.yaml", "--set", "x"], "NAME=VALUE"),
     (["run", "task.yaml", "--images", "nowhere"], "No pictures"),
     (["run", "task.yaml", "--set", "least=x"], "a number")],
)  # fmt: skip
def test_what_must_be_changed_is_told(folder, capsys, arguments, told):
    code, _, err = saccade(capsys, *arguments)
    assert code == 2
    assert told in err


def test_the_example_and_the_schema_are_right(folder, capsys):
    _, example, _ = saccade(capsys, "run", "--example")
    Task.from_text(example)
    _, schema, _ = saccade(capsys, "run", "--schema")
    told = json.loads(schema)
    assert told["required"] == ["version", "steps"]
    assert {"ToolStep", "KeepStep", "AskStep", "CsvOutput"} <= told["$defs"].keys()
