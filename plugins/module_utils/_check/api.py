# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run checks of modules in login shells on this host."""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._check.model import Check, Result, tail
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import PetalError

_TIMED_OUT = 124


def run_checks(module: AnsibleModule, entries: Iterable[Mapping[str, Any]], user: str, timeout: int) -> list[Result]:
    """Load each module in a login shell of its own and run its command, one after another.

    ``timeout`` is in seconds, for each of them. Raises PetalError where the user does not exist, where this
    process may not become it, or where an entry is malformed.
    """
    try:
        pwd.getpwnam(user)
    except KeyError as error:
        raise PetalError(f"there is no user {user!r} on this host; name one that is (verify_user)") from error
    if os.geteuid() != 0:
        raise PetalError(f"only root can open a login shell of {user!r}: run this with become")
    checks = [Check.from_mapping(entry) for entry in entries]
    return [_run(module, check, user, timeout) for check in checks]


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
    return Result(check.name, rc == 0, rc, round(time.monotonic() - started, 2), check.shell_line(), output)
