"""The few figures that the README shows: measured, target, and whether it is met."""

from __future__ import annotations

import json
from typing import Any

from ..settings import PACKAGE
from .tables import interval, percent

RESULTS = PACKAGE / "docs" / "results"
HEAD = ("| what | measured (95 % interval) | target | |", "|---|---|---|---|")


def read_result(name: str) -> dict[str, Any]:
    """A report of `docs/results`, as a command wrote it."""
    return json.loads((RESULTS / f"{name}.json").read_text("utf-8"))


def headlines() -> str:
    """The table as Markdown: at most eight rows, missed targets marked as missed."""
    agent, experts, memory = read_result("agent"), read_result("experts"), read_result("memory")
    found = {(row["group"], row["name"]): row for row in [*experts["rows"], *memory["rows"]]}
    caption = found["pictures by full captions", "recall@1, words on signs included"]
    unseen = found["never seen, among 25 pictures", "false alarms: colour and shape never seen together"]
    rows = [
        _worst(agent, "answer", "right answers", 0.85),
        _worst(agent, "exact", "exact calls", 0.90),
        _row("questions to LLaVA, phrasings held out", found["vqa, phrasings held out", "all"], 0.88),
        _row("words read off signs", found["words in a crop", "all"], 0.80),
        _row("a picture found first by its caption, words on signs included", caption, 0.95),
        _row("answers about things never seen", unseen, 0.05, low=True),
        _kills(read_result("kills")["with_the_ledger"]),
        _overhead(read_result("benchmarks")["agent_overhead"]["tool_round_cpu_vs_bare"]),
    ]
    return "\n".join([*HEAD, *rows])


def _worst(report: dict[str, Any], figure: str, said: str, bar: float) -> str:
    """A figure of the agent's suite in the worst of its held-out sets."""
    worst = report["worst"][figure]
    bounds = report["sets"][worst["set"]][f"{figure}_interval"]
    return _row(f"{said}, worst of three held-out sets", {"value": worst["share"], "interval": bounds}, bar)


def _row(name: str, row: dict[str, Any], bar: float, *, low: bool = False) -> str:
    target = f"at most {percent(bar)} %" if low else f"{percent(bar)} %"
    good = row["value"] <= bar if low else row["value"] >= bar
    return f"| {name} | {percent(row['value'])} % ({interval(row['interval'])}) | {target} | {_met(good)} |"


def _kills(ours: dict[str, Any]) -> str:
    told = f"{ours['lost']} of {ours['acknowledged']}"
    return f"| pictures lost in {ours['kills']} kills while writing | {told} | 0 | {_met(not ours['lost'])} |"


def _overhead(ratio: float) -> str:
    told = f"{ratio:.2f} | at most 1.25 | {_met(ratio <= 1.25)}"
    return f"| CPU time of a tool round, beside a bare `create_agent` | {told} |"


def _met(good: bool) -> str:
    return "met" if good else "**missed**"
