"""The tool that says in words what a picture shows: `describe_image`."""

from __future__ import annotations

from typing import Literal

from ..contracts import AnyHandle, Recorded, Tool, ToolArguments, ToolContext, ToolResult
from ..finding import MARGIN
from ..look import look
from ..quoting import quoted
from ..registry import register
from ..requests import Describe, Said

ROLES = {"short": "captioner", "detailed": "llava"}


class DescribeImageArguments(ToolArguments):
    """What to describe, and how fully."""

    image: AnyHandle
    detail: Literal["short", "detailed"] = "short"


@register
class DescribeImage(Tool[DescribeImageArguments]):
    """A caption of a picture or of a region: a short one by the captioner, a detailed one by LLaVA."""

    name = "describe_image"
    Arguments = DescribeImageArguments
    roles = ("captioner", "llava", "clip")

    def run(self, arguments: DescribeImageArguments, context: ToolContext) -> ToolResult:
        """Describe the picture.

        Raises:
            ToolRetry: no such handle.
            ExpertFailed: the expert failed, or does not know such pictures.
        """
        view, _ = look(context, arguments.image, MARGIN)
        said: Said = context.experts.ask(ROLES[arguments.detail], [Describe(view, arguments.detail)])[0]
        return ToolResult(facts={"text": said.text, "confidence": said.confidence})

    def observe(self, arguments: DescribeImageArguments, recorded: Recorded) -> str:
        """The caption, in quotation marks."""
        return f"{arguments.image}: {quoted(recorded.facts['text'])}"
