# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What it takes to see that a module of the volume works: commands and results, no I/O."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError

# Lmod's names: NAME or NAME/VERSION, versions with + and ~ included. No leading hyphen: it would be an option.
_MODULE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+~-]*(/[A-Za-z0-9_][A-Za-z0-9._+~-]*)*")
_TAIL_LINES = 15
# What a module of the volume says where it is loaded on another processor (roles/lmod/templates/processor.lua.j2).
_UNFIT = re.compile(r"was built for (\S+), which this node's processor cannot run")


@dataclass(frozen=True)
class Check:
    """One module: what to load, in order, and the command that shows that it works."""

    name: str
    load: tuple[str, ...]
    command: tuple[str, ...]

    @staticmethod
    def from_mapping(entry: Mapping[str, Any]) -> Check:
        """A check from a manifest's entry ``{name, load: [module], check: [argument]}``.

        Raises PetalError where the entry names no module or something that is no module name: a manifest is
        read from a volume, and what is on a volume is not trusted with a shell.
        """
        name = str(entry.get("name") or "")
        load = tuple(str(item) for item in entry.get("load") or ([name] if name else []))
        if not load:
            raise PetalError("an entry of the manifest's modules names no module to load; build the volume again")
        for item in load:
            if not _MODULE_NAME.fullmatch(item):
                raise PetalError(
                    f"{item!r} is no module name (expected NAME or NAME/VERSION); the manifest of the volume is damaged"
                )
        return Check(name or load[-1], load, tuple(str(item) for item in entry.get("check") or ()))

    def shell_line(self) -> str:
        """The line that a login shell runs. Any failing step ends it with that step's status."""
        steps = [shlex.join(["module", "load", item]) for item in self.load]
        # `module load` of a missing module prints an error but may return 0: ask Lmod for its list.
        steps += [f"module is-loaded {shlex.quote(item)}" for item in self.load]
        if self.command:
            steps.append(shlex.join(self.command))
        return " && ".join(steps)

    def argv(self, user: str) -> list[str]:
        """The command, run by root, that opens a fresh login shell of ``user`` and runs :meth:`shell_line`."""
        return ["runuser", "--login", "--shell", "/bin/bash", user, "--command", self.shell_line()]


@dataclass(frozen=True)
class Result:
    """What one check showed. ``seconds`` is wall time, ``output`` the last lines of both streams.

    ``node`` is where it ran, as Slurm names it; empty on this host. ``needs`` is the target that the node's processor
    cannot run, so that nothing is known of the module; empty where the check was made.
    """

    name: str
    ok: bool
    rc: int
    seconds: float
    command: str
    output: str
    node: str = ""
    needs: str = ""

    @property
    def label(self) -> str:
        """The module, and where it was checked."""
        return f"{self.name} on {self.node}" if self.node else self.name

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, for the return value of a module."""
        return asdict(self)


def tail(stdout: str, stderr: str) -> str:
    """The last lines of what a command said, standard error last, because the cause stands there."""
    return "\n".join((stdout + "\n" + stderr).strip().splitlines()[-_TAIL_LINES:])


def unfit(output: str) -> str:
    """The target for which a module was built, where it says that the node's processor cannot run it, or nothing."""
    # Lmod breaks lines where it likes.
    found = _UNFIT.search(" ".join(output.split()))
    return found[1] if found else ""


def verdict(results: Sequence[Result], user: str) -> str:
    """One message for all failed checks, or an empty string where there is none.

    What a node cannot run does not fail there; where that is all that there is, nothing was seen to work.
    """
    failed = [result for result in results if not (result.ok or result.needs)]
    if not failed and results and all(result.needs for result in results):
        targets = " and ".join(sorted({result.needs for result in results}))
        return (
            f"nothing could be verified: all of it was built for {targets}, and no processor that was looked at runs "
            "that. Verify on nodes that do, or build for an older target (software.spack.target)"
        )
    if not failed:
        return ""
    what = "checks" if any(result.node for result in results) else "modules"
    lines = [f"{len(failed)} of {len(results)} {what} do not work in a login shell of {user}:"]
    for result in failed:
        lines.append(f"{result.label}: `{result.command}` ended with status {result.rc}")
        lines += [f"    {line}" for line in result.output.splitlines()]
    lines.append("Is the node hook linked (petal-node-setup), and Lmod installed there?")
    return "\n".join(lines)
