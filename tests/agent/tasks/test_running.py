"""Tasks that run: joins by lineage, what is skipped and what fails, outputs, and going on after a stop."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from PIL import Image
from task_scenes import Scenes, files_of

from saccade import Agent
from saccade.agent.controllers.scripted import ScriptedController
from saccade.agent.tasks.record import Record
from saccade.agent.tasks.running import Outcome
from saccade.agent.tasks.source import TaskError
from saccade.agent.tasks.task import Task
from saccade.errors import ExpertFailed, UserError
from saccade.settings import Settings

CUT = """version: 1
inputs: {images: [photos/], what: cube}
steps:
  - id: found
    tool: find_objects
    args: {image: "${image}", phrase: "${what}"}
  - {id: some, keep: found.count > 0}
  - id: shapes
    tool: segment_objects
    args: {regions: "${found.regions}"}
  - id: cut
    each: {thing: shapes.regions}
    tool: crop_image
    args: {image: "${thing}", background: transparent}
  - id: words
    each: {piece: cut.image}
    tool: inspect_image
    args: {image: "${piece}"}
outputs:
  - {csv: pictures.csv, columns: {file: image.path, many: found.count, mean: "round(mean(found.count, 0), 1)"}}
  - {jsonl: things.jsonl, rows: words, columns: {file: image.path, box: thing.box, masked: thing.masked, wide: piece.width, seen: words.observation}}
  - {folder: cut-outs, pictures: cut.image}
  - {html: report.html, columns: {many: found.count}, pictures: cut.image, evidence: shapes.regions}
"""  # noqa: E501


@pytest.fixture
def scenes(tmp_path):
    made = Scenes(tmp_path)
    yield made
    made.agent.close()


def run(scenes, text=CUT, out="out", given=None, **more):
    path = scenes.folder / "task.yaml"
    path.write_text(text, "utf-8")
    return Task.load(path, given).run(out=scenes.folder / out, agent=scenes.agent, **more)


def shape_in(scenes):
    """A shape that some pictures have and some have not."""
    shapes = {thing.shape for _, scene, _ in scenes.scenes for thing in scene.things}
    return next(s for s in sorted(shapes) if 0 < sum(scenes.count(n, s) > 0 for n in range(4)) < 4)


def test_every_thing_of_a_kind_is_cut_out_and_joined_by_lineage(scenes):
    shape = shape_in(scenes)
    result = run(scenes, given={"what": shape})
    counts = [scenes.count(number, shape) for number in range(4)]
    assert (result.pictures, result.done, result.skipped) == (
        4,
        sum(n > 0 for n in counts),
        sum(n == 0 for n in counts),
    )
    rows = [json.loads(line) for line in (scenes.folder / "out/things.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) == sum(counts)
    with (scenes.folder / "out/pictures.csv").open(encoding="utf-8") as file:
        told = {Path(row["file"]).name: int(row["many"]) for row in csv.DictReader(file)}
    assert told == {f"{number:02d}.png": count for number, count in enumerate(counts) if count}
    for row in rows:  # the box of a row is of the very thing whose cut-out it tells of
        assert row["masked"]
        assert row["wide"] == pytest.approx(row["box"][2] - row["box"][0], abs=3)
        assert row["file"].endswith(".png")
        assert f"{row['wide']} x" in row["seen"]
    made = sorted((scenes.folder / "out/cut-outs").iterdir())
    assert len(made) == sum(counts)
    for path in made:
        with Image.open(path) as image:
            assert image.mode == "RGBA"
    assert result.tables["things.jsonl"] == rows


def test_what_was_done_is_not_done_again(scenes):
    first = run(scenes, given={"what": shape_in(scenes)})
    asked, files = scenes.experts.asked, files_of(scenes.folder / "out")
    assert first.calls > 0
    again = run(scenes, given={"what": shape_in(scenes)})
    assert (again.calls, again.known) == (0, first.calls)
    assert scenes.experts.asked == asked
    assert files_of(scenes.folder / "out") == files
    other = run(scenes, given={"what": "thing"})
    assert other.calls > 0


def test_a_step_more_makes_nothing_again_though_handles_are_others(scenes):
    first = run(scenes, given={"what": "thing"})
    more = CUT.replace(
        "steps:", 'steps:\n  - {id: all, tool: find_objects, args: {image: "${image}", order: smallest}}'
    )
    again = run(scenes, more, given={"what": "thing"})
    assert (again.calls, again.known) == (4, first.calls), "one call a picture is new"
    assert again.tables == first.tables


def test_afresh_does_it_again(scenes):
    first = run(scenes, given={"what": "thing"})
    again = run(scenes, given={"what": "thing"}, afresh=True)
    assert (again.calls, again.known) == (first.calls, 0)


def test_the_order_of_pictures_changes_nothing_but_the_order_of_rows(scenes):
    forward = run(scenes, given={"what": "thing"}, out="one")
    paths = [str(path) for path, _, _ in scenes.scenes]
    backward = run(scenes, given={"what": "thing"}, out="two", images=paths[::-1])
    assert forward.tables["things.jsonl"] != backward.tables["things.jsonl"]
    assert sorted(map(str, forward.tables["things.jsonl"])) == sorted(map(str, backward.tables["things.jsonl"]))
    one, two = (files_of(scenes.folder / name) for name in ("one", "two"))
    assert {name: h for name, h in one.items() if "cut-outs" in name} == {
        n: h for n, h in two.items() if "cut-outs" in n
    }


def test_bad_pictures_are_named_and_the_rest_is_done(scenes):
    folder = scenes.folder / "photos"
    (folder / "empty.png").write_bytes(b"")
    (folder / "cut.png").write_bytes((folder / "00.png").read_bytes()[:200])
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    result = run(scenes, given={"what": "thing"})
    assert result.done == 4
    assert {Path(one["path"]).name for one in result.failed} == {"empty.png", "cut.png", "gone.png"}
    assert all(one["error"] for one in result.failed)
    page = (scenes.folder / "out/report.html").read_text("utf-8")
    assert "empty.png" in page
    assert "3 failed" in page


def test_strict_ends_with_the_first_failure_and_goes_on_later(scenes):
    (scenes.folder / "photos/01.png").rename(scenes.folder / "kept.png")
    (scenes.folder / "photos/01.png").write_bytes(b"no picture")
    result = run(scenes, given={"what": "thing"}, strict=True)
    assert (result.done, result.stopped) == (1, "01.png failed")
    (scenes.folder / "kept.png").replace(scenes.folder / "photos/01.png")
    again = run(scenes, given={"what": "thing"}, strict=True)
    assert again.done == 4
    assert again.known == result.calls


def test_too_many_failures_end_a_run(scenes):
    for name in ("00a.png", "00b.png", "00c.png"):
        (scenes.folder / "photos" / name).write_bytes(b"no picture")
    result = run(scenes, CUT + "on_error: {stop_after: 1}\n", given={"what": "thing"})
    assert result.stopped.startswith("2 pictures failed")
    assert result.done < 4


def test_an_expert_that_fails_fails_the_picture_and_keeps_what_was_done(scenes):
    scenes.experts.fails = ("sam", ExpertFailed("SAM ran out of memory.", kind="out_of_memory"))
    result = run(scenes, given={"what": "thing"})
    assert [one["error"] for one in result.failed] == ["shapes: SAM ran out of memory."] * 4
    scenes.experts.fails = None
    again = run(scenes, given={"what": "thing"})
    assert (again.done, again.known) == (4, 4)


def test_more_regions_than_a_tool_takes_go_in_parts(scenes, tmp_path):
    crowded = Scenes(tmp_path / "many", 6, first=100)
    assert max(len(scene.things) for _, scene, _ in crowded.scenes) <= 8
    text = """version: 1
