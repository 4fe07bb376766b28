# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Registries over https: honest ones are read, kept and asked again; hostile ones are refused with one clear line.

Look-ups that go through a registry to AWS are in test_sources.py.
"""

from __future__ import annotations

import gzip
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from modules import fail_module, run_module
from playing import ROOT, play
from registry_server import Handler, Server, certificate, fingerprint, index, redirect, serving, stack, write

from ansible_collections.petal.hpc.plugins.module_utils._registry import api, record

STACKS = [stack(name, fingerprint(number), "999888777666", f"snap-{number:017x}") for number, name in enumerate("abc")]
A, B, C = STACKS


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate, and it with its key."""
    pytest.importorskip("cryptography", reason="makes the server's certificate")
    return certificate(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def server(keys: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A registry with the stacks a, b and c, and a home of its own for whoever asks."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    with serving(keys[1]) as running:
        running.pages["/snapshots/index.json"] = index(*STACKS)
        running.pages.update({f"/snapshots/{one['name']}.json": one for one in STACKS})
        yield running


def arguments(server: Server, keys: tuple[Path, Path], question: str = "list", **more: Any) -> dict[str, Any]:
    return {"registry_url": server.url, "registry_ca_path": str(keys[0]), "question": question, **more}


def files(directory: Path) -> set[str]:
    """Everything below a directory but the answers in the cache, whose names are digests."""
    found = {str(path.relative_to(directory)) for path in directory.rglob("*") if not path.is_dir()}
    return {
        name for name in found if not (name.startswith("cache/petal.hpc/registry/") and len(name.split("/")[-1]) == 64)
    }


def refused(server: Server, keys: tuple[Path, Path], tmp_path: Path, **question: Any) -> str:
    """The one clear line with which a question is refused; nothing is written anywhere but to the cache."""
    message = fail_module("registry_info", **arguments(server, keys, **question))
    assert len(message.splitlines()) == 1, message
    assert len(message) < 400, message
    assert message.isprintable(), message
    assert server.url in message
    assert files(tmp_path) == set()
    return message


# Honest


def test_every_question(server: Server, keys: tuple[Path, Path]) -> None:
    def ask(question: str, **more: Any) -> dict[str, Any]:
        return run_module("registry_info", **arguments(server, keys, question, **more))

    assert [one["name"] for one in ask("list")["stacks"]] == ["a", "b", "c"]
    assert "verified" not in ask("list")["stacks"][0]
    whole = ask("list", details=True)["stacks"][1]
    assert (whole["regions"], whole["verified"], whole["updated"]) == (["us-east-1"], False, "2026-02-01T12:00:00Z")
    assert ask("list", official=True)["total"] == 0
    assert ask("list", official=False)["total"] == 3
    assert ask("list", limit=2)["reason"].endswith("2 of 3 are shown")
    assert ask("search", text="SAMTOOLS the")["total"] == 3
    assert ask("search", text="b")["stacks"][0]["name"] == "b"
    assert ask("search", text="nothing")["total"] == 0
    info = ask("info", name="b")
    assert info["stack"]["snapshots"][0]["snapshot_id"] == "snap-" + "0" * 16 + "1"
    assert info["stack"]["aws_account"] == "999888777666"
    assert ask("regions", name="b")["regions"] == ["us-east-1"]
    assert len(ask("variants", name="b", os="al2023", architecture="x86_64")["variants"]) == 1
    assert ask("variants", name="b", os="rhel9")["variants"] == []
    there = ask("check", fingerprint=fingerprint(2), region="us-east-1")
    assert (there["available"], there["variants"][0]["name"]) == (True, "c")
    assert "its snapshots are in us-east-1" in ask("check", fingerprint=fingerprint(2), region="eu-west-1")["reason"]
    assert ask("check", fingerprint=fingerprint(9))["available"] is False
    assert ask("update")["registry"]["requests"] == 1


def test_the_short_form(server: Server, keys: tuple[Path, Path]) -> None:
    server.pages["/snapshots/a.json"] = {"us-east-1": "snap-" + "1" * 17, "eu-west-1": "snap-" + "2" * 17}
    found = run_module("registry_info", **arguments(server, keys, "check", fingerprint=A["fingerprint"]))
    assert [(one["region"], one["os"]) for one in found["variants"]] == [("eu-west-1", None), ("us-east-1", None)]


def test_one_wrong_snapshot_is_a_warning(server: Server, keys: tuple[Path, Path]) -> None:
    wrong = {"region": "us-west-2", "snapshot_id": "snap-0abc123"}
    server.pages["/snapshots/a.json"] = {**A, "snapshots": [wrong] * 5 + A["snapshots"]}
    found = run_module("registry_info", **arguments(server, keys, "check", fingerprint=A["fingerprint"]))
    assert [one["region"] for one in found["variants"]] == ["us-east-1"]
    assert len(found["warnings"]) == 4
    assert "the stack a has a snapshot that is passed over: snapshots[0]: snapshot_id" in str(found["warnings"])
    assert "and 2 more" in str(found["warnings"])


EXAMPLE = ROOT / "tests" / "truth" / "examples" / "registry" / "snapshots"


def test_a_registry_as_the_design_prints_it(server: Server, keys: tuple[Path, Path], tmp_path: Path) -> None:
    """Over https below a branch, and as a clone: absolute addresses, no packages in the index, the community's form."""
    below = "/petal-snapshots/main"
    for path in EXAMPLE.iterdir():
        text = path.read_text().replace("https://registry.example.org", server.url)
        server.pages[f"{below}/snapshots/{path.name}"] = text.encode()
    over_https = {**arguments(server, keys), "registry_url": server.url + below}
    clone = {"registry_url": f"file://{EXAMPLE.parent}"}
    for where in (over_https, clone):
        found = run_module("registry_info", **{**where, "question": "search", "text": "samtools"})
        assert [one["name"] for one in found["stacks"]] == ["bioinformatics-v1"], where
        assert found["passed_over"] == []
        listed = run_module("registry_info", **{**where, "question": "list", "official": False})
        assert [(one["name"], one["regions"]) for one in listed["stacks"]] == [("my-custom-stack", ["us-east-1"])]
        told = run_module("registry_info", **{**where, "question": "variants", "name": "my-custom-stack"})
        assert [(one["snapshot_id"], one["size_gb"]) for one in told["variants"]] == [("snap-0aaaaaaaaaaaaaaa5", 300)]
    assert files(tmp_path) == set()


def test_documents_of_which_some_do_not_come(server: Server, keys: tuple[Path, Path]) -> None:
    bare = [{key: one[key] for key in ("name", "fingerprint", "metadata_url")} for one in index(*STACKS)["snapshots"]]
    server.pages["/snapshots/index.json"] = {**index(), "snapshots": bare}
    server.pages["/snapshots/b.json"] = lambda handler: handler.answer(b"", 503)
    found = run_module("registry_info", **arguments(server, keys, "search", text="samtools"))
    assert [one["name"] for one in found["stacks"]] == ["a"]
    assert found["reason"] == "1 stack of 3 found for 'samtools'; of 2 it is not known what packages they have"
    assert "the documents of some stacks are not there" in str(found["warnings"])
    assert "HTTP status 503" in str(found["warnings"])


def test_a_copy_is_asked_about_and_taken_when_nobody_answers(server: Server, keys: tuple[Path, Path]) -> None:
    first = run_module("registry_info", **arguments(server, keys))
    assert (first["registry"]["from_cache"], first["registry"]["requests"]) == (False, 1)
    # Young: nobody is asked.
    again = run_module("registry_info", **arguments(server, keys))
    assert (again["registry"]["from_cache"], again["registry"]["requests"]) == (True, 0)
    assert again["stacks"] == first["stacks"]
    # Refreshed: the ETag goes with the question, and the answer is "not modified".
    same = run_module("registry_info", **arguments(server, keys, "update"))
    assert (same["registry"]["changed"], len(server.asked)) == (False, 2)
    assert server.asked[-1][1]["If-None-Match"].startswith('"')
    server.pages["/snapshots/index.json"] = index(A)
    assert run_module("registry_info", **arguments(server, keys, "update"))["registry"]["changed"] is True
    offline = run_module("registry_info", **arguments(server, keys, registry_offline=True))
    assert (len(server.asked), [one["name"] for one in offline["stacks"]]) == (3, ["a"])
    assert "offline" in str(offline["warnings"])
    server.pages["/snapshots/index.json"] = lambda handler: handler.answer(b"", 503)
    down = run_module("registry_info", **arguments(server, keys, "update"))
    assert "HTTP status 503" in str(down["warnings"])
    server.stop()
    gone = run_module("registry_info", **arguments(server, keys, registry_max_age=0))
    assert "is taken from the copy of" in str(gone["warnings"])
    assert [one["name"] for one in gone["stacks"]] == ["a"]


def test_offline_without_a_copy(server: Server, keys: tuple[Path, Path], tmp_path: Path) -> None:
    assert "there is no copy" in refused(server, keys, tmp_path, registry_offline=True)
    assert server.asked == []


def test_a_damaged_or_foreign_copy_is_not_taken(server: Server, keys: tuple[Path, Path], tmp_path: Path) -> None:
    run_module("registry_info", **arguments(server, keys))
    (copy,) = (tmp_path / "cache/petal.hpc/registry").iterdir()
    assert (copy.stat().st_mode & 0o777, copy.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    for damage in (b"", b"{}\n{}", copy.read_bytes()[:-9]):
        copy.write_bytes(damage)
        found = run_module("registry_info", **arguments(server, keys))
        assert (found["total"], found["registry"]["from_cache"]) == (3, False)
    secret = tmp_path / "secret"
    secret.write_text("secret")
    copy.unlink()
    copy.symlink_to(secret)
    assert run_module("registry_info", **arguments(server, keys))["total"] == 3
    assert secret.read_text() == "secret"


def test_no_copy_where_nothing_can_be_written_or_in_check_mode(
    server: Server, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    assert run_module("registry_info", check=True, **arguments(server, keys))["total"] == 3
    assert not (tmp_path / "cache").exists()
    (tmp_path / "file").touch()
    found = run_module("registry_info", **arguments(server, keys, registry_cache_dir=str(tmp_path / "file" / "x")))
    assert "no copy of" in str(found["warnings"])


def test_redirects_to_https_are_followed(server: Server, keys: tuple[Path, Path]) -> None:
    for hop in range(5):
        server.pages[f"/{hop}"] = redirect(f"{server.url}/{hop + 1}")
    server.pages["/snapshots/index.json"] = redirect("/0")
    server.pages["/4"] = index(A)
    found = run_module("registry_info", **arguments(server, keys))
    assert (found["total"], found["registry"]["requests"]) == (1, 6)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2", "2130706433"])
def test_a_redirect_into_this_network_takes_the_sites_word(
    host: str, server: Server, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    """A registry somewhere could have us ask what only we reach: metadata services, consoles, other services here."""
    port = server.url.rsplit(":", 1)[1]
    server.pages["/snapshots/index.json"] = redirect(f"https://{host}:{port}/inside")
    server.pages["/inside"] = index(A)
    message = refused(server, keys, tmp_path)
    assert "such an address is of a private network or of this machine" in message
    assert "registry_private_redirects: true" in message
    assert [path for path, _headers in server.asked] == ["/snapshots/index.json"]
    # Where the site says so, it is asked; the certificate is for 127.0.0.1 alone.
    allowed = fail_module("registry_info", **arguments(server, keys, registry_private_redirects=True))
    assert "no TLS connection that can be trusted" in allowed or "cannot be reached" in allowed


@pytest.mark.usefixtures("server")
def test_a_name_that_leads_inside_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of several addresses is enough; behind a proxy, which looks names up, what the text says counts still."""
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in ("140.82.121.3", "169.254.169.254")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_options: found)
    registry = api.Registry("https://registry.example.org/")
    with pytest.raises(record.RegistryError, match=r"rebind\.example\.org', which is at 169\.254\.169\.254"):
        registry._check_reach("https://rebind.example.org/x")
    registry._check_reach("https://registry.example.org/elsewhere")
    monkeypatch.undo()
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    registry._check_reach("https://nobody-resolves.invalid/")
    for host in ("169.254.169.254", "localhost", "[fe80::1]"):
        with pytest.raises(record.RegistryError, match="of a private network"):
            registry._check_reach(f"https://{host}/")


# Hostile


def drip(handler: Handler) -> None:
    """An answer of which a byte comes now and then."""
    handler.send_response(200)
    handler.end_headers()
    for _byte in range(100):
        handler.wfile.write(b" ")
        time.sleep(0.2)


def drip_headers(handler: Handler) -> None:
    """Headers of which a byte comes now and then."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    for _byte in range(100):
        handler.wfile.write(b"x")
        time.sleep(0.2)


def silence(_handler: Handler) -> None:
    time.sleep(15)


def gigabytes(handler: Handler) -> None:
    """An answer without an end and without a length."""
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b" " * 65536)


def said_gigabytes(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(1 << 40))
    handler.end_headers()


def bomb(handler: Handler) -> None:
    """Compressed, though nobody asked for that: 64 MiB of spaces in 64 KiB."""
    handler.answer(gzip.compress(b" " * (64 << 20)), Content_Encoding="gzip")


def cut(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"{")


def many_headers(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X%d: x\r\n" % n for n in range(10_000)) + b"\r\n")


HOSTILE: dict[str, tuple[Any, str]] = {
    "without an end": (gigabytes, "more than 16384 KiB"),
    "a length of a terabyte": (said_gigabytes, "more than 16384 KiB"),
    "compressed": (bomb, "not UTF-8 text"),
    "bytes that drip": (drip, "no whole answer within 2 s"),
    "headers that drip": (drip_headers, "no whole answer within 2 s"),
    "silence": (silence, "within 2 s|timed out"),
    "cut off": (cut, "its answer breaks off"),
    "ten thousand headers": (many_headers, "cannot be reached"),
    "no HTTP": (lambda handler: handler.wfile.write(b"SSH-2.0-x\r\n"), "cannot be reached"),
    "a page of a login": (b"<html>Please log in</html>", "it is no JSON (line 1)"),
    "not there": (lambda handler: handler.answer(b"", 404), "HTTP status 404"),
    "not modified, to nobody": (lambda handler: handler.answer(b"", 304), "304"),
    "redirected in a circle": (redirect("index.json"), "in a circle"),
    "redirected to http": (redirect("http://127.0.0.1:1/x"), "only https:// is followed"),
    "redirected to a file": (redirect("file:///etc/passwd"), "only https:// is followed"),
    "redirected with a password": (redirect("https://user:secret@127.0.0.1/"), "only https:// is followed"),
    "redirected nowhere": (lambda handler: handler.answer(b"", 302), "only https:// is followed"),
    "redirected to a megabyte": (redirect("https://127.0.0.1/" + "x" * 10_000), "only https:// is followed"),
    "a list": ([], "it is no mapping"),
    "null": (b"null", "it is no mapping"),
    "no version": ({"snapshots": []}, "its version is"),
    "another version": ({"version": "2.0", "snapshots": []}, "this release reads 1.0"),
    "stacks as a mapping": ({"version": "1.0", "snapshots": {}}, "snapshots is no list"),
    "a number as registry": ({"version": "1.0", "snapshots": [], "registry": 7}, "the registry's address"),
    "nested for ever": (b"[" * 500_000, "nested too deeply"),
    "a huge number": (b'{"version": ' + b"9" * 1_000_000 + b"}", "huge number"),
    "NaN": (b'{"version": NaN}', "NaN"),
    "a key twice": (b'{"version": "1.0", "version": "2.0"}', "a key stands twice"),
    "a million values": (b"[" + b"[]," * 1_000_001 + b"[]]", "more than 1000000 values"),
    "too many stacks": ({"version": "1.0", "snapshots": [0] * 20_001}, "it has 20001 stacks"),
    "surrogates": (b'{"version": "\\ud800{{ 1 }}"}', "its version is"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_index_is_one_clear_line(case: str, server: Server, keys: tuple[Path, Path], tmp_path: Path) -> None:
    page, expected = HOSTILE[case]
    server.pages["/snapshots/index.json"] = page
    begun = time.monotonic()
    message = refused(server, keys, tmp_path, registry_timeout=2)
    assert any(part in message for part in expected.split("|")), message
    assert time.monotonic() - begun < 8
    assert "secret" not in message or "password" in case
    # What is of no use is not kept.
    assert not list((tmp_path / "cache").rglob("*"))


def test_a_chain_of_redirects_ends(server: Server, keys: tuple[Path, Path], tmp_path: Path) -> None:
    for hop in range(50):
        server.pages[f"/{hop}"] = redirect(f"/{hop + 1}")
    server.pages["/snapshots/index.json"] = redirect("/0")
    assert "redirected more than 5 times" in refused(server, keys, tmp_path)
    assert len(server.asked) == 6


def test_a_certificate_that_nobody_vouches_for(server: Server, keys: tuple[Path, Path], tmp_path: Path) -> None:
    message = refused(server, keys, tmp_path, registry_ca_path=None)
    assert "no TLS connection that can be trusted" in message
    assert server.asked == []


def test_plain_http_is_no_registry(server: Server, keys: tuple[Path, Path]) -> None:
    for url in (
        "http://127.0.0.1:1/",
        "https://u:p@127.0.0.1/",
        "file://../x",
        "ftp://x/",
        "/srv",
        "file:///srv/../etc",
    ):
        message = fail_module("registry_info", **{**arguments(server, keys), "registry_url": url})
        assert "cannot be used" in message, message
    assert server.asked == []


MARK = "touched"
# Template, shell and terminal text, and paths that lead out.
POISONS = [
    f"{{{{ lookup('ansible.builtin.pipe', 'touch {MARK}') }}}}",
    f"$(touch {MARK})",
    f"`touch {MARK}`",
    f"x; touch {MARK} #",
    "../../../etc/passwd",
    "..",
    "/etc/passwd",
    "a\n- name: b",
    "\x1b]0;title\x07",
    "\u202egnp.exe",
    "x" * 100_000,
    "",
    7,
    True,
    [],
    {"a": 1},
]


@pytest.mark.parametrize("poison", POISONS, ids=lambda value: ascii(value)[:30])
def test_poison_in_an_index(poison: Any, server: Server, keys: tuple[Path, Path], tmp_path: Path) -> None:
    entries = index(*STACKS)["snapshots"]
    fields = ["name", "fingerprint", "metadata_url", "description", "packages"]
    # An empty text, or list, says nothing; and a sentence with a semicolon in it is one.
    harmless: dict[str, list[Any]] = {"description": ["", POISONS[3], *POISONS[4:7]], "packages": [[]]}
    poisoned = [{**A, **entries[0], field: poison} for field in fields if poison not in harmless.get(field, [])]
    server.pages["/snapshots/index.json"] = {**index(), "snapshots": [*poisoned, poison, *entries]}
    found = run_module("registry_info", **arguments(server, keys))
    assert [one["name"] for one in found["stacks"]] == ["a", "b", "c"]
    assert len(found["passed_over"]) == len(poisoned) + 1
    for line in found["passed_over"]:
        assert line.startswith("snapshots[")
        assert line.isprintable()
        assert len(line) < 300
    assert files(tmp_path) == set()


@pytest.mark.parametrize("poison", POISONS, ids=lambda value: ascii(value)[:30])
def test_poison_in_a_stack(poison: Any, server: Server, keys: tuple[Path, Path], tmp_path: Path) -> None:
    harmless: dict[str, list[Any]] = {
        "description": ["", POISONS[3], *POISONS[4:7]],
        "packages": [[]],
        "public": [True],
        "verified": [True],
        # One wrong Region of the short form leaves the others.
        "snapshots": [[], {"a": 1}],
        "size_gb": [7],
    }
    cases: list[Any] = [poison] if poison != {"a": 1} else []
    cases += [{**A, field: poison} for field in A if poison not in harmless.get(field, [])]
    snapshot = A["snapshots"][0]
    spoiled = [
        {**A, "snapshots": [{**snapshot, field: poison}]} for field in snapshot if poison not in harmless.get(field, [])
    ]
    # In one process: a module for each case would take minutes.
    from ansible_collections.petal.hpc.plugins.module_utils._registry.record import Entry, RegistryError, parse_stack

    entry = Entry("a", A["fingerprint"])
    for case in cases:
        with pytest.raises(RegistryError) as caught:
            parse_stack(json.dumps(case).encode(), entry)
        assert len(str(caught.value)) < 300
        assert str(caught.value).isprintable()
    for case in spoiled:
        found = parse_stack(json.dumps(case).encode(), entry)
        assert found.variants == ()
        assert len(str(found.refused[0])) < 300
        assert str(found.refused[0]).isprintable()
    server.pages["/snapshots/a.json"] = cases[-1]
    assert "snapshots/a.json" in refused(server, keys, tmp_path, question="info", name="a")
    answer = run_module("registry_info", **arguments(server, keys, "check", fingerprint=A["fingerprint"]))
    assert (answer["available"], len(answer["warnings"])) == (False, 1)
    assert files(tmp_path) == set()


def test_names_that_are_asked_for(server: Server, keys: tuple[Path, Path]) -> None:
    for name in ("../index", "/etc/passwd", "a/../b", "..", "{{ 1 }}"):
        assert "is none" in fail_module("registry_info", **arguments(server, keys, "info", name=name))
    assert "fingerprint" in fail_module("registry_info", **arguments(server, keys, "check", fingerprint="sha256:*"))
    assert "region" in fail_module(
        "registry_info", **arguments(server, keys, "check", fingerprint=fingerprint(0), region="../x")
    )


def test_an_index_that_leads_elsewhere(server: Server, keys: tuple[Path, Path]) -> None:
    addresses = [
        "https://evil.example.org/snapshots/a.json",
        "snapshots/../../x",
        "file:///etc/passwd",
        "snapshots/b.json",
        f"{server.url}/snapshots/a.json",
        "https://registry.example.org/snapshots/b.json",
    ]
    entries = [{**index(one)["snapshots"][0], "metadata_url": url} for one, url in zip([A, A, A, A, A, B], addresses)]
    server.pages["/snapshots/index.json"] = {**index(), "snapshots": entries}
    found = run_module("registry_info", **arguments(server, keys))
    # Its own address, and that of the registry of which this is a mirror, are the same document.
    assert [one["name"] for one in found["stacks"]] == ["a", "b"]
    assert len(found["passed_over"]) == 4


def test_ten_thousand_bad_entries_are_told_of_in_twenty(server: Server, keys: tuple[Path, Path]) -> None:
    server.pages["/snapshots/index.json"] = {**index(), "snapshots": [{"name": "../x"}] * 10_000}
    found = run_module("registry_info", **arguments(server, keys))
    assert (found["total"], len(found["passed_over"])) == (0, 20)


# Directories


def test_a_directory(tmp_path: Path) -> None:
    url = write(tmp_path / "registry", *STACKS)
    found = run_module("registry_info", registry_url=url, question="info", name="b")
    assert found["stack"]["name"] == "b"
    assert found["registry"]["requests"] == 0


def links(directory: Path) -> None:
    (directory / "snapshots" / "a.json").unlink()
    (directory / "snapshots" / "a.json").symlink_to("/etc/passwd")


def pipe(directory: Path) -> None:
    (directory / "snapshots" / "a.json").unlink()
    os.mkfifo(directory / "snapshots" / "a.json")


def large(directory: Path) -> None:
    with (directory / "snapshots" / "a.json").open("w") as stream:
        stream.truncate(1 << 30)


@pytest.mark.parametrize(
    ("spoil", "expected"), [(links, "leads out"), (pipe, "a.json is no file"), (large, "more than 256 KiB")]
)
def test_a_hostile_directory(spoil: Callable[[Path], None], expected: str, tmp_path: Path) -> None:
    url = write(tmp_path / "registry", *STACKS)
    spoil(tmp_path / "registry")
    assert expected in fail_module("registry_info", registry_url=url, question="info", name="a")


# Playbooks


def test_the_playbook_shows_and_never_evaluates(server: Server, keys: tuple[Path, Path], tmp_path: Path) -> None:
    mark = tmp_path / MARK
    sly = f"{{ lookup('ansible.builtin.pipe', 'touch {mark}') }}"
    server.pages["/snapshots/index.json"] = index({**A, "description": f"One brace {sly} and %}} and ; rm -rf"})
    run = play("registry", registry_url=server.url, registry_ca_path=keys[0], question="list")
    assert run.rc == 0, run.output
    assert "the registry has 1 stack" in run.output
    assert "One brace" in run.output
    server.pages["/snapshots/index.json"] = index({**A, "description": f"{{{sly}}}"})
    run = play("registry", registry_url=server.url, registry_ca_path=keys[0], question="update")
    assert run.rc == 0, run.output
    assert "holds template or shell text" in " ".join(run.output.split())
    assert not mark.exists()
