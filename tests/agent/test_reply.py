"""Replies as JSON, citations, and the picture that shows the evidence."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saccade.agent.evidence import COLORS, annotate, draw_evidence, side_by_side
from saccade.agent.reply import Reply, Step, cited_regions
from saccade.memory.records import Picture, Region


def region(number, box, picture="pic_a", mask=None):
    return Region(f"{picture}.r{number}", picture, box, "red cube", 0.9, mask, handle=f"reg_{number}", image="img_1")


def rgb(color):
    return tuple(int(color[at : at + 2], 16) for at in (1, 3, 5))


def near(image, color, box):
    """How many pixels of the image inside the box have about this colour."""
    part = np.asarray(image.crop(box), dtype=int)
    return int((np.abs(part - np.array(rgb(color))).max(axis=2) < 12).sum())


class Pictures:
    """Pictures and masks by name."""

    def __init__(self, pictures, masks=None):
        self.pictures, self.masks = pictures, masks or {}

    def open(self, picture):
        return self.pictures[picture].copy()

    def open_mask(self, region):
        return self.masks.get(region.handle)


GREY = Image.new("RGB", (800, 400), (128, 128, 128))


def test_boxes_are_drawn_where_the_regions_are_each_in_its_own_colour():
    regions = [region(1, (50, 60, 150, 160)), region(2, (300, 200, 500, 380))]
    drawn = annotate(GREY, regions, [None, None], [0, 1])
    assert drawn.size == GREY.size
    assert near(drawn, COLORS[0], (45, 55, 155, 165)) > 350
    assert near(drawn, COLORS[1], (295, 195, 505, 385)) > 600
    assert near(drawn, COLORS[0], (220, 190, 800, 400)) == 0
    assert drawn.getpixel((100, 110)) == (128, 128, 128), "a box without a mask is not filled"


def test_masks_tint_their_pixels_only():
    mask = np.zeros((400, 800), bool)
    mask[100:150, 60:140] = True
    drawn = annotate(GREY, [region(1, (50, 60, 150, 160))], [mask], [0])
    assert drawn.getpixel((100, 125)) != (128, 128, 128)
    assert drawn.getpixel((100, 85)) == (128, 128, 128)


@pytest.mark.parametrize(
    ("size", "expected"), [((64, 32), (768, 384)), ((3000, 1500), (1536, 768)), ((900, 600), (900, 600))]
)
def test_small_pictures_are_enlarged_and_large_ones_reduced(size, expected):
    drawn = annotate(Image.new("RGB", size), [region(1, (1, 1, 9, 9))], [None], [0])
    assert drawn.size == expected


def test_more_regions_than_colours_take_them_in_turn():
    regions = [region(number, (number, 1, number + 20, 30)) for number in range(1, 30)]
    assert annotate(GREY, regions, [None] * 29, list(range(29))).size == GREY.size


def test_several_pictures_stand_side_by_side(tmp_path):
    workspace = Pictures({"pic_a": GREY, "pic_b": Image.new("RGB", (300, 800), (10, 10, 10))})
    regions = [region(1, (50, 60, 150, 160)), region(2, (30, 30, 90, 90), "pic_b")]
    path = draw_evidence(workspace, regions, tmp_path / "a" / "evidence.png")
    with Image.open(path) as sheet:
        assert sheet.size == (800 + 12 + 150, 400)
        assert near(sheet, COLORS[1], (812, 0, 962, 400)) > 50
    assert [one.name for one in path.parent.iterdir()] == ["evidence.png"]


def test_one_panel_stays_as_it_is():
    assert side_by_side([GREY]) is GREY


def test_cited_are_exact_handles_that_exist_in_order_of_mention():
    known = ["reg_1", "reg_2", "reg_12"]
    cited = cited_regions("reg_12, then reg_1; not reg_3, areg_2, reg_22 or reg_2x.", known, lambda handle: handle)
    assert cited == ("reg_12", "reg_1")


def test_a_reply_is_plain_json():
    picture = Picture("pic_b", "b" * 64, Path("/x/b.png"), 8, 8, "crop", "me", None, datetime.now(UTC), handle="img_2")
    step = Step("I look.", "find_objects", {"image": "img_1"}, "1 found", 0.1, True)
    found = Region(
        "pic_a.r1", "pic_a", (1, 2, 3, 4), "cube", np.float32(0.5), Path("/x/m.png"), handle="reg_1", image="img_1"
    )
    reply = Reply("reg_1", (picture,), (found,), Path("/x/e.png"), (step,), "chat_1", ("careful",))
    assert json.loads(json.dumps(reply.to_json())) == {
        "status": "answered",
        "text": "reg_1",
        "images": [{"handle": "img_2", "id": "pic_b", "path": "/x/b.png", "kind": "crop"}],
        "regions": [
            {
                "handle": "reg_1",
                "id": "pic_a.r1",
                "image": "img_1",
                "box": [1.0, 2.0, 3.0, 4.0],
                "label": "cube",
                "score": 0.5,
                "mask": "/x/m.png",
            }
        ],
        "evidence": "/x/e.png",
        "steps": [
            {
                "thought": "I look.",
                "tool": "find_objects",
                "arguments": {"image": "img_1"},
                "observation": "1 found",
                "seconds": 0.1,
                "ok": True,
            }
        ],
        "chat": "chat_1",
        "warnings": ["careful"],
    }


def test_an_empty_reply_has_null_evidence():
    assert Reply("Hello.").to_json() == {
        "status": "answered", "text": "Hello.", "images": [], "regions": [], "evidence": None, "steps": [],
        "chat": None, "warnings": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "named", "words"),
    [
        (
            "Pictures: img_1 (64 x 48 px), img_2 (9 x 9 px).\nWhat is it?",
            "img_1 (64 x 48 px), img_2 (9 x 9 px)",
            "What is it?",
        ),
        ("Pictures: cats, dogs.\nWhich is it?", "", "Pictures: cats, dogs.\nWhich is it?"),
        ("What is it?", "", "What is it?"),
    ],
)
def test_only_our_own_line_of_pictures_is_taken_off(content, named, words):
    from saccade.prompts.references import split_request

    assert split_request(content) == (named, words)
