"""Slack's assistant pane: what one may begin with, a title, and a line that says meanwhile what is being done.

Each of these is a help and no more: where Slack will not have one, the answer comes all the same.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from slack_sdk.errors import SlackApiError

if TYPE_CHECKING:
    from slack_sdk import WebClient

LOG = logging.getLogger("saccade.slack")
HELLO = "Show me a picture and ask about it, or begin with one of these:"
FIRST = (
    ("What can you do?", "What can you do with pictures?"),
    ("Paint me a picture", "Paint a picture of a red ball"),
)
ABOUT = "About this picture:"
NEXT = (
    ("How many things are there?", "How many things are there?"),
    ("Find everything in it", "Find everything in it"),
    ("Cut out the biggest one", "Cut out the biggest one"),
    ("What does it say?", "What does it say?"),
)
MOST_TITLE, MOST_STATUS = 60, 100  # characters

Prompts = Sequence[tuple[str, str]]  # (what stands there, what is sent by it)


class Pane:
    """The pane's threads, each a channel and the `ts` with which it began."""

    def __init__(self, client: WebClient) -> None:
        self.client = client

    def suggest(self, channel: str, thread: str, title: str, prompts: Prompts) -> None:
        """Show what one might ask."""
        named = [{"title": shown, "message": message} for shown, message in prompts]
        self._done("setSuggestedPrompts", channel, thread, title=title, prompts=named)

    def name(self, channel: str, thread: str, text: str) -> None:
        """Name a thread after the first thing that was asked in it."""
        title = text if len(text) <= MOST_TITLE else f"{text[: MOST_TITLE - 1]}…"
        if title:
            self._done("setTitle", channel, thread, title=title)

    def status(self, channel: str, thread: str, text: str) -> bool:
        """Say what is being done, below the thread; our next message takes it away. False: Slack will not have it."""
        return self._done("setStatus", channel, thread, status=text[:MOST_STATUS])

    def _done(self, method: str, channel: str, thread: str, **arguments: Any) -> bool:
        call = getattr(self.client, f"assistant_threads_{method}")
        try:
            call(channel_id=channel, thread_ts=thread, **arguments)
        except SlackApiError as error:
            LOG.info("Slack refuses %s: %s", method, error.response.get("error"))
            return False
        except OSError as error:
            LOG.info("Slack was not told %s: %s", method, type(error).__name__)
            return False
        return True
