"""Saccade's tools in an agent that is not ours, and Saccade as a runnable."""

from __future__ import annotations

import asyncio

import pytest
from langchain.agents import create_agent
from langchain_core.messages import ToolMessage
from web_house import SCENE, png, scripted_agent

from saccade.agent.calls.desk import Desk
from saccade.connectors.langchain_tools import as_runnable, langchain_tools
from saccade.testing import ScriptedController, call


@pytest.fixture
def agents(tmp_path, opened):
    return lambda *script: opened(scripted_agent(tmp_path / "home", list(script)))


def test_the_tools_work_in_an_agent_of_anyone(agents):
    desk = Desk(agents())
    handle = desk.show([png()])[0].handle
    model = ScriptedController([
        call("find_objects", image=handle), call("find_objects", image="img_9"),
        call("crop_image", image="reg_1", background="keep"), "Cropped.",
    ])  # fmt: skip
    theirs = create_agent(model, langchain_tools(desk))
    said = theirs.invoke({"messages": [("user", "Crop the first thing")]})["messages"]
    found, wrong, cropped = (one for one in said if isinstance(one, ToolMessage))
    assert len(found.artifact["regions"]) == len(SCENE.things)
    assert (wrong.status, "img_9" in wrong.text) == ("error", True)
    assert cropped.artifact["pictures"] == ["img_2"]
    assert desk.image("img_2").startswith(b"\x89PNG")
    assert said[-1].text == "Cropped."


def test_the_agent_is_a_runnable(agents):
    run = as_runnable(agents(call("find_objects", image="img_1"), "I see reg_1.", "Hello again.", "Hello."))
    first = run.invoke({"text": "What is there?", "images": [png()]})
    assert first.text == "I see reg_1."
    again = run.invoke({"text": "Hi", "chat": first.chat})
    assert (again.text, again.chat) == ("Hello again.", first.chat)
    assert asyncio.run(run.ainvoke({"text": "Hi"})).text == "Hello."
