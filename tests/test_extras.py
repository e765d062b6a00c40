"""What only some use is an extra: where it is missing, each place that stands on it names the mend first."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import saccade
from saccade.agent.controllers.load import load_controller
from saccade.errors import UserError
from saccade.extras import EXTRAS, missing_extra
from saccade.settings import ModelSpec

ROOT = Path(saccade.__file__).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    """A Python in which no extra is installed."""
    for module in EXTRAS.values():
        monkeypatch.setitem(sys.modules, module, None)


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_is_declared_tested_and_named_in_the_message(extra):
    offered = PROJECT["optional-dependencies"]
    package = EXTRAS[extra].replace("_", "-")
    assert any(package in line for line in offered[extra])
    assert not any(line.startswith(package) for line in PROJECT["dependencies"])
    locked = (ROOT / "requirements-extras.lock").read_text()
    assert re.search(rf"^[\w-]*{package}[\w-]*==", locked, re.MULTILINE), "python-telegram-bot brings telegram"
    assert extra in offered["dev"][0], "the tests run with every extra"
    assert f"pip install 'saccade[{extra}]'" in str(missing_extra(extra))


def ask_a_server(folder):
    load_controller("openai:some-model")


def install_tesseract(folder):
    (folder / "tesseract").write_text("#!/bin/sh\n")
    (folder / "tesseract").chmod(0o755)


def read_a_document(folder):
    from saccade.tools.experts.reader.tesseract import Tesseract

    install_tesseract(folder)
    Tesseract("eng")


def put_an_adapter_on(folder):
    from saccade.tools.experts.llava.model import load_llava

    load_llava(ModelSpec.parse(f"zoo:llava+file:{folder}"), "cpu")


def tune_a_llava(folder):
    from saccade.training.llava.adapt import tune

    tune("zoo:llava", folder, folder / "out")


@pytest.mark.parametrize("use", [ask_a_server, read_a_document, put_an_adapter_on, tune_a_llava])
def test_whoever_needs_one_is_told_how_to_get_it(use, monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:1/v1")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"`make extras` in a clone.*pip install 'saccade\[") as caught:
        use(tmp_path)
    assert caught.value.kind == "missing_extra"


@pytest.mark.parametrize(
    ("role", "spec"),
    [("controller", "openai:some-model"), ("reader", "tesseract:eng"), ("llava", "zoo:llava+file:{folder}")],
)
def test_doctor_names_the_extra_that_a_profile_needs(role, spec, monkeypatch, tmp_path):
    from saccade.agent.doctor import examine_model

    install_tesseract(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:1/v1")
    report = examine_model(role, ModelSpec.parse(spec.format(folder=tmp_path)))
    assert not report["there"]
    assert "make extras" in report["problem"]


def test_the_bundled_profile_needs_no_extra(tmp_path):
    from saccade.scenes.render import render
    from saccade.scenes.sample import sample_scene

    render(sample_scene(3, "test"), 512).image.save(tmp_path / "scene.png")
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({[*EXTRAS.values(), 'accelerate', 'openai']}))\n"
        f"from saccade.cli import main; main(['ask', 'Cut out the biggest thing.', 'scene.png', '--json'])"
    )
    asked = os.environ | {"SACCADE_HOME": str(tmp_path / "home")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=asked)
    assert done.returncode == 0, done.stderr
    assert "img_2" in done.stdout


def test_the_default_set_up_is_smaller_and_quicker_than_before_there_were_extras():
    report = json.loads((ROOT / "docs" / "results" / "install.json").read_text("utf-8"))
    before, default = report["before"], report["default"]
    assert default["megabytes after use"] < 0.75 * before["megabytes"]
    assert default["packages"] < before["packages"]
    assert default["seconds, from cache"] + default["seconds, first question"] < before["seconds, from cache"]
    locked = {
        line.split("==")[0] for line in (ROOT / "requirements.lock").read_text().splitlines() if line[:1].isalpha()
    }
    assert abs(default["packages"] - len(locked)) < 10, "measure again: python -m saccade.benchmarks install"
