# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Entries of DescribeSnapshots: read whole, or refused with the reason; the call asks for the own account's alone."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import IdentityError
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.criteria import Criteria
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.ebs.record import (
    FILTER_VALUES,
    parse,
    parse_foreign,
    read,
    read_foreign,
    request,
    request_ids,
    request_shared,
)
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot, SnapshotError

FINGERPRINT = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
ID = "snap-0123456789abcdef0"
TAGS = {
    "petal:fingerprint": FINGERPRINT,
    "petal:name": "quickstart",
    "petal:build-id": "20260131T120000Z-aaaaaaaa",
    "petal:os": "alinux2023",
    "petal:architecture": "x86_64",
    "petal:packages": "numpy@2.2.1 scipy@1.15.0 +3 more",
}


def entry(tags: dict[str, str] | None = None, **different: Any) -> dict[str, Any]:
    base = {
        "SnapshotId": ID,
        "OwnerId": "111122223333",
        "Description": f"petal.hpc quickstart {FINGERPRINT}",
        "VolumeSize": 50,
        "StartTime": datetime(2026, 1, 31, 13, tzinfo=timezone(timedelta(hours=1))),
        "State": "completed",
        "Progress": "100%",
        "Encrypted": True,
        "KmsKeyId": "arn:aws:kms:us-east-1:111122223333:key/k",
        "FullSnapshotSizeInBytes": 12345,
        "Tags": [{"Key": key, "Value": value} for key, value in {**TAGS, **(tags or {})}.items() if value],
    }
    return {key: value for key, value in {**base, **different}.items() if value is not None}


def test_a_record() -> None:
    assert parse(entry(), "us-east-1") == Snapshot(
        snapshot_id=ID,
        fingerprint=FINGERPRINT,
        name="quickstart",
        os="alinux2023",
        architecture="x86_64",
        size_gb=50,
        created="2026-01-31T12:00:00Z",
        state="completed",
        provider="aws",
        source="local",
        owner="111122223333",
        region="us-east-1",
        stored_bytes=12345,
        description=f"petal.hpc quickstart {FINGERPRINT}",
        packages=["numpy@2.2.1", "scipy@1.15.0"],
        tags=TAGS,
        progress=100,
        encrypted=True,
        kms_key_id="arn:aws:kms:us-east-1:111122223333:key/k",
    )


@pytest.mark.parametrize(
    ("state", "progress", "percent"),
    [
        ("pending", None, 0),
        ("pending", "", 0),
        ("pending", "43%", 43),
        ("pending", "100%", 99),
        ("pending", "much", 0),
        ("completed", "99%", 100),
        ("error", "0%", 0),
    ],
)
def test_progress(state: str, progress: str | None, percent: int) -> None:
    assert parse(entry(State=state, Progress=progress), None).progress == percent


def test_what_aws_leaves_out() -> None:
    found = parse(
        entry(
            {"petal:build-id": "", "petal:packages": ""},
            FullSnapshotSizeInBytes=None,
            KmsKeyId=None,
            Encrypted=None,
            Description=None,
        ),
        None,
    )
    assert (found.build_id, found.packages, found.stored_bytes, found.kms_key_id) == (None, [], None, None)
    assert (found.encrypted, found.description) == (False, "")


def test_why_it_failed() -> None:
    failed = parse(entry(State="error", StateMessage="Given key ID is not accessible"), None)
    assert failed.message == "Given key ID is not accessible"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"Description": f"x {OTHER}"}, "another fingerprint"),
        ({"Description": f"{FINGERPRINT} {OTHER}"}, "another fingerprint"),
        ({"Description": "\x1b[2J"}, "Description"),
        ({"SnapshotId": "snap-1"}, "SnapshotId"),
        ({"OwnerId": "me"}, "OwnerId"),
        ({"VolumeSize": 0}, "VolumeSize"),
        ({"VolumeSize": True}, "VolumeSize"),
        ({"StartTime": "today"}, "StartTime"),
        ({"State": "perhaps"}, "State"),
        ({"Tags": "none"}, "Tags"),
        ({"Tags": []}, "no tag petal:fingerprint"),
        ({"tags": {"petal:fingerprint": "sha256:short"}}, "petal:fingerprint"),
        ({"tags": {"petal:name": "a{{ b }}"}}, "petal:name"),
        ({"tags": {"petal:name": ""}}, "no tag petal:name"),
        ({"tags": {"petal:os": "../x"}}, "petal:os"),
        ({"tags": {"petal:architecture": "sparc"}}, "petal:architecture"),
        ({"tags": {"petal:build-id": "$(id)"}}, "petal:build-id"),
    ],
)
def test_what_is_no_record_is_refused(changed: dict[str, Any], reason: str) -> None:
    snapshots, refused = read([entry(**changed)], None)
    assert snapshots == []
    assert reason in refused[0].reason


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(JSON), st.sampled_from(sorted(entry())), JSON)
def test_anything_is_read_or_refused(entries: list[Any], key: str, value: Any) -> None:
    snapshots, refused = read([*entries, {**entry(), key: value}], None)
    assert len(snapshots) + len(refused) == len(entries) + 1


def filters(criteria: Criteria) -> dict[str, list[str]]:
    asked = request(criteria)
    assert asked["OwnerIds"] == ["self"]
    return {item["Name"]: item["Values"] for item in asked["Filters"]}


