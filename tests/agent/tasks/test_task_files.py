"""Task files that are not right: each is refused before anything runs, with its line and how to mend it."""

from __future__ import annotations

import pytest
from task_scenes import Scenes

from saccade.agent.tasks.source import TaskError
from saccade.agent.tasks.task import Task

GOOD = """version: 1
inputs:
  images: [photos/]
  what: cube
steps:
  - id: found
    tool: find_objects
    args: {image: "${image}", phrase: "every ${what}"}
  - id: some
    keep: found.count > 0
  - id: shapes
    tool: segment_objects
    args: {regions: "${found.regions}"}
  - id: cut
    each: {thing: shapes.regions}
    tool: crop_image
    args: {image: "${thing}", background: transparent}
outputs:
  - {csv: things.csv, rows: cut, columns: {file: image.path, box: thing.box}}
"""


def changed(old, new):
    assert GOOD.count(old) == 1, old
    return GOOD.replace(old, new)


KEEP, CROPPED = "    keep: found.count > 0", '{image: "${thing}", background: transparent}'
BROKEN = {
    "empty": ("", "is empty"),
    "a list": ("- one\n- two\n", "a task is a mapping"),
    "no version": (GOOD.replace("version: 1\n", ""), "'version' is missing"),
    "another version": (changed("version: 1", "version: 2"), "it must be 1"),
    "no steps": ("version: 1\nsteps: []\n", "'steps' has at least 1 item"),
    "no YAML": (changed("steps:", "steps: ["), ":6:"),
    "a tab": (changed("  images: [photos/]", "\timages: [photos/]"), "this is no YAML"),
    "an alias": ("a: &x [1]\nb: *x\n", "aliases (*x) are not read"),
    "an alias bomb": ("a: &a [1,1]\nb: &b [*a,*a]\nc: [*b,*b]\n", "aliases (*a) are not read"),
    "a tag": (changed("what: cube", "what: !!python/object:os.system x"), "tags"),
    "a key twice": (changed("  what: cube", "  what: cube\n  what: ball"), "'what' stands here twice"),
    "deep nesting": (f"version: 1\nsteps: {'[' * 40}{']' * 40}\n", "more than 20 deep"),
    "too large": (GOOD + "# " + "x" * 200_001, "at most 200,000"),
    "a wrong key": (changed("outputs:", "output:"), "Did you mean 'outputs'"),
    "on as a key": (changed(KEEP, f"    on: found.count > 0\n{KEEP}"), "no 'on' here"),
    "a wrong key in a step": (changed("    each:", "    for:"), "no 'for' here"),
    "an unknown tool": (changed("tool: crop_image", "tool: crop_imag"), "Did you mean 'crop_image'"),
    "no tool": (changed("    tool: crop_image\n", ""), "'tool' is missing"),
    "an unknown argument": (changed("background: transparent", "backround: transparent"), "Did you mean 'background'"),
    "an argument missing": (changed(CROPPED, "{}"), "needs the argument 'image'"),
    "a value of a wrong kind": (changed(": transparent", ": blue"), "must be 'keep' or 'transparent'"),
    "a region for a list": (changed('"${found.regions}"', '"${found.count}"'), "a number: it takes regions"),
    "a text for a picture": (changed('{image: "${thing}"', '{image: "${what}"'), "it takes a picture or a region"),
    "a whole list for one": (changed('{image: "${thing}"', '{image: "${shapes.regions}"'), "a list of regions"),
    "a later step": (changed('"${found.regions}"', '"${cut.image}"'), "'cut' is a later step"),
    "itself": (changed('"${found.regions}"', '"${shapes.regions}"'), "'shapes' is a later step, or this one"),
    "a cycle": (changed('phrase: "every ${what}"', 'phrase: "${cut.observation}"'), "'cut' is a later step"),
    "an unknown name": (changed("found.count > 0", "fond.count > 0"), "Did you mean 'found'"),
    "an unknown field": (changed("found.count > 0", "found.number > 0"), "has no 'number'"),
    "a field of a list": (changed("box: thing.box", "box: found.regions.box"), "go through them with each"),
    "no comparison": (changed("found.count > 0", "found.count"), "is a number, and a truth should stand here"),
    "a list as truth": (changed("found.count > 0", "not found.regions"), "write len(...) > 0"),
    "two kinds compared": (changed("found.count > 0", 'found.count > "0"'), "two values of one kind"),
    "one = sign": (changed("found.count > 0", "found.count = 0"), "compare with =="),
    "brackets in an expression": (changed("found.count > 0", '"${found.count} > 0"'), "leave out ${ and }"),
    "an open bracket": (changed('"${found.regions}"', '"${found.regions"'), "not closed"),
    "words read put into a text": (changed('"every ${what}"', '"every ${image.path}"'), "only inputs are put in"),
    "a name twice": (changed("id: shapes", "id: found"), "'found' is a step already"),
    "a name of each twice": (changed("each: {thing:", "each: {found:"), "'found' has a meaning already"),
    "a bad name": (changed("id: shapes", "id: Shapes!"), "is no name"),
    "rows of nothing": (changed("rows: cut", "rows: cuts"), "it must be image or a step"),
    "rows of a name": (changed("rows: cut", "rows: thing"), "it must be image or a step"),
    "columns missing": (changed(", columns: {file: image.path, box: thing.box}", ""), "columns are missing"),
    "a name from elsewhere": (changed("rows: cut, columns", "columns"), "there is no 'thing' here"),
    "an unknown function": (changed("found.count > 0", "length(found.regions) > 0"), "no function 'length'"),
    "a function of a wrong kind": (changed("found.count > 0", "len(found.count) > 0"), "takes one list, not a number"),
    "stop_after": (GOOD + "on_error: {stop_after: lots}\n", "'stop_after'"),
}  # fmt: skip


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return Scenes(tmp_path_factory.mktemp("files"), 1)


