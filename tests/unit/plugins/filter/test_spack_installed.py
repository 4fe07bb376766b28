# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter that takes a manifest's packages from a Spack environment."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.filter.spack_installed import spack_installed
from ansible_collections.petal.hpc.plugins.module_utils._spack.model import Package

ZLIB = Package("zlib", "1.3", "abc", "/shared/spack/opt/zlib", "source", 2.5, "zlib", True, "Zlib", ("def",), "+pic")


def test_what_a_manifest_says_of_a_package() -> None:
    assert spack_installed([ZLIB.to_dict()]) == [
        {
            "name": "zlib",
            "version": "1.3",
            "manager": "spack",
            "hash": "abc",
            "origin": "source",
            "prefix": "/shared/spack/opt/zlib",
            "license": "Zlib",
            "dependencies": ["def"],
            "variants": "+pic",
        }
    ]


def test_what_is_the_operating_systems_is_not_on_the_volume() -> None:
    assert spack_installed([{**ZLIB.to_dict(), "origin": "external"}]) == []


def test_records_of_earlier_releases_have_neither_licences_nor_dependencies() -> None:
    old: dict[str, Any] = ZLIB.to_dict()
    del old["license"], old["dependencies"], old["variants"]
    (package,) = spack_installed([old])
    assert (package["license"], package["dependencies"], package["variants"]) == ("", [], "")


def test_anything_else_is_an_error() -> None:
    for wrong in ([{"name": "zlib"}], None, ["zlib"]):
        with pytest.raises(AnsibleFilterError, match="takes packages of an environment"):
            spack_installed(wrong)
