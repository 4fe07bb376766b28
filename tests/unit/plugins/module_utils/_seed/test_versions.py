"""Versions as Spack orders them."""

from __future__ import annotations

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._seed.versions import Version, VersionError, Versions

ASCENDING = [
    "a",
    "z",
    "0.9",
    "1",
    "1.2-alpha",
    "1.2beta2",
    "1.2rc1",
    "1.2",
    "1.2.0",
    "1.2.1",
    "1.10",
    "master",
    "develop",
]


def test_order() -> None:
    keys = [Version.parse(text).key for text in ASCENDING]
    assert keys == sorted(keys)


def test_separators_and_leading_zeros_do_not_count() -> None:
    assert Version.parse("1.2_3") == Version.parse("1-02.3")


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("1.2", "1.2"),
        ("1.2:1.4", "1.2:1.4"),
        ("1.2:1.4,1.5", "1.2:1.5"),  # nothing lies between 1.4.x and 1.5
        ("1.2:1.4,1.6", "1.2:1.4,1.6"),
        ("3, 1 ,2", "1:3"),
        ("=3,=1", "=1,=3"),
        ("=1.3,1.2:1.4", "1.2:1.4"),
        (":2,2:", ":"),
        (":", ":"),
        ("=git.x", "git.x"),
        ("1.2-", "1.2"),
    ],
)
def test_shortest_form(text: str, form: str) -> None:
    assert str(Versions.parse(text)) == form


@pytest.mark.parametrize("text", ["", "1,", "2:1", "1.2:1.1", "=1:2", "git.x,1", "a b!", "1::2"])
def test_refused(text: str) -> None:
    with pytest.raises(VersionError):
        Versions.parse(text)


@pytest.mark.parametrize(
    ("one", "two", "both"),
    [
        ("1.2:", ":1.4", "1.2:1.4"),
        ("1.2", "=1.2.3", "=1.2.3"),
        ("1,3", "2:", "3"),
        ("git.x=1.3", "1.2:", "git.x=1.3"),
        ("git.x", ":", "git.x"),
        ("=1", "=1.0.0", None),
        ("1", "2", None),
        ("git.x", "git.y", None),
    ],
)
def test_intersection(one: str, two: str, both: str | None) -> None:
    first, second = Versions.parse(one), Versions.parse(two)
    if both is None:
        with pytest.raises(VersionError):
            first.intersection(second)
    else:
        assert str(first.intersection(second)) == str(second.intersection(first)) == both


@pytest.mark.parametrize(
    ("text", "held", "not_held"),
    [
        ("1.17", ["1.17", "1.17.1", "1.17-2"], ["1.16.9", "1.18", "1.1", "1.170"]),
        ("=1.17", ["1.17", "1-17"], ["1.17.0", "1.17.1"]),
        ("1.2:1.4", ["1.2", "1.4.9"], ["1.1.9", "1.5", "develop"]),
        (":1.4", ["0.1", "1.4.1"], ["1.5"]),
        ("1.4:", ["1.4", "2", "develop"], ["1.3.9"]),
        ("1.2,=1.5,2:", ["1.2.3", "1.5", "3"], ["1.5.1", "1.3"]),
        ("develop", ["develop"], ["main", "9"]),
        ("git.main", [], ["main", "1"]),
        ("git.main=1.2", [], ["1.2"]),
    ],
)
def test_holds(text: str, held: list[str], not_held: list[str]) -> None:
    versions = Versions.parse(text)
    assert [version for version in (*held, *not_held) if versions.holds(Version.parse(version))] == held


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("1.5", ["1.4", "1.6"]),
        ("=1.5", ["1.4", "1.6"]),
        ("0.1", ["1.2"]),
        ("3:", ["2.0"]),
        (":1.0", ["1.2"]),
        ("1.3,1.7", ["1.2", "1.4"]),
        ("git.main=1.3", ["1.2", "1.4"]),
    ],
)
def test_neighbours(text: str, near: list[str]) -> None:
    known = [Version.parse(version) for version in ("2.0", "1.6", "1.4", "1.2")]
    assert [version.text for version in Versions.parse(text).neighbours(known)] == near


def test_branches() -> None:
    names = ["1.2", "develop", "develop-1.14", "main", "1.2rc1", "stable", "patch1"]
    assert [name for name in names if Version.parse(name).is_branch] == ["develop", "develop-1.14", "main", "stable"]
