"""The tool that looks for things: `find_objects`."""

from __future__ import annotations

from dataclasses import replace

from ...memory.records import Region
from ..contracts import Handles, Phrase, Recorded, Tool, ToolArguments, ToolContext, ToolResult, Workspace, listed
from ..look import look
from ..shared.choice_text import brief_text, choice_references, choice_result, choice_text, place_text, rows_of
from ..shared.choosing import Choice, choose
from ..shared.finding import EVERYTHING, MARGIN


class _Where(ToolArguments):
    image: Handles
    phrase: Phrase = EVERYTHING


class FindObjectsArguments(Choice, _Where):
    """Where to look, what for, and which of what is found to keep."""


class FindObjects(Tool[FindObjectsArguments]):
    """Boxes for a phrase, or for everything, in pictures or in regions of them."""

    name = "find_objects"
    rank = 10
    Arguments = FindObjectsArguments
    roles = ("detector", "clip")

    def run(self, arguments: FindObjectsArguments, context: ToolContext) -> ToolResult:
        """Find, and draft a region for each thing; see `choosing.choose`."""
        handles = listed(arguments.image)
        looks = [look(context, handle, MARGIN) for handle in handles]
        result = choice_result(
            choose(context, looks, arguments.phrase, arguments), arguments.phrase, arguments, handles
        )
        places = [place_text(one.handle, str(one.picture.handle), one.picture.size) for one in looks]
        return replace(result, facts=result.facts | {"places": places})

    def observe(self, arguments: FindObjectsArguments, recorded: Recorded) -> str:
        """How many were found, and each with its handle, place, box and score."""
        return choice_text(recorded.facts, recorded.regions, recorded.facts["places"], "found")

    def brief(self, recorded: Recorded) -> str:
        """The same without coordinates."""
        return brief_text(recorded.facts, recorded.regions)

    def references(self, recorded: Recorded) -> dict[str, str]:
        """Counts, handles, places and what was told."""
        return choice_references(recorded.facts, recorded.regions)

    def regions_of(self, recorded: Recorded, workspace: Workspace) -> list[Region]:
        """Those that were kept, without what they were related to."""
        return [workspace.region(row.handle) for row in rows_of(recorded.facts, recorded.regions)[0]]
