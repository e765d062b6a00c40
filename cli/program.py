"""The command line, thin: each command imports only what it needs.

With `--json` stdout holds one JSON object and nothing else. Exit codes: 0 done; 2 you must change
something (the message says what); 1 a fault of ours.
"""

from __future__ import annotations

import io
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol, runtime_checkable

import typer

from ..errors import SaccadeError, UserError
from .memory import add_commands
from .options import AsJson, ProfileName, User

if TYPE_CHECKING:
    from ..agent.agent import Agent

INTERRUPTED = 130
STOPPED = "Stopped. What was acknowledged is kept; `saccade chat --chat ID` and `saccade ask --chat ID` go on."

app = typer.Typer(
    name="saccade",
    help="A local-first visual agent: give it pictures and a request in plain words.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: saccade scenes render --count 4 --out scenes; "
    "then: saccade ask 'What is in the picture?' scenes/0000.png",
)
scenes = typer.Typer(help="The drawn world that the bundled models know.", no_args_is_help=True)
models = typer.Typer(help="The models that a profile names: what is there, what is missing.", no_args_is_help=True)
app.add_typer(scenes, name="scenes")
app.add_typer(models, name="models")
add_commands(app)

Controller = Annotated[
    str | None,
    typer.Option(
        help="The controller LLM, as scheme:name (zoo:controller, hf:Qwen/Qwen2.5-7B-Instruct, openai:MODEL)."
    ),
]


def _agent(profile: str | None, controller: str | None) -> Agent:
    from ..agent.agent import Agent

    return Agent(profile=profile, controller=controller)


def _profile(given: str | None) -> str:
    """The profile that was named, or the one of the environment."""
    from ..settings import Settings

    return given or Settings.from_environment().profile


@app.command()
def ask(
    request: Annotated[str, typer.Argument(help="What you would like to know or have done, in plain words.")],
    images: Annotated[list[Path] | None, typer.Argument(help="Picture files: PNG, JPEG, WEBP, BMP, GIF, TIFF.")] = None,
    as_json: AsJson = False,
    profile: ProfileName = None,
    controller: Controller = None,
    chat: Annotated[str | None, typer.Option(help="Go on with this conversation.")] = None,
    user: User = None,
    out: Annotated[
        Path | None, typer.Option(help="A folder to copy the pictures that were made and the evidence into.")
    ] = None,
    timings: Annotated[bool, typer.Option(help="Print on stderr where the seconds went.")] = False,
) -> None:
    """Ask once about pictures; prints every step, the answer and its evidence.

    Example: saccade ask "How many red cubes are there?" table.png
    """
    from rich.console import Console

    started = time.perf_counter()
    with _agent(profile, controller) as agent:
        opened = time.perf_counter()
        conversation = agent.chat(user=user, id=chat, out=out)
        if timings:
            agent.warm_up()  # so that loading the controller is told apart from the turn
        loaded = time.perf_counter()
        if as_json:
            reply = conversation.send(request, images or [])
        else:
            from .terminal import follow

            reply = follow(conversation.stream(request, images or []), Console())
        finished = time.perf_counter()
        if as_json:
            typer.echo(json.dumps(reply.to_json(), ensure_ascii=False))
        else:
            typer.echo(f"Go on with: saccade ask --chat {conversation.id} ...")
        if timings:
            _show_timings(agent, opened - started, loaded - opened, finished - loaded)


def _show_timings(agent: Agent, opening: float, loading: float, turn: float) -> None:
    from ..tools.pool import ExpertPool

    stages = {"open": opening, "import and load controller": loading}
    if isinstance(agent.experts, ExpertPool):
        for role, spent in agent.experts.seconds.items():
            stages[f"load {role}"] = spent.load
            stages[f"{role}, {spent.requests} asked"] = spent.predict
    stages["whole turn"] = turn
    for stage, seconds in stages.items():
        typer.echo(f"{stage:28} {seconds:7.2f} s", err=True)


@app.command("chat")
def converse(
    profile: ProfileName = None,
    controller: Controller = None,
    chat: Annotated[str | None, typer.Option(help="Go on with this conversation.")] = None,
    user: User = None,
) -> None:
    """Talk in the terminal. A line may name picture files: what is red here? table.png"""
    from rich.console import Console

    from .terminal import converse as talk

    with _agent(profile, controller) as agent:
        talk(agent.chat(user=user, id=chat), Console())


