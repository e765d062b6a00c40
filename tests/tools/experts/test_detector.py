from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from saccade.errors import UserError
from saccade.settings import ZOO, ModelSpec
from saccade.tools.contracts import View
from saccade.tools.experts.detector.expert import EVERYTHING, Detector
from saccade.tools.experts.detector.yolo import Yolo, build, letterbox
from saccade.tools.requests import Detect

TINY_YOLO: dict[str, Any] = {
    "nc": 3,
    "scale": "n",
    "scales": {"n": [0.5, 0.25, 1024]},
    "backbone": [[-1, 1, "Conv", [32, 3, 2]], [-1, 1, "Conv", [64, 3, 2]], [-1, 1, "Conv", [64, 3, 2]]],
    "head": [[[2], 1, "Detect", ["nc"]]],
}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", ".", "red", "cube", "dog"]


def view(box: tuple[float, float, float, float] | None = None, size: tuple[int, int] = (160, 120)) -> View:
    pixels = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    return View("pic_000000000000", size, box or (0, 0, *size), lambda: Image.fromarray(pixels))


def spec(path: Path) -> ModelSpec:
    return ModelSpec("file", str(path))


def check(detections: Any, box: tuple[float, float, float, float]) -> None:
    """What every backend's answer must be: boxes in the view's part of the picture, best first, all labelled."""
    boxes = detections.xyxy
    assert boxes.dtype == np.float32
    assert boxes.shape == (len(detections), 4)
    assert (boxes[:, :2] >= np.array(box[:2]) - 1e-3).all()
    assert (boxes[:, 2:] <= np.array(box[2:]) + 1e-3).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    assert (np.diff(detections.confidence) <= 0).all()
    assert len(detections.data["class_name"]) == len(detections.class_id) == len(detections)


def save_rt_detr(folder: Path) -> None:
    from transformers import RTDetrConfig, RTDetrForObjectDetection, RTDetrImageProcessor, RTDetrResNetConfig

    backbone = RTDetrResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16, 16, 16], depths=[1, 1, 1, 1], layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip
    config = RTDetrConfig(
        backbone_config=backbone, encoder_hidden_dim=32, encoder_in_channels=[16, 16, 16], encoder_ffn_dim=32,
        encoder_attention_heads=2, d_model=32, num_queries=12, decoder_in_channels=[32, 32, 32], decoder_ffn_dim=32,
        decoder_attention_heads=2, decoder_layers=1, num_denoising=0, num_labels=3,
    )  # fmt: skip
    RTDetrForObjectDetection(config).save_pretrained(folder)
    RTDetrImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)


def save_yolos(folder: Path) -> None:
    from transformers import YolosConfig, YolosForObjectDetection, YolosImageProcessor

    config = YolosConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=[64, 64],
        num_detection_tokens=9, num_labels=3, use_mid_position_embeddings=False,
    )  # fmt: skip
    YolosForObjectDetection(config).save_pretrained(folder)
    YolosImageProcessor(size={"shortest_edge": 48, "longest_edge": 64}).save_pretrained(folder)


def save_detr(folder: Path) -> None:
    from transformers import DetrConfig, DetrForObjectDetection, DetrImageProcessor, ResNetConfig

    backbone = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], out_features=["stage2"])
    config = DetrConfig(
        backbone_config=backbone, use_timm_backbone=False, backbone=None, d_model=32, encoder_layers=1,
        decoder_layers=1, encoder_ffn_dim=32, decoder_ffn_dim=32, encoder_attention_heads=2,
        decoder_attention_heads=2, num_queries=9, num_labels=3,
    )  # fmt: skip
    DetrForObjectDetection(config).save_pretrained(folder)
    DetrImageProcessor(size={"shortest_edge": 48, "longest_edge": 64}).save_pretrained(folder)


