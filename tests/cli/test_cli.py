"""The command line: its contract of exit codes and JSON, and bad input of every kind."""

import json
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from PIL import Image

from saccade.agent.doctor import fetch
from saccade.cli import main
from saccade.settings import load_profile
from saccade.tools.registry import expert_roles


def run(capsys, *arguments) -> tuple[int, str, str]:
    """Run the command line in this process: (exit code, stdout, stderr)."""
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return int(stopped.value.code or 0), captured.out, captured.err


@pytest.fixture
def home(tmp_path, monkeypatch):
    path = tmp_path / "home"
    monkeypatch.setenv("SACCADE_HOME", str(path))
    return path


@pytest.fixture
def controller(tmp_path):
    """A controller that answers once, so that no model is needed."""
    script = tmp_path / "script.json"
    script.write_text(json.dumps(["Hello there."]))
    return f"script:{script}"


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def a_missing_file(folder: Path) -> Path:
    return folder / "nowhere.png"


def a_text_file(folder: Path) -> Path:
    path = folder / "letter.png"
    path.write_text("Dear reader, this is no picture.")
    return path


def a_truncated_jpeg(folder: Path) -> Path:
    path = folder / "half.jpg"
    Image.effect_noise((200, 200), 60).convert("RGB").save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def a_folder(folder: Path) -> Path:
    path = folder / "folder.png"
    path.mkdir()
    return path


