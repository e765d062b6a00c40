"""The commands for scripted tasks: run a file of steps over pictures."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..errors import UserError
from ..memory.names import refuse_address
from .options import AsJson, Controller, ProfileName, User

if TYPE_CHECKING:
    from ..agent.tasks.task import Progress, TaskResult

SOME_FAILED = 3  # the exit code where pictures failed and others were done
EXAMPLE = """\
# Counts the mugs in every picture and cuts each of them out. Run it with: saccade run count.yaml
version: 1
inputs:
  images: [photos/]
  what: mug                       # saccade run count.yaml --set what=cup
steps:
  - id: found
    tool: find_objects
    args: {image: "${image}", phrase: "${what}"}
  - id: some
    keep: found.count > 0         # the other pictures are told as skipped
  - id: shapes
    tool: segment_objects
    args: {regions: "${found.regions}"}
  - id: cut
    each: {thing: shapes.regions} # once for each of them
    tool: crop_image
    args: {image: "${thing}", background: transparent}
outputs:
  - {csv: counts.csv, columns: {file: image.path, how_many: found.count}}
  - {csv: things.csv, rows: cut, columns: {file: image.path, box: thing.box, score: thing.score}}
  - {folder: cut-outs, pictures: cut.image}
  - {html: report.html, rows: image, columns: {how_many: found.count}, pictures: cut.image, evidence: shapes.regions}
"""


def add_commands(app: typer.Typer) -> None:
    """Give an app the commands of this module."""
    app.command()(run)
    app.command()(record)
    app.command()(replay)


def run(
    task: Annotated[Path | None, typer.Argument(help="The task file (YAML). See --example.")] = None,
    images: Annotated[
        list[str] | None, typer.Option("--images", help="Files, folders or patterns in place of the task's own.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The folder of outputs; it keeps what was done.")] = Path("results"),
    given: Annotated[
        list[str] | None, typer.Option("--set", help="A value of the task's inputs, as in --set what=cup.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what the folder has (always done; kept for scripts).")
    ] = False,
    afresh: Annotated[bool, typer.Option("--afresh", help="Do everything again, whatever the folder has.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="End with the first picture that fails.")] = False,
    window: Annotated[int, typer.Option(min=1, max=256, help="How many pictures go side by side.")] = 16,
    engine: Annotated[str, typer.Option(help="Where: here, or ray for several processes or machines.")] = "here",
    address: Annotated[str | None, typer.Option(help="With --engine ray: a cluster that is there.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="With --engine ray: how many actors; one a device unless told.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the task and tell what it would do, and why; run nothing.")
    ] = False,
    tries: Annotated[
        int, typer.Option("--try", min=0, max=64, help="With --dry-run: do so many pictures, to estimate the time.")
    ] = 0,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of task files, for editors.")] = False,
    example: Annotated[bool, typer.Option("--example", help="Print a task to begin from.")] = False,
    as_json: AsJson = False,
    profile: ProfileName = None,
    controller: Controller = None,
) -> None:
    """Run a task: steps over many pictures, written down in a file. It goes on where an earlier run stopped.

    Exit codes: 0 all done (or skipped); 3 some pictures failed, the others are done; 2 the task must be changed.
    """
    from ..agent.tasks.file import schema as task_schema

    if schema or example:
        typer.echo(json.dumps(task_schema(), indent=1) if schema else EXAMPLE, nl=schema)
        return
    if task is None:
        raise UserError("Which task? Give its file, or begin with: saccade run --example > count.yaml", kind="usage")
    refuse_address(str(task))
    from ..agent.agent import Agent
    from ..agent.tasks.task import Task

    loaded = Task.load(task, dict(_pair(one) for one in given or ()))
    with Agent(profile, controller=controller) as agent:
        if dry_run:
            from ..agent.tasks.dry import dry_run as told_by

            told = told_by(loaded, agent, images or [], out, tries)
            typer.echo(json.dumps(told) if as_json else _dry_text(told))
            return
        result = loaded.run(images or [], out=out, agent=agent, strict=strict, afresh=afresh, window=window,
                            engine=_engine(engine), address=address, workers=workers,
                            on_event=None if as_json else _tell)  # fmt: skip
    if as_json:
        typer.echo(json.dumps(asdict(result), ensure_ascii=False))
    else:
        typer.echo(_text(result, out))
    if result.failed:
        raise typer.Exit(SOME_FAILED)


def record(
    chat: Annotated[str, typer.Argument(help="The conversation, as `saccade ask --json` names it: chat_...")],
    as_json: AsJson = False,
    user: User = None,
) -> None:
    """Write a conversation's tool calls as a task, with the picture as its input: saccade record CHAT > task.yaml."""
    from ..agent.agent import Agent
    from ..agent.tasks.from_chat import task_of

    with Agent() as agent:
        kept = agent.chat(user=user, id=chat)
        said = next((text for who, text in kept.history if who == "user"), "")
        recording = task_of(kept.workspace, said)
    if as_json:
        typer.echo(json.dumps({"task": recording.task, "left_out": recording.left_out}, ensure_ascii=False))
        return
    typer.echo(recording.text, nl=False)
    for one in recording.left_out:
        typer.echo(f"Left out: {one}", err=True)


