"""Turns that are followed, left, cancelled or interrupted, and turns that are sent at the same time."""

from __future__ import annotations

import asyncio
import threading

import pytest

from saccade import Agent, UserError
from saccade.agent.controllers.scripted import ScriptedController, call, calls
from saccade.agent.events import Loading, ReplyReady, StepFinished, StepStarted, TextDelta
from saccade.settings import Settings


@pytest.fixture(autouse=True)
def remembers_nothing(monkeypatch):
    """These tests are about turns; what is remembered afterwards would only load models."""
    monkeypatch.setenv("SACCADE_REMEMBER", "0")


ONE = call("calculate", expression="1 + 1")
TWO = call("calculate", expression="2 + 2")


@pytest.fixture
def agents(tmp_path):
    made = []

    def make(script, **settings):
        agent = Agent(controller=ScriptedController(script), home=tmp_path / "home", settings=Settings(**settings))
        made.append(agent)
        return agent

    yield make
    for agent in made:
        agent.close()


def messages_of(agent, chat):
    return agent.runtime.controller.graph.get_state({"configurable": {"thread_id": chat.id}}).values["messages"]


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


def test_a_stream_tells_the_turn_as_it_happens(agents):
    agent = agents([calls(ONE, thought="I look."), "It is 2, they say."])
    chat = agent.chat()
    events = list(chat.stream("1 + 1?"))
    kinds = [type(event) for event in events if not isinstance(event, TextDelta)]
    assert kinds == [StepStarted, StepFinished, ReplyReady]
    started, finished, ready = (event for event in events if not isinstance(event, TextDelta))
    assert (started.thought, started.tool, started.call) == ("I look.", "calculate", finished.call)
    assert finished.step == ready.reply.steps[0]
    at = events.index(started)
    assert "".join(event.text for event in events[:at]) == "I look."
    words = [event.text for event in events[at + 2 : -1]]
    assert "".join(words) == ready.reply.text
    assert len(words) > 3


def test_a_stream_raises_what_send_raises(agents):
    with pytest.raises(UserError, match="empty"):
        list(agents([]).chat().stream(" "))


def test_astream_gives_the_same_events(agents):
    agent = agents([ONE, "It is 2, they say."])

    async def follow():
        return [event async for event in agent.chat().astream("1 + 1?")]

    events = asyncio.run(follow())
    assert isinstance(events[-1], ReplyReady)
    assert events[-1].reply.text == "It is 2, they say."
    assert any(isinstance(event, StepFinished) for event in events)


def test_leaving_a_stream_early_cancels_the_turn_and_nothing_hangs(agents):
    agent = agents([ONE, TWO, "never said", "A new answer."])
    chat = agent.chat()
    for event in chat.stream("1 + 1?"):
        if isinstance(event, StepStarted):
            break
    messages = messages_of(agent, chat)
    assert_every_call_is_answered(messages)
    assert messages[0].text.endswith("1 + 1?")
    assert messages[-1].type == "ai"
    assert agent.model.played < 3
    agent.model._played = 3  # the script's last entry
    assert chat.send("Hello?").text == "A new answer."


def test_cancelling_astream_cancels_the_turn(agents):
    agent = agents(lambda messages: call("calculate", expression=f"{len(messages)}"), max_steps=2000)
    chat = agent.chat()

    async def follow():
        async for event in chat.astream("Count"):
            if isinstance(event, StepFinished):
                await asyncio.sleep(3600)

    async def main():
        task = asyncio.create_task(follow())
        await asyncio.sleep(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert_every_call_is_answered(messages_of(agent, chat))


def test_a_keyboard_interrupt_leaves_a_conversation_that_can_go_on(agents):
    def interrupt(messages):
        raise KeyboardInterrupt

    agent = agents([ONE, interrupt, "Here I am."])
    chat = agent.chat()
    with pytest.raises(KeyboardInterrupt):
        chat.send("1 + 1?")
    assert chat.send("Hello?").text == "Here I am."
    assert_every_call_is_answered(messages_of(agent, chat))


def test_turns_of_one_conversation_wait_for_each_other(agents):
    agent = agents(lambda messages: "ok" if messages[-1].type == "tool" else call("calculate", expression="1"))
    one = agent.chat()
    one.send("0")
    chats = [one, agent.chat(id=one.id)]
    threads = [threading.Thread(target=chats[number % 2].send, args=(str(number),)) for number in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    messages = messages_of(agent, one)
    assert_every_call_is_answered(messages)
    assert sorted(text for who, text in one.history if who == "user") == [str(number) for number in range(7)]
    assert [message.type for message in messages] == ["human", "ai", "tool", "ai"] * 7


def test_loading_is_told(tmp_path):
    class Late(ScriptedController):
        spec: str = "zoo:late"
        ready: bool = False

    agent = Agent(controller=Late(["Hi."]), home=tmp_path)
    with agent:
        events = list(agent.chat().stream("Hello"))
    assert events[0] == Loading("controller zoo:late")
