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

from saccade.benchmarks.random_models import Shape, make_llava, save_blip, save_llava
from saccade.errors import ExpertFailed, ToolRetry, UserError
from saccade.settings import ModelSpec, Profile
from saccade.tools import weights
from saccade.tools.contracts import View
from saccade.tools.experts.llava.expert import Llava
from saccade.tools.experts.llava.prompt import MOST_CHARACTERS
from saccade.tools.pool import ExpertPool, PoolEvent
from saccade.tools.requests import STATEMENT, Answer, Describe, Said

QUESTIONS = ("What is it?", "How many red things are there in the picture?", "x", "Is it a cube or a ball?")


def noise(seed: int, size: tuple[int, int] = (60, 40)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8))


def view(seed: int, box: Any = None, size: tuple[int, int] = (60, 40)) -> View:
    image = noise(seed, size)
    return View(f"pic_{seed}", size, box or (0, 0, *size), lambda: image)


@pytest.fixture(scope="module", params=["llava", "llava_next"])
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Llava:
    folder = tmp_path_factory.mktemp(request.param)
    save_llava(folder, anyres=request.param == "llava_next")
    return Llava.load(ModelSpec("file", str(folder)), "cpu")


@pytest.fixture
def llava(loaded: Llava) -> Llava:
    """The model of the module behind an expert that has kept nothing yet."""
    return fresh(loaded)


def fresh(loaded: Llava, most: int = 10) -> Llava:
    expert = Llava(loaded.model, loaded.prompter.processor, "cpu", loaded.name)
    expert.most = most
    return expert


def seen_by_tower(llava: Llava) -> tuple[list[int], Any]:
    seen: list[int] = []
    return seen, llava.model.model.vision_tower.register_forward_hook(lambda *_: seen.append(1))


