"""A task checked against the tools: every reference has a kind, every call fits, before anything runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from ...errors import suggest
from ...tools.contracts import Tool
from ...tools.values import PictureValue, TextOutput
from .checking import check, is_plain
from .expressions import ExpressionError, Node, Path, parse, roots
from .file import AskStep, GroupsOutput, HtmlOutput, KeepStep, OutputFile, PicturesOutput, Step, TaskFile, ToolStep
from .kinds import NUMBER, TEXT, TRUTH, Kind, Listed, Maybe, Plain, Record, kind_of_model, kind_of_value
from .source import Loc, Source

_HOLE = re.compile(r"\$\$\{|\$\{([^{}]*)\}")
PICTURE = kind_of_model(PictureValue, "picture")
Axes = tuple[str, ...]  # the names of `each` along which something happens several times a picture


@dataclass(frozen=True)
class Template:
    """An argument: constants and expressions. `whole`: it is one expression, whose value is taken as it is."""

    parts: tuple[str | Node, ...]
    whole: bool


@dataclass(frozen=True)
class PlannedStep:
    """A step with its expressions read.

    Attributes:
        step: as the file says.
        axes: along which names it happens several times.
        args: arguments, with `Template` where a text has references.
        when: the comparison that lets it happen.
        each: the name, and what it goes through.
        keep: of a `keep` step, its comparison.
        images: of an `ask` step, its pictures.
    """

    step: Step
    axes: Axes = ()
    args: Mapping[str, Any] = field(default_factory=dict)
    when: Node | None = None
    each: tuple[str, Node] | None = None
    keep: Node | None = None
    images: Node | None = None


@dataclass(frozen=True)
class PlannedOutput:
    """An output with its expressions read; `axes` are those of its rows or pictures."""

    output: OutputFile
    axes: Axes
    columns: Mapping[str, Node]
    pictures: tuple[Node, Axes] | None = None
    evidence: tuple[Node, Axes] | None = None
    rows: str = "image"


@dataclass(frozen=True)
class Plan:
    """What is to be done with each picture, in order."""

    task: TaskFile
    inputs: Mapping[str, Any]
    steps: tuple[PlannedStep, ...]
    outputs: tuple[PlannedOutput, ...]


class Planner:
    """Checks one task.

    Args:
        source: where it stands.
        task: what it says.
        tools: the tools that there are.
        inputs: values by name, those of the command line included.
        columns: of the table that goes with it, if any.
    """

    def __init__(
        self, source: Source, task: TaskFile, tools: Mapping[str, Tool[Any]], inputs: Mapping[str, Any],
        columns: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        self._source, self._task, self._tools, self._inputs = source, task, tools, inputs
        self._kinds: dict[str, Kind] = {"image": PICTURE}
        self._axes: dict[str, Axes] = {"image": ()}
        for name, value in inputs.items():
            self._kinds[name], self._axes[name] = kind_of_value(value), ()
        if columns:
            self._kinds["row"], self._axes["row"] = Record("row", tuple((one, TEXT) for one in columns)), ()
        self._given = {*inputs, "row"}  # what may stand inside of a text
        self._later = {step.id for step in task.steps}

    def plan(self) -> Plan:
        """The checked plan.

        Raises:
            TaskError: something does not fit; with its line and how to mend it.
        """
        for name in self._inputs:
            if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name) or name in ("image", "row"):
                raise self._source.error(("inputs", name), f"{name!r} cannot be the name of an input.", key=True)
        steps = tuple(self._step(number, step) for number, step in enumerate(self._task.steps))
        outputs = tuple(self._output(number, output) for number, output in enumerate(self._task.outputs))
        return Plan(self._task, self._inputs, steps, outputs)

    # Steps

    def _step(self, number: int, step: Step) -> PlannedStep:
        loc = ("steps", number)
        if step.id in self._kinds:
            taken = "a step" if step.id not in self._inputs and step.id not in ("image", "row") else "an input"
            raise self._source.error((*loc, "id"), f"{step.id!r} is {taken} already; every name stands once.")
        if isinstance(step, KeepStep):
            node, _ = self._expression((*loc, "keep"), step.keep, (), TRUTH)
            self._later.discard(step.id)
            return PlannedStep(step, keep=node)
        each, axes = self._each(loc, step)
        planned = (self._tool if isinstance(step, ToolStep) else self._ask)(loc, step, axes, each)  # pyright: ignore[reportArgumentType]
        self._later.discard(step.id)
        return planned

    def _each(self, loc: Loc, step: ToolStep | AskStep) -> tuple[tuple[str, Node] | None, Axes]:
        """What a step goes through, and the axes that follow; its name is known from here on."""
        if step.each is None:
            return None, self._named(loc, step)
        ((name, text),) = step.each.items()
        place = (*loc, "each", name)
        if name in self._kinds:
            raise self._source.error(place, f"{name!r} has a meaning already; give it another name.", key=True)
        node = self._parsed(place, text)
        base = self._deepest(place, roots(node))
        kind = self._checked(place, node, base)
        self._kinds[name] = kind.of if isinstance(kind, Listed) else kind
        self._axes[name] = (*base, name)
        return (name, node), (*base, name)

    def _named(self, loc: Loc, step: ToolStep | AskStep) -> Axes:
        """The axes of a step without `each`: those of the names of `each` that it uses."""
        texts = [step.when or ""]
        texts += [step.images, step.ask] if isinstance(step, AskStep) else _texts(step.args)
        words = {word for text in texts for word in re.findall(r"[a-z][a-z0-9_]*", text)}
        used = {word for word in words if self._axes.get(word, ())[-1:] == (word,)}
        return self._deepest((*loc, "id"), used)

    def _tool(self, loc: Loc, step: ToolStep, axes: Axes, each: tuple[str, Node] | None) -> PlannedStep:
        if step.tool not in self._tools:
            message = f"there is no tool {step.tool!r}.{suggest(step.tool, self._tools)}"
            raise self._source.error((*loc, "tool"), message)
        tool = self._tools[step.tool]
        when = self._when(loc, step, axes)
        args = {name: self._argument((*loc, "args", name), value, axes) for name, value in step.args.items()}
        self._fits(loc, tool, step, axes)
        self._give(step.id, kind_of_model(tool.Output, step.id), axes)
        return PlannedStep(step, axes, args, when, each)

    def _ask(self, loc: Loc, step: AskStep, axes: Axes, each: tuple[str, Node] | None) -> PlannedStep:
        when = self._when(loc, step, axes)
        images = self._parsed((*loc, "images"), step.images)
        kind = self._checked((*loc, "images"), images, axes)
        bare = kind.of if isinstance(kind, Listed) else kind
        if not (isinstance(bare, Plain) and bare.name == "picture"):
            raise self._source.error((*loc, "images"), f"a picture or a list of them should stand here, not a {kind}.")
        words = self._argument((*loc, "ask"), step.ask, axes)
        self._give(step.id, kind_of_model(TextOutput, step.id), axes)
        return PlannedStep(step, axes, {"ask": words}, when, each, images=images)

    def _when(self, loc: Loc, step: ToolStep | AskStep, axes: Axes) -> Node | None:
        return None if step.when is None else self._expression((*loc, "when"), step.when, axes, TRUTH)[0]

    def _give(self, name: str, kind: Kind, axes: Axes) -> None:
        self._kinds[name], self._axes[name] = kind, axes

    # Arguments

    def _argument(self, loc: Loc, value: Any, axes: Axes) -> Any:
        """An argument with `Template`s where texts refer to something."""
        if isinstance(value, dict):
            return {key: self._argument((*loc, key), one, axes) for key, one in value.items()}
        if isinstance(value, list):
            return [self._argument((*loc, at), one, axes) for at, one in enumerate(value)]
        if not isinstance(value, str) or "$" not in value:
            return value
        parts: list[str | Node] = []
        end = 0
        for hole in _HOLE.finditer(value):
            parts.append(value[end : hole.start()])
            parts.append("${" if hole[1] is None else self._parsed(loc, hole[1]))
            end = hole.end()
        parts.append(value[end:])
        if "${" in value[end:]:
            raise self._source.error(
                loc, f"the brackets of ${{ are not closed in {value!r}; $${{ stands for ${{ itself."
            )
        kept = tuple(part for part in parts if part != "")
        whole = len(kept) == 1 and not isinstance(kept[0], str)
        for part in kept:
            if isinstance(part, str):
                continue
            kind = self._checked(loc, part, axes)
            if not whole and (kind not in (TEXT, NUMBER) or not roots(part) <= self._given):
                names = ", ".join(sorted(self._inputs)) or "there are none"
                message = f"inside of a text only inputs are put in ({names}); what came of a step stands alone, "
                raise self._source.error(loc, message + 'as in "${mugs.regions}".')
        return Template(kept, whole)

    def _fits(self, loc: Loc, tool: Tool[Any], step: ToolStep, axes: Axes) -> None:
        """Whether the arguments fit the tool, with something of the right kind in place of references."""
        fields = tool.Arguments.model_fields
        for name in step.args:
            if name not in fields:
                message = f"{tool.name} has no argument {name!r}.{suggest(name, fields)}"
                raise self._source.error((*loc, "args", name), message, key=True)
        given = {name: self._sample((*loc, "args", name), value, axes) for name, value in step.args.items()}
        try:
            tool.Arguments.model_validate(given)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = str(first["loc"][0]) if first["loc"] else ""
            if first["type"] == "missing":
                name = ".".join(str(part) for part in first["loc"])
                message = f"{tool.name} needs the argument {name!r}, as in {_example(tool)}."
                raise self._source.error((*loc, "args"), message) from error
            stands = step.args.get(name)
            said = f"{name} was {stands!r}" if name else "the arguments"
            reference = isinstance(stands, str) and _HOLE.fullmatch(stands.strip()) is not None
            kind = f", a {self._kind((*loc, 'args', name), stands, axes)}" if reference else ""
            context = first.get("ctx", {})
            why = (
                f"it must be {context['expected']}"
                if "expected" in context
                else str(context.get("error", first["msg"]))
            )
            if reference or "pattern" in first["type"]:
                why = _wants(tool, name)
            raise self._source.error((*loc, "args", name), f"{said}{kind}: {why}.") from error

    def _sample(self, loc: Loc, value: Any, axes: Axes) -> Any:
        if isinstance(value, dict):
            return {key: self._sample((*loc, key), one, axes) for key, one in value.items()}
        if isinstance(value, list):
            return [self._sample((*loc, at), one, axes) for at, one in enumerate(value)]
        if not isinstance(value, str) or "${" not in value:
            return value
        made = self._argument(loc, value, axes)
        if isinstance(made, Template) and not made.whole:
            return "text"
        return _example_of(self._kind(loc, value, axes), self._inputs, made)

    def _kind(self, loc: Loc, value: Any, axes: Axes) -> Kind:
        made = self._argument(loc, value, axes)
        node = made.parts[0] if isinstance(made, Template) and made.whole else ""
        return TEXT if isinstance(node, str) else self._checked(loc, node, axes)

    # Expressions

    def _parsed(self, loc: Loc, text: str) -> Node:
        try:
            return parse(text)
        except ExpressionError as error:
            raise self._source.error(loc, f"{text!r}: {error}, at character {error.at + 1}.") from error

    def _checked(self, loc: Loc, node: Node, axes: Axes) -> Kind:
        try:
            return check(node, self._scope(axes))
        except ExpressionError as error:
            later = sorted(name for name in roots(node) & self._later if name not in self._kinds)
            if later:
                message = f"{later[0]!r} is a later step, or this one: only what stands above can be referred to."
                raise self._source.error(loc, message) from error
            raise self._source.error(loc, f"{error}, at character {error.at + 1}.") from error

    def _expression(self, loc: Loc, text: str, axes: Axes, wanted: Kind) -> tuple[Node, Kind]:
        node = self._parsed(loc, text)
        kind = self._checked(loc, node, axes)
        if kind != wanted:
            hint = " Compare it with something, as in mugs.count > 0." if wanted == TRUTH else ""
            raise self._source.error(loc, f"{text!r} is a {kind}, and a {wanted} should stand here.{hint}")
        return node, kind

    def _scope(self, axes: Axes) -> dict[str, Kind]:
        """What names mean along some axes; what happens along further ones is a list, along others it is not there."""
        scope: dict[str, Kind] = {}
        for name, kind in self._kinds.items():
            own = self._axes[name]
            if own == axes[: len(own)]:
                scope[name] = kind
            elif axes == own[: len(axes)] and own[-1] != name:
                scope[name] = Listed(kind)
        return scope

    def _deepest(self, loc: Loc, names: set[str]) -> Axes:
        """The longest axes of some names, which must lie on one line."""
        axes = sorted((self._axes.get(name, ()) for name in names), key=len)
        for shorter in axes:
            if shorter != axes[-1][: len(shorter)]:
                raise self._source.error(
                    loc, f"{shorter[-1]!r} and {axes[-1][-1]!r} go through different lists and are not joined."
                )
        return axes[-1] if axes else ()

    # Outputs

    def _output(self, number: int, output: Any) -> PlannedOutput:
        loc = ("outputs", number)
        if isinstance(output, PicturesOutput | GroupsOutput):
            return PlannedOutput(output, (), {}, pictures=self._shown((*loc, "pictures"), output.pictures, "picture"))
        if (
            output.rows not in self._axes
            or output.rows in self._given
            or self._axes[output.rows][-1:] == (output.rows,)
        ):
            steps = [step.id for step in self._task.steps if not isinstance(step, KeepStep)]
            message = f"rows is {output.rows!r}; it must be image or a step: {', '.join(['image', *steps])}."
            raise self._source.error((*loc, "rows"), message)
        axes = self._axes[output.rows]
        columns: dict[str, Node] = {}
        for name, text in output.columns.items():
            columns[name] = self._parsed((*loc, "columns", name), text)
            self._checked((*loc, "columns", name), columns[name], axes)
        if not columns and not isinstance(output, HtmlOutput):
            raise self._source.error(loc, "columns are missing, as in columns: {file: image.path}.")
        pictures = evidence = None
        if isinstance(output, HtmlOutput):
            if output.pictures is not None:
                pictures = self._shown((*loc, "pictures"), output.pictures, "picture")
            if output.evidence is not None:
                evidence = self._shown((*loc, "evidence"), output.evidence, "region")
        return PlannedOutput(output, axes, columns, pictures, evidence, output.rows)

    def _shown(self, loc: Loc, text: str, wanted: str) -> tuple[Node, Axes]:
        """Pictures or regions to show: an expression along the axes of what it refers to."""
        node = self._parsed(loc, text)
        axes = self._deepest(loc, roots(node))
        kind = self._checked(loc, node, axes)
        bare = kind.of if isinstance(kind, Listed | Maybe) else kind
        if not is_plain(bare, wanted):  # pyright: ignore[reportArgumentType]
            raise self._source.error(
                loc, f"{text!r} is a {kind}; {wanted}s should stand here, as in cut.image or mugs.regions."
            )
        return node, axes


def _texts(value: Any) -> list[str]:
    """The expressions inside of arguments."""
    if isinstance(value, dict):
        return [text for one in value.values() for text in _texts(one)]
    if isinstance(value, list):
        return [text for one in value for text in _texts(one)]
    return [hole[1] for hole in _HOLE.finditer(value) if hole[1] is not None] if isinstance(value, str) else []


def _example_of(kind: Kind, inputs: Mapping[str, Any], made: Any) -> Any:
    """Something of a kind, as a tool would be given it."""
    if isinstance(kind, Listed):
        return [_example_of(kind.of, inputs, made)]
    if isinstance(kind, Maybe):
        return _example_of(kind.of, inputs, made)
    node = made.parts[0] if isinstance(made, Template) else None
    if isinstance(node, Path) and not node.parts and node.name in inputs:
        return inputs[node.name]
    if isinstance(kind, Plain):
        return {"picture": "img_1", "region": "reg_1", "number": 1, "truth": True, "text": "text"}.get(kind.name)
    return {}


def _wants(tool: Tool[Any], name: str) -> str:
    """What an argument takes, in words."""
    schema = str(tool.Arguments.model_json_schema().get("properties", {}).get(name, {}))
    if "'x-handle': 'region'" in schema:
        return 'it takes regions, as in "${mugs.regions}" or, one by one, "${mug}"'
    if "x-handle" in schema:
        return 'it takes a picture or a region, as in "${image}" or "${mug}"'
    return f"it takes what {tool.name} is given in {_example(tool)}"


def _example(tool: Tool[Any]) -> str:
    return tool.describe().rpartition("Example: ")[2] or "{...}"
