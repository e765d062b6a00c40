"""The tool that does sums: `calculate`. A walk over a fixed set of syntax nodes; nothing is ever run."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from ...errors import ToolRetry
from ..contracts import Recorded, Tool, ToolArguments, ToolContext, ToolResult
from ..shared.number_words import NUMBER_WORDS
from ..values import NumberOutput

Number = int | float

LIMIT = 1e15  # no value, not even one on the way, may be larger
CONSTANTS = ("0", "1", "2", "3", "10", "100")  # numbers that every sum may have: percent, squares, the next one
FUNCTIONS = ("mean", "min", "max", "sqrt", "abs", "round")
_TOKEN = re.compile(rf"\s+|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?![a-zA-Z_0-9.])|{'|'.join(FUNCTIONS)}|\*\*|//|[-+*/%(),]")
_NUMBER = re.compile(r"\d+\.?\d*|\.\d+")
_IN_WORDS = NUMBER_WORDS | {"dozen": 12, "half": 0.5, "quarter": 4, "hundred": 100, "thousand": 1000}
_BINARY: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_FUNCTIONS: dict[str, tuple[Callable[..., Any], int, int]] = {  # the function, fewest and most arguments
    "min": (min, 2, 20),
    "max": (max, 2, 20),
    "abs": (abs, 1, 1),
    "round": (round, 1, 2),
    "mean": (lambda *values: sum(values) / len(values), 1, 20),
    "sqrt": (math.sqrt, 1, 1),
}
_ALLOWED = "numbers, + - * / // % **, brackets, and mean, min, max, sqrt, abs, round"


class CalculateArguments(ToolArguments):
    """Arithmetic, as in "3 - 2"."""

    expression: Annotated[str, Field(min_length=1, max_length=160, json_schema_extra={"x-sum": True})]


class Calculate(Tool[CalculateArguments]):
    """Plain arithmetic, bounded in length and in size of numbers."""

    name = "calculate"
    rank = 50
    Arguments = CalculateArguments
    Output = NumberOutput

    def run(self, arguments: CalculateArguments, context: ToolContext) -> ToolResult:
        """Work the expression out.

        Raises:
            ToolRetry: it is not arithmetic, has a number that stands nowhere, divides by zero, or grows beyond bounds.
        """
        expression = " ".join(arguments.expression.split())
        _check_known(expression, context.talk.told)
        return ToolResult(facts={"expression": expression, "value": evaluate(expression)})

    def observe(self, arguments: CalculateArguments, recorded: Recorded) -> str:
        """The expression and its value: "3 - 2 = 1"."""
        return f"{recorded.facts['expression']} = {number_text(recorded.facts['value'])}"

    def references(self, recorded: Recorded) -> dict[str, str]:
        """The value, rounded to hundredths where it has more digits."""
        value = recorded.facts["value"]
        return {"result": number_text(round(value, 2) if isinstance(value, float) else value)}

    def values(self, recorded: Recorded) -> dict[str, Any]:
        """The value, whole."""
        return {"result": float(recorded.facts["value"])}


def evaluate(expression: str) -> Number:
    """The value of an arithmetic expression.

    Raises:
        ToolRetry: it is not arithmetic, divides by zero, or grows beyond bounds.
    """
    _check_tokens(expression)
    try:
        tree = ast.parse(expression.strip(), mode="eval")
        value = _walk(tree.body)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _retry(f"{expression!r} is not a complete expression; allowed are {_ALLOWED}.") from error
    except ZeroDivisionError as error:
        raise _retry(f"{expression!r} divides by zero.") from error
    except OverflowError as error:
        raise _retry(f"{expression!r} grows too large; the limit is {LIMIT:.0e}.") from error
    return value


def _check_known(expression: str, told: str | None) -> None:
    """Refuse numbers that stand neither in the conversation nor among the constants: nobody guesses here."""
    if told is None:
        return
    known = {_value(number) for number in (*_NUMBER.findall(told), *CONSTANTS)}
    known |= {float(value) for word, value in _IN_WORDS.items() if re.search(rf"\b{word}\b", told, re.IGNORECASE)}
    strange = [number for number in _NUMBER.findall(expression) if _value(number) not in known]
    if strange:
        raise _retry(
            f"{', '.join(strange)} in {expression!r} stands neither in the request nor in an observation. Let a tool "
            f"count or measure first, and calculate with what it reports."
        )


def _value(number: str) -> float:
    return float(number.rstrip(".") or 0)


def number_text(value: Number) -> str:
    """A number as people write it: 6.0 as "6", 0.1 + 0.2 as "0.3"."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else f"{value:.10g}"
    return str(value)


def _check_tokens(expression: str) -> None:
    """Let nothing but numbers, operators and the four names reach the parser."""
    place = 0
    while place < len(expression):
        match = _TOKEN.match(expression, place)
        if match is None:
            bad = re.match(r"\w+|.", expression[place:], re.DOTALL)
            raise _retry(f"{bad[0] if bad else ''!r} in {expression!r} is not arithmetic; allowed are {_ALLOWED}.")
        place = match.end()


def _walk(node: ast.expr) -> Number:
    match node:
        case ast.Constant(value=int() | float() as value):
            return _bounded(value)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_walk(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _walk(operand)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _power(_walk(left), _walk(right))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _bounded(_BINARY[type(op)](_walk(left), _walk(right)))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
            function, fewest, most = _FUNCTIONS[name]
            if not fewest <= len(args) <= most:
                raise _retry(f"{name} takes {'1 number' if most == 1 else f'{fewest} to {most} numbers'}.")
            values = [_walk(one) for one in args]
            if name == "round" and len(values) == 2:
                values[1] = max(-15, min(15, int(values[1])))
            return _bounded(function(*values))
    if isinstance(node, ast.Tuple):
        raise _retry(f"{ast.unparse(node)!r} is several numbers; write thousands without commas, as in 1000.")
    raise _retry(f"{ast.unparse(node)!r} is not arithmetic; allowed are {_ALLOWED}.")


def _power(base: Number, exponent: Number) -> Number:
    """A power, refused before it is worked out where it would be huge."""
    if base == 0 and exponent < 0:
        raise ZeroDivisionError
    if base < 0 and exponent != int(exponent):
        raise _retry(f"{number_text(base)} ** {number_text(exponent)} is not a real number.")
    if abs(base) > 1 and exponent * math.log10(abs(base)) > math.log10(LIMIT):
        raise OverflowError
    if abs(base) < 1 and base != 0 and -exponent * -math.log10(abs(base)) > math.log10(LIMIT):
        raise OverflowError
    return _bounded(base**exponent)


def _bounded(value: Number) -> Number:
    if not math.isfinite(value) or abs(value) > LIMIT:
        raise OverflowError
    return value


def _retry(message: str) -> ToolRetry:
    return ToolRetry(message, kind="bad_arguments")
