"""What a run would do, and why: the plan, what the record has already, and how long the rest will take."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...memory.records import ToolResult
from .calls import Caller
from .engines.here import EXPERTS, fixed_rows
from .keys import Basis, basis_of, device_of
from .plan import Plan
from .record import Kept, Results
from .running import Outcome, PictureRun
from .task import RATE, Task, manifest

if TYPE_CHECKING:
    from ..agent import Agent


class Nothing:
    """The record of a folder that has none."""

    def get(self, key: str) -> ToolResult | None:
        """There is nothing."""
        return None


def dry_run(task: Task, agent: Agent, images: Sequence[str | Path] = (), out: str | Path = "results", tries: int = 0,
            ) -> dict[str, Any]:  # fmt: skip
    """Check a task and tell what it would do; nothing is written.

    Args:
        task: the task.
        agent: whose tools and models.
        images: files, folders or patterns, in place of the task's own.
        out: the folder of outputs that it would go on with.
        tries: do so many pictures for real, in a folder that is thrown away, to see how long they take.

    Returns:
        `pictures`, `steps`, `outputs`, `inputs`; `done`: pictures of which nothing is left to do; `known`: calls that
        the record has; `again`: [{step, why, calls}] of those that would be made, without what rests on them;
        `other_versions`: why the folder would be refused, or ""; `seconds`: an estimate, or None.

    Raises:
        TaskError: the task does not fit the tools, or has no pictures.
    """
    plan = task.plan(agent)
    outcomes = task.pictures(list(images), agent.settings.home)
    told: dict[str, Any] = {
        "pictures": len(outcomes),
        "steps": [{"id": one.step.id, "does": _does(one.step), "along": list(one.axes)} for one in plan.steps],
        "outputs": [one.output.model_dump(exclude_defaults=True) for one in plan.outputs],
        "inputs": dict(plan.inputs),
    }
    try:
        results = Results(Path(out))
    except FileNotFoundError:
        told |= {"done": 0, "known": 0, "again": [], "other_versions": "", "seconds": None}
    else:
        with closing(results):
            told |= _against(results, plan, outcomes, agent)
    if tries and outcomes:
        told["seconds"] = _tried(task, agent, [one.path for one in outcomes[:tries]], len(outcomes) - told["done"])
    return told


def walk(outcomes: Sequence[Outcome], plan: Plan, agent: Agent, kept: Kept, basis: Basis) -> Iterator[Outcome]:
    """Each picture through the steps as far as the record goes; nothing is made, what is missing is noted as wanted."""
    caller = Caller(agent.tools, agent.experts, kept, basis, lambda words, images: "", dry=True)
    run = PictureRun(plan, caller, agent.store.decode)
    for outcome in outcomes:
        if outcome.status != "failed":
            run.run(outcome)
        yield outcome


def _against(results: Results, plan: Plan, outcomes: Sequence[Outcome], agent: Agent) -> dict[str, Any]:
    other = results.other_versions(manifest())
    if other:
        return {"done": 0, "known": 0, "again": [], "other_versions": other, "seconds": None}
    device = device_of(agent, plan)
    known = results.fact(EXPERTS.format(device)) or {}
    rate = results.fact(RATE)
    again: Counter[tuple[str, str]] = Counter()
    done, calls, left = 0, 0, 0.0
    with fixed_rows(agent, known):
        for outcome in walk(outcomes, plan, agent, results, basis_of(plan, agent, known, device)):
            wanted = outcome.calls.wanted
            again.update((one.step, results.why(one.place, one.parts)) for one in wanted)
            done += not wanted and outcome.status != "failed"
            calls += outcome.calls.known
            if wanted and rate:
                left += max(len(wanted), rate["a_picture"] - outcome.calls.known)
            outcome.close()
    seconds = round(left * rate["seconds"] / rate["calls"], 1) if rate else None
    told = [{"step": step, "why": why, "calls": count} for (step, why), count in sorted(again.items())]
    return {"done": done, "known": calls, "again": told, "other_versions": "", "seconds": seconds}


def _tried(task: Task, agent: Agent, paths: Sequence[Path], left: int) -> float:
    """Seconds that the pictures that are left will take, by some that are done for real; loading counts once."""
    spent = getattr(agent.experts, "seconds", {})
    before = sum(one.load for one in spent.values())
    with tempfile.TemporaryDirectory() as folder:
        result = task.run([str(path) for path in paths], out=folder, agent=agent)
    loading = sum(one.load for one in getattr(agent.experts, "seconds", {}).values()) - before
    return round(loading + max(0.0, result.seconds - loading) / len(paths) * left, 1)


def _does(step: Any) -> str:
    return getattr(step, "tool", "") or (f"ask: {step.ask}" if hasattr(step, "ask") else f"keep: {step.keep}")
