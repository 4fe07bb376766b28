# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The image: of the right owner, for the right system and architecture, the latest release, and the newest of that."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._aws.images.choice import OFFICIAL, ImageError, ImageRequest
from ansible_collections.petal.hpc.plugins.module_utils._seed.platforms import OPERATING_SYSTEMS

NOW = "2026-07-15T00:00:00.000Z"
GIVEN = "ami-0123456789abcdef0"


def entry(version: str = "3.16.1", created: str = "2026-06-15", **different: Any) -> dict[str, Any]:
    stamp = created.replace("-", "") + "0000"
    return {
        "ImageId": "ami-" + f"{abs(hash((version, created))):017x}"[:17],
        "Name": f"aws-parallelcluster-{version}-amzn2023-hvm-x86_64-{stamp} {created}T00-00-00.000Z",
        "OwnerId": "247102896272",
        "ImageOwnerAlias": "amazon",
        "Architecture": "x86_64",
        "State": "available",
        "CreationDate": f"{created}T00:00:00.000Z",
        "RootDeviceName": "/dev/xvda",
        "BlockDeviceMappings": [
            {"DeviceName": "/dev/sdb", "VirtualName": "ephemeral0"},
            {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 45}},
        ],
        **different,
    }


def choose(*entries: dict[str, Any], **different: Any) -> dict[str, Any]:
    wanted = ImageRequest.named(**{"os": "alinux2023", "architecture": "x86_64", **different})
    return wanted.choose(entries, "us-east-1", NOW).to_dict()


def test_every_system_has_images_and_its_user() -> None:
    assert set(OFFICIAL) == set(OPERATING_SYSTEMS)
    users = {system: official.user for system, official in OFFICIAL.items()}
    assert users["alinux2023"] == users["rhel8"] == users["rhel9"] == "ec2-user"
    assert users["ubuntu2204"] == users["ubuntu2404"] == "ubuntu"
    assert users["rocky8"] == users["rocky9"] == "rocky"
    assert users["debian12"] == users["debian13"] == "admin"


@pytest.mark.parametrize(
    ("system", "architecture", "owner", "name"),
    [
        ("alinux2023", "x86_64", "amazon", "aws-parallelcluster-3.13.0-amzn2023-hvm-x86_64-202503 2025-03"),
        ("ubuntu2404", "arm64", "amazon", "aws-parallelcluster-3.13.0-ubuntu-2404-lts-hvm-arm64-202503 2025-03"),
        ("rhel9", "x86_64", "amazon", "aws-parallelcluster-3.13.0-rhel9-hvm-x86_64-202503 2025-03"),
        ("rocky9", "arm64", "792107900819", "Rocky-9-EC2-Base-9.5-20241118.0.aarch64"),
        ("rocky8", "x86_64", "792107900819", "Rocky-8-EC2-Base-8.10-20240528.0.x86_64"),
        ("debian12", "x86_64", "136693071363", "debian-12-amd64-20250316-2053"),
        ("debian13", "arm64", "136693071363", "debian-13-arm64-20250814-2204"),
    ],
)
def test_what_is_asked_for(system: str, architecture: str, owner: str, name: str) -> None:
    asked = ImageRequest.named(system, architecture).request()
    filters = {item["Name"]: item["Values"] for item in asked["Filters"]}
    assert asked["Owners"] == [owner]
    assert fnmatchcase(name, filters["name"][0])
    assert filters["architecture"] == [architecture]
    other = {"x86_64": "arm64", "arm64": "x86_64"}[architecture]
    assert not fnmatchcase(name, ImageRequest.named(system, other).official.name_pattern(other))


def test_the_newest_of_the_latest_release() -> None:
    newest = entry("3.16.1", "2026-06-15")
    patched = entry("3.14.2", "2026-07-01")
    found = choose(entry("3.16.1", "2026-06-02"), patched, newest, entry("3.9.0", "2026-05-01"))
    assert found == {
        "image_id": newest["ImageId"],
        "name": newest["Name"],
        "owner": "247102896272",
        "os": "alinux2023",
        "architecture": "x86_64",
        "user": "ec2-user",
        "created": "2026-06-15T00:00:00.000Z",
        "root_device": "/dev/xvda",
        "root_size_gb": 45,
        "deprecated": False,
        "official": True,
        "release": "3.16.1",
    }


