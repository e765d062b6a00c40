"""The tool that measures a picture without any model: `inspect_image`. It works on every photograph."""

from __future__ import annotations

from ..contracts import AnyHandle, Recorded, Tool, ToolArguments, ToolContext, ToolResult
from ..inspection import inspect, inspection_text
from ..registry import register


class InspectImageArguments(ToolArguments):
    """What to measure."""

    image: AnyHandle


@register
class InspectImage(Tool[InspectImageArguments]):
    """Size, sharpness, exposure, colours by name, perceptual hash, codes, and the date on which it was taken."""

    name = "inspect_image"
    Arguments = InspectImageArguments

    def run(self, arguments: InspectImageArguments, context: ToolContext) -> ToolResult:
        """Measure the picture or the region.

        Raises:
            ToolRetry: no such handle.
        """
        handle = arguments.image
        facts = inspect(context.view(handle).pixels())
        name = handle if handle.startswith("img_") else context.workspace.region(handle).image
        assert name is not None  # a region found by its handle belongs to a picture with one
        taken = context.workspace.picture(name).taken
        return ToolResult(facts=facts | {"taken": taken})

    def observe(self, arguments: InspectImageArguments, recorded: Recorded) -> str:
        """All that was measured, on one line."""
        return inspection_text(arguments.image, recorded.facts)
