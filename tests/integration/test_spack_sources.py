"""All sources are looked for before the first is compiled, with the real Spack."""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from modules import result_of, start_module
from spack_lab import PATIENCE, Lab, archive, fail, made_at, run, warnings

RECIPE = '''\
from spack_repo.builtin.build_systems.generic import Package

from spack.package import *


class {class_name}(Package):
    """A program of a test."""

    {body}
    depends_on("petal-quick")

    def install(self, spec, prefix):
        mkdirp(prefix.bin)
'''
DIGEST = "0" * 64


class Server(BaseHTTPRequestHandler):
    """Has what begins with "there", and is in trouble with what begins with "busy"."""

    asked: list[str]

    def do_HEAD(self) -> None:
        self.asked.append(f"{self.command} {self.path}")
        name = self.path.rpartition("/")[2]
        status = 200 if name.startswith("there") else 503 if name.startswith("busy") else 404
        if name.startswith("there-get") and self.command == "HEAD":
            status = 405
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serving() -> Iterator[tuple[str, list[str]]]:
    """A server, as its address and what it was asked."""
    asked: list[str] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Server,), {"asked": asked})) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    yield from made_at(tmp_path_factory.mktemp("sources"))


def recipe(lab: Lab, name: str, *body: str) -> None:
    directory = lab.root / "spack_repo" / "petal_test" / "packages" / name
    directory.mkdir(parents=True, exist_ok=True)
    class_name = "".join(part.capitalize() for part in name.split("_"))
    (directory / "package.py").write_text(RECIPE.format(class_name=class_name, body="\n    ".join(body)))


def version(url: str, digest: str = DIGEST) -> str:
    return f'version("1.0", url="{url}", sha256="{digest}", expand=False)'


def test_all_that_is_missing_is_said_at_once_and_before_anything_is_built(lab: Lab) -> None:
    lab.forget("missing", "petal-quick")
    git = lab.root / "upstream"
    git.mkdir()
    subprocess.run(["git", "init", "--quiet", git], check=True)
    with serving() as (url, asked):
        recipe(lab, "petal_there", version(f"{url}/there.tar.gz"))
        recipe(lab, "petal_there_get", version(f"{url}/there-get.tar.gz"))
        recipe(lab, "petal_gone_web", version(f"{url}/gone.tar.gz?token=secret"))
        recipe(lab, "petal_gone_file", version("file:///nowhere/x.tar.gz"))
        resource = f'resource(name="data", url="{url}/data.bin", sha256="{DIGEST}", destination=".", expand=False)'
        recipe(
            lab, "petal_gone_parts", version(f"{url}/there.bin"), resource, f'patch("{url}/a.patch", sha256="{DIGEST}")'
        )
        recipe(lab, "petal_gone_tag", f'version("1.0", git="file://{git}", tag="v1.0")')
        names = ("there", "there-get", "gone-web", "gone-file", "gone-parts", "gone-tag")
        specs = [f"petal-{name}" for name in names]
        message = fail(**lab.arguments("missing", *specs))["msg"]
        assert lab.builds() == [], "nothing is begun"
        assert not [line for line in asked if line.startswith("GET") and "there-get" not in line]
    lines = [line.strip() for line in message.splitlines()]
    assert lines[0].startswith("5 of the ")
    assert sorted(lines[1:6]) == [
        "petal-gone-file@1.0: file:///nowhere/x.tar.gz (not there)",
        f"petal-gone-parts@1.0 (patch): {url}/a.patch (404 Not Found)",
        f"petal-gone-parts@1.0 (resource): {url}/data.bin (404 Not Found)",
        f"petal-gone-tag@1.0: file://{git} (it has no v1.0)",
        f"petal-gone-web@1.0: {url}/gone.tar.gz (404 Not Found)",
    ], message
    assert "secret" not in message
    assert lines[6].startswith("Looked for in the mirrors file://")
    assert "petal.hpc.mirror" in lines[7]


def test_a_mirror_is_enough_and_is_asked_first(lab: Lab) -> None:
    data = archive("mirrored", {"x": "y"})
    digest = hashlib.sha256(data).hexdigest()
    place = lab.root / "mirror" / "_source-cache" / "archive" / digest[:2] / f"{digest}.tar.gz"
    place.parent.mkdir(parents=True)
    place.write_bytes(data)
    with serving() as (url, asked):
        recipe(lab, "petal_mirrored", version(f"{url}/gone.tar.gz", digest).replace(", expand=False", ""))
        lab.mirrors(mine={"url": f"file://{lab.root}/mirror", "source": True, "binary": False})
        try:
            done = run(**lab.arguments("mirrored", "petal-mirrored"))
        finally:
            lab.mirrors()
        assert done["environment"]["finished"]
        assert asked == []


def test_what_was_found_is_not_looked_for_again(lab: Lab) -> None:
    with serving() as (url, asked):
        recipe(lab, "petal_once", version(f"{url}/there.tar.gz"))
        given = lab.arguments("once", "petal-once")
        # It is there, and not what it should be: that is seen when it is fetched.
        assert "petal-once@1.0 did not build" in fail(**given)["msg"]
        assert [line for line in asked if line.startswith("HEAD")] == ["HEAD /there.tar.gz"]
        assert "petal-once@1.0 did not build" in fail(**given)["msg"]
        assert [line for line in asked if line.startswith("HEAD")] == ["HEAD /there.tar.gz"]


def test_who_does_not_want_it_does_without(lab: Lab) -> None:
    with serving() as (url, asked):
        recipe(lab, "petal_unasked", version(f"{url}/gone.tar.gz"))
        message = fail(**lab.arguments("unasked", "petal-unasked", look_for_sources=False))["msg"]
        assert "petal-unasked@1.0 did not build" in message
        assert not [line for line in asked if line.startswith("HEAD")]


def test_a_server_in_trouble_ends_nothing(lab: Lab) -> None:
    with serving() as (url, _asked):
        recipe(lab, "petal_busy", version(f"{url}/busy.tar.gz"))
        recipe(lab, "petal_svn", 'version("1.0", svn="file:///nowhere/repository", revision="1")')
        failed = result_of(
            start_module("spack_environment", **lab.arguments("busy", "petal-busy", "petal-svn")), PATIENCE
        )
        # It was begun, which is what nobody could know to be in vain.
        assert "did not build on" in failed["msg"]
        (told,) = warnings(failed)
        assert told.startswith("Whether these sources can be had is seen only when they are fetched: ")
        assert f"petal-busy@1.0: {url}/busy.tar.gz (503 Service Unavailable)" in told
        assert "petal-svn@1.0: Svn" in told


def test_without_a_network_it_does_not_take_long(lab: Lab) -> None:
    """No server answers: few of them are waited for, and what a mirror has needs none."""
    names = [f"petal_away_{chr(ord('a') + number)}" for number in range(12)]
    for number, name in enumerate(names):
        # Addresses for documentation: packets to them go nowhere (RFC 5737).
        recipe(lab, name, version(f"http://192.0.2.{number + 1}/x.tar.gz"))
    began = time.monotonic()
    message = fail(**lab.arguments("away", *[name.replace("_", "-") for name in names], wait_s=PATIENCE))["msg"]
    assert message.startswith("12 of the ")
    assert time.monotonic() - began < 60
    assert Path(lab.environment("away"), "spack.lock").exists()
