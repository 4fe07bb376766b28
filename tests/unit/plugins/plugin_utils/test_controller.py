"""Facts about the controller."""

from __future__ import annotations

import os
import subprocess

import pytest

from ansible_collections.petal.hpc.plugins.plugin_utils import controller


@pytest.mark.parametrize(
    ("name", "version", "os_id"),
    [
        ("debian", "12", "debian12"),
        ("ubuntu", "24.04", "ubuntu2404"),
        ("amzn", "2023", "alinux2023"),
        ("rhel", "9.4", "rhel9"),
        ("rocky", "8.10", "rocky8"),
        ("fedora", "40", "fedora40"),
    ],
)
def test_operating_systems(name: str, version: str, os_id: str) -> None:
    assert controller.os_id({"ID": name, "VERSION_ID": version}) == os_id


def test_an_unknown_system_is_no_error() -> None:
    assert controller.os_id({}) == ""


def test_identity_of_a_process() -> None:
    mine = controller.process_identity(os.getpid())
    assert mine == controller.process_identity(os.getpid())
    assert mine["pid"] == os.getpid()
    assert mine["start_time"] > 0
    assert mine["pid_namespace"].startswith("pid:[")
    assert len(mine["boot_id"]) == 36


def test_a_process_that_is_gone_has_no_start() -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    assert controller.process_identity(child.pid)["start_time"] is None


def test_a_name_cannot_shift_the_fields() -> None:
    fields = " ".join(str(number) for number in range(4, 53))
    assert controller.start_time(f"1 (a) b) 9 (c) S {fields}") == 22
    assert controller.start_time("") is None
