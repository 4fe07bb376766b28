"""From finds to a verdict."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._audit.findings import (
    Audit,
    AuditError,
    Component,
    Find,
    Licences,
    compilers,
    components,
    licences,
)
from ansible_collections.petal.hpc.plugins.module_utils._sharing.verdict import Verdict, parse

MIT = Component("six", "1", "MIT")
CUDA = Component("cuda", "12", "LicenseRef-Nvidia-Proprietary")
OURS = Component("ours", "1", None)
KEY = Find("etc/server.key", "private key")


def bom(*licences_: Any) -> dict[str, Any]:
    """A bill of materials with one component."""
    return {"bomFormat": "CycloneDX", "components": [{"name": "x", "version": "1", "licenses": list(licences_)}]}


def test_verdicts() -> None:
    clean = Audit((), (), licences=licences([MIT]))
    assert clean.verdict() == Verdict("public")
    assert Audit((), (KEY,)).verdict().level == "public"
    assert Audit((), (), accepted=(KEY,)).verdict().level == "public"
    held = Audit((), (), licences=licences([MIT, CUDA, OURS])).verdict()
    assert held == Verdict("accounts", ("cuda has licence LicenseRef-Nvidia-Proprietary", "ours has no known licence"))
    private = Audit((KEY,), (), licences=licences([CUDA]))
    assert private.verdict() == Verdict("private", ("etc/server.key is a private key",))
    assert "etc/server.key" in private.warnings()[0]
    assert Audit((), (), unreadable=(Find("x", "directory (Permission denied)"),)).verdict().level == "private"
    assert clean.warnings() == []


def test_many_finds_fit_into_a_tag_and_a_result() -> None:
    finds = tuple(Find(f"home/{number}/a;b.pem", "private key") for number in range(5000))
    found = Audit(finds, ()).to_dict()
    assert len(found["tag"]) <= 256
    assert parse(found["tag"]).level == "private"
    assert (len(found["sensitive"]), found["sensitive_count"]) == (100, 5000)


def test_one_package_counts_once() -> None:
    assert licences([MIT, MIT, CUDA, OURS]) == Licences(1, (CUDA,), (OURS,))


@pytest.mark.parametrize(
    ("entries", "licence"),
    [
        ([], None),
        ([{"license": {"id": "MIT"}}], "MIT"),
        ([{"license": {"name": "custom"}}], "custom"),
        ([{"expression": "MIT OR ISC"}], "MIT OR ISC"),
        ([{"license": {"id": "MIT"}}, {"license": {"id": "ISC"}}], "(MIT) AND (ISC)"),
        (["MIT"], None),
        ([{"license": {"id": 7}}], None),
        ([{}], None),
    ],
)
def test_licences_of_a_component(entries: list[Any], licence: str | None) -> None:
    assert components(bom(*entries)) == [Component("x", "1", licence)]


def test_what_every_node_has_of_its_own_is_given_to_nobody() -> None:
    found = bom({"license": {"name": "whatever"}})
    found["components"][0]["properties"] = [{"name": "petal:origin", "value": "system"}]
    assert components(found) == []


@pytest.mark.parametrize("value", [None, [], {}, {"bomFormat": "CycloneDX", "components": "x"}, {"bomFormat": "SPDX"}])
def test_what_is_no_bill_of_materials(value: Any) -> None:
    with pytest.raises(AuditError):
        components(value)


def of_spack(name: str, *licences_: Any) -> dict[str, Any]:
    """A bill of materials with one package of Spack's."""
    found = bom(*licences_)
    found["components"][0] |= {"name": name, "properties": [{"name": "petal:manager", "value": "spack"}]}
    return found


@pytest.mark.parametrize("licences_", [(), ({"license": {"id": "MIT"}},), ({"license": {"name": "custom"}},)])
def test_what_is_a_vendors_is_not_to_be_published_whatever_is_said_of_it(licences_: tuple[Any, ...]) -> None:
    (one,) = components(of_spack("nvhpc", *licences_), {"nvhpc": "MIT"})
    assert one == Component("nvhpc", "1", "LicenseRef-NVIDIA-Proprietary")
    verdict = Audit((), (), licences=licences([MIT, one])).verdict()
    assert verdict == Verdict("accounts", ("nvhpc is NVIDIA's and not to be published",))
    # A Python package of that name is another one.
    assert components(bom({"license": {"id": "MIT"}})) == [Component("x", "1", "MIT")]


def test_a_vendors_compiler_of_the_host_is_a_reason_too() -> None:
    system = [
        {"name": "intel-oneapi-compilers", "version": "2024.1.0"},
        {"name": "gcc", "version": "12.2.0"},
        {"name": "cray-mpich", "version": "8.1"},
        {"name": "cce", "version": "17"},
        {"name": "cce", "version": "17"},
    ]
    assert compilers(system) == ("cce@17", "intel-oneapi-compilers@2024.1.0")
    found = Audit((), (), licences=licences([MIT]), compilers=compilers(system))
    assert found.verdict() == Verdict(
        "accounts",
        (
            "cce@17 built some of it, and what is HPE's is not to be published",
            "intel-oneapi-compilers@2024.1.0 built some of it, and what is Intel's is not to be published",
        ),
    )
    assert found.to_dict()["compilers"] == ["cce@17", "intel-oneapi-compilers@2024.1.0"]
    assert compilers([{}]) == ()
