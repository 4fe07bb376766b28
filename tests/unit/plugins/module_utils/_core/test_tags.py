"""Tags of what a build on AWS makes."""

from __future__ import annotations

import doctest

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._core import tags

FINGERPRINT = "sha256:" + "0123456789abcdef" * 4


def test_examples() -> None:
    assert doctest.testmod(tags).failed == 0


def test_tags_of_a_build() -> None:
    assert tags.build_tags(FINGERPRINT, "b1", "bio", "petal-x") == {
        "petal:fingerprint": FINGERPRINT,
        "petal:build-id": "b1",
        "petal:name": "bio",
        "Name": "petal-x",
    }
    assert set(tags.build_tags(FINGERPRINT, "b1")) == {"petal:fingerprint", "petal:build-id"}


@pytest.mark.parametrize("count", [0, 1, 5, 21, 22, 23, 24, 25, 100, 5000])
def test_packages_fit_into_a_tag_whole(count: int) -> None:
    packages = [f"package{number}@1" for number in range(count)]
    text = tags.packages_tag(packages)
    kept = tags.packages_of(text)
    assert len(text) <= 256
    assert kept == packages[: len(kept)]
    assert text.endswith("more") is (len(kept) < count)
    assert len(kept) == count or len(" ".join([*packages[: len(kept) + 1], f"+{count - len(kept) - 1} more"])) > 256


def test_a_package_that_never_fits() -> None:
    assert tags.packages_tag(["x" * 300, "y"]) == "+2 more"


def test_tags_there_and_back() -> None:
    some = {"b": "2", "a": ""}
    assert tags.from_aws(tags.to_aws(some)) == some
    assert tags.from_aws(None) == {}
    assert tags.tag_specifications(["instance", "volume"], {"a": "1"}) == [
        {"ResourceType": "instance", "Tags": [{"Key": "a", "Value": "1"}]},
        {"ResourceType": "volume", "Tags": [{"Key": "a", "Value": "1"}]},
    ]
    assert tags.tag_filters({"a": "1"}) == [{"Name": "tag:a", "Values": ["1"]}]


@pytest.mark.parametrize("text", ["", "yesterday", "2026-01-01", "2026-13-01T00:00:00Z"])
def test_a_stamp_that_is_none(text: str) -> None:
    assert tags.moment(text) is None


def test_a_stamp_there_and_back() -> None:
    assert tags.moment(tags.stamp(1_790_000_000.7)) == 1_790_000_000