inputs: {images: [photos/]}
steps:
  - {id: found, tool: find_objects, args: {image: "${image}"}}
  - {id: again, tool: find_objects, args: {image: "${image}", phrase: thing}}
  - {id: shapes, tool: segment_objects, args: {regions: "${found.regions}"}}
outputs: [{csv: a.csv, columns: {found: found.count, masked: shapes.count}}]
"""
    result = run(crowded, text)
    assert all(row["found"] == row["masked"] for row in result.tables["a.csv"])
    crowded.agent.close()


def test_when_leaves_a_step_out_and_what_rests_on_it(scenes):
    text = """version: 1
inputs: {images: [photos/]}
steps:
  - {id: found, tool: find_objects, args: {image: "${image}"}}
  - {id: never, when: found.count > 99, tool: describe_image, args: {image: "${image}"}}
  - {id: after, tool: calculate, args: {expression: "2 * 3"}}
outputs: [{csv: a.csv, columns: {words: never.text, result: after.result}}]
"""
    result = run(scenes, text)
    assert result.done == 4
    assert result.tables["a.csv"] == [{"words": None, "result": 6.0}] * 4


def test_a_table_of_pictures_and_words(scenes):
    rows = [("photos/00.png", "thing"), ("photos/01.png", "red thing"), ("photos/00.png", "=HYPERLINK(1)")]
    (scenes.folder / "sheet.csv").write_text("image,what\n" + "".join(f"{a},{b}\n" for a, b in rows), "utf-8")
    text = """version: 1
inputs: {table: sheet.csv}
steps:
  - {id: found, tool: find_objects, args: {image: "${image}", phrase: "${row.what}"}}
