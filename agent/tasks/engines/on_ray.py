"""The pictures of a task on Ray: an actor a device, which holds its experts; a window of pictures is a unit of work.

Ray schedules: an actor that is lost is begun anew where there is room, and its window is tried again. The record stays
with the driver, the process that was asked. It walks each picture as far as the record goes, sends the window's files
with the results that they have already, writes down what comes back, and walks again to make the outputs. So they are
made as on one machine, from the same record.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ....errors import UserError
from ....extras import need
from ....memory.records import ToolResult
from ..calls import Caller
from ..file import read_task
from ..keys import Basis, basis_of, device_of
from ..plan import Plan, Planner
from ..record import Made, Record
from ..running import Outcome, PictureRun, Status
from ..source import Source
from .here import fix_rows, put, runner

if TYPE_CHECKING:
    from ....settings import Settings
    from ...agent import Agent

TRIES = 3  # of a window whose actor is lost, beyond the first


@dataclass(frozen=True)
class Job:
    """What an actor must know: the task, and the settings whose models it loads.

    Attributes:
        source: the task file's text.
        name: what it is called in messages.
        given: values of its inputs.
        columns: of its table, if any.
        settings: those of the driver's agent.
    """

    source: str
    name: str
    given: Mapping[str, Any]
    columns: tuple[str, ...]
    settings: Settings


@dataclass(frozen=True)
class Sent:
    """A picture on its way to an actor: its file, and the results that the record has for it."""

    number: int
    path: str
    data: bytes
    changed: float  # when the file was, in seconds; the date of a picture may come from it
    row: Mapping[str, str] | None
    results: Mapping[str, ToolResult]


@dataclass(frozen=True)
class Done:
    """A picture that an actor is through with."""

    number: int
    status: Status
    reason: str
    calls: int
    new: Mapping[str, Made]


class Known:
    """Results that were sent along."""

    def __init__(self) -> None:
        self.results: dict[str, ToolResult] = {}

    def get(self, key: str) -> ToolResult | None:
        """A result; None where there is none."""
        return self.results.get(key)


class Worker:
    """What an actor does: an agent with its experts, and the plan. What it keeps is thrown away with it."""

    def __init__(self, job: Job) -> None:
        from ...agent import Agent

        home = Path(tempfile.mkdtemp(prefix="saccade-worker-"))
        self._agent = Agent(settings=job.settings.model_copy(update={"home": home}))
        source = Source(job.source, job.name)
        self._plan = Planner(source, read_task(source), self._agent.tools, job.given, job.columns).plan()
        self._known, self._files = Known(), dict[str, Path]()
        self._folder = home
        self._basis: Basis | None = None

    def device(self) -> str:
        """The class of device that its experts run on."""
        return device_of(self._agent, self._plan)

    def window(
        self, number: int, pictures: Sequence[Sent], known: Mapping[str, Mapping[str, Any]]
    ) -> tuple[int, list[Done], dict[str, Mapping[str, Any]]]:
        """Do a window, with experts that compute as is known, if it is.

        Returns:
            The window's number, what became of each picture, and how the experts computed.
        """
        if self._basis is None:  # also after Ray has begun it anew
            self._basis = basis_of(self._plan, self._agent, known, self.device())
            fix_rows(self._agent, known)
            self._run = runner(self._plan, self._agent, self._known, self._basis, self._decoded)
        self._known.results = {key: result for one in pictures for key, result in one.results.items()}
        self._files = {one.path: self._written(one) for one in pictures}
        outcomes = [Outcome(one.number, Path(one.path), one.row) for one in pictures]
        self._run(outcomes)
        done = [Done(one.number, one.status, one.reason, one.calls.made, dict(one.calls.new)) for one in outcomes]
        for one in outcomes:
            one.close()
        for file in self._files.values():
            file.unlink(missing_ok=True)
        return number, done, self._basis.used()

    def _decoded(self, path: Path) -> Any:
        return self._agent.store.decode(self._files[str(path)])

    def _written(self, one: Sent) -> Path:
        """The file as it was at the driver."""
        path = self._folder / f"{one.number}-{Path(one.path).name}"
        path.write_bytes(one.data)
        os.utime(path, (one.changed, one.changed))
        return path


class OnRay:
    """Runs a task's pictures on Ray.

    Args:
        job: what actors must know.
        window: how many pictures are one unit of work.
        address: of a cluster that is there; None: this machine.
        workers: how many actors; None: one a GPU, or one for every two cores.

    Raises:
        UserError: Ray is not installed, or there is no such cluster.
    """

    def __init__(self, job: Job, window: int, address: str | None = None, workers: int | None = None) -> None:
        need("ray", "A run on Ray")
        import ray

        self._ray: Any = ray
        self._window = window
        self._begun = not ray.is_initialized()
        if self._begun:
            _begin(ray, address, workers)
        have = ray.cluster_resources()
        gpus = int(have.get("GPU", 0))
        count = workers or gpus or max(1, int(have.get("CPU", 2)) // 2)
        kind: Any = ray.remote(Worker).options(  # pyright: ignore[reportAttributeAccessIssue]
            num_cpus=1, num_gpus=1 if gpus else 0, max_restarts=-1, max_task_retries=TRIES
        )
        self._actors = [kind.remote(job) for _ in range(count)]

    def device(self, agent: Agent, plan: Plan) -> str:
        """The class of device that the actors' experts run on."""
        return str(self._ray.get(self._actors[0].device.remote()))

    def close(self) -> None:
        """Let the actors go, and Ray where it was begun here."""
        for actor in self._actors:
            self._ray.kill(actor)
        if self._begun:
            self._ray.shutdown()

    def through(
        self, outcomes: Sequence[Outcome], plan: Plan, agent: Agent, record: Record, basis: Basis
    ) -> Iterator[Outcome]:
        """Every outcome filled, in order; each window is on record before its pictures are told.

        Raises:
            UserError: workers are lost again and again.
        """
        from ray.exceptions import RayError
        from ray.util import ActorPool

        caller = Caller(agent.tools, agent.experts, record, basis, _nobody, dry=True)
        walking = PictureRun(plan, caller, agent.store.decode)
        windows = [outcomes[at : at + self._window] for at in range(0, len(outcomes), self._window)]
        pool = ActorPool(self._actors)
        ready: set[int] = set()
        sent = told = 0
        while told < len(windows):
            while sent < len(windows) and pool.has_free():
                pictures = [one for each in windows[sent] if (one := _sent(each, walking)) is not None]
                if pictures:
                    pool.submit(lambda actor, work: actor.window.remote(*work), (sent, pictures, basis.used()))
                else:
                    ready.add(sent)
                sent += 1
            if pool.has_next():
                try:
                    number, done, used = pool.get_next_unordered()
                except RayError as error:
                    raise UserError(
                        f"Workers are lost again and again ({str(error).splitlines()[0]}). What is done is on record: "
                        "run the same command again, perhaps with a smaller --window.",
                        kind="workers_lost",
                    ) from error
                _take(done, used, outcomes, record, basis)
                ready.add(number)
            while told in ready:  # outputs are in the order of the inputs
                for outcome in windows[told]:
                    yield _walked(outcome, walking)
                told += 1


