"""A process that is killed in the middle of a turn loses nothing that was acknowledged."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage

from saccade import Agent
from saccade.agent.controllers.scripted import ScriptedController, call, calls


@pytest.fixture(autouse=True)
def remembers_nothing(monkeypatch):
    """These tests are about turns; what is remembered afterwards would only load models."""
    monkeypatch.setenv("SACCADE_REMEMBER", "0")


CHILD = """
import sys
import numpy as np
import supervision as sv
from PIL import Image
from saccade import Agent
from saccade.agent.controllers.scripted import ScriptedController, call, calls

class Experts:
    def ask(self, role, requests):
        return [self.answer(type(request).__name__) for request in requests]

    def answer(self, kind):
        if kind == "Detect":
            boxes = np.array([[2, 3, 20, 20], [21, 5, 39, 28]], dtype=np.float32)
            data = {"class_name": np.array(["cube", "ball"])}
            return sv.Detections(boxes, confidence=np.array([0.9, 0.8]), class_id=np.arange(2), data=data)
        return np.array([0.9]) if kind == "Match" else 0.9

def plan(messages):
    turn = sum(message.type == "human" for message in messages)
    at = len(messages) - 1 - max(place for place, message in enumerate(messages) if message.type == "human")
    if at == 0:
        picture = f"img_{2 * turn - 1}"
        return calls(call("find_objects", image=picture), call("calculate", expression=f"{turn} + 1"), thought="Two.")
    if at == 3:
        return call("crop_image", image=f"reg_{2 * turn}")
    return f"Done with {turn}: reg_{2 * turn}."

agent = Agent(controller=ScriptedController(plan), experts=Experts(), home=sys.argv[1])
chat = agent.chat(user="ann", id=sys.argv[2] if len(sys.argv) > 2 else None)
number = len([1 for who, _ in chat.history if who == "user"])
print("chat", chat.id, flush=True)
while True:
    image = Image.effect_noise((40 + number, 30), 80).convert("RGB")
    print("sent", number, flush=True)
    reply = chat.send(f"Request {number}", images=[image])
    print("acknowledged", number, "|", reply.text, flush=True)
    number += 1
"""


def run_and_kill(home, chat, after):
    """Start the child, kill it `after` seconds after its first request was sent; what it said."""
    command = [sys.executable, "-c", CHILD, str(home), *([chat] if chat else [])]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    lines = []
    while not lines or not lines[-1].startswith("sent"):
        line = child.stdout.readline()
        assert line, "the child died by itself"
        lines.append(line.strip())
    time.sleep(after)
    child.send_signal(signal.SIGKILL)
    lines += [line.strip() for line in child.stdout.read().splitlines()]
    child.wait()
    child.stdout.close()
    return lines


def messages_of(agent, chat):
    return agent.runtime.controller.graph.get_state({"configurable": {"thread_id": chat.id}}).values.get("messages", [])


def assert_whole(messages):
    """Every call is answered at once and once, and every turn ends with an answer."""
    waiting = []
    for message in messages:
        if message.type == "tool":
            assert message.tool_call_id in waiting
            waiting.remove(message.tool_call_id)
        else:
            assert not waiting, f"{waiting} have no answer"
            waiting = [one["id"] for one in getattr(message, "tool_calls", [])]
    assert not waiting
    assert not messages or (isinstance(messages[-1], AIMessage) and not messages[-1].tool_calls)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
def test_killed_at_random_moments_nothing_acknowledged_is_lost(tmp_path):
    rng = random.Random(3)
    chat_id, acknowledged = None, {}
    kills = int(os.environ.get("SACCADE_TEST_KILLS", "5"))
    for killed in range(kills + 40):  # more, on a busy machine, until something was acknowledged to be lost
        if killed >= kills and len(acknowledged) > 1:
            break
        lines = run_and_kill(tmp_path, chat_id, rng.uniform(0.0, 0.25))
        chat_id = chat_id or lines[0].split()[1]
        for line in lines:
            if line.startswith("acknowledged"):
                head, _, text = line.partition(" | ")
                acknowledged[f"Request {head.split()[1]}"] = text
        with Agent(controller=ScriptedController(lambda messages: "Gone on."), home=tmp_path) as agent:
            if not acknowledged and not agent.store.ledger.read("SELECT id FROM chats WHERE id = ?", (chat_id,)):
                chat_id = None  # killed before anything of the first turn was written
                continue
            chat = agent.chat(id=chat_id)
            chat.resume()
            messages = messages_of(agent, chat)
            assert_whole(messages)
            said = {}
            for who, text in chat.history:
                if who == "user":
                    asked = text
                    assert asked not in said
                else:
                    said[asked] = text
            for request, text in acknowledged.items():
                assert said[request] == text
            for message in messages:
                for one in getattr(message, "tool_calls", []):
                    assert agent.chat(id=chat_id)._workspace.call(one["id"]) is not None
    assert len(acknowledged) > 1


def crash_in(home, script, images=()):
    """A turn that ends in the middle as a killed process would leave it; the conversation's id."""
    agent = Agent(controller=ScriptedController(script), home=home)
    chat = agent.chat(user="ann")
    chat._close_turn = lambda: None  # a dead process closes nothing
    with pytest.raises(RuntimeError, match="killed"):
        chat.send("Work", images=images)
    agent.close()
    return chat.id


def die(messages):
    raise RuntimeError("killed")


ADD = [calls(call("calculate", expression="1 + 1"), call("calculate", expression="2 + 2"))]


