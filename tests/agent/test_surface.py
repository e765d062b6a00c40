"""What people touch: how agents, chats and replies print, how a turn ended, and what is taken as a picture."""

from __future__ import annotations

import asyncio
import io
import json

import numpy as np
import pytest

from saccade import Agent, Reply, UserError
from saccade.scenes.render import render
from saccade.scenes.sample import sample_scene
from saccade.testing import ScriptedController, call
from saccade.testing.experts import TrueExperts

SCENE = sample_scene(5)
RENDERED = render(SCENE, 256)
FIND = call("find_objects", image="img_1")
FORGET = call("forget_image", image="img_1")


@pytest.fixture
def agents(tmp_path):
    made = []

    def make(*script, known=True):
        truth = (SCENE, RENDERED.boxes.astype(float), RENDERED.masks)
        experts = TrueExperts((lambda _: truth) if known else {}.__getitem__)
        made.append(Agent(controller=ScriptedController(list(script)), home=tmp_path / "home", experts=experts))
        return made[-1]

    yield make
    for agent in made:
        agent.close()


def test_agent_and_chat_print_on_one_line(agents, tmp_path):
    agent = agents("Hello.")
    chat = agent.chat(user="ann", id=None)
    assert repr(agent) == (
        f"Agent(profile='bundled', controller='ScriptedController', home={str(tmp_path / 'home')!r}, tools=17)"
    )
    assert repr(chat) == f"Chat(id={chat.id!r}, user='ann', turns=0)"
    chat.send("Hello")
    assert repr(chat).endswith("turns=1)")


def test_a_reply_prints_as_its_answer_with_the_paths_to_look_at(agents):
    reply = agents(FIND, "One of them: reg_1.").chat().send("Look", images=[RENDERED.image])
    assert str(reply) == f"One of them: reg_1.\nEvidence: {reply.evidence}"
    assert repr(reply) == "Reply('One of them: reg_1.', status='answered', steps=1, regions=1)"
    assert "\n" not in repr(Reply("a\nb" * 100))
    with pytest.raises(TypeError, match="unhashable"):
        hash(reply)


def test_a_notebook_shows_the_answer_and_its_evidence_and_nothing_that_it_says_is_markup(agents):
    reply = agents(FIND, "<b>reg_1</b>").chat().send("Look", images=[RENDERED.image])
    shown = reply._repr_html_()
    assert "&lt;b&gt;reg_1&lt;/b&gt;" in shown
    assert shown.count('<img src="data:image/png;base64,') == 1


ENDS = [
    (["You are welcome."], "answered"),
    (["There is one.", FIND, "There is one."], "answered"),
    (["There is one.", "There is one."], "failed"),
    (["I cannot do that. I can count things."], "declined"),
    (["Please send me a picture first."], "asked_back"),
    (["Which of them do you mean?"], "asked_back"),
    ([FIND, "I cannot find it in img_1."], "answered"),
    ([FORGET, "Shall I delete img_1 for good?"], "asked_back"),
    ([call("find_objects", image="img_9"), "There is none.", "There is none."], "failed"),
    ([""], "failed"),
]


@pytest.mark.parametrize(("script", "status"), ENDS)
def test_how_a_turn_ended_is_told_beside_the_words(agents, script, status):
    reply = agents(*script).chat().send("Please", images=[RENDERED.image])
    assert reply.status == status
    told = reply.to_json()
    assert list(told) == ["status", "text", "images", "regions", "evidence", "steps", "chat", "warnings"]
    assert (told["status"], told["warnings"]) == (status, list(reply.warnings))
    json.dumps(told)


def test_a_picture_that_no_model_knows_is_declined_with_a_warning(agents):
    reply = agents(FIND, "I do not know such pictures.", known=False).chat().send("Look", images=[RENDERED.image])
    assert reply.status == "declined"
    assert "saccade models fetch gpu" in reply.warnings[0]


def test_a_turn_that_runs_into_its_limit_failed(agents):
    agent = agents(*[call("calculate", expression=f"1 + {n}") for n in range(9)])
    assert agent.chat().send("Add").status == "failed"


def test_a_chat_can_be_awaited(agents):
    reply = asyncio.run(agents(FIND, "Here: reg_1.").chat().asend("Look", images=[RENDERED.image]))
    assert (reply.text, reply.status) == ("Here: reg_1.", "answered")


def test_one_picture_is_the_same_as_file_bytes_array_open_file_and_pillow_image(agents, tmp_path):
    path = tmp_path / "a.png"
    RENDERED.image.save(path)
    pixels = np.asarray(RENDERED.image)
    with path.open("rb") as file:
        given = [path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes()), file, pixels, RENDERED.image]
        chat = agents(*["Seen."] * len(given)).chat()
        for one in given:
            chat.send("Look", images=one)
    assert chat._workspace.handles() == ["img_1"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (np.zeros((8, 8, 3), float), r"shape \(8, 8, 3\) and the dtype float64"),
        (np.zeros((2, 8, 8, 3), np.uint8), r"shape \(2, 8, 8, 3\)"),
        (np.zeros((0, 8, 3), np.uint8), "give \\(height, width, 3\\) uint8"),
        (io.StringIO("text"), "open it for bytes"),
        (io.BytesIO(b""), "is empty"),
        (3, "A picture cannot be made of int"),
    ],
)
def test_what_is_no_picture_is_told_and_nothing_is_written(agents, tmp_path, wrong, words):
    with pytest.raises(UserError, match=words):
        agents("Seen.").chat().send("Look", images=[wrong])
    assert not (tmp_path / "home").exists()
