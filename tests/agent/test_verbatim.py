"""What may be repeated to the letter, as regular expressions."""

from __future__ import annotations

import re

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from saccade.agent.controllers.verbatim import MOST_WORDS, Verbatim, naming, parts_of, quotations, words_of


def test_what_was_said_and_quoted_is_taken_from_the_conversation():
    messages = [
        SystemMessage("You are Saccade."),
        HumanMessage("first"),
        AIMessage('It says "A".'),
        ToolMessage("Long ago.", tool_call_id="0"),
        HumanMessage('Is "B" left?'),
        ToolMessage('Read: "C".', tool_call_id="1"),
    ]
    assert Verbatim.of(messages) == Verbatim(("A", "B", "C"), 'Is "B" left?', (('Read: "C".',),))
    assert Verbatim.of([]) == Verbatim((), "")


def test_quotations_are_found_as_json_writes_them():
    told = [
        'Ask: what does "my desk" show?',
        'img_1: "a star (red) left of a cup/mug." 2 words: reg_1 "SALE \\"50\\" %", reg_2 "C++".',
    ]
    assert quotations(told) == ("my desk", "a star (red) left of a cup/mug.", 'SALE \\"50\\" %', "C++")
    assert quotations(["no quotes", '"', '""']) == ("",)


@pytest.mark.parametrize(
    ("text", "right"),
    [("a b", True), ('a "b"', False), ('a "', False), ("img_1", True), ("(reg_12, reg_7): reg_7.", True),
     ("reg_79", False), ("reg_1_2", False), ("reg_", False), ("img_3 or reg_7", False), ("img_7", False),
     ("reg_1", False), ("set SACCADE_DEVICE=cpu", True), ("a_b", False), ("", True)],
)  # fmt: skip
def test_a_text_names_what_there_is_and_quotes_nothing(text, right):
    assert (re.fullmatch(naming(["img_1", "reg_7", "reg_12"]), text) is not None) is right


@pytest.mark.parametrize(("text", "right"), [("a b", True), ('"b"', False), ("reg_1", False)])
def test_where_there_is_nothing_nothing_is_named(text, right):
    assert (re.fullmatch(naming([]), text) is not None) is right


@pytest.mark.parametrize(
    ("told", "parts"),
    [
        ("0 - 2 = -2", ["0 - 2 = -2"]),
        ("img_1: 9 x 9 px; sharp (0.96); no codes.", ["img_1: 9 x 9 px;", " sharp (0.96);", " no codes."]),
        ('img_1: "A. B; C." More? Yes', ['img_1: "A. B; C."', " More?", " Yes"]),
        ("one\ntwo", ["one\n", "two"]),
        ('"never ends', []),
        ("", []),
        ("long. " * 400, []),
    ],
)
def test_an_observation_has_parts(told, parts):
    assert list(parts_of(told)) == parts


def test_words_are_taken_as_they_stand():
    words = words_of("Pictures: two-and, three's\n\n4.5!")
    assert [word.text for word in words] == ["Pictures", "two-and", "three's", "4.5"]
    assert [word.before for word in words] == ["", ": ", ", ", "\n\n"]


def test_of_a_long_message_the_last_words_count():
    words = words_of(" ".join(f"w{number}" for number in range(MOST_WORDS + 5)))
    assert (len(words), words[0].text, words[0].before) == (MOST_WORDS, "w5", "")


@pytest.mark.parametrize("said", ["", " ", "?!", "\n"])
def test_nothing_said_is_nothing_to_repeat(said):
    assert words_of(said) == []