def test_the_next_send_first_finishes_the_turn_that_was_cut_off(tmp_path):
    id = crash_in(tmp_path, [*ADD, die])
    with Agent(controller=ScriptedController(["2 and 4.", "Hello."]), home=tmp_path) as agent:
        chat = agent.chat(id=id)
        assert chat.send("Hello?").text == "Hello."
        assert chat.history == [("user", "Work"), ("agent", "2 and 4."), ("user", "Hello?"), ("agent", "Hello.")]
        assert_whole(messages_of(agent, chat))


def test_resume_gives_the_reply_of_the_turn_that_was_cut_off(tmp_path):
    id = crash_in(tmp_path, [*ADD, die])
    with Agent(controller=ScriptedController(["2 and 4."]), home=tmp_path) as agent:
        chat = agent.chat(id=id)
        reply = chat.resume()
        assert reply.text == "2 and 4."
        assert [step.observation for step in reply.steps] == ["1 + 1 = 2", "2 + 2 = 4"]
        assert chat.resume() is None


def test_a_turn_cut_off_before_its_calls_is_gone_on_with(tmp_path, monkeypatch):
    from saccade.tools.runner import ToolRunner

    def killed(self, *arguments):
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(ToolRunner, "run", killed)
        id = crash_in(tmp_path, ADD)
    with Agent(controller=ScriptedController(["2 and 4."]), home=tmp_path) as agent:
        reply = agent.chat(id=id).resume()
        assert [step.observation for step in reply.steps] == ["1 + 1 = 2", "2 + 2 = 4"]


def test_a_call_that_was_recorded_before_the_crash_is_not_done_twice(tmp_path, monkeypatch):
    from PIL import Image

    from saccade.tools.runner import ToolRunner

    run = ToolRunner.run

    def killed_after(self, *arguments):
        run(self, *arguments)
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(ToolRunner, "run", killed_after)
        id = crash_in(tmp_path, [call("crop_image", image="img_1", margin=0)], [Image.effect_noise((30, 30), 60)])
    with Agent(controller=ScriptedController(["Here."]), home=tmp_path) as agent:
        chat = agent.chat(id=id)
        reply = chat.resume()
        assert len(reply.images) <= 1
        assert len(chat._workspace.calls()) == 1


def test_a_turn_that_cannot_be_finished_is_closed(tmp_path):
    id = crash_in(tmp_path, [*ADD, die])
    with Agent(controller=ScriptedController([die, "Hello."]), home=tmp_path) as agent:
        chat = agent.chat(id=id)
        assert chat.send("Hello?").text == "Hello."
        messages = messages_of(agent, chat)
        assert_whole(messages)
        assert [message.text for message in messages if message.type == "tool"] == ["1 + 1 = 2", "2 + 2 = 4"]


def go_on(messages):
    """Answer the last request."""
    asked = [message.text for message in messages if message.type == "human"][-1]
    return "Hello." if asked == "Hello?" else "Gone on."


@pytest.mark.parametrize("end", ["finish", "close"])
def test_from_every_state_that_a_crash_can_leave_the_conversation_goes_on(tmp_path, end):
    home, left, lock = tmp_path / "home", [], threading.Lock()
    script = [*ADD, "2 and 4.", call("calculate", expression="3"), "3."]
    with Agent(controller=ScriptedController(script), home=home) as agent:
        chat = agent.chat(user="ann")
        saver = agent.chats.checkpointer()
        agent.runtime.controller.graph  # noqa: B018  (made before the checkpointer is watched)

        def watched(write):
            def leave(*arguments, **named):
                with lock:
                    left.append(Path(shutil.copytree(home, tmp_path / str(len(left)))))
                return write(*arguments, **named)

            return leave

        for name in ("put", "put_writes"):
            setattr(saver, name, watched(getattr(saver, name)))
        assert [chat.send("First").text, chat.send("Second").text] == ["2 and 4.", "3."]
    assert len(left) > 12
    for state in left:
        with Agent(controller=ScriptedController(go_on), home=state) as agent:
            again = agent.chat(id=chat.id)
            again.resume() if end == "finish" else again._close_turn()
            assert_whole(messages_of(agent, again))
            assert again.send("Hello?").text == "Hello."
            messages = messages_of(agent, again)
            assert_whole(messages)
            asked = [text for who, text in again.history if who == "user"]
            assert asked in (["Hello?"], ["First", "Hello?"], ["First", "Second", "Hello?"])
            if len(asked) == 3:
                assert again.history[1] == ("agent", "2 and 4.")


def test_a_running_turn_of_another_process_is_waited_for_and_not_finished_twice(tmp_path):
    child = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    chat_id = child.stdout.readline().strip()
    assert child.stdout.readline().strip() == "in the middle"
    with Agent(controller=ScriptedController(["Mine."]), home=tmp_path) as agent:
        chat = agent.chat(id=chat_id)
        assert chat.send("Second?").text == "Mine."
        assert chat.history[-4:] == [("user", "Slow"), ("agent", "Slowly."), ("user", "Second?"), ("agent", "Mine.")]
    assert child.wait() == 0
    child.stdout.close()


SLOW = """
import sys, time
from saccade import Agent
from saccade.agent.controllers.scripted import ScriptedController


def slowly(messages):
    print("in the middle", flush=True)
    time.sleep(0.7)
    return "Slowly."

chat = Agent(controller=ScriptedController(["First.", slowly]), home=sys.argv[1]).chat()
chat.send("First")
print(chat.id, flush=True)
chat.send("Slow")
"""
