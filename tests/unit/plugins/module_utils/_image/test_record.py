"""An entry of DescribeImages is a record like a snapshot's, or is refused with the reason."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._image import record
from ansible_collections.petal.hpc.plugins.module_utils._image.record import Image
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.criteria import Criteria

FINGERPRINT = "sha256:" + "0123456789abcdef" * 4
OTHER = "sha256:" + "f" * 64
OWN, FOREIGN = "111122223333", "444455556666"
TAGS = {
    "petal:fingerprint": FINGERPRINT,
    "petal:name": "bio",
    "petal:os": "alinux2023",
    "petal:build-id": "b1-ami",
    "petal:packages": "samtools@1.21 bwa@0.7.17",
    "parallelcluster:version": "3.16.1",
}
ENTRY: dict[str, Any] = {
    "ImageId": "ami-0123456789abcdef0",
    "OwnerId": OWN,
    "State": "available",
    "Architecture": "x86_64",
    "CreationDate": "2026-11-30T12:00:00.000Z",
    "Description": record.described("bio", FINGERPRINT, "3.16.1"),
    "RootDeviceName": "/dev/xvda",
    "BlockDeviceMappings": [
        {"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": "snap-1", "VolumeSize": 60, "Encrypted": True}},
        {"DeviceName": "/dev/sdb", "VirtualName": "ephemeral0"},
    ],
}


def entry(tags: dict[str, str] | None = None, **changed: Any) -> dict[str, Any]:
    """The entry, changed; a tag of None is taken out."""
    made = {key: value for key, value in {**TAGS, **(tags or {})}.items() if value is not None}
    return {**ENTRY, "Tags": [{"Key": key, "Value": value} for key, value in made.items()], **changed}


def test_an_own_image_is_known_by_its_tags() -> None:
    image = record.parse(entry(DeprecationTime="2028-01-01T00:00:00.000Z"), "us-east-1")
    assert (image.snapshot_id, image.fingerprint, image.name, image.os) == (
        "ami-0123456789abcdef0",
        FINGERPRINT,
        "bio",
        "alinux2023",
    )
    assert (image.architecture, image.size_gb, image.release, image.disks) == ("x86_64", 60, "3.16.1", ("snap-1",))
    assert (image.state, image.created, image.encrypted) == ("completed", "2026-11-30T12:00:00Z", True)
    assert image.packages == ["samtools@1.21", "bwa@0.7.17"]
    assert image.deprecated.startswith("2028")
    assert image.to_dict()["release"] == "3.16.1"


@pytest.mark.parametrize(
    ("state", "expected"), [("available", "completed"), ("pending", "pending"), ("failed", "error"), ("x", "error")]
)
def test_states(state: str, expected: str) -> None:
    reason = {"StateReason": {"Message": "no key"}} if state == "failed" else {}
    image = record.parse(entry(State=state, **reason), None)
    assert image.state == expected
    assert image.message == ("no key" if state == "failed" else "")


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (entry({"petal:fingerprint": "x"}), "petal:fingerprint is not of the form"),
        (entry({"petal:name": None}), "it has no tag petal:name"),  # type: ignore[dict-item]
        (entry({"parallelcluster:version": "new"}), "parallelcluster:version is not of the form"),
        (entry(Description=record.described("bio", OTHER, "3.16.1")), "names another fingerprint"),
        (entry(Architecture="i386"), "its architecture is 'i386'"),
        (entry(RootDeviceName="/dev/sda1"), "how large its root is"),
        (entry(CreationDate="yesterday"), "CreationDate is no time"),
        (entry(ImageId="ami-1"), "ImageId is not of the form"),
        (None, "the entry is no mapping"),
    ],
)
def test_what_is_no_record_is_told_with_the_reason(wrong: Any, reason: str) -> None:
    found, refused = record.read([wrong], lambda one: record.parse(one, None))
    assert found == []
    assert reason in refused[0].reason


def test_an_image_of_others_is_known_by_its_description_alone() -> None:
    wanted = Criteria(fingerprint=FINGERPRINT, os="alinux2023", architecture="x86_64")
    foreign = {**ENTRY, "OwnerId": FOREIGN}
    image = record.parse_foreign(foreign, "us-east-1", [FOREIGN], wanted)
    assert (image.name, image.os, image.release, image.source) == ("bio", "alinux2023", "3.16.1", "organization")
    for changed, reason in (
        ({"OwnerId": OWN}, "not one of those that are trusted"),
        ({"Description": "mine"}, "vouches for nothing"),
        ({"Description": record.described("bio", OTHER, "3.16.1")}, "names another fingerprint"),
    ):
        with pytest.raises(PetalError, match=reason):
            record.parse_foreign({**foreign, **changed}, None, [FOREIGN], wanted)


def test_what_is_asked_of_aws() -> None:
    asked = record.request(Criteria(fingerprint=FINGERPRINT, older_fingerprints=(OTHER,), name="bio", build_id="b1"))
    assert asked["Owners"] == ["self"]
    assert {"Name": "tag:petal:fingerprint", "Values": [FINGERPRINT, OTHER]} in asked["Filters"]
    every = record.request(Criteria(snapshot_ids=("ami-0123456789abcdef0",)))
    assert [one["Name"] for one in every["Filters"]] == ["image-id", "tag-key"]
    shared = record.request_shared(Criteria(fingerprint=FINGERPRINT), [FOREIGN])
    assert shared["Filters"] == [{"Name": "description", "Values": [f"petal.hpc image * {FINGERPRINT} *"]}]
    with pytest.raises(PetalError, match="without owners"):
        record.request_shared(Criteria(), [])
    with pytest.raises(PetalError, match="expected ami- and 17 hex digits"):
        record.request(Criteria(snapshot_ids=("snap-0123456789abcdef0",)))


def test_an_image_fits_the_release_that_it_was_made_with() -> None:
    image = record.parse(entry(), None)
    assert isinstance(image, Image)
    assert record.unfit(image, "") == record.unfit(image, "3.16.1") == ""
    said = record.unfit(image, "3.17.0")
    assert "of ParallelCluster 3.16.1, and clusters are made with 3.17.0" in said


def test_names_are_short_enough() -> None:
    name = record.image_name("n" * 200, "20260131T120000Z-01234567-ami")
    assert len(name) == record.NAME_LIMIT
    assert len(record.described("n" * 64, FINGERPRINT, "3.16.1")) <= record.DESCRIPTION_LIMIT
