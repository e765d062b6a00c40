"""What conversations meet is remembered by itself, after the turn, whatever is killed when."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

from saccade import Agent
from saccade.agent.controllers.scripted import ScriptedController, call, calls
from saccade.errors import ExpertFailed
from saccade.memory.ledger.pending_turns import pending_turns
from saccade.memory.pictures.decode import decode
from saccade.memory.query import Query
from saccade.memory.records import LABELS_READ, RegionDraft, ToolResult
from saccade.memory.workspace import LedgerWorkspace
from saccade.scenes.render import render
from saccade.scenes.sample import sample_scene
from saccade.settings import Settings
from saccade.testing.experts import TrueExperts
from saccade.tools.requests import Describe, Embed, Said

SCENE = sample_scene(20_001, "test")
RENDERED = render(SCENE, 512)
PICTURE = f"pic_{decode(RENDERED.image).sha256[:12]}"
SHAPE = SCENE.things[0].shape
EVERYTHING = call("find_objects", image="img_1")
DIM = 128  # of zoo:clip


def direction(text):
    """A direction of its own for a text."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
    found = np.random.default_rng(seed).normal(size=DIM)
    return (found / np.linalg.norm(found)).astype(np.float32)


class Experts:
    """Experts that know the truth, and embed everything somewhere."""

    def __init__(self, failing=False):
        self.truth = TrueExperts({PICTURE: (SCENE, RENDERED.boxes.astype(float), RENDERED.masks)}.__getitem__)
        self.failing = failing
        self.wait = threading.Event()
        self.wait.set()
        self.embedded = 0

    def ask(self, role, requests):
        if isinstance(requests[0], Embed):
            self.wait.wait(20)
            if self.failing:
                raise ExpertFailed("The clip ran out of memory.", kind="out_of_memory")
            self.embedded += len(requests)
            return [direction(one.what if isinstance(one.what, str) else one.what.key) for one in requests]
        if isinstance(requests[0], Describe):
            return [Said("a picture with a zebra crossing") for _ in requests]
        return self.truth.ask(role, requests)


@pytest.fixture
def agents(tmp_path):
    made = []

    def make(script, experts=None, **changes):
        controller = ScriptedController(script)
        settings = Settings(**changes)
        agent = Agent(controller=controller, home=tmp_path / "home", settings=settings, experts=experts or Experts())
        made.append(agent)
        return agent

    yield make
    for agent in made:
        agent.close()


def test_pictures_and_regions_of_a_turn_are_remembered_after_it(agents):
    agent = agents([calls(EVERYTHING), "Those."])
    chat = agent.chat("ann")
    chat.send("What is there?", images=[RENDERED.image])
    assert agent.remembering.wait(20)
    assert agent.memory.count("ann") == {
        "pictures": 1,
        "regions": len(SCENE.things),
        "vectors": 1 + len(SCENE.things),
    }
    hits = agent.memory.recall("ann", Query(words=SHAPE, kind="region"))
    assert {hit.label for hit in hits} == {SHAPE}
    assert pending_turns(agent.store.ledger) == []
    assert agent.memory.count("ben")["pictures"] == 0


def test_the_words_in_a_picture_are_remembered_though_nobody_asked_for_them(agents):
    scene = next(
        one for one in (sample_scene(n, "test") for n in range(20_100, 20_200)) if any(t.word for t in one.things)
    )
    rendered = render(scene, 512)
    picture = f"pic_{decode(rendered.image).sha256[:12]}"
    experts = Experts()
    experts.truth = TrueExperts({picture: (scene, rendered.boxes.astype(float), rendered.masks)}.__getitem__)
    word = next(thing.word for thing in scene.things if thing.word)
    search = call("search_memory", words=f"the sign that says {word}")
    agent = agents(["Hello.", search, "That is img_1.", search, "I have seen one."], experts)
    agent.chat("ann").send("Look", images=[rendered.image])
    assert agent.remembering.wait(20)
    (hit, *_) = agent.memory.recall("ann", Query(words=f"Where did I see the sign that says {word}?"))
    assert (hit.id, hit.why) == (picture, f'says "{word}"')
    chat = agent.chat("ann")
    assert [one.id for one in chat.send("Where was that sign?").images] == [picture], "shown, for the answer names it"
    assert chat.send("But have you seen one?").images == ()


def test_the_reply_does_not_wait_for_it(agents):
    experts = Experts()
    experts.wait.clear()
    agent = agents(["Hello."], experts)
    reply = agent.chat("ann").send("Look", images=[RENDERED.image])
    assert reply.text == "Hello."
    assert len(pending_turns(agent.store.ledger)) == 1
    experts.wait.set()
    assert agent.remembering.wait(20)
    assert agent.memory.count("ann")["pictures"] == 1


def test_remember_0_turns_it_off(agents, monkeypatch):
    monkeypatch.setenv("SACCADE_REMEMBER", "0")
    experts = Experts()
    agent = agents([calls(EVERYTHING), "Those.", calls(call("remember_image", image="img_1")), "Done."], experts)
    chat = agent.chat("ann")
    chat.send("What is there?", images=[RENDERED.image])
    assert agent.remembering.wait(20)
    assert (experts.embedded, agent.memory.count("ann")["pictures"], pending_turns(agent.store.ledger)) == (0, 0, [])
    chat.send("Remember it")  # what is asked for is done all the same
    assert agent.memory.count("ann")["pictures"] == 1


