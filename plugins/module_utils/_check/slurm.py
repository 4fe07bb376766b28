# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks inside Slurm jobs: what a job runs, and what its output says. No I/O."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.petal.hpc.plugins.module_utils._check.model import Check, Result, tail, unfit
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError

TIMED_OUT = 124
# What did not come to its end has no status of its own.
NOT_RUN = -1
_NODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# As sshd gives it: nothing of the caller's must make a module work. A tilde is the home directory of the password file.
CLEAN = (
    "export PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin LANG=C.UTF-8 TERM=dumb; unset HOME; export HOME=~; cd /"
)


@dataclass(frozen=True)
class Asked:
    """How jobs are asked for: by which user, seconds for each check, seconds to wait for a node, more options."""

    user: str
    timeout: int
    queue_timeout: int
    options: tuple[str, ...] = ()


def check_node(name: str) -> str:
    """A node's name as Slurm takes it, no list and no option. Raises PetalError."""
    if not _NODE.fullmatch(name):
        raise PetalError(f"{name!r} is no name of a Slurm node (expected letters, digits, dots and hyphens, one node)")
    return name


def as_user(user: str, argv: Sequence[str]) -> list[str]:
    """A command for root that a login shell of ``user`` runs."""
    return ["runuser", "--login", "--shell", "/bin/bash", user, "--command", shlex.join(argv)]


def job_argv(asked: Asked, node: str, script: str) -> list[str]:
    """The command, for root, that runs a script in a job on one node; nothing of the submitting shell goes along."""
    srun = ["srun", "--quiet", "--job-name=petal-verify", f"--nodelist={check_node(node)}", "--nodes=1", "--ntasks=1"]
    srun += ["--export=NONE", "--input=none", "--unbuffered", "--chdir=/", f"--immediate={asked.queue_timeout}"]
    return as_user(asked.user, [*srun, *asked.options, "/bin/bash", "-c", script])


def job_script(checks: Sequence[Check], timeout: int, mark: str) -> str:
    """One job for all checks, each in a login shell of its own; :func:`read_job` finds its way by ``mark``."""
    lines = [CLEAN]
    for number, check in enumerate(checks):
        shell = ["timeout", "--kill-after=10", str(timeout), "/bin/bash", "--login", "-c", check.shell_line()]
        lines += [
            "began=$(date +%s%3N)",
            f"printf '\\n%s begin {number}\\n' {mark}",
            f"{shlex.join(shell)} </dev/null 2>&1",
            f"printf '\\n%s end {number} %d %d\\n' {mark} $? $(($(date +%s%3N) - began))",
        ]
    return "\n".join(lines)


def read_job(stdout: str, stderr: str, checks: Sequence[Check], asked: Asked, mark: str, node: str) -> list[Result]:
    """What a job's output says of each check; one without an end did not work."""
    pattern = rf"^{mark} begin (\d+)\n(.*?)(?:^{mark} end \1 (\d+) (\d+)$|\Z)"
    found = {int(hit[1]): hit for hit in re.finditer(pattern, stdout, re.MULTILINE | re.DOTALL)}
    results = []
    for number, check in enumerate(checks):
        hit = found.get(number)
        ended = hit is not None and hit[3] is not None
        rc = int(hit[3]) if hit and ended else NOT_RUN
        output = tail(hit[2] if hit else "", "" if ended else stderr)
        if rc == TIMED_OUT:
            output += f"\nended after {asked.timeout} s"
        elif not ended:
            output += "\nthe job ended before this check did" if hit or found else f"\nno job on {node} ran it"
        seconds = round(int(hit[4]) / 1000, 2) if hit and ended else 0.0
        needs = unfit(output) if rc else ""
        results.append(Result(check.name, rc == 0, rc, seconds, check.shell_line(), output.strip(), node, needs))
    return results
