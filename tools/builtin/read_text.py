"""The tool that reads the words in a picture: `read_text`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from ...memory.records import Region
from ..contracts import Handles, Recorded, RegionDraft, Tool, ToolArguments, ToolContext, ToolResult, listed
from ..look import Look
from ..shared.amounts import Amount, amount_in, total_of
from ..shared.geometry import box_text, clip_box, position
from ..shared.quoting import quoted
from ..shared.reading import Entry, Line, read_beside, read_each, saying
from ..values import ReadOutput

LONGEST = 200  # characters of a line in an observation
MOST = 60  # lines in an observation; every line becomes a region all the same
MOST_SAID = 5  # lines that say what was looked for
BRIEF, MOST_BRIEF = 60, 12  # characters of a line, and lines, in a brief observation
IN_ROW = 3  # so many lines are told in one


class ReadTextArguments(ToolArguments):
    """Where to read; with `find` only the lines that say so, and what stands beside and below them."""

    image: Handles
    find: Annotated[str, Field(max_length=100)] | None = None


class ReadText(Tool[ReadTextArguments]):
    """Lines with their boxes, in reading order; each becomes a region that is labelled with its words."""

    name = "read_text"
    rank = 80
    Arguments = ReadTextArguments
    Output = ReadOutput
    roles = ("reader",)
    reads = True

    def run(self, arguments: ReadTextArguments, context: ToolContext) -> ToolResult:
        """Read the words; of several pictures at once; see `read_each` for what it raises."""
        handles = listed(arguments.image)
        looked: list[dict[str, Any]] = []
        said: list[dict[str, Any]] = []
        drafts: list[RegionDraft] = []
        for seen, lines in read_each(context, handles):
            beside = [] if lines else read_beside(context, seen)
            lines = lines or beside
            if arguments.find is not None:
                entries = saying(lines, arguments.find)[: MOST_SAID if len(handles) == 1 else 1]
                around = [line for one in entries for line in (one.line, one.right, one.below)]
                lines = list(dict.fromkeys(line for line in around if line is not None))
                said += [_fact(one, lines, len(drafts), len(looked)) for one in entries]
            looked.append({"image": seen.handle, "size": list(seen.picture.size), "lines": len(lines)})
            if beside:
                looked[-1]["beside"] = True
            drafts += [_draft(seen, line) for line in lines]
        facts: dict[str, Any] = {"looked": looked}
        return ToolResult(
            regions=drafts, facts=facts if arguments.find is None else facts | {"find": arguments.find, "said": said}
        )

    def observe(self, arguments: ReadTextArguments, recorded: Recorded) -> str:
        """Each line in quotation marks, with its region's handle, place, box and score."""
        if arguments.find is not None:
            return _said_text(recorded, arguments.find)
        return ". ".join(_read_text(one, lines) for one, lines in _by_picture(recorded))

    def brief(self, recorded: Recorded) -> str:
        """The lines with their handles."""
        if len(recorded.facts["looked"]) > 1:
            return _brief_of_several(recorded)
        some = recorded.regions[:MOST_BRIEF]
        lines = [f"{one.handle} {quoted(one.label, BRIEF)}" for one in some]
        more = "; ..." if len(recorded.regions) > len(some) else ""
        where = f" beside {recorded.facts['looked'][0]['image']}" if recorded.facts["looked"][0].get("beside") else ""
        return f"{len(recorded.regions)} read{where}: {'; '.join(lines)}{more}" if lines else "no words found"

    def references(self, recorded: Recorded) -> dict[str, str]:
        """How many lines, and the lines in reading order; of lines that were looked for, the value of the first.

        Of several pictures: the `values` of all, those that have one (`pictures`), and what the figures come to: `sum`,
        `difference`, and the pictures with the `most` and the `fewest`.
        """
        read, said = recorded.regions, recorded.facts.get("said")
        refs = {"count": str(len(read) if said is None else len(said))}
        if not read:
            return refs
        several = len(recorded.facts["looked"]) > 1
        shown = read[:MOST] if said is None else [read[one["line"]] for one in (said if several else said[:1])]
        told = [quoted(one.label, LONGEST) for one in shown]
        refs["words"] = " ".join(told) if len(told) <= IN_ROW else "\n" + "\n".join(told)
        refs["regions"] = ", ".join(str(one.handle) for one in shown)
        values = _values(recorded)
        if said and not several and said[0]["value"] is not None:
            refs["value"] = quoted(values[0][1], LONGEST)
        if several and said:
            sums = _sums(values)
            together = f"; together {sums['sum']}" if sums else ""
            refs["values"] = "; ".join(f"{image}: {quoted(value, LONGEST)}" for image, value in values) + together
            refs["pictures"] = ", ".join(image for image, _ in values)
            refs |= sums
        return refs

    def values(self, recorded: Recorded) -> dict[str, Any]:
        """The lines, one a line, and the value of what was looked for."""
        values = _values(recorded)
        return {"text": "\n".join(one.label for one in recorded.regions), "value": values[0][1] if values else ""}


def _draft(seen: Look, line: Line) -> RegionDraft:
    picture = seen.picture
    return RegionDraft(picture.id, clip_box(line.box, picture.size), line.text, round(line.score, 4))


