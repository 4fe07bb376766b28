"""The filter that compares a host's facts with a seed."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.filter.platform_mismatch import platform_mismatch

FACTS = {"distribution": "RedHat", "distribution_version": "9.4", "architecture": "aarch64"}


def test_facts_are_compared_with_a_seed() -> None:
    assert platform_mismatch(FACTS, "rocky9", "arm64") == ""
    assert platform_mismatch(FACTS, "rocky9", "x86_64") == "its architecture is arm64, not x86_64"


def test_missing_facts_are_an_error_and_no_match() -> None:
    with pytest.raises(AnsibleFilterError, match="facts of the host are missing"):
        platform_mismatch({}, "rocky9", "arm64")