def _begin(ray: Any, address: str | None, workers: int | None) -> None:
    """Begin Ray here, or join a cluster; a busy machine may need a second try. Raises UserError."""
    where = {"num_cpus": workers} if address is None else {"address": address}
    for last in (False, True):
        try:
            ray.init(**where, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # it raises bare ones where a process of its own does not come up
            ray.shutdown()
            if not last and address is None:
                continue
            what = f"There is no Ray cluster at {address!r}" if address else "Ray did not begin on this machine"
            raise UserError(
                f"{what}: {str(error).splitlines()[0]}. Begin one with `ray start --head` and give its --address; or "
                "run without --engine ray.",
                kind="no_cluster",
            ) from error
        return


def _sent(outcome: Outcome, walking: PictureRun) -> Sent | None:
    """A picture to be sent; None where the record has all of it, or its file cannot be read."""
    if outcome.status == "failed":
        return None
    walked = walking.run(Outcome(outcome.number, outcome.path, outcome.row))
    wanted, used = walked.calls.wanted, dict(walked.calls.used)
    walked.close()
    if not wanted:
        return None
    path = outcome.path
    return Sent(outcome.number, str(path), path.read_bytes(), path.stat().st_mtime, outcome.row, used)


def _take(
    done: Sequence[Done], used: Mapping[str, Mapping[str, Any]], outcomes: Sequence[Outcome], record: Record,
    basis: Basis,
) -> None:  # fmt: skip
    """Write down what came of a window."""
    basis.learn(used)
    put(record, basis, {key: made for one in done for key, made in one.new.items()})
    for one in done:
        outcome = outcomes[one.number]
        outcome.calls.made = one.calls
        if one.status == "failed":
            outcome.status, outcome.reason = one.status, one.reason


def _walked(outcome: Outcome, walking: PictureRun) -> Outcome:
    """An outcome filled from the record; of one that failed at a worker, as far as that came."""
    failed = (outcome.status, outcome.reason) if outcome.status == "failed" else None
    made = outcome.calls.made
    walking.run(outcome)
    outcome.calls.known -= made
    if failed is not None:
        outcome.status, outcome.reason = failed
    return outcome


def _nobody(words: str, images: Sequence[Any]) -> NoReturn:
    raise AssertionError("a walk asks nobody")
