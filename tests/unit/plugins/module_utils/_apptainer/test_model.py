# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which packages Apptainer takes, what of them goes where, and when it is made anew."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._apptainer import model
from ansible_collections.petal.hpc.plugins.module_utils._apptainer.model import (
    MACHINES,
    PACKAGES,
    ApptainerError,
    Deb,
    Record,
    Source,
)
from ansible_collections.petal.hpc.plugins.module_utils._audit.spdx import IS_OPEN, standing

X86, ARM = MACHINES["x86_64"], MACHINES["aarch64"]
PREFIX = "/shared/containers/apptainer"
DEBS = tuple(Deb(name, "1.0", "amd64", name, "0" * 64) for name in sorted(PACKAGES))


def test_every_licence_is_a_free_one() -> None:
    assert {package.name: standing(package.licence) for package in PACKAGES.values()} == dict.fromkeys(
        PACKAGES, IS_OPEN
    )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"suite": "sid main\ndeb http://evil"}, "suite 'sid main"),
        ({"suite": ""}, "suite '' is no suite"),
        ({"base_suite": "../x"}, "base_suite '../x'"),
        ({"archive": "http://x/debian] [trusted=yes"}, "archive "),
        ({"archive": "mirror.example.org"}, "expected one such as https://mirror.example.org/debian"),
        ({"keyring": "keys.gpg"}, "keyring 'keys.gpg' is not allowed"),
        ({"keyring": '/a";x'}, "keyring "),
        ({"directory": "relative"}, "directory 'relative'"),
    ],
)
def test_what_would_be_something_else_in_a_list_of_sources_is_refused(options: dict[str, str], says: str) -> None:
    with pytest.raises(ApptainerError, match="expected") as refused:
        Source(**options)
    assert says in str(refused.value)


def test_a_password_in_an_address_is_refused_and_not_shown() -> None:
    with pytest.raises(ApptainerError) as refused:
        Source(archive="https://me:secret@mirror.example/debian")
    assert "secret" not in str(refused.value)


def test_a_list_of_sources_names_keys_and_lets_a_former_archive_be_old() -> None:
    source = Source(suite="sid", base_suite="trixie", keyring="/k.gpg")
    assert source.lines("http://a/debian") == (
        "deb [signed-by=/k.gpg] http://a/debian sid main\ndeb [signed-by=/k.gpg] http://a/debian trixie main\n"
    )
    former = "https://snapshot.example.org/archive/debian/20261101T000000Z"
    assert replace(source, base_suite="sid").lines(former) == (
        f"deb [signed-by=/k.gpg check-valid-until=no] {former} sid main\n"
    )


@pytest.mark.parametrize(
    ("versions", "says"),
    [({"bash": "1"}, "'bash' is none of the packages apptainer"), ({"libc6": 2.41}, "2.41 is no version"),
     ({"libc6": "1 2"}, "'1 2' is no version")],
)  # fmt: skip
def test_versions_are_of_these_packages_and_are_text(versions: dict[str, Any], says: str) -> None:
    with pytest.raises(ApptainerError, match="versions: ") as refused:
        model.check_versions(versions)
    assert says in str(refused.value)


def test_digests_are_digests() -> None:
    assert model.check_digests(["A" * 64, f"sha256:{'b' * 64}"]) == {"a" * 64, "b" * 64}
    with pytest.raises(ApptainerError, match="expected 64 hexadecimal digits"):
        model.check_digests(["abc"])


@pytest.mark.parametrize("path", ["relative", "/", "//", "/a b", "/a\nb", "/a'b", ""])
def test_a_path_can_stand_anywhere(path: str) -> None:
    with pytest.raises(ApptainerError, match=r"path .* is not allowed: expected an absolute path"):
        model.check_path("path", path)
    assert model.check_path("path", "/shared//x/") == "/shared/x"


def test_a_processor_that_debian_has_no_apptainer_for_is_refused() -> None:
    with pytest.raises(ApptainerError, match="riscv64 processors: expected x86_64 or aarch64"):
        model.machine_of("riscv64")


def test_packages_of_another_architecture_are_fetched_and_not_installed() -> None:
    assert model.machine_of("x86_64") == model.machine_of("aarch64", "x86_64") == X86
    assert model.machine_of("aarch64", "arm64", builds=True) == model.machine_of("x86_64", "arm64") == ARM
    with pytest.raises(ApptainerError, match=r"architecture arm64: this host has x86_64 .*state=fetched fetches"):
        model.machine_of("x86_64", "arm64", builds=True)


def test_a_control_file_is_read() -> None:
    text = (
        "Package: libc6\nSource: glibc (2.41-12)\nVersion: 2.41-12+deb13u5\nArchitecture: amd64\nDescription: x\n y\n"
    )
    assert model.parse_control(text, "f") == Deb("libc6", "2.41-12+deb13u5", "amd64", "glibc", "f")
    with pytest.raises(ApptainerError, match="no Version"):
        model.parse_control("Package: x\nArchitecture: all\n", "f")


def test_the_manifest_names_package_licence_and_source() -> None:
    assert Deb("zlib1g", "1:1.3", "arm64", "zlib", "a").entry() == {
        "name": "zlib1g",
        "version": "1:1.3",
        "manager": "deb",
        "hash": "sha256:a",
        "license": "Zlib",
        "kind": "library",
        "purl": "pkg:deb/debian/zlib1g@1%3A1.3?arch=arm64&upstream=zlib",
    }


