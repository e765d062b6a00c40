"""Painting is measured beside the bare pipeline, by steps and tries, and as a distance with its floor and controls."""

from __future__ import annotations

import numpy as np
import pytest

from saccade.benchmarks import painting
from saccade.settings import load_profile
from saccade.tools.experts.painter.expert import Painter
from saccade.tools.pool import ExpertPool
from saccade.tools.weights import resolve


@pytest.fixture(scope="module")
def experts():
    return ExpertPool(load_profile("bundled"), "cpu")


def test_the_distance_is_frechet_s():
    rng = np.random.default_rng(0)
    one = rng.normal(size=(20_000, 3))
    assert painting.frechet(one, one) == pytest.approx(0, abs=1e-9)
    assert painting.frechet(one, one + np.array([3, 0, 4])) == pytest.approx(25)
    # Of normal distributions around one middle: the squares of the differences of their spreads.
    assert painting.frechet(one, 3 * one) == pytest.approx(3 * 2**2, rel=0.05)


def test_the_floor_is_below_the_controls(experts, monkeypatch):
    asked = experts.ask

    def ask(role, requests):
        """Other true scenes in the place of what is painted."""
        if role != "painter":
            return asked(role, requests)
        others = painting.scenes("test", 90_000 + requests[0].seed, len(requests))
        return [painting.render(scene, painting.SIDE).image for scene in others]

    monkeypatch.setattr(experts, "ask", ask)
    figures = painting.distances(experts, 32)
    floor = figures["floor: true pictures of training scenes"]
    assert figures["images"] == 32
    for name in ("control: the same backdrops without things", "control: grey", "control: noise"):
        assert figures[name] > 1.5 * floor, name
    assert figures["painted"] < 1.5 * floor, "true pictures of other scenes are as near as the floor"


def test_the_bare_pipeline_paints_the_same(monkeypatch):
    monkeypatch.setattr(painting, "BATCH", 2)
    spec = load_profile("bundled").spec("painter")
    expert = Painter.load(spec, "cpu")
    expert.configure({**expert.about, "steps": 2})
    requests = [painting.asked_for(scene, 5) for scene in painting.scenes("test", painting.FIRST, 1)]
    bare = painting.load_pipeline(resolve(spec), "cpu")
    (theirs,), (ours,) = bare(**painting.bare_options(expert, requests)()).images, expert.predict(requests)
    assert np.array_equal(np.asarray(theirs), np.asarray(ours))
    figures = painting.speed(expert, resolve(spec), 1)
    assert figures["alone"]["beside the bare pipeline"] > 0
    assert figures[f"batch of {painting.BATCH}"]["pictures a second"] > 0


def test_steps_and_tries_are_measured_and_drawn(experts, monkeypatch, tmp_path):
    monkeypatch.setattr(painting, "STEPS", (1, 2))
    monkeypatch.setattr(painting, "TRIES", (1,))
    monkeypatch.setitem(experts.about("painter"), "steps", 2)
    figures = {"quality": painting.quality(experts, 1)}
    assert figures["quality"]["prompts"] == 2
    assert set(figures["quality"]["by steps"]) == {"1", "2"}
    painting.plot(figures, tmp_path / "plot.png")
    with painting.Image.open(tmp_path / "plot.png") as image:
        assert image.width > 800
