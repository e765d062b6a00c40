"""A stand-in for Slack's servers: its Web API as far as the bot uses it, files behind the bot's token, and events that
are signed as Slack signs them. It refuses what Slack refuses, and fails now and then where it is told to.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import queue
import re
import threading
import time
from urllib.parse import urlsplit

import httpx
from service_stand_in import StandIn
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

TOKEN, SECRET, TEAM = "xoxb-the-token", "the signing secret", "T1"
APP_TOKEN = "xapp-the-token"  # for Socket Mode
OUTSIDE = "C9"  # a channel that the bot is not in


class Slack(StandIn):
    """The servers. `messages` are what stands in the channels, by ts; `requests` all calls: (method, arguments).

    `panes` are the threads of the assistant's pane. What asks for `/gate` is let through once `gate` is set; `stalled`
    has the time at which each came there.
    """

    def __init__(self):
        self.messages, self.requests, self.files, self.elsewhere = {}, [], {}, []
        self.uploads, self.fail = {}, lambda method: None
        self.panes, self.views = {}, []
        self.gate, self.stalled = threading.Event(), []
        self._count = 0
        self._sockets, self.acknowledged = [], queue.Queue()
        super().__init__()
        self._gateway = serve(self._socket, "127.0.0.1", 0)
        threading.Thread(target=self._gateway.serve_forever, daemon=True).start()
        self.socket_url = f"ws://127.0.0.1:{self._gateway.socket.getsockname()[1]}/"

    def close(self):
        self._gateway.shutdown()
        super().close()

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
        if path == "/gate":
            self.stalled.append(time.monotonic())
            self.gate.wait()
            with contextlib.suppress(OSError):  # who asked may have been killed
                self.send(handler, 200, b"")
            return None
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
        token = APP_TOKEN if method == "apps.connections.open" else TOKEN
        if handler.headers.get("Authorization") != f"Bearer {token}" and arguments.get("token") != token:
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
        if pane := self.panes.get(arguments.get("thread_ts")):
            pane["status"] = ""
        return {"ts": ts, "channel": arguments["channel"]}

    def chat_update(self, arguments):
        if arguments["ts"] not in self.messages:
            return {"error": "message_not_found"}
        self.messages[arguments["ts"]]["text"] = arguments["text"]
        return {"ts": arguments["ts"]}

    def apps_connections_open(self, arguments):
        return {"url": self.socket_url}

    def conversations_replies(self, arguments):
        if arguments["channel"] == OUTSIDE:
            return {"error": "not_in_channel"}
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
        self.views.append(json.loads(view) if isinstance(view, str) else view)
        return {"view": {"id": "V1"}}

    def assistant_threads_set_suggested_prompts(self, arguments):
        prompts = arguments["prompts"]
        assert 1 <= len(prompts) <= 4
        return self._in_pane(arguments, "prompts", [prompt["message"] for prompt in prompts if prompt["title"]])

    def assistant_threads_set_title(self, arguments):
        return self._in_pane(arguments, "title", arguments["title"])

    def assistant_threads_set_status(self, arguments):
        return self._in_pane(arguments, "status", arguments["status"])

    def _in_pane(self, arguments, what, value):
        pane = self.panes.get(arguments["thread_ts"])
        if pane is None or pane["channel"] != arguments["channel_id"]:
            return {"error": "invalid_thread_ts"}
        pane[what] = value
        pane["told"].append((what, value))
        return {}

    # Socket Mode

    def _socket(self, socket):
        socket.send(json.dumps({"type": "hello", "num_connections": 1}))
        self._sockets.append(socket)
        with contextlib.suppress(ConnectionClosed):
            for raw in socket:
                self.acknowledged.put(json.loads(raw)["envelope_id"])

    def deliver_over_socket(self, body):
        """Send a body over the newest connection, once there is one; comes back when it was acknowledged."""
        while not self._sockets:
            time.sleep(0.01)
        envelope = {"envelope_id": body["event_id"], "type": "events_api", "payload": body}
        self._sockets[-1].send(json.dumps(envelope | {"accepts_response_payload": False}))
        assert self.acknowledged.get(timeout=30) == body["event_id"]

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

    def pane(self, kind="assistant_thread_started", thread="9.000000", channel="D1", user="U1"):
        """The body of the event of a thread that is begun in the pane, or met again in another channel."""
        self.panes.setdefault(thread, {"channel": channel, "told": []})
        context = {"channel_id": "C1", "team_id": TEAM, "enterprise_id": None}
        about = {"user_id": user, "channel_id": channel, "thread_ts": thread, "context": context}
        body = self.event("", channel=channel, kind=kind)
        return body | {"event": {"type": kind, "assistant_thread": about, "event_ts": self.ts()}}

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


# Made once, since that takes longer than an answer; connections are not kept, since tests kill who answers.
CLIENT = httpx.Client(timeout=10, limits=httpx.Limits(max_keepalive_connections=0))


def deliver(url, body, **how):
    """Send a body as Slack does; the answer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return CLIENT.post(f"{url}/slack/events", content=data, headers=signed(data, **how))
