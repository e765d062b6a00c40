"""The tasks of examples/tasks do on pictures of known truth what they say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from task_scenes import Scenes

import saccade
from saccade import Agent, Task
from saccade.agent.controllers.scripted import ScriptedController
from saccade.scenes.documents.document import sample_document
from saccade.scenes.documents.render import render_document, worn
from saccade.settings import Settings

TASKS = Path(saccade.__file__).parent / "examples" / "tasks"


@pytest.fixture
def scenes(tmp_path):
    made = Scenes(tmp_path, 3)
    yield made
    made.agent.close()


def run(name, scenes, given=None, **more):
    task = Task.load(TASKS / f"{name}.yaml", given)
    images = [str(path) for path, _, _ in scenes.scenes]
    return task.run(more.pop("images", images), out=scenes.folder / name, agent=more.pop("agent", scenes.agent), **more)


def test_every_example_is_tried_here():
    assert {path.stem for path in TASKS.glob("*.yaml")} == {
        "cut_out", "count", "receipts", "sort", "questions", "instructions", "hide_words",
        "duplicates", "remove",
    }  # fmt: skip


def test_cut_out(scenes):
    shape = scenes.scenes[0][1].things[0].shape
    result = run("cut_out", scenes, {"what": shape})
    counts = [scenes.count(number, shape) for number in range(3)]
    assert len(result.tables["things.csv"]) == len(list((scenes.folder / "cut_out/cut-outs").iterdir())) == sum(counts)
    assert all(shape in row["caption"] for row in result.tables["things.csv"])
    assert result.skipped == counts.count(0)


def test_count(scenes):
    result = run("count", scenes)
    for row, (_, scene, _) in zip(result.tables["counts.csv"], scenes.scenes, strict=True):
        colors = [thing.color for thing in scene.things]
        assert row["things"] == len(colors)
        assert (row["first"], row["second"]) == (colors.count("red"), colors.count("blue"))
        assert row["more_of_the_first"] == (colors.count("red") > colors.count("blue"))


def test_sort(scenes):
    result = run("sort", scenes)
    truths = [scene.backdrop for _, scene, _ in scenes.scenes]
    told = [row["label"] for row in result.tables["labels.csv"]]
    assert told == [{"plain": "plain background"}.get(truth, truth) for truth in truths]


def test_instructions(scenes):
    run("instructions", scenes)
    lines = (scenes.folder / "instructions/contexts.jsonl").read_text("utf-8").splitlines()
    first = json.loads(lines[0])
    assert len(lines) == 3
    assert len(first["things"]) == len(scenes.scenes[0][1].things)
    assert first["things"][0]["box"] == pytest.approx(scenes.scenes[0][2].boxes[0].tolist(), abs=0.01)
    assert first["caption"]
    assert first["detail"]


def test_questions(scenes, tmp_path):
    folder = tmp_path / "sheet"
    folder.mkdir()
    rows = [(scenes.scenes[0][0], "What is this?"), (scenes.scenes[1][0], "Is it, well, red?")]
    (folder / "sheet.csv").write_text(
        "image,question\n" + "".join(f'{path},"{asked}"\n' for path, asked in rows), "utf-8"
    )
    (folder / "questions.yaml").write_text((TASKS / "questions.yaml").read_text("utf-8"), "utf-8")
    told = dict(zip((asked for _, asked in rows), ("Hello.", "Goodbye."), strict=True))
    asked_for = []

    def answer(messages):  # questions may be asked at once, in any order
        asked_for.append(next(asked for asked in told if asked in str(messages[-1].content)))
        return told[asked_for[-1]]

    agent = Agent(controller=ScriptedController(answer), experts=scenes.experts,
                  settings=Settings(home=tmp_path / "asked"))  # fmt: skip
    task = Task.load(folder / "questions.yaml")
    result = task.run(out=folder / "out", agent=agent)
    assert [row["answer"] for row in result.tables["answers.csv"]] == ["Hello.", "Goodbye."]
    assert [row["question"] for row in result.tables["answers.csv"]] == [asked for _, asked in rows]
    assert agent.store.ledger.read("SELECT * FROM chats") == [], "what was asked for a task is not kept"
    assert agent.store.ledger.read("SELECT * FROM memories") == []
    again = task.run(out=folder / "out", agent=agent)
    assert (again.calls, again.known, sorted(asked_for)) == (0, 2, sorted(told)), "nothing is asked again"
    agent.close()


def test_receipts_with_the_reader_that_users_have(tmp_path):
    drawn = []
    for seed in range(40):
        document = sample_document(seed, "receipt", "val")
        if document.total and "total" in document.total[0].lower():
            drawn.append(document)
    (tmp_path / "receipts").mkdir()
    for number, document in enumerate(drawn[:2]):
        render_document(document, worn(number)).image.save(tmp_path / "receipts" / f"{number}.png")
    agent = Agent(settings=Settings(home=tmp_path / "home", threads=1))
    result = Task.load(TASKS / "receipts.yaml").run([str(tmp_path / "receipts")], out=tmp_path / "out", agent=agent)
    assert [row["amount"] for row in result.tables["totals.csv"]] == [float(one.total[1]) for one in drawn[:2]]
    assert [row["shop"] for row in result.tables["totals.csv"]] == [one.title for one in drawn[:2]]
    agent.close()


def test_hide_words(scenes):
    result = run("hide_words", scenes)
    words = [sum(thing.word is not None for thing in scene.things) for _, scene, _ in scenes.scenes]
    assert [row["lines"] for row in result.tables["hidden.csv"]] == words
    assert sum(words) > 0, "the scenes have no signs"
    made = list((scenes.folder / "hide_words/hidden").iterdir())
    assert len(made) == sum(count > 0 for count in words)
    for path in made:
        number = int(path.name.partition(".")[0])
        _, _, drawn = scenes.scenes[number]
        after, before = (np.asarray(Image.open(one).convert("RGB")) for one in (path, scenes.scenes[number][0]))
        inside = np.zeros(before.shape[:2], bool)
        for box in drawn.sign_boxes:
            if box is not None:
                x0, y0, x1, y1 = (round(value) for value in box)
                assert not after[y0 + 1 : y1 - 1, x0 + 1 : x1 - 1].any()
                inside[max(0, y0 - 2) : y1 + 2, max(0, x0 - 2) : x1 + 2] = True
        assert np.array_equal(after[~inside], before[~inside])


def test_duplicates(scenes):
    folder = scenes.folder / "copies"
    folder.mkdir()
    for number, (path, _, _) in enumerate(scenes.scenes):
        image = Image.open(path)
        image.save(folder / f"{number}.png")
        image.resize((160, 160)).save(folder / f"{number}-small.jpg", quality=60)
        if number < 2:
            image.crop((6, 4, 252, 254)).save(folder / f"{number}-cropped.png")
    result = run("duplicates", scenes, images=[str(folder)])
    rows = result.tables["groups.csv"]
    groups = {}
    for row in rows:
        groups.setdefault(row["group"], set()).add(Path(row["file"]).stem.partition("-")[0])
    assert len(rows) == 8
    assert all(len(names) == 1 for names in groups.values()), "two different scenes are one group"
    assert len(groups) == 3, "a copy was not known again"
    assert [row["of"] for row in rows] == [sum(other["group"] == row["group"] for other in rows) for row in rows]
    assert (scenes.folder / "duplicates/groups.csv").read_text("utf-8").startswith("file,picture,group,of\n")


def test_remove_with_the_painter_that_users_have(scenes, tmp_path):
    scene = scenes.scenes[0][1]
    once = next(thing.shape for thing in scene.things if scenes.count(0, thing.shape) == 1)
    agent = Agent(settings=Settings(home=tmp_path / "agent", threads=1))
    result = run("remove", scenes, {"what": once}, images=[str(scenes.scenes[0][0])], agent=agent)
    assert (result.done, result.failed) == (1, [])
    assert result.tables["removed.csv"][0]["how_many"] == 1
    (made,) = (scenes.folder / "remove/cleared").iterdir()
    after, before = (np.asarray(Image.open(one).convert("RGB")).astype(int) for one in (made, scenes.scenes[0][0]))
    number = next(n for n, thing in enumerate(scene.things) if thing.shape == once)
    mask = np.asarray(scenes.scenes[0][2].masks[number], bool)
    assert np.abs(after - before).max(2)[mask].mean() > 20, "the thing is still there"
    x0, y0, x1, y1 = (int(v) for v in scenes.scenes[0][2].boxes[number])
    far = np.ones(mask.shape, bool)
    far[max(0, y0 - 24) : y1 + 24, max(0, x0 - 24) : x1 + 24] = False
    assert np.array_equal(after[far], before[far]), "what is elsewhere stays"
    agent.close()
