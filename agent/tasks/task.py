"""`Task`: a task file loaded, checked and run."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from ...errors import UserError, suggest
from .engines.here import EXPERTS, Engine, Here, fixed_rows
from .file import HtmlOutput, TaskFile, load_values, read_task
from .keys import basis_of
from .outputs import Gathering
from .plan import Plan, Planner
from .record import Record, told
from .report import Page
from .running import Outcome, Status
from .source import Source, TaskError

if TYPE_CHECKING:
    from ..agent import Agent


# Libraries that results rest on.
VERSIONS = (
    "diffusers", "numpy", "onnxruntime", "pillow", "rapidocr", "segment-anything", "tokenizers", "torch", "torchvision",
    "transformers", "ultralytics",
)  # fmt: skip
RATE = "rate"  # the fact that says how fast the last run was
OUT = "results"
WINDOW = 16  # pictures that go side by side


@dataclass(frozen=True)
class Progress:
    """A picture that is through: how many are, of how many, at which rate, and how long the rest will take."""

    done: int
    of: int
    path: Path
    status: Status
    reason: str
    seconds: float
    seconds_left: float


@dataclass(frozen=True)
class TaskResult:
    """What a run came to.

    Attributes:
        pictures: how many there were.
        done: how many went through all steps.
        skipped: how many a `keep` held back.
        failed: {path, error} each.
        calls: how many calls of tools were made.
        known: how many came from the record.
        tables: of each CSV and JSONL output, its rows by file name.
        files: what was written.
        stopped: why the run ended early; "" where it did not.
        seconds: how long it took.
    """

    pictures: int
    done: int
    skipped: int
    failed: list[dict[str, str]]
    calls: int
    known: int
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    stopped: str = ""
    seconds: float = 0.0


class Task:
    """A task: steps over many pictures.

    Args:
        source: the task file.
        folder: where its patterns and tables begin.
        given: values by name, in place of those of its inputs.

    Raises:
        TaskError: the file does not have the form of a task, or a value is given that it does not know.
    """

    def __init__(self, source: Source, folder: Path | None = None, given: Mapping[str, Any] | None = None) -> None:
        self.source, self.folder = source, folder or Path()
        self.file: TaskFile = read_task(source)
        values = self.file.inputs.values
        for name, value in (given or {}).items():
            if name not in values:
                raise TaskError(f"{source.name} has no input {name!r} to set.{suggest(name, values)}")
            values[name] = _like(values[name], value, name)
        self.inputs = values

    @classmethod
    def load(cls, path: str | Path, given: Mapping[str, Any] | None = None) -> Self:
        """Read a task file. Raises TaskError."""
        where = Path(path).expanduser()
        return cls(Source.read(where), where.parent, given)

    @classmethod
    def from_text(cls, text: str, given: Mapping[str, Any] | None = None) -> Self:
        """A task out of its text, for tests and notebooks. Raises TaskError."""
        return cls(Source(text, "task"), None, given)

    @cached_property
    def rows(self) -> list[dict[str, str]] | None:
        """The rows of the inputs' table; None where there is none. Raises TaskError."""
        if self.file.inputs.table is None:
            return None
        rows = load_values(self.folder / self.file.inputs.table)
        if not rows or "image" not in rows[0]:
            raise self.source.error(
                ("inputs", "table"), f"{self.file.inputs.table!r} needs a column `image`, and a row."
            )
        return rows

    def plan(self, agent: Agent) -> Plan:
        """The plan, checked against the agent's tools. Raises TaskError."""
        columns = tuple(name for name in self.rows[0] if name != "image") if self.rows else ()
        return Planner(self.source, self.file, agent.tools, self.inputs, columns).plan()

    def pictures(self, given: Sequence[str | Path] = (), home: Path | None = None) -> list[Outcome]:
        """The pictures to go through, each once and in order.

        Raises:
            UserError: there are none.
        """
        if self.rows is not None and not given:
            return [Outcome(at, self.folder / row["image"], row) for at, row in enumerate(self.rows)]
        from ...memory.pictures.files import find_files

        patterns = [str(one) for one in given] or [str(self.folder / one) for one in self.file.inputs.images]
        if not patterns:
            raise TaskError(f"{self.source.name} names no pictures: add inputs: {{images: FOLDER}}, or give --images.")
        try:
            found = find_files(patterns, home or Path("/nonexistent"))
        except UserError as error:
            raise TaskError(f"No pictures: {error.message.partition(': ')[2].partition(' Try:')[0]}") from error
        missing = [Outcome(0, Path(one["path"]), None, "failed", one["error"]) for one in found.bad]
        some = [Outcome(0, path) for path in found.files]
        for at, one in enumerate([*some, *missing]):
            one.number = at
        return [*some, *missing]

    def run(
        self,
        images: Sequence[str | Path] = (),
        *,
        out: str | Path = OUT,
        agent: Agent | None = None,
        on_event: Callable[[Progress], None] | None = None,
        strict: bool = False,
        afresh: bool = False,
        window: int = WINDOW,
        engine: Literal["here", "ray"] = "here",
        address: str | None = None,
        workers: int | None = None,
    ) -> TaskResult:
        """Run the task. What was done before into the same folder is not done again.

        Args:
            images: files, folders or patterns, in place of the task's own.
            out: the folder of outputs.
            agent: whose tools and models; a new one of the settings where not given. Nothing is remembered.
            on_event: told of each picture that is through.
            strict: end with the first picture that fails.
            afresh: do everything again.
            window: how many pictures go side by side, their questions to an expert together.
            engine: "ray" for several processes or machines; the outputs are the same.
            address: of a Ray cluster that is there; None: this machine.
            workers: how many actors of Ray; None: one a GPU, or one for every two cores.

        Raises:
            TaskError: the task does not fit the tools, or has no pictures.
            UserError: a model is missing, or the folder is held by another run or cannot be written.
        """
        from ..agent import Agent

        used = agent or Agent()
        try:
            plan = self.plan(used)
            with contextlib.closing(self._engine(engine, used, max(1, window), address, workers)) as where:
                return self._run(used, plan, list(images), Path(out), on_event, strict, afresh, where)
        finally:
            if agent is None:
                used.close()

    def _engine(self, name: str, agent: Agent, window: int, address: str | None, workers: int | None) -> Engine:
        if name == "here":
            return Here(window)
        if name != "ray":
            raise TaskError(f"There is no engine {name!r}; it is here or ray.")
        from .engines.on_ray import Job, OnRay

        columns = tuple(one for one in self.rows[0] if one != "image") if self.rows else ()
        job = Job(self.source.text, self.source.name, self.inputs, columns, agent.settings)
        return OnRay(job, window, address, workers)

    def _run(
        self, agent: Agent, plan: Plan, images: list[str | Path], out: Path,
        on_event: Callable[[Progress], None] | None, strict: bool, afresh: bool, engine: Engine,
    ) -> TaskResult:  # fmt: skip
        outcomes = self.pictures(images, agent.settings.home)
        begun = time.perf_counter()
        gathering = Gathering(plan, out)
        title = self.file.name or Path(self.source.name).stem
        pages = [Page(one, out, title) for one in plan.outputs if isinstance(one.output, HtmlOutput)]
        stopped = ""
        with contextlib.closing(Record(out, manifest(), again=afresh)) as record, told(out):
            device = engine.device(agent, plan)
            known = record.fact(EXPERTS.format(device)) or {}
            basis = basis_of(plan, agent, known, device)
            some: list[Outcome] = []
            with fixed_rows(agent, known):
                for outcome in engine.through(outcomes, plan, agent, record, basis):
                    some.append(outcome)
                    _take_in(outcome, plan, gathering, pages)
                    if on_event is not None:
                        on_event(_progress(outcome, len(some), len(outcomes), begun))
                    stopped = self._stops(some, len(outcomes), strict)
                    if stopped:
                        break
            gathering.close_groups()
            made = sum(one.calls.made for one in outcomes)
            seconds = time.perf_counter() - begun
            if made:
                record.put({}, {RATE: {"calls": made, "seconds": seconds, "a_picture": _calls_a_picture(some)}})
            result = TaskResult(
                pictures=len(outcomes), done=sum(one.status == "done" for one in some),
                skipped=sum(one.status == "skipped" for one in some),
                failed=[{"path": str(one.path), "error": one.reason} for one in some if one.status == "failed"],
                calls=made, known=sum(one.calls.known for one in outcomes), stopped=stopped,
                tables=gathering.tables(),
                files=[str(path) for path in gathering.write()], seconds=round(seconds, 2),
            )  # fmt: skip
            result.files.extend(str(page.write(result.__dict__)) for page in pages)
        return result

    def _stops(self, through: Sequence[Outcome], of: int, strict: bool) -> str:
        """Why the run ends here; "" where it goes on."""
        failed = [one for one in through if one.status == "failed"]
        on_error = self.file.on_error
        if failed and (strict or on_error.picture == "stop"):
            return f"{failed[-1].path.name} failed"
        most = on_error.stop_after
        limit = of * int(most[:-1]) / 100 if isinstance(most, str) else most
        if limit is not None and failed and len(failed) > limit:
            return f"{len(failed)} pictures failed, more than stop_after: {most} allows"
        return ""


