"""Pictures that come with messages: fetched with the bot's token from Slack's own hosts, and from nowhere else."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any

from ...errors import UserError
from ..fetching import MOST_BYTES, Fetcher, Refused

HOSTS = frozenset({"files.slack.com", "slack-files.com"})
LOG = logging.getLogger("saccade.slack")


class Files:
    """Fetches files.

    Args:
        token: the bot's.
        hosts: where the token may be sent.
        most_bytes: the largest file.
        plain: let http through, for a stand-in on this machine.
    """

    def __init__(
        self, token: str, hosts: Collection[str] = HOSTS, most_bytes: int = MOST_BYTES, *, plain: bool = False
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._fetcher = Fetcher(frozenset(hosts), headers, most_bytes, public=False, plain=plain)

    def fetch(self, file: dict[str, Any]) -> bytes:
        """The bytes of a file, as Slack describes it in a message.

        Raises:
            UserError: it is too large, lies elsewhere, or Slack does not give it.
            ConnectionError: Slack cannot be reached now.
        """
        name = str(file.get("name") or "the file")[:80]
        if file.get("is_external") or file.get("mode") == "external":
            raise UserError(f"{name} does not lie at Slack; upload the picture itself.", kind="external_file")
        try:
            if int(file.get("size") or 0) > self._fetcher.most_bytes:
                raise Refused("size")
            return self._fetcher.fetch(str(file.get("url_private_download") or file.get("url_private") or ""))
        except Refused as error:
            raise self._told(error, name) from error

    def _told(self, error: Refused, name: str) -> Exception:
        match error.why:
            case "host" | "private":
                LOG.warning("a file at the host %r was refused", error.what)
                return UserError(f"{name} does not lie at Slack; upload the picture itself.", kind="external_file")
            case "size":
                most = self._fetcher.most_bytes // 2**20
                return UserError(f"{name} is larger than {most} MB; send a smaller one.", kind="too_large")
            case "page":  # that asks to log in
                return UserError(f"Slack did not give {name}: the app lacks the scope files:read.", kind="file_refused")
            case "status":
                return UserError(f"Slack did not give {name} ({error.what}); may the app read files?",
                                 kind="file_refused")  # fmt: skip
            case "hops":
                return UserError(f"{name} could not be fetched: Slack sends one from place to place.",
                                 kind="file_refused")  # fmt: skip
            case _:  # unreachable
                return ConnectionError(f"{error.what} cannot be reached")
