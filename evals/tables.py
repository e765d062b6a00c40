"""Reports as tables for people to read."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

SHOWN_FAMILIES, SHOWN_FAILURES = 20, 10
LEGEND = (
    "exact: tools and arguments, against the truth; seen: against what the experts said; answer: right. "
    "On as many cases as `of` says: answers right with a blank picture, with one look, with two."
)


def show_report(report: dict[str, Any], console: Console) -> None:
    """Print a report: the sets, their intents, small things, families, some failures, and whether the bars are met."""
    if "rows" in report:
        show_rows(report, console)
        return
    if "longest_seconds" in report:
        for how, count in report["ended"].items():
            console.print(f"{count:6} {escape(how)}", highlight=False)
        for how, what, _ in report["bad"]:
            console.print(f"[red]{escape(how)}: {escape(what)}[/]", highlight=False)
        console.print(f"{report['requests']} requests, the longest took {report['longest_seconds']} s")
        return
    if "weakest_family" in report:
        show_talk(report, console)
        return
    for name, one in report["sets"].items():
        console.print(table(f"phrasings held out: {name}", [*one["intents"], {**one, "name": "all"}]))
    console.print(table("all sets", [*report["intents"], report["all"]]))
    if report["small"][-1]["cases"]:
        console.print(table("small things only", report["small"]))
    console.print(LEGEND)
    families = [family for one in report["sets"].values() for family in one["families"]]
    worst = sorted(families, key=lambda family: (family["exact"] + family["answer"], family["name"]))[:SHOWN_FAMILIES]
    console.print(table(f"families, the worst {len(worst)} of {len(families)}", worst))
    console.print(table("by the turn of the conversation", report["turns"]))
    for failure in report.get("failures", [])[:SHOWN_FAILURES]:
        show_failure(failure, console)
    show_kinds(report, console)
    for figure, worst in report["worst"].items():
        met = "[green]met[/]" if worst["share"] >= worst["bar"] else "[red]missed[/]"
        console.print(
            f"{figure}: {percent(worst['share'])} in the worst set ({worst['set']}), bar {percent(worst['bar'])}: {met}"
        )
    console.print(
        f"{report['cases']} cases in {report['seconds'] / 60:.1f} minutes with {report['workers']} processes: "
        f"{report['turns_per_second']} turns a second"
    )


def show_talk(report: dict[str, Any], console: Console) -> None:
    """Print the suite "talk": sets, families, turns, and what must not happen."""
    made = Table(
        title=f"suite {report['suite']}", title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False
    )
    for column in ("", "turns", "right", "95 %"):
        made.add_column(column, justify="left" if not column else "right")
    for row in (*report["sets"], *report["families"], *report["by_turn"], report["all"]):
        low, high = row["interval"] or (None, None)
        made.add_row(
            escape(row["name"]), str(row["turns"]), percent(row["right"]), f"{percent(low)} to {percent(high)}"
        )
    console.print(made)
    for failure in report.get("failures", []):
        tools = ", ".join(f"{one['tool']}({one['arguments']})" for one in failure["steps"])
        asked = f"{failure['id']}.{failure['turn']} {failure['said']!r}"
        told = f"{asked}\n   -> {failure['answer']!r}\n   {failure['why']}"
        console.print(f"{told}  [{tools}]", highlight=False, markup=False)
    pace = report["seconds_a_turn"]
    console.print(
        f"garbled {report['garbled']}, misquoted {report['misquoted']}, half-answered {report['half_answered']} of "
        f"{report['turns']} turns; seconds a turn: median {pace['median']:.1f}, p95 {pace['p95']:.1f}"
    )
    for name in ("worst_set", "weakest_family"):
        one = report[name]
        met = "[green]met[/]" if one["right"] >= one["bar"] else "[red]missed[/]"
        what = f"{name.replace('_', ' ')} ({one['name']})"
        console.print(f"{what}: {percent(one['right'])}, bar {percent(one['bar'])}: {met}")
    for kind, count in report["errors"].items():
        console.print(f"[red]{count} turns ended in a {escape(kind)}[/]", highlight=False)


def show_kinds(report: dict[str, Any], console: Console) -> None:
    """Print why answers were wrong, by kind of request, and how many turns ended in an error; no case in words."""
    for intent, kinds in report["wrong"].items():
        told = kinds if isinstance(kinds, int) else ", ".join(f"{count} x {why}" for why, count in kinds.items())
        console.print(f"wrong, {escape(intent)}: {escape(str(told))}", highlight=False)
    for kind, count in report["errors"].items():
        console.print(f"[red]{count} turns ended in a {escape(kind)}[/]", highlight=False)


def show_rows(report: dict[str, Any], console: Console) -> None:
    """Print a suite's rows: each figure beside what a blind guess would reach; of "mixed", beside one without LLaVA."""
    made = Table(
        title=f"suite {report['suite']}", title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False
    )
    made.add_column("", overflow="fold")
    without = any("without" in one for one in report["rows"])
    for column in ("cases", "%", "95 %", *(("without",) if without else ()), "blind", "bar"):
        made.add_column(column, justify="right", no_wrap=True)
    group = None
    for one in report["rows"]:
        if one["group"] != group:
            group = one["group"]
            made.add_row(f"[bold]{escape(group)}[/]")
        low = " (low is good)" if one["good"] == "low" else ""
        good = one["bar"] is None or (one["value"] <= one["bar"] if low else one["value"] >= one["bar"])
        met = "" if one["bar"] is None else f"{percent(one['bar'])} {'met' if good else 'missed'}"
        made.add_row(
            f"  {escape(one['name'])}{low}",
            str(one["cases"]),
            percent(one["value"]),
            interval(one["interval"]),
            *((percent(one["without"]),) if without else ()),
            percent(one["baseline"]),
            met,
        )
    console.print(made)
    if "wrong" in report:
        show_kinds(report, console)
    if "regions" not in report:
        console.print(f"{report['cases']} questions, {report['seconds'] / 60:.1f} minutes")
        return
    model = report["models"]["clip"]
    console.print(
        f"{report['cases']} pictures, {report['regions']} regions, {model['spec']} ({model['sha256'][:12]}), "
        f"{report['seconds'] / 60:.1f} minutes"
    )


