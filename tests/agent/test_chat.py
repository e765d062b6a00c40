"""Conversations with a scripted controller and experts that know the truth of a scene."""

from __future__ import annotations

import sqlite3
import threading

import numpy as np
import pytest
from langchain_core.messages import HumanMessage
from PIL import Image

from saccade import Agent, UserError
from saccade.agent.controllers.scripted import ScriptedController, call, calls
from saccade.errors import ExpertFailed
from saccade.memory.pictures.decode import decode
from saccade.scenes.render import render
from saccade.scenes.scene import SIZES, Scene, Thing
from saccade.settings import Settings
from saccade.testing.experts import TrueExperts


def thing(number, shape, color, material, size, x, y):
    return Thing(number, shape, color, size, material, x, y, SIZES[size])


SCENE = Scene(
    7,
    (
        thing(0, "cube", "red", "metal", "large", 0.15, 0.2),
        thing(1, "cube", "red", "wood", "small", 0.5, 0.5),
        thing(2, "cube", "blue", "metal", "small", 0.85, 0.2),
    ),
    "desk",
    -60,
)
RENDERED = render(SCENE, 512)
PICTURE = f"pic_{decode(RENDERED.image).sha256[:12]}"
RED = call("find_objects", image="img_1", phrase="red cube")
BLUE = call("find_objects", image="img_1", phrase="blue cube")


def truth():
    return TrueExperts({PICTURE: (SCENE, RENDERED.boxes.astype(float), RENDERED.masks)}.__getitem__)


class Broken:
    """Experts of which none can be loaded."""

    def ask(self, role, requests):
        raise ExpertFailed(f"The {role} ran out of memory; set SACCADE_DEVICE=cpu.", kind="out_of_memory")


@pytest.fixture
def agents(tmp_path):
    made = []

    def make(script, **options):
        options.setdefault("experts", truth())
        controller = ScriptedController(script)
        agent = Agent(
            controller=controller, home=tmp_path / "home", settings=Settings(**options.pop("set", {})), **options
        )
        made.append(agent)
        return agent

    yield make
    for agent in made:
        agent.close()


def messages_of(agent, chat):
    return agent.runtime.controller.graph.get_state({"configurable": {"thread_id": chat.id}}).values["messages"]


def test_a_question_is_answered_with_its_evidence(agents):
    agent = agents([calls(RED, thought="I look for red cubes."), "There are 2 red cubes: reg_1, reg_2."])
    chat = agent.chat(user="ann")
    reply = chat.send("How many red cubes are there?", images=[RENDERED.image])
    assert reply.text == "There are 2 red cubes: reg_1, reg_2."
    assert [region.handle for region in reply.regions] == ["reg_1", "reg_2"]
    assert {tuple(region.box) for region in reply.regions} == {tuple(RENDERED.boxes[0]), tuple(RENDERED.boxes[1])}
    assert reply.images == ()
    (step,) = reply.steps
    assert (step.thought, step.tool, step.arguments, step.ok) == (
        "I look for red cubes.",
        "find_objects",
        {"image": "img_1", "phrase": "red cube"},
        True,
    )
    assert step.observation.startswith("2 found in img_1 (512 x 512 px)")
    with Image.open(reply.evidence) as evidence:
        assert evidence.size == (768, 768)
        assert (
            np.abs(np.asarray(evidence, dtype=int) - np.asarray(RENDERED.image.resize(evidence.size), dtype=int)).max()
            > 100
        )


def test_the_controller_reads_the_pictures_by_handle_and_never_sees_pixels(agents):
    agent = agents(["Hello.", "Again."])
    chat = agent.chat()
    chat.send("Look", images=[RENDERED.image, Image.new("RGB", (64, 48), "red")])
    chat.send("And the first?", images=RENDERED.image)
    asked = [message.content for message in agent.model.seen[-1] if isinstance(message, HumanMessage)]
    assert asked == [
        "Pictures: img_1 (512 x 512 px), img_2 (64 x 48 px).\nLook",
        "Pictures: img_1 (512 x 512 px).\nAnd the first?",
    ]


