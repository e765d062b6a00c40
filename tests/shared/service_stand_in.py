"""What the stand-ins for chat services have in common: a server on this machine, and how requests are read."""

from __future__ import annotations

import json
import threading
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs


class StandIn:
    """A server at `url`; `give` answers GET requests, `answer` all others."""

    def __init__(self):
        here = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                here.give(self)

            def do_POST(self):
                here.answer(self)

            def do_PATCH(self):
                here.answer(self)

            def do_PUT(self):
                here.answer(self)

            def log_message(self, *_):
                pass

        self._lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    @staticmethod
    def body(handler):
        return handler.rfile.read(int(handler.headers.get("Content-Length", 0)))

    @staticmethod
    def arguments(handler, body):
        """What a request says: JSON, a form, or the parts of a form with files."""
        kind = handler.headers.get("Content-Type", "")
        if "json" in kind:
            return json.loads(body or b"{}")
        if "multipart" in kind:
            parts = BytesParser().parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body).get_payload()
            return {part.get_param("name", header="content-disposition"): part.get_payload() for part in parts}
        return {key: values[0] for key, values in parse_qs(body.decode()).items()}

    @classmethod
    def json(cls, handler, data, status=200):
        cls.send(handler, status, json.dumps(data).encode(), {"Content-Type": "application/json"})

    @staticmethod
    def send(handler, status, data, headers=None):
        handler.send_response(status)
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)
