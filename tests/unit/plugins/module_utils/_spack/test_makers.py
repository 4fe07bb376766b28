# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a compiler that is to be built can build the rest, and whether it does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._spack.makers import check_languages, made_otherwise
from ansible_collections.petal.hpc.plugins.module_utils._spack.model import EnvironmentRequest, Node, Probe, SpackError

LANGUAGES = ("c", "cxx", "fortran")
BUILD, LINK = frozenset({"build"}), frozenset({"build", "link"})


def test_a_compiler_to_build_has_the_languages_of_what_it_builds() -> None:
    needs = {"bzip2": ("c",), "zlib@1.3": ("c", "cxx"), "netcdf-fortran %gcc@12": LANGUAGES}
    probe = Probe((1, 2, 0), external=False, languages=("c",), needs=needs)
    wanted = EnvironmentRequest("x", tuple(needs), "gcc@14 languages:=c")
    with pytest.raises(SpackError) as refused:
        check_languages(wanted, probe)
    assert str(refused.value) == (
        "gcc@14 languages:=c compiles c, and zlib@1.3 needs c++ too. Expected languages=c,c++ of this compiler, as no "
        "package is built with two gcc; or name another compiler for this package (%gcc@VERSION)."
    )
    check_languages(wanted, replace(probe, languages=("c", "cxx")))
    # The host has gfortran beside a compiler that has none, and compilers of two names can share a package.
    check_languages(wanted, replace(probe, external=True))
    check_languages(replace(wanted, compiler="llvm@17"), probe)
    check_languages(replace(wanted, compiler=None), probe)


def node(name: str, version: str, needs: dict[str, frozenset[str]], root: bool = False, system: bool = False) -> Node:
    """A package whose hash is its name and version."""
    key = f"{name}@{version}"
    return Node(name, version, key, "/usr" if system else None, key if root else None, needs)


def solution(zlib_by: str, libmd_by: str) -> dict[str, Node]:
    """A gcc that is built, with a zlib of its own, and two packages of the user's; one needs zlib, one libmd."""
    found = [
        node("gcc", "12.2.0", {}, system=True),
        node("gcc", "14.2.0", {"gcc@12.2.0": BUILD, "zlib@1.2": LINK}, root=True),
        node("zlib", "1.2", {"gcc@12.2.0": BUILD}),
        node("zlib", "1.3", {zlib_by: BUILD, "gcc-runtime@14.2.0": LINK}),
        node("libmd", "1.1", {libmd_by: BUILD}),
        # It comes from a compiler, and nothing of it is compiled.
        node("gcc-runtime", "14.2.0", {"gcc@12.2.0": BUILD}),
        node("cmake", "3.25", {}, system=True),
        node("pigz", "2.8", {"gcc@14.2.0": BUILD, "zlib@1.3": LINK, "cmake@3.25": BUILD}, root=True),
        node("libbsd", "0.12", {"gcc@12.2.0": BUILD, "libmd@1.1": LINK}, root=True),
        node("nextflow", "24", {}, root=True),
    ]
    return {one.hash: one for one in found}


def test_what_another_compiler_builds_is_told() -> None:
    wanted = EnvironmentRequest("x", ("pigz", "libbsd %gcc@12", "nextflow"), "gcc@14.2.0 languages:=c")
    probe = Probe((1, 2, 0), external=False, languages=("c",))
    assert made_otherwise(wanted, probe, solution("gcc@14.2.0", "gcc@14.2.0")) == []
    # What has a compiler of its own, and what that needs, may have any.
    assert made_otherwise(wanted, probe, solution("gcc@14.2.0", "gcc@12.2.0")) == []
    assert made_otherwise(wanted, probe, solution("gcc@12.2.0", "gcc@12.2.0")) == ["zlib@1.3 (gcc@12.2.0)"]
    # Of one of the host's it is required.
    assert made_otherwise(wanted, replace(probe, external=True), solution("gcc@12.2.0", "gcc@12.2.0")) == []
    assert made_otherwise(replace(wanted, compiler=None), probe, solution("gcc@12.2.0", "gcc@12.2.0")) == []
