"""The figures of likeness: drawn pictures are known, photographs are not."""

from PIL import Image

from saccade.evals.outside import likeness
from saccade.settings import ModelSpec
from saccade.tools.experts.clip.expert import Clip


def test_drawn_pictures_are_known_and_photographs_are_not():
    found = likeness.run(12)
    rows = {row["name"]: row for row in found["rows"]}
    assert rows["drawn scenes refused"]["cases"] == 12
    assert rows["drawn scenes refused"]["value"] <= 1 / 12
    assert rows["photographs taken for drawn"]["cases"] == len(found["report"]["photographs"]) >= 20
    assert rows["photographs taken for drawn"]["value"] <= 0.1
    assert rows["parts of photographs taken for drawn"]["cases"] == 5 * len(found["report"]["photographs"])


def test_a_picture_has_four_quarters_and_a_middle():
    image = Image.new("RGB", (40, 20))
    image.paste("red", (20, 10, 40, 20))
    made = likeness.parts(image)
    assert [part.size for part in made] == [(20, 10)] * 5
    assert [part.getpixel((19, 9)) for part in made] == [(0, 0, 0)] * 3 + [(255, 0, 0)] * 2


def test_a_model_without_calibration_has_no_figures(tmp_path):
    import shutil

    from saccade.settings import ZOO

    folder = tmp_path / "clip"
    shutil.copytree(ZOO / "clip", folder)
    for name in ("known.safetensors", "card.json"):
        (folder / name).unlink()
    config = (folder / "config.json").read_text("utf-8")
    (folder / "config.json").write_text(config.replace('"known"', '"unused"'), "utf-8")
    clip = Clip.load(ModelSpec.parse(f"file:{folder}"), "cpu")
    assert likeness.known(clip, [Image.new("RGB", (64, 64))]) == []