def save_grounding_dino(folder: Path) -> None:
    from transformers import (
        BertConfig,
        BertTokenizerFast,
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        GroundingDinoImageProcessor,
        GroundingDinoProcessor,
        SwinConfig,
    )  # fmt: skip

    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    tokenizer = BertTokenizerFast(str(folder / "vocab.txt"))
    swin = SwinConfig(
        image_size=64, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4,
        out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip
    words = BertConfig(
        vocab_size=len(WORDS), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    config = GroundingDinoConfig(
        backbone_config=swin, text_config=words, d_model=32, encoder_layers=1, decoder_layers=2, encoder_ffn_dim=32,
        decoder_ffn_dim=32, encoder_attention_heads=2, decoder_attention_heads=2, num_queries=9, max_text_len=200,
    )  # fmt: skip
    GroundingDinoForObjectDetection(config).save_pretrained(folder)
    images = GroundingDinoImageProcessor(size={"shortest_edge": 96, "longest_edge": 160})
    GroundingDinoProcessor(images, tokenizer).save_pretrained(folder)


def save_owlv2(folder: Path) -> None:
    from transformers import (
        CLIPTokenizerFast,
        Owlv2Config,
        Owlv2ForObjectDetection,
        Owlv2ImageProcessor,
        Owlv2Processor,
    )

    folder.mkdir()
    letters = [chr(number) for number in range(33, 127)]
    tokens = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>", "!!"]
    (folder / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizerFast(str(folder / "vocab.json"), str(folder / "merges.txt"), pad_token="!!")
    config = Owlv2Config(
        text_config={
            "vocab_size": len(tokens), "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
            "intermediate_size": 32, "bos_token_id": len(tokens) - 3, "eos_token_id": len(tokens) - 2,
        },
        vision_config={
            "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
            "image_size": 64, "patch_size": 16,
        },
        projection_dim=32,
    )  # fmt: skip
    model = Owlv2ForObjectDetection(config)
    torch.nn.init.zeros_(model.box_head.dense2.weight)  # boxes of random weights have no area
    torch.nn.init.zeros_(model.box_head.dense2.bias)
    model.save_pretrained(folder)
    Owlv2Processor(Owlv2ImageProcessor(size={"height": 64, "width": 64}), tokenizer).save_pretrained(folder)


def save_yolo(path: Path) -> None:
    model = build(TINY_YOLO)
    model.names = {0: "cube", 1: "ball", 2: "cone"}
    torch.save({"model": model.half(), "ema": None, "train_args": {"imgsz": 64}}, path)


SAVERS = {
    "rt_detr": save_rt_detr,
    "yolos": save_yolos,
    "detr": save_detr,
    "grounding_dino": save_grounding_dino,
    "owlv2": save_owlv2,
    "yolo.pt": save_yolo,
}


@pytest.mark.parametrize("name", SAVERS)
def test_a_published_format_answers_in_pixels_of_the_whole_picture(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    path = tmp_path / name
    SAVERS[name](path)
    expert = Detector.load(spec(path), "cpu")
    backend: Any = expert.backend
    (backend.yolo if name == "yolo.pt" else backend).threshold = 0.0  # random weights are sure of nothing
    region = (40.0, 30.0, 100.0, 110.0)
    whole, part = expert.predict([Detect(view(), "red cube"), Detect(view(region), "red cube")])
    assert len(whole)
    assert len(part)
    check(whole, (0, 0, 160, 120))
    check(part, region)
    if name in ("grounding_dino", "owlv2"):
        assert set(whole.data["class_name"]) == {"red cube"}
        everything = expert.predict([Detect(view(), "everything"), Detect(view(), "dog")])
        assert set(everything[1].data["class_name"]) == {"dog"}
        assert name != "owlv2" or set(everything[0].data["class_name"]) <= set(EVERYTHING)


def test_a_view_is_cut_and_its_boxes_are_put_back(tmp_path: Path) -> None:
    class One:
        rows = None

        def look(self, images: Any, requests: Any) -> Any:
            boxes = np.array([[-5, 2, 10, 12], [1, 1, 1, 9], [3, 4, 500, 20]], np.float32)
            return [((boxes, np.array([0.5, 0.9, 0.8]), np.array([1, 0, 2])), ["ball", "cube", "cone"]) for _ in images]

    (found,) = Detector(One()).predict([Detect(view((40.7, 30.2, 100, 110)))])
    assert found.xyxy.tolist() == [[43, 34, 100, 50], [40, 32, 50, 42]]
    assert found.data["class_name"].tolist() == ["cone", "ball"]
    assert found.class_id.tolist() == [2, 1]


def test_nothing_asked_is_nothing_answered() -> None:
    assert Detector(object()).predict([]) == []  # type: ignore[arg-type]


class Payload:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.mkdir, (self.path,)


def test_a_yolo_checkpoint_that_would_run_something_is_refused(tmp_path: Path) -> None:
    torch.save({"model": Payload(str(tmp_path / "proof"))}, tmp_path / "evil.pt")
    with pytest.raises(UserError, match="without running code") as caught:
        Detector.load(spec(tmp_path / "evil.pt"), "cpu")
    assert caught.value.kind == "bad_weights"
    assert not (tmp_path / "proof").exists()


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"config.json": '{"model_type": "bert"}'}, "'bert', which detects nothing"),
        ({"config.json": "no json"}, "cannot be read as JSON"),
        ({"config.json": '{"model_type": "yolos"}'}, "cannot be loaded as a detector"),
        ({"config.json": '{"yaml": {"nc": 3}, "names": []}', "model.safetensors": ""}, "cannot build this YOLO"),
        ({}, "neither a config.json nor just one .pt"),
        ({"model.pt": "not a checkpoint"}, "YOLO checkpoint"),
    ],
)  # fmt: skip
def test_what_is_no_detector_is_refused_in_words(files: dict[str, str], words: str, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=words):
        Detector.load(spec(tmp_path), "cpu")


