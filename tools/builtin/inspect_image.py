"""The tool that measures a picture without any model: `inspect_image`. It works on every photograph."""

from __future__ import annotations

from ..contracts import AnyHandle, Recorded, Tool, ToolArguments, ToolContext, ToolResult
from ..shared.inspection import inspect, inspection_text


class InspectImageArguments(ToolArguments):
    """What to measure."""

    image: AnyHandle


class InspectImage(Tool[InspectImageArguments]):
    """Size, sharpness, exposure, colours by name, perceptual hash, codes, and the date on which it was taken."""

    name = "inspect_image"
    rank = 100
    Arguments = InspectImageArguments

    def run(self, arguments: InspectImageArguments, context: ToolContext) -> ToolResult:
        """Measure the picture or the region.

        Raises:
            ToolRetry: no such handle.
        """
        handle = arguments.image
        picture, box = context.place(handle)
        measured = inspect(context.view_of(picture, box).pixels())
        return ToolResult(facts=measured | {"taken": picture.taken, "handle": handle})

    def observe(self, arguments: InspectImageArguments, recorded: Recorded) -> str:
        """All that was measured, on one line."""
        return inspection_text(arguments.image, recorded.facts)

    def references(self, recorded: Recorded) -> dict[str, str]:
        """All that was measured."""
        return {"measured": inspection_text(recorded.facts["handle"], recorded.facts)}
