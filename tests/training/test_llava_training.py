"""LLaVA's recipe: what is learned from, what never is, and that its stages run and are resumed."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import pytest
import torch

from saccade.queries.nodes import Count, Everything, Filter, Union
from saccade.scenes.language.dialogue import HELD_OUT as UNSEEN_IT
from saccade.scenes.language.dialogue import IT, conversation
from saccade.scenes.language.nlvr import FRAMES as PAIR_FRAMES
from saccade.scenes.language.nlvr import HELD_OUT as UNSEEN_PAIRS
from saccade.scenes.language.nlvr import KINDS, count_of, statement
from saccade.scenes.language.programs import execute, things_of
from saccade.scenes.language.questions import QuestionSampler
from saccade.scenes.render import render
from saccade.scenes.sample import sample_scene
from saccade.scenes.scene import HELD_OUT_PAIRS
from saccade.scenes.splits import word_is_held_out
from saccade.training.llava.replies import claimed, pair_reply, reply

SIZE = 128


def boxes_of(scene):
    return (render(scene, SIZE).boxes / SIZE).tolist()


@pytest.mark.parametrize("unseen", [False, True])
def test_every_answer_of_a_conversation_is_the_executors(unseen):
    told = 0
    for seed in range(40):
        scene = sample_scene(seed, "test")
        boxes = boxes_of(scene)
        lines = conversation(scene, random.Random(seed), 5, boxes, unseen)
        if lines is None:
            continue
        told += 1
        assert len(lines) == 5
        assert lines[0].refers == "first"
        for line in lines:
            assert line.answer == execute(line.program, scene, boxes)
    assert told > 30


def test_of_two_sets_one_is_listed_after_the_other_and_counted_on():
    scene = sample_scene(3)
    one, other = scene.things[0], scene.things[1]
    sides = [Filter(Everything(), "color", one.color), Filter(Everything(), "shape", other.shape)]
    told = reply(Count(Union(*sides)), "n", scene)
    asked, _, told = told.partition(": ")
    assert asked == "count"
    parts = told.partition(" Answer:")[0].split("; ")
    assert len(parts) == 2
    numbers = [int(word) for word in told.split() if word.isdigit()]
    assert numbers == list(range(1, len(things_of(Union(*sides), scene, None)) + 1)), "each thing once"
    assert parts[0].startswith(f"1 {one.color} c")
    assert f"{other.shape} " in parts[1]


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_statement_claims_is_said_first_and_tells_its_kind(kind):
    scenes = (sample_scene(4), sample_scene(5))
    told = [statement(scenes, random.Random(seed), kind=kind) for seed in range(12)]
    for one in told:
        claim, _, rest = pair_reply(one, scenes, None).partition(": ")
        others = [replace(one.form, kind=other) for other in KINDS if other != kind]
        assert claim == claimed(one.form)
        assert claim not in {claimed(other) for other in others}
        assert rest.startswith(("first ", "second "))


def test_conversations_say_it_and_the_other_one():
    refers = [
        line.refers for seed in range(120) for line in conversation(sample_scene(seed), random.Random(seed)) or ()
    ]
    assert refers.count("it") > 100
    assert refers.count("other") > 10


@pytest.mark.parametrize("kind", KINDS)
def test_statements_about_two_pictures_are_what_counting_says(kind):
    true = 0
    for seed in range(30):
        first, second = sample_scene(2 * seed), sample_scene(2 * seed + 1)
        told = statement((first, second), random.Random(seed), kind=kind)
        form = told.form
        one, two = count_of(form.said, first), count_of(form.said, second)
        mine, other = (one, two) if form.which == 0 else (two, one)
        expected = {
            "both": one > 0 and two > 0,
            "one": (one > 0) != (two > 0),
            "any": one + two > 0,
            "more": mine > other,
            "as many": one == two,
            "count": mine == form.number,
            "total": one + two == form.number,
            "and": one > 0 and count_of(form.other or form.said, second) > 0,
        }[kind]
        assert told.true == expected
        true += told.true
    assert 3 < true < 27


# ---------------------------------------------------------------- rows


@pytest.fixture(scope="module")
def words():
    from saccade.training.llava.lessons import Words, corpus
    from saccade.training.llava.tokenizer import build_tokenizer, words_in

    return Words(build_tokenizer(words_in(corpus(60), 1)))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    from saccade.training.llava.store import draw_store

    return draw_store(tmp_path_factory.mktemp("store"), 12, 6, 0)


@pytest.fixture(scope="module")
def rows(words, store):
    from saccade.training.llava.lessons import Mix, draw_row

    mix = Mix(4, 2, 2, 2)
    return [draw_row(seed, store, words, mix, seed % mix.batch) for seed in range(40)]


@pytest.fixture(scope="module")
def model(words):
    from saccade.training.llava.recipe import make_model
    from saccade.training.llava.tower import load_tower

    torch.manual_seed(0)
    return make_model(words.tokenizer, load_tower()).eval()


@pytest.mark.parametrize(
    "text",
    [
        "what does the sign say? it's KITE, or BOX.",
        "1 c12 r7 large red rubber ball; 1 c3 r11 small blue metal cube Answer: 2",
        "a red cube is whta? I'd say ZQXJ",
        "none Answer: no",
    ],
)
def test_the_tokenizer_gives_back_what_it_was_given(words, text):
    assert words.tokenizer.decode(words.encode(text)) == text


def test_words_in_capitals_are_spelled_and_sentences_begin_with_the_same_word(words):
    tokens = words.tokenizer.convert_ids_to_tokens
    assert tokens(words.encode("KITE")) == ["▁K", "I", "T", "E"]
    assert words.encode("What is it?") == words.encode("what is it?")
    assert len(words.encode("c12")) == 1


def test_a_row_is_what_the_chat_template_writes(words):
    from saccade.training.llava.lessons import PATCHES
    from saccade.training.llava.replies import Turn

    turns = [Turn("What is it?", "1 c3 r4 small red metal cube Answer: cube"), Turn("And its colour?", "red")]
    messages = []
    for n, turn in enumerate(turns):
        picture = [{"type": "image"}] if n == 0 else []
        messages.append({"role": "user", "content": [*picture, {"type": "text", "text": turn.question}]})
        messages.append({"role": "assistant", "content": turn.reply})
    made = words.tokenizer.apply_chat_template(
        messages, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
    )
    block = words.block(turns)
    assert made["input_ids"] == [words.user, words.image, *block.tokens]
    assert made["assistant_masks"][2:] == [int(weight > 0) for weight in block.weights]
    assert PATCHES == 64


def batch_of(rows, words):
    from saccade.training.llava.lessons import collate

    return next(part for part in collate(rows, words) if len(part.pictures) == len(part.tokens))


def seen_of(batch, hidden=256):
    return torch.randn(len(batch.pictures), 64, hidden, generator=torch.Generator().manual_seed(0))


def test_an_error_planted_in_the_users_words_changes_no_loss_and_one_in_the_assistants_does(model, words, rows):
    from saccade.training.llava.loss import losses_of

    batch = batch_of(rows, words)
    seen = seen_of(batch)
    users = (batch.weights == 0).clone()
    with torch.no_grad():
        right, _ = losses_of(model, batch, seen, batch.tokens)
        planted = torch.where(users, torch.tensor(words.end), batch.tokens)
        assert not torch.equal(planted, batch.tokens)
        assert losses_of(model, batch, seen, planted)[0] == right
        at = torch.nonzero(batch.weights > 0)[5]
        wrong = batch.tokens.clone()
        wrong[tuple(at)] = words.user
        assert losses_of(model, batch, seen, wrong)[0] != right


def test_no_gradient_comes_from_the_users_words(model, words, rows):
    from saccade.training.llava.loss import losses_of

    batch = batch_of(rows, words)
    silent = batch._replace(weights=torch.zeros_like(batch.weights))
    loss, counted = losses_of(model, silent, seen_of(batch))
    assert loss == 0
    assert counted.sum() == 0


def test_blocks_do_not_see_each_other(model, words, rows):
    from saccade.training.llava.lessons import Row, mask_of

    row = next(row for row in rows if len(row.blocks) >= 3 and len(row.pictures) == 1)
    both, alone = batch_of([row], words), batch_of([Row(row.pictures, row.blocks[1:2])], words)
    table = model.get_input_embeddings()

    def states(batch):
        with torch.no_grad():
            return model.model.language_model(
                inputs_embeds=table(batch.tokens), attention_mask=mask_of(batch.block), position_ids=batch.positions
            ).last_hidden_state[0]

    torch.testing.assert_close(states(both)[both.block[0] == 2], states(alone)[alone.block[0] == 1], atol=1e-4, rtol=0)


def test_replies_end_with_the_executors_answer_and_count_what_they_list():
    from saccade.training.llava.replies import reply
    from saccade.training.llava.tokenizer import answer_of

    sampler = QuestionSampler(5)
    for seed in range(25):
        scene = sample_scene(seed)
        boxes = boxes_of(scene)
        for asked in sampler.sample(scene, 8, boxes):
            told = reply(asked.program, asked.answer, scene, boxes)
            assert answer_of(told) == execute(asked.program, scene, boxes)
            if asked.family.startswith("count") and asked.answer != "0":
                assert re.findall(r"\b(\d+) (?:[a-z]+ )*c\d+ r\d+", told)[-1] == asked.answer


@pytest.mark.parametrize("kind", ["conversation", "detail", "reasoning"])
def test_the_program_teaches_by_the_protocol_that_a_chat_model_serves(kind):
    from saccade.training.llava.scene_teacher import SceneTeacher, context_of
    from saccade.training.llava.teacher import Teacher

    scene = sample_scene(11)
    boxes = boxes_of(scene)
    context = context_of(scene, boxes)
    *_, last = context.text().splitlines()
    assert re.fullmatch(r"[\w ]+: \[0\.\d{3}, 0\.\d{3}, [01]\.\d{3}, [01]\.\d{3}\]", last)
    teacher: Teacher = SceneTeacher(scene, boxes)
    exchanges = teacher.teach(context, kind)
    assert exchanges == SceneTeacher(scene, boxes).teach(context, kind)
    assert all(exchange.question and exchange.answer for exchange in exchanges)
    assert exchanges


def texts(rows, words):
    return [words.tokenizer.decode(block.tokens, skip_special_tokens=True) for row in rows for block in row.blocks]


def test_a_sign_is_written_as_its_letters_in_reading_order(words, store):
    from saccade.training.llava.inputs import Written

    written = Written(store, words)
    for at, word in enumerate(store.words[:4]):
        tokens = words.tokenizer.convert_ids_to_tokens(written.sign(at)[:, 0].tolist())
        letters = [tokens[8 * row + column] for column in range(8) for row in range(8)]
        assert {letter for letter in letters if letter.isupper()} <= set(word)


def test_held_out_words_and_pairs_never_occur_in_training(rows, words, store):
    for text in texts(rows, words):
        for word in re.findall(r"\b[A-Z]{3,6}\b", text):
            assert not word_is_held_out(word)
        for color, shape in re.findall(r"\b(\w+) (?:rubber|metal|wood|wooden) (\w+)", text):
            assert (shape, color) not in HELD_OUT_PAIRS
    assert not any(word_is_held_out(word) for word in store.words)


def test_held_out_phrasings_never_occur_in_training():
    from saccade.scenes.language.frames import HELD_OUT
    from saccade.training.llava.lessons import _sampler
    from saccade.training.llava.replies import HELD_OUT_ASKED, SIGN, STATEMENT

    for hops in (0, 1, 9):
        for seed in range(10):
            for asked in _sampler(hops, True).sample(sample_scene(seed), 12):
                intent, _, family = asked.phrasing.partition("/")
                assert family not in HELD_OUT[intent]
    for kind, unseen in UNSEEN_IT.items():
        assert set(unseen) < set(IT[kind])
    for seed in range(60):
        told = statement((sample_scene(seed), sample_scene(seed + 1)), random.Random(seed))
        kind, _, family = told.family.partition("/")
        assert family in PAIR_FRAMES[kind]
        assert family not in UNSEEN_PAIRS[kind]
    assert not {*HELD_OUT_ASKED["sign"]} & {*SIGN}
    assert not {*HELD_OUT_ASKED["statement"]} & {*STATEMENT}


def test_a_crop_of_a_sign_shows_its_letters_in_order(store):
    from saccade.training.llava.store import LETTERS

    for at, word in enumerate(store.words[:6]):
        columns = store.letters[at].max(0)
        found = [int(value) for value in columns if value]
        first = [LETTERS[value - 1] for n, value in enumerate(found) if n == 0 or found[n - 1] != value]
        assert first[0] == word[0]
        assert first[-1] == word[-1]


# ---------------------------------------------------------------- training


def test_each_stage_runs_and_is_resumed(model, words, store, tmp_path):
    from saccade.training.llava.recipe import BUDGETS, run_stage, stages_of
    from saccade.training.llava.tower import Prepared

    heads = Prepared(model.model.vision_tower)
    for stage in stages_of(BUDGETS["test"], 0.2):
        begun = run_stage(replace(stage, steps=2), model, store, words, tmp_path / stage.name, workers=0, heads=heads)
        assert begun.step == 2
        again = run_stage(stage, model, store, words, tmp_path / stage.name, resume=True, workers=0, heads=heads)
        assert (again.step, len(again.history)) == (3, 3)


@pytest.mark.parametrize(("tower", "moves"), [(0.0, False), (0.2, True)])
def test_a_stage_trains_only_its_own_parts(model, words, store, tmp_path, tower, moves):
    from saccade.training.llava.recipe import BUDGETS, run_stage, stages_of

    before = {name: value.clone() for name, value in model.state_dict().items()}
    stages = {stage.name: replace(stage, steps=1) for stage in stages_of(BUDGETS["test"], tower)}
    run_stage(stages["projector"], model, store, words, tmp_path / "projector", workers=0)
    after = model.state_dict()
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed
    assert all("multi_modal_projector" in name for name in changed)
    before = {name: value.clone() for name, value in after.items()}
    run_stage(stages["all"], model, store, words, tmp_path / "all", workers=0)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert any("vision_tower" in name for name in changed) == moves
    assert any("language_model" in name for name in changed)


def test_the_recipe_leaves_a_folder_that_answers(tmp_path):
    from saccade.training.llava.cases import Case, shown
    from saccade.training.llava.measure import Asker, figures
    from saccade.training.llava.recipe import train

    train("test", tmp_path, resume=False)
    train("test", tmp_path, resume=True)
    names = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert {"config.json", "model.safetensors", "card.json", "tokenizer.json", "curve.png"} <= names
    assert (tmp_path / "model.safetensors").stat().st_size < 15e6
    asker = Asker(tmp_path)
    picture = shown(render(sample_scene(0, "test"), 512))
    case = Case("vqa", (picture, picture), ["What is it?"], ["cube"], [("kind query",)])
    case.said = asker.say([asker._prompt(case, 0)], [case.pictures], most=3)
    assert figures([case])["vqa"]["cases"] == 1
