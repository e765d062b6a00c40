"""The tool that answers a question in words about one picture or several: `answer_about_image`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from ...errors import ExpertFailed, ToolRetry
from ..contracts import AnyHandle, Recorded, Tool, ToolArguments, ToolContext, ToolResult, View
from ..look import look
from ..requests import Answer, Read, Said, Word
from ..shared.answer_kinds import HINTS, fits, kind_of
from ..shared.finding import MARGIN
from ..shared.quoting import quoted
from ..values import TextOutput

Sentence = Annotated[str, Field(min_length=1, max_length=200)]


class AnswerAboutImageArguments(ToolArguments):
    """Which pictures or regions, and the question."""

    images: Annotated[list[AnyHandle], Field(min_length=1, max_length=4)]
    question: Annotated[Sentence, Field(json_schema_extra={"x-words": "question"})]


class AnswerAboutImage(Tool[AnswerAboutImageArguments]):
    """An answer of the vision language model (LLaVA)."""

    name = "answer_about_image"
    rank = 70
    Arguments = AnswerAboutImageArguments
    Output = TextOutput
    roles = ("llava", "clip")

    def run(self, arguments: AnswerAboutImageArguments, context: ToolContext) -> ToolResult:
        """Answer the question.

        Raises:
            ToolRetry: no such handle, one that is named twice, or a question without words.
            ExpertFailed: the expert failed, or does not know such pictures.
        """
        question = sentence(arguments.question, "question", "What is left of the red cube?")
        different(arguments.images)
        views = tuple(look(context, handle, MARGIN).view for handle in arguments.images)
        kind = kind_of(question)
        said: Said = context.experts.ask("llava", [Answer(views, question)])[0]
        read = _words_in(context, views) if kind == "words read" else None
        sure = fits(kind, said.text, read)
        if kind is not None and not sure:  # it may have taken the question for another: once more, and plainly
            again: Said = context.experts.ask("llava", [Answer(views, f"{question} {HINTS[kind]}")])[0]
            sure = fits(kind, again.text, read)
            said = again if sure else said
        return ToolResult(facts={"text": said.text, "confidence": said.confidence, "unsure": not sure})

    def observe(self, arguments: AnswerAboutImageArguments, recorded: Recorded) -> str:
        """The answer, in quotation marks, and what it is about."""
        unsure = " (unsure: it does not answer what was asked)" if recorded.facts.get("unsure") else ""
        return f"About {', '.join(arguments.images)}{unsure}: {quoted(recorded.facts['text'])}."

    def references(self, recorded: Recorded) -> dict[str, str]:
        """The answer, as it was given."""
        unsure = "I am not sure: " if recorded.facts.get("unsure") else ""
        return {"answer": f"{unsure}{quoted(recorded.facts['text'])}"}

    def values(self, recorded: Recorded) -> dict[str, Any]:
        """The answer."""
        return {"text": recorded.facts["text"]}


def _words_in(context: ToolContext, views: Sequence[View]) -> list[str] | None:
    """What the reader reads in the views; None where it cannot."""
    try:
        found: list[list[Word]] = context.experts.ask("reader", [Read(view) for view in views])
    except ExpertFailed:
        return None
    return [word.text for words in found for word in words]


def sentence(text: str, argument: str, example: str) -> str:
    """A sentence with every run of white space made one blank.

    Raises:
        ToolRetry: it has no letters or digits.
    """
    words = " ".join(text.split())
    if not any(char.isalnum() for char in words):
        raise ToolRetry(f'`{argument}` has no words; write one, as in "{example}".', kind="bad_arguments")
    return words


def different(handles: list[str]) -> None:
    """Raises ToolRetry where a handle stands there twice."""
    for handle in handles:
        if handles.count(handle) > 1:
            raise ToolRetry(f"`images` names {handle} twice; every handle must differ.", kind="bad_arguments")
