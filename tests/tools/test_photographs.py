"""A photograph shown to the bundled profile: the agent says that its models do not know it, and what to do."""

from pathlib import Path

import pytest
import skimage

from saccade import Agent

DATA = Path(skimage.__file__).parent / "data"
ASKED = [
    ("astronaut.png", "How many balls are there?"),
    ("chelsea.png", "Cut out the cat"),
    ("coffee.png", "What colour is the mug?"),
    ("rocket.jpg", "Where is the rocket?"),
    ("motorcycle_left.png", "Is there a red car?"),
    ("camera.png", "What is in the picture?"),
    ("page.png", "How many stars do you see?"),
]


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    with Agent(home=tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.mark.parametrize(("name", "request_"), ASKED, ids=[name for name, _ in ASKED])
def test_nothing_is_made_up_and_the_mend_is_named(agent, name, request_):
    reply = agent.chat().send(request_, [DATA / name])
    assert "saccade models fetch gpu" in reply.text
    assert "--profile gpu" in reply.text
    assert reply.regions == ()
    assert reply.images == ()
    assert reply.evidence is None
    assert reply.warnings
