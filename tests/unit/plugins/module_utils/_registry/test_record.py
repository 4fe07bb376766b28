# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documents of a registry: read whole or refused, and written in one form that reads back the same."""

from __future__ import annotations

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
    assert "stands there twice" in refusal({**A, "snapshots": A["snapshots"] * 2})
    assert "snapshots[0]: " in refusal({**A, "snapshots": [{}]})


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


def test_addresses() -> None:
    assert checked_url("https://registry.example.org") == BASE
    assert checked_url("file:///srv/registry/") == "file:///srv/registry/"


def test_strange_values_are_shown_on_one_short_line() -> None:
    for value in ("\x1b[2J\n\u202e" * 50, {"a": ["\n"] * 100}, None, 1.5, "{{ 1 }}"):
        text = shown(value)
        assert text.isprintable()
        assert len(text) <= 64
