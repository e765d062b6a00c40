"""The tool that compares pictures: `compare_images`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from ...errors import ExpertFailed
from ..contracts import AnyHandle, Recorded, Tool, ToolArguments, ToolContext, ToolResult
from ..look import Look, look
from ..requests import STATEMENT, Answer, Embed, Said
from ..shared.finding import MARGIN, find
from ..shared.naming import names_of
from ..shared.quoting import quoted
from .answer_about_image import Sentence, different, sentence

SAYS = {"true": True, "yes": True, "right": True, "false": False, "no": False, "wrong": False}


class CompareImagesArguments(ToolArguments):
    """Which pictures or regions, and perhaps a statement to judge of all of them together."""

    images: Annotated[list[AnyHandle], Field(min_length=2, max_length=4)]
    statement: Annotated[Sentence, Field(json_schema_extra={"x-words": "any"})] | None = None


class CompareImages(Tool[CompareImagesArguments]):
    """Whether a statement holds of several pictures (as in NLVR); or how alike they are and what differs."""

    name = "compare_images"
    rank = 90
    Arguments = CompareImagesArguments
    roles = ("llava", "clip", "detector")

    def run(self, arguments: CompareImagesArguments, context: ToolContext) -> ToolResult:
        """Judge the statement with LLaVA; without one, compare by CLIP's likeness and by the things found.

        Raises:
            ToolRetry: no such handle, one that is named twice, or a statement without words.
            ExpertFailed: an expert failed, or does not know such pictures.
        """
        different(arguments.images)
        statement = arguments.statement
        if statement is not None:
            statement = sentence(statement, "statement", "there are more cubes in the first picture")
        looks = [look(context, handle, MARGIN) for handle in arguments.images]
        facts = _compare(context, looks) if statement is None else _judge(context, looks, statement)
        return ToolResult(facts=facts | {"handles": list(arguments.images)})

    def observe(self, arguments: CompareImagesArguments, recorded: Recorded) -> str:
        """The verdict; or likeness, what is only in one, and what is in all."""
        return comparison_text(arguments.images, recorded.facts)

    def references(self, recorded: Recorded) -> dict[str, str]:
        """The verdict, or the whole comparison."""
        if "statement" in recorded.facts:
            return {"verdict": "true" if recorded.facts["true"] else "false"}
        return {"comparison": comparison_text(recorded.facts["handles"], recorded.facts)}


def comparison_text(handles: Sequence[str], facts: dict[str, Any]) -> str:
    """The observation of a comparison.

    Args:
        handles: what was compared.
        facts: "true", "confidence" and "statement" of a verdict; or "likeness" (one a pair, in the order of
            `itertools.combinations`) and "things" (the names of what was found, picture by picture).
    """
    if "statement" in facts:
        sure = "" if facts["confidence"] is None else f" ({facts['confidence']:.2f})"
        return f"{'True' if facts['true'] else 'False'} of {', '.join(handles)}{sure}: {quoted(facts['statement'])}."
    pairs = zip(combinations(handles, 2), facts["likeness"], strict=True)
    alike = ", ".join(f"{one} and {other}: {value:.2f}" for (one, other), value in pairs)
    things = [Counter(names) for names in facts["things"]]
    shared = things[0].copy()
    for names in things[1:]:
        shared &= names
    lines = [f"Likeness of {alike}."]
    left = []
    for at, handle in enumerate(handles):
        others = Counter[str]()
        for names in (*things[:at], *things[at + 1 :]):
            others |= names
        lines.append(f"Only in {handle}: {_listed(things[at] - others)}.")
        left.append((things[at] - shared) - (things[at] - others))
    if any(left):  # more than two pictures
        lines.append(
            " ".join(f"Also in {handle}: {_listed(some)}." for handle, some in zip(handles, left, strict=True))
        )
    lines.append(f"In {'both' if len(handles) == 2 else 'all'}: {_listed(shared)}.")
    return " ".join(lines)


def _listed(names: Counter[str]) -> str:
    return ", ".join(name if count == 1 else f"{count} x {name}" for name, count in names.items()) or "nothing"


def _judge(context: ToolContext, looks: Sequence[Look], statement: str) -> dict[str, Any]:
    said: Said = context.experts.ask("llava", [Answer(tuple(one.view for one in looks), STATEMENT.format(statement))])[
        0
    ]
    first = said.text.lower().replace(",", " ").replace(".", " ").split()
    verdict = SAYS.get(first[0]) if first else None
    if verdict is None:
        raise ExpertFailed(
            f"Asked whether the statement is true, the model said {quoted(said.text, 80)}, which is neither yes nor "
            f"no. Count or find the things in each picture instead.",
            kind="no_verdict",
        )
    return {"statement": statement, "true": verdict, "confidence": said.confidence}


def _compare(context: ToolContext, looks: Sequence[Look]) -> dict[str, Any]:
    vectors = context.experts.ask("clip", [Embed(one.view) for one in looks])
    likeness = [round(max(0.0, float(np.dot(one, other))), 4) for one, other in combinations(vectors, 2)]
    found = [find(context, one, order="leftmost") for one in looks]
    return {"likeness": likeness, "things": names_of(context, found)}
