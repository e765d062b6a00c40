"""Instructions about a user's own pictures: read from LLaVA's published JSON form, or written by a teacher.

A file of that form holds a record or a list of them:

    {"id": "1", "image": "cat.jpg", "conversations": [
        {"from": "human", "value": "<image> What is this?"}, {"from": "gpt", "value": "A cat."}]}
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...errors import ExpertFailed, UserError
from ...memory.pictures.decode import decode
from ...tools.contracts import Experts, View
from ...tools.look import require_known
from ...tools.requests import Describe, Detect
from ..common import write_json
from .teacher import KINDS, Context, Exchange, Teacher

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
MARK = "<image>"


@dataclass(frozen=True)
class Record:
    """A conversation about one picture."""

    picture: Path
    exchanges: tuple[Exchange, ...]

    def to_json(self, name: str) -> dict[str, Any]:
        """The record in LLaVA's published form, its picture as an absolute path."""
        turns: list[dict[str, str]] = []
        for place, one in enumerate(self.exchanges):
            turns.append({"from": "human", "value": f"{MARK}\n{one.question}" if place == 0 else one.question})
            turns.append({"from": "gpt", "value": one.answer})
        return {"id": name, "image": str(self.picture.absolute()), "conversations": turns}


def pictures_of(folder: Path) -> list[Path]:
    """The picture files of a folder and of the folders in it, by name.

    Raises:
        UserError: there is no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise UserError(f"--images {str(folder)!r}: there is no such folder.", kind="bad_images")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES and path.is_file())
    if not found:
        raise UserError(
            f"--images {str(folder)!r}: there is no picture in it ({', '.join(PICTURES)}).", kind="bad_images"
        )
    return found


def read_folder(folder: Path) -> list[Record]:
    """The records of every `*.json` file of a folder and of the folders in it; [] where there is no such file.

    Raises:
        UserError: a file is no JSON, a record does not fit (the message says which and why), or its picture is missing.
    """
    records: list[Record] = []
    for path in sorted(folder.rglob("*.json")):
        records += read_file(path, folder)
    return records


def read_file(path: Path, folder: Path) -> list[Record]:
    """The records of one file; pictures are looked for beside it and in `folder`. Raises as `read_folder` does."""
    try:
        held: Any = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{str(path)!r} cannot be read as JSON: {error}", kind="bad_instructions") from error
    return [
        _record(one, f"{str(path)!r}, record {number}", (path.parent, folder))
        for number, one in enumerate(held if isinstance(held, list) else [held])
    ]


def _record(one: Any, where: str, folders: Sequence[Path]) -> Record:
    turns = one.get("conversations") if isinstance(one, dict) else None
    name = one.get("image") if isinstance(one, dict) else None
    if not isinstance(name, str) or not isinstance(turns, list) or not turns or len(turns) % 2:
        raise UserError(
            f'{where} is not in LLaVA\'s form: {{"image": "cat.jpg", "conversations": [{{"from": "human", "value": '
            f'"{MARK} What is this?"}}, {{"from": "gpt", "value": "A cat."}}]}}.',
            kind="bad_instructions",
        )
    texts: list[str] = []
    for place, turn in enumerate(turns):
        speaker = ("human", "gpt")[place % 2]
        text = turn.get("value") if isinstance(turn, dict) and turn.get("from") == speaker else None
        text = text.replace(MARK, " ").strip() if isinstance(text, str) else ""
        if not text:
            raise UserError(
                f"{where}: turn {place} must be from {speaker!r} and say something.", kind="bad_instructions"
            )
        texts.append(text)
    picture = next((path for path in (folder / name for folder in folders) if path.is_file()), None)
    if picture is None:
        raise UserError(f"{where}: there is no picture {name!r} in {str(folders[-1])!r}.", kind="bad_instructions")
    return Record(picture, tuple(map(Exchange, texts[::2], texts[1::2])))


def view_of(picture: Path) -> View:
    """A view of a whole picture file, decoded in the guarded way each time it is loaded. Raises UserError."""
    size = decode(picture).image.size
    return View(str(picture), size, (0, 0, *size), lambda: decode(picture).image)


def context_of(view: View, experts: Experts) -> Context:
    """What our detector and captioner tell of a picture, for a teacher who does not see it.

    Raises:
        UserError: the experts fail, or do not know pictures of this kind.
    """
    try:
        require_known(view, experts, view.picture)
        found = experts.ask("detector", [Detect(view)])[0]
        said = experts.ask("captioner", [Describe(view), Describe(view, "detailed")])
    except ExpertFailed as error:
        raise UserError(error.message, kind=error.kind) from error
    width, height = view.size
    things = [
        (str(label), (box[0] / width, box[1] / height, box[2] / width, box[3] / height))
        for label, box in zip(found.data.get("class_name", ()), found.xyxy.tolist(), strict=True)
    ]
    return Context(tuple(dict.fromkeys(one.text for one in said)), tuple(things))


def write_records(
    pictures: Sequence[Path], teacher: Teacher, experts: Experts, file: Path, tell: Callable[[int], None] | None = None
) -> list[Record]:
    """Have a teacher write instructions about pictures, of every kind; `file` keeps them in LLaVA's form.

    What the file holds already is not asked again, so that a run that was stopped goes on.

    Args:
        pictures: the picture files.
        teacher: who writes.
        experts: who tells of boxes and captions.
        file: where the records go, after every picture.
        tell: is told how many pictures are done.

    Raises:
        UserError: the experts fail, or the teacher wrote nothing that can be read about any picture.
    """
    records = read_file(file, file.parent) if file.is_file() else []
    done = {record.picture.absolute() for record in records}
    for number, picture in enumerate(pictures):
        if picture.absolute() not in done:
            context = context_of(view_of(picture), experts)
            records += [
                Record(picture, tuple(exchanges))
                for exchanges in (_plain(teacher.teach(context, kind)) for kind in KINDS)
                if exchanges
            ]
            file.parent.mkdir(parents=True, exist_ok=True)
            write_json(file, [record.to_json(str(place)) for place, record in enumerate(records)])
        if tell is not None:
            tell(number + 1)
    if not records:
        raise UserError(
            "The teacher wrote nothing in the form `Question: ... Answer: ...` about any picture: name a chat model "
            "that follows instructions, as in --teacher hf:Qwen/Qwen2.5-7B-Instruct or --teacher openai:MODEL.",
            kind="bad_teacher",
        )
    return records


def _plain(exchanges: Sequence[Exchange]) -> list[Exchange]:
    """Exchanges that say something, without the mark of a picture."""
    cleaned = (
        replace(one, question=one.question.replace(MARK, " ").strip(), answer=one.answer.strip()) for one in exchanges
    )
    return [one for one in cleaned if one.question and one.answer]


def epochs(count: int, batch: int, steps: int, seed: int = 0) -> Iterator[list[int]]:
    """`steps` batches of record numbers: every record once in a random order, then again in another one."""
    import random

    order: list[int] = []
    for step in range(steps):
        while len(order) < batch:
            again = list(range(count))
            random.Random(seed * 1_000_003 + step).shuffle(again)
            order += again
        yield order[:batch]
        order = order[batch:]
