# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Questions to a registry."""

from __future__ import annotations

import json

import pytest
from registry_server import fingerprint, index, stack

from ansible_collections.petal.hpc.plugins.module_utils._registry import query
from ansible_collections.petal.hpc.plugins.module_utils._registry.query import VariantCriteria
from ansible_collections.petal.hpc.plugins.module_utils._registry.record import (
    Entry,
    Index,
    RegistryError,
    parse_index,
    parse_stack,
)

NAMES = ["samtools-only", "genomics", "climate"]
STACKS = [stack(name, fingerprint(n), "111122223333", f"snap-{n:017x}") for n, name in enumerate(NAMES)]
STACKS[2]["packages"] = ["netcdf-c@4.9"]
INDEX = parse_index(json.dumps(index(*STACKS)).encode(), "https://registry.example.org/")


def test_search_puts_names_first() -> None:
    found, reason = query.search(INDEX, "samtools")
    assert [entry.name for entry in found] == ["samtools-only", "genomics"]
    assert reason == "2 stacks of 3 found for 'samtools'"
    assert query.search(INDEX, "samtools climate")[0] == []
    bare = Index((Entry("genomics", fingerprint(1)),))
    assert query.search(bare, "samtools")[1].endswith("of 1 it is not known what packages they have")
    # What only the documents tell.
    document = parse_stack(json.dumps({**STACKS[1], "tags": ["short-read"]}).encode(), bare.entries[0])
    whole = query.told(bare, {bare.entries[0]: document})
    for words in ("samtools", "short-read", "stack genomics"):
        assert query.search(whole, words)[1] == f"1 stack of 1 found for '{words}'"
    assert query.silent(whole) == []


def test_a_list_with_what_documents_tell() -> None:
    entries = query.listing(INDEX)[0]
    documents = [{**one, "verified": one["name"] == "genomics"} for one in STACKS]
    stacks = {entry: parse_stack(json.dumps(one).encode(), entry) for one, entry in zip(documents, INDEX.entries)}
    said = query.detailed(entries, stacks, None, 1000)
    assert [(one["name"], one["verified"], one["regions"]) for one in said["stacks"]] == [
        ("climate", False, ["us-east-1"]),
        ("genomics", True, ["us-east-1"]),
        ("samtools-only", False, ["us-east-1"]),
    ]
    assert said["stacks"][0]["updated"] == "2026-02-01T12:00:00Z"
    official = query.detailed(entries, stacks, True, 1000)
    assert (official["total"], official["reason"]) == (1, "the registry has 1 stack that is official")
    assert query.detailed(entries, stacks, False, 1)["reason"] == (
        "the registry has 2 stacks that are not official; 1 of 2 are shown"
    )
    # Nobody takes for official, or for none, what nobody has looked at.
    unread = query.detailed(entries, {}, True, 1000)
    assert unread["reason"] == "the registry has 0 stacks that are official; of 3 the document was not read"
    assert query.detailed(entries, {}, False, 1000)["total"] == 0
    assert query.detailed(entries, {}, None, 1000)["stacks"][0]["verified"] is None


def test_a_list_that_is_cut_says_so() -> None:
    said = query.listed(*query.listing(INDEX), 1)
    assert ([one["name"] for one in said["stacks"]], said["total"]) == (["climate"], 3)
    assert said["reason"] == "the registry has 3 stacks; 1 of 3 are shown"


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(RegistryError, match=r"no stack genom; there is genomics"):
        query.find(INDEX, "genom")
    with pytest.raises(RegistryError, match="is none"):
        query.find(INDEX, "../genomics")


def test_check() -> None:
    stacks = [parse_stack(json.dumps(one).encode(), entry) for one, entry in zip(STACKS, INDEX.entries)]
    wanted = VariantCriteria(fingerprint(1), "us-east-1", "al2023", "amd64")
    found = query.check(stacks[1:2], wanted)
    assert (found["available"], found["variants"][0]["name"]) == (True, "genomics")
    there = query.check(stacks[1:2], VariantCriteria(fingerprint(1), "eu-west-1"))
    assert there["reason"].endswith("but no snapshot in eu-west-1 that fits; its snapshots are in us-east-1")
    assert query.check([], wanted)["reason"] == f"no stack has fingerprint {fingerprint(1)}"
    assert query.check(stacks[1:2], VariantCriteria(fingerprint(1), architecture="arm64"))["available"] is False


def test_one_fingerprint_is_read_ten_times_at_most() -> None:
    entries = tuple(Entry(f"s{n}", fingerprint(1)) for n in range(1000))
    assert len(query.by_fingerprint(Index(entries), fingerprint(1))) == query.MATCHES_LIMIT
