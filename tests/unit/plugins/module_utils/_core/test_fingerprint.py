# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A digest of plain data is the same on every machine, Python and release."""

from __future__ import annotations

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import IdentityError
from ansible_collections.petal.hpc.plugins.module_utils._core.fingerprint import check_fingerprint, digest, hex_digits


def test_the_order_of_keys_means_nothing() -> None:
    assert digest({"a": 1, "b": ["ü", None]}) == digest({"b": ["ü", None], "a": 1})


def test_canonical_json() -> None:
    assert digest({"b": [1, None, True], "a": "é"}) == (
        "sha256:9f7d338ad91483cf3fce982c954777f9009f687e66fdc4b8033df92f8f341cf6"
    )


def test_it_is_a_fingerprint() -> None:
    assert check_fingerprint(digest({})) == f"sha256:{hex_digits(digest({}))}"


def test_what_json_does_not_know_has_none() -> None:
    with pytest.raises(ValueError, match="JSON"):
        digest({"a": float("nan")})


def test_only_a_fingerprint_has_digits() -> None:
    with pytest.raises(IdentityError, match="is none"):
        hex_digits("sha256:..")
