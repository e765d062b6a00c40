"""Memory in a terminal: hits as a table, how far indexing is, and health."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from ..agent.indexing import Done
    from ..memory.memory import Memory
    from ..memory.query import Hit, Query, Report

BAD_SHOWN = 20
SURE = 0.5  # a hit with a lower score is a guess


def show_hits(
    hits: Sequence[Hit], query: Query, memory: Memory, owner: str, sheet: Path | None, console: Console
) -> None:
    """Print hits as a table, best first, then the contact sheet's path; or that there is nothing like it."""
    if memory.notice:
        console.print(f"[yellow]{escape(memory.notice)}[/]", highlight=False)
    if not hits:
        wanted = " ".join([f'"{query.words}"'] * bool(query.words) + ["the picture"] * (query.picture is not None))
        if not any(memory.count(owner).values()):
            console.print(
                f"Nothing is remembered for {escape(repr(owner))} yet. Take pictures in with: saccade index FOLDER",
                highlight=False,
            )
        else:
            console.print(f"Nothing like {escape(wanted) or 'that'} in memory.", highlight=False)
        return
    table = Table(box=SIMPLE, pad_edge=False)
    for name in ("", "score", "id", "what", "why", "seen", "source"):
        if name == "id":  # it is copied as it stands, whatever the width
            table.add_column(name, no_wrap=True, min_width=max(len(hit.id) for hit in hits))
        else:
            table.add_column(name, justify="right" if name in ("", "score") else "left", overflow="fold")
    for place, hit in enumerate(hits, 1):
        what = hit.label or hit.caption or hit.kind
        if hit.also:
            what += f" (and {len(hit.also)} near duplicate{'s' if len(hit.also) > 1 else ''})"
        seen = hit.seen.astimezone().strftime("%Y-%m-%d %H:%M")
        source = escape(hit.source or "")
        table.add_row(
            str(place),
            f"{hit.score:.2f}{'' if hit.score >= SURE else ' ?'}",
            hit.id,
            escape(what),
            escape(hit.why or ""),
            seen,
            source,
        )
    console.print(table)
    if any(hit.score < SURE for hit in hits):
        console.print("[dim]?: a guess[/]", highlight=False)
    if sheet is not None:
        console.print(f"Contact sheet: {escape(str(sheet))}", highlight=False, soft_wrap=True)


class Progress:
    """A bar with rate and time left on stderr; nothing at all where `quiet`."""

    def __init__(self, total: int, *, quiet: bool) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as Bar

        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=quiet,
        )
        self._task = self._bar.add_task("indexing", total=total, rate="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self, done: Done) -> None:
        """One file is done."""
        speed = self._bar.tasks[0].speed or 0.0
        self._bar.update(self._task, advance=1, rate=f"{speed:.1f} a second" if speed else "")


def show_indexed(summary: dict[str, Any], console: Console) -> None:
    """Print what was taken in, what was known, what was bad."""
    rate = f", {summary['pictures_per_second']:.1f} pictures a second" if summary["new"] else ""
    console.print(
        f"{summary['new']} new pictures with {summary['regions']} regions, words in {summary['with_words']}, "
        f"{summary['known']} known before, "
        f"{len(summary['failed'])} bad; {summary['seconds']:.1f} s{rate}.",
        highlight=False,
    )
    if summary["near_duplicates"]:
        console.print(f"{summary['near_duplicates']} of them are near duplicates of others.", highlight=False)
    for bad in summary["failed"][:BAD_SHOWN]:
        console.print(f"  [yellow]{escape(bad['path'])}[/]: {escape(bad['error'])}", highlight=False, soft_wrap=True)
    if len(summary["failed"]) > BAD_SHOWN:
        console.print(f"  and {len(summary['failed']) - BAD_SHOWN} more (all of them with --json)")
    if summary["left_out"]:
        told = "; ".join(f"{count} {what}" for what, count in summary["left_out"].items())
        console.print(f"Left out: {escape(told)}.", highlight=False, soft_wrap=True)
    if summary["notice"]:
        console.print(f"[yellow]{escape(summary['notice'])}[/]", highlight=False)
    if summary["stopped"]:
        console.print("Stopped. What was done is kept; the same command goes on.")
    elif summary["new"] or summary["known"]:
        console.print('Find them with: saccade search "green cone"', highlight=False)


def show_report(report: Report, console: Console) -> None:
    """Print how index and files agree with the ledger."""
    lines = (
        ("ledger", report.ledger),
        ("index", report.index),
        ("vectors in the ledger", report.vectors),
        ("vectors in the index", report.indexed),
        ("missing in the index", report.missing),
        ("in the index alone", report.extra),
        ("different", report.different),
        ("pictures whose file is lost", len(report.lost_files)),
    )
    for name, value in lines:
        console.print(f"{name:28} {escape(str(value))}", highlight=False)
    for lost in report.lost_files[:BAD_SHOWN]:
        console.print(f"  [yellow]{lost}[/]", highlight=False)
    if report.repaired:
        console.print("The index was made anew from the ledger.")
    if report.healthy:
        console.print("[green]All is well.[/]")
    elif report.ledger != "ok":
        console.print("The ledger is damaged: restore ledger.sqlite from a backup, or import an export.")
    elif report.lost_files:
        console.print("Give these pictures again, or forget them: saccade forget ID", highlight=False)
    else:
        console.print("Mend it with: saccade memory rebuild", highlight=False)
