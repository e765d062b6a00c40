"""Pictures that are made and changed, without pixels: calls are checked as ever, and what came out is made up."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PIL import Image

from ....errors import ToolRetry
from ....memory.records import PictureDraft
from ....scenes.about import about
from ....scenes.language.phrases import parse_phrase
from ....tools.builtin.edit_image import EditImage, EditImageArguments, undone
from ....tools.builtin.generate_image import GenerateImage, GenerateImageArguments, wanted_by
from ....tools.contracts import ToolContext, ToolResult
from ....tools.shared import edits
from ....tools.shared.painting.repaint import check_words
from .workspace import SyntheticPicture, SyntheticThing, draw_picture

if TYPE_CHECKING:
    from .workspace import SyntheticWorkspace

LACKING = 0.25  # the share of pictures that are not all as they were asked


class SyntheticGenerate(GenerateImage):
    """New pictures with what was asked for; `sheets` has them in their order."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.sheets: list[SyntheticPicture] = []

    def run(self, arguments: GenerateImageArguments, context: ToolContext) -> ToolResult:
        """As many pictures as were asked for. Raises ExpertFailed for words that the painter does not know."""
        wanted = wanted_by(arguments, about("painter"))
        words = [asked.words for asked in wanted.things]
        self.sheets = [_with(draw_picture(self.rng), words) for _ in range(arguments.count)]
        told = [{"seed": self.rng.getrandbits(30), "lacks": _lacks(words, self.rng)} for _ in self.sheets]
        drafts = [PictureDraft(_blank(sheet), "generation") for sheet in self.sheets]
        return ToolResult(pictures=drafts, facts={"painted": told, "tries": arguments.tries})


class SyntheticEdit(EditImage):
    """Edited pictures; of turning and the like only the new handle is seen, so what is on them stays as it was."""

    def __init__(self, workspace: SyntheticWorkspace, rng: random.Random) -> None:
        self.workspace, self.rng = workspace, rng
        self.sheets: list[SyntheticPicture] = []

    def run(self, arguments: EditImageArguments, context: ToolContext) -> ToolResult:
        """The picture with its things changed. Raises ToolRetry for what the painter does not know."""
        picture = context.workspace.picture(arguments.image)
        if isinstance(arguments.edits[0], edits.Undo):
            return undone(picture, arguments.edits[0], context)
        sheet = self.workspace.by_handle[arguments.image]
        lacks: list[str] = []
        items: dict[int, SyntheticThing] = dict(enumerate(sheet.items))
        for edit in arguments.edits:
            numbers = [_nearest(sheet, context, handle) for handle in getattr(edit, "regions", ())]
            for number in numbers:
                if isinstance(edit, edits.Remove):
                    items.pop(number, None)
                elif number in items:
                    items[number] = _changed(items[number], edit)
            if isinstance(edit, edits.Add):
                check_words(edit.what, about("painter"))
            if isinstance(edit, edits.PAINTED) and self.rng.random() < LACKING:
                lacks.append(f"{edit.do}: {_lacks([_new_words(edit)], self.rng, always=True)}")
        self.sheets = [replace(sheet, items=list(items.values()), meanings={})]
        done = [edit.model_dump(mode="json", exclude_defaults=True) | {"do": edit.do} for edit in arguments.edits]
        draft = PictureDraft(_blank(sheet), "edit", picture.id)
        return ToolResult(pictures=[draft], facts={"edits": done, "lacks": "; ".join(lacks)})


def _blank(sheet: SyntheticPicture) -> Image.Image:
    return Image.new("RGB", sheet.size, (200, 200, 200))


def _with(sheet: SyntheticPicture, words: list[str]) -> SyntheticPicture:
    """A drawn picture with things as they were asked for, as far as there is room."""
    items = [replace(item, attributes=item.attributes | (parse_phrase(said) or {}), word="")
             for item, said in zip(sheet.items, words, strict=False)]  # fmt: skip
    return replace(sheet, items=items, page=())


def _changed(item: SyntheticThing, edit: Any) -> SyntheticThing:
    if isinstance(edit, edits.Replace):
        check_words(edit.by, about("painter"))
        return replace(item, attributes=item.attributes | (parse_phrase(edit.by) or {}))
    if isinstance(edit, edits.Recolour):
        if edit.color.lower() not in about("painter")["colors"]:
            raise ToolRetry(f"recolour: {edit.color!r} is no colour that the painter knows.", kind="bad_arguments")
        return replace(item, attributes=item.attributes | {"color": edit.color.lower()})
    return item


def _nearest(sheet: SyntheticPicture, context: ToolContext, handle: str) -> int:
    """The number of the thing that a region lies nearest to."""
    box = context.workspace.region(handle).box
    x, y = box[0] + box[2], box[1] + box[3]
    far = [abs(i.box[0] + i.box[2] - x) + abs(i.box[1] + i.box[3] - y) for i in sheet.items]
    return min(range(len(far)), key=far.__getitem__) if far else -1


def _new_words(edit: Any) -> str:
    match edit:
        case edits.Replace():
            return edit.by
        case edits.Recolour():
            return f"{edit.color} thing"
        case edits.Add():
            return edit.what
    return ""


def _lacks(words: list[str], rng: random.Random, *, always: bool = False) -> str:
    """What the judge says of a picture that did not come out, in its words; "" of one that did."""
    if not always and rng.random() >= LACKING:
        return ""
    named = [word for word in words if word]
    extra = rng.choice(("1 more thing than asked for", "2 more things than asked for"))
    if not named or rng.random() < 0.3:
        return extra
    missing = f"no {rng.choice(named)} is seen in it"
    return f"{missing}, {extra}" if rng.random() < 0.2 else missing
