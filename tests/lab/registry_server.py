# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A registry served over https on the loopback, as honest or hostile as its pages are; and registries of any size."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import ipaddress
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Page = Callable[["Handler"], None]


def fingerprint(number: int) -> str:
    """A fingerprint for every number."""
    return "sha256:" + hashlib.sha256(str(number).encode()).hexdigest()


def certificate(directory: Path) -> tuple[Path, Path]:
    """A key and a certificate for 127.0.0.1 that is its own authority; (certificate, both)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "registry")])
    now = datetime.datetime.now(datetime.timezone.utc)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    authority, both = directory / "authority.pem", directory / "server.pem"
    public = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    authority.write_bytes(public)
    both.write_bytes(public + secret)
    return authority, both


class Handler(BaseHTTPRequestHandler):
    """Answers with the page of the path; ``pages`` and ``asked`` are the server's."""

    protocol_version = "HTTP/1.1"
    pages: Mapping[str, Page | Any]
    asked: list[tuple[str, dict[str, str]]]

    def do_GET(self) -> None:
        self.asked.append((self.path, dict(self.headers)))
        page = self.pages.get(self.path)
        # Whoever is refused hangs up in the middle.
        with contextlib.suppress(OSError):
            if page is None:
                self.answer(b"nothing", status=404)
            elif callable(page):
                page(self)
            else:
                self.answer(page if isinstance(page, bytes) else json.dumps(page).encode())
        self.close_connection = True

    def answer(self, body: bytes, status: int = 200, **headers: str) -> None:
        """One whole answer, with an ETag; 304 to those who have it."""
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        if status == 200 and self.headers.get("If-None-Match") == etag:
            status, body = 304, b""
        self.send_response(status)
        for name, value in {"ETag": etag, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        """Nothing on the terminal."""


def redirect(target: str, status: int = 302) -> Page:
    """A page that sends elsewhere."""
    return lambda handler: handler.answer(b"", status, Location=target)


class Server:
    """A running registry: its address, its pages and who asked."""

    def __init__(self, both: Path | None) -> None:
        self.pages: dict[str, Page | Any] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        kind = type("Bound", (Handler,), {"pages": self.pages, "asked": self.asked})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
        self._server.daemon_threads = True
        if both is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(both)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        scheme = "http" if both is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Stop answering; the port is closed."""
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def serving(both: Path | None) -> Iterator[Server]:
    """A server for as long as the block. both: certificate and key; None for plain http."""
    server = Server(both)
    try:
        yield server
    finally:
        with contextlib.suppress(OSError):
            server.stop()


def stack(name: str, digest: str, account: str, snapshot_id: str, **more: Any) -> dict[str, Any]:
    """The document of a stack with one snapshot of 1 GiB in us-east-1."""
    snapshot = {
        "region": "us-east-1",
        "snapshot_id": snapshot_id,
        "os": "alinux2023",
        "architecture": "x86_64",
        "size_gb": 1,
    }
    return {
        "name": name,
        "description": f"The stack {name}",
        "fingerprint": digest,
        "seed_url": f"seeds/{name}.yaml",
        "packages": ["numpy@2.2.1", "samtools@1.21 ^htslib+libcurl"],
        "aws_account": account,
        "public": True,
        "verified": False,
        "created": "2026-01-31",
        "updated": "2026-02-01T12:00:00Z",
        "snapshots": [snapshot],
        **more,
    }


def index(*stacks: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """The index of some stacks."""
    entries = [
        {
            "name": one["name"],
            "fingerprint": one["fingerprint"],
            "metadata_url": f"snapshots/{one['name']}.json",
            "description": one.get("description", ""),
            "packages": one.get("packages", []),
        }
        for one in stacks
    ]
    return {"version": "1.0", "registry": "https://registry.example.org/", "snapshots": entries, **more}


def write(directory: Path, *stacks: Mapping[str, Any]) -> str:
    """A registry as a directory; its address."""
    (directory / "snapshots").mkdir(parents=True, exist_ok=True)
    (directory / "snapshots" / "index.json").write_text(json.dumps(index(*stacks)))
    for one in stacks:
        (directory / "snapshots" / f"{one['name']}.json").write_text(json.dumps(one))
    return f"file://{directory}"