def test_a_follow_up_goes_on_with_earlier_handles(agents):
    script = [
        RED,
        "There are 2: reg_1, reg_2.",
        call("segment_objects", regions=["reg_1"]),
        call("crop_image", image="reg_1", background="transparent"),
        "Here it is: img_2 (from reg_1).",
    ]
    chat = agents(script).chat()
    chat.send("How many red cubes?", images=[RENDERED.image])
    reply = chat.send("Cut out the first one")
    (made,) = reply.images
    assert (made.handle, made.kind) == ("img_2", "cutout")
    with Image.open(made.path) as image:
        assert image.mode == "RGBA"
    assert [(region.handle, region.mask is not None) for region in reply.regions] == [("reg_1", True)]
    assert [step.tool for step in reply.steps] == ["segment_objects", "crop_image"]
    assert chat.history == [
        ("user", "How many red cubes?"),
        ("agent", "There are 2: reg_1, reg_2."),
        ("user", "Cut out the first one"),
        ("agent", "Here it is: img_2 (from reg_1)."),
    ]


def test_the_reply_as_json_is_the_contract(agents):
    reply = agents([RED, "reg_1"]).chat().send("Red?", images=[RENDERED.image]).to_json()
    assert set(reply) == {"status", "text", "images", "regions", "evidence", "steps", "chat", "warnings"}
    assert set(reply["regions"][0]) == {"handle", "id", "image", "box", "label", "score", "mask"}
    assert reply["regions"][0]["image"] == "img_1"
    assert set(reply["steps"][0]) == {"thought", "tool", "arguments", "observation", "seconds", "ok"}


def test_only_handles_that_exist_are_cited(agents):
    made_up = "reg_2, reg_77, xreg_1, reg_10 and reg_2."
    reply = agents([RED, made_up, made_up]).chat().send("Red?", images=[RENDERED.image])
    assert [region.handle for region in reply.regions] == ["reg_2"]
    assert reply.text.endswith("(Not borne out by what I observed: reg_77, reg_10.)")


class Slow:
    """True experts of which the first question takes longest, so that parallel calls end out of order."""

    def __init__(self):
        self.experts, self.second = truth(), threading.Event()

    def ask(self, role, requests):
        answers = self.experts.ask(role, requests)
        if role == "clip" and any("red cube" in getattr(one, "phrases", ()) for one in requests):
            assert self.second.wait(20), "the second call never got its turn: calls do not run in parallel"
        if role == "clip" and any("blue cube" in getattr(one, "phrases", ()) for one in requests):
            self.second.set()
        return answers


def test_parallel_calls_get_their_handles_in_the_order_they_were_written(agents):
    agent = agents([[RED, BLUE], call("calculate", expression="2 - 1"), "1 more: reg_1, reg_2, reg_3."], experts=Slow())
    reply = agent.chat().send("How many more red than blue?", images=[RENDERED.image])
    assert [region.label for region in reply.regions] == ["red cube", "red cube", "blue cube"]
    assert [step.arguments.get("phrase") for step in reply.steps] == ["red cube", "blue cube", None]
    assert reply.steps[2].observation == "2 - 1 = 1"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (call("find_objects", image="img_9", phrase="cube"), "img_1"),
        (call("find_objects", image="img_1", phrase="cube", colour="red"), "colour"),
        (call("find_object", image="img_1"), "find_objects"),
        (call("find_objects", image="picture"), "not a handle"),
        (call("segment_objects", regions=["reg_5"]), "reg_5"),
        (call("calculate", expression="__import__('os')"), "not arithmetic"),
    ],
)
def test_a_wrong_call_is_answered_so_that_the_controller_can_mend_it(agents, wrong, said):
    agent = agents([wrong, RED, "There are 2."])
    reply = agent.chat().send("Red?", images=[RENDERED.image])
    assert [step.ok for step in reply.steps] == [False, True]
    assert said in reply.steps[0].observation
    assert reply.text == "There are 2."
    assert reply.warnings == ()


def test_a_failing_expert_is_an_observation_and_a_warning(agents):
    agent = agents([RED, "I could not look."], experts=Broken())
    reply = agent.chat().send("Red?", images=[RENDERED.image])
    assert not reply.steps[0].ok
    assert "set SACCADE_DEVICE=cpu" in reply.steps[0].observation
    assert reply.warnings == (reply.steps[0].observation,)


def test_a_fault_of_ours_stays_a_traceback_and_the_conversation_goes_on(agents):
    class Faulty:
        def ask(self, role, requests):
            raise ZeroDivisionError("ours")

    agent = agents([RED, "And now it works."], experts=Faulty())
    chat = agent.chat()
    with pytest.raises(ZeroDivisionError, match="ours"):
        chat.send("Red?", images=[RENDERED.image])
    assert chat.send("Hello?").text == "And now it works."
    assert_every_call_is_answered(messages_of(agent, chat))


