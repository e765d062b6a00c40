"""The tool that chooses among labels: `classify_image`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator

from ..contracts import AnyHandle, Phrase, Recorded, Tool, ToolArguments, ToolContext, ToolResult
from ..look import look
from ..requests import Classify
from ..shared.finding import MARGIN, clean
from ..values import LabelOutput

BEST = 3  # how many labels the observation names


class ClassifyImageArguments(ToolArguments):
    """What to look at, and the labels to choose from."""

    image: AnyHandle
    labels: Annotated[list[Phrase], Field(min_length=2, max_length=20)]

    @field_validator("labels")
    @classmethod
    def _different(cls, labels: list[str]) -> list[str]:
        cleaned = [" ".join(label.split()) for label in labels]
        if "" in cleaned:
            raise ValueError("a label is empty")
        for label in cleaned:
            if cleaned.count(label) > 1:
                raise ValueError(f"the label {label!r} stands there twice; every label must differ")
        return cleaned


class ClassifyImage(Tool[ClassifyImageArguments]):
    """Which of some labels fits a picture or a region best (zero-shot, as in CLIP)."""

    name = "classify_image"
    rank = 30
    Arguments = ClassifyImageArguments
    Output = LabelOutput
    roles = ("clip",)

    def run(self, arguments: ClassifyImageArguments, context: ToolContext) -> ToolResult:
        """Share 1 among the labels.

        Raises:
            ToolRetry: no such handle.
            ExpertFailed: CLIP failed, or does not know such pictures.
        """
        view = look(context, arguments.image, MARGIN).view
        labels = tuple(clean(label) for label in arguments.labels)
        shares = context.experts.ask("clip", [Classify(view, labels)])[0]
        ranked = sorted(zip(labels, (float(share) for share in shares), strict=True), key=lambda pair: -pair[1])
        return ToolResult(facts={"scores": [[label, round(share, 4)] for label, share in ranked]})

    def observe(self, arguments: ClassifyImageArguments, recorded: Recorded) -> str:
        """The best three labels with their shares."""
        best = ", ".join(f"{label} {share:.2f}" for label, share in recorded.facts["scores"][:BEST])
        return f"{arguments.image}: {best}"

    def references(self, recorded: Recorded) -> dict[str, str]:
        """The label that fits best."""
        return {"best": recorded.facts["scores"][0][0]}

    def values(self, recorded: Recorded) -> dict[str, Any]:
        """The label that fits best, and its share."""
        label, share = recorded.facts["scores"][0]
        return {"label": label, "share": share}
