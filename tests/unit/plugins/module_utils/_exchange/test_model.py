"""Foreign records, and the one form that an export has."""

from __future__ import annotations

import contextlib
import io
import tarfile
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.petal.hpc.plugins.module_utils._exchange import model
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot, SnapshotError

GOOD = Snapshot(
    snapshot_id="snap-0123456789abcdef0",
    fingerprint="sha256:" + "a" * 64,
    name="quickstart",
    os="debian12",
    architecture="x86_64",
    size_gb=1,
    created="2026-01-31T12:00:00Z",
    owner="root",
    stored_bytes=1000,
    sha256="b" * 64,
    packages=["six@1.17.0"],
    tags={"petal:build-id": "b1", "petal:sharing": "public"},
)


def record(**different: Any) -> dict[str, Any]:
    return {**GOOD.to_dict(), **different}


def test_a_good_record_is_read_as_it_is() -> None:
    assert model.foreign_snapshot(record()) == GOOD
    assert model.parse_record(GOOD.record()) == GOOD


@pytest.mark.parametrize(
    "different",
    [
        {"snapshot_id": "../../etc"},
        {"snapshot_id": "snap-0123456789abcdef0/../x"},
        {"fingerprint": "sha256:" + "g" * 64},
        {"name": "../x"},
        {"name": "{{ 7 * 7 }}"},
        {"name": "a\nb"},
        {"name": ""},
        {"name": 7},
        {"os": "debian12; rm -rf /"},
        {"architecture": None},
        {"description": "x" * 1001},
        {"description": "\x1b[31mred"},
        {"owner": "a\nb"},
        {"state": "pending"},
        {"provider": "aws"},
        {"size_gb": 10**9},
        {"size_gb": "1"},
        {"size_gb": True},
        {"stored_bytes": None},
        {"stored_bytes": 0},
        {"stored_bytes": -1},
        {"stored_bytes": 10**18},
        {"sha256": "b" * 63},
        {"created": "yesterday"},
        {"tags": {f"t{number}": "x" for number in range(51)}},
        {"tags": {"t": "x" * 257}},
        {"tags": {"t\n": "x"}},
        {"tags": {"t": 1}},
        {"tags": []},
        {"packages": ["x"] * 20_001},
        {"packages": ["x\x00"]},
        {"packages": "six"},
        {"encrypted": "yes"},
    ],
)
def test_a_bad_record_is_refused_with_the_reason(different: dict[str, Any]) -> None:
    with pytest.raises(SnapshotError) as caught:
        model.foreign_snapshot(record(**different))
    assert "\n" not in str(caught.value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    ),
    st.sampled_from(sorted(GOOD.to_dict())),
)
def test_any_value_is_read_or_refused(value: Any, key: str) -> None:
    with contextlib.suppress(SnapshotError):
        model.foreign_snapshot(record(**{key: value}))
    with pytest.raises(SnapshotError):
        model.foreign_snapshot(value)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[" * 100_000, b"null", b"[]"])
def test_what_is_no_record(data: bytes) -> None:
    with pytest.raises(SnapshotError):
        model.parse_record(data)


def test_where_it_was_brought_from_is_no_part_of_the_record() -> None:
    assert replace(GOOD, imported="store /net/x").record() == GOOD.record()
    assert model.foreign_snapshot(record(imported="store /net/x")).imported == ""


RECORD, ARCHIVE = "snapshot.json", "volume.tar.zst"


@pytest.mark.parametrize(
    "names", [(RECORD, ARCHIVE), (RECORD, "snapshot.json.sig", ARCHIVE), (*model.MEMBERS, ARCHIVE)], ids=len
)
def test_sums(names: tuple[str, ...]) -> None:
    digests = {name: letter * 64 for name, letter in zip(names, "abcde")}
    text = model.sums(digests)
    assert model.parse_sums(text) == digests
    for wrong in (b"", text[:70], text + text, text.replace(b"volume.tar.zst", b"../x"), b"\xff" * 10):
        with pytest.raises(SnapshotError):
            model.parse_sums(wrong)


@pytest.mark.parametrize("size", [0, 1, 511, 512, 9 * 1024**3])
def test_headers_are_those_of_tar(size: int) -> None:
    block = model.header("volume.tar.zst", size)
    assert model.parse_header(block, "volume.tar.zst") == size
    assert tarfile.TarInfo.frombuf(block, "utf-8", "strict").size == size


def test_a_file_of_the_form_is_a_tar() -> None:
    names = (model.SUMS, *model.MEMBERS, model.ARCHIVE)
    data = b"".join(model.header(name, 3) + b"abc" + bytes(model.padding(3)) for name in names)
    data += model.ending(len(data))
    assert len(data) % 10240 == 0
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert [(member.name, member.size, member.isreg()) for member in tar] == [(name, 3, True) for name in names]


def kinds() -> dict[str, bytes]:
    """Headers that no export has."""
    found = {}
    for kind in (b"1", b"2", b"3", b"5", b"6", b"x", b"g", b"L", b"K", b"S", b"V"):
        member = tarfile.TarInfo("SHA256")
        member.type, member.linkname = kind, "/etc/passwd" if kind in b"12" else ""
        found[kind.decode()] = member.tobuf(tarfile.GNU_FORMAT)
    for name in ("../SHA256", "/SHA256", "x/SHA256", "SHA256 ", "snapshot.json"):
        found[name] = model.header(name, 3)
    return {**found, "zeros": bytes(512), "noise": b"\xff" * 512, "short": b"x", "none": b""}


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_other_members_are_refused(kind: str) -> None:
    with pytest.raises(SnapshotError):
        model.parse_header(kinds()[kind], "SHA256")


@given(st.binary(min_size=512, max_size=512))
def test_any_block_is_read_or_refused(block: bytes) -> None:
    with pytest.raises(SnapshotError):
        model.parse_header(block, "SHA256")


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({"petal:sharing": "public"}, None),
        ({"petal:sharing": "accounts: x has licence y"}, None),
        ({"petal:sharing": "private: k.pem is a private key"}, "k.pem is a private key"),
        ({"petal:sharing": "whatever"}, "is no verdict"),
        ({}, "nobody has looked"),
    ],
)
def test_what_may_leave(tags: dict[str, str], said: str | None) -> None:
    snapshot = model.foreign_snapshot(record(tags=tags))
    found = model.leaving(snapshot, unaudited=False)
    assert said in found if said and found else found is None
    assert model.leaving(snapshot, unaudited=True) is None
