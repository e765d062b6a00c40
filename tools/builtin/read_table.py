"""The tool that reads tables, receipts and forms: `read_table`."""

from __future__ import annotations

from typing import Any

from ..contracts import AnyHandle, Recorded, RegionDraft, Tool, ToolArguments, ToolContext, ToolResult
from ..shared.geometry import box_text, clip_box
from ..shared.quoting import quoted
from ..shared.reading import read_lines
from ..shared.tables import pairs_in, tables_in
from ..values import TableOutput

LONGEST = 4000  # characters of a table, or of the pairs, in an observation
BRIEF = 400


class ReadTableArguments(ToolArguments):
    """Where the table stands: a picture, or a region of it."""

    image: AnyHandle


class ReadTable(Tool[ReadTableArguments]):
    """Rows and columns, and pairs of a label and its value; each table becomes a region."""

    name = "read_table"
    rank = 85
    Arguments = ReadTableArguments
    Output = TableOutput
    roles = ("reader",)

    def run(self, arguments: ReadTableArguments, context: ToolContext) -> ToolResult:
        """Read the words, and put them in rows and columns; see `read_lines` for what it raises."""
        seen, lines = read_lines(context, arguments.image)
        picture = seen.picture
        tables, pairs = tables_in(lines), pairs_in(lines)
        score = min((line.score for line in lines), default=1.0)
        drafts = [RegionDraft(picture.id, clip_box(one.box, picture.size), "table", round(score, 4)) for one in tables]
        facts: dict[str, Any] = {
            "tables": [one.rows for one in tables],
            "csv": [one.csv for one in tables],
            "pairs": [[one.label, one.value] for one in pairs],
        }
        return ToolResult(regions=drafts, facts=facts)

    def observe(self, arguments: ReadTableArguments, recorded: Recorded) -> str:
        """Each table with its region, box, number of rows and columns, and its cells as CSV; and the pairs."""
        told = [
            f"{region.handle} at {box_text(region.box)}, {len(rows)} rows x {len(rows[0])} columns, as CSV: "
            f"{quoted(text, LONGEST)}"
            for region, rows, text in zip(
                recorded.regions, recorded.facts["tables"], recorded.facts["csv"], strict=True
            )
        ]
        if recorded.facts["pairs"]:
            told.append(f"labels and values: {quoted(_pairs(recorded.facts['pairs']), LONGEST)}")
        if not told:
            return f"No table and no labels with values found in {arguments.image}."
        count = len(recorded.regions)
        found = "No table" if not count else "1 table" if count == 1 else f"{count} tables"
        return f"{found} found in {arguments.image}: {'. '.join(told)}"

    def brief(self, recorded: Recorded) -> str:
        """The handles of tables, and the beginning of what they say."""
        tables = [
            f"{region.handle} table, {len(rows)} x {len(rows[0])}: {quoted(text, BRIEF)}"
            for region, rows, text in zip(
                recorded.regions, recorded.facts["tables"], recorded.facts["csv"], strict=True
            )
        ]
        some = [] if tables else recorded.facts["pairs"]  # what stands in a table was told
        pairs = [f"pairs {quoted(_pairs(some), BRIEF)}"] if some else []
        return "; ".join([*tables, *pairs]) or "no table found"

    def references(self, recorded: Recorded) -> dict[str, str]:
        """How many tables, the first as CSV, the pairs."""
        refs = {"count": str(len(recorded.regions))}
        if recorded.regions:
            refs |= {"table": f"\n{recorded.facts['csv'][0].rstrip()}", "regions": str(recorded.regions[0].handle)}
        if recorded.facts["pairs"]:
            refs["pairs"] = _pairs(recorded.facts["pairs"])
        return refs

    def values(self, recorded: Recorded) -> dict[str, Any]:
        """The first table, and all labels with their values."""
        facts = recorded.facts
        return {"csv": facts["csv"][0] if facts["csv"] else "", "rows": facts["tables"][0] if facts["tables"] else [],
                "pairs": [{"label": label, "value": value} for label, value in facts["pairs"]]}  # fmt: skip


def _pairs(pairs: list[list[str]]) -> str:
    return "; ".join(f"{label}: {value}" for label, value in pairs)
