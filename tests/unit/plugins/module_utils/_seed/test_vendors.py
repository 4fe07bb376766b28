# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose a compiler is, and what comes with it."""

from __future__ import annotations

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._audit.spdx import IS_NOT_OPEN, standing
from ansible_collections.petal.hpc.plugins.module_utils._seed.spec import COMPILERS
from ansible_collections.petal.hpc.plugins.module_utils._seed.vendors import (
    is_vendors_compiler,
    licence_of,
    vendor_of,
)

OPEN_COMPILERS = {"gcc", "llvm", "llvm-amdgpu"}


@pytest.mark.parametrize("name", sorted(set(COMPILERS) - OPEN_COMPILERS - {"apple-clang"}))
def test_every_compiler_that_is_not_open_has_a_vendor(name: str) -> None:
    assert vendor_of(name)
    assert is_vendors_compiler(name)
    assert standing(licence_of(name)) == IS_NOT_OPEN


@pytest.mark.parametrize("name", ["intel-oneapi-mkl", "intel-oneapi-new-part", "cray-mpich", "armpl-gcc"])
def test_what_comes_with_a_compiler_is_its_vendors_too(name: str) -> None:
    assert vendor_of(name)
    assert not is_vendors_compiler(name)
    assert standing(licence_of(name)) == IS_NOT_OPEN


@pytest.mark.parametrize("name", [*sorted(OPEN_COMPILERS), "intel-tbb", "openmpi", "", "nvhpc-like"])
def test_nobody_elses(name: str) -> None:
    assert (vendor_of(name), licence_of(name), is_vendors_compiler(name)) == ("", "", False)