def _take_in(outcome: Outcome, plan: Plan, gathering: Gathering, pages: Sequence[Page]) -> None:
    """An outcome's part of the outputs; then its pixels are let go of."""
    before = [len(rows) for rows in gathering.rows]
    gathering.add(outcome)
    for page in pages:
        at = plan.outputs.index(page.planned)
        page.add(outcome, gathering, [row.values for row in gathering.rows[at][before[at] :]])
    outcome.close()


def _calls_a_picture(outcomes: Sequence[Outcome]) -> float:
    through = [one for one in outcomes if one.status != "failed"]
    return sum(one.calls.made + one.calls.known for one in through) / max(1, len(through))


def manifest() -> dict[str, str]:
    """The versions that results rest on."""
    return {name: version(name) for name in VERSIONS} | {"saccade": version("saccade")}


def _progress(outcome: Outcome, through: int, of: int, begun: float) -> Progress:
    seconds = time.perf_counter() - begun
    left = seconds / through * (of - through)
    return Progress(through, of, outcome.path, outcome.status, outcome.reason, round(seconds, 2), round(left, 1))


def _like(before: Any, given: Any, name: str) -> Any:
    """A value that was given as text, as the kind of value that the task has.

    Raises:
        TaskError: it is none.
    """
    if not isinstance(given, str) or isinstance(before, str) or before is None:
        return given
    if isinstance(before, bool):
        if given.lower() not in ("true", "false"):
            raise TaskError(f"{name} was set to {given!r}; it must be true or false.")
        return given.lower() == "true"
    if isinstance(before, int | float):
        try:
            return type(before)(given)
        except ValueError as error:
            raise TaskError(f"{name} was set to {given!r}; it must be a number, as {before} is.") from error
    return [part.strip() for part in given.split(",")] if isinstance(before, list) else given
