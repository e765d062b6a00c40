"""A stand-in for Slack's servers: its Web API as far as the bot uses it, files behind the bot's token, and events that
are signed as Slack signs them. It refuses what Slack refuses, and fails now and then where it is told to.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from urllib.parse import urlsplit

import httpx
from service_stand_in import StandIn

TOKEN, SECRET, TEAM = "xoxb-the-token", "the signing secret", "T1"


class Slack(StandIn):
    """The servers. `messages` are what stands in the channels, by ts; `requests` all calls: (method, arguments)."""

    def __init__(self):
        self.messages, self.requests, self.files, self.elsewhere = {}, [], {}, []
        self.uploads, self.fail = {}, lambda method: None
        self._count = 0
        super().__init__()

    def ts(self):
        with self._lock:
            self._count += 1
            return f"1700000000.{self._count:06d}"

    def file(self, name, data, **more):
        """A file in a message, as Slack describes it."""
        self.files[f"/files/{name}"] = data
        return {"name": name, "size": len(data), "url_private": f"{self.url}/files/{name}"} | more

    def give(self, handler):
        """A file, to who has the token; `/away` leads elsewhere."""
        path = urlsplit(handler.path).path
        self.elsewhere.append((handler.headers.get("Host"), handler.headers.get("Authorization")))
        if path == "/files/away":
            return self.send(handler, 302, b"", {"Location": f"http://localhost:{self.server.server_port}/files/x"})
        if path not in self.files or handler.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.send(handler, 200, b"<html>sign in</html>", {"Content-Type": "text/html"})
        return self.send(handler, 200, self.files[path], {"Content-Type": "image/png"})

    def answer(self, handler):
        """A call of the Web API."""
        body = self.body(handler)
        path = urlsplit(handler.path).path
        if path.startswith("/upload/"):
            self.uploads[path.rpartition("/")[2]]["data"] = body
            return self.send(handler, 200, b"OK")
        method = path.rpartition("/")[2]
        arguments = self.arguments(handler, body)
        if handler.headers.get("Authorization") != f"Bearer {TOKEN}" and arguments.get("token") != TOKEN:
            return self.json(handler, {"ok": False, "error": "invalid_auth"})
        self.requests.append((method, arguments))
        failure = self.fail(method)
        if failure is not None:
            return self.send(handler, failure, b"{}", {"Content-Type": "application/json"})
        name = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=URL)(?=[A-Z])", "_", method).replace(".", "_").lower()
        done = getattr(self, name)(arguments)
        return self.json(handler, {"ok": True} | done if "error" not in done else {"ok": False} | done)

    # The Web API

    def chat_post_message(self, arguments):
        ts = self.ts()
        metadata = arguments.get("metadata")
        metadata = json.loads(metadata) if isinstance(metadata, str) else metadata
        self.messages[ts] = arguments | {"ts": ts, "metadata": metadata, "files": []}
        return {"ts": ts, "channel": arguments["channel"]}

    def chat_update(self, arguments):
        if arguments["ts"] not in self.messages:
            return {"error": "message_not_found"}
        self.messages[arguments["ts"]]["text"] = arguments["text"]
        return {"ts": arguments["ts"]}

    def conversations_replies(self, arguments):
        return {"messages": [one for one in self.messages.values() if one.get("thread_ts") == arguments["ts"]]}

    def files_get_upload_url_external(self, arguments):
        name = f"F{len(self.uploads)}"
        self.uploads[name] = dict(arguments)
        return {"upload_url": f"{self.url}/upload/{name}", "file_id": name}

    def files_complete_upload_external(self, arguments):
        given = arguments["files"]
        named = json.loads(given) if isinstance(given, str) else given
        ts = self.ts()
        self.messages[ts] = arguments | {"ts": ts, "text": "", "files": named}
        return {"files": named}

    def views_open(self, arguments):
        view = arguments["view"]
        self.view = json.loads(view) if isinstance(view, str) else view
        return {"view": {"id": "V1"}}

    def assistant_threads_set_suggested_prompts(self, arguments):
        return {}

    # What happens in the channels

    def event(self, text, ts=None, channel="C1", user="U1", thread=None, kind="app_mention", files=(), **more):
        """The body of an event."""
        ts = ts or self.ts()
        event = {"type": kind, "text": text, "ts": ts, "channel": channel, "user": user, "files": list(files)} | more
        if kind == "message":
            event["channel_type"] = "im"
        if thread:
            event["thread_ts"] = thread
        return {
            "type": "event_callback",
            "team_id": TEAM,
            "event_id": f"Ev{ts}{kind}",
            "event": event,
            "authorizations": [{"team_id": TEAM, "user_id": "UBOT", "is_bot": True}],
        }

    def answers(self, thread=None):
        """What the bot has answered, by the message that it answers."""
        told = {}
        for one in self.messages.values():
            if one.get("metadata") and thread in (None, one["thread_ts"]):
                told.setdefault(one["metadata"]["event_payload"]["message"], []).append(one["text"])
        return told


def signed(body, secret=SECRET, at=None, form=False):
    """The headers with which Slack sends a body."""
    stamp = str(int(time.time() if at is None else at))
    digest = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    kind = "application/x-www-form-urlencoded" if form else "application/json"
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}", "Content-Type": kind}


def deliver(url, body, **how):
    """Send a body as Slack does; the answer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.post(f"{url}/slack/events", content=data, headers=signed(data, **how), timeout=10)