def test_a_turn_of_words_alone_leaves_nothing_to_do(agents):
    experts = Experts()
    agent = agents(["Hello."], experts)
    agent.chat("ann").send("Good day")
    assert pending_turns(agent.store.ledger) == []
    assert "memory" not in vars(agent)  # nothing was opened for it


def test_what_cannot_be_embedded_now_is_remembered_at_the_next_open(agents, caplog):
    agent = agents(["Hello."], Experts(failing=True))
    agent.chat("ann").send("Look", images=[RENDERED.image])
    assert agent.remembering.wait(20)
    assert "not remembered yet" in caplog.text
    assert len(pending_turns(agent.store.ledger)) == 1
    agent.close()
    later = agents(["Hello again."])
    assert later.remembering.catch_up("ann") == 1
    assert later.memory.count("ann")["pictures"] == 1


def test_the_next_turn_catches_up_with_earlier_conversations(agents):
    agent = agents(["Hello."], Experts(failing=True))
    agent.chat("ann").send("Look", images=[RENDERED.image])
    agent.close()
    later = agents(["Hello again."])
    later.chat("ann").send("And this?", images=[render(sample_scene(20_002, "test"), 256).image])
    assert later.remembering.wait(20)
    assert later.memory.count("ann")["pictures"] == 2


KILLED = """
import os, sys
from saccade import Agent
from saccade.agent.controllers.scripted import ScriptedController
from saccade.scenes.render import render
from saccade.scenes.sample import sample_scene

class Dies:
    def ask(self, role, requests):
        os._exit(9)  # in the middle of embedding

agent = Agent(controller=ScriptedController(["Hello."]), home=sys.argv[1], experts=Dies())
print(agent.chat("ann").send("Look", images=[render(sample_scene(20_001, "test"), 512).image]).text, flush=True)
agent.close()
"""


def test_a_process_that_is_killed_while_it_remembers_loses_nothing(agents, tmp_path):
    script = tmp_path / "killed.py"
    script.write_text(textwrap.dedent(KILLED))
    done = subprocess.run([sys.executable, str(script), str(tmp_path / "home")], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (9, "Hello."), done.stderr
    agent = agents([])
    assert agent.memory.count("ann")["pictures"] == 0
    agent.remembering.catch_up()
    assert agent.memory.known("ann", [PICTURE]) == [PICTURE]


def test_captions_are_found_by_their_words(agents):
    agent = agents([calls(call("describe_image", image="img_1", detail="detailed")), "A crossing."])
    agent.chat("ann").send("What does it show?", images=[RENDERED.image])
    assert agent.remembering.wait(20)
    (hit,) = agent.memory.recall("ann", Query(words="zebra crossing", kind="picture"))
    assert (hit.id, hit.caption) == (PICTURE, "a picture with a zebra crossing")


def test_words_that_were_read_are_found_with_their_picture(agents):
    agent = agents([])
    workspace = LedgerWorkspace(agent.store, agent.chats.new_id(), "ann")
    _, (given,) = workspace.begin_turn([RENDERED.image], remember=True)
    drafts = [RegionDraft(given.id, (10, 10, 60, 30), word, 0.9) for word in ("KITE", "BOX")]
    drafts[1] = RegionDraft(given.id, (100, 10, 160, 30), "BOX", 0.9)
    found = ToolResult(drafts, facts={LABELS_READ: True})
    workspace.record("r", "read_text", {"image": "img_1"}, found, lambda _: "", turn=1)
    agent.remembering.catch_up("ann")
    (hit,) = agent.memory.recall("ann", Query(words="kite box", kind="picture"))
    assert (hit.id, hit.words) == (PICTURE, "KITE BOX")


def test_one_thing_under_two_labels_is_one_region(agents):
    labels = [f"{SCENE.things[0].color} {SHAPE}", SHAPE]
    script = [calls(*(call("find_objects", image="img_1", phrase=label) for label in labels)), "Found."]
    agent = agents(script)
    agent.chat("ann").send("Find it", images=[RENDERED.image])
    assert agent.remembering.wait(20)
    alike = sum(thing.shape == SHAPE for thing in SCENE.things)
    assert agent.memory.count("ann")["regions"] == alike
    hits = agent.memory.recall("ann", Query(words=labels[0], kind="region"))
    assert labels[0] in {hits[0].label, *hits[0].tags}


def test_an_agent_over_a_home_without_a_clip_still_answers(agents, tmp_path):
    profile = tmp_path / "mine.toml"
    profile.write_text('[models]\ncontroller = "zoo:controller-tiny"\n')
    agent = agents(["Hello."], profile=str(profile))
    assert agent.memory.embedder is None
    assert agent.chat("ann").send("Look", images=[RENDERED.image]).text == "Hello."
    assert agent.remembering.wait(20)
    assert agent.memory.known("ann", [PICTURE]) == [PICTURE]  # by its texts alone


def test_the_users_own_word_reaches_forget_image_through_the_loop(agents):
    forget = calls(call("forget_image", image="img_1"))
    script = [forget, "Shall I delete img_1 for good?", forget, "img_1 is forgotten."]
    agent = agents(script)
    chat = agent.chat("ann")
    first = chat.send("Forget this picture", images=[RENDERED.image])
    assert first.steps[0].observation.startswith("Not deleted: img_1")
    second = chat.send("Yes, please")
    assert second.steps[0].observation == "img_1 is forgotten."
    assert agent.remembering.wait(20)
    assert agent.memory.count("ann") == {"pictures": 0, "regions": 0, "vectors": 0}
    assert json.loads(json.dumps(second.to_json()))["steps"][0]["ok"]
