"""The grammar of one assistant turn: what a constrained local model can write, and nothing else.

A turn is free text, then up to three tool calls; or just text, which is the answer. Each call is
one of the registered tools with arguments that fit its JSON Schema; a handle is one of those that
the conversation has. So a small model cannot misspell a tool, invent an argument or name a region
that is not there, and most of what it would have to copy is forced (llguidance gives the forced
tokens in one go). A model that was taught to repeat others only to the letter can be held to that,
too (see `verbatim`). The format is that of `prompts.calls`; the mask and the parser are llguidance's.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...prompts.calls import CLOSE, MAX_CALLS, OPEN
from ...tools.builtin.calculate import CONSTANTS, FUNCTIONS
from ..answers.references import Referring
from .verbatim import HEAD, Verbatim, Word, naming, words_of

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer

JSON_STYLE = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
MAX_STRING = 120  # characters, where a schema has no bound
A_TOKEN = 2  # characters, as a small model writes
MAX_ITEMS = 20
MAX_NUMBER = 10_000
REFERRED = 13  # parts of a text, references and the words between them
NUMBER_STEP = 0.01  # without it, a number could have digits without end
NOISE = {"title", "description", "default", "x-handle", "x-words", "x-sum", "$defs"}
_UNSAID = re.compile(r"[<\x00-\x1f\x7f]")  # nothing with one of these is repeated
_SIGN = re.compile(r"([\\.+*?()|\[\]{}^$/&~#-])")  # what means something in a regular expression


def narrow(schema: Mapping[str, Any], handles: Sequence[str]) -> dict[str, Any] | None:
    """A JSON Schema for the grammar: bounded everywhere, handles replaced by those that exist.

    Args:
        schema: as pydantic makes it; "x-handle": "picture", "region" or "any" marks a handle. ("x-words": "any" or
            "question" marks an argument that may have to be in the user's words, which `turn_grammar` sees to.)
        handles: the conversation's handles, `img_N` and `reg_N`.

    Returns:
        The narrowed schema, or None where no value fits (a handle is needed and there is none).
    """
    return _narrow(dict(schema), handles, schema.get("$defs", {}))


def _narrow(schema: Mapping[str, Any], handles: Sequence[str], named: Mapping[str, Any]) -> dict[str, Any] | None:
    if "$ref" in schema:
        return _narrow(named[schema["$ref"].rpartition("/")[2]], handles, named)
    if "x-handle" in schema:
        prefix = {"picture": "img_", "region": "reg_"}.get(schema["x-handle"], "")
        fitting = [handle for handle in handles if handle.startswith(prefix)]
        return {"enum": fitting} if fitting else None
    union = schema.get("anyOf") or schema.get("oneOf")  # the second: a union that tells its members by a field
    if union:
        several = [_narrow(one, handles, named) for one in union]
        fitting = [one for one in several if one is not None]
        return {"anyOf": fitting} if len(fitting) > 1 else (fitting[0] if fitting else None)
    if "enum" in schema or "const" in schema:
        return {key: value for key, value in schema.items() if key in {"enum", "const"}}
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        return _object(schema, handles, named)
    if kind == "array":
        return _array(schema, handles, named)
    small = {key: value for key, value in schema.items() if key not in NOISE}
    if kind == "string":
        small.setdefault("maxLength", MAX_STRING)
    elif kind in {"integer", "number"}:
        if not small.keys() & {"minimum", "exclusiveMinimum"}:
            small["minimum"] = -MAX_NUMBER
        if not small.keys() & {"maximum", "exclusiveMaximum"}:
            small["maximum"] = MAX_NUMBER
        if kind == "number":
            small.setdefault("multipleOf", NUMBER_STEP)
    return small


def _object(schema: Mapping[str, Any], handles: Sequence[str], named: Mapping[str, Any]) -> dict[str, Any] | None:
    required = schema.get("required", [])
    properties: dict[str, Any] = {}
    for name, one in schema.get("properties", {}).items():
        if name not in required:
            one = _without_null(one)  # leaving an argument out says the same as null
        narrowed = _narrow(one, handles, named)
        if narrowed is not None:
            properties[name] = narrowed
        elif name in required:
            return None
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _array(schema: Mapping[str, Any], handles: Sequence[str], named: Mapping[str, Any]) -> dict[str, Any] | None:
    small: dict[str, Any] = {"type": "array", "minItems": schema.get("minItems", 0)}
    small["maxItems"] = schema.get("maxItems", max(MAX_ITEMS, small["minItems"]))
    if "prefixItems" in schema:
        items = [_narrow(one, handles, named) for one in schema["prefixItems"]]
        if any(item is None for item in items):
            return None
        small["prefixItems"] = items
        small["maxItems"] = min(small["maxItems"], len(items))
        return small
    item = _narrow(schema.get("items", {"type": "string"}), handles, named)
    if item is None:
        return None if small["minItems"] else small | {"maxItems": 0}
    return small | {"items": item}


def _without_null(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "anyOf" not in schema:
        return schema
    return {**schema, "anyOf": [one for one in schema["anyOf"] if one.get("type") != "null"]}


def turn_grammar(
    tools: Iterable[Mapping[str, Any]],
    handles: Sequence[str],
    *,
    verbatim: Verbatim | None = None,
    referring: Referring | None = None,
    tokens: Iterable[str] = (),
    max_text: int = 400,
    max_calls: int = MAX_CALLS,
    must_call: bool = False,
) -> str:
    """The Lark grammar (llguidance's dialect) of one assistant turn.

    Args:
        tools: in OpenAI's form, `{"type": "function", "function": {"name", "parameters"}}`. A tool
            that needs a handle of a kind that does not exist is left out.
        handles: the conversation's handles.
        verbatim: what may be quoted in the text, in which handles are then those that there are, and in whose words
            arguments marked "x-words" are; None: anything.
        referring: what may be referred to in braces (see `answers.references`); then a text holds no digits, handles
            or quotations of its own, and arguments marked "x-sum" no other numbers. None: it is free.
        tokens: which of `<tool_call>` and `</tool_call>` are tokens of their own in the vocabulary.
        max_text: how many characters the thought, or the answer, may have; before and after what is repeated,
            half as many tokens.
        max_calls: how many calls one turn may make.
        must_call: no answer, where any tool can be called.
    """
    own = set(tokens)
    opening = OPEN if OPEN in own else json.dumps(OPEN)
    closing = CLOSE if CLOSE in own else json.dumps(CLOSE)
    words = words_of(verbatim.said) if verbatim is not None else None
    rules: list[str] = []
    for tool in tools:
        function = tool["function"]
        parameters = function.get("parameters") or {"type": "object", "properties": {}}
        arguments = narrow(parameters, handles)
        if arguments is None:
            continue
        marked = _marked(parameters, words is not None, referring is not None)
        if words == [] and marked.keys() & arguments["required"]:
            continue  # there is nothing to repeat
        call = _call(function["name"], arguments, marked, words != [])
        rules.append(f'call_{len(rules)}: {opening} "\\n" {call} "\\n" {closing}')
    text = _text(max_text, verbatim, handles) if referring is None else _referring(max_text, referring.names)
    if not rules:
        return "\n".join(["%llguidance {}", "start: text", *text]) + "\n"
    several = ""
    for _ in range(max_calls - 1):
        several = f'("\\n" call {several})?'
    names = " | ".join(f"call_{index}" for index in range(len(rules)))
    head = [
        "%llguidance {}",
        "start: calls" if must_call else "start: text calls? | calls",
        f"calls: call {several}",
        f"call: {names}",
    ]
    several = [*rules, *(_repeating(words) if words else []), *(_summing(referring) if referring else [])]
    return "\n".join([*head, *text, *several]) + "\n"


def _text(most: int, verbatim: Verbatim | None, handles: Sequence[str]) -> list[str]:
    """The rules of free text: no "<", so that a call can only be written as a call, and no control characters.

    What is repeated is a terminal of its own, and what is said beside it is bounded by tokens: to count characters,
    too, would make the lexer's expressions too many.
    """
    if verbatim is None:
        return ["text: TEXT", rf"TEXT: /[^<\s\x00-\x1f\x7f][^<\x00-\x09\x0b-\x1f\x7f]{{0,{most - 1}}}/"]
    bound = f"[max_tokens={max(1, most // A_TOKEN)}]"
    quotes = [_literal(f'"{quote}"') for quote in verbatim.quotes if not _UNSAID.search(quote)]
    told = [parts for parts in verbatim.told if not _UNSAID.search("".join(parts))]
    heads = sorted({_escaped(part[:HEAD]) for parts in told for part in parts})
    own = f"/{naming(handles)}/" + (rf" & ~/({'|'.join(heads)})(.|\n)*/" if heads else "")
    rules = ["quoting: QUOTED further? quoting?", f"QUOTED: {' | '.join(quotes)}"] if quotes else []
    after = "quoting?" if quotes else ""
    starts = [f"first {after}", *(["quoting"] if quotes else [])]
    for at, (begin, *more) in enumerate(told):
        rules.append(f"told_{at}: {' '.join([_literal(begin), *(f'({_literal(part)})?' for part in more)])}")
        starts.append(f"told_{at} further? {after}")
    if rules:
        rules += [f"further{bound}: FURTHER", rf"FURTHER: /[^<\x00-\x09\x0b-\x1f\x7f]+/ & {own}"]
    text = rf"TEXT: /[^<\s\x00-\x1f\x7f][^<\x00-\x09\x0b-\x1f\x7f]*/ & {own}"
    return [f"text: {' | '.join(starts)}", f"first{bound}: TEXT", text, *rules]


def _referring(most: int, references: Sequence[str]) -> list[str]:
    """The rules of a text that quotes nothing: words without digits, and references to what was observed."""
    plain = r"[^<{}_0-9\"\x00-\x1f\x7f]"
    words = [rf"WORDS: /{plain}{{1,{most}}}/"]
    if not references:
        return ["text: WORDS", *words]
    names = " | ".join(_literal(f"{{{name}}}") for name in references)
    return [f"text: part{{1,{REFERRED}}}", "part: WORDS | reference", f"reference: {names}", *words]


def _escaped(text: str) -> str:
    """A text as a regular expression that matches nothing else."""
    return _SIGN.sub(r"\\\1", text)


def _call(name: str, arguments: Mapping[str, Any], marked: Mapping[str, str], repeats: bool) -> str:
    """The rule of one call.

    The lexer never goes back: what calls begin with in common must be of one kind, a literal, and cannot be left to
    the JSON of some of them.

    Args:
        name: the tool's.
        arguments: its narrowed schema; where arguments are marked, the first one is required.
        marked: the terminal of each argument that is marked "x-words".
        repeats: whether there is anything to repeat; where not, such arguments are left out.
    """
    head = f'{{"name": {json.dumps(name)}, "arguments": '
    if not marked:
        return f'{_literal(head)} {_json(arguments)} "}}"'
    parts = [_literal(head + "{")]
    for at, (argument, schema) in enumerate(arguments["properties"].items()):
        if argument in marked and not repeats:
            continue
        required = argument in arguments["required"]
        if not at and not required:
            raise ValueError(f"the first argument of {name} must be required, as others are marked x-words")
        pair = f"{_literal((', ' if at else '') + json.dumps(argument) + ': ')} {marked.get(argument) or _json(schema)}"
        parts.append(pair if required else f"({pair})?")
    return " ".join([*parts, '"}}"'])


def _json(schema: Mapping[str, Any]) -> str:
    return f"%json {json.dumps({**schema, 'x-guidance': JSON_STYLE})}"


def _marked(parameters: Mapping[str, Any], repeats: bool, refers: bool) -> dict[str, str]:
    """The terminal for each argument that is to be in the user's words, or of numbers that can be referred to."""
    found: dict[str, str] = {}
    for name, one in parameters.get("properties", {}).items():
        if refers and one.get("x-sum"):
            found[name] = "SUM"
        if not repeats:
            continue
        kind = next((part["x-words"] for part in (one, *one.get("anyOf", ())) if "x-words" in part), None)
        if kind is not None:
            found[name] = "ASKED" if kind == "question" else "SAID"
    return found


def _repeating(words: Sequence[Word]) -> list[str]:
    """Terminals: SAID, any stretch of the words as a JSON string; ASKED, the same with a question's mark."""
    lines: list[str] = []
    for at, word in enumerate(words):
        further = f" ({_literal(_inside(words[at + 1].before))} SAID_{at + 1})?" if at + 1 < len(words) else ""
        lines.append(f"SAID_{at}: {_literal(_inside(word.text))}{further}")
    said = " | ".join(f"SAID_{at}" for at in range(len(words)))
    return [*lines, rf'SAID: "\"" ({said}) "\""', rf'ASKED: "\"" ({said}) "?\""']


def _summing(referring: Referring) -> list[str]:
    """The terminal of a sum: numbers of the request, references, constants, signs and functions."""
    numbers = [re.escape(number) for number in (*referring.numbers, *CONSTANTS)]
    names = [rf"\{{{name}\}}" for name in referring.names]
    number = "|".join(sorted(dict.fromkeys([*numbers, *names]), key=len, reverse=True))
    words = "|".join(FUNCTIONS)
    return [rf'SUM: /"(({words})\()*({number})( ?([-+*,%]|\*\*|\/) ?\(*(({words})\()*({number})\)*){{0,12}}\)*"/']


def _inside(text: str) -> str:
    """A text as it stands inside a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1].replace("</", "<\\/")


def _literal(text: str) -> str:
    """A text as Lark writes a literal."""
    return json.dumps(text, ensure_ascii=False)


class GrammarCache:
    """Compiled grammars of one tokenizer; `matcher` gives a fresh copy, which costs microseconds.

    Args:
        tokenizer: llguidance's view of the tokenizer.
        tokens: which of the call markers are tokens of their own.
        size: how many grammars are kept; the least recently used one goes.
    """

    def __init__(self, tokenizer: LLTokenizer, tokens: Iterable[str] = (), size: int = 32) -> None:
        self.tokenizer = tokenizer
        self.tokens = tuple(tokens)
        self.size = size
        self._kept: OrderedDict[tuple[Any, ...], LLMatcher] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def matcher(
        self,
        tools: Sequence[Mapping[str, Any]],
        handles: Sequence[str],
        max_text: int = 400,
        verbatim: Verbatim | None = None,
        *,
        referring: Referring | None = None,
        must_call: bool = False,
    ) -> LLMatcher:
        """A matcher at the start of a turn.

        Raises:
            ValueError: a tool's schema has something that the grammar cannot say.
        """
        named = json.dumps([tool["function"] for tool in tools], sort_keys=True)
        key = (named, tuple(handles), max_text, verbatim, referring, must_call)
        if key not in self._kept:
            from llguidance import LLMatcher

            text = turn_grammar(
                tools, handles, tokens=self.tokens, max_text=max_text, verbatim=verbatim, referring=referring,
                must_call=must_call,
            )  # fmt: skip
            made = LLMatcher(self.tokenizer, LLMatcher.grammar_from_lark(text), log_level=0)
            if made.is_error():
                raise ValueError(f"no grammar for these tools: {made.get_error()}")
            self._kept[key] = made
            if len(self._kept) > self.size:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key].deep_copy()
