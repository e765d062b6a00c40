"""With the real models: results are the same bits in any company, and what single calls give."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import numpy as np
import pytest
from PIL import Image

from saccade import Agent, Task
from saccade.errors import ExpertFailed
from saccade.scenes.render import render
from saccade.scenes.sample import sample_scene
from saccade.settings import ModelSpec, Settings
from saccade.tools.experts.batches import blank_view
from saccade.tools.experts.captioner import Captioner
from saccade.tools.pool import ExpertPool
from saccade.tools.requests import Describe

TASK = """version: 1
inputs: {images: [photos/]}
steps:
  - {id: found, tool: find_objects, args: {image: "${image}", phrase: "red thing"}}
  - {id: some, keep: found.count > 0}
  - {id: shapes, tool: segment_objects, args: {regions: "${found.regions}"}}
  - {id: words, each: {thing: shapes.regions}, tool: describe_image, args: {image: "${thing}"}}
outputs:
  - {jsonl: a.jsonl, rows: words, columns: {box: thing.box, score: thing.score, words: words.text}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    (folder / "photos").mkdir()
    for number in range(3):
        render(sample_scene(300 + number, "val"), 192).image.save(folder / "photos" / f"{number}.png")
    (folder / "task.yaml").write_text(TASK, "utf-8")
    return folder


@pytest.fixture(scope="module")
def agent(folder):
    with Agent(settings=Settings(home=folder / "home", threads=1)) as made:
        yield made


class Single:
    """Experts that are asked one request at a time, at whatever shape that has: what single calls get."""

    def __init__(self, pool):
        self.pool, self.about = pool, pool.about

    def ask(self, role, requests):
        return [answer for request in requests for answer in self.pool.ask(role, [request])]


def masks_of(out):
    """The masks of a record."""
    files = [Image.open(path) for path in sorted((out / ".saccade" / "files").glob("*.png"))]
    return [np.asarray(file) > 127 for file in files]


def results(out):
    """Every result of a record, to the bit, by its key."""
    with closing(sqlite3.connect(out / ".saccade" / "record.sqlite")) as db:
        return dict(db.execute("SELECT key, value FROM results"))


def test_results_are_the_same_bits_for_any_window_order_and_interruption_and_what_single_calls_give(folder, agent):
    task = Task.load(folder / "task.yaml")
    paths = sorted((folder / "photos").iterdir())
    whole = task.run(paths, out=folder / "whole", agent=agent)
    assert whole.failed == []
    assert len(whole.tables["a.jsonl"]) > 1
    task.run(paths[::-1], out=folder / "other", agent=agent, window=2)
    truth = results(folder / "whole")
    assert results(folder / "other") == truth
    for some in (paths[2:], paths):  # in two goes, picture by picture
        task.run(some, out=folder / "goes", agent=agent, window=1)
    assert results(folder / "goes") == truth

    with Agent(settings=Settings(home=folder / "home"), experts=Single(agent.experts)) as single:
        alone = task.run(paths, out=folder / "alone", agent=single, window=1)
    assert [row["words"] for row in alone.tables["a.jsonl"]] == [row["words"] for row in whole.tables["a.jsonl"]]
    for one, other in zip(alone.tables["a.jsonl"], whole.tables["a.jsonl"], strict=True):
        assert np.abs(np.subtract(one["box"], other["box"])).max() <= 0.01
    masks, others = (masks_of(folder / name) for name in ("whole", "alone"))
    assert len(masks) == len(others) == len(whole.tables["a.jsonl"])
    for mask in masks:
        assert max((mask & other).sum() / (mask | other).sum() for other in others) >= 0.999


def test_rows_that_do_not_fit_are_halved_when_the_model_is_loaded_and_no_others_are_tried(monkeypatch):
    caption = Captioner._caption

    def tight(self, views, detail):
        if (self.fixed or 0) > most:
            raise MemoryError
        return caption(self, views, detail)

    monkeypatch.setattr(Captioner, "_caption", tight)
    most = 4
    pool = ExpertPool(Settings().chosen, "cpu")
    pool.fix_rows({})
    assert pool.rows("captioner") == 16
    pool.ask("captioner", [Describe(blank_view())])
    assert pool.rows("captioner") == 4
    most = 2
    with pytest.raises(ExpertFailed, match="at 4 rows a forward"):
        pool.ask("captioner", [Describe(blank_view(), "detailed")])
    pool.fix_rows(None)
    assert pool.rows("captioner") is None


def test_an_expert_that_knows_no_rows_is_asked_one_request_at_a_time():
    heard = []

    class Single(Captioner):
        best_rows = classmethod(lambda cls, device: 1)

        @classmethod
        def load(cls, spec: ModelSpec, device: str):
            return cls.__new__(cls)

        def fix_rows(self, rows):
            self.fixed = rows

        def predict(self, requests):
            heard.append(len(requests))
            return list(requests)

    pool = ExpertPool(Settings().chosen, "cpu", classes={"captioner": Single})
    pool.fix_rows({})
    assert pool.ask("captioner", ["a", "b"]) == ["a", "b"]
    pool.fix_rows(None)
    assert pool.ask("captioner", ["a", "b"]) == ["a", "b"]
    assert heard == [1, 1, 2]
