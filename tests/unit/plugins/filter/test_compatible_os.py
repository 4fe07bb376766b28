"""The filter that says where software of a system runs."""

from __future__ import annotations

from ansible_collections.petal.hpc.plugins.filter.compatible_os import compatible_os


def test_rebuilds_fit_each_other_and_others_only_themselves() -> None:
    assert {"rhel9", "rocky9"} <= set(compatible_os("rocky9"))
    assert compatible_os("alinux2023") == ["alinux2023"]
