# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documents of a registry: read whole or refused, and written in one form that reads back the same."""

from __future__ import annotations

import base64
import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from registry_server import fingerprint, index, stack

from ansible_collections.petal.hpc.plugins.module_utils._registry import record
from ansible_collections.petal.hpc.plugins.module_utils._registry.record import (
    Entry,
    RegistryError,
    checked_url,
    dump_index,
    dump_stack,
    parse_index,
    parse_json,
    parse_stack,
    shown,
)

BASE = "https://registry.example.org/"
A = stack("a", fingerprint(1), "111122223333", "snap-" + "1" * 17)
ENTRY = Entry("a", fingerprint(1))
#: In the form of OpenSSH, of a key that is none.
SIGNATURE = base64.b64encode(b"SSHSIG" + b"\0\0\0\1" + b"\0\0\0\3key").decode()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_a_stack_reads_back_as_it_was_written() -> None:
    found = parse_stack(encoded(A), ENTRY)
    written = dump_stack(found)
    assert parse_stack(written, ENTRY) == found
    assert dump_stack(parse_stack(written, ENTRY)) == written
    assert written.endswith(b"}\n")
    assert written.isascii()


def test_an_index_is_sorted() -> None:
    names = ["b", "a", "C"]
    found = parse_index(encoded(index(*({**A, "name": name} for name in names))), BASE)
    written = dump_index(found, BASE)
    assert [item["name"] for item in json.loads(written)["snapshots"]] == ["C", "a", "b"]
    assert dump_index(parse_index(written, BASE), BASE) == written


def test_a_variant_may_have_a_fingerprint_of_its_own() -> None:
    arm = {**A["snapshots"][0], "snapshot_id": "snap-" + "2" * 17, "architecture": "arm64"}
    value = {**A, "snapshots": [*A["snapshots"], {**arm, "fingerprint": fingerprint(2)}]}
    found = parse_stack(encoded(value), Entry("a", fingerprint(2)))
    assert [one.fingerprint for one in found.variants] == [fingerprint(1), fingerprint(2)]
    assert "another fingerprint" in refusal(value, Entry("a", fingerprint(3)))


def refusal(value: Any, entry: Entry = ENTRY) -> str:
    with pytest.raises(RegistryError) as caught:
        parse_stack(encoded(value), entry)
    return str(caught.value)


def test_what_the_index_says_is_what_the_document_has_to_be() -> None:
    assert "it is of 'a', not of b" in refusal(A, Entry("b", fingerprint(1)))


def passed_over(snapshots: Any, **more: Any) -> tuple[list[str], list[str]]:
    """The ids of a stack that can be used, and what is said of the others."""
    found = parse_stack(encoded({**A, "snapshots": snapshots, **more}), ENTRY)
    return [one.snapshot_id for one in found.variants], [str(one) for one in found.refused]


def test_one_wrong_snapshot_leaves_the_others() -> None:
    good = A["snapshots"][0]
    ids, wrong = passed_over([{**good, "snapshot_id": "snap-0abc123"}, good, {}, 7, {**good, "region": "mars"}, good])
    assert ids == [good["snapshot_id"]]
    assert wrong == [
        "snapshots[0]: snapshot_id 'snap-0abc123' is not of the expected form",
        "snapshots[2]: the region 'null' is none: expected one such as us-east-1",
        "snapshots[3]: it is no mapping",
        "snapshots[4]: the region 'mars' is none: expected one such as us-east-1",
        f"snapshots[5]: {good['snapshot_id']} stands there twice",
    ]
    assert len(passed_over([{}] * 900)[1]) == record.REFUSALS_LIMIT
    assert "at most 1000" in refusal({**A, "snapshots": [{}] * 1001})
    assert "neither a list" in refusal({**A, "snapshots": "snap-x"})


def test_signatures_are_read_back_and_name_their_key() -> None:
    """What is none leaves its snapshot out; one without keeps its form."""
    (unsigned,) = A["snapshots"]
    signed = {**unsigned, "documents": fingerprint(2), "signature": SIGNATURE}
    found = parse_stack(encoded({**A, "snapshots": [signed]}), ENTRY)
    assert found.variants[0].signers == ("SHA256:LHDhK3oGRvkiefQnx7OOczTY5Tic/xZ6HcMOc/gmtoM",)
    assert parse_stack(dump_stack(found), ENTRY) == found
    assert b"signature" not in dump_stack(parse_stack(encoded(A), ENTRY))
    for wrong in (7, "", "U1NIU0lH" * 4, SIGNATURE + ".", SIGNATURE + "\n", "{{ 1 }}" * 9, "A" * 5000):
        _there, refused = passed_over([unsigned, {**signed, "snapshot_id": "snap-" + "2" * 17, "signature": wrong}])
        assert len(refused) == 1 and "signature" in refused[0], wrong


def test_one_wrong_region_of_the_short_form_leaves_the_others() -> None:
    there = {"us-east-1": "snap-0abc123", "us-west-2": "snap-" + "2" * 17, "\x1b[2J": "snap-" + "3" * 17}
    ids, wrong = passed_over(there, size_gb=300)
    assert ids == ["snap-" + "2" * 17]
    assert [one.partition(":")[0] for one in wrong] == ["snapshots['\\x1b[2J']", "snapshots[us-east-1]"]
    del there["\x1b[2J"]
    bare = parse_stack(encoded(there), ENTRY)
    assert ([one.region for one in bare.variants], len(bare.refused)) == (["us-west-2"], 1)


def test_what_a_whole_stack_says_holds_for_its_snapshots() -> None:
    found = parse_stack(encoded({**A, "snapshots": {"us-east-1": "snap-" + "2" * 17}, "size_gb": 300}), ENTRY)
    assert found.variants[0].size_gb == 300


