"""`edit_image`: each operation to the pixel, what is not named left as it was, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from saccade import Agent
from saccade.memory.pictures.store import PictureStore
from saccade.memory.records import RegionDraft, ToolResult
from saccade.memory.workspace import LedgerWorkspace
from saccade.testing import ScriptedController, call
from saccade.tools.registry import all_tools
from saccade.tools.runner import ToolRunner

SIZE = (120, 80)  # (width, height) px


@pytest.fixture
def desk():
    return Desk()


class Desk:
    """A picture of noise, one of a flat colour, and two regions of the first, one of them with a round mask."""

    def __init__(self):
        rng = np.random.default_rng(3)
        self.pixels = rng.integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
        self.workspace = LedgerWorkspace(PictureStore(None), "chat_000000000000", "ann")
        self.workspace.begin_turn([Image.fromarray(self.pixels), Image.new("RGB", (40, 20), (200, 10, 10))])
        y, x = np.mgrid[: SIZE[1], : SIZE[0]]
        self.round = (x - 80) ** 2 + (y - 40) ** 2 < 15**2
        picture = self.workspace.picture("img_1").id
        found = ToolResult(regions=[RegionDraft(picture, (10, 10, 40, 50), "plate"),
                                    RegionDraft(picture, (65, 25, 95, 55), "face", mask=self.round)])  # fmt: skip
        self.workspace.record("call_0", "find_objects", {}, found, lambda _: "2 found")
        self.runner = ToolRunner(all_tools(), self.workspace, None)
        self.calls = 0

    def __call__(self, *edits, image="img_1"):
        self.calls += 1
        return self.runner.run(f"call_{self.calls}", "edit_image", {"image": image, "edits": list(edits)}, 1)

    def made(self, *edits, **more):
        told = self(*edits, **more)
        assert told.ok, told.text
        (picture,) = told.recorded.pictures
        assert picture.kind == "edit"
        assert picture.lineage.parent == self.workspace.picture(more.get("image", "img_1")).id
        return np.asarray(self.workspace.open(picture.id, alpha=True))


def test_geometry_is_exact(desk):
    pixels = desk.pixels
    assert np.array_equal(desk.made({"do": "crop", "box": [5, 6, 25, 36]}), pixels[6:36, 5:25])
    assert np.array_equal(desk.made({"do": "rotate", "degrees": 90}), np.rot90(pixels, -1))
    assert np.array_equal(desk.made({"do": "rotate", "degrees": -90}), np.rot90(pixels))
    assert np.array_equal(desk.made({"do": "rotate", "degrees": 180}), pixels[::-1, ::-1])
    assert np.array_equal(desk.made({"do": "flip"}), pixels[:, ::-1])
    assert np.array_equal(desk.made({"do": "flip", "way": "vertical"}), pixels[::-1])
    assert desk.made({"do": "resize", "width": 60}).shape == (40, 60, 3)
    assert desk.made({"do": "resize", "width": 10, "height": 70}).shape == (70, 10, 3)
    turned = desk.made({"do": "rotate", "degrees": 30, "color": "#0000ff"})
    assert turned.shape[0] > 80
    assert turned.shape[1] > 120
    assert tuple(turned[0, 0]) == (0, 0, 255)


@pytest.mark.parametrize("how", ["blur", "pixelate", "fill"])
def test_what_is_hidden_is_hidden_and_all_else_stays_to_the_pixel(desk, how):
    made = desk.made({"do": how, "regions": ["reg_1", "reg_2"]})
    inside = desk.round.copy()
    inside[10:50, 10:40] = True
    assert np.array_equal(made[~inside], desk.pixels[~inside])
    before, after = desk.pixels[10:50, 10:40].astype(float), made[10:50, 10:40].astype(float)
    assert after.std() < 0.4 * before.std(), "what stood there can still be made out"
    if how == "fill":
        assert not made[inside].any()


def test_everything_but_a_region(desk):
    made = desk.made({"do": "fill", "regions": ["reg_2"], "others": True, "color": "white"})
    assert np.array_equal(made[desk.round], desk.pixels[desk.round])
    assert (made[~desk.round] == 255).all()


def test_tones(desk):
    assert np.array_equal(desk.made({"do": "brightness", "amount": 1}), desk.pixels)
    assert desk.made({"do": "brightness", "amount": 0.5}).mean() == pytest.approx(desk.pixels.mean() / 2, abs=1)
    assert np.array_equal(desk.made({"do": "invert"}), 255 - desk.pixels)
    grey = desk.made({"do": "greyscale"})
    assert np.array_equal(grey[..., 0], grey[..., 2])
    dull = desk.made({"do": "contrast", "amount": 0.2})
    assert dull.std() < 0.3 * desk.pixels.std()
    spread = desk.made({"do": "contrast", "amount": 0.2}, {"do": "auto"})
    assert spread.std() > 0.8 * desk.pixels.std()


def test_pictures_on_and_beside_each_other(desk):
    made = desk.made({"do": "paste", "picture": "img_2", "at": [100, 70]})
    assert (made[70:, 100:] == (200, 10, 10)).all()
    assert np.array_equal(made[:70], desk.pixels[:70])
    corner = desk.made({"do": "paste", "picture": "img_2", "at": "lower right", "width": 20})
    assert (corner[71:79, 101:119] == (200, 10, 10)).all()
    beside = desk.made({"do": "collage", "pictures": ["img_2"], "columns": 2})
    assert beside.shape[0] == 20
    assert (beside[:, -39:] == (200, 10, 10)).all()
    labelled = desk.made({"do": "label", "regions": ["reg_1"]})
    assert labelled.shape == desk.pixels.shape
    assert not np.array_equal(labelled, desk.pixels)


def test_transparency_stays_and_edits_follow_each_other(desk):
    cut = desk.runner.run("cut", "crop_image", {"image": "reg_2", "background": "transparent"}, 1)
    handle = cut.recorded.pictures[0].handle
    made = desk.made({"do": "greyscale"}, {"do": "flip"}, {"do": "resize", "width": 15}, image=handle)
    assert made.shape[1:] == (15, 4)
    assert (made[0, 0, 3], made[7, 7, 3]) == (0, 255)


def test_the_observation_says_what_was_done(desk):
    told = desk({"do": "blur", "regions": ["reg_1"]}, {"do": "resize", "width": 60})
    assert told.text == "Made img_3 (60 x 40 px), img_1 blurred, resized."
    assert told.references == {"picture": "img_3", "lacks": "nothing"}


REFUSED = [
    ([{"do": "melt"}], "do"),
    ([], "edits"),
    ([{"do": "crop", "box": [30, 0, 10, 10]}], "is no box"),
    ([{"do": "crop", "box": [500, 0, 600, 10]}], "lies outside of the picture (120 x 80 px)"),
    ([{"do": "resize"}], "give `width`, `height` or both"),
    ([{"do": "resize", "width": 16000, "height": None}, {"do": "rotate", "degrees": 400}], "at most 360"),
    ([{"do": "fill", "regions": ["reg_1"], "color": "blurple"}], "blurple"),
    ([{"do": "blur", "regions": ["reg_9"]}], "reg_9"),
    ([{"do": "paste", "picture": "img_9"}], "img_9"),
    ([{"do": "flip"}, {"do": "blur", "regions": ["reg_1"]}], "put blur before it"),
    ([{"do": "rotate", "degrees": float("nan")}], "NaN (no number)"),
    ([{"do": "rotate", "degrees": float("inf")}], "Infinity (no number)"),
    ([{"do": "resize", "width": 20_000}], "at most 16384"),
    ([{"do": "resize", "width": 16_000, "height": 1}, {"do": "resize", "height": 16_000}], "a side has at most 16384"),
    ([{"do": "brightness", "amount": -1}], "at least 0"),
    ([{"do": "flip"}] * 1000, "at most 8 items"),
    ([{"do": "restyle", "prompt": "x" * 10_000}], "at most 400 characters"),
    ([{"do": "background", "by": ""}], "not be empty"),
]


@pytest.mark.parametrize(("edits", "told"), REFUSED)
def test_what_cannot_be_done_is_told(desk, edits, told):
    before = desk.workspace.store.ledger.read("SELECT count(*) AS n FROM pictures", ())[0]["n"]
    seen = desk(*edits)
    assert not seen.ok
    assert told in seen.text
    assert len(seen.text) < 700, "what was given is quoted, and not repeated at length"
    assert desk.workspace.store.ledger.read("SELECT count(*) AS n FROM pictures", ())[0]["n"] == before


def test_a_region_of_another_picture(desk):
    seen = desk({"do": "blur", "regions": ["reg_1"]}, image="img_2")
    assert seen.text == "reg_1 is a region of img_1, not of img_2."


def test_an_edit_is_undone_step_by_step_or_back_to_the_first(desk):
    desk.made({"do": "invert"})  # img_3
    desk.made({"do": "flip"}, image="img_3")  # img_4
    told = desk({"do": "undo"}, image="img_4")
    assert told.ok
    assert told.brief == "back to img_3"
    assert told.references["picture"] == "img_3"
    assert desk({"do": "undo"}, image="img_3").references["picture"] == "img_1"
    assert desk({"do": "undo", "to": "first"}, image="img_4").references["picture"] == "img_1"
    assert desk.workspace.handles() == ["img_1", "img_2", "img_3", "img_4", "reg_1", "reg_2"], "nothing is made"


def test_what_was_not_edited_cannot_be_undone(desk):
    told = desk({"do": "undo"})
    assert not told.ok
    assert "nothing to undo: img_1 was not edited" in told.text
    assert not desk({"do": "undo"}, {"do": "flip"}).ok


def test_an_undone_edit_shows_the_picture_as_it_was(tmp_path):
    turned = call("edit_image", image="img_1", edits=[{"do": "flip"}])
    undo = call("edit_image", image="img_2", edits=[{"do": "undo"}])
    script = [turned, "Here it is: img_2.", undo, "Here it is as it was: img_1."]
    with Agent(controller=ScriptedController(script), home=tmp_path) as agent:
        chat = agent.chat("ann")
        pixels = np.random.default_rng(3).integers(0, 256, (40, 60, 3), dtype=np.uint8)
        assert [one.handle for one in chat.send("mirror it", Image.fromarray(pixels)).images] == ["img_2"]
        reply = chat.send("undo that")
    assert [(one.handle, one.kind) for one in reply.images] == [("img_1", "given")]