def test_a_look_up_asks_for_own_complete_snapshots_of_the_fingerprint() -> None:
    wanted = Criteria(fingerprint=FINGERPRINT, os="alinux2023", architecture="arm64", size_gb=1)
    # What does not fit shall be found too, to be told of.
    assert filters(wanted) == {"status": ["completed"], "tag:petal:fingerprint": [FINGERPRINT]}


def test_other_questions() -> None:
    assert filters(Criteria()) == {"status": ["completed"], "tag-key": ["petal:fingerprint"]}
    wanted = Criteria(name="demo", build_id="b1", snapshot_ids=(ID,), states=("pending", "error"))
    assert filters(wanted) == {
        "status": ["pending", "error"],
        "tag-key": ["petal:fingerprint"],
        "tag:petal:name": ["demo"],
        "tag:petal:build-id": ["b1"],
        "snapshot-id": [ID],
    }


def test_more_ids_than_a_filter_holds_are_not_asked_for_one_by_one() -> None:
    ids = tuple(f"snap-{number:017x}" for number in range(FILTER_VALUES + 1))
    assert "snapshot-id" not in filters(Criteria(snapshot_ids=ids))


@pytest.mark.parametrize("wanted", [Criteria(fingerprint="sha256:*"), Criteria(snapshot_ids=("snap-*",))])
def test_patterns_are_not_asked_for(wanted: Criteria) -> None:
    with pytest.raises(IdentityError):
        request(wanted)


# Of other accounts

OWNER = "111122223333"
FOREIGN = Criteria(fingerprint=FINGERPRINT, os="alinux2023", architecture="x86_64")


def foreign(**different: Any) -> dict[str, Any]:
    return {**entry(), "Tags": [], **different}


def test_a_record_of_another_account() -> None:
    found = parse_foreign(foreign(), "us-east-1", [OWNER], FOREIGN)
    assert (found.fingerprint, found.name, found.os, found.architecture) == (
        FINGERPRINT,
        "quickstart",
        "alinux2023",
        "x86_64",
    )
    assert (found.owner, found.source, found.tags, found.size_gb) == (OWNER, "organization", {}, 50)
    # Without a fingerprint that decides them, nobody knows what they are.
    unknown = parse_foreign(foreign(), "us-east-1", [OWNER], Criteria(os="rhel9", architecture="arm64"))
    assert (unknown.os, unknown.architecture) == ("", "")


def test_tags_of_another_account_say_nothing() -> None:
    tags = [{"Key": "petal:fingerprint", "Value": FINGERPRINT}]
    with pytest.raises(SnapshotError, match="vouches for nothing"):
        parse_foreign(foreign(Description="", Tags=tags), "us-east-1", [OWNER], FOREIGN)


@pytest.mark.parametrize(
    ("different", "message"),
    [
        ({"OwnerId": "666666666666"}, "account 666666666666, is not one of those"),
        ({"OwnerId": None}, "OwnerId"),
        ({"Description": f"petal.hpc quickstart {OTHER}"}, "names another fingerprint"),
        ({"Description": f"petal.hpc quickstart {FINGERPRINT} {OTHER}"}, "vouches for nothing"),
        ({"Description": f"petal.hpc ../x {FINGERPRINT}"}, "vouches for nothing"),
        ({"Description": 7}, "Description"),
        ({"VolumeSize": "50"}, "VolumeSize"),
    ],
)
def test_what_is_no_record_of_another_account(different: dict[str, Any], message: str) -> None:
    found, refused = read_foreign([foreign(**different), foreign()], "us-east-1", [OWNER], FOREIGN)
    assert len(found) == 1
    assert message in refused[0].reason


def test_others_are_never_asked_for_without_owners() -> None:
    with pytest.raises(SnapshotError, match="without owners"):
        request_shared(FOREIGN, [])
    with pytest.raises(SnapshotError, match="without owners"):
        request_ids([ID], [])
    asked = request_shared(FOREIGN, [OWNER])
    assert asked["OwnerIds"] == [OWNER]
    assert {"Name": "description", "Values": [f"*petal.hpc * {FINGERPRINT}"]} in asked["Filters"]
    assert request_ids([ID], [OWNER])["Filters"] == [{"Name": "snapshot-id", "Values": [ID]}]
    with pytest.raises(SnapshotError, match="more than a filter takes"):
        request_ids([ID] * (FILTER_VALUES + 1), [OWNER])
    with pytest.raises(IdentityError, match="snapshot_id"):
        request_ids(["snap-*"], [OWNER])


def test_one_question_for_a_fingerprint_and_its_older_forms() -> None:
    old = "sha256:" + "0" * 64
    wanted = Criteria(fingerprint=FINGERPRINT, older_fingerprints=(old,), os="alinux2023", architecture="x86_64")
    assert filters(wanted)["tag:petal:fingerprint"] == [FINGERPRINT, old]
    shared = {item["Name"]: item["Values"] for item in request_shared(wanted, [OWNER])["Filters"]}
    assert shared["description"] == [f"*petal.hpc * {FINGERPRINT}", f"*petal.hpc * {old}"]
    assert parse_foreign(foreign(Description=f"petal.hpc demo {old}"), "us-east-1", [OWNER], wanted).fingerprint == old
    with pytest.raises(IdentityError, match="is none"):
        filters(Criteria(fingerprint=FINGERPRINT, older_fingerprints=("sha256:*",)))
