"""Modules that run on the controller itself: when they may, and that they are modules then as anywhere else."""

from __future__ import annotations

import json
import os
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible.vars import clean

from ansible_collections.petal.hpc.plugins.module_utils._namespace.api import RUNTIME, WRAPPER
from ansible_collections.petal.hpc.plugins.plugin_utils import direct
from ansible_collections.petal.hpc.plugins.plugin_utils.direct import Way, place

PYTHON = "/opt/ansible/bin/python"
OWN = Way(connection="ansible.builtin.local", user=None, python=PYTHON)


def test_the_controller_itself_needs_no_way_to_a_host() -> None:
    assert place(OWN, 1000, PYTHON) == ""
    assert place(replace(OWN, connection="local", user="root"), 0, PYTHON) == ""


@pytest.mark.parametrize(
    "different",
    [
        {"connection": "ssh"},
        {"connection": "community.docker.docker"},
        {"user": "root"},
        {"user": "builder"},
        {"python": "/usr/bin/python3"},
        {"python": "auto"},
        {"python": ""},
        {"environment": True},
        {"background": True},
    ],
)
def test_whatever_goes_another_way_is_ansibles(different: dict[str, Any]) -> None:
    assert place(replace(OWN, **different), 1000, PYTHON) is None


def test_root_is_nobody_else_without_a_word() -> None:
    assert place(replace(OWN, user="builder"), 0, PYTHON) is None


def test_the_python_of_a_mount_namespace_says_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as it is the playbook's own that would run there."""
    wrapper = tmp_path / "python"
    monkeypatch.setattr(direct, "WRAPPER", re.compile(".*/python"))
    way = replace(OWN, user="root", python=str(wrapper))
    assert place(way, 0, PYTHON) is None
    wrapper.write_text(f'#!/bin/sh\nexec nsenter --mount=x -- {shlex.quote(PYTHON)} "$@"\n')
    assert place(way, 0, PYTHON) == str(tmp_path / "mnt")
    assert place(way, 0, "/usr/bin/python3.9") is None
    assert place(replace(way, user=None), 1000, PYTHON) is None


def test_the_wrapper_is_the_one_that_is_made() -> None:
    assert direct.WRAPPER.fullmatch(str(RUNTIME / "build-0123456789abcdef0123" / "python"))
    assert ' {python} "$@"\n' in WRAPPER


def arguments(**options: Any) -> dict[str, Any]:
    """Of a module in check mode, as Ansible hands them over."""
    return {**options, "_ansible_check_mode": True, "_ansible_remote_tmp": "/tmp", "_ansible_diff": True}


def test_a_module_runs_in_a_child_and_says_what_it_says_elsewhere(tmp_path: Path) -> None:
    plan = {"etc/text": {"content": "ä {{ no_template }}\n"}}
    status, output, errors = direct.run_module("volume_layout", arguments(path=str(tmp_path), plan=plan))
    assert (status, errors) == (0, "")
    result = json.loads(output)
    assert (result["changed"], result["paths"]) == (True, ["etc/text"])
    assert result["diff"][0]["after"].endswith("ä {{ no_template }}\n")
    assert list(tmp_path.iterdir()) == []


def test_what_a_module_warns_of_is_in_its_result(tmp_path: Path) -> None:
    """In Ansible's own processes a warning goes to the screen, and the child has none."""
    sources = [{"type": "organization", "priority": 1, "store": str(tmp_path / "away")}]
    where = {"store": str(tmp_path), "fingerprint": "sha256:" + "0" * 64, "os": "debian12", "architecture": "x86_64"}
    status, output, errors = direct.run_module("local_snapshot_info", arguments(**where, sources=sources))
    assert (status, errors) == (0, "")
    (warning,) = json.loads(output)["warnings"]
    assert f"the source organization {tmp_path}/away is passed over: " in str(warning)


def test_a_module_that_fails_fails_with_its_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    status, output, _errors = direct.run_module("volume_layout", arguments(path=str(tmp_path / "file"), plan={}))
    assert status == 1
    assert json.loads(output)["msg"].startswith(f"{tmp_path}/file is no directory on this host. ")
    status, output, _errors = direct.run_module("volume_layout", arguments(path=str(tmp_path)))
    assert status == 1
    assert json.loads(output)["msg"] == "missing required arguments: plan"


def test_what_goes_wrong_in_the_child_never_comes_up_in_the_parent() -> None:
    here = os.getpid()
    status, output, errors = direct.run_module("no_such_module", arguments())
    assert os.getpid() == here
    assert (status, output) == (1, "")
    assert errors.splitlines()[-1].startswith("ModuleNotFoundError: ")


def test_a_namespace_that_is_not_there(tmp_path: Path) -> None:
    status, output, errors = direct.run_module("volume_layout", arguments(path="/", plan={}), str(tmp_path / "mnt"))
    assert (status, output) == (1, "")
    assert "No such file or directory" in errors


class OfAnsible221:
    """What ansible-core makes of a module's output since it is no dictionary any more."""

    def __init__(self) -> None:
        self.cleaned = False

    def remove_internal_keys(self) -> None:
        self.cleaned = True

    def as_result_dict(self, *, for_round_trip: bool) -> dict[str, Any]:
        assert self.cleaned
        return {"changed": True, "whole": for_round_trip}


@pytest.mark.parametrize(
    ("parsed", "result"),
    [
        ({"changed": True, "_ansible_parsed": True, "warnings": []}, {"changed": True, "_ansible_parsed": True}),
        (OfAnsible221(), {"changed": True, "whole": True}),
    ],
    ids=["dictionary", "object"],
)
def test_a_result_is_a_dictionary_whatever_ansible_makes_of_it(parsed: Any, result: dict[str, Any]) -> None:
    if isinstance(parsed, dict) and not hasattr(clean, "remove_internal_keys"):
        pytest.skip("this ansible-core has no results that are dictionaries")
    assert direct._as_ansible_has_it(parsed) == result
