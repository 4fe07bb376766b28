"""A real S3 API on the loopback, moto's; the credentials are in the environment and nowhere else."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest


@contextlib.contextmanager
def serve(monkeypatch: pytest.MonkeyPatch, directory: Path, secret: str, regional: bool = False) -> Iterator[str]:
    """The endpoint of a server that runs in a directory. Skips where moto is not installed.

    regional: each bucket is in its Region alone, and the server stands where Amazon does, not behind an endpoint_url.
    """
    if find_spec("moto") is None or find_spec("flask") is None:
        pytest.skip("moto[server] is not installed")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    alone = [sys.executable, str(Path(__file__).with_name("s3_regions.py")), str(port)]
    if regional:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{port}")
    server = subprocess.Popen(
        alone if regional else [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        cwd=directory,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    endpoint = f"http://127.0.0.1:{port}"
    try:
        for _attempt in range(100):
            try:
                urllib.request.urlopen(f"{endpoint}/moto-api/data.json", timeout=1).close()
                break
            except OSError:
                time.sleep(0.2)
        yield endpoint
    finally:
        server.terminate()
        server.wait()