def assert_every_call_is_answered(messages):
    waiting = []
    for message in messages:
        if waiting:
            assert message.type == "tool", f"{waiting} were not answered before {message!r}"
            waiting.remove(message.tool_call_id)
        else:
            assert message.type != "tool"
            waiting = [one["id"] for one in getattr(message, "tool_calls", [])]
    assert not waiting


def test_at_the_step_limit_the_controller_must_answer_without_tools(agents):
    turns = iter("1234")
    agent = agents(
        [*[lambda _: call("calculate", expression=next(turns))] * 3, "I only know part of it."], set={"max_steps": 3}
    )
    reply = agent.chat().send("Think")
    assert reply.text == "I only know part of it."
    assert len(reply.steps) == 3
    assert [bool(offered) for offered in agent.model.offered] == [True, True, True, False]


def test_a_controller_that_never_stops_is_stopped(agents):
    agent = agents(lambda messages: call("calculate", expression=str(len(messages))), set={"max_steps": 4})
    reply = agent.chat().send("Think")
    assert len(reply.steps) == 4
    assert "stopped after 4 steps" in reply.text


def test_steps_that_no_longer_fit_into_the_controller_end_the_turn_and_not_the_conversation(agents):
    def say(messages):
        if any(message.type == "tool" for message in messages) or len(messages) > 5:
            raise UserError("too long", kind="context_too_long")
        return call("calculate", expression="1 + 1")

    chat = agents(say).chat()
    reply = chat.send("Think")
    assert [step.ok for step in reply.steps] == [True]
    assert "I stopped after 1 steps without an answer" in reply.text
    with pytest.raises(UserError, match="too long"):  # a request that alone does not fit is told as such
        chat.send("Think again")


def test_the_limit_counts_each_turn_by_itself(agents):
    agent = agents(
        [call("calculate", expression="1"), "a", call("calculate", expression="1"), "b"], set={"max_steps": 1}
    )
    chat = agent.chat()
    assert [chat.send("x").text, chat.send("y").text] == ["a", "b"]


def test_the_very_same_call_is_not_made_for_ever(agents):
    agent = agents([RED, RED, RED, "There are 2: reg_1."], set={"max_repeats": 2})
    reply = agent.chat().send("Red?", images=[RENDERED.image])
    assert [step.ok for step in reply.steps] == [True, True, False]
    assert "already made 2 times" in reply.steps[2].observation


def test_the_very_same_call_counts_within_one_message_too(agents):
    one = call("calculate", expression="1 + 1")
    reply = agents([[one, one, one], "2"], set={"max_repeats": 2}).chat().send("1 + 1?")
    assert [step.ok for step in reply.steps] == [True, True, False]


@pytest.mark.parametrize("text", ["", "  \n "])
def test_an_empty_request_is_refused_and_nothing_is_written(agents, tmp_path, text):
    with pytest.raises(UserError, match="empty") as caught:
        agents(["a"]).chat().send(text, images=[RENDERED.image])
    assert caught.value.kind == "empty_request"
    assert not (tmp_path / "home").exists()


def test_pictures_are_taken_in_all_or_none(agents, tmp_path):
    agent = agents(["a", "b"])
    (tmp_path / "text.png").write_text("no picture")
    chat = agent.chat()
    with pytest.raises(UserError, match=r"text\.png"):
        chat.send("Look", images=[RENDERED.image, tmp_path / "text.png"])
    chat.send("Look", images=[Image.new("RGB", (8, 8))])
    assert chat.history == [("user", "Look"), ("agent", "a")]
    assert agent.model.seen[0][-1].content.startswith("Pictures: img_1 (8 x 8 px).")


def test_two_users_do_not_see_each_other(agents):
    agent = agents([RED, "a", call("find_objects", image="img_1"), "b"])
    ann, bob = agent.chat(user="ann"), agent.chat(user="bob")
    ann.send("Red?", images=[RENDERED.image])
    reply = bob.send("And mine?")
    assert not reply.steps[0].ok
    assert agent.model.seen[-1][-1].type == "tool"
    assert bob.history == [("user", "And mine?"), ("agent", "b")]
    with pytest.raises(UserError, match="no conversation") as caught:
        agent.chat(user="bob", id=ann.id)
    assert caught.value.kind == "unknown_chat"
    assert agent.chat(id=ann.id).user == "ann"


def test_an_unknown_conversation_is_refused(agents):
    with pytest.raises(UserError, match="chat_000000000000"):
        agents([]).chat(id="chat_000000000000")


