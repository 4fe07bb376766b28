# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is no id goes into no path, no filter and no tag."""

from __future__ import annotations

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import IdentityError
from ansible_collections.petal.hpc.plugins.module_utils._core.fingerprint import check_fingerprint
from ansible_collections.petal.hpc.plugins.module_utils._core.ids import check_build_id, check_snapshot_id


@pytest.mark.parametrize("value", ["", "snap-1", "snap-0123456789abcdefg", "/snap-0123456789abcdef0"])
def test_what_is_no_id(value: str) -> None:
    with pytest.raises(IdentityError):
        check_snapshot_id(value)
    with pytest.raises(IdentityError):
        check_fingerprint(value)


@pytest.mark.parametrize("value", ["", "a b", "../x", "x" * 129])
def test_what_is_no_build_id(value: str) -> None:
    with pytest.raises(IdentityError):
        check_build_id(value)


def test_what_is_one_is_given_back() -> None:
    assert check_snapshot_id("snap-0123456789abcdef0") == "snap-0123456789abcdef0"
    assert check_fingerprint("sha256:" + "a" * 64) == "sha256:" + "a" * 64
    assert check_build_id("20260131T120000Z-1a2b") == "20260131T120000Z-1a2b"
