"""A stand-in for Discord's servers: its HTTP interface as far as the bot uses it, and the gateway with its events."""

from __future__ import annotations

import json
import re
import threading
from urllib.parse import parse_qs, urlsplit

from service_stand_in import StandIn
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

TOKEN, ME, SERVER, CHANNEL, THREAD, DIRECT = "the.bot.token", 900, 50, 51, 52, 53
WHEN = "2026-01-01T00:00:00+00:00"
OWNER = {"id": "1", "username": "owner", "discriminator": "0", "avatar": None}
BOT = {"id": str(ME), "username": "saccade", "discriminator": "0", "avatar": None, "bot": True}
ROLE = {"id": str(SERVER), "name": "@everyone", "permissions": "0", "position": 0, "color": 0, "hoist": False,
        "managed": False, "mentionable": False}  # fmt: skip
MEMBER = {"roles": [], "joined_at": None, "deaf": False, "mute": False, "flags": 0, "nick": None, "pending": False,
          "premium_since": None, "avatar": None, "communication_disabled_until": None}  # fmt: skip
GUILD = {
    "id": str(SERVER), "name": "a server", "icon": None, "owner_id": "1", "roles": [ROLE], "emojis": [], "features": [],
    "member_count": 2, "members": [], "voice_states": [], "presences": [], "stickers": [], "preferred_locale": "en-US",
    "channels": [{"id": str(CHANNEL), "type": 0, "name": "pictures", "position": 0, "permission_overwrites": []}],
    "threads": [{"id": str(THREAD), "type": 11, "guild_id": str(SERVER), "parent_id": str(CHANNEL), "owner_id": "1",
                 "name": "a thread", "message_count": 0, "member_count": 1, "thread_metadata": {
                     "archived": False, "auto_archive_duration": 60, "archive_timestamp": WHEN}}],
}  # fmt: skip