def test_of_each_package_there_is_one_file_for_the_processor() -> None:
    debs = {f"{deb.name}.deb": deb for deb in DEBS}
    other = {"arm.deb": replace(DEBS[0], architecture="arm64"), "bash.deb": replace(DEBS[0], name="bash")}
    assert model.chosen({**debs, **other}, X86, "/d") == {deb.name: f"{deb.name}.deb" for deb in DEBS}
    with pytest.raises(ApptainerError, match=r"/d has apptainer twice, as apptainer\.deb and z\.deb"):
        model.chosen({**debs, "z.deb": replace(DEBS[0], version="2")}, X86, "/d")
    with pytest.raises(ApptainerError, match=r"no package file for arm64 of: libc6, .*state=fetched"):
        model.chosen(other, ARM, "/d")


def test_other_versions_and_digests_are_refused() -> None:
    model.check_debs(DEBS, {"libc6": "1.0"}, frozenset(["0" * 64]))
    with pytest.raises(ApptainerError, match=r"libc6 is there as 1\.0, and 2\.0 was asked for"):
        model.check_debs(DEBS, {"libc6": "2.0"}, frozenset())
    with pytest.raises(ApptainerError, match="none of those that are allowed"):
        model.check_debs(DEBS, {}, frozenset(["1" * 64]))


@pytest.mark.parametrize("machine", [X86, ARM])
def test_programs_libraries_and_settings_have_their_places(machine: model.Machine) -> None:
    libraries = f"lib/{machine.triplet}"
    names = ["etc/apptainer/apptainer.conf", "etc/apptainer/remote.yaml", "etc/apptainer/network/x.conflist"]
    assert model.members(PACKAGES["apptainer"], machine, names) == {
        "bin/apptainer": "usr/bin/apptainer",
        f"{libraries}/apptainer/bin/starter": f"usr/{libraries}/apptainer/bin/starter",
        f"{libraries}/apptainer/lib/offsetpreload.so": f"usr/{libraries}/apptainer/lib/offsetpreload.so",
        "etc/apptainer/remote.yaml": "etc/apptainer/remote.yaml",
    }
    assert model.members(PACKAGES["squashfuse"], machine, ["usr/share/doc/squashfuse/copyright"]) == {
        f"{libraries}/apptainer/bin/squashfuse_ll": "usr/bin/squashfuse_ll",
        "share/doc/squashfuse/copyright": "usr/share/doc/squashfuse/copyright",
    }
    assert f"{libraries}/{machine.loader}" in model.members(PACKAGES["libc6"], machine, [])
    assert set(machine.relocated) <= {
        target for name in ("apptainer", "squashfuse") for target in model.members(PACKAGES[name], machine, [])
    }


def test_a_link_is_followed_within_its_directory_alone() -> None:
    links = {"usr/lib/a.so": "a.so.1", "usr/lib/a.so.1": "a.so.1.0", "usr/lib/out": "../../etc/shadow", "l": "l"}
    assert model.led_to("usr/lib/a.so", links) == "usr/lib/a.so.1.0"
    for link in ("usr/lib/out", "l"):
        with pytest.raises(ApptainerError, match="is not a file beside it"):
            model.led_to(link, links)


RECORD = Record(PREFIX, "amd64", ("sid", "trixie"), DEBS, {"bin/apptainer": "0" * 64})


def test_a_record_is_read_as_it_was_written_and_another_one_is_none() -> None:
    written = RECORD.to_dict()
    assert model.read_record(written) == RECORD
    stranger = [{**written["packages"][0], "name": "bash"}]
    others = [{**written, "packages": packages} for packages in ([1], stranger)]
    broken: list[Any] = [{}, [], None, {**written, "recipe": 0}, *others]
    assert [model.read_record(other) for other in broken] == [None] * len(broken)


@pytest.mark.parametrize(
    ("record", "source", "versions", "says"),
    [
        (RECORD, Source(), {}, ""),
        (RECORD, Source(), {"libc6": "1.0"}, ""),
        (RECORD, Source(directory="/d"), {}, ""),
        (None, Source(), {}, "it is not there"),
        (replace(RECORD, prefix="/elsewhere"), Source(), {}, "another place"),
        (replace(RECORD, machine="arm64"), Source(), {}, "another place or processor"),
        (RECORD, Source(suite="forky"), {}, "other suites"),
        (replace(RECORD, suites=()), Source(), {}, "other suites"),
        (RECORD, Source(), {"libc6": "2.0"}, "another version of libc6"),
    ],
)  # fmt: skip
def test_it_is_made_anew_where_something_else_is_asked_for(
    record: Record | None, source: Source, versions: dict[str, str], says: str
) -> None:
    found = model.differs(record, PREFIX, X86, source, versions)
    assert says in found
    assert bool(says) == bool(found)


def test_a_library_of_the_host_is_seen() -> None:
    own = f"{PREFIX}/lib/x86_64-linux-gnu"
    listing = (
        "\tlinux-vdso.so.1 (0x00007fac144a6000)\n"
        f"\tlibz.so.1 => {own}/libz.so.1 (0x00007fac144a6000)\n"
        f"\t{own}/ld-linux-x86-64.so.2 => {own}/ld-linux-x86-64.so.2 (0x0)\n"
    )
    assert model.foreign_libraries(listing, PREFIX) == []
    more = "\tlibxxhash.so.0 => /lib/libxxhash.so.0 (0x1)\n\tlibnew.so.1 => not found\n"
    assert model.foreign_libraries(listing + more, PREFIX) == [
        "libxxhash.so.0 (/lib/libxxhash.so.0)",
        "libnew.so.1 (not found)",
    ]


def test_no_setting_lets_a_user_become_another() -> None:
    assert "allow setuid = no\n" in model.CONFIGURATION
    assert "root default capabilities = no\n" in model.CONFIGURATION
