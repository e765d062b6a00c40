"""A result says which models it was made with, and one that is committed was made with those of the zoo."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import saccade
from saccade.evals.models import models_of, strangers_in
from saccade.settings import load_profile

RESULTS = Path(saccade.__file__).parent / "docs" / "results"
# Nothing is asked of a model there, or what it says does not matter: killed writers embed with the small embedder.
WITHOUT_MODELS = {"fuzzed_files", "install", "kills", "serving", "slack", "task_kills"}


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_a_committed_result_was_made_with_the_models_of_the_zoo(path):
    if path.stem in WITHOUT_MODELS:
        return
    assert strangers_in(json.loads(path.read_text("utf-8"))) == []


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_no_held_out_case_is_committed_in_words(path):
    report = json.loads(path.read_text("utf-8"))
    assert not {"request", "requests", "steps", "gold"} & keys_of(report)


def keys_of(value):
    """Every key of a JSON value, at any depth."""
    if isinstance(value, dict):
        return set(value).union(*map(keys_of, value.values()))
    return set().union(*map(keys_of, value)) if isinstance(value, list) else set()


def test_another_hash_is_refused_and_a_model_without_files_has_none():
    models = models_of(load_profile("bundled"))
    assert strangers_in({"models": models}) == []
    assert models["reader"]["sha256"] is None
    models["clip"]["sha256"] = "12" * 32
    (wrong,) = strangers_in({"models": models})
    assert "zoo/clip" in wrong
    assert "measure it again" in wrong
    assert strangers_in({"rows": []}) == ["it does not say which models it was made with"]
