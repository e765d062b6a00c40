"""Fetching a picture by its address, from known hosts alone, however redirects and names turn out."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import SplitResult, urljoin, urlsplit

import httpx

MOST_BYTES = 50 * 2**20
HOPS = 3  # redirects that are followed
SECONDS = 30.0
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # IPv6 addresses that gateways turn into IPv4 ones
_REDIRECTS = frozenset({301, 302, 303, 307, 308})

Why = Literal["host", "private", "unreachable", "status", "page", "size", "hops"]


class Refused(Exception):
    """A file was not fetched.

    Attributes:
        why: "host": it does not lie at a known host; "private": the host's name leads into a network of our own;
            "unreachable": the host does not answer; "status": it does not give the file; "page": it is a page and no
            picture; "size": it is too large; "hops": one is sent from place to place.
        what: the host, or the status.
    """

    def __init__(self, why: Why, what: str = "") -> None:
        super().__init__(f"{why}: {what}")
        self.why, self.what = why, what


def addresses_of(host: str, port: int) -> list[str]:
    """The addresses that a name leads to."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


@dataclass(frozen=True)
class Fetcher:
    """Fetches files from known hosts.

    Attributes:
        hosts: where files may lie; redirects may lead to these, too, and nowhere else.
        headers: sent along, a token say.
        most_bytes: the largest file.
        public: refuse hosts whose names lead to addresses that are not public. The very address that was checked is
            connected to, so that a name cannot mean another one a moment later.
        plain: let http through, for a stand-in on this machine.
        resolve: how a name becomes addresses.
    """

    hosts: Collection[str]
    headers: Mapping[str, str] = field(default_factory=dict)
    most_bytes: int = MOST_BYTES
    public: bool = True
    plain: bool = False
    resolve: Callable[[str, int], list[str]] = addresses_of

    def fetch(self, url: str) -> bytes:
        """The bytes behind an address.

        Raises:
            Refused: see there.
        """
        with httpx.Client(timeout=SECONDS, follow_redirects=False, trust_env=False) as client:
            for _ in range(HOPS + 1):
                parts = self._checked(url)
                request = self._request(client, parts)
                try:
                    answer = client.send(request, stream=True)
                except httpx.TransportError as error:
                    raise Refused("unreachable", parts.hostname or "") from error
                try:
                    if answer.status_code in _REDIRECTS:
                        url = urljoin(url, answer.headers.get("location", ""))
                        continue
                    return self._read(answer)
                except httpx.TransportError as error:
                    raise Refused("unreachable", parts.hostname or "") from error
                finally:
                    answer.close()
        raise Refused("hops")

    def _checked(self, url: str) -> SplitResult:
        try:
            parts = urlsplit(url)
            named, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise Refused("host", url[:80]) from error
        allowed = named in self.hosts and parts.username is None and port in (None, 443 if not self.plain else port)
        if not allowed or not (parts.scheme == "https" or (self.plain and parts.scheme == "http")):
            raise Refused("host", named)
        return parts

    def _request(self, client: httpx.Client, parts: SplitResult) -> httpx.Request:
        """The request for an address; where only public ones count, to the address that was checked."""
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        if not self.public:
            return client.build_request("GET", parts.geturl(), headers=dict(self.headers))
        try:
            found = self.resolve(host, port)
        except OSError as error:
            raise Refused("unreachable", host) from error
        if not found or not all(is_public(one) for one in found):
            raise Refused("private", host)
        direct = f"[{found[0]}]" if ":" in found[0] else found[0]
        address = parts._replace(netloc=f"{direct}:{port}", fragment="").geturl()
        # The certificate has to be the host's, and not the address's.
        return client.build_request(
            "GET", address, headers={**self.headers, "Host": parts.netloc}, extensions={"sni_hostname": host}
        )

    def _read(self, answer: httpx.Response) -> bytes:
        if answer.status_code != 200:
            raise Refused("status", str(answer.status_code))
        if "text/html" in answer.headers.get("content-type", ""):
            raise Refused("page")
        data = bytearray()
        for part in answer.iter_bytes():
            data += part
            if len(data) > self.most_bytes:
                raise Refused("size")
        return bytes(data)


def is_public(address: str) -> bool:
    """Whether an address is one of the public network, and none of a machine's own or of a network at home."""
    one = ipaddress.ip_address(address.partition("%")[0])
    if not one.is_global or one.is_multicast:
        return False
    if isinstance(one, ipaddress.IPv4Address):
        return True
    inside = ipaddress.IPv4Address(int(one) & 0xFFFF_FFFF) if one in _NAT64 else one.ipv4_mapped or one.sixtofour
    return inside is None or is_public(str(inside))
