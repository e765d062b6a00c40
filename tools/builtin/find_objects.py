"""The tool that looks for things: `find_objects`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..contracts import AnyHandle, Phrase, Recorded, Tool, ToolArguments, ToolContext, ToolResult
from ..look import look
from ..shared.finding import EVERYTHING, MARGIN, find, finding_facts, finding_text
from ..shared.geometry import Order, Size


class FindObjectsArguments(ToolArguments):
    """What to look for, where, and which of what is found to keep."""

    image: AnyHandle
    phrase: Phrase = EVERYTHING
    size: Size = "any"
    order: Order = "score"
    at_most: Annotated[int, Field(ge=1, le=20)] = 20


class FindObjects(Tool[FindObjectsArguments]):
    """Boxes for a phrase, or for everything, in a picture or in a region of one."""

    name = "find_objects"
    rank = 10
    Arguments = FindObjectsArguments
    roles = ("detector", "clip")

    def run(self, arguments: FindObjectsArguments, context: ToolContext) -> ToolResult:
        """Find, and draft a region for each thing; see `finding.find`."""
        found = find(
            context,
            look(context, arguments.image, MARGIN),
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
