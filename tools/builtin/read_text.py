"""The tool that reads the words in a picture: `read_text`."""

from __future__ import annotations

from collections.abc import Sequence

from ...memory.records import Region
from ..contracts import AnyHandle, Recorded, RegionDraft, Tool, ToolArguments, ToolContext, ToolResult
from ..look import look
from ..requests import Read, Word
from ..shared.finding import MARGIN
from ..shared.geometry import box_text, clip_box, position
from ..shared.quoting import quoted

LONGEST = 60  # characters of a word in an observation
MOST = 60  # words in an observation; every word becomes a region all the same


class ReadTextArguments(ToolArguments):
    """Where to read."""

    image: AnyHandle


class ReadText(Tool[ReadTextArguments]):
    """Words with their boxes, in reading order; each becomes a region that is labelled with the word."""

    name = "read_text"
    rank = 80
    Arguments = ReadTextArguments
    roles = ("reader",)
    reads = True

    def run(self, arguments: ReadTextArguments, context: ToolContext) -> ToolResult:
        """Read the words.

        Raises:
            ToolRetry: no such handle.
            ExpertFailed: the reader failed, is not installed, or does not know such pictures.
        """
        seen = look(context, arguments.image, MARGIN, judge="reader")
        picture = seen.picture
        words: list[Word] = context.experts.ask("reader", [Read(seen.view)])[0]
        drafts = [
            RegionDraft(picture.id, clip_box(word.box, picture.size), word.text, round(word.score, 4)) for word in words
        ]
        return ToolResult(regions=drafts, facts={"size": list(picture.size)})

    def observe(self, arguments: ReadTextArguments, recorded: Recorded) -> str:
        """Each word in quotation marks, with its region's handle, place, box and score."""
        regions = recorded.regions
        if not regions:
            return f"No words found in {arguments.image}."
        size = (recorded.facts["size"][0], recorded.facts["size"][1])
        words = [word_text(one, size) for one in regions[:MOST]]
        count = "1 word" if len(regions) == 1 else f"{len(regions)} words"
        more = f"; and {len(regions) - MOST} more, up to {regions[-1].handle}" if len(regions) > MOST else ""
        return f"{count} in {arguments.image}: {'; '.join(words)}{more}"

    def brief(self, recorded: Recorded) -> str:
        """The words with their handles."""
        words = [f"{one.handle} {quoted(one.label, LONGEST)}" for one in recorded.regions[:MOST]]
        return f"{len(recorded.regions)} read: {'; '.join(words)}" if words else "no words found"

    def references(self, recorded: Recorded) -> dict[str, str]:
        """How many words, and the words in reading order."""
        read = recorded.regions
        words = {"words": " ".join(quoted(one.label, LONGEST) for one in read[:MOST])} if read else {}
        return {"count": str(len(read))} | words | ({"regions": _handles(read)} if read else {})


def _handles(regions: Sequence[Region]) -> str:
    return ", ".join(str(one.handle) for one in regions[:MOST])


def word_text(region: Region, size: tuple[int, int]) -> str:
    """One word in words: `reg_1 "KITE", upper left, (34, 50, 100, 120), 0.97`."""
    score = "" if region.score is None else f", {region.score:.2f}"
    return (
        f"{region.handle} {quoted(region.label, LONGEST)}, {position(region.box, size)}, {box_text(region.box)}{score}"
    )
