"""What may be repeated to the letter, as regular expressions."""

from __future__ import annotations

import re

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from saccade.agent.verbatim import MOST_WORDS, Verbatim, escaped, quotations, quoting, words_of


def fits(text, said, most=200, question=False):
    pattern = words_of(said, most, question)
    assert pattern is not None
    return re.fullmatch(pattern, text) is not None


def test_what_was_said_and_quoted_is_taken_from_the_conversation():
    messages = [
        SystemMessage("You are Saccade."),
        HumanMessage("first"),
        AIMessage('It says "A".'),
        HumanMessage('Is "B" left?'),
        ToolMessage('Read: "C".', tool_call_id="1"),
    ]
    assert Verbatim.of(messages) == Verbatim(("A", "B", "C"), 'Is "B" left?')
    assert Verbatim.of([]) == Verbatim((), "")


def test_quotations_are_found_as_json_writes_them():
    told = [
        'Ask: what does "my desk" show?',
        'img_1: "a star (red) left of a cup/mug." 2 words: reg_1 "SALE \\"50\\" %", reg_2 "C++".',
    ]
    assert quotations(told) == ("my desk", "a star (red) left of a cup/mug.", 'SALE \\"50\\" %', "C++")
    assert quotations(["no quotes", '"', '""']) == ("",)


@pytest.mark.parametrize(
    ("quotes", "text", "right"), [((), 'a "b"', False), (("b",), 'a "b"', True), (("b",), "a b", True)]
)
def test_a_text_quotes_what_was_quoted(quotes, text, right):
    assert (re.fullmatch(quoting(quotes), text) is not None) is right


@pytest.mark.parametrize(
    ("text", "right"),
    [("one", True), ("two-and, three's", True), ("one two-and, three's 4", True), ("two", False),
     ("one three's", False), ("ONE", False), ("one ", False), ("", False)],
)  # fmt: skip
def test_a_stretch_is_of_whole_words_as_they_stand(text, right):
    assert fits(text, "one two-and, three's 4!") is right


@pytest.mark.parametrize(
    ("text", "right"),
    [("how many are left?", True), ("how many are left in it?", True), ("how many are left in it please?", True),
     ("left in it?", True), ("how many?", False), ("how many are?", False), ("how many are left", False)],
)  # fmt: skip
def test_a_question_is_over_where_it_may_be(text, right):
    assert fits(text, "Tell me: how many are left in it please", question=True) is right


def test_nothing_longer_than_may_be_is_said():
    said = "aaaa bbbb cccc dddd"
    assert fits("aaaa bbbb", said, most=9)
    assert not fits("aaaa bbbb cccc", said, most=9)
    assert fits("dddd?", said, most=9, question=True)
    assert not fits("aaaa?", said, most=9, question=True), "it goes on for longer than may be said"


def test_of_a_long_message_the_last_words_count():
    said = " ".join(f"w{number}" for number in range(MOST_WORDS + 5))
    assert fits("w5 w6", said)
    assert not fits("w4", said)


@pytest.mark.parametrize("said", ["", " ", "?!", "\n"])
def test_nothing_said_is_nothing_to_repeat(said):
    assert words_of(said, 200) is None
    assert words_of(said, 200, question=True) is None


def test_signs_mean_themselves():
    text = r"a.b\c[d](e)|{f}^$*+?/&~#-"
    assert re.fullmatch(escaped(text), text)
