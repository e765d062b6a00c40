"""The suites that `saccade eval` knows, by name; each gives a report of JSON values."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import UserError, suggest
from ..settings import ZOO, load_profile

Done = Callable[[int, int], None]  # is told how many cases are done, and of how many
Suite = Callable[..., dict[str, Any]]


def _agent(workers: int, done: Done | None, **plan: Any) -> dict[str, Any]:
    from .agent import Plan, run

    return run(Plan(**plan), workers, done)


def _memory(
    workers: int, done: Done | None, *, cases: int, profile: str, controller: str | None, show_failures: bool
) -> dict[str, Any]:
    from .memory import run

    return run(cases=cases, profile=profile, done=done)


def _documents(
    workers: int, done: Done | None, *, cases: int, profile: str, controller: str | None, show_failures: bool
) -> dict[str, Any]:
    from .documents import run

    return run(cases=cases, profile=profile, controller=controller, done=done)


def _experts(
    workers: int, done: Done | None, *, cases: int, profile: str, controller: str | None, show_failures: bool
) -> dict[str, Any]:
    from .vqa import run

    return run(cases=cases, profile=profile, done=done)


def _tools(workers: int, done: Done | None, **plan: Any) -> dict[str, Any]:
    from .toolcalls import run

    return run(workers=workers, done=done, **plan)


def _mixed(workers: int, done: Done | None, **plan: Any) -> dict[str, Any]:
    from .mixed import run

    return run(workers=workers, done=done, **plan)


def _talk(workers: int, done: Done | None, *, module: str = "run", **plan: Any) -> dict[str, Any]:
    from .conversations import talk

    return getattr(talk, module)(workers=workers, done=done, **plan)


def _generate(workers: int, done: Done | None, *, show_failures: bool = False, **plan: Any) -> dict[str, Any]:
    from .painting import run

    return run(done=done, **plan)


def _fuzz(workers: int, done: Done | None, **plan: Any) -> dict[str, Any]:
    from .conversations.fuzz import run

    return run(workers=workers, done=done, **plan)


CASES = {
    "fuzz": 10_000,
    "tools": 200,
    "memory": 1000,
    "experts": 2000,
    "documents": 200,
    "generate": 100,
    "mixed": 240,
    "talk": 1000,
    "talk-dev": 1000,
    "talk-plain": 1000,
    "talk-exact": 1000,
    "talk-blank": 1000,
    "talk-shuffled": 1000,
    "talk-first-tool": 1000,
}  # where the number of cases is not given, and is not 500

SUITES: dict[str, Suite] = {
    "tools": _tools,  # the right calls for describing, reading, comparing, measuring and memory, per kind of request
    "memory": _memory,  # recall by words, regions, near duplicates, what was never seen, zero-shot naming
    "documents": _documents,  # characters, cells, values by label and totals of receipts, forms, tables, screens
    "generate": _generate,  # pictures made and changed: things, colours, counts, places, edits, and their controls
    "agent": _agent,  # the whole agent, as users get it
    "controller": partial(_agent, true_experts=True),  # the same cases with experts that never err
    "gold": partial(_agent, gold_controller=True),  # the same cases with a controller that never errs
    "mixed": _mixed,  # what LLaVA adds: answers with it, without it, and before a blank picture
    "talk": _talk,  # whole conversations in people's own words, as users get the agent
    "talk-dev": partial(_talk, module="dev"),  # the same with the set that may be looked at
    "talk-plain": partial(_talk, module="plain"),  # twenty plain requests, for models that nobody has taught
    "talk-exact": partial(_talk, true_experts=True),  # the same as "talk" with experts that never err
    "talk-blank": partial(_talk, control="blank"),  # the same before blank pictures
    "talk-shuffled": partial(_talk, control="shuffled"),  # the same with observations of other pictures
    "talk-first-tool": partial(_talk, control="first_tool"),  # the same without a controller
    "fuzz": _fuzz,  # requests that nobody means: an answer or a clear refusal each
    "experts": _experts,  # every row of LLaVA and captioner, alone, each beside its blind baseline
}


def run_suite(
    name: str,
    *,
    cases: int | None = None,
    workers: int = 2,
    quiet: bool = False,
    profile: str = "bundled",
    controller: str | None = None,
    show_failures: bool = False,
) -> dict[str, Any]:
    """Run a suite; unless `quiet`, show how far it is (on stderr) and print its tables.

    Args:
        name: of `SUITES`.
        cases: for each held-out set of phrasings (500 where not given); of "memory": scenes (1000); of "mixed": in all
            (240).
        workers: processes side by side.
        quiet: print nothing.
        profile: the models.
        controller: a model spec, instead of the profile's controller.
        show_failures: tell failed cases in words; a held-out set is spent once they were looked at.

    Returns:
        The report: JSON values, `suite` and what the suite says of itself (see `agent.run`).

    Raises:
        UserError: there is no such suite, or a model that it needs is missing.
    """
    if name not in SUITES:
        raise UserError(f"There is no suite {name!r}.{suggest(name, SUITES)}", kind="unknown_suite")
    plan = {
        "cases": CASES.get(name, 500) if cases is None else cases,
        "profile": profile,
        "controller": controller,
        "show_failures": show_failures,
    }
    if quiet:
        return {"suite": name} | SUITES[name](workers, None, **plan)
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from .tables import show_report

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(f"suite {name}", total=None)

        def done(some: int, of: int) -> None:
            progress.update(task, completed=some, total=of)

        report = {"suite": name} | SUITES[name](workers, done, **plan)
    show_report(report, Console())
    return report


KEPT = (
    "cases", "exact", "exact_interval", "exact_given_seen", "answer", "answer_interval",
    "baseline_cases", "blank_answer", "once_answer", "twice_answer",
)  # fmt: skip


def write_card(report: dict[str, Any], folder: Path | None = None) -> Path:
    """Write the end-to-end figures of a report into the controller's card, under `metrics`; nothing else changes.

    Raises:
        UserError: the report is not of the suite "agent" with the bundled models, or there is no card.
    """
    plan = report["plan"]
    if report["suite"] != "agent" or plan["profile"] != "bundled" or plan["controller"] is not None:
        raise UserError(
            "The card takes the figures of the suite 'agent' with the bundled models: "
            "saccade eval --suite agent --card, without --profile and --controller.",
            kind="wrong_suite",
        )
    if folder is None:
        folder = ZOO / load_profile("bundled").spec("controller").name
    path = folder / "card.json"
    if not path.is_file():
        raise UserError(
            f"There is no card {str(path)!r}. Train the model first: saccade train controller --out {folder}.",
            kind="missing_card",
        )
    from ..training.common import write_json

    card = json.loads(path.read_text("utf-8"))
    card["metrics"]["end_to_end"] = {
        "cases": report["cases"],
        "seed": plan["seed"],
        "models": report["models"],
        "worst": report["worst"],
        "sets": {name: {key: one[key] for key in KEPT} for name, one in report["sets"].items()},
        "intents": {one["name"]: {key: one[key] for key in KEPT} for one in report["intents"]},
    }
    write_json(path, card)
    return path