@app.command()
def doctor(as_json: AsJson = False, profile: ProfileName = None) -> None:
    """Say what this machine can run, which weights are there, and the command that mends what is missing."""
    from ..agent.doctor import examine

    report = examine(_profile(profile))
    if as_json:
        typer.echo(json.dumps(report))
    else:
        from rich.console import Console

        from .terminal import show_machine

        show_machine(report, Console())
    if not report["ready"]:
        raise typer.Exit(2)


@scenes.command()
def render(
    out: Annotated[Path, typer.Option(help="A folder for 0000.png, 0000.json, ...")],
    count: Annotated[int, typer.Option(min=1, help="How many scenes.")] = 8,
    seed: Annotated[int, typer.Option(min=0, max=10**9, help="The same seed draws the same scenes.")] = 0,
    size: Annotated[int, typer.Option(min=64, max=2048, help="The picture's side in pixels.")] = 512,
) -> None:
    """Draw scenes with their exact truth: boxes, masks, captions, questions with answers."""
    from ..scenes.export import export_scenes

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{str(out)!r} cannot be a folder for scenes: {error.strerror}.", kind="bad_out") from error
    export_scenes(count, seed, size, out)
    typer.echo(f"{count} scenes in {out}. Try: saccade ask 'What is in the picture?' {out / '0000.png'}")


@models.command("list")
def list_models(as_json: AsJson = False, profile: ProfileName = None) -> None:
    """List the models of a profile and whether their weights are on this machine."""
    from ..agent.doctor import examine

    report = examine(_profile(profile))
    if as_json:
        typer.echo(json.dumps({"models": report["models"]}))
    else:
        from rich.console import Console

        from .terminal import show_models

        show_models(report, Console())


@models.command()
def fetch(what: Annotated[str, typer.Argument(help="A profile, or one model as hf:OWNER/NAME.")] = "gpu") -> None:
    """Download the published checkpoints of a profile (the one command that fetches from the network)."""
    from ..agent.doctor import fetch as download

    fetched = download(what)
    for spec in fetched:
        typer.echo(f"{spec} is here")
    if not fetched:
        typer.echo(f"The profile {what!r} names no model of the hub: there is nothing to download.")


@models.command()
def verify(profile: ProfileName = None) -> None:
    """Compare the SHA-256 of every bundled weight file with its card."""
    from ..settings import load_profile
    from ..tools.weights import verify as check

    chosen = load_profile(_profile(profile))
    for role in chosen.models:
        spec = chosen.spec(role)
        if spec.scheme == "zoo":
            check(spec.path)
            typer.echo(f"{role:12} {spec}: as its card says")
        else:
            typer.echo(f"{role:12} {spec}: not bundled, nothing to compare it with")


@app.command()
def train(
    name: Annotated[str, typer.Argument(help="clip, detector, sam, captioner, llava or controller.")],
    budget: Annotated[
        str,
        typer.Option(
            help="cpu (40 minutes on 2 cores; llava two hours), gpu (10 minutes on one H100), or for captioner and "
            "llava long (hours): only with as many steps do these two become as good as those in zoo/."
        ),
    ] = "cpu",
    out: Annotated[
        Path | None, typer.Option(help="Where the model goes: config, weights, card, curve. Default: runs/NAME.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in that folder.")] = False,
    base: Annotated[
        str | None,
        typer.Option(help="llava: tune this model on your own --images instead, as in hf:llava-hf/llava-1.5-7b-hf."),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="With --base: a folder of pictures, with instructions in LLaVA's JSON form.")
    ] = None,
    teacher: Annotated[
        str | None, typer.Option(help="With --base: a chat model that writes the instructions, as scheme:name.")
    ] = None,
    profile: ProfileName = None,
) -> None:
    """Make a bundled model again, from seeds; Ctrl-C keeps a checkpoint, --resume goes on from it.

    With --base, tune a published LLaVA on your own pictures, and leave an adapter that a profile can name.
    """
    if base is not None or images is not None or teacher is not None:
        if name != "llava" or base is None or images is None:
            message = "To tune on your own pictures: saccade train llava --base SPEC --images FOLDER [--teacher SPEC]."
            raise UserError(message, kind="usage")
        _tune(base, images, teacher, out or Path("runs") / "llava-adapter", resume, profile)
        return
    from ..training.recipes import recipe

    recipe(name).train(budget, out or Path("runs") / name, resume)


