"""The metadata service of an instance, version 2: without a token it says nothing."""

from __future__ import annotations

import json
import secrets
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Metadata:
    """What an instance can learn about itself. ``items`` are the leaves below ``/latest/meta-data``."""

    items: Mapping[str, str]
    identity: Mapping[str, object]
    user_data: bytes = b""
    tokens_required: bool = True
    extra: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, float] = field(default_factory=dict)

    def answer(self, path: str) -> bytes | None:
        """The body for a path below ``/latest``; None where there is nothing."""
        if path == "user-data":
            return self.user_data or None
        if path == "dynamic/instance-identity/document":
            return json.dumps(self.identity).encode()
        if path.split("/", 1)[0] != "meta-data":
            return None
        leaves = {**self.items, **self.extra}
        wanted = path.removeprefix("meta-data").strip("/")
        if wanted in leaves:
            return leaves[wanted].encode()
        prefix = f"{wanted}/" if wanted else ""
        below = {
            (rest[0] + "/" if rest[1] else rest[0])
            for key in leaves
            if key.startswith(prefix)
            for rest in [key[len(prefix) :].partition("/")[::2]]
        }
        return "\n".join(sorted(below)).encode() or None


class _Handler(BaseHTTPRequestHandler):
    metadata: Metadata
    protocol_version = "HTTP/1.1"
    timeout = 10

    def _send(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self) -> None:
        """A new token."""
        try:
            seconds = int(self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", ""))
        except ValueError:
            seconds = 0
        if self.path != "/latest/api/token" or not 1 <= seconds <= 21600 or "X-Forwarded-For" in self.headers:
            self._send(400)
            return
        token = secrets.token_urlsafe(40)
        self.metadata.tokens[token] = time.monotonic() + seconds
        self._send(200, token.encode())

    def do_GET(self) -> None:
        """Anything below /latest, for who holds a token."""
        token = self.headers.get("X-aws-ec2-metadata-token")
        if (token is not None or self.metadata.tokens_required) and self.metadata.tokens.get(
            token or "", 0
        ) < time.monotonic():
            self._send(401)
            return
        body = (
            self.metadata.answer(self.path.removeprefix("/latest/").rstrip("/"))
            if self.path.startswith("/latest/")
            else None
        )
        self._send(404) if body is None else self._send(200, body)

    def log_request(self, *_: object) -> None:
        """Nothing: the console is the instance's."""


def serve(listener: socket.socket, metadata: Metadata) -> ThreadingHTTPServer:
    """Answer on a socket that listens in the instance's network namespace, until the server is shut down."""
    handler = type("Handler", (_Handler,), {"metadata": metadata})
    server = ThreadingHTTPServer(("", 0), handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.5}, daemon=True).start()
    return server
