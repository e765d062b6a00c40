"""The tool that changes pictures: `edit_image`.

Most of what it does is exact and works on any picture. To remove, replace, recolour or add a thing, or to paint a new
background or the whole picture anew, it asks the painter, and says what did not come out.
"""

from __future__ import annotations

from typing import Annotated, Any

from PIL import Image, ImageColor
from pydantic import Field, model_validator

from ...errors import ToolRetry
from ...memory.records import Picture
from ..contracts import PictureDraft, PictureHandle, Recalled, Recorded, ToolArguments, ToolContext, ToolResult
from ..shared import edits
from ..shared.drawing import labelled
from ..shared.geometry import size_text
from ..shared.making import PictureTool, made_with, versions
from ..shared.painting.named import painted, seed_of
from ..values import picture_value

WORDS = {
    "crop": "cropped", "rotate": "turned", "flip": "mirrored", "resize": "resized", "blur": "blurred",
    "pixelate": "pixelated", "fill": "filled", "brightness": "brightness changed", "contrast": "contrast changed",
    "saturation": "saturation changed", "sharpen": "sharpened", "greyscale": "greyscale", "auto": "levels spread",
    "invert": "colours inverted", "paste": "pasted on", "label": "labelled", "collage": "set side by side",
    "remove": "without what was named", "replace": "with another thing in its place", "recolour": "recoloured",
    "add": "with one thing more", "background": "before another background", "restyle": "painted anew as a whole",
    "instruct": "changed as it was told",
}  # fmt: skip


class EditImageArguments(ToolArguments):
    """The picture, and what is to be done with it, in order."""

    image: PictureHandle
    edits: Annotated[list[edits.Edit], Field(min_length=1, max_length=8)]

    @model_validator(mode="after")
    def _undo_alone(self) -> EditImageArguments:
        if len(self.edits) > 1 and any(isinstance(one, edits.Undo) for one in self.edits):
            raise ValueError("undo goes back to a picture that is there already; give it alone")
        return self


class EditImage(PictureTool[EditImageArguments]):
    """A new picture: the given one after one or several edits. The given one stays as it is."""

    name = "edit_image"
    rank = 45
    Arguments = EditImageArguments
    roles = ("painter", "detector", "sam", "clip")

    def run(self, arguments: EditImageArguments, context: ToolContext) -> ToolResult:
        """Do the edits, one after another.

        Raises:
            ExpertFailed: the painter does not know such pictures, or an expert failed.
            ToolRetry: no such handle, a region of another picture or after the picture's shape was changed, an unknown
                colour, a box outside, or a picture that would be too large.
        """
        picture = context.workspace.picture(arguments.image)
        if isinstance(arguments.edits[0], edits.Undo):
            return undone(picture, arguments.edits[0], context)
        image = context.workspace.open(picture.id, alpha=True)
        image = image if image.mode in ("RGB", "RGBA") else image.convert("RGB")
        moved: str | None = None
        lacks: list[str] = []
        made: list[dict[str, Any]] = []
        for edit in arguments.edits:
            regions = getattr(edit, "regions", None)
            if regions and moved:
                raise ToolRetry(
                    f"{edit.do} names regions of {arguments.image}, which stand elsewhere after {moved}; put {edit.do} "
                    "before it.",
                    kind="bad_arguments",
                )
            try:
                if not isinstance(edit, edits.PAINTED):
                    ImageColor.getrgb(getattr(edit, "color", "white"))
                if isinstance(edit, edits.PAINTED):
                    image, verdicts = painted(context, image, arguments.image, edit)
                    made = [made_with(context, "painter") | {"seed": seed_of(context)}]
                    lacks += [f"{edit.do}: {one.text()}" for one in verdicts if not one.good]
                else:
                    image = _edited(image, edit, arguments.image, context)
            except ValueError as error:
                raise ToolRetry(f"{edit.do}: {error}.", kind="bad_arguments") from error
            if isinstance(edit, edits.GEOMETRY):
                moved = edit.do
        draft = PictureDraft(image, "edit", picture.id)
        done = [edit.model_dump(mode="json", exclude_defaults=True) | {"do": edit.do} for edit in arguments.edits]
        facts = {"edits": done, "lacks": "; ".join(lacks), "versions": versions("pillow", "numpy")}
        return ToolResult(pictures=[draft], facts=facts | ({"painted": made} if made else {}))

    def observe(self, arguments: EditImageArguments, recorded: Recorded) -> str:
        """The new picture's handle and size, and what was done."""
        picture = _result(recorded)
        if recorded.recalled:
            return f"Back to {picture.handle} ({size_text(picture.size)}), as it was before {arguments.image}."
        done = ", ".join(WORDS[edit["do"]] for edit in recorded.facts["edits"])
        lacks = recorded.facts.get("lacks")
        told = f" It did not all come out: {lacks}." if lacks else ""
        return f"Made {picture.handle} ({size_text(picture.size)}), {arguments.image} {done}.{told}"

    def brief(self, recorded: Recorded) -> str:
        """The new picture's handle, and what did not come out; the old one's, where an edit was undone."""
        if recorded.recalled:
            return f"back to {_result(recorded).handle}"
        lacks = recorded.facts.get("lacks")
        return super().brief(recorded) + (f", but {lacks}" if lacks else "")

    def references(self, recorded: Recorded) -> dict[str, str]:
        """The picture's handle, and what did not come out."""
        return {"picture": str(_result(recorded).handle), "lacks": recorded.facts.get("lacks") or "nothing"}

    def values(self, recorded: Recorded) -> dict[str, Any]:
        """The picture that came of it."""
        return {"image": picture_value(_result(recorded))}


