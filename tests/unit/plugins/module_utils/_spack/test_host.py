# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host as Spack sees it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.filter.spack_detected import spack_detected
from ansible_collections.petal.hpc.plugins.filter.spack_platform import spack_platform
from ansible_collections.petal.hpc.plugins.module_utils._seed.platforms import (
    DEFAULT_TARGETS,
    OPERATING_SYSTEMS,
    os_named,
    spack_os,
)
from ansible_collections.petal.hpc.plugins.module_utils._spack.host import Detected, Platform


def facts(distribution: str, version: str, architecture: str = "x86_64") -> dict[str, str]:
    return {
        "distribution": distribution,
        "distribution_version": version,
        "distribution_major_version": version.split(".")[0],
        "architecture": architecture,
    }


HOSTS = {
    "amzn2023": facts("Amazon", "2023"),
    "ubuntu22.04": facts("Ubuntu", "22.04"),
    "ubuntu24.04": facts("Ubuntu", "24.04"),
    "rhel8": facts("RedHat", "8.10"),
    "rhel9": facts("RedHat", "9.4"),
    "rocky8": facts("Rocky", "8.10"),
    "rocky9": facts("Rocky", "9.4"),
    "debian12": facts("Debian", "12.8"),
    "debian13": facts("Debian", "13.1"),
}


@pytest.mark.parametrize(("name", "host"), HOSTS.items(), ids=HOSTS)
def test_operating_systems_as_spack_names_them(name: str, host: dict[str, str]) -> None:
    assert Platform.of(host).os == name
    # What a seed's own name of it becomes, when its specs are read without a host.
    assert spack_os(os_named(host["distribution"], host["distribution_version"])) == name


def test_each_operating_system_of_a_seed_is_known() -> None:
    assert set(HOSTS) == {spack_os(os) for os in OPERATING_SYSTEMS}


def test_others_by_their_own_name_and_major_version() -> None:
    assert Platform.of(facts("AlmaLinux", "9.4")).os == "almalinux9"


def test_targets() -> None:
    assert Platform.of(facts("Debian", "12")).target == DEFAULT_TARGETS["x86_64"] == "x86_64_v3"
    assert Platform.of(facts("Debian", "12", "aarch64")).target == "aarch64"
    assert Platform.of(facts("Debian", "12", "ppc64le")).target == "ppc64le"
    assert Platform.of(facts("Debian", "12"), "zen3").target == "zen3"
    assert spack_platform(facts("Debian", "12"), None) == {"os": "debian12", "target": "x86_64_v3"}


def test_missing_facts_are_an_error() -> None:
    with pytest.raises(AnsibleFilterError, match="facts of the host are missing: 'distribution'"):
        spack_platform({})


def external(spec: str, **compilers: str) -> dict[str, Any]:
    return {"spec": spec, "prefix": "/usr", "extra_attributes": {"compilers": compilers}}


GCC11 = external("gcc@11.4.0 languages:='c,c++,fortran'", c="/usr/bin/gcc-11", fortran="/usr/bin/gfortran-11")
GCC12 = external("gcc@12.2.0 languages:='c,c++,fortran'", c="/usr/bin/gcc", fortran="/usr/bin/gfortran")
GCC13 = external("gcc@13.1.0 languages:='c'", c="/usr/bin/gcc-13")
CMAKE = {"externals": [{"spec": "cmake@3.25.1", "prefix": "/usr"}]}


def test_the_operating_systems_compiler_is_the_complete_one_at_its_usual_place() -> None:
    found = Detected.of({"gcc": {"externals": [GCC11, GCC12, GCC13]}}, [])
    assert found.compilers == [GCC11, GCC12]
    assert found.default == [GCC12]
    assert found.compiler == "gcc@12.2.0"


@pytest.mark.parametrize(
    "packages", [{}, {"gcc": {}}, {"gcc": {"externals": [GCC13, {"spec": "gcc@9", "prefix": "/"}]}}]
)
def test_where_no_compiler_is_complete_there_is_none(packages: dict[str, Any]) -> None:
    found = Detected.of(packages, [])
    assert (found.compilers, found.default, found.compiler) == ([], [], None)


def test_tools_that_are_wanted_and_there_may_still_be_built() -> None:
    found = Detected.of({"cmake": CMAKE, "perl": {"externals": []}}, ["m4", "cmake"])
    assert found.tools == {"cmake": {**CMAKE, "buildable": True}}


def test_what_two_recipes_find_is_there_once() -> None:
    """A site has its own recipe of gcc or cmake beside Spack's, and Spack looks with both."""
    twice = {"externals": [*CMAKE["externals"], *CMAKE["externals"]]}
    found = Detected.of({"gcc": {"externals": [GCC12, GCC11, dict(GCC12)]}, "cmake": twice}, ["cmake"])
    assert (found.compilers, found.default, found.compiler) == ([GCC12, GCC11], [GCC12], "gcc@12.2.0")
    assert found.tools == {"cmake": {**CMAKE, "buildable": True}}


def test_the_filter_reads_the_file_of_spack() -> None:
    text = yaml.safe_dump({"packages": {"gcc": {"externals": [GCC12]}, "cmake": CMAKE}})
    assert spack_detected(text, ["cmake"])["compiler"] == "gcc@12.2.0"
    # In check mode nothing was detected.
    assert spack_detected("", ["cmake"]) == {"compilers": [], "default": [], "compiler": None, "tools": {}}
    for wrong in ("[", "- a list", "packages: {cmake: none}"):
        with pytest.raises(AnsibleFilterError, match=r"takes a packages\.yaml of Spack"):
            spack_detected(wrong, ["cmake"])
