"""What a task leaves: tables, pictures and a page, made anew from the outcomes in the order of the inputs."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ...memory.pictures.near_duplicates import sketch
from ...tools.values import PictureValue, RegionValue
from .expressions import Node
from .file import CsvOutput, GroupsOutput, JsonlOutput, PicturesOutput
from .functions import MissingError
from .groups import groups_of
from .plan import Axes, Plan, PlannedOutput
from .record import sweep, write_whole
from .running import Outcome, scope_of
from .source import TaskError
from .walking import value_of


@dataclass(frozen=True)
class Row:
    """A row of a table: which picture it is of, and its values by column, as JSON values."""

    picture: int
    values: Mapping[str, Any]


class Gathering:
    """Gathers rows and pictures outcome by outcome, so that pixels need not be kept; then writes the files.

    Args:
        plan: whose outputs.
        out: the folder that they go to.
    """

    def __init__(self, plan: Plan, out: Path) -> None:
        self._plan, self._out = plan, out
        self._axes: dict[str, Axes] = {one.step.id: one.axes for one in plan.steps}
        self._folders: set[Path] = set()
        self.rows: list[list[Row]] = [[] for _ in plan.outputs]
        self._sketches: dict[int, list[bytes]] = {}  # of the pictures of an output of groups
        for planned in plan.outputs:  # refused before anything runs
            inside(out, planned.output.file)

    def add(self, outcome: Outcome) -> None:
        """Take in one picture's outcome; those that failed or were skipped give no rows."""
        if outcome.status != "done":
            return
        for number, planned in enumerate(self._plan.outputs):
            if isinstance(planned.output, GroupsOutput):
                self._sketch(number, outcome, planned)
                continue
            if isinstance(planned.output, PicturesOutput):
                assert planned.pictures is not None
                folder = inside(self._out, planned.output.folder)
                for picture in self._shown(outcome, planned.pictures):
                    self._keep(outcome, picture, folder)
                continue
            for scope in self._places(outcome, planned.axes, planned.rows):
                self.rows[number].append(
                    Row(outcome.number, {n: _cell(node, scope) for n, node in planned.columns.items()})
                )

    def _sketch(self, number: int, outcome: Outcome, planned: PlannedOutput) -> None:
        """Take in the pictures of an output of groups: which groups there are shows when all are there."""
        assert planned.pictures is not None
        assert outcome.workspace is not None
        for picture in self._shown(outcome, planned.pictures):
            self._sketches.setdefault(number, []).append(sketch(outcome.workspace.open(picture.id)))
            name = str(outcome.path) if picture.kind == "given" else made_name(outcome, picture)
            self.rows[number].append(Row(outcome.number, {"file": str(outcome.path), "picture": name}))

    def close_groups(self) -> None:
        """Give the pictures of outputs of groups their numbers, once all are there."""
        for number, sketches in self._sketches.items():
            numbers = groups_of(sketches)
            sizes = Counter(numbers)
            self.rows[number] = [
                Row(row.picture, {**row.values, "group": one, "of": sizes[one]})
                for row, one in zip(self.rows[number], numbers, strict=True)
            ]
        self._sketches.clear()

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """The rows of each table, by the name of its file."""
        found: dict[str, list[dict[str, Any]]] = {}
        for planned, rows in zip(self._plan.outputs, self.rows, strict=True):
            if isinstance(planned.output, CsvOutput | JsonlOutput | GroupsOutput):
                found[planned.output.file] = [dict(row.values) for row in rows]
        return found

    def write(self) -> list[Path]:
        """Write tables, whole; the files and folders that were written."""
        written = sorted(self._folders)
        for folder in {
            self._out,
            *self._folders,
            *(inside(self._out, one.output.file).parent for one in self._plan.outputs),
        }:
            sweep(folder)
        for planned, rows in zip(self._plan.outputs, self.rows, strict=True):
            output = planned.output
            if isinstance(output, CsvOutput):
                written.append(_written(inside(self._out, output.csv), _csv(list(planned.columns), rows)))
            elif isinstance(output, GroupsOutput):
                text = _csv(["file", "picture", "group", "of"], rows)
                written.append(_written(inside(self._out, output.groups), text))
            elif isinstance(output, JsonlOutput):
                lines = [json.dumps(dict(row.values), ensure_ascii=False) for row in rows]
                written.append(_written(inside(self._out, output.jsonl), "".join(f"{line}\n" for line in lines)))
        return written

    def pictures_of(self, outcome: Outcome, planned: PlannedOutput) -> list[PictureValue]:
        """What a page shows of a picture."""
        return [] if planned.pictures is None else self._shown(outcome, planned.pictures)

    def evidence_of(self, outcome: Outcome, planned: PlannedOutput) -> list[RegionValue]:
        """The regions that a page draws in."""
        return [] if planned.evidence is None else self._shown(outcome, planned.evidence)

    def _shown(self, outcome: Outcome, shown: tuple[Node, Axes]) -> list[Any]:
        node, axes = shown
        found: list[Any] = []
        for scope in self._places(outcome, axes, None):
            try:
                value = value_of(node, scope)
            except MissingError:
                continue
            found += [one for one in (value if isinstance(value, list | tuple) else [value]) if one is not None]
        return found

    def _places(self, outcome: Outcome, axes: Axes, step: str | None) -> Iterator[dict[str, Any]]:
        """The scope of each time along some axes; of a step's rows those times in which it was not left out."""
        own = step if step in outcome.frames else None
        if own is None and axes:
            own = next(one.step.id for one in self._plan.steps if one.axes == axes and one.each is not None)
        if own is None:
            yield scope_of(self._plan, self._axes, outcome, (), (), {})
            return
        for frame in outcome.frames.get(own, ()):
            if frame.value is not None or step is None:
                yield scope_of(self._plan, self._axes, outcome, axes, frame.index, frame.names)

    def _keep(self, outcome: Outcome, picture: PictureValue, folder: Path) -> None:
        """Write a picture that was made, named by its file and its own id."""
        assert outcome.workspace is not None
        image = outcome.workspace.open(picture.id, alpha=True)
        data = io.BytesIO()
        image.save(data, "PNG")
        folder.mkdir(parents=True, exist_ok=True)
        self._folders.add(folder)
        write_whole(folder / made_name(outcome, picture), data.getvalue())