def replay(
    chat: Annotated[str, typer.Argument(help="The conversation: chat_...")],
    live: Annotated[
        bool, typer.Option("--live", help="Say everything again to the models, and tell the first difference.")
    ] = False,
    as_json: AsJson = False,
    user: User = None,
    profile: ProfileName = None,
    controller: Controller = None,
) -> None:
    """Play a conversation again from its record: words, calls and answers, without any model.

    With --live the same words and pictures go to the models anew, in a folder of their own; nothing of yours changes.
    """
    from ..agent.agent import Agent
    from ..agent.tasks.replay import first_difference, played_anew, recorded_turns

    with Agent(profile) as agent:
        turns = recorded_turns(agent.chat(user=user, id=chat))
        shown, difference = turns, None
        if live:
            with (
                tempfile.TemporaryDirectory() as folder,
                Agent(profile, controller=controller, home=folder, experts=agent.experts) as other,
            ):
                shown = []
                for turn in played_anew(other, turns):
                    shown.append(turn)
                    difference = first_difference(turns[: len(shown)], shown)
                    if difference is not None:
                        break
    if as_json:
        typer.echo(json.dumps({"chat": chat, "turns": shown, "difference": difference}, ensure_ascii=False))
        return
    for turn in shown:
        pictures = f" [{len(turn['images'])} pictures]" if turn["images"] else ""
        typer.echo(f"> {turn['said']}{pictures}")
        for call in turn["calls"]:
            typer.echo(f"    {call['tool']}({json.dumps(call['arguments'], ensure_ascii=False)})")
            typer.echo(f"      {call['observation']}")
        typer.echo(turn["answer"])
    if live:
        typer.echo(f"Differs: {difference}" if difference else "The same, to the letter.", err=True)


def _engine(name: str) -> Literal["here", "ray"]:
    if name not in ("here", "ray"):
        raise UserError(f"--engine was {name!r}; it is here or ray.", kind="usage")
    return "ray" if name == "ray" else "here"


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise UserError(f"--set was {text!r}; it must be NAME=VALUE, as in --set what=cup.", kind="usage")
    return name.strip(), value


def _dry_text(told: dict[str, Any]) -> str:
    lines = [f"{told['pictures']} pictures. With each of them:"]
    for step in told["steps"]:
        along = f", for each {' and '.join(step['along'])}" if step["along"] else ""
        lines.append(f"  {step['id']}: {step['does']}{along}")
    if told["other_versions"]:
        lines.append(f"The folder would be refused: it was made with other versions ({told['other_versions']}).")
    elif told["known"]:
        lines.append(f"{told['done']} pictures are done, and {told['known']} calls are on record. To be made:")
        lines += [f"  {one['step']}: {one['calls']} calls: {one['why']}" for one in told["again"]]
        lines.append("  and what rests on them" if told["again"] else "  nothing; the outputs are written anew")
    if told["seconds"] is not None:
        lines.append(f"That takes about {told['seconds']:.0f} s.")
    else:
        lines.append("How long that takes is not known yet: add --try 2 to time two of the pictures.")
    return "\n".join(lines)


def _tell(progress: Progress) -> None:
    why = f": {progress.reason}" if progress.reason else ""
    rate = progress.done / max(progress.seconds, 1e-9)
    left = f", {progress.seconds_left:.0f} s left" if progress.done < progress.of else ""
    typer.echo(
        f"[{progress.done}/{progress.of}] {progress.path.name} {progress.status}{why} ({rate:.2f}/s{left})", err=True
    )


def _text(result: TaskResult, out: Path) -> str:
    counts = f"{result.done} done, {result.skipped} skipped, {len(result.failed)} failed, of {result.pictures} pictures"
    made = f"{result.calls} calls made, {result.known} from the record in {out}"
    lines = [f"{counts} in {result.seconds:.1f} s; {made}."]
    lines += [f"Failed: {one['path']}: {one['error']}" for one in result.failed]
    if result.stopped:
        lines.append(f"Stopped early: {result.stopped}.")
    return "\n".join([*lines, *(f"Wrote {file}" for file in result.files)])
