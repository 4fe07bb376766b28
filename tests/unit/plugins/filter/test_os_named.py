"""The filter that names a host's operating system as seeds do."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.filter.os_named import named


@pytest.mark.parametrize(
    ("distribution", "version", "name"),
    [
        ("Ubuntu", "24.04", "ubuntu2404"),
        ("Debian", "12.5", "debian12"),
        ("Amazon", "2023", "alinux2023"),
        ("RedHat", "9.4", "rhel9"),
        ("Rocky", "8.10", "rocky8"),
    ],
)
def test_facts_name_a_system_as_seeds_do(distribution: str, version: str, name: str) -> None:
    assert named({"ansible_distribution": distribution, "ansible_distribution_version": version}) == name


def test_facts_that_were_not_gathered_name_nothing() -> None:
    assert named({}) == ""


def test_what_is_no_facts_is_an_error() -> None:
    with pytest.raises(AnsibleFilterError, match="takes the facts of a host"):
        named("Debian")
