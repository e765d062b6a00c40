"""`calculate` does sums, and nothing else."""

from __future__ import annotations

import time

import pytest

from saccade.errors import ToolRetry
from saccade.tools.builtin.calculate import Calculate, CalculateArguments, evaluate, number_text
from saccade.tools.contracts import Talk, ToolContext

SUMS = [
    ("3 - 2", "1"),
    ("3+2*4", "11"),
    ("(3+2)*4", "20"),
    ("7 / 2", "3.5"),
    ("6/2", "3"),
    ("7 // 2", "3"),
    ("7 % 4", "3"),
    ("-7 // 2", "-4"),
    ("2 ** 10", "1024"),
    ("-3 ** 2", "-9"),
    ("2 ** -2", "0.25"),
    ("+4", "4"),
    ("--4", "4"),
    ("0.1 + 0.2", "0.3"),
    (".5 + 1.", "1.5"),
    ("1 / 3", "0.3333333333"),
    ("min(3, 1, 2) + max(4, 5)", "6"),
    ("abs(-4)", "4"),
    ("round(2.567, 1)", "2.6"),
    ("round(2.5)", "2"),
    ("round(1.5, 99)", "1.5"),
    ("  3 -\t2 ", "1"),
    ("9 ** 15", "205891132094649"),
    ("0 ** 0", "1"),
]


@pytest.mark.parametrize(("expression", "value"), SUMS)
def test_sums(expression, value):
    assert number_text(evaluate(expression)) == value


REFUSED = [
    ("9**9**9", "too large"),
    ("9**9**9**9**9", "too large"),
    ("-(99**99)", "too large"),
    ("0.1**-99", "too large"),
    ("9" * 80, "too large"),
    ("9999999999*9999999999", "too large"),
    ("1/0", "divides by zero"),
    ("1//0", "divides by zero"),
    ("1%0", "divides by zero"),
    ("0**-1", "divides by zero"),
    ("(-8)**0.5", "not a real number"),
    ("", "not a complete expression"),
    ("   ", "not a complete expression"),
    ("3 +", "not a complete expression"),
    ("(" * 80, "not a complete expression"),
    ("2 3", "not a complete expression"),
    ("1,000 + 2", "without commas"),
    ("()", "several numbers"),
    ("min(3)", "min takes 2 to 20 numbers"),
    ("abs(1, 2)", "abs takes 1 number."),
    ("(1)(2)", "not arithmetic"),
    ("min", "not arithmetic"),
    ("x + 1", "'x'"),
    ("two plus two", "'two'"),
    ("__import__('os')", "'__import__'"),
    ("(1).__class__", "'.'"),
    ("1.real", "'1'"),
    ("abs.__self__", "'.'"),
    ("1e9", "'1e9'"),
    ("0x10", "'0x10'"),
    ("3j", "'3j'"),
    ("1_000", "'1_000'"),
    ("'a' * 9", '"\'"'),
    ("[1]", "'['"),
    ("1 if 1 else 2", "'if'"),
    ("lambda: 1", "'lambda'"),
    ("1 < 2", "'<'"),
    ("3 = 3", "'='"),
    ("5!", "'!'"),
    ("1 << 60", "'<'"),
    ("~1", "'~'"),
    ("1 @ 2", "'@'"),
    ("min(*(1,2), 3)", "not arithmetic"),
    ("007", "not a complete expression"),
    ("٣ + 1", "'٣'"),
    ("1\x00", "'\\x00'"),
    ("1 # 2", "'#'"),
]


@pytest.mark.parametrize(("expression", "words"), REFUSED)
def test_everything_else_is_refused_at_once_and_in_words(expression, words):
    begun = time.perf_counter()
    with pytest.raises(ToolRetry) as refusal:
        evaluate(expression)
    assert words in refusal.value.message
    assert time.perf_counter() - begun < 0.5


def test_an_expression_has_at_most_160_characters():
    with pytest.raises(ValueError, match="160"):
        CalculateArguments(expression="1" * 161)


def test_only_numbers_that_stand_somewhere_are_calculated_with():
    told = "Six friends share 48 sweets\n3 found in img_1"
    known = ToolContext(None, None, talk=Talk(1, told=told))  # pyright: ignore[reportArgumentType]
    for expression, value in (
        ("48 / 6", 8),
        ("3 ** 2", 9),
        ("3 / 48 * 100", 6.25),
        ("mean(3, 48)", 25.5),
        ("sqrt(48 + 1)", 7),
    ):
        assert Calculate().run(CalculateArguments(expression=expression), known).facts["value"] == value
    with pytest.raises(ToolRetry, match="17 in '17 \\+ 3' stands neither"):
        Calculate().run(CalculateArguments(expression="17 + 3"), known)
