"""Adapters on a LLaVA, and a whole turn that one answers in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from saccade import Agent, settings
from saccade.agent.controllers.scripted import ScriptedController, call
from saccade.agent.events import ExpertSaid, StepFinished, StepStarted
from saccade.benchmarks.random_models import save_llava
from saccade.errors import UserError
from saccade.scenes.render import render
from saccade.scenes.sample import sample_scene
from saccade.settings import ModelSpec
from saccade.tools.contracts import View
from saccade.tools.experts.llava.expert import Llava
from saccade.tools.requests import Answer

QUESTIONS = ("What is it?", "How many red things are there in the picture?", "x", "Is it a cube or a ball?")


def noise(seed: int, size: tuple[int, int] = (60, 40)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8))


def view(seed: int, box: Any = None, size: tuple[int, int] = (60, 40)) -> View:
    image = noise(seed, size)
    return View(f"pic_{seed}", size, box or (0, 0, *size), lambda: image)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llava(tmp_path_factory.mktemp("base"))


@pytest.fixture
def adapter(base: Path, tmp_path: Path) -> Path:
    from saccade.tools.experts.llava.model import load_llava
    from saccade.training.llava.adapt import save_adapter, wrap

    model = wrap(load_llava(ModelSpec("file", str(base)), "cpu")[0])
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.requires_grad:
                value += 0.3 * torch.randn(value.shape, generator=torch.Generator().manual_seed(len(name)))
    save_adapter(model, tmp_path / "adapter", f"file:{base}")
    return tmp_path / "adapter"


def test_an_adapter_changes_what_is_said_and_is_named_in_two_ways(base: Path, adapter: Path) -> None:
    asked = [Answer((view(1),), question) for question in QUESTIONS]
    plain, both, alone = (
        Llava.load(ModelSpec.parse(spec), "cpu")
        for spec in (f"file:{base}", f"file:{base}+file:{adapter}", f"file:{adapter}")
    )
    assert both.predict(asked) == alone.predict(asked)
    assert [said.text for said in plain.predict(asked)] != [said.text for said in both.predict(asked)]
    assert plain.name != both.name == alone.name


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
def test_an_adapter_gives_what_the_unmerged_one_would(base: Path, adapter: Path) -> None:
    from peft import PeftModel

    plain, both = (Llava.load(ModelSpec.parse(f"file:{base}{part}"), "cpu") for part in ("", f"+file:{adapter}"))
    unmerged = PeftModel.from_pretrained(plain.model, str(adapter)).base_model.model
    pixels = plain.prompter.pixels([view(1)])["pixel_values"]
    ids = torch.tensor([[1, *[3] * 16, 40, 41, 42]])
    with torch.inference_mode():
        one, other = (model(input_ids=ids, pixel_values=pixels).logits for model in (unmerged, both.model))
    assert torch.allclose(one, other, atol=1e-4)


def cut_adapter(folder: Path) -> None:
    data = (folder / "adapter_model.safetensors").read_bytes()
    (folder / "adapter_model.safetensors").write_bytes(data[:-100])


def empty_adapter(folder: Path) -> None:
    (folder / "adapter_model.safetensors").write_bytes(b"")


def pickled_adapter(folder: Path) -> None:
    torch.save(load_file(folder / "adapter_model.safetensors"), folder / "adapter_model.bin")
    (folder / "adapter_model.safetensors").unlink()


def half_adapter(folder: Path) -> None:
    state = load_file(folder / "adapter_model.safetensors")
    save_file(dict(list(state.items())[::2]), folder / "adapter_model.safetensors")


def wider_adapter(folder: Path) -> None:
    state = load_file(folder / "adapter_model.safetensors")
    save_file({k: torch.cat([v, v]) for k, v in state.items()}, folder / "adapter_model.safetensors")


def other_adapter(folder: Path) -> None:
    told = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(told | {"peft_type": "PREFIX_TUNING"}))


def odd_adapter(folder: Path) -> None:
    told = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(told | {"r": "many", "target_modules": 7}))


def no_json_adapter(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("no json")


@pytest.mark.parametrize(
    "spoil",
    [cut_adapter, empty_adapter, pickled_adapter, half_adapter, wider_adapter, other_adapter, odd_adapter,
     no_json_adapter],
)  # fmt: skip
def test_a_damaged_adapter_is_named_with_its_path(spoil: Callable[[Path], None], base: Path, adapter: Path) -> None:
    spoil(adapter)
    with pytest.raises(UserError) as refused:
        Llava.load(ModelSpec.parse(f"file:{base}+file:{adapter}"), "cpu")
    assert str(adapter) in refused.value.message
    assert refused.value.kind == "bad_adapter"
    assert "\n" not in refused.value.message


def test_an_adapter_that_is_not_there_or_tells_no_base_is_refused(base: Path, adapter: Path) -> None:
    with pytest.raises(UserError, match="no folder"):
        Llava.load(ModelSpec.parse(f"file:{base}+file:/no/adapter"), "cpu")
    told = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps(told | {"base_model_name_or_path": None}))
    with pytest.raises(UserError, match="does not tell its base"):
        Llava.load(ModelSpec.parse(f"file:{adapter}"), "cpu")


# What our own training told, and the agent


@pytest.mark.skipif(not (settings.ZOO / "clip" / "card.json").is_file(), reason="zoo/clip is not trained yet")
def test_a_turn_tells_llavas_words_as_they_come_and_strangers_are_told(base: Path, tmp_path: Path) -> None:
    from skimage import data

    profile = tmp_path / "mine.toml"
    profile.write_text(f'[models]\ncontroller = "zoo:controller-tiny"\nclip = "zoo:clip"\nllava = "file:{base}"\n')
    render(sample_scene(3, "test"), 512).image.save(tmp_path / "scene.png")
    Image.fromarray(data.astronaut()).save(tmp_path / "photograph.png")

    def ask(picture: str) -> tuple[list[Any], Any]:
        controller = ScriptedController([call("answer_about_image", images=["img_1"], question="Why?"), "I cannot."])
        with Agent(profile=str(profile), controller=controller, home=tmp_path / "home") as agent:
            *events, last = agent.chat().stream("What is it?", [tmp_path / picture])
        return events, last.reply

    events, reply = ask("scene.png")
    said = "".join(event.text for event in events if isinstance(event, ExpertSaid))
    assert said
    assert json.dumps(said, ensure_ascii=False) in reply.steps[0].observation
    kinds = [type(event) for event in events if isinstance(event, StepStarted | ExpertSaid | StepFinished)]
    assert (kinds[0], kinds[1], kinds[-1]) == (StepStarted, ExpertSaid, StepFinished)

    events, reply = ask("photograph.png")
    assert not any(isinstance(event, ExpertSaid) for event in events)
    assert "would be made up" in reply.warnings[0]