def _tune(base: str, images: Path, teacher: str | None, out: Path, resume: bool, profile: str | None) -> None:
    from ..training.llava.adapt import tune

    if teacher is None:
        losses = tune(base, images, out, resume=resume)
    else:
        from ..agent.controllers.load import load_controller
        from ..settings import ControllerSettings, Settings, load_profile
        from ..tools.pool import ExpertPool
        from ..training.llava.teacher import ChatTeacher

        settings = Settings.from_environment()
        model = load_controller(teacher, ControllerSettings(settings.device, settings.threads))
        experts = ExpertPool(load_profile(_profile(profile)), settings.device, settings.threads)
        writer = ChatTeacher(lambda told, asked: model.invoke([("system", told), ("user", asked)]).text)

        def tell(done: int) -> None:
            typer.echo(f"The teacher has written about {done} pictures", err=True)

        losses = tune(base, images, out, teacher=writer, experts=experts, resume=resume, tell=tell)
    typer.echo(f'Loss {losses[0]:.3f} -> {losses[-1]:.3f}. Name it in a profile: llava = "file:{out.absolute()}"')


@app.command("eval")
def evaluate(
    suite: Annotated[
        str,
        typer.Option(
            help="agent; controller or gold: the same cases, while the other side never errs; tools; mixed: with and "
            "without LLaVA; experts; memory."
        ),
    ] = "agent",
    cases: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Held-out cases for each set of phrasings [500]; of mixed: in all [240]; of memory: scenes [1000].",
        ),
    ] = None,
    as_json: AsJson = False,
    out: Annotated[Path | None, typer.Option(help="Also write the report as JSON to this file.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes side by side.")] = 2,
    card: Annotated[bool, typer.Option("--card", help="Write the figures into the bundled controller's card.")] = False,
    profile: ProfileName = None,
    controller: Controller = None,
) -> None:
    """Measure how good it is on held-out cases and print the tables, each beside its baseline."""
    from ..evals.suites import run_suite, write_card

    report = run_suite(
        suite, cases=cases, workers=workers, quiet=as_json, profile=_profile(profile), controller=controller
    )
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    if card:
        write_card(report)
    if as_json:
        typer.echo(json.dumps(report))


@runtime_checkable
class _UsageError(Protocol):
    """What typer raises for a wrong option or a missing argument."""

    def format_message(self) -> str: ...


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; every `SaccadeError` becomes a message and an exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    as_json = "--json" in given
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that knows no é gets a question mark, not a traceback
            stream.reconfigure(errors="replace")
    try:
        code: Any = app(given, standalone_mode=False)
        if code == INTERRUPTED:  # typer makes an exit code of a Ctrl-C
            raise KeyboardInterrupt
    except UserError as error:
        code = _complain(error.kind, error.message, 2, as_json)
    except SaccadeError as error:
        code = _complain(error.kind, error.message, 1, as_json)
    except KeyboardInterrupt:
        code = _complain("interrupted", STOPPED, INTERRUPTED, as_json)
    except typer.Exit as done:
        code = done.exit_code
    except typer.exceptions.TyperException as error:
        text = error.format_message() if isinstance(error, _UsageError) else str(error)
        # No arguments at all: the help was printed, and there is nothing to add.
        code = _complain("usage", f"{text} See: saccade --help", 2, as_json) if text.strip() else 2
    except BrokenPipeError:  # the reader went away, as in `saccade ask ... | head -1`
        sys.stderr.close()
        code = 0
    except Exception as error:  # a fault of ours: a program that reads JSON is told too, and the traceback stays
        if as_json:
            message = f"A fault of Saccade: {type(error).__name__}: {error}. The traceback is on stderr."
            _complain("fault", message, 1, as_json)
        raise
    raise SystemExit(code or 0)


def _complain(kind: str, message: str, code: int, as_json: bool) -> int:
    if as_json:
        typer.echo(json.dumps({"error": {"kind": kind, "message": message}}, ensure_ascii=False))
    else:
        typer.secho(message, fg="red", err=True)
    return code
