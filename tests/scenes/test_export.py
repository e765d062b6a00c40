"""Claims about the files that `saccade scenes render` writes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saccade.scenes.export import encode_mask, export_scenes
from saccade.scenes.language.programs import execute, from_json
from saccade.scenes.render import render
from saccade.scenes.sample import sample_scene
from saccade.scenes.scene import BACKDROPS, COLORS, MATERIALS, SHAPES, SIZES

KEYS = {"seed", "width", "height", "background", "objects", "captions", "questions"}
OBJECT_KEYS = {"id", "shape", "color", "size", "material", "word", "box", "mask"}


def decode(rle: dict) -> np.ndarray:
    """COCO's run-length encoding read by hand: runs of 0 and 1 in turn, column by column."""
    height, width = rle["size"]
    values = np.repeat(np.arange(len(rle["counts"])) % 2, rle["counts"]).astype(bool)
    return values.reshape(width, height).T


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("scenes") / "new"
    paths = export_scenes(4, 100, 128, out)
    assert paths == [out / f"{number:04d}.png" for number in range(4)]
    return out


@pytest.fixture(scope="module")
def records(folder: Path) -> list[dict]:
    return [json.loads((folder / f"{number:04d}.json").read_text()) for number in range(4)]


def test_the_folder_holds_a_picture_and_its_truth_for_each_scene_and_no_more(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        f"{number:04d}.{kind}" for number in range(4) for kind in ("png", "json")
    )


def test_a_record_has_the_fields_of_the_contract(records: list[dict]) -> None:
    for record in records:
        assert set(record) == KEYS
        assert record["background"] in BACKDROPS
        assert all(isinstance(caption, str) for caption in record["captions"])
        assert len(record["captions"]) >= 3
        assert len(record["questions"]) >= 5
        for one in record["objects"]:
            assert set(one) == OBJECT_KEYS
            assert (one["shape"], one["color"]) in {(shape, color) for shape in SHAPES for color in COLORS}
            assert one["size"] in SIZES
            assert one["material"] in MATERIALS
        for question in record["questions"]:
            assert set(question) == {"question", "program", "answer", "family"}
            assert isinstance(question["answer"], str)


def test_masks_and_boxes_are_those_of_the_renderer(folder: Path, records: list[dict]) -> None:
    for number, record in enumerate(records):
        rendered = render(sample_scene(100 + number), 128)
        with Image.open(folder / f"{number:04d}.png") as picture:
            assert picture.size == (record["width"], record["height"]) == (128, 128)
            assert np.array_equal(np.asarray(picture), np.asarray(rendered.image))
        for one, mask in zip(record["objects"], rendered.masks, strict=True):
            read = decode(one["mask"])
            assert np.array_equal(read, mask)
            rows, columns = np.nonzero(read)
            assert one["box"] == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def test_every_answer_in_the_file_is_the_executor_s(records: list[dict]) -> None:
    for record in records:
        scene = sample_scene(record["seed"])
        boxes = [[value / 128 for value in one["box"]] for one in record["objects"]]
        for question in record["questions"]:
            assert execute(from_json(question["program"]), scene, boxes) == question["answer"]  # type: ignore[arg-type]


def test_the_same_arguments_write_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    export_scenes(2, 100, 128, tmp_path)
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (folder / path.name).read_bytes()


@pytest.mark.parametrize("fill", ["empty", "full", "corner", "noise"])
def test_run_lengths_go_there_and_back(fill: str) -> None:
    mask = np.zeros((7, 11), bool)
    if fill == "full":
        mask[:] = True
    elif fill == "corner":
        mask[0, 0] = mask[-1, -1] = True
    elif fill == "noise":
        mask = np.random.default_rng(0).random((7, 11)) < 0.5
    rle = encode_mask(mask)
    assert rle["size"] == [7, 11]
    assert sum(rle["counts"]) == 77
    assert np.array_equal(decode(rle), mask)
