"""What the grammar of a turn admits, and what it does not, for tokenizers of three kinds."""

from __future__ import annotations

import json

import llguidance.hf
import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from saccade.agent.controllers.grammar import GrammarCache, narrow, turn_grammar
from saccade.agent.controllers.verbatim import Verbatim, parts_of, quotations
from saccade.agent.loop import tool_schemas
from saccade.prompts.calls import CLOSE, OPEN, render_assistant
from saccade.tools.registry import all_tools

HANDLES = ["img_1", "img_2", "reg_1", "reg_12"]
TOOLS = tool_schemas(all_tools(), keep_handles=True)


def tokenizer(kind):
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=["<|im_start|>", "<|im_end|>"],
        show_progress=False,
    )
    core.train_from_iterator(["find_objects arguments image phrase red cube name"] * 5, trainer)
    if kind == "special":
        core.add_special_tokens([AddedToken(OPEN, special=True), AddedToken(CLOSE, special=True)])
    if kind == "added":  # as in Qwen2: tokens of their own, but not special ones
        core.add_tokens([AddedToken(one, special=False, normalized=False) for one in (OPEN, CLOSE)])
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|im_end|>")


@pytest.fixture(scope="module", params=["special", "added", "plain"])
def admits(request):
    """A function: whether a whole text is a turn."""
    made = tokenizer(request.param)
    own = [one for one in (OPEN, CLOSE) if one in made.get_added_vocab()]
    assert bool(own) == (request.param != "plain")
    cache = GrammarCache(llguidance.hf.from_tokenizer(made, n_vocab=len(made) + 5), own)

    def check(text, tools=TOOLS, handles=HANDLES, max_text=400, verbatim=None):
        matcher = cache.matcher(tools, handles, max_text, verbatim)
        tokens = made.encode(text, add_special_tokens=False)
        return matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting()

    return check


def turn(*calls, thought="I look."):
    return render_assistant(thought, calls)


FIND = ("find_objects", {"image": "img_1", "phrase": "red cube"})


@pytest.mark.parametrize(
    "text",
    [
        "There are 2 red cubes: reg_1, reg_2.",
        "First line.\nSecond line: ünïcode 図.",
        turn(FIND),
        turn(FIND, thought=""),
        turn(FIND, FIND, FIND),
        turn(("find_objects", {"image": "reg_12"})),
        turn(
            ("find_objects", {"image": "img_2", "phrase": 'a "quoted" ünïcode \n word', "size": "large", "at_most": 20})
        ),
        turn(("segment_objects", {"regions": ["reg_1", "reg_12"]})),
        turn(("segment_objects", {"image": "img_1", "points": [[10, 20]]})),
        turn(("classify_image", {"image": "reg_1", "labels": ["red", "blue"]})),
        turn(("crop_image", {"image": "reg_1", "background": "transparent", "margin": 0.25})),
        turn(("calculate", {"expression": "(2 + 3) * 4"})),
        turn(("edit_image", {"image": "img_1", "edits": [{"do": "blur", "regions": ["reg_1"]}, {"do": "flip"}]})),
        turn(("edit_image", {"image": "img_2", "edits": [{"do": "crop", "box": [1, 2, 30, 40]}]})),
    ],
)
def test_a_good_turn_is_admitted(admits, text):
    assert admits(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " leading blank",
        "an angle < bracket",
        "x" * 401,
        "a control \x07 character",
        turn(FIND, FIND, FIND, FIND),
        turn(("find_objects", {"image": "img_3"})),
        turn(("find_objects", {"image": "reg_2"})),
        turn(("find_objects", {"phrase": "red cube"})),
        turn(("find_objects", {"image": "img_1", "colour": "red"})),
        turn(("find_objects", {"image": "img_1", "size": "huge"})),
        turn(("find_objects", {"image": "img_1", "at_most": 21})),
        turn(("find_objects", {"image": "img_1", "phrase": "x" * 121})),
        turn(("segment_objects", {"regions": ["img_1"]})),
        turn(("segment_objects", {"regions": []})),
        turn(("segment_objects", {"regions": None})),
        turn(("classify_image", {"image": "reg_1", "labels": ["red"]})),
        turn(("crop_image", {"image": "reg_1", "margin": 0.123456789})),
        turn(("paint", {"image": "img_1"})),
        turn(FIND)[:-1],
        turn(FIND) + "\nand more",
        turn(FIND).replace('": "', '":"'),
    ],
)
def test_a_bad_turn_is_not(admits, text):
    assert not admits(text)


