"""Names of a build, from its fingerprint."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.filter.build_names import build_names


def test_a_fingerprint_names_what_its_build_makes() -> None:
    fingerprint = "sha256:" + "0123456789abcdef" * 4
    names = build_names(fingerprint)
    assert names == {
        "fingerprint": fingerprint,
        "resource": "petal-0123456789abcdef",
        "volume": "build-0123456789abcdef0123",
        "image_resource": "petal-0123456789abcdef-ami",
    }


def test_anything_else_is_an_error() -> None:
    with pytest.raises(AnsibleFilterError, match=r"petal\.hpc\.build_names: "):
        build_names("latest")
