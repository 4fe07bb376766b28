"""The door to how far a build is."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.filter.build_state import build_state


def test_the_hosts_are_those_that_localhost_knows() -> None:
    facts = {
        "localhost": {"volume_build_hosts": ["i-1", "i-2"], "volume_build_builders": ["i-2"]},
        "i-1": {"build_host_python": "/usr/bin/python3", "software_volume_work_began": True},
        "i-2": {"build_host_python": "/usr/bin/python3", "volume_build_ended": "aborted"},
        "i-3": {"volume_build_ended": "sealed"},
    }
    assert build_state(facts) == {
        "state": "aborted",
        "host": "i-2",
        "open": False,
        "lost": False,
        "logs": True,
        "worked": True,
        "play": ["localhost", "i-2"],
        "play_of_all": ["localhost", "i-1", "i-2"],
    }


def test_where_nobody_builds_there_is_no_state() -> None:
    assert build_state({})["state"] == "none"
    assert build_state({"localhost": {}})["state"] == "none"
    assert build_state({"localhost": {}})["play"] == ["localhost", "!localhost"]


def test_what_is_wrong_is_an_error() -> None:
    with pytest.raises(AnsibleFilterError, match="takes hostvars, got str"):
        build_state("i-1")
    with pytest.raises(AnsibleFilterError, match="volume_build_ended of i-1 is 'gone'"):
        build_state({"localhost": {"volume_build_hosts": ["i-1"]}, "i-1": {"volume_build_ended": "gone"}})
