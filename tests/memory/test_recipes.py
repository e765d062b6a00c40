"""How a picture was made: asked of the ledger, and of the file that was handed out."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from web_house import RENDERED, SCENE

from saccade import Agent, UserError
from saccade.cli.program import main
from saccade.memory.recipes import recipe_in, recipe_of
from saccade.settings import Settings
from saccade.testing import ScriptedController, call
from saccade.testing.experts import TrueExperts


@pytest.fixture
def asked(tmp_path):
    """A conversation in which a picture was painted and one was edited, and the reply to each."""
    experts = TrueExperts(lambda _: (SCENE, RENDERED.boxes.astype(float), RENDERED.masks))
    experts.lookup = lambda picture: experts.painter.truths.get(picture) or (SCENE, RENDERED.boxes, RENDERED.masks)
    script = [call("generate_image", prompt="a red cube", tries=2), "Here it is: img_1.",
              call("edit_image", image="img_1", edits=[{"do": "greyscale"}]), "Here it is: img_2."]  # fmt: skip
    agent = Agent(controller=ScriptedController(script), settings=Settings(home=tmp_path / "home"), experts=experts)
    chat = agent.chat(user="ann", out=tmp_path / "out")
    yield agent, chat.send("Paint a red cube"), chat.send("Make it grey")
    agent.close()


def test_of_a_painted_picture(asked):
    agent, painted, _ = asked
    told = recipe_of(agent.store, painted.images[0].id, "ann")
    assert (told["kind"], told["tool"]) == ("generation", "generate_image")
    assert told["arguments"]["prompt"] == "a red cube"
    seen = told["facts"]["painted"]
    assert {"prompt", "seed", "steps", "guidance", "things", "weights", "versions"} <= set(seen)
    assert seen["versions"]["torch"]
    with pytest.raises(UserError, match="no picture"):
        recipe_of(agent.store, painted.images[0].id, "bob")


def test_of_an_edited_one_with_its_parent(asked):
    agent, painted, edited = asked
    told = recipe_of(agent.store, edited.images[0].id, "ann")
    assert told["parent"] == painted.images[0].id
    assert told["facts"]["edits"] == [{"do": "greyscale"}]


def test_the_file_that_was_handed_out_carries_it(asked):
    agent, painted, _ = asked
    (image,) = painted.images
    assert recipe_in(image.path) == recipe_of(agent.store, image.id, "ann")
    assert np.array_equal(np.asarray(Image.open(image.path)), np.asarray(agent.store.open(image.id, "ann", alpha=True)))


def test_the_command(asked, capsys, monkeypatch, tmp_path):
    agent, painted, _ = asked
    monkeypatch.setenv("SACCADE_HOME", str(agent.settings.home))
    for name in (str(painted.images[0].path), painted.images[0].id):
        main_quietly(["recipe", name, "--user", "ann", "--json"])
        assert json.loads(capsys.readouterr().out)["tool"] == "generate_image"
    RENDERED.image.save(tmp_path / "mine.png")
    assert main_quietly(["recipe", str(tmp_path / "mine.png"), "--user", "ann", "--json"]) == 2


def test_a_given_picture_has_none_and_a_bad_text_is_none(tmp_path):
    agent = Agent(settings=Settings(home=tmp_path / "home"), controller=ScriptedController(["Hello."]))
    chat = agent.chat(user="ann")
    chat.send("Hello", RENDERED.image)
    picture = chat.workspace.picture("img_1").id
    with pytest.raises(UserError, match="was given, not made"):
        recipe_of(agent.store, picture, "ann")
    agent.close()
    (tmp_path / "no.png").write_bytes(b"no picture")
    assert recipe_in(tmp_path / "no.png") is None
    RENDERED.image.save(tmp_path / "plain.png")
    assert recipe_in(tmp_path / "plain.png") is None


def main_quietly(arguments):
    """The command line's exit code."""
    try:
        main(arguments)
    except SystemExit as end:
        return end.code
    return 0
