"""Painters with random weights, each class saved once for all the tests that load it."""

from __future__ import annotations

from functools import partial

import pytest

from saccade.benchmarks import random_painters
from saccade.settings import ModelSpec
from saccade.tools.experts.painter.expert import Painter


@pytest.fixture(scope="session")
def painters(tmp_path_factory):
    """A function from the name of a kind of model to the folder, or file, that holds one; it is made at first use."""
    home = tmp_path_factory.mktemp("painters")
    others = {
        "controlnet": random_painters.save_controlnet, "depth": random_painters.save_depth_model,
        "lora.safetensors": random_painters.save_lora,
        "cat.safetensors": partial(random_painters.save_embedding, token="<cat>"),
    }  # fmt: skip

    def place(name):
        path = home / name
        if not path.exists():
            kind, _, half = name.partition("-")
            if name in others:
                others[name](path)
            else:
                random_painters.save_painter(path, kind, half=bool(half), variant="fp16" if half == "variant" else None)
        return path

    return place


def load(place, **about):
    """The painter in a folder, with settings as a profile gives them."""
    painter = Painter.load(ModelSpec("file", str(place)), "cpu")
    painter.configure({**painter.about, **about})
    return painter
