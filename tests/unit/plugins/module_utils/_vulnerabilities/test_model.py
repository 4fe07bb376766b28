"""Known vulnerabilities of what a bill of materials lists, by OSV's records and the algorithm of its schema."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._vulnerabilities.model import (
    Finding,
    Matcher,
    Package,
    VulnerabilitiesError,
    packages,
    semver,
)

#: As GitHub's database has it, cut to what is read.
PILLOW: dict[str, Any] = {
    "id": "GHSA-j7hp-h8jx-5ppr",
    "aliases": ["CVE-2023-4863"],
    "summary": "libwebp: OOB write\nin BuildHuffmanTable",
    "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:U/C:H/I:H/A:H"}],
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "Pillow", "purl": "pkg:pypi/pillow"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "10.0.1"}]}],
        }
    ],
    "database_specific": {"severity": "HIGH"},
}


def bom(*purls: str, **different: Any) -> dict[str, Any]:
    return {"bomFormat": "CycloneDX", "components": [{"name": "x", "purl": purl, **different} for purl in purls]}


def look(listed: Any, *records: Any) -> Matcher:
    matcher = Matcher(packages(listed))
    for record in records:
        matcher.take(record)
    return matcher


def record(*affected: dict[str, Any], **different: Any) -> dict[str, Any]:
    return {"id": "OSV-1", "affected": list(affected), **different}


def ranged(kind: str, *events: dict[str, str], ecosystem: str = "PyPI", name: str = "x") -> dict[str, Any]:
    package = {"ecosystem": ecosystem, "name": name}
    return {"package": package, "ranges": [{"type": kind, "events": list(events)}]}


def test_a_package_that_is_affected_with_all_that_is_known() -> None:
    found = look(bom("pkg:pypi/pillow@9.5.0", name="pillow"), PILLOW).findings
    assert found.found == [
        Finding(
            id="GHSA-j7hp-h8jx-5ppr",
            aliases=("CVE-2023-4863",),
            severity="HIGH",
            package="pillow",
            version="9.5.0",
            fixed=("10.0.1",),
            summary="libwebp: OOB write in BuildHuffmanTable",
        )
    ]
    assert found.records == 1


@pytest.mark.parametrize("version", ["10.0.1", "10.0.1.post1", "11"])
def test_what_is_mended_is_not_found(version: str) -> None:
    assert look(bom(f"pkg:pypi/pillow@{version}"), PILLOW).findings.found == []


def test_names_are_compared_as_the_index_does() -> None:
    typed = record(ranged("ECOSYSTEM", {"introduced": "0"}, name="Typing_Extensions"))
    assert len(look(bom("pkg:pypi/typing-extensions@4.0"), typed).findings.found) == 1


def test_a_python_package_of_spacks() -> None:
    of_spack = [{"name": "petal:manager", "value": "spack"}]
    listed = bom("pkg:generic/py-pillow@9.5.0", name="py-pillow", properties=of_spack)
    assert [one.package for one in look(listed, PILLOW).findings.found] == ["py-pillow"]


def test_a_package_of_spacks_by_the_name_of_its_project() -> None:
    zlib = {"package": {"ecosystem": "OSS-Fuzz", "name": "zlib"}, "versions": ["v1.2.11", "v1.2.12"]}
    of_spack = [{"name": "petal:manager", "value": "spack"}]
    for version, count in {"1.2.11": 1, "1.3.1": 0}.items():
        listed = bom(f"pkg:generic/zlib@{version}", name="zlib", properties=of_spack)
        assert len(look(listed, record(zlib)).findings.found) == count
    assert look(bom("pkg:generic/zlib@1.2.11", name="zlib"), record(zlib)).findings.found == []


@pytest.mark.parametrize(
    ("version", "affected", "fixed"),
    [
        ("1.0", True, ["1.5"]),
        ("1.5", False, []),
        ("1.9", False, []),
        ("2.0", True, ["2.2"]),
        ("2.0rc1", False, []),
        ("2.2", False, []),
    ],
)
def test_a_range_of_two_branches(version: str, affected: bool, fixed: list[str]) -> None:
    # Events in any order.
    events = [{"introduced": "2.0"}, {"fixed": "2.2"}, {"introduced": "0"}, {"fixed": "1.5"}]
    found = look(bom(f"pkg:pypi/x@{version}"), record(ranged("ECOSYSTEM", *events))).findings.found
    assert [list(one.fixed) for one in found] == ([fixed] if affected else [])


@pytest.mark.parametrize(("version", "affected"), [("1.4", True), ("1.4.0.1", False), ("1.3", True)])
def test_the_last_affected_is_affected(version: str, affected: bool) -> None:
    one = record(ranged("ECOSYSTEM", {"introduced": "0"}, {"last_affected": "1.4"}))
    assert bool(look(bom(f"pkg:pypi/x@{version}"), one).findings.found) == affected


@pytest.mark.parametrize(
    ("version", "affected"), [("1.2.3-rc.1", True), ("1.2.3", False), ("0.9.0", False), ("1.0.0-alpha", False)]
)
def test_ranges_by_semver(version: str, affected: bool) -> None:
    one = record(ranged("SEMVER", {"introduced": "1.0.0"}, {"fixed": "1.2.3"}, ecosystem="Go", name="example.org/x"))
    assert bool(look(bom(f"pkg:golang/example.org/x@v{version}"), one).findings.found) == affected


def test_semver_orders_what_comes_before_a_release() -> None:
    texts = ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0"]
    assert sorted(texts, key=lambda text: semver(text) or ()) == texts
    assert semver("2026a") is None


def test_versions_that_are_listed_need_no_order() -> None:
    one = record({"package": {"ecosystem": "PyPI", "name": "x"}, "versions": ["2004d"]})
    assert len(look(bom("pkg:pypi/x@2004d"), one).findings.found) == 1
    assert look(bom("pkg:pypi/x@2005a"), one).findings.found == []


def test_what_cannot_be_compared_is_said() -> None:
    affected = ranged("GIT", {"introduced": "0"}, {"fixed": "a" * 40}, ecosystem="Debian:12", name="lua5.3")
    address = "pkg:deb/debian/lua5.3@5.3.6-2?arch=amd64&distro=bookworm"
    found = look(bom(address, name="lua5.3"), record(affected)).findings
    assert (found.found, found.not_compared) == ([], ["lua5.3 5.3.6-2 (OSV-1)"])


@pytest.mark.parametrize(
    ("purl", "ecosystem", "name", "fixed", "hit"),
    [
        ("pkg:deb/debian/libc6@2.36-9?distro=bookworm&upstream=glibc", "Debian:12", "glibc", "2.36-9+deb12u7", True),
        (
            "pkg:deb/debian/libc6@2.36-9%2Bdeb12u8?distro=bookworm&upstream=glibc",
            "Debian:12",
            "glibc",
            "2.36-9+deb12u7",
            False,
        ),
        # What is built of another version is as old as that.
        (
            "pkg:deb/debian/gcc@4%3A12-3?distro=bookworm&upstream=gcc-defaults%401.2",
            "Debian:12",
            "gcc-defaults",
            "1.3",
            True,
        ),
        ("pkg:rpm/rocky/vim@8.2-20.el9?distro=rocky-9.4&epoch=2", "Rocky Linux:9", "vim", "2:8.2-21.el9", True),
        ("pkg:rpm/rocky/vim@8.2-20.el9?distro=rocky-9.4&epoch=2", "Rocky Linux:9", "vim", "1:9.0-1.el9", False),
        ("pkg:apk/alpine/musl@1.2.5-r0?distro=alpine-3.20.3", "Alpine:v3.20", "musl", "1.2.5-r1", True),
        ("pkg:apk/alpine/musl@1.2.5-r0?distro=alpine-3.20.3", "Alpine:v3.19", "musl", "1.2.5-r1", False),
    ],
)
def test_packages_of_systems_by_the_order_of_their_versions(
    purl: str, ecosystem: str, name: str, fixed: str, hit: bool
) -> None:
    affected = ranged("ECOSYSTEM", {"introduced": "0"}, {"fixed": fixed}, ecosystem=ecosystem, name=name)
    found = look(bom(purl), record(affected)).findings
    assert ([one.fixed for one in found.found], found.not_compared) == ([(fixed,)] if hit else [], [])


@pytest.mark.parametrize(
    ("purl", "name"),
    [
        ("pkg:pypi/Foo.Bar@1", ("PyPI", "foo-bar")),
        ("pkg:maven/org.apache/log4j@1", ("Maven", "org.apache:log4j")),
        ("pkg:npm/%40angular/core@1", ("npm", "@angular/core")),
        ("pkg:deb/debian/python3.11-minimal@3?distro=bookworm&upstream=python3.11", ("Debian:12", "python3.11")),
        ("pkg:deb/ubuntu/lua5.3@5?distro=jammy", ("Ubuntu:22.04:LTS", "lua5.3")),
        ("pkg:deb/ubuntu/lua5.3@5?distro=ubuntu-22.04", ("Ubuntu:22.04:LTS", "lua5.3")),
        (
            "pkg:deb/debian/gcc@4%3A12.2.0-3?distro=debian-12&upstream=gcc-defaults%401.203",
            ("Debian:12", "gcc-defaults"),
        ),
        ("pkg:rpm/rocky/lua@5?distro=rocky-9.4&upstream=lua-5.src.rpm", ("Rocky Linux:9", "lua")),
        ("pkg:rpm/opensuse-leap/lua@5?distro=opensuse-leap-15.6", ("openSUSE:Leap 15.6", "lua")),
        ("pkg:apk/alpine/ssl_client@1?distro=alpine-3.20.3&upstream=busybox", ("Alpine:v3.20", "busybox")),
        ("pkg:apk/wolfi/curl@8?distro=wolfi-20230201", ("Wolfi", "curl")),
    ],
)
def test_names_by_package_url(purl: str, name: tuple[str, str]) -> None:
    (found,) = packages(bom(purl))
    assert found.names == (name,)


def test_versions_are_read_as_addresses_have_them() -> None:
    assert packages(bom("pkg:deb/debian/x@1.0%2Bdeb12u6?distro=bookworm"))[0].version == "1.0+deb12u6"
    assert packages({"bomFormat": "CycloneDX", "components": [{"name": "y", "version": "1"}]}) == [
        Package("y", "1", ())
    ]


def test_what_was_withdrawn_does_not_count() -> None:
    found = look(bom("pkg:pypi/pillow@9.5.0"), {**PILLOW, "withdrawn": "2024-01-01T00:00:00Z"}).findings
    assert (found.found, found.records) == ([], 1)


def test_without_a_word_the_severity_is_its_vector() -> None:
    plain = {key: value for key, value in PILLOW.items() if key != "database_specific"}
    assert look(bom("pkg:pypi/pillow@9"), plain).findings.found[0].severity.startswith("CVSS:3.1/")
    assert look(bom("pkg:pypi/pillow@9"), {**plain, "severity": []}).findings.found[0].severity == ""


@pytest.mark.parametrize("value", [None, [], {}, {"bomFormat": "SPDX"}, {"bomFormat": "CycloneDX", "components": "x"}])
def test_what_is_no_bill_of_materials(value: Any) -> None:
    with pytest.raises(VulnerabilitiesError, match="no bill of materials"):
        packages(value)


@pytest.mark.parametrize(
    "value", [None, [], {}, {"id": 1}, {"id": "a", "affected": "x"}, {"id": "a", "affected": ["x"]}]
)
def test_what_is_no_record(value: Any) -> None:
    with pytest.raises(VulnerabilitiesError):
        look(bom("pkg:pypi/x@1"), value)


@pytest.mark.parametrize(
    "entry",
    [
        {"package": None},
        {"package": {"ecosystem": "PyPI", "name": "x"}, "ranges": [None]},
        {"package": {"ecosystem": "PyPI", "name": "x"}, "ranges": [{"type": "ECOSYSTEM", "events": ["x"]}]},
        {
            "package": {"ecosystem": "PyPI", "name": "x"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"fixed": "odd!"}]}],
        },
        {"package": {"ecosystem": "PyPI", "name": "x"}, "versions": None},
    ],
)
def test_odd_records_are_no_findings(entry: dict[str, Any]) -> None:
    assert look(bom("pkg:pypi/x@1"), record(entry)).findings.found == []
