"""Who may come in: tokens, hosts, origins, and how much may be sent. A thin layer around the application."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "saccade_token"
OPEN = ("/", "/login", "/healthz", "/readyz", "/favicon.ico")  # these tell nothing about anybody
OPEN_FOLDER = "/page/"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
MOST_BYTES = 64 * 2**20  # of one request


@dataclass(frozen=True)
class Doors:
    """Who may use the server.

    Attributes:
        tokens: user -> token; empty: everybody who can reach it is `alone`, which only a loopback address may be.
        alone: the user where there are no tokens.
        most_bytes: the largest request.
    """

    tokens: Mapping[str, str] = field(default_factory=dict)
    alone: str = "me"
    most_bytes: int = MOST_BYTES

    def user_of(self, token: str | None) -> str | None:
        """Whose token it is; None: nobody's."""
        if not self.tokens:
            return self.alone
        found = None
        for user, known in self.tokens.items():  # all of them, so that the time tells nothing
            if hmac.compare_digest((token or "").encode(), known.encode()):
                found = user
        return found


class TooLarge(HTTPException):
    """More was sent than may be."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__(413, too_large(most_bytes))


def too_large(most_bytes: int) -> str:
    """What to say of a request that is too large."""
    return f"A request may hold {most_bytes // 2**20} MB; send fewer or smaller pictures."


class Access:
    """ASGI middleware: refuses what may not come in; `scope["state"]["user"]` says who it is that may."""

    def __init__(self, app: ASGIApp, doors: Doors) -> None:
        self.app, self.doors = app, doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refused = self._refusal(scope, headers)
        if refused is not None:
            await _answer(send, *refused)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.doors.most_bytes:
                raise TooLarge(self.doors.most_bytes)
            return message

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_SAFE]
            await send(message)

        await self.app(scope, counted, sent)

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str, str] | None:
        """Why a request may not come in: (status, kind, message); None: it may."""
        host = headers.get("host", "")
        name = urlsplit(f"//{host}").hostname or ""
        if not self.doors.tokens and name not in LOOPBACK:  # a page elsewhere whose name leads here (DNS rebinding)
            return 421, "wrong_host", f"{name!r} is not what this server is called here: use localhost."
        origin = headers.get("origin")
        if origin and scope["method"] not in ("GET", "HEAD") and urlsplit(origin).netloc != host:
            return 403, "other_origin", "Pages of other sites may not use this server."
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > self.doors.most_bytes:
            return 413, "too_large", too_large(self.doors.most_bytes)
        user = self.doors.user_of(_token(headers))
        scope.setdefault("state", {})["user"] = user
        path = scope["path"]
        if user is None and path not in OPEN and not path.startswith(OPEN_FOLDER):
            return 401, "no_token", "A token is needed: send it as `Authorization: Bearer TOKEN`."
        return None


_SAFE = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' blob: data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; "
        b"base-uri 'none'; form-action 'self'",
    ),
)


def _token(headers: Headers) -> str | None:
    kind, _, token = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and token:
        return token.strip()
    try:
        cookies = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return None
    return cookies[COOKIE].value if COOKIE in cookies else None


async def _answer(send: Send, status: int, kind: str, message: str) -> None:
    """A JSON error, in the form of OpenAI's, which our own page reads too."""
    body = json.dumps({"error": {"message": message, "type": kind, "code": kind}}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *_SAFE]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
