"""The commands about memory: index, search, forget, and `memory verify|rebuild|export|import`."""

from __future__ import annotations

import io
import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..errors import SaccadeError, UserError
from ..memory.names import existing, refuse_address
from .options import INTERRUPTED, AsJson, ProfileName, User

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..agent.agent import Agent
    from ..memory.query import Report

ALL_BAD = 3  # the exit code of an index run that could take no file at all

memory = typer.Typer(
    help="The health of the memory: look whether it is whole, mend it, carry it elsewhere.",
    no_args_is_help=True,
    epilog="The ledger (ledger.sqlite) is the truth; the Chroma index beside it can always be made anew from it.",
)


def add_commands(app: typer.Typer) -> None:
    """Give an app the commands of this module."""
    app.command()(index)
    app.command()(search)
    app.command()(forget)
    app.command()(recipe)
    app.add_typer(memory, name="memory")


@contextmanager
def _opened(profile: str | None, user: str | None) -> Iterator[tuple[Agent, str]]:
    """An agent and the user's name; what a crash left to be remembered is remembered first."""
    from ..agent.agent import ME, Agent, check_user
    from ..memory.ledger.pending_turns import pending_turns

    if user is not None:
        check_user(user)
    with Agent(profile=profile) as agent:
        owner = user or ME
        if agent.settings.remember and pending_turns(agent.store.ledger, owner):
            try:
                agent.remembering.catch_up(owner)
            except SaccadeError as error:
                typer.secho(f"Not everything is remembered yet: {error.message}", fg="yellow", err=True)
        yield agent, owner


def index(
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Picture files, folders (with all that is in them), or globs in quotes: 'photos/**/*.jpg'."
        ),
    ],
    user: User = None,
    as_json: AsJson = False,
    no_regions: Annotated[
        bool, typer.Option("--no-regions", help="Only whole pictures: do not look for the things in them.")
    ] = False,
    no_words: Annotated[bool, typer.Option("--no-words", help="Do not read the words in the pictures.")] = False,
    profile: ProfileName = None,
) -> None:
    """Remember pictures of folders, the things in them and their words. Files that are known are skipped.

    Ctrl-C loses nothing: the same command goes on where it was stopped. Bad files are listed at the end; where all
    of them are bad, the exit code is 3.

    Example: saccade index ~/pictures 'scans/**/*.tif'
    """
    from rich.console import Console

    from ..agent.indexing import Indexing
    from ..memory.pictures.files import find_files
    from .memory_views import Progress, show_indexed

    with _opened(profile, user) as (agent, owner):
        found = find_files(paths, agent.settings.home)
        indexing = Indexing(agent.runtime, owner, regions=not no_regions, words=not no_words)
        with Progress(len(found.files), quiet=as_json) as progress:
            for done in indexing.run(found.files):
                progress.advance(done)
        summary = indexing.summary(found.bad, found.left_out)
        if as_json:
            typer.echo(json.dumps(summary, ensure_ascii=False))
        else:
            show_indexed(summary, Console())
    if summary["stopped"] and as_json:
        sys.exit(INTERRUPTED)  # all is told in the one object on stdout
    if summary["stopped"]:
        raise KeyboardInterrupt
    if summary["failed"] and not summary["new"] + summary["known"]:
        sys.exit(ALL_BAD)


def search(
    words: Annotated[str | None, typer.Argument(help='What to look for: "green cone", "mug on a desk".')] = None,
    image: Annotated[
        Path | None, typer.Option(help="Find what is like this picture; with words: like it, but as they say.")
    ] = None,
    k: Annotated[int, typer.Option("--k", "-k", min=1, max=1000, help="At most so many hits.")] = 10,
    user: User = None,
    since: Annotated[
        str | None, typer.Option(help="Only what was seen or taken since: 2026-11-14, today, yesterday, 7d, 12h.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Only what was seen or taken before; written as --since is.")
    ] = None,
    tag: Annotated[str | None, typer.Option(help="Only what has this tag.")] = None,
    label: Annotated[str | None, typer.Option(help='Only regions with this label: "cone".')] = None,
    chat: Annotated[str | None, typer.Option(help="Only what was met in this conversation.")] = None,
    source: Annotated[str | None, typer.Option(help="Only pictures from this file: its path, or its name.")] = None,
    kind: Annotated[Literal["picture", "region"] | None, typer.Option(help="Only whole pictures, or regions.")] = None,
    as_json: AsJson = False,
    sheet: Annotated[
        Path | None, typer.Option(help="Where the contact sheet goes. [default: sheets/ in the home folder]")
    ] = None,
    profile: ProfileName = None,
) -> None:
    """Find pictures and things by words, by a picture, or by both; nothing where nothing is like it.

    Example: saccade search "green cone" --since 7d
    """
    from ..memory.query import Query
    from ..memory.times import moment

    if not (words and words.strip()) and image is None and not any((tag, label, chat, source)):
        raise UserError(
            'There is nothing to look for: give words, as in `saccade search "green cone"`, or --image PATH.',
            kind="empty_query",
        )
    first, last = moment(since, "--since"), moment(until, "--until")
    with _opened(profile, user) as (agent, owner):
        if chat is not None:
            agent.chats.get(chat, owner)  # a conversation that is not there is told, not searched
        shown = None if image is None else agent.store.decode(image).image
        query = Query(
            words=words.strip() if words and words.strip() else None,
            picture=shown, k=k, chat=chat, since=first, until=last, tag=tag, label=label, source=source, kind=kind,
        )  # fmt: skip
        hits = agent.memory.recall(owner, query)
        if as_json:
            typer.echo(json.dumps({"results": [hit_json(hit) for hit in hits]}, ensure_ascii=False))
        if hits and (sheet is not None or not as_json):
            from ..agent.contact_sheet import draw_sheet
            from ..memory.pictures.thumbnails import sheet_name

            drawn = draw_sheet(agent.memory, owner, hits, sheet or agent.settings.home / sheet_name(owner))
        else:
            drawn = None
        if not as_json:
            from rich.console import Console

            from .memory_views import show_hits

            show_hits(hits, query, agent.memory, owner, drawn, Console())


