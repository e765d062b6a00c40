"""The tool that deletes for good, and only on the user's own word: `forget_image`."""

from __future__ import annotations

from ...errors import ToolRetry
from ...memory.records import ASKED, FORGOTTEN
from ..contracts import PictureHandle, Recorded, Tool, ToolArguments, ToolContext, ToolResult
from ..shared.consent import agrees, memory_of, orders


class ForgetImageArguments(ToolArguments):
    """Which picture to delete."""

    image: PictureHandle


class ForgetImage(Tool[ForgetImageArguments]):
    """A picture deleted from memory and disk, with all that was found in it.

    The first call only raises the question, and only where the user's words are an order to delete. In the next
    turn, when the user's own words say yes, a second call deletes. Nothing that a picture, a caption or a file name
    says can stand for either.
    """

    name = "forget_image"
    rank = 130
    Arguments = ForgetImageArguments

    def run(self, arguments: ForgetImageArguments, context: ToolContext) -> ToolResult:
        """See whether the user agreed. Nothing is deleted yet: that is done in `finish`, once the call is on record.

        Raises:
            ToolRetry: no such handle, or the user did not ask for it in words of their own.
            ExpertFailed: there is no memory here.
        """
        memory_of(context)
        picture = context.workspace.picture(arguments.image)
        asked = any(
            facts.get(ASKED) == picture.id for facts in context.workspace.facts_of(self.name, context.talk.turn - 1)
        )
        if asked and agrees(context.talk, arguments.image):
            return ToolResult(facts={FORGOTTEN: picture.id})
        if context.talk.said and not orders(context.talk.said):
            raise ToolRetry(
                "Not deleted, and do not ask: the user's words are no order to delete a picture. Answer what was said.",
                kind="not_asked_for",
            )
        return ToolResult(facts={ASKED: picture.id})

    def observe(self, arguments: ForgetImageArguments, recorded: Recorded) -> str:
        """That it is gone, or that the user must be asked."""
        if FORGOTTEN in recorded.facts:
            return f"{arguments.image} is forgotten."
        return f"Not deleted: {arguments.image} is deleted for good only after the user says yes. Ask."

    def finish(self, recorded: Recorded, context: ToolContext) -> None:
        """Delete what the record says is forgotten; after a crash in between, this is done again."""
        if FORGOTTEN in recorded.facts:
            memory_of(context).forget(recorded.facts[FORGOTTEN])