def test_a_conversation_is_gone_on_with_by_its_id(agents):
    first = agents([RED, "There are 2: reg_1, reg_2."])
    chat = first.chat(user="ann")
    chat.send("Red?", images=[RENDERED.image])
    first.close()
    second = agents([call("crop_image", image="reg_2"), "Here: img_2, from reg_2."])
    reply = second.chat(id=chat.id).send("Crop the second one")
    assert [picture.handle for picture in reply.images] == ["img_2"]
    assert len(messages_of(second, chat)) == 8


def bytes_of(home):
    with sqlite3.connect(home / "chats.sqlite") as db:
        kept = db.execute("SELECT sum(length(checkpoint) + length(metadata)) FROM checkpoints").fetchone()[0]
        return kept + db.execute("SELECT sum(length(value)) FROM writes").fetchone()[0]


def test_checkpoints_do_not_grow_with_the_picture(tmp_path):
    sizes = []
    for side in (100, 900):
        image = Image.effect_noise((side, side), 90).convert("RGB")
        home = tmp_path / str(side)
        script = [call("crop_image", image="img_1", margin=0), "Here."]
        with Agent(controller=ScriptedController(script), home=home, experts=truth()) as agent:
            agent.chat().send("Crop", images=[image])
        sizes.append(bytes_of(home))
    assert abs(sizes[0] - sizes[1]) < 64  # ids and times differ in length by a few bytes
    assert sizes[1] < 40_000


def test_a_controller_that_can_see_is_shown_small_pictures_that_are_not_kept(agents):
    agent = agents([RED, "I cannot."], set={"sees": True})
    chat = agent.chat()
    chat.send("Red?", images=[Image.effect_noise((1600, 1200), 50).convert("RGB")])
    for asked in agent.model.seen:
        blocks = asked[-1].content
        assert asked[-1].type == "human"
        assert [block["type"] for block in blocks] == ["text", "text", "image_url"]
        assert len(blocks[2]["image_url"]["url"]) < 400_000
    assert all(isinstance(message.content, str) for message in messages_of(agent, chat))


def test_out_gets_copies_of_what_the_reply_shows(agents, tmp_path):
    agent = agents([RED, call("crop_image", image="reg_1"), "Here: img_2 from reg_1."])
    reply = agent.chat(out=tmp_path / "out").send("Crop", images=[RENDERED.image])
    assert reply.images[0].path == tmp_path / "out" / "img_2.png"
    assert reply.images[0].path.is_file()
    assert reply.evidence.parent == tmp_path / "out"


def test_conversations_that_share_a_folder_for_results_leave_each_others_alone(agents, tmp_path):
    agent = agents([RED, call("crop_image", image="reg_1"), "A: img_2 from reg_1."] * 2)
    first = agent.chat(out=tmp_path / "out").send("Crop", images=[RENDERED.image])
    kept = first.images[0].path.read_bytes(), first.evidence.read_bytes()
    other = RENDERED.image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    agent.experts.lookup = lambda _: (SCENE, RENDERED.boxes.astype(float), RENDERED.masks)
    second = agent.chat(out=tmp_path / "out").send("Crop", images=[other])
    assert second.images[0].path == tmp_path / "out" / "img_2-2.png"
    assert (first.images[0].path.read_bytes(), first.evidence.read_bytes()) == kept
    assert len(list((tmp_path / "out").iterdir())) == 4


def test_paths_in_a_reply_are_absolute_though_the_home_was_given_relatively(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Agent(controller=ScriptedController([RED, "reg_1."]), home="home", experts=truth()) as agent:
        reply = agent.chat().send("Where?", images=[RENDERED.image])
    assert reply.evidence.is_relative_to(tmp_path / "home")


@pytest.mark.parametrize("text", [None, 7, b"How many?"])
def test_a_request_that_is_no_text_is_refused(agents, tmp_path, text):
    with pytest.raises(UserError, match=type(text).__name__) as caught:
        agents(["a"]).chat().send(text)
    assert caught.value.kind == "bad_request"
    assert not (tmp_path / "home").exists()


def test_pictures_may_come_from_a_generator_or_not_at_all(agents):
    chat = agents(["a", "b"]).chat()
    chat.send("Look", images=(Image.new("RGB", (n, 8)) for n in (8, 9)))
    assert chat.send("Look", images=None).text == "b"
    assert [chat._workspace.picture(f"img_{n}").width for n in (1, 2)] == [8, 9]