class Discord(StandIn):
    """`messages` are what stands in the channels, by id; `replies` what commands were answered; `requests` all calls.

    `fail(method, path)` may give a status with which a request is refused, and "lost" where it is carried out and the
    connection breaks before the answer.
    """

    def __init__(self):
        self.messages, self.files, self.requests, self.replies, self.commands = {}, {}, [], [], []
        self.fail = lambda method, path: None
        self._count, self._sequence, self._open = 10_000, 0, []
        self._greeted = threading.Event()
        super().__init__()
        self.gateway = serve(self._gateway, "127.0.0.1", 0, max_size=None)
        threading.Thread(target=self.gateway.serve_forever, daemon=True).start()
        self.gateway_url = f"ws://127.0.0.1:{self.gateway.socket.getsockname()[1]}/"

    def close(self):
        self.gateway.shutdown()
        super().close()

    def number(self):
        with self._lock:
            self._count += 1
            return str(self._count)

    # The gateway

    def _gateway(self, socket):
        socket.send(json.dumps({"op": 10, "d": {"heartbeat_interval": 41_250}}))
        try:
            for raw in socket:
                told = json.loads(raw)
                if told["op"] == 1:
                    socket.send(json.dumps({"op": 11}))
                elif told["op"] == 2 and told["d"]["token"] != TOKEN:
                    socket.close(4004, "Authentication failed.")
                elif told["op"] in (2, 6):
                    self._open.append(socket)
                    if told["op"] == 2:
                        self.dispatch("READY", {
                            "v": 10, "user": BOT, "session_id": "s", "resume_gateway_url": self.gateway_url,
                            "guilds": [{"id": str(SERVER), "unavailable": True}],
                            "application": {"id": "900", "flags": 0},
                        })  # fmt: skip
                        self.dispatch("GUILD_CREATE", GUILD)
                    else:
                        self.dispatch("RESUMED", {})
                    self._greeted.set()
        except ConnectionClosed:
            pass

    def dispatch(self, name, data):
        """Send an event to the newest connection."""
        with self._lock:
            self._sequence += 1
            self._open[-1].send(json.dumps({"op": 0, "t": name, "s": self._sequence, "d": data}))

    def hang_up(self):
        """Break the connection, as servers do now and then; the client comes back."""
        self._greeted.clear()
        self._open.pop().close(1001, "going away")

    # The HTTP interface

    def give(self, handler):
        path = urlsplit(handler.path).path
        if path.startswith("/cdn/"):
            data = self.files.get(path)
            return self.send(handler, 200 if data else 404, data or b"")
        return self.answer(handler)

    def answer(self, handler):
        body = self.body(handler)
        named = self.arguments(handler, body) if body else {}
        if "payload_json" in named:
            files = [one for key, one in named.items() if key.startswith("files")]
            named = json.loads(named["payload_json"]) | {"uploaded": files}
        address = urlsplit(handler.path)
        path = address.path.removeprefix("/api/v10")
        if "interactions" not in path and "webhooks" not in path and handler.headers["Authorization"] != f"Bot {TOKEN}":
            return self.json(handler, {"message": "401: Unauthorized", "code": 0}, 401)
        failure = self.fail(handler.command, path)
        if isinstance(failure, int):
            return self.json(handler, {"message": "not now", "code": 0}, failure)
        self.requests.append((handler.command, path, named))
        query = {key: values[0] for key, values in parse_qs(address.query).items()}
        done = self._done(handler.command, path, named, query)
        if failure == "lost":
            handler.close_connection = True
            return handler.connection.close()
        return self.json(handler, *(done if isinstance(done, tuple) else (done,)))

    def _done(self, command, path, named, query):
        match path.strip("/").split("/"):
            case ["users", "@me"]:
                return BOT
            case ["oauth2", "applications", "@me"]:
                return {"id": "900", "name": "saccade", "icon": None, "description": "", "bot_public": True,
                        "bot_require_code_grant": False, "owner": OWNER, "team": None, "verify_key": "",
                        "flags": 0}  # fmt: skip
            case ["applications", _, "commands"]:
                self.commands = named
                return [one | {"id": self.number(), "application_id": "900", "version": "1"} for one in named]
            case ["channels", channel, "messages"] if command == "POST":
                return self._posted(channel, named)
            case ["channels", channel, "messages"]:
                after = int(query.get("after", 0))
                there = [one for key, one in self.messages.items() if one["channel_id"] == channel and int(key) > after]
                return there[: int(query.get("limit", 50))]
            case ["channels", _, "messages", number] if number not in self.messages:
                return {"message": "Unknown Message", "code": 10008}, 404
            case ["channels", _, "messages", number]:
                if command == "PATCH":
                    self.messages[number] |= {key: named[key] for key in ("content", "uploaded") if key in named}
                    self.messages[number]["described"] = [
                        one.get("description") for one in named.get("attachments", [])
                    ]
                return self.messages[number]
            case ["interactions", *_]:
                return {"interaction": {"id": "1", "type": 2}, "resource": {"type": 5}}
            case ["webhooks", *_]:
                self.replies.append(named["content"])
                return self._message(self.number(), DIRECT, named["content"], BOT)

    def _posted(self, channel, named):
        nonce = named.get("nonce")
        known = [one for one in self.messages.values() if nonce and one.get("nonce") == nonce]
        if known and named.get("enforce_nonce"):
            return known[0]
        number = self.number()
        made = self._message(number, channel, named["content"], BOT)
        self.messages[number] = made | {"nonce": nonce, "message_reference": named.get("message_reference")}
        return self.messages[number]

    def _message(self, number, channel, text, author, **more):
        return {
            "id": number, "channel_id": str(channel), "author": author, "content": text, "type": 0,
            "timestamp": WHEN, "edited_timestamp": None, "tts": False, "mention_everyone": False,
            "mentions": [], "mention_roles": [], "attachments": [], "embeds": [], "pinned": False,
        } | more  # fmt: skip

    # What people do

    def person(self, user):
        return {"id": str(user), "username": f"user{user}", "discriminator": "0", "avatar": None}

    def write(self, text, channel=DIRECT, user=7, pictures=(), named=None, url=None, size=None):
        """A message; in a server's channel it names the bot unless `named` is False."""
        self._greeted.wait(20)
        number = self.number()
        files = []
        for at, data in enumerate(pictures):
            self.files[f"/cdn/{number}-{at}.png"] = data
            files.append({"id": f"{number}{at}", "filename": f"{at}.png", "size": size or len(data),
                          "url": url or f"{self.url}/cdn/{number}-{at}.png", "proxy_url": ""})  # fmt: skip
        more = {"attachments": files}
        if channel != DIRECT:
            more |= {"guild_id": str(SERVER), "member": MEMBER}
            if named is not False:
                text, more["mentions"] = f"<@{ME}> {text}", [BOT | {"member": MEMBER}]
        sent = self._message(number, channel, text, self.person(user), **more)
        self.messages[number] = sent
        self.dispatch("MESSAGE_CREATE", sent)
        return sent

    def command(self, name, channel=DIRECT, user=7, **options):
        """A slash command; what it was answered."""
        self._greeted.wait(20)
        before = len(self.replies)
        kinds = {str: 3, bool: 5}
        self.dispatch("INTERACTION_CREATE", {
            "id": self.number(), "application_id": "900", "type": 2, "token": "t", "version": 1,
            "channel_id": str(channel), "channel": {"id": str(channel), "type": 1, "recipients": [self.person(user)]},
            "user": self.person(user), "locale": "en-US", "entitlements": [], "attachment_size_limit": 10_000_000,
            "authorizing_integration_owners": {}, "app_permissions": "0", "context": 1,
            "data": {"id": "1", "name": name, "type": 1, "options": [
                {"name": key, "type": kinds[type(value)], "value": value} for key, value in options.items()]},
        })  # fmt: skip
        while len(self.replies) == before:
            pass
        return self.replies[-1]

    def answers(self):
        """What the bot says, by what it answers."""
        ours = [one for one in self.messages.values() if one["author"]["id"] == str(ME)]
        told = {}
        for one in ours:
            asked = self.messages[str(one["message_reference"]["message_id"])]["content"]
            told.setdefault(re.sub(r"<@\d+> ", "", asked), []).append(one["content"])
        return told
