"""A server on this machine that wants a user name and password for everything: Git repositories, and plain files."""

from __future__ import annotations

import base64
import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, urlsplit

USER = "builder"
# As tokens are, with what has to be escaped in an address.
PASSWORD = "tok3n/very@secret"


@dataclass
class PrivateServer:
    """What is below a directory. asked: paths of requests that were let in; refused: how many were not."""

    root: Path
    port: int = 0
    asked: list[str] = field(default_factory=list)
    refused: int = 0

    def url(self, path: str) -> str:
        """An address with user name and password."""
        return f"http://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/{path}"

    def plain(self, path: str) -> str:
        """The same without."""
        return f"http://127.0.0.1:{self.port}/{path}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """All forms in which the password may turn up."""
        whole = f"{USER}:{PASSWORD}"
        return (PASSWORD, quote(PASSWORD, safe=""), base64.b64encode(whole.encode()).decode())


@contextlib.contextmanager
def serving(root: Path) -> Iterator[PrivateServer]:
    """A server of a directory, until the end of the block."""
    server = PrivateServer(root)
    expected = f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            if self.headers.get("Authorization") != expected:
                server.refused += 1
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="petal"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            server.asked.append(self.path)
            parts = urlsplit(self.path)
            if ".git/" in parts.path:
                self._git(parts.path, parts.query)
                return
            file = root / parts.path.lstrip("/")
            data = file.read_bytes() if file.is_file() else b""
            self.send_response(200 if file.is_file() else 404)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _answer  # noqa: N815 as http.server has it

        def _git(self, path: str, query: str) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            said = subprocess.run(
                ["git", "http-backend"],
                input=body,
                capture_output=True,
                check=True,
                env={
                    "PATH": os.environ["PATH"],
                    "GIT_PROJECT_ROOT": str(root),
                    "GIT_HTTP_EXPORT_ALL": "1",
                    "PATH_INFO": path,
                    "QUERY_STRING": query,
                    "REQUEST_METHOD": self.command,
                    "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                    "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                    "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                },
            ).stdout
            head, _blank, data = said.partition(b"\r\n\r\n")
            lines = [line.split(": ", 1) for line in head.decode().split("\r\n")]
            self.send_response(int(next((value.split()[0] for name, value in lines if name == "Status"), "200")))
            for name, value in lines:
                if name != "Status":
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 as http.server has it
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.port = http.server_address[1]
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
