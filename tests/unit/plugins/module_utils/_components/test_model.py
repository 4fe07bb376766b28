"""What a volume's packages run by, from what the host's tools print."""

from __future__ import annotations

import json

import pytest
from packageurl import PackageURL

from ansible_collections.petal.hpc.plugins.module_utils._components import model
from ansible_collections.petal.hpc.plugins.module_utils._components.model import Component, System, SystemPackage

BOOKWORM = System("debian", "12", "bookworm")
ROCKY = System("rocky", "9.4")
COMMIT = "9377a7b31dab3cb3880326de764d0ebb4f782d4f"


def test_systems() -> None:
    text = 'PRETTY_NAME="Debian GNU/Linux 12"\nID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n'
    assert model.parse_os_release(text) == BOOKWORM
    assert model.parse_os_release('ID="rocky"\nVERSION_ID="9.4"\n') == ROCKY
    assert model.parse_os_release("") == System("linux", "")


@pytest.mark.parametrize(
    ("text", "owner"),
    [
        ("lua5.3: /usr/bin/lua5.3\n", "lua5.3"),
        ("libc6:amd64: /lib/x86_64-linux-gnu/libc.so.6\n", "libc6:amd64"),
        ("diversion by dash from: /bin/sh\ndash: /bin/sh\n", "dash"),
        ("one, two: /usr/share/x\n", "one"),
        ("", ""),
    ],
)
def test_owners_as_dpkg_tells(text: str, owner: str) -> None:
    assert model.parse_dpkg_owner(text) == owner


def test_packages_as_dpkg_and_rpm_print_them() -> None:
    assert model.parse_deb("python3.11-minimal\t3.11.2-6+deb12u6\tamd64\tpython3.11\n") == SystemPackage(
        "deb", "python3.11-minimal", "3.11.2-6+deb12u6", "amd64", "python3.11"
    )
    printed = "lua\t(none):5.4.4-4.el9\tx86_64\tlua-5.4.4-4.el9.src.rpm\n"
    assert model.parse_rpm(printed) == SystemPackage("rpm", "lua", "5.4.4-4.el9", "x86_64", "lua-5.4.4-4.el9.src.rpm")
    with_epoch = model.parse_rpm("lua\t1:5.4.4-4.el9\tx86_64\tlua-5.4.4-4.el9.src.rpm\n")
    assert with_epoch is not None
    assert with_epoch.version == "1:5.4.4-4.el9"
    assert model.parse_rpm("file /opt/lua is not owned by any package\n") is None
    assert model.parse_deb("") is None


def test_a_package_of_debian_has_the_address_that_scanners_look_up() -> None:
    package = SystemPackage("deb", "python3.11-minimal", "3.11.2-6+deb12u6", "amd64", "python3.11")
    found = model.python_package(package, BOOKWORM, "/usr/bin/python3.11")
    assert (found.name, found.version, found.origin, found.license) == (
        *("python3.11-minimal", "3.11.2-6+deb12u6"),
        *("system", "PSF-2.0"),
    )
    assert PackageURL.from_string(found.purl) == PackageURL(
        "deb",
        "debian",
        "python3.11-minimal",
        "3.11.2-6+deb12u6",
        {"arch": "amd64", "distro": "bookworm", "upstream": "python3.11"},
    )


def test_the_epoch_of_an_rpm_is_no_part_of_its_version_there() -> None:
    package = SystemPackage("rpm", "lua", "1:5.4.4-4.el9", "x86_64", "lua-5.4.4-4.el9.src.rpm")
    address = PackageURL.from_string(model.lua_package(package, ROCKY, "/usr/bin/lua").purl)
    assert (address.namespace, address.version) == ("rocky", "5.4.4-4.el9")
    assert address.qualifiers == {
        "arch": "x86_64",
        "distro": "rocky-9.4",
        "epoch": "1",
        "upstream": "lua-5.4.4-4.el9.src.rpm",
    }


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("#!/usr/bin/lua5.3\n-- -*- lua -*-\n", "/usr/bin/lua5.3"),
        ("#! /usr/bin/lua -W\n", "/usr/bin/lua"),
        ("#!/usr/bin/env -S lua\n", "lua"),
        ("-- no script\n", ""),
        ("", ""),
    ],
)
def test_what_runs_a_script(text: str, program: str) -> None:
    assert model.interpreter(text) == program


