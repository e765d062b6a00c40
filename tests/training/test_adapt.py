from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import supervision as sv
import torch
from PIL import Image

from saccade import cli
from saccade.benchmarks.random_models import save_llava
from saccade.errors import UserError
from saccade.settings import ModelSpec
from saccade.tools.contracts import View
from saccade.tools.experts.llava.expert import Llava
from saccade.tools.experts.llava.model import load_llava
from saccade.tools.pool import ExpertPool
from saccade.tools.requests import Answer, Describe, Detect, Likeness, Said
from saccade.training.llava import adapt
from saccade.training.llava.adapt import Lessons, Tuning, tune, wrap
from saccade.training.llava.own_pictures import Record, context_of, epochs, read_folder, view_of, write_records
from saccade.training.llava.teacher import ChatTeacher, Context, Exchange, parse_exchanges

FAST = Tuning(rank=8, alpha=16, rate=1e-2, projector_rate=3e-3, passes=30, batch=4)
SAID = {"red": "It is a red thing.", "blue": "It is a blue thing."}


@pytest.fixture(scope="module", params=[False, True], ids=["llava", "llava_next"])
def any_base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"file:{save_llava(tmp_path_factory.mktemp('base'), anyres=request.param)}"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"file:{save_llava(tmp_path_factory.mktemp('base'))}"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Four plain pictures and what is to be said of them, in LLaVA's form."""
    folder = tmp_path / "mine"
    folder.mkdir()
    records = []
    for number in range(4):
        color = ("red", "blue")[number % 2]
        Image.new("RGB", (48 + 8 * number, 48), color).save(folder / f"{number}.png")
        turns = [{"from": "human", "value": "<image>\nWhat is it?"}, {"from": "gpt", "value": SAID[color]}]
        turns += [{"from": "human", "value": "Sure?"}, {"from": "gpt", "value": "Yes."}]
        records.append({"id": str(number), "image": f"{number}.png", "conversations": turns})
    (folder / "captions").mkdir()
    (folder / "captions" / "mine.json").write_text(json.dumps(records))
    return folder


class Eyes:
    """Experts that know these pictures."""

    def ask(self, role: str, requests: Any) -> list[Any]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        match request:
            case Likeness():
                return None
            case Detect(view):
                boxes = np.array([[0, 0, view.size[0] / 2, view.size[1]]], np.float32)
                return sv.Detections(boxes, class_id=np.zeros(1, int), data={"class_name": np.array(["patch"])})
            case Describe(view, detail):
                red = view.pixels().getpixel((1, 1)) == (255, 0, 0)
                return Said(f"{detail}: all {'red' if red else 'blue'}")


def scripted(told: str, asked: str) -> str:
    """A teacher that reads the colour out of the captions."""
    color = "red" if "all red" in asked else "blue"
    return f"Question: What is it?\nAnswer: {SAID[color]}\n===\nQuestion: Sure?\nAnswer: Yes."


def test_tuning_makes_an_adapter_that_says_what_was_taught(any_base: str, images: Path, tmp_path: Path) -> None:
    losses = tune(any_base, images, tmp_path / "out", tuning=replace(FAST, passes=150), device="cpu")
    assert losses[-1] < 0.1 * losses[0]
    before = Llava.load(ModelSpec.parse(any_base), "cpu")
    after = Llava.load(ModelSpec.parse(f"file:{tmp_path / 'out'}"), "cpu")
    asked = [Answer((view_of(images / f"{number}.png"),), "What is it?") for number in range(4)]
    assert [said.text for said in after.predict(asked)] == [SAID["red"], SAID["blue"]] * 2
    assert not set(SAID.values()) & {said.text for said in before.predict(asked)}
    follow = Answer(asked[0].views, "Sure?", (("What is it?", SAID["red"]),))
    assert after.predict([follow])[0].text == "Yes."  # it has learned to stop
    card = json.loads((tmp_path / "out" / "card.json").read_text())
    assert card["base"] == any_base
    assert card["loss"]["last"] < card["loss"]["first"]
    assert {"adapter_config.json", "adapter_model.safetensors", "card.json", "curve.png"} <= {
        path.name for path in (tmp_path / "out").iterdir()
    }


def test_only_lora_and_the_projector_learn_and_only_the_assistants_words_teach(base: str, images: Path) -> None:
    model, processor = load_llava(ModelSpec.parse(base), "cpu")
    model = wrap(model)
    trained = {name for name, value in model.named_parameters() if value.requires_grad}
    assert all("lora_" in name or "multi_modal_projector" in name for name in trained)
    assert any("multi_modal_projector" in name for name in trained)
    assert not any("vision_tower" in name for name in trained)
    view = view_of(images / "0.png")

    def loss(question: str, answer: str, follow: str = "Sure?") -> float:
        record = Record(images / "0.png", (Exchange(question, answer), Exchange(follow, "Yes.")))
        model.eval()
        lessons = Lessons(model, processor, [record], {record.picture: view})
        ids, taught = lessons.row(record, 16)
        seen = processor.tokenizer.decode([one for one, learn in zip(ids, taught, strict=True) if learn])
        assert "".join(seen.split()) == "".join(f"{answer}</s>Yes.</s>".split())
        with torch.no_grad():
            return lessons.loss([0]).item()

    assert loss("What is it?", "A cube.") != loss("What is it?", "A cone.")


