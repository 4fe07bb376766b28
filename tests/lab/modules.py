# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run one module of the collection in a process of its own, as Ansible does on a host, but in a quarter of a second."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from playing import ROOT

# What AnsiballZ does: hand the arguments over, then call main().
START = """
import importlib, json, sys
from ansible.module_utils import basic
arguments = json.loads(sys.argv[2])
basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
basic._ANSIBLE_PROFILE = "legacy"
importlib.import_module("ansible_collections.petal.hpc.plugins.modules." + sys.argv[1]).main()
"""


def start_module(module: str, /, check: bool = False, **arguments: Any) -> subprocess.Popen[str]:
    """Start a module in a session of its own, so that it can be killed with all its helpers."""
    given = {"_ansible_check_mode": check, "_ansible_remote_tmp": "/tmp", **arguments}
    return subprocess.Popen(
        [sys.executable, "-c", START, module, json.dumps(given, default=str)],
        env={**os.environ, "PYTHONPATH": str(ROOT / ".collections"), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def result_of(process: subprocess.Popen[str], timeout: float = 60) -> dict[str, Any]:
    """Wait for a module and give what it returned; whatever it is, it must not be a traceback."""
    output, problem = process.communicate(timeout=timeout)
    assert "Traceback" not in output + problem, output + problem
    try:
        found = json.loads(output)
    except ValueError as error:
        raise AssertionError(f"no JSON from the module: {output}{problem}") from error
    assert isinstance(found, dict)
    return found


def run_module(module: str, /, check: bool = False, **arguments: Any) -> dict[str, Any]:
    """Run a module that has to succeed."""
    found = result_of(start_module(module, check, **arguments))
    assert not found.get("failed"), found["msg"]
    return found


def fail_module(module: str, /, check: bool = False, **arguments: Any) -> str:
    """Run a module that has to fail with a message, and give the message."""
    found = result_of(start_module(module, check, **arguments))
    assert found.get("failed"), found
    assert found["msg"].strip()
    return str(found["msg"])
