"""A package index for the instances: a directory of wheels, served as the simple repository API (PEP 503)."""

from __future__ import annotations

import hashlib
import html
import re
import threading
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote


def normalised(name: str) -> str:
    """A project's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def project_of(filename: str) -> str:
    """The project that a wheel or source archive belongs to."""
    if filename.endswith(".whl"):
        return normalised(filename.split("-", 1)[0])
    return normalised(re.sub(r"\.(tar\.gz|zip)$", "", filename).rpartition("-")[0])


@cache
def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Handler(BaseHTTPRequestHandler):
    wheels: Path
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        """/simple/, /simple/PROJECT/ and /files/NAME."""
        files = {path.name: path for path in self.wheels.iterdir() if path.is_file()} if self.wheels.is_dir() else {}
        place, _slash, name = unquote(self.path.partition("?")[0]).strip("/").partition("/")
        if place == "files" and name in files:
            self._send(200, files[name].read_bytes(), "application/octet-stream")
            return
        if place != "simple":
            self._send(404, b"", "text/plain")
            return
        if name:
            links = [
                f'<a href="/files/{html.escape(file)}#sha256={_digest(path)}">{html.escape(file)}</a>'
                for file, path in sorted(files.items())
                if project_of(file) == normalised(name)
            ]
        else:
            links = [f'<a href="/simple/{one}/">{one}</a>' for one in sorted({project_of(file) for file in files})]
        page = "<!DOCTYPE html><html><body>\n" + "<br>\n".join(links) + "\n</body></html>\n"
        self._send(200 if links or not name else 404, page.encode(), "text/html; charset=utf-8")

    def do_HEAD(self) -> None:
        """The same without the body."""
        self.do_GET()

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_request(self, *_: object) -> None:
        """Nothing."""


def serve(address: tuple[str, int], wheels: Path) -> None:
    """Serve a directory for as long as the process lives."""
    server = ThreadingHTTPServer(address, type("Handler", (_Handler,), {"wheels": wheels}))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
