"""`make demo` shows what it promises: every kind of request, every step, and the evidence's path at the end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import saccade

DEMO = Path(saccade.__file__).parent / "examples" / "demo.py"


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo")
    command = [sys.executable, str(DEMO), "--out", str(out)]
    environment = os.environ | {"COLUMNS": "200", "SACCADE_HOME": str(out / "unused")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return out, done.stdout


def part(text: str, title: str) -> str:
    """What stands under a title, up to the next rule."""
    return text.split(f" {title} ", 1)[1].split("\n──", 1)[0]


def test_the_evidence_is_named_last_and_is_a_picture(shown):
    _, text = shown
    last = text.strip().splitlines()[-1]
    assert last.startswith("Evidence: ")
    with Image.open(last.removeprefix("Evidence: ")) as picture:
        assert picture.size[0] >= 512


def test_the_pictures_asked_about_are_real_files(shown):
    out, _ = shown
    for name in ("desk.png", "street.png"):
        with Image.open(out / name) as picture:
            assert picture.size == (512, 512)


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("A count", ["find_objects", "There are 3 umbrellas"]),
        ("Is there one?", ["find_objects", "No, there is no purple mug"]),
        ("Where is it?", ["find_objects", "reg_", "upper left"]),
        ("A cut-out", ["segment_objects", "crop_image", "cutout: "]),
        ("Two tools", ["find_objects", "classify_image", "brown"]),
        ("A second look, at a region", ["find_objects", 'size="small"', "classify_image", "rubber"]),
        ("A follow-up", ["reg_"]),
        ("Two searches at once, in a second picture", ["find_objects", "calculate", "3 - 1 = 2"]),
        ("What no tool can do", ["I cannot do that"]),
    ],
)
def test_each_request_shows_its_steps_and_its_answer(shown, title, expected):
    _, text = shown
    for words in expected:
        assert words in part(text, title), part(text, title)


def test_the_cut_out_has_transparency(shown):
    _, text = shown
    path = part(text, "A cut-out").split("cutout: ")[1].split("\n")[0].strip()
    with Image.open(path) as picture:
        assert picture.mode == "RGBA"
        low, high = picture.getchannel("A").getextrema()
    assert (low, high) == (0, 255)
