"""A conversation becomes a task that does the same again, and is played again from its record."""

from __future__ import annotations

import io
import json

import pytest
from task_scenes import Scenes

from saccade import Agent
from saccade.agent.controllers.scripted import ScriptedController, call, calls
from saccade.agent.tasks.from_chat import task_of
from saccade.agent.tasks.replay import first_difference, played_anew, recorded_turns
from saccade.agent.tasks.task import Task
from saccade.errors import UserError
from saccade.settings import Settings


@pytest.fixture
def scenes(tmp_path):
    made = Scenes(tmp_path, 2)
    yield made
    made.agent.close()


@pytest.fixture
def talk(scenes):
    opened = []

    def make(*script, folder="talked"):
        agent = Agent(controller=ScriptedController(list(script)), experts=scenes.experts,
                      settings=Settings(home=scenes.folder / folder, remember=False))  # fmt: skip
        opened.append(agent)
        return agent

    yield make
    for agent in opened:
        agent.close()


def cut_all(scenes):
    """The calls of a conversation that cuts out every thing of the first picture."""
    regions = [f"reg_{number + 1}" for number in range(len(scenes.scenes[0][1].things))]
    return (
        calls(call("find_objects", image="img_1")),
        calls(call("segment_objects", regions=regions)),
        calls(*(call("crop_image", image=one, background="transparent") for one in regions)),
        "Here they are.",
    )


def test_a_conversation_becomes_a_task_with_the_same_outcome(scenes, talk):
    path, scene, _ = scenes.scenes[0]
    chat = talk(*cut_all(scenes)).chat(user="ann")
    reply = chat.send("Cut everything out", images=[path])
    recording = task_of(chat.workspace, "Cut everything out")
    assert recording.left_out == []
    assert [(step["id"], step["tool"]) for step in recording.task["steps"]] == [
        ("find", "find_objects"), ("segment", "segment_objects"), ("crop", "crop_image"),
    ]  # fmt: skip
    assert recording.task["steps"][1]["args"] == {"regions": "${find.regions}"}
    assert recording.task["steps"][2]["each"] == {"thing": "find.regions"}
    result = Task.from_text(recording.text).run([str(path)], out=scenes.folder / "out", agent=scenes.agent)
    assert (result.done, result.tables["table.csv"][0]["find"]) == (1, len(scene.things))
    made = {one.stem.rpartition(".")[2] for one in (scenes.folder / "out/made").iterdir()}
    assert made == {image.id.removeprefix("pic_") for image in reply.images}
    other = Task.from_text(recording.text).run(
        [str(scenes.scenes[1][0])], out=scenes.folder / "other", agent=scenes.agent
    )
    assert other.tables["table.csv"][0]["find"] == len(scenes.scenes[1][1].things)


def test_one_region_of_several_is_named_by_its_place(scenes, talk):
    chat = talk(calls(call("find_objects", image="img_1", order="leftmost")),
                calls(call("crop_image", image="reg_1")), calls(call("inspect_image", image="img_2")),
                "Done.").chat()  # fmt: skip
    chat.send("Crop the leftmost", images=[scenes.scenes[0][0]])
    steps = task_of(chat.workspace).task["steps"]
    assert steps[1]["args"] == {"image": "${find.regions[0]}"}
    assert steps[2]["args"] == {"image": "${crop.images[0]}"}


def test_what_cannot_be_generalised_is_named(scenes, talk):
    chat = talk(calls(call("find_objects", image="img_1")), calls(call("find_objects", image="img_2")),
                calls(call("search_memory", words="cube")), "Done.").chat()  # fmt: skip
    chat.send("Look", images=[path for path, _, _ in scenes.scenes])
    recording = task_of(chat.workspace)
    assert len(recording.task["steps"]) == 1
    assert [one.partition(":")[0] for one in recording.left_out] == ['find_objects({"image"', "search_memory"]
    assert recording.text.startswith("# Left out: ")
    assert Task.from_text(recording.text).plan(scenes.agent).steps


def test_a_conversation_without_calls_gives_no_task(scenes, talk):
    chat = talk("Hello.").chat()
    chat.send("Hello")
    with pytest.raises(UserError, match="ask for something first"):
        task_of(chat.workspace)


def test_a_conversation_is_played_from_its_record_and_anew(scenes, talk):
    chat = talk(*cut_all(scenes)).chat(user="ann")
    chat.send("Cut everything out", images=[scenes.scenes[0][0]])
    asked = scenes.experts.asked
    turns = recorded_turns(chat)
    assert scenes.experts.asked == asked, "a record is played without models"
    assert turns[0]["said"] == "Cut everything out"
    assert [one["tool"] for one in turns[0]["calls"]][:2] == ["find_objects", "segment_objects"]
    assert turns[0]["answer"] == "Here they are."
    assert len(turns[0]["images"]) == 1
    same = list(played_anew(talk(*cut_all(scenes), folder="anew"), turns))
    assert first_difference(turns, same) is None
    changed = (*cut_all(scenes)[:-1], "Here you are.")
    other = list(played_anew(talk(*changed, folder="changed"), turns))
    assert first_difference(turns, other) == "turn 1, answer: 'Here they are.' then, 'Here you are.' now"


def test_the_command_line_records_and_replays(scenes, talk, monkeypatch, capsys):
    from saccade.cli import main

    monkeypatch.setenv("SACCADE_HOME", str(scenes.folder / "talked"))
    agent = talk(*cut_all(scenes))
    chat = agent.chat()
    chat.send("Cut everything out", images=[scenes.scenes[0][0]])
    agent.close()
    for arguments, key in ((["record", chat.id, "--json"], "task"), (["replay", chat.id, "--json"], "turns")):
        with pytest.raises(SystemExit) as code:
            main(arguments)
        assert code.value.code == 0
        assert key in json.loads(io.StringIO(capsys.readouterr().out).read())