outputs: [{csv: a.csv, columns: {asked: row.what, many: found.count}}]
"""
    result = run(scenes, text)
    assert [row["asked"] for row in result.tables["a.csv"]] == [what for _, what in rows]
    assert result.tables["a.csv"][0]["many"] == len(scenes.scenes[0][1].things)
    written = (scenes.folder / "out/a.csv").read_text("utf-8")
    assert "'=HYPERLINK(1)" in written, "a spreadsheet would take it for a formula"


def test_one_run_at_a_time_and_other_versions_are_refused(tmp_path):
    record = Record(tmp_path, {"torch": "1"})
    with pytest.raises(UserError, match="Another run writes to"):
        Record(tmp_path, {"torch": "1"})
    record.close()
    with pytest.raises(UserError, match=r"torch 1 then, 2 now.*--afresh"):
        Record(tmp_path, {"torch": "2"})
    Record(tmp_path, {"torch": "2"}, again=True).close()


def test_captions_with_markup_are_shown_as_text(scenes):
    path = scenes.folder / "photos" / "<img src=x onerror=alert(1)>.png"
    shutil.copy(scenes.folder / "photos/00.png", path)
    run(scenes, given={"what": "thing"}, images=[str(path)])
    page = (scenes.folder / "out/report.html").read_text("utf-8")
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page
    assert "http://" not in page
    assert "https://" not in page


def test_no_pictures(scenes):
    with pytest.raises(TaskError, match=r"No pictures: .*nowhere"):
        run(scenes, images=["nowhere/*.png"])
    with pytest.raises(TaskError, match="names no pictures"):
        run(scenes, CUT.replace("images: [photos/], ", ""))


def test_any_window_gives_the_same_and_questions_go_together(scenes):
    outs, asked = {}, {}
    for window in (1, 2, 16):
        calls = []
        scenes.experts.heard = lambda role, requests, calls=calls: calls.append((role, len(requests)))
        run(scenes, given={"what": "thing"}, out=f"w{window}", window=window)
        outs[window], asked[window] = files_of(scenes.folder / f"w{window}"), calls
    assert outs[1] == outs[2] == outs[16]
    assert len(asked[16]) < len(asked[2]) < len(asked[1])
    assert sum(n for _, n in asked[16]) == sum(n for _, n in asked[1])


def test_one_picture_that_an_expert_cannot_take_fails_alone(scenes):
    bad = next(iter(scenes.truths))
    truth = scenes.truths.pop(bad)

    def heard(role, requests):
        if any(getattr(one, "view", None) is not None and one.view.picture == bad for one in requests):
            raise ExpertFailed("This one is too large.", kind="out_of_memory")

    scenes.experts.heard = heard
    result = run(scenes, given={"what": "thing"})
    assert (result.done, [Path(one["path"]).name for one in result.failed]) == (3, ["00.png"])
    assert "too large" in result.failed[0]["error"]
    scenes.truths[bad], scenes.experts.heard = truth, None
    assert run(scenes, given={"what": "thing"}).done == 4


def test_ctrl_c_keeps_what_was_done(scenes):
    def heard(role, requests):
        if role == "sam":
            raise KeyboardInterrupt

    scenes.experts.heard = heard
    with pytest.raises(KeyboardInterrupt):
        run(scenes, given={"what": "thing"})
    scenes.experts.heard = None
    assert run(scenes, given={"what": "thing"}).known == 4


def test_a_question_may_be_about_what_was_made(scenes):
    text = """version: 1
inputs: {images: [photos/]}
steps:
  - {id: found, tool: find_objects, args: {image: "${image}", order: largest, at_most: 1}}
  - {id: cut, tool: crop_image, args: {image: "${found.regions[0]}"}}
  - {id: reply, ask: "What is this?", images: cut.image}
outputs: [{csv: a.csv, columns: {said: reply.text}}]
"""
    model = ScriptedController(["A thing."] * 4)
    agent = Agent(controller=model, experts=scenes.experts, settings=Settings(home=scenes.folder / "asked"))
    path = scenes.folder / "task.yaml"
    path.write_text(text, "utf-8")
    result = Task.load(path).run(out=scenes.folder / "out", agent=agent)
    assert (result.done, result.failed) == (4, [])
    assert result.tables["a.csv"] == [{"said": "A thing."}] * 4
    shown = [message.text for messages in model.seen for message in messages]
    assert shown
    assert not any("(256 x 256 px)" in text for text in shown), "it was shown the whole picture"
    agent.close()


def test_a_run_holds_no_more_than_its_window(scenes):
    held = []
    original = Outcome.close

    def close(self):
        original(self)
        held.append((len(self.calls.new), len(self.frames), self.workspace))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Outcome, "close", close)
        run(scenes, given={"what": "thing"}, window=2)
    assert held == [(0, 0, None)] * 4