def test_without_pictures_only_tools_that_need_none_are_left(admits):
    assert not admits(turn(FIND), handles=[])
    assert admits(turn(("calculate", {"expression": "1 + 1"})), handles=[])


def test_without_tools_there_is_only_an_answer(admits):
    assert admits("Just words.", tools=[])
    assert not admits(turn(FIND), tools=[])


def test_the_bound_on_text_is_kept(admits):
    assert admits("x" * 30, max_text=30)
    assert not admits("x" * 31, max_text=30)


TOLD = [
    'Ask: what does "my desk" show?',
    'img_1: "a star (red) left of a cup/mug." 2 words: reg_1 "SALE \\"50\\" %", reg_2 "C++".',
]


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ('img_1 shows "a star (red) left of a cup/mug."', True),
        ('It says "SALE \\"50\\" %" and "C++", on "my desk".', True),
        ("It says nothing.", True),
        ('img_1 shows "a star (red) left of a star (red) left of a star"', False),
        ('It says "C+".', False),
        ('It says "SALE.', False),
        ("It says SALE.", True),
        ("It is reg_12, right of img_1: reg_1.", True),
        ("It is the cup (reg_129.", False),
        ("It is reg_3.", False),
        ("It is reg_2, beside img_2.", False),
    ],
)
def test_a_model_that_quotes_to_the_letter_quotes_what_was_told(admits, text, fits):
    assert admits(text, verbatim=Verbatim(quotations(TOLD), TOLD[0])) is fits
    assert admits(text + "\n" + turn(FIND, thought=""), verbatim=Verbatim(quotations(TOLD), TOLD[0])) is fits
    assert admits(text)


def test_where_nothing_was_quoted_nothing_is(admits):
    assert not admits('It says "A".', verbatim=Verbatim((), ""))
    assert admits("It says A.", verbatim=Verbatim((), ""))


def test_long_quotations_have_room_beside_words_of_its_own(admits):
    one, other = "a long one " * 50, "another " * 60
    verbatim = Verbatim((one, other), "")
    assert admits(f'img_1 shows "{one}", and img_2 "{other}".', verbatim=verbatim, max_text=60)
    assert not admits(f'img_1 shows "{one[:-5]}".', verbatim=verbatim, max_text=60)
    assert not admits('It says "A".', verbatim=verbatim, max_text=60)


SAID = "Pictures: img_1 (9 x 9 px).\nQuick: what's the red (tall) cube's colour, in img_1? Call it box-no. 7."


def asking(question):
    return "answer_about_image", {"images": ["img_1"], "question": question}


def asked(question):
    return turn(asking(question))


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        (asked("what's the red (tall) cube's colour?"), True),
        (asked("what's the red (tall) cube's colour, in img_1?"), True),
        (asked("red (tall) cube's colour?"), True),
        (asked("How many red cubes are there?"), False),
        (turn(FIND, asking("How many red cubes are there?")), False),
        (asked("what's the tall cube's colour?"), False),
        (asked("at's the red (tall) cube's colour?"), False),
        (asked("what's the red (tall) cube's colour"), False),
        (turn(("remember_image", {"image": "img_1", "note": "box-no. 7"})), True),
        (turn(("remember_image", {"image": "img_1", "note": "red (tall"})), True),
        (turn(("remember_image", {"image": "img_1"})), True),
        (turn(("remember_image", {"image": "img_1", "note": "box 7"})), False),
        (turn(("compare_images", {"images": ["img_1", "img_2"], "statement": "there is a ball"})), False),
    ],
)
def test_a_model_that_repeats_to_the_letter_asks_in_the_users_words(admits, text, fits):
    assert admits(text, verbatim=Verbatim((), SAID)) is fits
    assert admits(text), "other models say it as they like"


@pytest.mark.parametrize(
    "said", ['what does "my desk" (ünïcode 図) show/say?', "a\tb & c <d> {e} [f]|g ~h #i $j ^k?", "why\n\nnot?"]
)
def test_what_is_repeated_may_have_any_signs(admits, said):
    assert admits(asked(said), verbatim=Verbatim((), f"Look, {said}"))
    assert not admits(asked("x" + said), verbatim=Verbatim((), f"Look, {said}"))


