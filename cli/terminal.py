"""A conversation in a terminal: every step as it happens, then the answer and its evidence."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.box import SIMPLE
from rich.color import Color
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.style import Style
from rich.table import Table
from rich.text import Text

from ..errors import SaccadeError
from .prose import split_pictures

if TYPE_CHECKING:
    from PIL import Image

    from ..agent.chat import Chat
    from ..agent.events import Event
    from ..agent.reply import Reply, Step
    from ..tools.contracts import Tool

ENDS = {"/quit", "/exit", "quit", "exit", "bye"}
HELP = (
    "Write a request in plain words; name picture files in it, or drop them here: how many stars are in a.png? "
    "/quit (or exit, or Ctrl-D) ends; the conversation is kept."
)


def show_step(step: Step, console: Console) -> None:
    """Print one step: the thought, the call with its arguments, what was seen, and the seconds."""
    if step.thought:
        console.print(f"  [italic dim]{escape(step.thought)}[/]")
    arguments = ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in step.arguments.items())
    mark = "[green]✓[/]" if step.ok else "[yellow]![/]"
    console.print(
        f"  {mark} [bold cyan]{escape(step.tool)}[/]({escape(arguments)}) [dim]{step.seconds:.2f} s[/]", highlight=False
    )
    console.print(Padding(escape(step.observation), (0, 0, 0, 6)), style="dim", highlight=False)


def show_reply(reply: Reply, console: Console) -> None:
    """Print the answer, then the paths of the pictures that were made and of the evidence."""
    console.print(f"[bold]{escape(reply.text)}[/]", highlight=False)
    for warning in reply.warnings:
        if warning not in reply.text:
            console.print(f"  [yellow]warning[/]: {escape(warning)}", highlight=False)
    for picture in reply.images:
        console.print(
            f"  [magenta]{picture.handle}[/] {picture.kind}: {escape(str(picture.path))}",
            highlight=False,
            soft_wrap=True,
        )
    if reply.evidence is not None:
        console.print(f"  [magenta]evidence[/]: {escape(str(reply.evidence))}", highlight=False, soft_wrap=True)


def blocks(image: Image.Image, wide: int = 32) -> Text:
    """A picture in a terminal: two pixels a character, the upper and the lower half of a block."""
    high = max(2, 2 * round(wide * image.height / image.width / 2))
    pixels = np.asarray(image.convert("RGB").resize((wide, high)))
    shown = Text()
    for y in range(0, high, 2):
        for x in range(wide):
            upper, lower = (Color.from_rgb(*map(int, pixels[row, x])) for row in (y, y + 1))
            shown.append("\u2580", Style(color=upper, bgcolor=lower))
        shown.append("\n")
    return shown


def follow(events: Iterable[Event], console: Console) -> Reply:
    """Print a turn's events as they come and return its reply."""
    from ..agent.events import ExpertSaid, ExpertWorking, Loading, ReplyReady, StepFinished

    reply: Reply | None = None
    said, shown = "", Text()
    with console.status("[dim]thinking[/]", spinner="dots") as status:
        for event in events:
            match event:
                case Loading():
                    status.update(f"[dim]loading {escape(event.what)}[/]")
                case ExpertSaid():
                    said += event.text
                    status.update(f"[dim]{event.role}: {escape(said[-60:])}[/]")
                case ExpertWorking():
                    shown = shown if event.preview is None else blocks(event.preview)
                    far = Text(f"{event.role}: {event.done} of {event.of} steps\n", style="dim")
                    status.update(Text.assemble(far, shown))
                case StepFinished():
                    show_step(event.step, console)
                    said, shown = "", Text()
                    status.update("[dim]thinking[/]")
                case ReplyReady():
                    reply = event.reply
                case _:
                    pass
    assert reply is not None  # a turn that ends without a reply has raised
    show_reply(reply, console)
    return reply


def converse(chat: Chat, console: Console) -> None:
    """Read lines until Ctrl-D or `/quit`; a line may name picture files. Errors end the line, not the conversation."""
    console.print(f"[dim]{chat.id}: write a request, with picture files where you like; Ctrl-D ends.[/]")
    waiting: list[Path] = []
    while True:
        try:
            line = console.input("[bold green]> [/]").strip()
        except (EOFError, KeyboardInterrupt):
            kept = f"Kept. Go on with: saccade chat --chat {chat.id}" if chat.begun else "Nothing was said."
            console.print(f"\n[dim]{kept}[/]")
            return
        if line.lower() in ENDS:
            return
        if line.lower() in {"/help", "help", "?"}:
            console.print(f"[dim]{HELP}[/]")
            continue
        text, pictures = split_pictures(line)
        waiting += pictures
        if not text.strip():
            if pictures:
                console.print("[dim]And what would you like to know?[/]")
            continue
        try:
            follow(chat.stream(text, waiting), console)
        except SaccadeError as error:
            console.print(f"[red]{escape(error.message)}[/]")
        except KeyboardInterrupt:
            console.print("[yellow]Stopped. Nothing that was said is lost.[/]")
        waiting = []


def show_machine(report: dict[str, Any], console: Console) -> None:
    """Print what `saccade doctor` found: the machine, the models, and what to do next."""
    device = report["device"]
    memory = f", {device['memory_gb']} GB" if device["memory_gb"] else ""
    console.print(f"Python {report['python']}, {report['cores']} cores, {report['memory_gb']} GB of memory")
    console.print(f"Device: [bold]{device['kind']}[/] ({escape(device['name'])}{memory})", highlight=False)
    console.print(f"Home: {escape(report['home'])}, {report['disk_gb']} GB free", highlight=False, soft_wrap=True)
    console.print(
        "Packages: " + ", ".join(f"{name} {version or 'MISSING'}" for name, version in report["packages"].items())
    )
    show_models(report, console)
    if report["ready"]:
        console.print(f"[green]Ready.[/] The profile {report['profile']!r} can run here.", highlight=False)


def show_tools(tools: Mapping[str, Tool[Any]], origins: Mapping[str, str], console: Console) -> None:
    """Print the tools as a table: what each does, the roles that it asks, and the package that brings it."""
    table = Table("tool", "what it does", "asks", "from", box=SIMPLE, pad_edge=False)
    for name, tool in tools.items():
        said = tool.describe().partition("Example:")[0].strip().partition(". ")[0].partition("\n")[0].rstrip(".")
        table.add_row(name, escape(said), ", ".join(tool.roles), escape(origins.get(name, "")))
    console.print(table)


def show_models(report: dict[str, Any], console: Console) -> None:
    """Print the models of a profile as a table, and what mends those that are missing."""
    table = Table("role", "model", "on this machine", title=f"profile {report['profile']}", title_justify="left")
    for model in report["models"]:
        there = f"[green]yes[/], {model['megabytes'] or 0} MB" if model["there"] else "[red]no[/]"
        table.add_row(model["role"], model["spec"], there)
    console.print(table)
    for model in report["models"]:
        if model["problem"]:
            console.print(f"[yellow]{model['role']}[/]: {escape(model['problem'])}", highlight=False)
