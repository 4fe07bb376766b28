"""The door to what build_status reports."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.filter.build_status import build_status


def test_an_install_that_has_ended_is_gone_on_with() -> None:
    assert build_status("left", False, ["finished"]) == {"state": "finished", "go_on": True}
    assert build_status("left", False, ["running"]) == {"state": "running", "go_on": False}
    assert build_status("left", False, ["running"], watch=True)["go_on"]


def test_a_host_that_did_not_answer_is_not_one_that_could_not_be_asked() -> None:
    assert build_status("left", False, [""])["state"] == "unreachable"
    assert build_status("left", False, [])["state"] == "left"


def test_what_is_built_is_not_gone_on_with() -> None:
    assert build_status("none", True, watch=True) == {"state": "built", "go_on": False}


def test_what_no_provider_shows_is_an_error() -> None:
    with pytest.raises(AnsibleFilterError, match="takes one of none, building, left, elsewhere, got 'gone'"):
        build_status("gone", False)