def a_huge_png(folder: Path) -> Path:
    side = 30_000
    rows = zlib.compress(b"\0" * (side // 8 + 1) * side, 9)  # one bit a pixel: a small file with 900 million pixels
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    path = folder / "huge.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
    return path


BAD_FILES = [a_missing_file, a_text_file, a_truncated_jpeg, a_folder, a_huge_png]


@pytest.mark.parametrize("make", BAD_FILES, ids=lambda make: make.__name__)
def test_a_bad_file_is_named_and_nothing_is_written(make, tmp_path, home, controller, capsys):
    path = make(tmp_path)
    code, out, _ = run(capsys, "ask", "What is this?", path, "--json", "--controller", controller)
    error = json.loads(out)["error"]
    assert code == 2
    assert path.name in error["message"]
    assert not home.exists(), "something was written"
    code, out, err = run(capsys, "ask", "What is this?", path, "--controller", controller)
    assert (code, err.strip()) == (2, error["message"])


@pytest.mark.parametrize(
    ("arguments", "kind", "quoted"),
    [
        (["ask", ""], "empty_request", "request"),
        (["ask", "   \n"], "empty_request", "request"),
        (["ask", "hello", "--profile", "nosuch"], "unknown_profile", "nosuch"),
        (["ask", "hello", "--controller", "clip"], "bad_model_spec", "clip"),
        (["ask", "hello", "--controller", "zo:clip"], "bad_model_spec", "zo"),
        (["ask", "hello", "--controller", "zoo:nosuch"], "missing_weights", "nosuch"),
        (["ask", "hello", "--chat", "chat_000000000000"], "unknown_chat", "chat_000000000000"),
        (["ask"], "usage", "request"),
        (["train", "nosuch"], "unknown_recipe", "nosuch"),
        (["models", "fetch", "zoo:clip"], "nothing_to_fetch", "zoo:clip"),
    ],
)
def test_bad_arguments_exit_with_2_and_quote_the_value(arguments, kind, quoted, home, capsys):
    speaks_json = arguments[0] not in {"train", "models"}
    code, out, err = run(capsys, *arguments, *(["--json"] if speaks_json else []))
    assert code == 2
    if speaks_json:
        assert json.loads(out)["error"]["kind"] == kind
    assert quoted in out + err
    assert not home.exists(), "something was written"


def test_a_zoo_file_with_a_wrong_hash_is_refused(tmp_path, home, capsys, monkeypatch):
    from saccade import settings
    from saccade.tools import weights

    zoo = tmp_path / "zoo"
    (zoo / "clip").mkdir(parents=True)
    (zoo / "clip" / "config.json").write_text("{}")
    (zoo / "clip" / "model.safetensors").write_bytes(b"not what the card says")
    (zoo / "clip" / "card.json").write_text(json.dumps({"sha256": "0" * 64}))
    monkeypatch.setattr(settings, "ZOO", zoo)
    monkeypatch.setattr(weights, "ZOO", zoo)
    code, _, err = run(capsys, "ask", "hello", "--controller", "zoo:clip")
    assert code == 2
    assert "SHA-256" in err
    assert "git checkout" in err


def test_ask_prints_one_json_object_in_the_contracts_form(tmp_path, home, controller, capsys):
    picture = tmp_path / "grey.png"
    Image.new("RGB", (64, 48), "grey").save(picture)
    code, out, _ = run(capsys, "ask", "What is this?", picture, "--json", "--controller", controller)
    reply = json.loads(out)
    assert code == 0
    assert set(reply) == {"status", "text", "images", "regions", "evidence", "steps", "chat", "warnings"}
    assert reply["text"] == "Hello there."
    assert reply["evidence"] is None


def test_the_module_runs_like_the_command():
    done = subprocess.run([sys.executable, "-m", "saccade", "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    for command in ("ask", "chat", "doctor", "scenes", "train", "eval", "models"):
        assert command in done.stdout


def test_scenes_are_rendered_in_the_contracts_form(tmp_path, capsys):
    code, _, _ = run(capsys, "scenes", "render", "--count", 2, "--seed", 3, "--size", 128, "--out", tmp_path / "scenes")
    assert code == 0
    assert sorted(path.name for path in (tmp_path / "scenes").iterdir()) == [
        "0000.json",
        "0000.png",
        "0001.json",
        "0001.png",
    ]
    truth = json.loads((tmp_path / "scenes" / "0000.json").read_text())
    assert set(truth) == {"seed", "width", "height", "background", "objects", "captions", "questions"}
    assert set(truth["objects"][0]) == {"id", "shape", "color", "size", "material", "word", "box", "mask"}
    assert set(truth["questions"][0]) == {"question", "program", "answer", "family"}
    with Image.open(tmp_path / "scenes" / "0000.png") as picture:
        assert picture.size == (truth["width"], truth["height"]) == (128, 128)


def test_doctor_says_what_is_missing_and_how_to_get_it(home, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "empty"))
    code, out, _ = run(capsys, "doctor", "--profile", "gpu", "--json")
    report = json.loads(out)
    assert code == 2
    assert not report["ready"]
    missing = [model for model in report["models"] if not model["there"]]
    assert missing
    for model in missing:
        assert ("apt install" if model["role"] == "reader" else "saccade models fetch") in model["problem"]


def test_doctor_is_not_content_with_a_profile_that_lacks_a_role(home, capsys, tmp_path):
    profile = tmp_path / "mine.toml"
    profile.write_text('[models]\ncontroller = "zoo:controller-tiny"\nclip = "zoo:clip"\n')
    code, out, _ = run(capsys, "doctor", "--profile", profile, "--json")
    report = json.loads(out)
    assert code == 2
    assert {model["role"] for model in report["models"] if not model["there"]} == set(expert_roles()) - {
        "clip",
        "painter",
    }


def test_of_a_pipeline_its_parts_are_fetched_and_not_the_same_once_more_in_one_file(monkeypatch, tmp_path):
    """What the hub's client is asked for; there is no network here."""
    import huggingface_hub

    asked = {}

    def fetched(name, allow_patterns):
        folder = tmp_path / name
        folder.mkdir(parents=True, exist_ok=True)
        if "diffusion" in name:
            (folder / "model_index.json").touch()
        asked[name] = allow_patterns
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetched)
    assert {str(spec) for spec in fetch("gpu")} >= {"hf:stable-diffusion-v1-5/stable-diffusion-inpainting"}
    assert asked["stable-diffusion-v1-5/stable-diffusion-v1-5"][0] == "*/*.safetensors"
    assert asked["openai/clip-vit-large-patch14"][0] == "*.safetensors"
    assert not any(".bin" in pattern or "ckpt" in pattern for patterns in asked.values() for pattern in patterns)


def test_models_that_are_not_ours_are_told_apart_and_nothing_to_fetch_is_said(home, capsys):
    code, out, _ = run(capsys, "models", "verify", "--profile", "gpu")
    assert (code, out.count("not bundled")) == (0, len(load_profile("gpu").models))
    code, out, _ = run(capsys, "models", "fetch", "bundled")
    assert code == 0
    assert "nothing to download" in out


def test_the_profile_of_the_environment_is_taken(home, capsys, monkeypatch):
    monkeypatch.setenv("SACCADE_PROFILE", "nosuch")
    code, _, err = run(capsys, "ask", "hello")
    assert code == 2
    assert "nosuch" in err


def test_a_file_cannot_be_the_folder_for_results(tmp_path, home, controller, capsys):
    taken = tmp_path / "taken"
    taken.write_text("here I am")
    code, out, _ = run(capsys, "ask", "hello", "--controller", controller, "--out", taken, "--json")
    assert code == 2
    assert json.loads(out)["error"]["kind"] == "bad_out"
    assert not home.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which Linux has")
@pytest.mark.parametrize("arguments", [["--help"], ["tools"], ["tools", "--json"], ["scenes", "render", "--out", "s"]])
def test_a_full_disk_behind_stdout_is_told_in_a_line(arguments, tmp_path):
    with open("/dev/full", "w") as full:  # noqa: PTH123 (a device)
        done = subprocess.run([sys.executable, "-m", "saccade", *arguments], stdout=full, stderr=subprocess.PIPE,
                              text=True, cwd=tmp_path, env=os.environ | {"SACCADE_HOME": str(tmp_path)})  # fmt: skip
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "No space left" in line


@pytest.mark.parametrize("arguments", [["--help"], ["tools", "--json"]])
def test_to_a_reader_that_goes_away_nothing_is_said(arguments, tmp_path):
    command = subprocess.Popen([sys.executable, "-m", "saccade", *arguments], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=os.environ | {"SACCADE_HOME": str(tmp_path)})  # fmt: skip
    command.stdout.close()
    assert command.stderr.read() == b""
    command.stderr.close()
    command.wait(30)  # its code is nobody's concern then
