"""Slack as a chat service: pictures are fetched, answers posted and then filled in where they stand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from ...errors import UserError
from ..inbox import Answer, Incoming
from .files import Files
from .pane import ABOUT, NEXT, Pane
from .text import escaped

ANSWER = "saccade_answer"  # the type of our messages' metadata
LOOKING = "Looking …"
PANE, AT_IT = "pane", "is looking …"  # Slack puts our name before it
PAGE = 200  # messages of a thread that are looked through for an answer of ours
# What Slack says when trying again will not help.
_FINAL = frozenset({
    "channel_not_found", "not_in_channel", "is_archived", "invalid_auth", "account_inactive", "token_revoked",
    "missing_scope", "restricted_action", "thread_not_found", "message_not_found", "cant_update_message",
})  # fmt: skip


class SlackService:
    """Implements `connectors.bot.Service`.

    `place` of a message is {channel, thread}, both as Slack names them, and whether it is of the assistant's `pane`
    and the `first` one of its thread there. What an answer is called is the `ts` of what was posted; in the pane, where
    a line below the thread says what is being done, nothing is posted before the answer, and it is `PANE`.
    """

    name = "slack"

    def __init__(self, client: WebClient, files: Files) -> None:
        self.client, self.files, self.pane = client, files, Pane(client)

    def fetch(self, message: Incoming) -> list[bytes]:
        """The pictures of a message; files that are none are left to the decoder to refuse."""
        return [self.files.fetch(one) for one in message.files]

    def open_answer(self, message: Incoming, *, again: bool) -> str:
        """Post "Looking …" into the thread; the answer later stands in its place. In the pane the line says it."""
        if again and (known := self._known(message)) is not None:
            return known["ts"]
        place = message.place
        if place.get("first"):
            self.pane.name(place["channel"], place["thread"], message.text)
        if place.get("pane") and self.pane.status(place["channel"], place["thread"], AT_IT):
            return PANE
        return self._post(message, LOOKING)

    def tell(self, message: Incoming, ref: str, text: str) -> None:
        """Show how far it is: in the line of the pane, else in the place of the answer."""
        if ref == PANE:
            self.pane.status(message.place["channel"], message.place["thread"], f"is at it: {text}")
        else:
            self._update(message, ref, f"_{escaped(text)}_")

    def answer(self, message: Incoming, ref: str, answer: Answer, *, again: bool) -> None:
        """The words in the place of "Looking …", and the pictures below, with words for those who cannot see them."""
        if ref == PANE:
            known = self._known(message) if again else None
            ref = self._post(message, escaped(answer.text)) if known is None else known["ts"]
        else:
            self._update(message, ref, escaped(answer.text))
        there = self._titles(message) if again else set[str]()
        uploads = [
            {"file": path, "filename": Path(path).name, "title": title, "alt_txt": words}
            for number, (path, words) in enumerate(answer.pictures, start=1)
            if (title := f"{Path(path).stem} ({ref}, {number})") not in there and Path(path).is_file()
        ]
        if uploads:
            place = message.place
            self._call("files_upload_v2", channel=place["channel"], thread_ts=place["thread"], file_uploads=uploads)
        if message.place.get("pane") and message.files:
            self.pane.suggest(message.place["channel"], message.place["thread"], ABOUT, NEXT)

    def _post(self, message: Incoming, text: str) -> str:
        """Post into the thread; the `ts` of what was posted."""
        posted = self._call(
            "chat_postMessage", channel=message.place["channel"], thread_ts=message.place["thread"], text=text,
            parse="none", link_names=False, unfurl_links=False, unfurl_media=False,
            metadata={"event_type": ANSWER, "event_payload": {"message": message.id}},
        )  # fmt: skip
        return posted["ts"]

    def _update(self, message: Incoming, ref: str, text: str) -> None:
        self._call("chat_update", channel=message.place["channel"], ts=ref, text=text, parse="none", link_names=False)

    def _call(self, method: str, **arguments: Any) -> Any:
        """Ask Slack. Raises UserError where it will never do this, SlackApiError and others where it may later."""
        try:
            return getattr(self.client, method)(**arguments)
        except SlackApiError as error:
            if (kind := str(error.response.get("error"))) in _FINAL:
                raise UserError(f"Slack refuses {method}: {kind}.", kind="slack_refused") from error
            raise

    def _replies(self, message: Incoming) -> list[dict[str, Any]]:
        place = message.place
        told = self._call(
            "conversations_replies", channel=place["channel"], ts=place["thread"], limit=PAGE, include_all_metadata=True
        )
        return told["messages"]

    def _known(self, message: Incoming) -> dict[str, Any] | None:
        """The message of ours that answers this one."""
        for one in self._replies(message):
            metadata = one.get("metadata") or {}
            if metadata.get("event_type") == ANSWER and metadata["event_payload"].get("message") == message.id:
                return one
        return None

    def _titles(self, message: Incoming) -> set[str]:
        return {str(file.get("title")) for one in self._replies(message) for file in one.get("files", ())}