@pytest.mark.parametrize("anyres", [False, True])
def test_a_changed_user_token_changes_no_target_and_an_assistants_does(
    anyres: bool, images: Path, tmp_path: Path
) -> None:
    model, processor = load_llava(ModelSpec("file", str(save_llava(tmp_path / "base", anyres=anyres))), "cpu")
    lessons = Lessons(wrap(model), processor, [], {})

    def targets(*said: str) -> list[int]:
        record = Record(images / "0.png", (Exchange(said[0], said[1]), Exchange(said[2], said[3])))
        ids, taught = lessons.row(record, 16)
        return [one for one, learn in zip(ids, taught, strict=True) if learn]

    right = targets("What is it?", "A cube.", "Sure?", "Yes.")
    assert lessons.prompter.image_id not in right
    assert right.count(lessons.prompter.tokenizer.eos_token_id) == 2
    assert targets("Whst is it?", "A cube.", "Sure!", "Yes.") == right
    assert targets("What is it?", "A cuke.", "Sure?", "Yes.") != right
    assert targets("What is it?", "A cube.", "Sure?", "Yas.") != right


def test_a_teacher_writes_the_instructions(base: str, images: Path, tmp_path: Path) -> None:
    (images / "captions" / "mine.json").unlink()
    losses = tune(
        base, images, tmp_path / "out", teacher=ChatTeacher(scripted), experts=Eyes(), tuning=FAST, device="cpu"
    )
    assert losses[-1] < 0.5 * losses[0]
    kept = json.loads((tmp_path / "out" / "instructions.json").read_text())
    assert len(kept) == 3 * 4  # of every kind about every picture
    assert kept[0]["conversations"][0] == {"from": "human", "value": "<image>\nWhat is it?"}
    assert kept[0]["conversations"][1] == {"from": "gpt", "value": SAID["red"]}


