"""The bundled agent tells what an expert said, to the letter, however long it is."""

from __future__ import annotations

import pytest

from saccade import Agent
from saccade.agent.verbatim import quotations
from saccade.scenes.render import render
from saccade.scenes.sample import sample_scene

CROWDED = 8_200_000


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    with Agent(home=tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_long_description_is_told_as_it_was_given(agent, tmp_path, number):
    seeds = (seed for seed in range(CROWDED, CROWDED + 200) if len(sample_scene(seed, "test").things) >= 7)
    seed = next(seed for at, seed in enumerate(seeds) if at == number)
    render(sample_scene(seed, "test"), 512).image.save(tmp_path / "crowd.png")
    reply = agent.chat(user="ann").send("Describe the picture in detail.", images=[tmp_path / "crowd.png"])
    assert [step.tool for step in reply.steps] == ["describe_image"]
    told = quotations([reply.steps[0].observation])
    assert len(told[0]) > 250
    assert quotations([reply.text]) == told