def _fact(said: Entry, lines: Sequence[Line], before: int, picture: int) -> dict[str, Any]:
    """A line that was looked for, as JSON: positions among all lines that are kept, and its value.

    Args:
        said: the line, with what stands around it.
        lines: those that are kept of its picture.
        before: how many are kept of the pictures before it.
        picture: its picture's position among those that were read.
    """
    places = {line: before + at for at, line in enumerate(lines)}
    value = said.value
    return {
        "picture": picture,
        "line": places[said.line],
        "right": None if said.right is None else places[said.right],
        "below": None if said.below is None else places[said.below],
        "value": places[value] if isinstance(value, Line) else value,
    }


def _by_picture(recorded: Recorded) -> list[tuple[dict[str, Any], Sequence[Region]]]:
    """What was read, picture by picture."""
    parts: list[tuple[dict[str, Any], Sequence[Region]]] = []
    start = 0
    for one in recorded.facts["looked"]:
        parts.append((one, recorded.regions[start : start + one["lines"]]))
        start += one["lines"]
    return parts


def _values(recorded: Recorded) -> list[tuple[str, str]]:
    """Of each line that was looked for its picture's handle, and its value, or else the line itself."""
    found: list[tuple[str, str]] = []
    for one in recorded.facts.get("said", ()):
        value = one["line"] if one["value"] is None else one["value"]
        text = value if isinstance(value, str) else recorded.regions[value].label
        found.append((str(recorded.facts["looked"][one["picture"]]["image"]), text))
    return found


def _sums(values: Sequence[tuple[str, str]]) -> dict[str, str]:
    """What figures of several pictures come to; nothing of fewer than two, or of several currencies."""
    amounts: list[tuple[str, Amount]] = []
    for image, text in values:
        amount = amount_in(text)
        if amount is not None:
            amounts.append((image, amount))
    total = total_of([amount for _, amount in amounts])
    if len(amounts) < 2 or total is None:
        return {}
    ordered = sorted(amounts, key=lambda one: -one[1].value)
    spread = ordered[0][1].value - ordered[-1][1].value
    return {
        "sum": str(total),
        "difference": str(Amount(spread, total.currency)),
        "most": ordered[0][0],
        "fewest": ordered[-1][0],
    }


def _brief_of_several(recorded: Recorded) -> str:
    if "said" in recorded.facts:
        lines = [recorded.regions[one["line"]] for one in recorded.facts["said"]]
        told = [f"{image} {line.handle} {quoted(line.label, BRIEF)}: {quoted(value, BRIEF)}"
                for line, (image, value) in zip(lines, _values(recorded), strict=True)]  # fmt: skip
        sums = _sums(_values(recorded))
        more = f". Sum {sums['sum']}; most: {sums['most']}; fewest: {sums['fewest']}" if sums else ""
        return f"{len(told)} read: {'; '.join(told)}{more}" if told else "no words found"
    each = max(1, MOST_BRIEF // len(recorded.facts["looked"]))
    parts: list[str] = []
    for one, lines in _by_picture(recorded):
        said = "; ".join(f"{line.handle} {quoted(line.label, BRIEF)}" for line in lines[:each])
        parts.append(f"{one['image']}: {said or 'no words'}{'; ...' if len(lines) > each else ''}")
    return f"{len(recorded.regions)} read. {'. '.join(parts)}"


def _read_text(one: dict[str, Any], regions: Sequence[Region]) -> str:
    """The lines of a picture."""
    if not regions:
        return f"No words found in {one['image']}."
    size = (one["size"][0], one["size"][1])
    lines = [line_text(region, size) for region in regions[:MOST]]
    count = "1 line" if len(regions) == 1 else f"{len(regions)} lines"
    more = f"; and {len(regions) - MOST} more, up to {regions[-1].handle}" if len(regions) > MOST else ""
    where = f"No words in {one['image']}; {count} beside it" if one.get("beside") else f"{count} in {one['image']}"
    return f"{where}: {'; '.join(lines)}{more}"


def _said_text(recorded: Recorded, wanted: str) -> str:
    """The lines that say what was looked for, each with what stands beside and below it."""
    looked, said = recorded.facts["looked"], recorded.facts["said"]
    if not said:
        return f"Nothing in {', '.join(one['image'] for one in looked)} says {quoted(wanted)}."
    told: list[str] = []
    for one in said:
        picture = looked[one["picture"]]
        size = (picture["size"][0], picture["size"][1])
        around = [
            f"{where}: {line_text(recorded.regions[one[key]], size)}"
            for key, where in (("right", "to its right"), ("below", "below it"))
            if one[key] is not None
        ]
        told.append("; ".join([line_text(recorded.regions[one["line"]], size), *around]))
        if len(looked) > 1:
            told[-1] = f"{picture['image']}: {told[-1]}"
    count = "1 line" if len(said) == 1 else f"{len(said)} lines"
    sums = _sums(_values(recorded)) if len(looked) > 1 else {}
    more = f". Sum {sums['sum']}; most: {sums['most']}; fewest: {sums['fewest']}" if sums else ""
    return f"{count} in {', '.join(one['image'] for one in looked)} with {quoted(wanted)}: {'. '.join(told)}{more}"


def line_text(region: Region, size: tuple[int, int]) -> str:
    """One line in words: `reg_1 "KITE", upper left, (34, 50, 100, 120), 0.97`."""
    score = "" if region.score is None else f", {region.score:.2f}"
    return (
        f"{region.handle} {quoted(region.label, LONGEST)}, {position(region.box, size)}, {box_text(region.box)}{score}"
    )
