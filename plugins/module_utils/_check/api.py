# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run checks of modules: in login shells on this host, or in Slurm jobs on other nodes."""

from __future__ import annotations

import concurrent.futures
import os
import pwd
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._check.model import Check, Result, tail, unfit
from ansible_collections.petal.hpc.plugins.module_utils._check.mpi import find_mpi, mpi_argv, mpi_script, read_mpi
from ansible_collections.petal.hpc.plugins.module_utils._check.slurm import Asked, job_argv, job_script, read_job
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError

_TIMED_OUT = 124
# Jobs that are submitted at once; more wait for these.
_AT_ONCE = 16
# Seconds that Slurm takes around a job.
_SLACK = 60


def run_checks(module: AnsibleModule, entries: Iterable[Mapping[str, Any]], user: str, timeout: int) -> list[Result]:
    """Load each module in a login shell of its own and run its command, one after another.

    ``timeout`` is in seconds, for each of them. Raises PetalError where the user does not exist, where this
    process may not become it, where it is root, or where an entry is malformed.
    """
    _need_user(user)
    checks = [Check.from_mapping(entry) for entry in entries]
    return [_run(module, check, user, timeout) for check in checks]


def run_in_jobs(module: AnsibleModule, manifest: Mapping[str, Any], nodes: Sequence[str], asked: Asked) -> list[Result]:
    """Check the modules of a manifest in a Slurm job on each node, the jobs side by side; then MPI across all nodes.

    Results are in the order of the nodes, MPI's is the last: there is one where the manifest has MPI and there are
    two nodes or more. Raises PetalError as :func:`run_checks` does.
    """
    _need_user(asked.user)
    checks = [Check.from_mapping(entry) for entry in manifest.get("modules") or []]
    # Not to be guessed by what the checks print.
    mark = f"petal-{secrets.token_hex(8)}"
    script = job_script(checks, asked.timeout, mark)

    def one(node: str) -> list[Result]:
        _rc, stdout, stderr = _job(module, job_argv(asked, node, script), asked, len(checks))
        return read_job(stdout, stderr, checks, asked, mark, node)

    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
        results = [result for found in pool.map(one, nodes) for result in found]
    mpi = find_mpi(manifest)
    if mpi is not None and len(nodes) > 1:
        started = time.monotonic()
        rc, stdout, stderr = _job(
            module, mpi_argv(asked, nodes, mpi_script(mpi, len(nodes), asked.timeout, mark)), asked, 1
        )
        results.append(read_mpi(stdout, stderr, rc, time.monotonic() - started, mpi, nodes, mark))
    return results


def _need_user(user: str) -> None:
    try:
        found = pwd.getpwnam(user)
    except KeyError as error:
        raise PetalError(f"there is no user {user!r} on this host; name one that is (verify_user)") from error
    if found.pw_uid == 0:
        raise PetalError(
            f"{user} is root, and what is on a volume runs as an ordinary user only: name one (verify_user)"
        )
    if os.geteuid() != 0:
        raise PetalError(f"only root can open a login shell of {user!r}: run this with become")


def _job(module: AnsibleModule, argv: Sequence[str], asked: Asked, checks: int) -> tuple[int, str, str]:
    """Run a command to its end, or to the last moment at which its job may end."""
    patience = asked.queue_timeout + checks * (asked.timeout + 10) + _SLACK
    rc, stdout, stderr = module.run_command(["timeout", "--kill-after=10", str(patience), *argv], cwd="/")
    return int(rc), str(stdout), str(stderr)


def _run(module: AnsibleModule, check: Check, user: str, timeout: int) -> Result:
    started = time.monotonic()
    # A clean environment, as sshd gives one: nothing of the controller's must make a module work.
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8", "TERM": "dumb"}
    rc, stdout, stderr = module.run_command(
        [
            "env",
            "--ignore-environment",
            *[f"{key}={value}" for key, value in environment.items()],
            "timeout",
            "--kill-after=10",
            str(timeout),
            *check.argv(user),
        ],
        cwd="/",
    )
    output = tail(stdout, stderr)
    if rc == _TIMED_OUT:
        output += f"\nended after {timeout} s"
    seconds = round(time.monotonic() - started, 2)
    return Result(check.name, rc == 0, rc, seconds, check.shell_line(), output, needs=unfit(output) if rc else "")
