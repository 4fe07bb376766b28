"""Copies of machine images: their names, which tell of what and with which key, their tags, and when one is there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._image.record import Image
from ansible_collections.petal.hpc.plugins.module_utils._sharing.copies import COPY, KEEP, WAIT, Target, decide
from ansible_collections.petal.hpc.plugins.module_utils._sharing.image_copies import ImageOriginal, image_target
from ansible_collections.petal.hpc.plugins.module_utils._sharing.keys import Key
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import ERROR, PENDING

HOME, NEAR = "us-east-1", "us-west-2"
ARN = "arn:aws:kms:us-west-2:111122223333:key/12345678-1234-1234-1234-123456789012"
IMAGE = Image(
    snapshot_id=f"ami-{0:017x}",
    fingerprint="sha256:" + "0123456789abcdef" * 4,
    name="bio",
    os="alinux2023",
    architecture="x86_64",
    size_gb=50,
    created="2026-01-31T12:00:00Z",
    provider="aws",
    encrypted=True,
    release="3.16.1",
    tags={"petal:cleanup": "pending", "team": "genomics"},
    disks=(f"snap-{0:017x}",),
)
SOURCE = ImageOriginal(IMAGE, HOME)


def target(key: str | None = None, found: Key | None = None, encrypted: bool = False) -> Target:
    return image_target(Target(NEAR, key, found, encrypted), IMAGE.name, SOURCE.origin)


def copied(of: Target, state: str = "completed") -> Image:
    made = SOURCE.begun(f"ami-{1:017x}", of, "2026-02-01T00:00:00Z")
    assert isinstance(made, Image)
    return replace(made, state=state)


def test_a_name_tells_of_what_and_with_which_key() -> None:
    plain = target().name
    assert plain == f"petal bio copy of us-east-1/{IMAGE.snapshot_id}"
    by_alias, by_arn = target("alias/petal", Key(ARN)), target(ARN, Key(ARN))
    assert by_alias.name == by_arn.name != target("alias/petal").name
    assert target(encrypted=True).name == f"{plain} encrypted"
    long = image_target(Target("ap-southeast-2", ARN, Key(ARN)), 100 * "b", "ap-southeast-2/ami-" + 17 * "0")
    assert len(long.name) <= 128


@pytest.mark.parametrize(
    ("state", "action"), [("completed", KEEP), (PENDING, WAIT), (ERROR, COPY)], ids=["complete", "pending", "failed"]
)
def test_what_a_region_needs(state: str, action: str) -> None:
    there = copied(target("alias/petal", Key(ARN)), state=state)
    found = decide(SOURCE, target("alias/petal", Key(ARN)), [there])
    assert (found.action, found.delete) == (action, (there.snapshot_id,) if state == ERROR else ())
    assert decide(SOURCE, target("alias/other", Key(ARN.replace("1234", "4321"))), [there]).action == COPY
    assert decide(SOURCE, target("alias/petal", Key(ARN)), [copied(target())]).action == COPY


def test_a_copy_has_what_its_original_has_and_its_snapshots_what_theirs_have() -> None:
    asked = SOURCE.parameters(target("alias/petal"))
    assert (asked["SourceImageId"], asked["KmsKeyId"], asked["Encrypted"]) == (IMAGE.snapshot_id, "alias/petal", True)
    assert asked["Description"] == f"petal.hpc image bio {IMAGE.fingerprint} ParallelCluster 3.16.1"
    image, snapshot = ({tag["Key"]: tag["Value"] for tag in one["Tags"]} for one in asked["TagSpecifications"])
    assert image["petal:copied-from"] == f"us-east-1/{IMAGE.snapshot_id}"
    assert (image["parallelcluster:version"], image["team"]) == ("3.16.1", "genomics")
    assert "petal:cleanup" not in image
    assert snapshot == {"Name": "bio (image)", "petal:image-of": IMAGE.fingerprint, "petal:name": "bio"}
    # A copy of a copy is one of the original.
    again = ImageOriginal(copied(target()), NEAR)
    assert again.origin == SOURCE.origin