def hit_json(hit: Any) -> dict[str, Any]:
    """A hit as `{handle, id, kind, source, path, score, box, label, caption, seen, why}`."""
    return {
        "handle": None,
        "id": hit.id,
        "kind": hit.kind,
        "source": hit.source,
        "path": str(hit.path),
        "score": round(float(hit.score), 4),
        "box": None if hit.box is None else [float(value) for value in hit.box],
        "label": hit.label,
        "caption": hit.caption,
        "seen": hit.seen.isoformat(),
        "why": hit.why,
    }


def recipe(
    picture: Annotated[str, typer.Argument(help="A picture that was made: its id (pic_...), or a PNG file.")],
    again: Annotated[Path | None, typer.Option(help="Make it once more, into this PNG, and compare the bits.")] = None,
    user: User = None,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Show how a picture was made: the tool, what it was told, the seed, the weights, and what it was made from.

    With --again it is made once more, from the conversation that is kept. On the same machine, with the same weights
    and libraries, it is the same to the bit; where it is not, the command says what is no longer as it was, and its
    exit code is 2.

    Example: saccade recipe out/img_2.png --again img_2_again.png
    """
    from ..memory.recipes import recipe_in, recipe_of

    refuse_address(picture)
    path = existing(Path(picture).expanduser())
    if again is not None:
        with _opened(profile, user) as (agent, owner):
            _make_again(agent, owner, _id_of(agent, path, picture), again.expanduser(), as_json)
        return
    told = recipe_in(path) if path.is_file() else None
    if told is None:
        with _opened(profile, user) as (agent, owner):
            told = recipe_of(agent.store, _id_of(agent, path, picture), owner)
    typer.echo(json.dumps(told, ensure_ascii=False, indent=None if as_json else 1))


def _id_of(agent: Agent, path: Path, picture: str) -> str:
    """The id of a picture that is named by its id, or by a file with its pixels."""
    if not path.is_file():
        return picture
    ids = [f"pic_{agent.store.decode(path, kind).sha256[:12]}" for kind in ("edit", "given")]  # with its alpha first
    there = "SELECT 1 FROM pictures WHERE id = ?"
    return next((one for one in ids if agent.store.ledger.read(there, (one,))), ids[-1])


def _make_again(agent: Agent, owner: str, item: str, out: Path, as_json: bool) -> None:
    """Make a picture once more, write it, and say whether it is the same. Raises typer.Exit(2) where it is not."""
    from ..memory.recipes import recipe_of, with_recipe
    from ..tools.shared.painting.remaking import make_again

    remade = make_again(agent.store, item, owner, agent.tools, agent.experts)
    data = io.BytesIO()
    remade.image.save(data, "PNG")
    try:
        out.write_bytes(with_recipe(data.getvalue(), recipe_of(agent.store, item, owner)))
    except OSError as error:
        raise UserError(
            f"{str(out)!r} cannot be written ({error.strerror}): name another file.", kind="bad_out"
        ) from error
    if as_json:
        typer.echo(json.dumps({"picture": item, "path": str(out), "same": remade.same, "other": list(remade.other)}))
    elif remade.same:
        typer.echo(f"{item} made again: the same to the bit, in {out}")
    else:
        why = "; ".join(remade.other) or "weights, settings and versions are as they were; it may be another machine"
        typer.echo(f"{item} made again, in {out}, but not the same: {why}.")
    if not remade.same:
        raise typer.Exit(2)


def forget(
    ids: Annotated[
        list[str] | None, typer.Argument(help="Ids as `saccade search` shows them: pic_... or pic_....r1.")
    ] = None,
    chat: Annotated[str | None, typer.Option(help="A conversation, with the pictures met nowhere else.")] = None,
    older_than: Annotated[str | None, typer.Option(help="Pictures not met for so long: 30d, 12h, 8w.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything of this user.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    user: User = None,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Delete for good: rows, vectors, thumbnails, and files that nobody else holds.

    Ids that are named are deleted at once; a conversation, an age or everything only after a yes.

    Example: saccade forget pic_0123456789ab
    """
    from ..agent.agent import ME
    from ..memory.times import span

    chosen = [bool(ids), chat is not None, older_than is not None, everything]
    if sum(chosen) != 1:
        raise UserError(
            "Say what to forget: ids (see `saccade search`), --chat ID, --older-than 30d, or --all; one of these.",
            kind="nothing_chosen" if not any(chosen) else "too_much_chosen",
        )
    age = None if older_than is None else span(older_than, "--older-than")
    with _opened(profile, user) as (agent, owner):
        if chat is not None:
            agent.chats.get(chat, owner)
        if not ids and not yes:
            what = f"the conversation {chat}" if chat else f"what was not met for {older_than}" if age else "everything"
            _confirm(f"Delete {what} of {user or ME!r} for good?", as_json)
        gone = agent.memory.forget(owner, ids=ids or (), chat=chat, older_than=age, everything=everything)
        if as_json:
            told = {"pictures": gone.pictures, "regions": gone.regions, "chats": gone.chats, "files": gone.files}
            typer.echo(json.dumps({"forgotten": told, "note": gone.note}))
        else:
            parts = ((gone.pictures, "picture"), (gone.regions, "region"), (gone.chats, "conversation"))
            told = [f"{len(some)} {name}{'s' if len(some) > 1 else ''}" for some, name in parts if some]
            typer.echo(f"Forgotten: {', '.join(told) or 'nothing, there was nothing of that'}.")
            if gone.note:
                typer.echo(gone.note)


def _confirm(question: str, as_json: bool) -> None:
    if as_json or not sys.stdin.isatty():
        raise UserError(f"{question} Nobody is here to say yes: add --yes.", kind="not_confirmed")
    if not typer.confirm(question):
        raise UserError("Nothing was deleted.", kind="not_confirmed")


@memory.command()
def verify(as_json: AsJson = False, profile: ProfileName = None) -> None:
    """Compare the index with the ledger, vector by vector, and look at every stored file. Exit code 2: not whole."""
    with _opened(profile, None) as (agent, _):
        report = agent.memory.verify()
        _show_report(report, as_json)
        if not report.healthy:
            raise typer.Exit(2)


@memory.command()
def rebuild(as_json: AsJson = False, profile: ProfileName = None) -> None:
    """Make the index anew from the ledger; with another embedding model than before, embed everything anew."""
    with _opened(profile, None) as (agent, _):
        _show_report(agent.memory.rebuild(), as_json)


@memory.command("export")
def export_memory(
    path: Annotated[Path, typer.Argument(help="The .zip to write.")],
    user: User = None,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Write everything that a user remembers into one .zip: JSON lines, PNG files, vectors.

    Example: saccade memory export ann.zip --user ann
    """
    refuse_address(str(path))
    with _opened(profile, user) as (agent, owner):
        written = agent.memory.export(owner, path.expanduser())
        count = agent.memory.count(owner)
    if as_json:
        typer.echo(json.dumps({"path": str(written)} | count))
    else:
        typer.echo(f"{count.get('pictures', 0)} pictures and {count.get('regions', 0)} regions of {owner!r}: {written}")
        typer.echo(f"Take them in elsewhere with: saccade memory import {written.name} --user {owner}")


@memory.command("import")
def import_memory(
    path: Annotated[Path, typer.Argument(help="A .zip that `saccade memory export` wrote.")],
    user: User = None,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Take in what an export wrote; what is there already stays as it is.

    Example: saccade memory import ann.zip --user ann
    """
    refuse_address(str(path))
    with _opened(profile, user) as (agent, owner):
        new = agent.memory.import_(path.expanduser(), owner)
    if as_json:
        typer.echo(json.dumps({"imported": new}))
    else:
        typer.echo(f"{len(new)} new of {str(path)!r} for {owner!r}.")


def _show_report(report: Report, as_json: bool) -> None:
    from dataclasses import asdict

    if as_json:
        typer.echo(json.dumps(asdict(report) | {"healthy": report.healthy}))
        return
    from rich.console import Console

    from .memory_views import show_report

    show_report(report, Console())
