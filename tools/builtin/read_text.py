"""The tool that reads the words in a picture: `read_text`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from ...memory.records import Region
from ..contracts import AnyHandle, Recorded, RegionDraft, Tool, ToolArguments, ToolContext, ToolResult
from ..shared.geometry import box_text, clip_box, position
from ..shared.quoting import quoted
from ..shared.reading import Entry, Line, read_lines, saying

LONGEST = 200  # characters of a line in an observation
MOST = 60  # lines in an observation; every line becomes a region all the same
MOST_SAID = 5  # lines that say what was looked for
BRIEF, MOST_BRIEF = 60, 12  # characters of a line, and lines, in a brief observation
IN_ROW = 3  # so many lines are told in one


class ReadTextArguments(ToolArguments):
    """Where to read; with `find` only the lines that say so, and what stands beside and below them."""

    image: AnyHandle
    find: Annotated[str, Field(max_length=100)] | None = None


class ReadText(Tool[ReadTextArguments]):
    """Lines with their boxes, in reading order; each becomes a region that is labelled with its words."""

    name = "read_text"
    rank = 80
    Arguments = ReadTextArguments
    roles = ("reader",)
    reads = True

    def run(self, arguments: ReadTextArguments, context: ToolContext) -> ToolResult:
        """Read the words; see `read_lines` for what it raises."""
        seen, lines = read_lines(context, arguments.image)
        picture = seen.picture
        facts: dict[str, Any] = {"size": list(picture.size)}
        if arguments.find is not None:
            said = saying(lines, arguments.find)[:MOST_SAID]
            lines = list(dict.fromkeys(line for one in said for line in (one.line, one.right, one.below) if line))
            facts |= {"find": arguments.find, "said": [_fact(one, lines) for one in said]}
        drafts = [
            RegionDraft(picture.id, clip_box(line.box, picture.size), line.text, round(line.score, 4)) for line in lines
        ]
        return ToolResult(regions=drafts, facts=facts)

    def observe(self, arguments: ReadTextArguments, recorded: Recorded) -> str:
        """Each line in quotation marks, with its region's handle, place, box and score."""
        regions, size = recorded.regions, (recorded.facts["size"][0], recorded.facts["size"][1])
        if arguments.find is not None:
            return _said_text(arguments, recorded, size)
        if not regions:
            return f"No words found in {arguments.image}."
        lines = [line_text(one, size) for one in regions[:MOST]]
        count = "1 line" if len(regions) == 1 else f"{len(regions)} lines"
        more = f"; and {len(regions) - MOST} more, up to {regions[-1].handle}" if len(regions) > MOST else ""
        return f"{count} in {arguments.image}: {'; '.join(lines)}{more}"

    def brief(self, recorded: Recorded) -> str:
        """The lines with their handles."""
        some = recorded.regions[:MOST_BRIEF]
        lines = [f"{one.handle} {quoted(one.label, BRIEF)}" for one in some]
        more = "; ..." if len(recorded.regions) > len(some) else ""
        return f"{len(recorded.regions)} read: {'; '.join(lines)}{more}" if lines else "no words found"

    def references(self, recorded: Recorded) -> dict[str, str]:
        """How many lines, and the lines in reading order; of lines that were looked for, the value of the first."""
        read = recorded.regions
        said = recorded.facts.get("said")
        refs = {"count": str(len(read) if said is None else len(said))}
        if not read:
            return refs
        shown = read[:MOST] if said is None else [read[said[0]["line"]]]
        told = [quoted(one.label, LONGEST) for one in shown]
        refs["words"] = " ".join(told) if len(told) <= IN_ROW else "\n" + "\n".join(told)
        refs["regions"] = ", ".join(str(one.handle) for one in shown)
        if said and said[0]["value"] is not None:
            value = said[0]["value"]
            refs["value"] = quoted(value if isinstance(value, str) else read[value].label, LONGEST)
        return refs


def _fact(said: Entry, lines: Sequence[Line]) -> dict[str, Any]:
    """A line that was looked for, as JSON: positions among the lines that are kept, and its value."""
    places = {line: at for at, line in enumerate(lines)}
    value = said.value
    return {
        "line": places[said.line],
        "right": None if said.right is None else places[said.right],
        "below": None if said.below is None else places[said.below],
        "value": places[value] if isinstance(value, Line) else value,
    }


def _said_text(arguments: ReadTextArguments, recorded: Recorded, size: tuple[int, int]) -> str:
    """The lines that say what was looked for, each with what stands beside and below it."""
    said = recorded.facts["said"]
    if not said:
        return f"Nothing in {arguments.image} says {quoted(arguments.find or '')}."
    told: list[str] = []
    for one in said:
        around = [
            f"{where}: {line_text(recorded.regions[one[key]], size)}"
            for key, where in (("right", "to its right"), ("below", "below it"))
            if one[key] is not None
        ]
        told.append("; ".join([line_text(recorded.regions[one["line"]], size), *around]))
    count = "1 line" if len(said) == 1 else f"{len(said)} lines"
    return f"{count} in {arguments.image} with {quoted(arguments.find or '')}: {'. '.join(told)}"


def line_text(region: Region, size: tuple[int, int]) -> str:
    """One line in words: `reg_1 "KITE", upper left, (34, 50, 100, 120), 0.97`."""
    score = "" if region.score is None else f", {region.score:.2f}"
    return (
        f"{region.handle} {quoted(region.label, LONGEST)}, {position(region.box, size)}, {box_text(region.box)}{score}"
    )
