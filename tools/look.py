"""Refuse pictures that the loaded models do not know, instead of making things up about them."""

from __future__ import annotations

from dataclasses import replace

from ..errors import ExpertFailed
from ..memory.records import Picture
from .contracts import Experts, ToolContext, View
from .requests import Likeness

KNOWN_FROM = 0.5


def require_known(view: View, experts: Experts, handle: str, judge: str = "clip") -> None:
    """Ask CLIP whether the picture is of the kind that it was trained on.

    The *whole* picture is judged, whatever part of it the view shows: a small crop tells little.
    Models without such a calibration (published checkpoints) answer None and are trusted.

    Args:
        view: any view of the picture.
        experts: who to ask.
        handle: the picture's handle, for the message.
        judge: the role that is asked; a reader of real documents trusts itself with every picture.

    Raises:
        ExpertFailed: the picture is unlike the drawn world of the bundled models.
    """
    whole = replace(view, box=(0, 0, *view.size))
    likeness = experts.ask(judge, [Likeness(whole)])[0]
    if likeness is not None and likeness < KNOWN_FROM:
        raise ExpertFailed(
            f"{handle} is unlike the drawn pictures that the bundled models know, so what they say about it would "
            f"be made up. For photographs, run `saccade models fetch gpu` once and ask again with `--profile gpu`.",
            kind="unfamiliar_picture",
        )


def look(context: ToolContext, handle: str, margin: float = 0.0, *, judge: str = "clip") -> tuple[View, Picture]:
    """The view of `img_N` or `reg_N` and the picture it is of, once the models are known to know it.

    A crop or a cut-out is judged by the picture that it was made from.

    Raises:
        ToolRetry: no such handle.
        ExpertFailed: see `require_known`.
    """
    view = context.view(handle, margin)
    picture = _picture_of(context, handle)
    origin = _origin(context, picture)
    assert origin.handle is not None  # it was found by its handle
    require_known(context.view(origin.handle), context.experts, origin.handle, judge)
    return view, picture


def _picture_of(context: ToolContext, handle: str) -> Picture:
    if not handle.startswith("reg_"):
        return context.workspace.picture(handle)
    image = context.workspace.region(handle).image
    assert image is not None  # a region found by its handle belongs to a picture with one
    return context.workspace.picture(image)


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
