"""The tool that chooses among regions that the conversation has: `select_regions`."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Annotated

from pydantic import Field

from ...memory.records import Region
from ..contracts import Phrase, Recorded, RegionHandle, Tool, ToolArguments, ToolContext, ToolResult, Workspace
from ..look import look
from ..shared.choice_text import brief_text, choice_references, choice_result, choice_text, place_text, rows_of
from ..shared.choosing import Choice, choose
from ..shared.finding import EVERYTHING
from ..shared.found_world import Thing


class _Among(ToolArguments):
    regions: Annotated[list[RegionHandle], Field(min_length=1, max_length=20)]
    phrase: Phrase = EVERYTHING


class SelectRegionsArguments(Choice, _Among):
    """Which regions to choose among, and which of them to keep."""


class SelectRegions(Tool[SelectRegionsArguments]):
    """Some of the regions that were found: by words, size, place, order; counted, told of, compared."""

    name = "select_regions"
    rank = 15
    Arguments = SelectRegionsArguments
    roles = ("detector", "clip")

    def run(self, arguments: SelectRegionsArguments, context: ToolContext) -> ToolResult:
        """Choose; see `choosing.choose`. Nothing new is found but what a relation is to.

        Raises:
            ToolRetry: no such handle.
            ExpertFailed: an expert failed, or does not know such pictures.
        """
        by_picture: dict[str, list[Region]] = defaultdict(list)
        for handle in dict.fromkeys(arguments.regions):
            region = context.workspace.region(handle)
            by_picture[str(region.image)].append(region)
        looks = [look(context, image) for image in by_picture]
        things = [
            [Thing(one.box, one.label, one.score or 1.0, one.handle) for one in some] for some in by_picture.values()
        ]
        outcome = choose(context, looks, arguments.phrase, arguments, things)
        result = choice_result(outcome, arguments.phrase, arguments, list(by_picture))
        places = [place_text(one.handle, one.handle, one.picture.size) for one in looks]
        return replace(result, facts=result.facts | {"places": places, "among": len(dict.fromkeys(arguments.regions))})

    def observe(self, arguments: SelectRegionsArguments, recorded: Recorded) -> str:
        """How many were kept of how many, and each with its handle, place, box and score."""
        verb = f"of {recorded.facts['among']} kept"
        return choice_text(recorded.facts, recorded.regions, recorded.facts["places"], verb)

    def brief(self, recorded: Recorded) -> str:
        """The same without coordinates."""
        return brief_text(recorded.facts, recorded.regions)

    def references(self, recorded: Recorded) -> dict[str, str]:
        """Counts, handles, places and what was told."""
        return choice_references(recorded.facts, recorded.regions)

    def regions_of(self, recorded: Recorded, workspace: Workspace) -> list[Region]:
        """Those that were kept, without what they were related to."""
        return [workspace.region(row.handle) for row in rows_of(recorded.facts, recorded.regions)[0]]
