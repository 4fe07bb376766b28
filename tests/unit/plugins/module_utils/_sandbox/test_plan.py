# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._sandbox import plan
from ansible_collections.petal.hpc.plugins.module_utils._sandbox.plan import Account, Place

BUILDER = Account("petal-build", 990, 991)


def test_a_command_is_the_last_thing_and_its_place_is_told_before_it() -> None:
    place = Place("/c/build", {"/c/work/x": "/c/build", "/mnt/envs/a": "/mnt/envs/a"}, ("/mnt",), network=True)
    argv = plan.argv(BUILDER, place, ["uv", "--version"])
    told = argv[argv.index("petal") + 1 :]
    assert told[:3] == ["990", "991", "/c/build"]
    assert told[3:8] == ["/c/work/x", "/c/build", "/mnt/envs/a", "/mnt/envs/a", "--"]
    assert told[8:] == ["/mnt", *plan.OPEN_TO_ALL, "--", "uv", "--version"]


@pytest.mark.parametrize("network", [True, False])
def test_what_a_command_is_kept_from(network: bool) -> None:
    argv = plan.argv(BUILDER, Place("/c", network=network), ["true"])
    ours = argv[: argv.index("sh")]
    assert {"--mount", "--pid", "--ipc", "--fork", "--kill-child", "--mount-proc", "setsid"} <= set(ours)
    assert ("--net" in ours) is not network
    for option in ("--clear-groups", "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"):
        assert option in plan.SCRIPT


def test_the_script_is_one_of_every_shell() -> None:
    assert subprocess.run(["sh", "-n", "-c", plan.SCRIPT], capture_output=True, text=True, check=True).stderr == ""


@pytest.mark.parametrize(
    ("status", "problem", "why"),
    [
        (1, "unshare: unshare failed: Operation not permitted\n", "unshare: unshare failed: Operation not permitted"),
        (125, "mount: /mnt: permission denied.\nmore\n", "mount: /mnt: permission denied."),
        (125, "", "no message"),
        (1, "error: No solution found\nunshare: x\n", ""),
        (0, "unshare: a warning of a package\n", ""),
        (2, "", ""),
    ],
)
def test_a_place_that_cannot_be_made_is_no_failure_of_the_command(status: int, problem: str, why: str) -> None:
    assert plan.why_no_place(status, problem) == why


@pytest.mark.parametrize(
    ("found", "mode"), [(0o600, 0o644), (0o666, 0o644), (0o700, 0o755), (0o4711, 0o755), (0, 0o644)]
)
def test_everybody_reads_and_only_root_writes(found: int, mode: int) -> None:
    assert plan.mode(found) == mode


@pytest.mark.parametrize(
    ("target", "out"),
    [
        ("/mnt/envs/a", False),
        ("/mnt/envs/a/lib/x.py", False),
        ("/mnt/envs/ab", True),
        ("/mnt/envs", True),
        ("/usr/bin/python3.11", False),
        ("/usr/bin/python3.11.sh", True),
        ("/mnt/envs/.python/cpython/bin/python", False),
        ("/etc/shadow", True),
    ],
)
def test_where_links_may_lead(target: str, out: bool) -> None:
    assert plan.leads_out(target, "/mnt/envs/a", ["/usr/bin/python3.11", "/mnt/envs/.python"]) is out
