from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
import torch

from saccade.errors import UserError
from saccade.tools.weights import load_state, verify
from saccade.training.common import Budget, Card, Run, batches, choose, draw_curve, install, write_zoo
from saccade.training.recipes import RECIPES, recipe


def parts(rate: float = 0.1) -> dict[str, torch.nn.Module | torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = torch.nn.Linear(2, 1)
    return {"model": model, "optimizer": torch.optim.AdamW(model.parameters(), rate)}


def learn(run: Run, stop_at: int | None = None) -> None:
    """Steps whose data depend on the step alone, as those of a recipe do on the seed."""
    model, optimizer = run.state["model"], run.state["optimizer"]
    assert isinstance(model, torch.nn.Module)
    assert isinstance(optimizer, torch.optim.Optimizer)
    with run:
        for step in run:
            loss = (model(torch.full((1, 2), step / 10)) - 1).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.log(loss=loss.item())
            if step == stop_at:
                os.kill(os.getpid(), signal.SIGINT)


def test_a_stopped_run_goes_on_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    whole = Run(tmp_path / "whole", 12, parts())
    learn(whole)
    with pytest.raises(KeyboardInterrupt):
        learn(Run(tmp_path / "cut", 12, parts()), stop_at=5)
    resumed = Run(tmp_path / "cut", 12, parts(), resume=True)
    assert resumed.step == 6
    learn(resumed)
    assert resumed.history == whole.history
    assert torch.equal(resumed.state["model"].state_dict()["weight"], whole.state["model"].state_dict()["weight"])
    draw_curve(resumed.history, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_there_must_be_something_to_resume(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing to resume"):
        Run(tmp_path, 3, parts(), resume=True)


def test_a_zoo_folder_verifies_and_holds_half_precision(tmp_path: Path) -> None:
    out = tmp_path / "out"
    state = {"w": torch.randn(3, 3), "n": torch.tensor(5)}
    card = write_zoo(
        out, {"side": 256}, state, Card("tiny", {"rate": 1}, {"train": "seeds 0 to 9"}, 10, 0.1, {"cases": 9})
    )
    Run(out, 1, parts()).save()
    install(out, tmp_path / "zoo" / "tiny")
    folder = tmp_path / "zoo" / "tiny"
    assert verify(folder) == card.sha256
    assert sorted(path.name for path in folder.iterdir()) == ["card.json", "config.json", "model.safetensors"]
    loaded = load_state(folder)
    assert loaded["w"].dtype == torch.float16
    assert loaded["n"].item() == 5
    written = json.loads((folder / "card.json").read_text())
    assert written["parameters"] == 9
    assert written["hardware"]


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_hold_every_seed_once(workers: int) -> None:
    seen = [int(seed) for batch in batches(abs, range(10, 30), 4, workers) for seed in batch]
    assert sorted(seen) == list(range(10, 30))


def test_unknown_names_are_answered_with_the_known_ones() -> None:
    with pytest.raises(UserError, match="Did you mean 'cpu'"):
        choose("cpuu", {"cpu": Budget(1, 1), "gpu": Budget(2, 2)})
    with pytest.raises(UserError, match="Did you mean 'detector'"):
        recipe("detectr")


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_can_train_and_be_measured(name: str) -> None:
    assert callable(recipe(name).train)
    assert callable(recipe(name).evaluate)