def undone(picture: Picture, edit: edits.Undo, context: ToolContext) -> ToolResult:
    """The picture that an edited one was made from, as one that is there already: nothing is made.

    Raises:
        ToolRetry: the picture was not made by an edit.
    """
    back = _before(picture, context)
    while back is not None and edit.to == "first":
        further = _before(back, context)
        if further is None:
            break
        back = further
    if back is None:
        raise ToolRetry(f"There is nothing to undo: {picture.handle} was not edited.", kind="not_edited")
    return ToolResult(recalled=[Recalled(back.id, 1.0, back.created)], facts={"edits": [edit.model_dump(mode="json")]})


def _before(picture: Picture, context: ToolContext) -> Picture | None:
    """The picture of this conversation that another was made from by an edit; None of one that no edit made."""
    if picture.kind != "edit" or not picture.lineage.parent:
        return None
    pictures = (context.workspace.picture(one) for one in context.workspace.handles() if one.startswith("img_"))
    return next((one for one in pictures if one.id == picture.lineage.parent), None)


def _result(recorded: Recorded) -> Picture:
    """The picture that was made, or gone back to."""
    if recorded.recalled:
        found = recorded.recalled[0]
        assert isinstance(found, Picture)
        return found
    return recorded.pictures[0]


def _edited(image: Image.Image, edit: Any, handle: str, context: ToolContext) -> Image.Image:
    workspace = context.workspace
    match edit:
        case edits.Crop():
            return edits.crop(image, edit)
        case edits.Rotate():
            return edits.rotate(image, edit)
        case edits.Flip():
            return edits.flip(image, edit)
        case edits.Resize():
            return edits.resize(image, edit)
        case edits.Hide() | edits.Label():
            regions = [workspace.region(one) for one in dict.fromkeys(edit.regions)]
            for region in regions:
                if region.image != handle:
                    raise ToolRetry(
                        f"{region.handle} is a region of {region.image}, not of {handle}.", kind="bad_arguments"
                    )
            masks = [workspace.open_mask(region) for region in regions]
            if isinstance(edit, edits.Label):
                return labelled(image, regions, masks)
            return edits.hide(
                image, edit, [edits.Part(one.box, mask) for one, mask in zip(regions, masks, strict=True)]
            )
        case edits.Adjust():
            return edits.adjust(image, edit)
        case edits.Tone():
            return edits.tone(image, edit)
        case edits.Paste():
            return edits.paste(image, edit, _open(edit.picture, context))
        case edits.Collage():
            return edits.collage([image, *(_open(one, context) for one in edit.pictures)], edit)
    raise TypeError(type(edit).__name__)


def _open(handle: str, context: ToolContext) -> Image.Image:
    return context.workspace.open(context.workspace.picture(handle).id, alpha=True)
