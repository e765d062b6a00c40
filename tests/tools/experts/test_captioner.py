from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from saccade.benchmarks.random_models import save_blip, save_blip2, save_llava
from saccade.errors import UserError
from saccade.settings import ModelSpec
from saccade.tools.contracts import View
from saccade.tools.experts.captioner import LEAST_TOKENS, Captioner
from saccade.tools.requests import Describe


def view(seed: int, box: Any = None, size: tuple[int, int] = (60, 40)) -> View:
    image = Image.fromarray(np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8))
    return View(f"pic_{seed}", size, box or (0, 0, *size), lambda: image)


@pytest.fixture(scope="module", params=[save_blip, save_blip2])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return request.param(tmp_path_factory.mktemp("captioner"))


@pytest.fixture
def captioner(folder: Path) -> Captioner:
    return Captioner.load(ModelSpec("file", str(folder)), "cpu")


def test_captions_are_words_with_how_sure_they_are(captioner: Captioner) -> None:
    short, detailed = captioner.predict([Describe(view(1)), Describe(view(1), "detailed")])
    for said in (short, detailed):
        assert said.text
        assert said.confidence is not None
        assert 0 < said.confidence <= 1
    assert len(detailed.text) >= LEAST_TOKENS > 0
    assert short.text != detailed.text


def test_a_batch_captions_as_one_by_one(folder: Path) -> None:
    spec = ModelSpec("file", str(folder))
    asked = [Describe(view(seed), detail) for seed in range(4) for detail in ("short", "detailed")]
    asked.append(Describe(view(1, (5, 5, 30, 20))))
    together = Captioner.load(spec, "cpu").predict(asked)
    for request, said in zip(asked, together, strict=True):
        alone = Captioner.load(spec, "cpu").predict([request])[0]
        assert alone.text == said.text
        assert alone.confidence == pytest.approx(said.confidence, abs=1e-5)


def test_it_says_what_the_model_generates_by_itself(captioner: Captioner) -> None:
    picture = view(2)
    inputs = captioner.processor.image_processor(images=[picture.pixels()], return_tensors="pt")
    with torch.inference_mode():
        made = captioner.model.generate(**inputs, max_new_tokens=captioner.most["short"], do_sample=False)
    words = captioner.processor.tokenizer.decode(made[0], skip_special_tokens=True)
    said = captioner.predict([Describe(picture)])[0].text
    assert said
    assert " ".join(words.split()).endswith(said)


def test_a_caption_is_kept(captioner: Captioner) -> None:
    first = captioner.predict([Describe(view(1)), Describe(view(1))])
    assert captioner.predict([Describe(view(1))]) == first[:1]
    assert captioner.encodes == 1


def test_the_configuration_says_how_captions_are_asked_for(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    ours = {"prompts": {"short": "", "detailed": "much"}, "most_tokens": {"short": 3, "detailed": 9}}
    (tmp_path / "config.json").write_text(json.dumps(config | {"saccade": ours}))
    captioner = Captioner.load(ModelSpec("file", str(tmp_path)), "cpu")
    short, detailed = captioner.predict([Describe(view(1)), Describe(view(1), "detailed")])
    assert len(short.text) <= 5  # three tokens: letters, with blanks between them
    assert "much" not in detailed.text
    assert detailed.text != short.text
    assert captioner.shown(view(1)).size == (60, 60)  # trained here: padded to a square


def llava_instead(folder: Path) -> None:
    save_llava(folder)


def nothing(folder: Path) -> None:
    folder.mkdir(exist_ok=True)


def cut_off(folder: Path) -> None:
    save_blip(folder)
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


@pytest.mark.parametrize("spoil", [llava_instead, nothing, cut_off])
def test_what_is_no_whole_blip_is_refused(spoil: Callable[[Path], None], tmp_path: Path) -> None:
    spoil(tmp_path)
    with pytest.raises(UserError) as refused:
        Captioner.load(ModelSpec("file", str(tmp_path)), "cpu")
    assert refused.value.kind == "bad_weights"
