"""What was found inside of images counts for the volume that has them."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._audit.findings import (
    Audit,
    AuditError,
    Component,
    Find,
    components,
    licences,
)
from ansible_collections.petal.hpc.plugins.module_utils._audit.inside import of_image, with_images
from ansible_collections.petal.hpc.plugins.module_utils._sharing.verdict import Verdict

KEY, TEST, DARK = Find("etc/a.key", "private key"), Find("t/tests/a.key", "private key"), Find("x", "directory (EIO)")
CLEAN = Audit((), (), files=3, read=1)


def image(name: str = "samtools", found: Audit = CLEAN, **different: Any) -> dict[str, Any]:
    return {"name": name, "version": "1.20", "audit": of_image(found), "problems": [], **different}


def test_an_image_with_nothing_in_it() -> None:
    found = with_images(CLEAN, [image()])
    assert (found.verdict(), found.files, found.read) == (Verdict("public"), 6, 2)


def test_a_secret_in_an_image_is_one_of_the_volume() -> None:
    found = with_images(CLEAN, [image(found=Audit((KEY,), (TEST,), unreadable=(DARK,)))])
    assert found.test_data == (Find("samtools:/t/tests/a.key", "private key"),)
    reasons = ("samtools:/etc/a.key is a private key", "samtools:/x could not be read")
    assert found.verdict() == Verdict("private", reasons)
    assert "samtools:/etc/a.key (private key)" in found.warnings()[0]


@pytest.mark.parametrize("pattern", ["samtools:/etc/*", "*:/etc/a.key"])
def test_one_that_somebody_has_looked_at_is_accepted(pattern: str) -> None:
    found = with_images(CLEAN, [image(found=Audit((KEY,), ()))], [pattern])
    assert found.verdict().level == "public" and len(found.accepted) == 1
    # A pattern of the volume's own paths is none of an image's.
    assert with_images(CLEAN, [image(found=Audit((KEY,), ()))], ["etc/*"]).verdict().level == "private"


def test_two_versions_of_one_image_are_told_apart() -> None:
    keys = Audit((KEY,), ())
    found = with_images(CLEAN, [image(found=keys), image(found=keys, version="1.21"), image("bwa", keys)])
    assert [one.path for one in found.sensitive] == [
        "samtools:1.20:/etc/a.key",
        "samtools:1.21:/etc/a.key",
        "bwa:/etc/a.key",
    ]


def test_one_that_nobody_has_looked_into_is_private() -> None:
    assert with_images(CLEAN, [image(audit={})]).verdict() == Verdict("private", ("samtools:/ could not be read",))


def test_more_than_are_listed_are_never_all_accepted() -> None:
    keys = Audit(tuple(Find(f"{number}.key", "private key") for number in range(1003)), ())
    found = with_images(CLEAN, [image(found=keys)], ["samtools:*"])
    assert found.verdict() == Verdict("private", ("samtools:/ is a directory with 3 more of these",))


def test_packages_that_were_not_read_are_not_known_to_be_open() -> None:
    found = with_images(CLEAN, [image(problems=["packages of rpm: /var/lib/rpm was not read"])])
    assert found.verdict() == Verdict("accounts", ("samtools: packages of rpm: /var/lib/rpm was not read",))
    assert found.to_dict()["unread"] == ["samtools: packages of rpm: /var/lib/rpm was not read"]


@pytest.mark.parametrize("value", [{}, {"name": "x", "audit": 7}, {"name": "x", "audit": {"sensitive": [7]}}, 7])
def test_what_is_no_image_of_a_manifest(value: Any) -> None:
    with pytest.raises(AuditError, match="manifest"):
        with_images(CLEAN, [value])


def bom(*names: str, licence: str = "", images: tuple[str, ...] = ("samtools",)) -> dict[str, Any]:
    properties = [
        {"name": "petal:origin", "value": "image"},
        *({"name": "petal:image", "value": one} for one in images),
    ]
    said = [{"license": {"name": licence}}] if licence else []
    listed = [{"name": name, "version": "1", "licenses": said, "properties": properties} for name in names]
    return {"bomFormat": "CycloneDX", "components": listed}


def test_licences_inside_of_images() -> None:
    found = components(bom("libc6", licence="custom", images=("samtools", "bwa")))
    assert found == [Component("libc6", "1", "custom", "samtools"), Component("libc6", "1", "custom", "bwa")]
    assert found[0].to_dict() == {"name": "libc6", "version": "1", "licence": "custom", "image": "samtools"}
    verdict = Audit((), (), licences=licences(found)).verdict()
    assert verdict.reasons == (
        "bwa: the licence of libc6 in it is not known",
        "samtools: the licence of libc6 in it is not known",
    )


def test_many_of_an_image_are_one_reason() -> None:
    found = licences(components(bom(*(f"p{number}" for number in range(100, 120)))))
    assert Audit((), (), licences=found).verdict() == Verdict(
        "accounts",
        ("samtools: the licences of 20 packages in it are not known, such as p100, p101, p102, p103, p104",),
    )


def test_one_that_is_not_open_is_named() -> None:
    found = licences(components(bom("firmware", licence="LicenseRef-Not-Open")))
    reasons = Audit((), (), licences=found).verdict().reasons
    assert reasons == ("samtools:firmware has licence LicenseRef-Not-Open",)


def test_what_somebody_states_of_packages_in_images() -> None:
    for pattern, level in (("samtools:libc6", "public"), ("samtools:*", "public"), ("libc6", "accounts")):
        found = licences(components(bom("libc6"), {pattern: "LGPL-2.1-or-later"}))
        assert Audit((), (), licences=found).verdict().level == level, pattern
    closed = licences(components(bom("x", licence="LicenseRef-Not-Open"), {"*": "MIT"}))
    assert Audit((), (), licences=closed).verdict().level == "accounts"