def test_the_good_one_is_taken(scenes):
    plan = Task.from_text(GOOD).plan(scenes.agent)
    assert [one.axes for one in plan.steps] == [(), (), (), ("thing",)]


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_refused_before_it_runs(scenes, name):
    text, told = BROKEN[name]
    before = scenes.experts.asked
    with pytest.raises(TaskError) as caught:
        Task.from_text(text).plan(scenes.agent)
    message = caught.value.message
    assert told in message
    assert message.startswith("task")
    if name not in ("empty", "too large"):
        assert message.split(":")[1].isdigit(), "no line"
    assert scenes.experts.asked == before


def test_the_line_is_that_of_the_mistake(scenes):
    text, _ = BROKEN["an unknown field"]
    with pytest.raises(TaskError, match=r"task:10:11: .*has no 'number'"):
        Task.from_text(text).plan(scenes.agent)


def test_a_value_that_the_task_does_not_know_is_refused():
    with pytest.raises(TaskError, match=r"no input 'wat' to set\. Did you mean 'what'"):
        Task.from_text(GOOD, {"wat": "ball"})


def test_a_value_keeps_its_kind():
    text = "version: 1\ninputs: {least: 2}\nsteps: [{id: a, keep: least > 1}]\n"
    assert Task.from_text(text, {"least": "5"}).inputs == {"least": 5}
    with pytest.raises(TaskError, match="it must be a number, as 2 is"):
        Task.from_text(text, {"least": "many"})


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(TaskError, match="There is no task file"):
        Task.load(tmp_path / "no.yaml")
    with pytest.raises(TaskError, match="is a folder"):
        Task.load(tmp_path)


def test_an_output_stays_in_its_folder(scenes, tmp_path):
    task = Task.from_text(GOOD.replace("things.csv", "../things.csv").replace("photos/", str(scenes.folder / "photos")))
    before = scenes.experts.asked
    with pytest.raises(TaskError, match="does not lie in the folder of outputs"):
        task.run(out=tmp_path / "out", agent=scenes.agent)
    assert scenes.experts.asked == before, "it was refused only after it had run"
    assert not (tmp_path / "things.csv").exists()
