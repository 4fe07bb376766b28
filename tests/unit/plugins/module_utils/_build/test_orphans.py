"""Which builds left something behind."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._build.orphans import Wanted, in_store, on_aws

ALL = Wanted("20260131T120000Z")


def tags(digit: str, time: str = "20260131T110000Z", **more: str) -> dict[str, str]:
    """Of a build whose fingerprint has only this digit."""
    build = {"petal:fingerprint": f"sha256:{digit * 64}", "petal:build-id": f"{time}-{digit * 8}"}
    return {**build, **{f"petal:{name}": value for name, value in more.items()}}


def volume(digit: str, **more: Any) -> dict[str, Any]:
    """Of a build, in a store."""
    return {"name": f"build-{digit * 20}", "tags": tags(digit), **more}


def test_what_a_build_left_on_aws_stands_together() -> None:
    resources = [
        {"instance_id": "i-1", "vpc_id": "vpc-0", "tags": tags("1", name="genomics")},
        {"id": "vol-2", "tags": tags("2")},
        {"id": "vol-1", "tags": tags("1")},
        {"group_id": "sg-1", "vpc_id": "vpc-0", "tags": tags("1")},
        {"vpc_id": "vpc-1", "tags": tags("1")},
        {"key_pair_id": "key-1", "tags": tags("1")},
    ]
    assert on_aws(resources, ALL, {"20260131T110000Z-22222222"}) == [
        {
            "build_id": "20260131T110000Z-11111111",
            "fingerprint": "sha256:" + "1" * 64,
            "name": "genomics",
            "resource": "petal-1111111111111111",
            "resources": ["i-1", "vol-1", "sg-1", "vpc-1", "key-1"],
            "complete": False,
        },
        {
            "build_id": "20260131T110000Z-22222222",
            "fingerprint": "sha256:" + "2" * 64,
            "name": "",
            "resource": "petal-2222222222222222",
            "resources": ["vol-2"],
            "complete": True,
        },
    ]


@pytest.mark.parametrize(
    "foreign",
    [
        {},
        {"petal:build-id": "20260131T110000Z-11111111"},
        {**tags("1"), "petal:build-id": "mine"},
        {**tags("1"), "petal:fingerprint": "sha256:1"},
        {**tags("1"), "petal:fingerprint": "sha256:" + "1" * 64 + "\n"},
    ],
)
def test_what_has_not_the_tags_of_a_build_is_somebody_elses(foreign: dict[str, str]) -> None:
    assert on_aws([{"id": "vol-1", "tags": foreign}], ALL, ()) == []


def test_a_build_is_spared_by_the_time_with_which_its_id_begins() -> None:
    same, later = tags("1", "20260131T120000Z"), tags("2", "20260131T120001Z")
    found = on_aws([{"id": "vol-1", "tags": same}, {"id": "vol-2", "tags": later}], ALL, ())
    assert [build["resources"] for build in found] == [["vol-1"]]
    assert in_store([volume("1", tags=later)], ALL) == []


def test_one_build_may_be_meant() -> None:
    wanted = Wanted(ALL.before, "20260131T110000Z-22222222")
    found = on_aws([{"id": f"vol-{digit}", "tags": tags(digit)} for digit in "123"], wanted, ())
    assert [build["resources"] for build in found] == [["vol-2"]]
    assert [build["resources"] for build in in_store(map(volume, "123"), wanted)] == [["build-" + "2" * 20]]


def test_what_made_an_image_has_resources_of_another_name() -> None:
    image = {**tags("1"), "petal:build-id": "20260131T110000Z-11111111-ami"}
    (found,) = on_aws([{"instance_id": "i-1", "tags": image}], ALL, ())
    assert found["resource"] == "petal-1111111111111111-ami"


def test_in_a_store_a_build_left_its_volume() -> None:
    assert in_store([volume("1")], ALL) == [
        {
            "build_id": "20260131T110000Z-11111111",
            "fingerprint": "sha256:" + "1" * 64,
            "resource": "petal-1111111111111111",
            "name": "",
            "resources": ["build-" + "1" * 20],
        }
    ]


def test_other_volumes_of_a_store_are_passed_over() -> None:
    others = [volume("1", name="scratch"), volume("1", name="build-123"), volume("1", tags={}), volume("1", tags=None)]
    assert in_store(others, ALL) == []