def test_a_teacher_is_told_the_papers_context_and_not_asked_twice(images: Path, tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []

    def ask(system: str, context: str) -> str:
        told.append((system, context))
        return scripted(system, context)

    pictures = sorted(images.glob("*.png"))
    write_records(pictures[:1], ChatTeacher(ask), Eyes(), tmp_path / "kept.json")
    assert told[0][1] == "short: all red\ndetailed: all red\n\npatch: [0.000, 0.000, 0.500, 1.000]"
    assert len({system for system, _ in told}) == 3
    records = write_records(pictures, ChatTeacher(ask), Eyes(), tmp_path / "kept.json")
    assert len(told) == 3 * len(pictures)
    assert len(records) == 3 * len(pictures)


def test_what_a_teacher_wrote_is_read_and_the_rest_is_left_out() -> None:
    text = (
        "Sure! Here you are.\nQuestion: How many?\n===\nAnswer: Two,\nas I see.\n===\nquestion: Why? answer: Because."
    )
    assert parse_exchanges(text) == [Exchange("How many?", "Two,\nas I see."), Exchange("Why?", "Because.")]
    assert parse_exchanges("I cannot see pictures.") == []


def test_a_teacher_who_writes_nothing_is_named(images: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--teacher") as refused:
        write_records(sorted(images.glob("*.png")), ChatTeacher(lambda *_: "Hm."), Eyes(), tmp_path / "kept.json")
    assert refused.value.kind == "bad_teacher"


def test_pictures_that_the_experts_do_not_know_are_refused(images: Path) -> None:
    class Strangers(Eyes):
        def _answer(self, request: Any) -> Any:
            return 0.1 if isinstance(request, Likeness) else super()._answer(request)

    with pytest.raises(UserError, match="--profile gpu"):
        context_of(view_of(images / "0.png"), Strangers())


def test_a_context_without_things_is_its_captions() -> None:
    assert Context(("a cat",), ()).text() == "a cat"


def test_ctrl_c_saves_and_resume_ends_where_it_would_have(
    base: str, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = Tuning(rank=4, rate=1e-2, passes=8, batch=4)
    whole = tune(base, images, tmp_path / "whole", tuning=short, device="cpu")
    usual, steps = Lessons.loss, list[int]()

    def interrupted(self: Lessons, numbers: Any) -> torch.Tensor:
        steps.append(1)
        if len(steps) == 3:
            signal.raise_signal(signal.SIGINT)
        return usual(self, numbers)

    monkeypatch.setattr(Lessons, "loss", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tune(base, images, tmp_path / "cut", tuning=short, device="cpu")
    assert len(steps) == 3
    resumed = tune(base, images, tmp_path / "cut", tuning=short, device="cpu", resume=True)
    assert len(steps) == 8
    assert resumed == pytest.approx(whole, rel=1e-3)


def test_every_record_comes_once_in_a_pass() -> None:
    numbers = [number for batch in epochs(10, 4, 5) for number in batch]
    assert sorted(numbers[:10]) == sorted(numbers[10:]) == list(range(10))
    assert numbers[:10] != numbers[10:]


# The command line


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main(["train", *arguments])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return int(ended.value.code or 0), captured.out + captured.err

    return call


def test_the_command_tunes_with_a_scripted_teacher(
    base: str, images: Path, tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (images / "captions" / "mine.json").unlink()
    (tmp_path / "teacher.json").write_text(json.dumps([scripted("", "all red")] * 12))
    monkeypatch.setattr("saccade.tools.pool.ExpertPool.ask", lambda _, role, requests: Eyes().ask(role, requests))
    monkeypatch.setattr(adapt.tune, "__kwdefaults__", adapt.tune.__kwdefaults__ | {"tuning": FAST})
    out = tmp_path / "out"
    code, text = run(
        "llava", "--base", base, "--images", str(images), "--teacher", f"script:{tmp_path / 'teacher.json'}",
        "--out", str(out),
    )  # fmt: skip
    assert code == 0, text
    assert f'llava = "file:{out}"' in text
    (tmp_path / "mine.toml").write_text(f'[models]\nllava = "file:{out}"\n')
    from saccade.settings import load_profile

    monkeypatch.undo()
    pool = ExpertPool(load_profile(str(tmp_path / "mine.toml")), "cpu")
    assert pool.ask("llava", [Answer((view_of(images / "0.png"),), "What is it?")])[0].text == SAID["red"]


def bad_json(folder: Path) -> str:
    (folder / "captions" / "mine.json").write_text("[{")
    return "mine.json"


def bad_record(folder: Path) -> str:
    (folder / "captions" / "mine.json").write_text('[{"image": "0.png", "text": "a cat"}]')
    return "LLaVA's form"


def wrong_order(folder: Path) -> str:
    turns = [{"from": "gpt", "value": "a"}, {"from": "human", "value": "b"}]
    (folder / "captions" / "mine.json").write_text(json.dumps([{"image": "0.png", "conversations": turns}]))
    return "turn 0 must be from 'human'"


def lost_picture(folder: Path) -> str:
    (folder / "2.png").unlink()
    return "no picture '2.png'"


def no_instructions(folder: Path) -> str:
    (folder / "captions" / "mine.json").unlink()
    return "--teacher"


def broken_picture(folder: Path) -> str:
    (folder / "1.png").write_bytes(b"no picture at all")
    return "1.png"


def no_pictures(folder: Path) -> str:
    for path in folder.glob("*.png"):
        path.unlink()
    return "no picture in it"


@pytest.mark.parametrize(
    "spoil", [bad_json, bad_record, wrong_order, lost_picture, no_instructions, broken_picture, no_pictures]
)
def test_a_bad_folder_is_told_and_ends_with_2(spoil: Any, base: str, images: Path, tmp_path: Path, run: Any) -> None:
    words = spoil(images)
    code, text = run("llava", "--base", base, "--images", str(images), "--out", str(tmp_path / "out"))
    assert code == 2
    assert words in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["llava", "--base", "hf:no/such-llava", "--images", "IMAGES"], "hf:no/such-llava"),
        (["llava", "--base", "file:/nowhere", "--images", "IMAGES"], "/nowhere"),
        (["llava", "--base", "llava", "--images", "IMAGES"], "with its scheme"),
        (["llava", "--base", "zoo:clip", "--images", "IMAGES"], "no LLaVA"),
        (["llava", "--base", "BASE", "--images", "/nowhere"], "no such folder"),
        (["llava", "--base", "BASE"], "--images FOLDER"),
        (["llava", "--images", "IMAGES"], "--base SPEC"),
        (["clip", "--base", "BASE", "--images", "IMAGES"], "train llava"),
        (["llava", "--base", "BASE+file:/some/adapter", "--images", "IMAGES"], "adapter"),
        (["llava", "--base", "BASE", "--images", "IMAGES", "--resume"], "nothing to resume"),
        (["llava", "--base", "BASE", "--images", "IMAGES", "--teacher", "script:/no.json"], "/no.json"),
    ],
)
def test_a_wrong_command_is_told_and_ends_with_2(
    arguments: list[str], words: str, base: str, images: Path, tmp_path: Path, run: Any
) -> None:
    given = [one.replace("IMAGES", str(images)).replace("BASE", base) for one in arguments]
    code, text = run(*given, "--out", str(tmp_path / "out"))
    assert code == 2
    assert words in " ".join(text.split())


def test_folder_records_are_read_from_folders_below(images: Path) -> None:
    records = read_folder(images)
    assert [record.picture.name for record in records] == ["0.png", "1.png", "2.png", "3.png"]
    assert records[0].exchanges == (Exchange("What is it?", SAID["red"]), Exchange("Sure?", "Yes."))
    assert isinstance(view_of(records[0].picture), View)
