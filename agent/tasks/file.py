"""What stands in a task file, as pydantic models: inputs, steps, what happens on errors, outputs."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, field_validator

from ...errors import suggest
from .source import Source, TaskError

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$", description="A name: small letters, digits and _.")]
Expression = Annotated[
    str, Field(min_length=1, description="An expression over what came of earlier steps: mugs.count > 0, cut.image")
]
Scalar = str | int | float | bool | None


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Inputs(BaseModel):
    """Which pictures, and values by name: steps say `${name}`, the command line `--set name=value`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    images: list[str] = Field(default_factory=list, description="Files, folders or patterns, as in photos/**/*.jpg")
    table: str | None = Field(
        default=None, description="A CSV or JSONL file with a column `image`; steps say ${row.COLUMN} for the others."
    )

    @field_validator("images", mode="before")
    @classmethod
    def _one(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @property
    def values(self) -> dict[str, Scalar | list[Scalar]]:
        """The values by name."""
        return dict(self.model_extra or {})


class _Step(_Model):
    id: Name
    when: Expression | None = Field(default=None, description="Only where this comparison is true.")
    each: dict[Name, Expression] | None = Field(
        default=None, min_length=1, max_length=1, description="Once for each of a list: {mug: shapes.regions}"
    )


class ToolStep(_Step):
    """A call of a tool."""

    tool: str
    args: dict[str, Any] = Field(default_factory=dict, description="Plain values; ${...} stands for a reference.")


class AskStep(_Step):
    """A question in plain words, for the controller."""

    ask: Annotated[str, Field(min_length=1)]
    images: Expression = Field(default="image", description="A picture, or a list of them.")


class KeepStep(_Model):
    """Only pictures for which a comparison is true go on; the others are told as skipped."""

    id: Name
    keep: Expression


def _kind_of_step(value: Any) -> str:
    keys = value if isinstance(value, dict) else getattr(value, "__dict__", {})
    return next((kind for kind in ("tool", "ask", "keep") if kind in keys), "tool")


Step = Annotated[
    Annotated[ToolStep, Tag("tool")] | Annotated[AskStep, Tag("ask")] | Annotated[KeepStep, Tag("keep")],
    Discriminator(_kind_of_step),
]


class OnError(_Model):
    """What becomes of pictures that fail."""

    picture: Literal["record", "stop"] = "record"
    stop_after: int | Annotated[str, Field(pattern=r"^(100|[1-9]?[0-9])%$")] | None = Field(
        default=None, description="End the run once so many pictures, or such a share of them, have failed: 20%"
    )


class _Rows(_Model):
    rows: Expression = Field(default="image", description="A row for each picture (image), or for each time of a step.")
    columns: dict[Annotated[str, Field(min_length=1, max_length=60)], Expression] = Field(default_factory=dict)


class CsvOutput(_Rows):
    """A table."""

    csv: str

    @property
    def file(self) -> str:
        """Where it goes, in the folder of outputs."""
        return self.csv


class JsonlOutput(_Rows):
    """The same, a JSON object a line."""

    jsonl: str

    @property
    def file(self) -> str:
        """Where it goes, in the folder of outputs."""
        return self.jsonl


class PicturesOutput(_Model):
    """Pictures that were made, as files of a folder."""

    folder: str
    pictures: Expression

    @property
    def file(self) -> str:
        """Where it goes, in the folder of outputs."""
        return self.folder


class GroupsOutput(_Model):
    """A table of which pictures are near duplicates of one another: each with the number and the size of its group."""

    groups: str
    pictures: Expression = "image"

    @property
    def file(self) -> str:
        """Where it goes, in the folder of outputs."""
        return self.groups


class HtmlOutput(_Rows):
    """A page to look at: thumbnails, evidence, a table that can be filtered."""

    html: str
    pictures: Expression | None = None
    evidence: Expression | None = None

    @property
    def file(self) -> str:
        """Where it goes, in the folder of outputs."""
        return self.html


def _kind_of_output(value: Any) -> str:
    keys = value if isinstance(value, dict) else getattr(value, "__dict__", {})
    return next((kind for kind in ("csv", "jsonl", "folder", "groups", "html") if kind in keys), "csv")


OutputFile = Annotated[
    Annotated[CsvOutput, Tag("csv")] | Annotated[JsonlOutput, Tag("jsonl")]
    | Annotated[PicturesOutput, Tag("folder")] | Annotated[GroupsOutput, Tag("groups")]
    | Annotated[HtmlOutput, Tag("html")],
    Discriminator(_kind_of_output),
]  # fmt: skip


class TaskFile(_Model):
    """A task."""

    version: Literal[1]
    name: str = Field(default="", max_length=100)
    inputs: Inputs = Inputs()
    steps: Annotated[list[Step], Field(min_length=1, max_length=50)]
    on_error: OnError = OnError()
    outputs: Annotated[list[OutputFile], Field(max_length=20)] = Field(default_factory=list)


def read_task(source: Source) -> TaskFile:
    """The task that a file holds.

    Raises:
        TaskError: it does not have the form; the first thing that is wrong, with its line and how to mend it.
    """
    if not isinstance(source.values, dict):
        raise source.error((), "a task is a mapping that begins with: version: 1")
    try:
        return TaskFile.model_validate(source.values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise source.error(first["loc"], _told(first, source), key=first["type"] == "extra_forbidden") from error


def _told(error: Any, source: Source) -> str:
    """One of pydantic's errors in words."""
    kind, given = error["type"], error["input"]
    name = next((str(part) for part in reversed(error["loc"]) if part not in _FORMS), "the task")
    if kind == "missing":
        return f"{name!r} is missing here."
    if kind == "extra_forbidden":
        return f"there is no {name!r} here.{suggest(name, _fields_at(error['loc']))}"
    if kind == "literal_error":
        return f"{name!r} was {given!r}; it must be {error['ctx']['expected']}."
    if kind == "string_pattern_mismatch":
        return f"{given!r} is no name: small letters, digits and _, beginning with a letter (as in red_mugs)."
    if kind in (
        "string_type",
        "int_type",
        "bool_type",
        "list_type",
        "dict_type",
        "model_type",
        "model_attributes_type",
    ):
        wanted = {"string": "a text", "int": "a whole number", "bool": "true or false", "list": "a list"}
        return f"{name!r} was {given!r}; it must be {wanted.get(kind.partition('_')[0], 'a mapping')}."
    if kind in ("too_short", "too_long", "string_too_short"):
        return f"{name!r} has {error['msg'].partition('have ')[2] or error['msg']}."
    return f"{name!r} was {given!r}: {error['msg']}."


_FORMS = ("int", "str", "constrained-str", "float", "bool", "none")  # pydantic's names of a union's members
_PLACES: dict[str, type[BaseModel]] = {
    "tool": ToolStep, "ask": AskStep, "keep": KeepStep, "csv": CsvOutput, "jsonl": JsonlOutput,
    "folder": PicturesOutput, "groups": GroupsOutput, "html": HtmlOutput, "on_error": OnError,
}  # fmt: skip


def _fields_at(loc: tuple[int | str, ...]) -> list[str]:
    """The names that may stand where an unknown one does."""
    model = next((_PLACES[str(part)] for part in reversed(loc[:-1]) if part in _PLACES), TaskFile)
    return list(model.model_fields)


def schema() -> dict[str, Any]:
    """The JSON schema of task files, for editors."""
    return TaskFile.model_json_schema() | {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Task"}


def load_values(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV or JSONL file, as texts by column.

    Raises:
        TaskError: it cannot be read, or is neither.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TaskError(f"The table {str(path)!r} cannot be read: {error}.") from error
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        try:
            rows = [json.loads(line) for line in text.splitlines() if line.strip()]
        except json.JSONDecodeError as error:
            raise TaskError(f"The table {str(path)!r} is no JSONL: {error}.") from error
        if not all(isinstance(row, dict) for row in rows):
            raise TaskError(f"Every line of {str(path)!r} must be a JSON object.")
        return [{str(key): "" if value is None else str(value) for key, value in row.items()} for row in rows]
    if path.suffix.lower() not in (".csv", ".tsv"):
        raise TaskError(f"{str(path)!r} is no table that is read; give a .csv, .tsv or .jsonl file.")
    reader = csv.DictReader(text.splitlines(), delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
    return [{str(key): value or "" for key, value in row.items() if key is not None} for row in reader]
