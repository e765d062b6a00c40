"""The values of checked expressions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .expressions import Call, Constant, Node, Path, Sign
from .functions import FUNCTIONS, MissingError


def value_of(node: Node, values: Mapping[str, Any]) -> Any:
    """The value of a checked expression.

    Raises:
        MissingError: it refers to what is not there in this run.
    """
    match node:
        case Constant():
            return node.value
        case Path():
            return _walk(node, values)
        case Call():
            return FUNCTIONS[node.name].run(*(value_of(one, values) for one in node.given))
        case Sign():
            return _signed(node, values)


def _walk(node: Path, values: Mapping[str, Any]) -> Any:
    value = values[node.name]
    said = node.name
    for part in node.parts:
        if value is None:
            raise MissingError(f"{said} is not there")
        if isinstance(part, int):
            if part >= len(value):
                raise MissingError(f"{said} has {len(value)} and no [{part}]")
            value, said = value[part], f"{said}[{part}]"
        else:
            value, said = value[part] if isinstance(value, Mapping) else getattr(value, part), f"{said}.{part}"
    if value is None and not node.parts:
        raise MissingError(f"{said} is not there")
    return value


def _signed(node: Sign, values: Mapping[str, Any]) -> Any:
    if node.sign == "and":
        return all(value_of(one, values) for one in node.given)
    if node.sign == "or":
        return any(value_of(one, values) for one in node.given)
    given = [value_of(one, values) for one in node.given]
    match node.sign:
        case "not":
            return not given[0]
        case "minus":
            return -given[0]
        case "+":
            return given[0] + given[1]
        case "-":
            return given[0] - given[1]
        case "*":
            return given[0] * given[1]
        case "/":
            if given[1] == 0:
                raise MissingError("a division by zero")
            return given[0] / given[1]
        case "in":
            return given[0] in given[1]
        case "==":
            return given[0] == given[1]
        case "!=":
            return given[0] != given[1]
    if None in given:
        raise MissingError("a value to compare is not there")
    left, right = given
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[node.sign]