def test_what_no_package_has() -> None:
    assert model.parse_lua_version("Lua 5.4.6  Copyright (C) 1994-2023 Lua.org, PUC-Rio") == "5.4.6"
    assert model.parse_lua_version("lua: not found") == ""
    assert model.python("3.12.4", "/shared/envs/.python/bin/python", on_volume=True).origin == "volume"
    assert model.python("3.12.4", "/opt/python/bin/python3", on_volume=False).origin == "system"
    built = model.lmod("8.7.37", "/shared/lmod/lmod", "sha256:" + "a" * 64)
    assert (built.origin, built.purl) == ("volume", "pkg:github/tacc/lmod@8.7.37")


def test_spack_is_named_by_its_commits_and_without_credentials() -> None:
    given = {
        "version": "1.2.0",
        "commit": COMMIT,
        "root": "/shared/spack",
        "url": "https://user:secret@github.com/Spack/spack.git",
        "packages_version": "v2026.06.0",
        "packages_commit": "b" * 40,
        "packages_url": "file:///srv/mirror/spack-packages.git",
    }
    spack, packages = model.spack(given)
    assert (spack.name, spack.version, spack.commit, spack.license) == ("spack", "1.2.0", COMMIT, "Apache-2.0 OR MIT")
    assert spack.purl == f"pkg:github/spack/spack@{COMMIT}"
    assert "secret" not in str(spack)
    assert PackageURL.from_string(packages.purl).qualifiers == {
        "vcs_url": f"git+file:///srv/mirror/spack-packages.git@{'b' * 40}"
    }


def test_what_the_solver_needs_is_on_the_volume() -> None:
    noted = {"python": "3.11", "packages": [{"name": "clingo", "version": "5.8.3", "license": "MIT"}]}
    (found,) = model.carried(json.dumps(noted), "/shared/spack/var/petal/python")
    assert (found.name, found.manager, found.license, found.origin, found.purl) == (
        *("clingo", "pypi", "MIT", "volume"),
        "pkg:pypi/clingo@5.8.3",
    )


@pytest.mark.parametrize("given", [{}, {"packages_version": ""}, {"version": None, "commit": None}])
def test_a_volume_without_spack(given: dict[str, None]) -> None:
    assert model.spack(given) == []


def test_what_spack_built_for_lmod_without_the_systems_own() -> None:
    lua = {"name": "lua", "version": "5.4.6", "hash": "l" * 32, "prefix": "/shared/spack/opt/lua", "origin": "cache"}
    ncurses = {**lua, "name": "ncurses", "origin": "external"}
    (found,) = model.spack_packages([{**lua, "license": "MIT", "dependencies": ["n" * 32]}, ncurses])
    assert found.to_dict() == {
        "name": "lua",
        "version": "5.4.6",
        "manager": "spack",
        "license": "MIT",
        "kind": "library",
        "origin": "cache",
        "path": "/shared/spack/opt/lua",
        "hash": "l" * 32,
        "dependencies": ("n" * 32,),
    }


def test_what_is_not_known_is_left_out() -> None:
    assert Component("x", "1", "none").to_dict() == {
        "name": "x",
        "version": "1",
        "manager": "none",
        "kind": "application",
        "origin": "volume",
    }


def test_what_parts_take_as_du_tells() -> None:
    said = "4096\t/shared/spack/opt/zlib-1\x008192\t/shared/odd\nname\t2\x000\t/shared/empty\x00512\t/shared\x00"
    assert model.parse_usage(said, "/shared") == {".": 512, "odd\nname\t2": 8192, "spack/opt/zlib-1": 4096}
