from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from saccade import settings
from saccade.errors import UserError
from saccade.settings import ModelSpec
from saccade.tools import weights


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A zoo folder with one tensor."""
    place = tmp_path / "zoo" / "tiny"
    place.mkdir(parents=True)
    save_file({"a": torch.arange(4.0)}, place / "model.safetensors")
    (place / "config.json").write_text("{}")
    (place / "card.json").write_text(json.dumps({"sha256": weights.sha256(place / "model.safetensors")}))
    return place


def use_zoo(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(settings, "ZOO", folder.parent)
    monkeypatch.setattr(weights, "ZOO", folder.parent)


def test_a_zoo_spec_leads_to_its_verified_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_zoo(monkeypatch, folder)
    assert weights.resolve(ModelSpec.parse("zoo:tiny")) == folder
    assert weights.load_state(folder)["a"].tolist() == [0, 1, 2, 3]


def test_a_wrong_hash_is_refused_with_both_hashes_and_what_to_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_zoo(monkeypatch, folder)
    expected = weights.sha256(folder / "model.safetensors")
    save_file({"a": torch.arange(5.0)}, folder / "model.safetensors")
    with pytest.raises(UserError) as caught:
        weights.resolve(ModelSpec.parse("zoo:tiny"))
    assert caught.value.kind == "wrong_hash"
    for part in (
        expected,
        weights.sha256(folder / "model.safetensors"),
        "saccade models verify",
        "git checkout -- zoo/tiny",
    ):
        assert part in caught.value.message


@pytest.mark.parametrize(
    ("spec", "kind", "words"),
    [
        ("zoo:tinny", "missing_weights", "Did you mean 'tiny'?"),
        ("zoo:../tiny", "missing_weights", "Valid: tiny"),
        ("file:/nowhere/sam.pth", "missing_weights", "/nowhere/sam.pth"),
        ("hf:nobody/nothing-of-this-name", "missing_weights", "saccade models fetch hf:nobody/nothing-of-this-name"),
        ("hf:not a name//", "missing_weights", "saccade models fetch"),
        ("openai:gpt", "bad_model_spec", "zoo:, file: or hf:"),
    ],
)  # fmt: skip
def test_what_cannot_be_found_is_said_with_the_next_step(
    spec: str, kind: str, words: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_zoo(monkeypatch, folder)
    with pytest.raises(UserError) as caught:
        weights.resolve(ModelSpec.parse(spec))
    assert caught.value.kind == kind
    assert words in caught.value.message


def test_a_published_checkpoint_is_read_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = "0" * 40
    model = tmp_path / "models--ann--thing"
    (model / "snapshots" / commit).mkdir(parents=True)
    (model / "snapshots" / commit / "config.json").write_text("{}")
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert weights.resolve(ModelSpec.parse("hf:ann/thing")) == model / "snapshots" / commit


@pytest.mark.parametrize("name", sorted(card.parent.name for card in settings.ZOO.glob("*/card.json")))
def test_every_model_that_ships_is_what_its_card_says(name: str) -> None:
    assert weights.verify(settings.ZOO / name)
    assert sum(path.stat().st_size for path in (settings.ZOO / name).rglob("*.safetensors")) <= 15e6


class Payload:
    """Something that runs a command when it is unpickled without care."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, (self.command,)


@pytest.mark.parametrize("writer", ["torch", "pickle"])
def test_a_pickle_that_would_run_something_is_refused(writer: str, tmp_path: Path) -> None:
    proof, path = tmp_path / "proof", tmp_path / "sam.pth"
    payload = {"a": Payload(f"touch {proof}")}
    torch.save(payload, path) if writer == "torch" else path.write_bytes(pickle.dumps(payload, protocol=2))
    with pytest.raises(UserError, match="not run") as caught:
        weights.load_state(path)
    assert caught.value.kind == "bad_weights"
    assert not proof.exists()


def test_state_dicts_are_read_bare_and_wrapped(tmp_path: Path) -> None:
    state = {"w": torch.ones(2)}
    torch.save(state, tmp_path / "bare.pth")
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "wrapped.pt")
    for name in ("bare.pth", "wrapped.pt"):
        assert weights.load_state(tmp_path / name)["w"].tolist() == [1, 1]


@pytest.mark.parametrize("name", ["model.safetensors", "model.pth", "model.onnx"])
def test_damaged_and_unknown_files_are_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"no weights at all")
    with pytest.raises(UserError, match=name):
        weights.load_state(tmp_path / name)


def test_weights_of_another_model_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="do not fit"):
        weights.fit_state(torch.nn.Linear(2, 2), {"weight": torch.ones(3, 2), "bias": torch.ones(2)}, tmp_path)


@pytest.mark.parametrize("path", sorted(settings.ZOO.glob("*/card.json")), ids=lambda path: path.parent.name)
def test_a_card_says_which_phases_made_the_weights_and_what_was_seen_of_the_held_out_sets(path):
    card = json.loads(path.read_text("utf-8"))
    assert sum(phase.get("steps", 0) for phase in card["phases"]) == card["steps"]
    assert card["from_nothing"] == (len([phase for phase in card["phases"] if "steps" in phase]) == 1)
    assert card["seen"]