def table(title: str, rows: list[dict[str, Any]]) -> Table:
    """Rows as `agent.row` makes them, 80 characters wide; shares in per cent; `LEGEND` says what the columns are."""
    made = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    made.add_column("", no_wrap=True)
    for column in ("cases", "exact", "95 %", "seen", "answer", "95 %", "of", "blank", "one", "two"):
        made.add_column(column, justify="right", no_wrap=True)
    for one in rows:
        made.add_row(
            one["name"],
            str(one["cases"]),
            percent(one["exact"]),
            interval(one["exact_interval"]),
            percent(one["exact_given_seen"]),
            percent(one["answer"]),
            interval(one["answer_interval"]),
            str(one["baseline_cases"]),
            percent(one["blank_answer"]),
            percent(one["once_answer"]),
            percent(one["twice_answer"]),
        )
    return made


def show_failure(failure: dict[str, Any], console: Console) -> None:
    """Print one case that went wrong: what was asked, done and said, and what would have been right."""
    wrong = [name for name, good in (("calls", failure["exact"]), ("answer", failure["right"])) if not good]
    lines = [f"[bold]{failure['name']}[/] {failure['family']} [red]{', '.join(wrong)}[/]: {escape(failure['request'])}"]
    for step in failure["steps"]:
        lines.append(f"  [dim]{step['tool']}({escape(str(step['arguments']))})[/]")
        lines.append(f"    [dim]{escape(step['observation'])}[/]")
    gold = "; ".join(f"{call['tool']}({call['arguments']})" for call in failure["gold"])
    lines.append(f"  {escape(failure['answer'])} [dim]({escape(failure['why'] or 'right')})[/]")
    lines.append(f"  [dim]gold: {escape(gold)}; truth: {escape(str(failure['truth']))}[/]")
    console.print("\n".join(lines), highlight=False, soft_wrap=True)


def percent(share: float | None) -> str:
    """A share in per cent, or a dash for none."""
    return "-" if share is None else f"{100 * share:.1f}".replace("100.0", "100")


def interval(bounds: tuple[float, float] | None) -> str:
    """An interval in per cent."""
    return "-" if bounds is None else f"{100 * bounds[0]:.0f}-{100 * bounds[1]:.0f}"
