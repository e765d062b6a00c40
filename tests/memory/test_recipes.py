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
from saccade.scenes.about import about
from saccade.settings import Settings
from saccade.testing import ScriptedController, call
from saccade.testing.experts import TrueExperts
from saccade.tools.shared.painting.remaking import make_again


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


def test_it_is_made_again_bit_by_bit(asked):
    agent, painted, edited = asked
    for picture in (painted.images[0], edited.images[0]):
        before = agent.store.ledger.read("SELECT count(*) AS n FROM calls", ())[0]["n"]
        remade = make_again(agent.store, picture.id, "ann", agent.tools, agent.experts)
        assert remade.same
        assert remade.other == ()
        assert np.array_equal(np.asarray(remade.image), np.asarray(agent.store.open(picture.id, "ann", alpha=True)))
        assert agent.store.ledger.read("SELECT count(*) AS n FROM calls", ())[0]["n"] == before, "nothing is written"


def test_what_is_no_longer_as_it_was_is_told(asked, monkeypatch):
    agent, painted, _ = asked
    truth = agent.experts.painter
    drawn = truth.paint
    monkeypatch.setattr(truth, "paint", lambda request: drawn(request).transpose(Image.Transpose.FLIP_TOP_BOTTOM))
    monkeypatch.setattr(agent.experts, "about", lambda role: about(role) | {"steps": 3}, raising=False)
    remade = make_again(agent.store, painted.images[0].id, "ann", agent.tools, agent.experts)
    assert not remade.same
    assert remade.other == ("settings was {} and is {'steps': 3}",)
    with pytest.raises(UserError, match="there is no tool 'generate_image' here"):
        make_again(agent.store, painted.images[0].id, "ann", {}, agent.experts)


def test_the_bundled_painter_s_are_made_again_by_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SACCADE_HOME", str(tmp_path / "home"))
    script = [call("generate_image", prompt="a red cube", tries=2, steps=2), "Here it is: img_1."]
    with Agent(controller=ScriptedController(script), home=tmp_path / "home") as agent:
        (image,) = agent.chat(user="ann", out=tmp_path / "out").send("Paint a red cube").images
    again = tmp_path / "again.png"
    assert main_quietly(["recipe", str(image.path), "--again", str(again), "--user", "ann", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"picture": image.id, "path": str(again), "same": True, "other": []}
    assert again.read_bytes() == image.path.read_bytes(), "with the same recipe in it"
    assert main_quietly(["recipe", "pic_000000000000", "--again", str(again), "--user", "ann"]) == 2


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