HOME = "https://registry.example.org/petal-snapshots/"
RAW = "https://raw.githubusercontent.com/lab/petal-snapshots"


@pytest.mark.parametrize(
    ("registry", "base", "address"),
    [
        (HOME, "file:///srv/clone/", f"{HOME}main/snapshots/a.json"),
        (HOME.rstrip("/"), "file:///srv/clone/", f"{HOME}snapshots/a.json"),
        (HOME, f"{HOME}main/", f"{HOME}main/snapshots/a.json"),
        (HOME, "https://mirror.example.org/x/", f"{HOME}raw/main/snapshots/a.json"),
        (None, f"{HOME}main/", f"{HOME}main/snapshots/a.json"),
        ("lab/petal-snapshots", "file:///srv/clone/", f"{RAW}/main/snapshots/a.json"),
        ("https://github.com/lab/petal-snapshots", "file:///srv/clone/", f"{RAW}/v2/snapshots/a.json"),
        (
            "https://github.com/Lab/petal-snapshots",
            "file:///srv/clone/",
            "https://github.com/lab/petal-snapshots/blob/main/snapshots/a.json",
        ),
    ],
)
def test_absolute_addresses_of_the_same_registry_are_read_where_it_is(
    registry: str | None, base: str, address: str
) -> None:
    entry = {**index(A)["snapshots"][0], "metadata_url": address}
    found = parse_index(encoded({**index(), "registry": registry, "snapshots": [entry]}), base)
    assert ([one.path for one in found.entries], found.refused) == (["snapshots/a.json"], ())


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example.org/petal-snapshots/main/snapshots/a.json",
        f"{HOME}../other/snapshots/a.json",
        f"{HOME}a/b/c/d/snapshots/a.json",
        f"{HOME}main/snapshots/b.json",
        f"{HOME}main/snapshots/../snapshots/a.json",
        f"{HOME}main/xsnapshots/a.json",
        f"{RAW}/main/snapshots/a.json",
        "http://registry.example.org/petal-snapshots/main/snapshots/a.json",
        "file:///srv/other/snapshots/a.json",
        7,
    ],
)
def test_absolute_addresses_of_others_are_passed_over(address: Any) -> None:
    entry = {**index(A)["snapshots"][0], "metadata_url": address}
    found = parse_index(encoded({**index(), "registry": HOME, "snapshots": [entry]}), "file:///srv/clone/")
    assert (found.entries, len(found.refused)) == ((), 1)
    assert "nothing outside of it is read" in found.refused[0].reason


def test_tags() -> None:
    found = parse_stack(encoded({**A, "tags": ["genomics", "short-read"]}), ENTRY)
    assert json.loads(dump_stack(found))["tags"] == ["genomics", "short-read"]
    assert "tags" not in json.loads(dump_stack(parse_stack(encoded(A), ENTRY)))
    for wrong in ("genomics", ["a b"], ["{{ 1 }}"], [7], ["x"] * 21):
        assert "tags" in refusal({**A, "tags": wrong})


def test_unknown_keys_have_a_place() -> None:
    value = {**A, "licence": "MIT", "snapshots": [{**A["snapshots"][0], "pattern": 1}], "size_gb": 3, "tags": []}
    assert record.unknown_keys(encoded(value)) == ["'licence'", "'pattern' of snapshots[0]"]
    assert record.unknown_keys(encoded({"us-east-1": "snap-" + "2" * 17})) == []


@given(JSON)
def test_whatever_stands_there_is_read_or_refused(value: Any) -> None:
    with contextlib.suppress(RegistryError):
        parse_index(encoded(value), BASE)
    with contextlib.suppress(RegistryError):
        parse_stack(encoded(value), ENTRY)


@given(st.sampled_from(sorted(A)), JSON)
def test_whatever_stands_in_a_field_is_read_or_refused(key: str, value: Any) -> None:
    try:
        found = parse_stack(encoded({**A, key: value}), ENTRY)
    except RegistryError as error:
        assert str(error).isprintable()
    else:
        assert record.stack_path(found.name) == "snapshots/a.json"


@given(st.binary(max_size=60))
def test_whatever_bytes_there_are(content: bytes) -> None:
    try:
        parse_json(content)
    except RegistryError as error:
        assert str(error)


@pytest.mark.parametrize(
    "url",
    [
        "http://registry.example.org/",
        "https://user:secret@registry.example.org/",
        "https://registry.example.org/../x",
        "https://registry.example.org/%2e%2e/x",
        "https://registry.example.org/x?y",
        "file://registry/x",
        "file:///srv/../etc",
        "https://" + "x" * 600,
        "",
        "/srv/registry",
        "https://a b/",
    ],
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(RegistryError, match="cannot be used"):
        checked_url(url)


def test_what_is_wrong_with_an_address_is_said_without_its_token() -> None:
    for url in ("https://petal:t0ken@registry.example.org/", "https://registry.example.org/?token=t0ken"):
        with pytest.raises(RegistryError) as raised:
            checked_url(url)
        assert "registry.example.org" in str(raised.value)
        assert "t0ken" not in str(raised.value)


def test_addresses() -> None:
    assert checked_url("lab/petal-snapshots") == f"{RAW}/main/"
    assert checked_url("https://registry.example.org") == BASE
    assert checked_url("file:///srv/registry/") == "file:///srv/registry/"


def test_strange_values_are_shown_on_one_short_line() -> None:
    for value in ("\x1b[2J\n\u202e" * 50, {"a": ["\n"] * 100}, None, 1.5, "{{ 1 }}"):
        text = shown(value)
        assert text.isprintable()
        assert len(text) <= 64