@pytest.mark.parametrize("size", [(512, 512), (100, 40), (33, 200), (1, 1)])
def test_a_letterbox_neither_bends_nor_loses_anything(size: tuple[int, int]) -> None:
    square, scale, (left, top) = letterbox(Image.new("RGB", size, "white"), 128)
    rows, columns = np.nonzero((square == 255).all(-1))
    assert square.shape == (128, 128, 3)
    assert (columns.min(), rows.min()) == (left, top)
    assert columns.max() + 1 - left == pytest.approx(size[0] * scale, abs=1)
    assert rows.max() + 1 - top == pytest.approx(size[1] * scale, abs=1)


def test_a_part_is_enlarged_no_more_than_told() -> None:
    square, scale, (left, top) = letterbox(Image.new("RGB", (50, 20), "white"), 128, largest=1.5)
    assert scale == 1.5
    assert (left, top) == (26, 49)
    assert (square == 255).all(-1).sum() == 75 * 30


needs_zoo = pytest.mark.skipif(not (ZOO / "detector" / "card.json").is_file(), reason="zoo/detector is not trained yet")


@needs_zoo
def test_the_bundled_detector_finds_what_held_out_scenes_hold() -> None:
    from saccade.training.detector.recipe import evaluate

    figures = evaluate(ZOO / "detector", cases=50)
    for part in ("test", "compositional"):
        assert figures[part]["precision"] >= 0.95
        assert figures[part]["recall"] >= 0.95
        assert figures[part]["map50_95"] >= 0.7
        assert figures[part]["blind_recall"] < 0.1
    assert figures["signs"]["precision"] >= 0.95
    assert figures["signs"]["recall"] >= 0.95
    assert figures["signs"]["blind_recall"] < 0.1
    assert figures["windows"]["recall"] >= 0.8
    assert figures["regions"]["recall"] >= 0.93


@needs_zoo
def test_the_bundled_detector_is_small_and_sees_nothing_on_a_blank_picture() -> None:
    card = json.loads((ZOO / "detector" / "card.json").read_text())
    assert card["parameters"] <= 1.4e6
    yolo = Yolo.from_folder(ZOO / "detector", "cpu")
    for grey in (0, 114, 200, 255):
        (found,) = yolo.find([Image.new("RGB", (512, 384), (grey, grey, grey))])
        assert len(found[0]) == 0


def test_signs_are_a_class_of_their_own_after_the_things() -> None:
    from saccade.scenes.sample import sample_scene
    from saccade.training.detector.recipe import NAMES, SIGN, truth

    assert NAMES[SIGN] == "sign"
    worded = 0
    for seed in range(6):
        scene = sample_scene(seed, "val")
        _, boxes, classes = truth(seed, "val")
        words = sum(thing.word is not None for thing in scene.things)
        assert (classes != SIGN).sum() == len(scene.things)
        assert classes.tolist()[len(scene.things) :] == [SIGN] * words
        assert boxes.dtype == np.float32
        assert ((boxes >= 0) & (boxes <= 512)).all()
        worded += words
    assert worded


@needs_zoo
def test_training_windows_keep_only_what_is_mostly_inside() -> None:
    from saccade.training.detector.recipe import cut, draw

    boxes = np.array([[0, 0, 40, 40], [90, 90, 130, 130], [80, 0, 120, 40]], np.float32)
    _, kept, classes = cut(Image.new("RGB", (200, 200)), boxes, np.arange(3), (10, 0, 100, 100))
    assert classes.tolist() == [0, 2]
    assert kept.tolist() == [[0, 0, 30, 40], [70, 0, 90, 40]]
    for seed in range(6):
        square, targets = draw(seed)
        assert square.shape == (256, 256, 3)
        assert (targets[:, 1:] >= 0).all()
        assert (targets[:, 1:] <= 1).all()


def test_a_yolo_leaves_the_functions_of_other_libraries_as_they_are() -> None:
    # In a process of its own, for the first import is what counts.
    script = """
import io, torch
from PIL import Image, UnidentifiedImageError
from saccade.settings import ModelSpec
from saccade.tools.experts.detector.expert import Detector

before = Image.open, torch.save
Detector.load(ModelSpec.parse("zoo:detector"), "cpu")
assert (Image.open, torch.save) == before
try:
    Image.open(io.BytesIO(b"no picture"))
except UnidentifiedImageError:
    print("as ever")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout == "as ever\n", done.stderr
