"""The tool that looks for things: `find_objects`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..contracts import AnyHandle, Phrase, Recorded, Tool, ToolArguments, ToolContext, ToolResult
from ..finding import EVERYTHING, find, finding_facts, finding_text
from ..geometry import Order, Size
from ..registry import register


class FindObjectsArguments(ToolArguments):
    """What to look for, where, and which of what is found to keep."""

    image: AnyHandle
    phrase: Phrase = EVERYTHING
    size: Size = "any"
    order: Order = "score"
    at_most: Annotated[int, Field(ge=1, le=20)] = 20


@register
class FindObjects(Tool[FindObjectsArguments]):
    """Boxes for a phrase, or for everything, in a picture or in a region of one."""

    name = "find_objects"
    Arguments = FindObjectsArguments
    roles = ("detector", "clip")

    def run(self, arguments: FindObjectsArguments, context: ToolContext) -> ToolResult:
        """Find, and draft a region for each thing; see `finding.find`."""
        found = find(
            context,
            arguments.image,
            arguments.phrase,
            size=arguments.size,
            order=arguments.order,
            at_most=arguments.at_most,
        )
        facts = finding_facts(found, arguments.image, arguments.phrase, arguments.size, arguments.order)
        return ToolResult(regions=found.regions, facts=facts)

    def observe(self, arguments: FindObjectsArguments, recorded: Recorded) -> str:
        """How many were found, and each with its handle, place, box and score."""
        return finding_text(recorded.facts, recorded.regions)
