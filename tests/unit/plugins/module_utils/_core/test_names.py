# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of what a build makes: the same for the same fingerprint, and for nothing else."""

from __future__ import annotations

import doctest

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._core import names
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import IdentityError

FINGERPRINT = "sha256:" + "0123456789abcdef" * 4


def test_examples() -> None:
    assert doctest.testmod(names).failed == 0


def test_a_resource_has_the_first_digits_of_the_fingerprint() -> None:
    assert names.resource_name(FINGERPRINT) == "petal-0123456789abcdef"


def test_a_lock_has_all_of_them() -> None:
    assert names.lock_name(FINGERPRINT) == f"build-{'0123456789abcdef' * 4}.json"


@pytest.mark.parametrize("text", ["", "sha256:", "sha256:" + "g" * 64, "0" * 64])
def test_only_a_fingerprint_names_something(text: str) -> None:
    with pytest.raises(IdentityError, match="64 hex digits"):
        names.resource_name(text)
    with pytest.raises(IdentityError, match="64 hex digits"):
        names.lock_name(text)
