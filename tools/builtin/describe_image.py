"""The tool that says in words what a picture shows: `describe_image`."""

from __future__ import annotations

from typing import Any, Literal

from ...memory.records import CAPTIONS
from ..contracts import AnyHandle, Recorded, Tool, ToolArguments, ToolContext, ToolResult
from ..look import look
from ..requests import Describe, Said
from ..shared.finding import MARGIN
from ..shared.quoting import quoted
from ..values import TextOutput

ROLES = {"short": "captioner", "detailed": "llava"}


class DescribeImageArguments(ToolArguments):
    """What to describe, and how fully."""

    image: AnyHandle
    detail: Literal["short", "detailed"] = "short"


class DescribeImage(Tool[DescribeImageArguments]):
    """A caption of a picture or of a region: a short one by the captioner, a detailed one by LLaVA."""

    name = "describe_image"
    rank = 60
    Arguments = DescribeImageArguments
    Output = TextOutput
    roles = ("captioner", "llava", "clip")

    def run(self, arguments: DescribeImageArguments, context: ToolContext) -> ToolResult:
        """Describe the picture.

        Raises:
            ToolRetry: no such handle.
            ExpertFailed: the expert failed, or does not know such pictures.
        """
        view = look(context, arguments.image, MARGIN).view
        said: Said = context.experts.ask(ROLES[arguments.detail], [Describe(view, arguments.detail)])[0]
        caption = {"of": arguments.image, "text": said.text, "full": arguments.detail == "detailed"}
        return ToolResult(facts={"text": said.text, "confidence": said.confidence, CAPTIONS: [caption]})

    def observe(self, arguments: DescribeImageArguments, recorded: Recorded) -> str:
        """The caption, in quotation marks."""
        return f"{arguments.image}: {quoted(recorded.facts['text'])}"

    def references(self, recorded: Recorded) -> dict[str, str]:
        """The caption."""
        return {"description": quoted(recorded.facts["text"])}

    def values(self, recorded: Recorded) -> dict[str, Any]:
        """The caption."""
        return {"text": recorded.facts["text"]}
