"""A handle resolved once: what it shows, of which picture, and whether the models know such pictures at all."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import ExpertFailed
from ..memory.records import Picture
from .contracts import Experts, ToolContext, View, declared
from .requests import Likeness

IN_DOMAIN = 0.5  # the likeness from which a model is taken to know a kind of picture
# What is true of any picture, whatever the models know (`read_text`, `inspect_image`, `search_memory`).
WITHOUT_MODELS = "Words, codes, colours, sharpness, date and near copies can be told all the same."
DOMAIN = "the pictures that the models of this profile were trained on"


@dataclass(frozen=True)
class Look:
    """What a handle names. A tool resolves it once and hands it on."""

    handle: str
    view: View
    picture: Picture  # that the view is of
    origin: Picture  # that this one was cropped from, through crops of crops; itself where it was given


def look(context: ToolContext, handle: str, margin: float = 0.0, *, judge: str = "clip") -> Look:
    """Resolve `img_N` or `reg_N`, once the models are known to know such pictures.

    The *whole* picture is judged, and of a crop or a cut-out the picture that it was made from: a small part tells
    little. Models without a calibration of what they know (published checkpoints) are trusted.

    Args:
        context: where the pictures are and who to ask.
        handle: what to look at.
        margin: how much wider than a region's box the view is, as a share of the box's longer side.
        judge: the role whose model says whether it knows such pictures.

    Raises:
        ToolRetry: no such handle.
        ExpertFailed: the picture is unlike all that the models know (kind "unfamiliar_picture"), or the judge failed.
    """
    view = context.view(handle, margin)
    picture, _ = context.place(handle)
    origin = _origin(context, picture)
    assert origin.handle is not None  # it was found by its handle
    require_known(context.view(origin.handle), context.experts, origin.handle, judge, offer=context.refers)
    return Look(handle, view, picture, origin)


def require_known(view: View, experts: Experts, name: str, judge: str = "clip", *, offer: bool = False) -> None:
    """Refuse a picture that the models do not know, instead of making things up about it.

    Args:
        view: any view of the picture; the whole of it is judged.
        experts: who to ask.
        name: what the picture is called in the message: its handle, or its file.
        judge: the role that is asked.
        offer: say what can be told all the same; for those who pass the words on by reference, however long they are.

    Raises:
        ExpertFailed: the picture is unlike all that the models know (kind "unfamiliar_picture"), or the judge failed.
    """
    likeness = experts.ask(judge, [Likeness(replace(view, box=(0, 0, *view.size)))])[0]
    if likeness is not None and likeness < IN_DOMAIN:
        domain = declared(experts, "clip").get("domain", DOMAIN)
        offered = f" {WITHOUT_MODELS}" if offer else ""
        raise ExpertFailed(
            f"{name} is unlike {domain}, so what they say about it would be made up. For photographs, run "
            f"`saccade models fetch gpu` once and ask again with `--profile gpu`.{offered}",
            kind="unfamiliar_picture",
        )


def _origin(context: ToolContext, picture: Picture) -> Picture:
    """The picture of this conversation that a crop came from, through crops of crops."""
    seen = {picture.id}
    while picture.kind in ("crop", "cutout") and picture.lineage.parent:
        parent = picture.lineage.parent.partition(".")[0]  # the id of a region begins with its picture's
        pictures = (context.workspace.picture(name) for name in context.workspace.handles() if name.startswith("img_"))
        found = next((one for one in pictures if one.id == parent and one.id not in seen), None)
        if found is None:
            break
        picture = found
        seen.add(picture.id)
    return picture
