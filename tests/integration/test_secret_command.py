# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A command that needs a token, run by the module as on a host."""

from __future__ import annotations

import json

from modules import result_of, run_module, start_module


def test_the_command_has_it_and_the_result_has_not() -> None:
    script = 'printf "%s" "$TOKEN" | tr a-z A-Z; echo " at https://u:p@h/x?sig=1"; echo "$TOKEN" >&2'
    found = run_module("secret_command", argv=["sh", "-c", script], secrets={"TOKEN": "verysecret"})
    assert found["rc"] == 0
    assert found["stdout"] == "VERYSECRET at https://h/x?…\n"
    assert "verysecret" not in json.dumps(found)


def test_a_failure_has_its_status_and_what_was_said() -> None:
    found = result_of(start_module("secret_command", argv=["sh", "-c", "echo no >&2; exit 3"]))
    assert (found["failed"], found["rc"], found["stderr"]) == (True, 3, "no\n")


def test_a_command_that_is_missing_is_one_error() -> None:
    found = result_of(start_module("secret_command", argv=["/nowhere/git", "fetch"]))
    assert (found["rc"], found["stderr"]) == (127, "error: /nowhere/git: No such file or directory")


def test_a_shell_reads_no_argument() -> None:
    assert run_module("secret_command", argv=["echo", "$HOME; exit 1"])["stdout"] == "$HOME; exit 1\n"
