"""The tool that keeps something findable, with a name that the user gives it: `remember_image`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..contracts import AnyHandle, Phrase, Recorded, Tool, ToolArguments, ToolContext, ToolResult
from ..shared.consent import memory_of
from ..shared.quoting import quoted


class RememberImageArguments(ToolArguments):
    """What to remember, and by which words."""

    image: AnyHandle
    note: Annotated[Phrase, Field(json_schema_extra={"x-words": "any"})] | None = None


class RememberImage(Tool[RememberImageArguments]):
    """A picture or a region put into memory at once, under a note."""

    name = "remember_image"
    rank = 120
    Arguments = RememberImageArguments
    roles = ("clip",)

    def run(self, arguments: RememberImageArguments, context: ToolContext) -> ToolResult:
        """Remember; the same again changes nothing.

        Raises:
            ToolRetry: no such handle.
            ExpertFailed: there is no memory here, or CLIP cannot be asked.
        """
        context.view(arguments.image)  # an unknown handle is told before anything else
        note = " ".join(arguments.note.split()) if arguments.note else ""
        memory_of(context).remember(arguments.image, note or None)
        return ToolResult(facts={"note": note})

    def observe(self, arguments: RememberImageArguments, recorded: Recorded) -> str:
        """What was remembered, and as what."""
        note = recorded.facts["note"]
        return f"Remembered {arguments.image} as {quoted(note)}." if note else f"Remembered {arguments.image}."

    def references(self, recorded: Recorded) -> dict[str, str]:
        """The note."""
        return {"note": quoted(recorded.facts["note"])} if recorded.facts["note"] else {}
