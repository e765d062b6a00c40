"""The bundled agent tells what an expert said, to the letter, however long it is."""

from __future__ import annotations

import pytest

from saccade import Agent
from saccade.agent.controllers.verbatim import parts_of, quotations
from saccade.scenes.render import render
from saccade.scenes.sample import sample_scene

CROWDED = 8_200_000


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    with Agent(home=tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.fixture(scope="module")
def crowds(tmp_path_factory):
    """Pictures of seven things and more."""
    folder = tmp_path_factory.mktemp("crowds")
    scenes = [scene for seed in range(40) if len((scene := sample_scene(CROWDED + seed, "test")).things) >= 7]
    for number, scene in enumerate(scenes[:3]):
        render(scene, 512).image.save(folder / f"{number}.png")
    return sorted(folder.iterdir())


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_long_description_is_told_as_it_was_given(agent, crowds, number):
    reply = agent.chat(user="ann").send("Describe the picture in detail.", images=[crowds[number]])
    assert [step.tool for step in reply.steps] == ["describe_image"]
    told = quotations([reply.steps[0].observation])
    assert len(told[0]) > 250
    assert quotations([reply.text]) == told


def test_what_differs_is_told_as_it_was_found(agent, crowds):
    reply = agent.chat(user="ann").send("What is the difference between these two?", images=crowds[:2])
    assert [step.tool for step in reply.steps] == ["compare_images"]
    told = parts_of(reply.steps[0].observation)
    assert len("".join(told)) > 200
    assert set(parts_of(reply.text)) <= set(told)
    assert reply.text.count("Only in") == 2
