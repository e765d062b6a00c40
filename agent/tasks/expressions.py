"""The expressions of task files: a small typed grammar, checked before anything runs, walked over values when it does.

    expression := "not" expression | expression ("and" | "or") expression
                | sum (("==" | "!=" | "<" | "<=" | ">" | ">=" | "in") sum)?
    sum        := term (("+" | "-") term)*          term := factor (("*" | "/") factor)*
    factor     := "-" factor | number | "text" | true | false | null | name ("." name | "[" number "]")*
                | function "(" expression, ... ")" | "(" expression ")"

Nothing is true or false by itself: `and`, `or`, `not`, `when` and `keep` take comparisons, so that a text can never
pass for a yes. Comparisons take two values of one kind.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .kinds import NOTHING, NUMBER, TEXT, TRUTH, Kind

LONGEST = 500  # characters
DEEPEST = 40
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<text>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')"
    r"|(?P<sign>==|!=|<=|>=|[-+*/<>().,\[\]]))"
)
_COMPARED = ("==", "!=", "<", "<=", ">", ">=", "in")
_WORDS = frozenset({"and", "or", "not", "in", "true", "false", "null"})


class ExpressionError(ValueError):
    """An expression is not right. `at` is the character, from 0, at which that shows."""

    def __init__(self, message: str, at: int = 0) -> None:
        super().__init__(message)
        self.at = at


@dataclass(frozen=True)
class Constant:
    """A value that is written out."""

    value: Any
    kind: Kind
    at: int


@dataclass(frozen=True)
class Path:
    """A name, and what follows it: `mugs.regions[0].box`."""

    name: str
    parts: tuple[str | int, ...]
    at: int


@dataclass(frozen=True)
class Call:
    """A function of some values."""

    name: str
    given: tuple[Node, ...]
    at: int


@dataclass(frozen=True)
class Sign:
    """A sign or word between two values, or before one."""

    sign: str
    given: tuple[Node, ...]
    at: int


Node = Constant | Path | Call | Sign


def parse(text: str) -> Node:
    """Read an expression.

    Raises:
        ExpressionError: it is none.
    """
    if "${" in text:
        raise ExpressionError("an expression stands by itself: leave out ${ and }", text.index("${"))
    if len(text) > LONGEST:
        raise ExpressionError(f"an expression has at most {LONGEST} characters")
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[tuple[str, str, int]] = []
        at = 0
        while at < len(text) and text[at:].strip():
            match = _TOKEN.match(text, at)
            if match is None:
                start = at + len(text[at:]) - len(text[at:].lstrip())
                hint = " (compare with ==)" if text[start] == "=" else ""
                raise ExpressionError(f"{text[start]!r} has no meaning here{hint}", start)
            kind = str(match.lastgroup)
            self.tokens.append((kind, match[kind], match.start(kind)))
            at = match.end()
        self.next, self.depth = 0, 0

    def whole(self) -> Node:
        if not self.tokens:
            raise ExpressionError("the expression is empty")
        node = self._either()
        if self.next < len(self.tokens):
            _, word, at = self.tokens[self.next]
            raise ExpressionError(f"{word!r} does not follow on what stands before it", at)
        return node

    def _see(self, *words: str) -> bool:
        return (
            self.next < len(self.tokens) and self.tokens[self.next][0] != "text" and self.tokens[self.next][1] in words
        )

    def _take(self) -> tuple[str, str, int]:
        if self.next >= len(self.tokens):
            raise ExpressionError("the expression ends too early", len(self.text))
        self.next += 1
        return self.tokens[self.next - 1]

    def _need(self, sign: str) -> None:
        if not self._see(sign):
            at = self.tokens[self.next][2] if self.next < len(self.tokens) else len(self.text)
            raise ExpressionError(f"{sign!r} is missing", at)
        self.next += 1

    def _either(self) -> Node:
        return self._chain(("or",), self._both)

    def _both(self) -> Node:
        return self._chain(("and",), self._denied)

    def _denied(self) -> Node:
        if self._see("not"):
            _, _, at = self._take()
            return Sign("not", (self._deeper(self._denied),), at)
        left = self._sum()
        if self._see(*_COMPARED):
            _, sign, at = self._take()
            return Sign(sign, (left, self._sum()), at)
        return left

    def _sum(self) -> Node:
        return self._chain(("+", "-"), lambda: self._chain(("*", "/"), self._factor))

    def _chain(self, signs: tuple[str, ...], inner: Callable[[], Node]) -> Node:
        node = inner()
        while self._see(*signs):
            _, sign, at = self._take()
            node = Sign(sign, (node, inner()), at)
        return node

    def _deeper(self, inner: Callable[[], Node]) -> Node:
        self.depth += 1
        if self.depth > DEEPEST:
            raise ExpressionError(f"brackets lie more than {DEEPEST} deep")
        node = inner()
        self.depth -= 1
        return node

    def _factor(self) -> Node:
        kind, word, at = self._take()
        if kind == "number":
            return Constant(float(word) if "." in word else int(word), NUMBER, at)
        if kind == "text":
            return Constant(re.sub(r"\\(.)", r"\1", word[1:-1]), TEXT, at)
        if word == "-":
            return Sign("minus", (self._deeper(self._factor),), at)
        if word == "(":
            node = self._deeper(self._either)
            self._need(")")
            return node
        if kind == "name":
            return self._named(word, at)
        raise ExpressionError(f"a value should stand here, not {word!r}", at)

    def _named(self, word: str, at: int) -> Node:
        if word in ("true", "false"):
            return Constant(word == "true", TRUTH, at)
        if word == "null":
            return Constant(None, NOTHING, at)
        if word in _WORDS:
            raise ExpressionError(f"a value should stand here, not {word!r}", at)
        if self._see("("):
            self._take()
            given: list[Node] = []
            while not self._see(")"):
                given.append(self._deeper(self._either))
                if not self._see(")"):
                    self._need(",")
            self._take()
            return Call(word, tuple(given), at)
        parts: list[str | int] = []
        while self._see(".", "["):
            _, sign, _ = self._take()
            kind, part, place = self._take()
            if sign == ".":
                if kind != "name":
                    raise ExpressionError(f"a name should stand after the dot, not {part!r}", place)
                parts.append(part)
            else:
                if kind != "number" or "." in part:
                    raise ExpressionError(f"a whole number should stand in the brackets, not {part!r}", place)
                parts.append(int(part))
                self._need("]")
        return Path(word, tuple(parts), at)


def roots(node: Node) -> set[str]:
    """The names that an expression begins from."""
    match node:
        case Path():
            return {node.name}
        case Call() | Sign():
            return set().union(*(roots(one) for one in node.given)) if node.given else set()
        case _:
            return set()