def test_it_says_what_the_model_generates_by_itself(llava: Llava) -> None:
    picture = view(1)
    said = llava.predict([Answer((picture,), "What is it?")])[0]
    processor = llava.prompter.processor
    content = [{"type": "image"}, {"type": "text", "text": "What is it?"}]
    text = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    inputs = processor(images=llava.prompter.shown(picture), text=text, return_tensors="pt")
    with torch.inference_mode():
        made = llava.model.generate(**inputs, max_new_tokens=10, do_sample=False)
    words = processor.tokenizer.decode(made[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    assert said.text == words.strip()
    assert said.confidence is not None
    assert 0 < said.confidence <= 1


def test_a_batch_says_what_one_by_one_is_said(loaded: Llava) -> None:
    pictures = [view(1), view(2), view(3, (5, 5, 25, 20)), view(4, size=(40, 90))]
    asked = [Answer((picture,), question) for picture in pictures for question in QUESTIONS]
    asked += [Answer((pictures[0], pictures[1]), "Which is red?"), Describe(pictures[2], "detailed")]
    asked.append(Answer((pictures[0],), "And it?", (("What is it?", "A cube."),)))
    together = fresh(loaded).predict(asked)
    for request, said in zip(asked, together, strict=True):
        alone = fresh(loaded).predict([request])[0]
        assert alone.text == said.text
        assert alone.confidence == pytest.approx(said.confidence, abs=1e-5)
    assert len({said.text for said in together}) > 3  # it is not the same noise everywhere


def test_eight_questions_on_one_picture_encode_it_once(llava: Llava) -> None:
    seen, hook = seen_by_tower(llava)
    llava.predict([Answer((view(1),), f"{question} {n}") for question in QUESTIONS for n in range(2)])
    llava.predict([Answer((view(1),), "Asked later.")])
    hook.remove()
    assert len(seen) == 1
    assert llava.encodes == 1
    assert llava.decoder.beginnings == 1  # nor is the language model shown it twice


def test_more_pictures_than_are_kept_are_encoded_once_each(llava: Llava) -> None:
    llava.keep_views = 3
    asked = [Answer((view(seed), view(seed + 1)), "Same?") for seed in range(0, 10, 2)]
    together = llava.predict([*asked, *[Answer((view(seed),), "What?") for seed in range(8, 10)]])
    assert llava.encodes == 10
    assert [said.text for said in together[:2]] == [said.text for said in fresh(llava).predict(asked[:2])]


def test_other_parts_of_a_picture_are_other_pictures(llava: Llava) -> None:
    llava.predict([Answer((view(1),), "What?"), Answer((view(1, (0, 0, 20, 20)),), "What?")])
    assert llava.encodes == 2


def test_an_answer_is_kept_under_picture_question_and_model(llava: Llava) -> None:
    asked = Answer((view(1),), "What is it?")
    first = llava.predict([asked, asked])
    steps: list[int] = []
    hook = llava.model.model.language_model.register_forward_hook(lambda *_: steps.append(1))
    assert llava.predict([asked]) == first[:1]
    assert steps == []
    llava.predict([Answer((view(1),), "What is it now?")])
    one, llava.name = len(steps), "another model"
    llava.predict([asked])
    hook.remove()
    assert 0 < one < len(steps)


@pytest.mark.parametrize("question", QUESTIONS)
def test_streamed_words_make_up_the_answer(loaded: Llava, question: str) -> None:
    for seed in range(3):
        asked, heard = Answer((view(seed),), question), list[str]()
        said = fresh(loaded, 24).stream(asked, heard.append)
        assert "".join(heard) == said.text
        assert said == fresh(loaded, 24).predict([asked])[0]


def test_words_come_one_after_the_other_and_a_kept_answer_at_once(llava: Llava) -> None:
    script_tokens(llava, "It is a red cube.")
    heard: list[str] = []
    said = llava.stream(Answer((view(1),), "What?"), heard.append)
    assert len(heard) > 3
    assert said.text == "It is a red cube."
    heard.clear()
    llava.stream(Answer((view(1),), "What?"), heard.append)
    assert heard == ["It is a red cube."]


def test_a_row_that_goes_round_in_circles_ends_and_the_others_go_on(
    llava: Llava, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = [llava.prompt(Answer((view(1),), "What?"))[0]] * 2
    counted: list[int] = []

    def head(states: torch.Tensor) -> torch.Tensor:  # the first row goes round, the second counts up
        counted.append(len(states))
        step = len(counted)
        wanted = [20 + step % 4, 100 + step][-len(states) :]
        return torch.nn.functional.one_hot(torch.tensor(wanted), 300).float()

    monkeypatch.setattr(llava.decoder, "head", head)
    told = list(llava.decoder.decode(prompts, 30))
    assert [sum(token.row == row for token in told) for row in (0, 1)] == [12, 30]
    assert counted == [2] * 12 + [1] * 18


def script_tokens(llava: Llava, text: str) -> None:
    """Have the decoder write a text, whatever it is asked."""
    from saccade.tools.experts.llava.decode import Token

    ids = llava.prompter.tokenizer(text, add_special_tokens=False)["input_ids"]

    def decode(prompts: Any, most: int) -> Any:
        for place, token in enumerate(ids):
            yield from (Token(row, token, 1 - place / 100) for row in range(len(prompts)))

    llava.decoder.decode = decode  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("written", "text", "rationale"),
    [
        ("1 red cube 2 blue ball Answer: 2", "2", "1 red cube 2 blue ball"),
        ("Answer: yes", "yes", ""),
        ("a red cube", "a red cube", ""),
        ("one Answer: it says Answer: no", "it says Answer: no", "one"),
        ("", "", ""),
    ],
)
def test_a_rationale_is_told_apart(llava: Llava, written: str, text: str, rationale: str) -> None:
    llava.mark = "Answer:"
    script_tokens(llava, written)
    heard: list[str] = []
    streamed = llava.stream(Answer((view(1),), "How many?"), heard.append)
    assert (streamed.text, streamed.rationale) == (text, rationale)
    assert "".join(heard) == text
    assert llava.predict([Answer((view(2),), "How many?")])[0] == streamed
    if rationale:  # sure of the answer's own tokens, which come late and are less probable here
        assert streamed.confidence is not None
        assert streamed.confidence < 1 - len(rationale) / 100


def test_a_wide_picture_is_shown_whole(llava: Llava) -> None:
    shown = llava.prompter.shown(view(1, size=(90, 30)))
    assert shown.size == ((90, 30) if llava.prompter.anyres else (90, 90))


@pytest.mark.parametrize("question", ["", "  \n ", "<image>", "</s> <s>"])
def test_an_empty_question_is_refused(llava: Llava, question: str) -> None:
    with pytest.raises(ToolRetry, match="is empty") as refused:
        llava.predict([Answer((view(1),), question)])
    assert refused.value.kind == "empty_question"
    assert llava.encodes == 0


def test_a_question_of_ten_thousand_characters_is_refused_in_few_words(llava: Llava) -> None:
    with pytest.raises(ToolRetry, match=f"10000 characters, and at most {MOST_CHARACTERS}") as refused:
        llava.predict([Answer((view(1),), "why? " * 2000)])
    assert len(refused.value.message) < 300
    assert llava.encodes == 0


def test_a_question_that_leaves_no_room_for_an_answer_is_refused() -> None:
    llava = Llava(*make_llava(Shape(context=96)), "cpu")
    assert llava.predict([Answer((view(1),), "What?")])[0].confidence
    with pytest.raises(ToolRetry, match="fewer words") as refused:
        llava.predict([Answer((view(1),), "What? " * 20)])
    assert refused.value.kind == "question_too_long"


@pytest.mark.parametrize("count", [0, 5])
def test_none_or_too_many_pictures_are_refused(llava: Llava, count: int) -> None:
    with pytest.raises(ToolRetry, match="show one to 4"):
        llava.predict([Answer(tuple(view(seed) for seed in range(count)), "Same?")])


def test_marks_in_a_question_are_only_words(llava: Llava) -> None:
    plain, marked = (Answer((view(1),), text) for text in ("What is it ?", "What is<image> it</s> ?"))
    assert llava.predict([plain])[0] == llava.predict([marked])[0]


def test_the_pool_tells_the_words(tmp_path: Path) -> None:
    save_llava(tmp_path)
    events: list[PoolEvent] = []
    profile = Profile(name="mine", models={"llava": f"file:{tmp_path}"})
    pool = ExpertPool(profile, "cpu", listener=events.append)
    said = pool.ask("llava", [Answer((view(1),), "What is it?")])[0]
    assert "".join(event.text for event in events if event.stage == "said") == said.text
    with pytest.raises(ToolRetry):
        pool.ask("llava", [Answer((view(1),), "")])


def test_the_names_of_weights_in_older_checkpoints_are_known(tmp_path: Path) -> None:
    save_llava(tmp_path)
    asked = Answer((view(1),), "What is it?")
    new = Llava.load(ModelSpec("file", str(tmp_path)), "cpu").predict([asked])[0]
    state = load_file(tmp_path / "model.safetensors")
    renamed = {
        name.replace("vision_tower.", "vision_tower.vision_model.")
        if not name.startswith("vision_tower.vision_model.")
        else name: value
        for name, value in state.items()
    }
    save_file(renamed, tmp_path / "model.safetensors", {"format": "pt"})
    assert Llava.load(ModelSpec("file", str(tmp_path)), "cpu").predict([asked])[0] == new


# What cannot be loaded


def other_model(folder: Path) -> None:
    save_blip(folder)


def no_weights(folder: Path) -> None:
    save_llava(folder)
    (folder / "model.safetensors").unlink()


def pickled(folder: Path) -> None:
    save_llava(folder)
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def cut_off(folder: Path) -> None:
    save_llava(folder)
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


def no_processor(folder: Path) -> None:
    save_llava(folder)
    for name in ("processor_config.json", "tokenizer.json", "tokenizer_config.json", "preprocessor_config.json"):
        (folder / name).unlink(missing_ok=True)


def no_template(folder: Path) -> None:
    save_llava(folder)
    (folder / "chat_template.jinja").unlink()


def no_json(folder: Path) -> None:
    save_llava(folder)
    (folder / "config.json").write_text("{")


@pytest.mark.parametrize("spoil", [other_model, no_weights, pickled, cut_off, no_processor, no_template, no_json])
def test_what_is_no_whole_llava_is_refused_in_words(spoil: Callable[[Path], None], tmp_path: Path) -> None:
    spoil(tmp_path)
    with pytest.raises(UserError) as refused:
        Llava.load(ModelSpec("file", str(tmp_path)), "cpu")
    assert refused.value.kind == "bad_weights"
    assert "\n" not in refused.value.message


def test_a_zoo_model_of_another_hash_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save_llava(tmp_path / "llava")
    (folder / "card.json").write_text(json.dumps({"sha256": "0" * 64}))
    monkeypatch.setattr(weights, "ZOO", tmp_path)
    monkeypatch.setattr("saccade.settings.ZOO", tmp_path)
    pool = ExpertPool(Profile(name="mine", models={"llava": "zoo:llava"}), "cpu")
    with pytest.raises(ExpertFailed, match="SHA-256") as refused:
        pool.ask("llava", [Answer((view(1),), "What?")])
    assert refused.value.kind == "wrong_hash"


# Adapters


def test_a_model_is_asked_in_the_words_that_it_was_taught(llava: Llava) -> None:
    one, other = view(1), view(2)
    put = STATEMENT.format("There are more cubes.")
    assert llava.question(Answer((one,), put)).question == put
    assert llava.question(Describe(one, "detailed")).question == "Describe the picture in detail."
    llava.told = {"statement": "Does it hold: {}?", "pair": "Of both: {}?", "short": "Tell."}
    assert llava.question(Answer((one,), put)).question == "Does it hold: There are more cubes?"
    assert llava.question(Answer((one, other), put)).question == "Of both: There are more cubes?"
    assert llava.question(Answer((one,), "True?")).question == "True?"
    assert llava.question(Describe(one)) == Answer((one,), "Tell.")


def test_an_earlier_answer_goes_into_the_history_with_its_thoughts(llava: Llava) -> None:
    llava.mark = "Answer:"
    said = Said("red", 0.9, "color: the cube is red.")
    asked = (view(1),), "And its shape?"
    written = "color: the cube is red. Answer: red"
    thought, as_words, bare = (
        llava.prompt(Answer(*asked, (("Which colour?", one),)))[0] for one in (said, written, said.text)
    )
    assert thought == as_words != bare
    llava.mark = ""