def test_where_the_user_said_nothing_no_tool_that_asks_is_left(admits):
    assert not admits(asked("anything?"), verbatim=Verbatim((), "!"))
    assert admits(turn(FIND), verbatim=Verbatim((), "!"))


def test_grammars_are_compiled_once_for_the_same_tools_and_handles():
    made = tokenizer("special")
    cache = GrammarCache(llguidance.hf.from_tokenizer(made, n_vocab=len(made)), [OPEN, CLOSE], size=2)
    for handles in (["img_1"], ["img_1"], ["img_1", "img_2"], ["img_1"], ["img_3"]):
        cache.matcher(TOOLS, handles)
    assert len(cache) == 2
    first = cache.matcher(TOOLS, ["img_1"])
    first.consume_tokens(made.encode("Hello"))
    assert not cache.matcher(TOOLS, ["img_1"]).is_accepting(), "a matcher must start anew"


def test_a_schema_that_cannot_be_said_is_told():
    made = tokenizer("special")
    cache = GrammarCache(llguidance.hf.from_tokenizer(made, n_vocab=len(made)))
    parameters = {"type": "object", "properties": {"x": {"type": "string", "pattern": "(?=a)b"}}, "required": ["x"]}
    with pytest.raises(ValueError, match="no grammar"):
        cache.matcher([{"type": "function", "function": {"name": "f", "parameters": parameters}}], [])


def test_handles_are_narrowed_to_those_of_their_kind():
    handle = {"type": "string", "x-handle": "region"}
    assert narrow(handle, HANDLES) == {"enum": ["reg_1", "reg_12"]}
    assert narrow(handle, ["img_1"]) is None
    assert narrow({"type": "string", "x-handle": "any"}, ["img_1", "reg_2"]) == {"enum": ["img_1", "reg_2"]}
    regions = {"type": "array", "items": handle, "minItems": 1}
    whole = {"type": "object", "properties": {"image": handle, "more": regions}, "required": ["image"]}
    assert narrow(whole, ["img_1"]) is None
    optional = narrow({**whole, "required": []}, ["img_1"])
    assert optional is not None
    assert optional["properties"] == {}


def test_everything_is_bounded():
    schema = {
        "type": "object",
        "properties": {
            "s": {"type": "string"},
            "i": {"type": "integer"},
            "l": {"type": "array", "items": {"type": "number"}},
        },
    }
    narrowed = narrow(schema, [])
    assert narrowed is not None
    properties = narrowed["properties"]
    assert properties["s"]["maxLength"] == 120
    assert (properties["i"]["minimum"], properties["i"]["maximum"]) == (-10_000, 10_000)
    assert properties["l"]["maxItems"] == 20
    assert properties["l"]["items"]["multipleOf"] == 0.01


def test_references_are_followed():
    schema = {
        "type": "object",
        "properties": {"size": {"$ref": "#/$defs/Size"}},
        "$defs": {"Size": {"enum": ["big", "small"], "type": "string"}},
    }
    assert narrow(schema, []) == {
        "type": "object",
        "properties": {"size": {"enum": ["big", "small"]}},
        "required": [],
        "additionalProperties": False,
    }


def test_every_registered_tool_has_a_grammar():
    text = turn_grammar(TOOLS, HANDLES)
    assert all(json.dumps(json.dumps(name))[1:-1] in text for name in all_tools())


COMPARED = (
    'Likeness of img_1 and img_2: 0.59. Only in img_1: red cup, 2 x star (blue). Only in img_2: "A; B." In both: x.'
)


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        (COMPARED, True),
        ("Likeness of img_1 and img_2: 0.59.", True),
        ("Likeness of img_1 and img_2: 0.59. In both: x.", True),
        (COMPARED + " So they differ.", True),
        ("They differ.", True),
        ("They differ: x is in both.", True),
        ("Likeness of img_1 and img_2: 0.5.", False),
        ("Likeness of img_1 and img_2: 0.59. Only in img_1: red cup, red cup, red cup", False),
        ("Likeness of img_1 and img_2: 0.59. Only in img_2: blue.", False),
        ("Only in img_1: red", True),
    ],
)
def test_what_begins_as_an_observation_goes_on_with_parts_of_it(admits, text, fits):
    verbatim = Verbatim(quotations([COMPARED]), "What differs?", (parts_of(COMPARED),))
    assert admits(text, verbatim=verbatim) is fits
    assert admits(text)