@pytest.mark.parametrize(
    "stranger",
    [
        {"OwnerId": "666677778888", "ImageOwnerAlias": None},
        {"OwnerId": "666677778888", "ImageOwnerAlias": "aws-marketplace"},
        {"Architecture": "arm64"},
        {"Name": "aws-parallelcluster"},
        {"DeprecationTime": "2026-07-14T00:00:00.000Z"},
    ],
)
def test_others_are_passed_over(stranger: dict[str, Any]) -> None:
    official = entry(created="2026-06-02", DeprecationTime="2027-01-01T00:00:00.000Z")
    assert choose(entry(created="2026-07-01", **stranger), official)["image_id"] == official["ImageId"]
    with pytest.raises(ImageError, match=r"AWS ParallelCluster offers no image for alinux2023 on x86_64 in us-east-1"):
        choose(entry(**stranger))


def test_a_given_image_is_taken_as_it_is() -> None:
    asked = ImageRequest.named("al2023", "amd64", GIVEN).request()
    assert asked == {"ImageIds": [GIVEN], "IncludeDeprecated": True}
    own = entry(
        ImageId=GIVEN,
        Name="ours",
        OwnerId="111122223333",
        ImageOwnerAlias=None,
        DeprecationTime="2026-01-01T00:00:00.000Z",
        BlockDeviceMappings=[],
    )
    found = choose(own, image_id=GIVEN)
    assert (found["image_id"], found["user"], found["deprecated"], found["official"]) == (
        GIVEN,
        "ec2-user",
        True,
        False,
    )
    assert found["root_size_gb"] is None


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ([], f"there is no image {GIVEN} in us-east-1"),
        ([entry()], f"there is no image {GIVEN} in us-east-1"),
        ([entry(ImageId=GIVEN, Architecture="arm64")], f"{GIVEN} is for arm64, the seed for x86_64"),
        ([entry(ImageId=GIVEN, State="pending")], "its state is pending"),
    ],
)
def test_a_given_image_that_cannot_be_used(entries: list[dict[str, Any]], reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        choose(*entries, image_id=GIVEN)


@pytest.mark.parametrize(
    ("different", "reason"),
    [
        ({"os": "windows"}, "os 'windows' is not known: expected one of alinux2023, "),
        ({"architecture": "sparc"}, "architecture 'sparc' is not known"),
        ({"image_id": "ami-*"}, "image_id 'ami-\\*' is none"),
    ],
)
def test_what_nobody_has(different: dict[str, Any], reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        choose(**different)


def test_an_image_for_nodes_is_of_the_release_that_makes_the_cluster() -> None:
    asked = ImageRequest.named("alinux2023", "x86_64", release="3.15.0").request()
    names = {item["Name"]: item["Values"] for item in asked["Filters"]}["name"]
    assert names == ["aws-parallelcluster-3.15.0-amzn2023-hvm-x86_64-*"]
    older = entry("3.15.0", "2026-02-01")
    assert choose(entry("3.16.1", "2026-06-15"), older, release="3.15.0")["image_id"] == older["ImageId"]
    with pytest.raises(ImageError, match=r"none of the owner amazon is named aws-parallelcluster-3\.17\.0-"):
        choose(older, release="3.17.0")
    with pytest.raises(ImageError, match="expected one such as"):
        choose(older, release="latest")
    with pytest.raises(ImageError, match="pcluster build-image"):
        choose(os="rocky9", release="3.16.1")


def test_an_image_of_ones_own_says_of_which_release_it_is() -> None:
    mine = {**entry("3.16.1", "2026-06-15"), "Name": "mine", "ImageOwnerAlias": None, "OwnerId": "111122223333"}
    tagged = {**mine, "Tags": [{"Key": "parallelcluster:version", "Value": "3.16.1"}]}
    given = {"image_id": mine["ImageId"]}
    assert choose(mine, **given)["release"] == ""
    assert choose(tagged, **given, release="3.16.1")["release"] == "3.16.1"
    with pytest.raises(ImageError, match="is none of ParallelCluster"):
        choose(mine, **given, release="3.16.1")
    with pytest.raises(ImageError, match=r"is of ParallelCluster 3\.16\.1, and clusters are made with 3\.17\.0"):
        choose(tagged, **given, release="3.17.0")
