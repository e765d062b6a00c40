"""The kinds of expressions, worked out before anything runs."""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import suggest
from .expressions import Call, Constant, ExpressionError, Node, Path, Sign
from .functions import FUNCTIONS
from .kinds import NOTHING, NUMBER, TEXT, TRUTH, Kind, Listed, Maybe, Plain, fields_of


def check(node: Node, scope: Mapping[str, Kind]) -> Kind:
    """The kind of an expression's value, given what its names are.

    Raises:
        ExpressionError: a name that is not there, or kinds that do not go together.
    """
    match node:
        case Constant():
            return node.kind
        case Path():
            return _check_path(node, scope)
        case Call():
            return _check_call(node, scope)
        case Sign():
            return _check_sign(node, scope)


def _check_path(node: Path, scope: Mapping[str, Kind]) -> Kind:
    if node.name not in scope:
        raise ExpressionError(f"there is no {node.name!r} here.{suggest(node.name, scope)}", node.at)
    kind, said = scope[node.name], node.name
    for part in node.parts:
        if isinstance(kind, Maybe):
            kind = kind.of
        if isinstance(part, int):
            if not isinstance(kind, Listed):
                raise ExpressionError(f"{said} is a {kind}, no list: [{part}] has no meaning", node.at)
            kind, said = kind.of, f"{said}[{part}]"
            continue
        fields = fields_of(kind)
        if part not in fields:
            inside = f" (say {said}[0], or go through them with each)" if isinstance(kind, Listed) else ""
            names = f" It has: {', '.join(fields)}." if fields else ""
            raise ExpressionError(f"{said} is a {kind}, which has no {part!r}{inside}.{names}", node.at)
        kind, said = fields[part], f"{said}.{part}"
    return kind


def _check_call(node: Call, scope: Mapping[str, Kind]) -> Kind:
    if node.name not in FUNCTIONS:
        raise ExpressionError(f"there is no function {node.name!r}.{suggest(node.name, FUNCTIONS)}", node.at)
    function = FUNCTIONS[node.name]
    kinds = [check(one, scope) for one in node.given]
    wrong = function.takes(kinds)
    if wrong is not None:
        given = ", ".join(f"a {kind}" for kind in kinds) or "nothing"
        raise ExpressionError(f"{node.name}(...) gives {function.told} and takes {wrong}, not {given}", node.at)
    return function.gives(kinds)


def _check_sign(node: Sign, scope: Mapping[str, Kind]) -> Kind:
    kinds = [check(one, scope) for one in node.given]
    if node.sign in ("and", "or", "not"):
        for kind in kinds:
            if kind != TRUTH:
                hint = {"number": " (write ... > 0)", "text": ' (write ... != "")'}.get(str(kind), "")
                if isinstance(kind, Listed):
                    hint = " (write len(...) > 0)"
                raise ExpressionError(f"{node.sign!r} takes comparisons, and a {kind} is none{hint}", node.at)
        return TRUTH
    if node.sign in ("+", "-", "*", "/", "minus"):
        if node.sign == "+" and kinds == [TEXT, TEXT]:
            return TEXT
        for kind in kinds:
            if kind != NUMBER:
                raise ExpressionError(
                    f"{node.sign.replace('minus', '-')!r} takes numbers, and a {kind} is none", node.at
                )
        return NUMBER
    left, right = kinds
    if node.sign == "in":
        if not (isinstance(right, Listed) and right.of == left):
            raise ExpressionError(f"'in' takes a value and a list of such values, not a {left} and a {right}", node.at)
        return TRUTH
    bare_left, bare_right = (kind.of if isinstance(kind, Maybe) else kind for kind in (left, right))
    if node.sign in ("==", "!=") and (bare_left == bare_right or NOTHING in (left, right)):
        return TRUTH
    if bare_left == bare_right and bare_left in (NUMBER, TEXT):
        return TRUTH
    raise ExpressionError(f"{node.sign!r} compares two values of one kind, not a {left} and a {right}", node.at)


def is_plain(kind: Kind, name: str) -> bool:
    """Whether a kind is the plain one of a name."""
    return isinstance(kind, Plain) and kind.name == name
