"""The expressions of task files: what they come to, and what they refuse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.agent.tasks.checking import check
from saccade.agent.tasks.expressions import ExpressionError, parse, roots
from saccade.agent.tasks.functions import MissingError
from saccade.agent.tasks.kinds import NUMBER, TEXT, TRUTH, Listed, Record, kind_of_value
from saccade.agent.tasks.walking import value_of

VALUES = {"n": 3, "x": 2.5, "words": "Total 12.40 EUR", "yes": True, "some": [1, 2, 6], "none": [], "box": {"left": 4}}
KINDS = {name: kind_of_value(value) for name, value in VALUES.items()} | {
    "none": Listed(NUMBER), "box": Record("box", (("left", NUMBER),)),
}  # fmt: skip

RIGHT = {
    "1 + 2 * 3": 7,
    "(1 + 2) * 3": 9,
    "-n + 1": -2,
    "n / 2": 1.5,
    "n > 2 and x < 3": True,
    "not (n == 3) or yes": True,
    "not n == 3": False,
    "n in some": False,
    "2 in some": True,
    "some[2]": 6,
    "box.left": 4,
    "len(some)": 3,
    "sum(some)": 9,
    "mean(some)": 3,
    "max(some) - min(some)": 5,
    "max(n, x)": 3,
    "round(x)": 2,
    "first(some)": 1,
    "lower(words)": "total 12.40 eur",
    'contains(words, "EUR")': True,
    "number(words)": 12.4,
    'words + "!"': "Total 12.40 EUR!",
    'words == "no"': False,
    "'it\\'s' != words": True,
    "true": True,
}


@pytest.mark.parametrize("text", RIGHT)
def test_values(text):
    node = parse(text)
    check(node, KINDS)
    assert value_of(node, VALUES) == RIGHT[text]


@pytest.mark.parametrize(
    "text",
    ["", "n >", "> n", "n n", "n and x", "n > words", "words and yes", "not some", "some > 2", "n.left", "box.right",
     "box[0]", "some.left", "some[x]", "some[1.5]", "nothing", "len(n)", "len(some, some)", "sum(words)", "eval(n)",
     "__import__", "n.__class__", "(n", "n)", "n ? 1", "n = 3", "1 < n < 5", "${n}", '"open', "and", "lower(n)",
     f"{'(' * 60}n{')' * 60}", "1 + " * 200 + "1"],
)  # fmt: skip
def test_what_is_none(text):
    with pytest.raises(ExpressionError):
        check(parse(text), KINDS)


@pytest.mark.parametrize("text", ["first(none)", "max(none)", "some[9]", "n / 0", 'number("no figure")'])
def test_what_is_not_there_in_a_run(text):
    node = parse(text)
    check(node, KINDS)
    with pytest.raises(MissingError):
        value_of(node, VALUES)


def test_kinds():
    assert check(parse("n > 1"), KINDS) == TRUTH
    assert check(parse("n + x"), KINDS) == NUMBER
    assert check(parse("words"), KINDS) == TEXT
    assert roots(parse("len(some) + n > box.left")) == {"some", "n", "box"}


@given(st.text(max_size=60))
def test_any_text_is_an_expression_or_an_error(text):
    try:
        node = parse(text)
        check(node, KINDS)
    except ExpressionError as error:
        if not 0 <= error.at <= len(text):
            raise AssertionError(f"{error.at} is no place in {text!r}") from error


@given(st.integers(-99, 99), st.integers(-99, 99), st.sampled_from(["+", "-", "*"]))
def test_sums_are_those_of_arithmetic(one, other, sign):
    text = f"({one}) {sign} ({other})"
    assert value_of(parse(text), {}) == {"+": one + other, "-": one - other, "*": one * other}[sign]