def made_name(outcome: Outcome, picture: PictureValue) -> str:
    """The file name of a picture that a task made: of its picture, and its own id."""
    stem = re.sub(r"[^\w.-]+", "_", outcome.path.stem)[:80]
    return f"{stem}.{picture.id.removeprefix('pic_')}.png"


def inside(out: Path, name: str) -> Path:
    """A path of a task file inside of the folder of outputs.

    Raises:
        TaskError: it leads elsewhere.
    """
    path = (out / name).resolve()
    if not path.is_relative_to(out.resolve()) or path == out.resolve():
        raise TaskError(
            f"The output {name!r} does not lie in the folder of outputs; name a file in it, as in mugs.csv."
        )
    return path


def _cell(node: Node, scope: Mapping[str, Any]) -> Any:
    try:
        return _plain(value_of(node, scope))
    except MissingError:
        return None


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return round(value, 6) if isinstance(value, float) else value


def _csv(columns: Sequence[str], rows: Sequence[Row]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_text(row.values[name]) for name in columns] for row in rows)
    return out.getvalue()


def _text(value: Any) -> str:
    """A value in a cell of a CSV file. What a spreadsheet would take for a formula is kept from being one."""
    text = cell_text(value)
    return f"'{text}" if isinstance(value, str) and text[:1] in "=+-@\t\r" else text


def cell_text(value: Any) -> str:
    """A value in a cell: of a region its label, of a picture its path, of a list JSON."""
    if value is None:
        return ""
    short = _short(value)
    return json.dumps(short, ensure_ascii=False) if isinstance(short, list | dict) else str(short)


def _short(value: Any) -> Any:
    """A value as a cell tells it: of a region its label, of a picture its path."""
    if isinstance(value, list):
        return [_short(one) for one in value]
    if isinstance(value, dict) and "handle" in value:
        return value["label"] if "label" in value else value["path"]
    return value


def _written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text.encode("utf-8"))
    return path
