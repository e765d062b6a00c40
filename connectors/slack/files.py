"""Pictures that come with messages: fetched with the bot's token from Slack's own hosts, and from nowhere else."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from ...errors import UserError

HOSTS = frozenset({"files.slack.com", "slack-files.com"})
MOST_BYTES = 50 * 2**20
HOPS = 3  # redirects that are followed
SECONDS = 30.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
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
        self.hosts, self.most_bytes, self.plain = frozenset(hosts), most_bytes, plain
        self._headers = {"Authorization": f"Bearer {token}"}

    def fetch(self, file: dict[str, Any]) -> bytes:
        """The bytes of a file, as Slack describes it in a message.

        Raises:
            UserError: it is too large, lies elsewhere, or Slack does not give it.
        """
        name = str(file.get("name") or "the file")[:80]
        if file.get("is_external") or file.get("mode") == "external":
            raise UserError(f"{name} does not lie at Slack; upload the picture itself.", kind="external_file")
        if int(file.get("size") or 0) > self.most_bytes:
            raise self._too_large(name)
        address = str(file.get("url_private_download") or file.get("url_private") or "")
        with httpx.Client(timeout=SECONDS, follow_redirects=False, trust_env=False) as client:
            for _ in range(HOPS + 1):
                self._check(address, name)
                with client.stream("GET", address, headers=self._headers) as answer:
                    if answer.status_code in _REDIRECTS:
                        address = urljoin(address, answer.headers.get("location", ""))
                        continue
                    return self._read(answer, name)
        raise UserError(f"{name} could not be fetched: Slack sends one from place to place.", kind="file_refused")

    def _check(self, address: str, name: str) -> None:
        """Refuse to send the token anywhere but to Slack."""
        parts = urlsplit(address)
        known = (parts.hostname or "") in self.hosts and parts.username is None
        if not known or (parts.scheme != "https" and not (self.plain and parts.scheme == "http")):
            LOG.warning("a file at the host %r was refused", parts.hostname)
            raise UserError(f"{name} does not lie at Slack; upload the picture itself.", kind="external_file")

    def _read(self, answer: httpx.Response, name: str) -> bytes:
        if answer.status_code != 200:
            raise UserError(f"Slack did not give {name} ({answer.status_code}); may the app read files?",
                            kind="file_refused")  # fmt: skip
        if "text/html" in answer.headers.get("content-type", ""):  # a page that asks to log in
            raise UserError(f"Slack did not give {name}: the app lacks the scope files:read.", kind="file_refused")
        data = bytearray()
        for part in answer.iter_bytes():
            data += part
            if len(data) > self.most_bytes:
                raise self._too_large(name)
        return bytes(data)

    def _too_large(self, name: str) -> UserError:
        return UserError(f"{name} is larger than {self.most_bytes // 2**20} MB; send a smaller one.", kind="too_large")
