# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run what strangers wrote as a user who owns nothing, and take over what came of it."""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import pwd
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host import below_api as below
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host, RunCommand
from ansible_collections.petal.hpc.plugins.module_utils._sandbox import plan
from ansible_collections.petal.hpc.plugins.module_utils._sandbox.plan import Account, Place

#: Directories in one another, at most: far more than any package has, few enough to hold all of them open.
_DEPTH = 100
#: How the attributes of a file begin that only the system can give.
_SYSTEMS = "security."


def find_account(name: str) -> Account | None:
    """A user of this host; None where there is none. Raises PetalError for one with root's ids."""
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        return None
    if found.pw_uid == 0 or found.pw_gid == 0:
        raise PetalError(
            f"{name} has the uid {found.pw_uid} and the gid {found.pw_gid}, which are root's: expected a system user "
            "of its own, to whom nothing belongs"
        )
    return Account(name, found.pw_uid, found.pw_gid)


def account(name: str) -> Account:
    """The same; raises PetalError where there is none."""
    found = find_account(name)
    if found is None:
        raise PetalError(
            f"there is no user {name} on {platform.node()}, by whom software of others is built: make it, "
            f"useradd --system --user-group --no-create-home --shell /usr/sbin/nologin {name}"
        )
    return found


class Sandbox:
    """Runs commands of an account.

    :param run_command: ``AnsibleModule.run_command``.
    """

    def __init__(self, run_command: RunCommand, account: Account) -> None:
        self._run_command = run_command
        self._prefix: list[str] | None = None
        self.account = account

    def call(self, command: Sequence[str], place: Place) -> tuple[int, str, str]:
        """Run a command in a place; its status, output and error output. Raises PetalError where it cannot be started.

        Nothing of it runs any more when this returns, nor when this process is killed.
        """
        argv = [*self._dying_with_us(), *plan.argv(self.account, place, command)]
        status, output, problem = self._run_command(argv, cwd="/")
        why = plan.why_no_place(status, problem)
        if why:
            raise PetalError(
                f"software of others is run apart from the host, and {platform.node()} makes no place for that: {why}. "
                "A container has to be allowed to mount and to make namespaces (CAP_SYS_ADMIN)."
            )
        return status, output, problem

    def own(self, path: Path) -> None:
        """Make a directory that is the account's alone, or make it anew where it is somebody else's.

        Its parent has to be ours.
        """
        with contextlib.suppress(FileNotFoundError):
            found = path.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == self.account.uid:
                return
            remove(self._run_command, path)
        path.mkdir(0o700)
        self.lend(path)

    def lend(self, path: Path) -> None:
        """Give an empty directory to the account, and close it to others."""
        with below.directory(path.parent) as parent, below.inside(parent, path.name) as descriptor:
            os.fchmod(descriptor, 0o700)
            os.fchown(descriptor, self.account.uid, self.account.gid)

    def take_over(self, path: Path, allowed: Sequence[str]) -> None:
        """Make a tree ours that the account has filled: readable by all, and written by us alone.

        Nobody may be at work in it. Raises PetalError for what has no place in one: files of others, those that run as
        their owner, devices, links that lead anywhere but into the tree or to what is ``allowed``.
        """
        with below.directory(path.parent) as parent:
            self._take_directory(parent, path.name, path, (os.path.realpath(path), [*allowed]), _DEPTH)

    def _take_directory(self, parent: int, name: str, path: Path, leads: tuple[str, list[str]], depth: int) -> None:
        if not depth:
            raise PetalError(f"{path}: more than {_DEPTH} directories in one another")
        with below.inside(parent, name) as descriptor:
            self._take(descriptor, path, 0o755)
            for entry in below.names(descriptor):
                inside = path / entry
                found = os.stat(entry, dir_fd=descriptor, follow_symlinks=False)
                if stat.S_ISDIR(found.st_mode):
                    self._take_directory(descriptor, entry, inside, leads, depth - 1)
                elif stat.S_ISLNK(found.st_mode):
                    self._take_link(descriptor, entry, inside, leads)
                elif stat.S_ISREG(found.st_mode):
                    with below.reading(descriptor, entry) as stream:
                        self._take(stream.fileno(), inside, plan.mode(stat.S_IMODE(found.st_mode)))
                else:
                    raise PetalError(f"{inside} is neither a file, nor a directory, nor a link")

    def _take_link(self, parent: int, name: str, path: Path, leads: tuple[str, list[str]]) -> None:
        target = os.path.realpath(path)
        if plan.leads_out(target, *leads):
            raise PetalError(f"{path} is a link to {target}, out of what was built")
        os.chown(name, os.geteuid(), os.getegid(), dir_fd=parent, follow_symlinks=False)

    def _take(self, descriptor: int, path: Path, mode: int) -> None:
        found = os.fstat(descriptor)
        if found.st_uid != self.account.uid:
            raise PetalError(f"{path} was not made by {self.account.name}, but by the uid {found.st_uid}")
        if stat.S_ISREG(found.st_mode) and found.st_mode & (stat.S_ISUID | stat.S_ISGID):
            raise PetalError(f"{path} is to run as its owner or group (set-user-ID, set-group-ID)")
        os.fchown(descriptor, os.geteuid(), os.getegid())
        # An access control list would go on letting others write.
        for name in _attributes(descriptor):
            if not name.startswith(_SYSTEMS):
                os.removexattr(descriptor, name)
        os.fchmod(descriptor, mode)

    def _dying_with_us(self) -> list[str]:
        """What makes a command end when this process is killed: nothing may go on writing where we start anew."""
        if self._prefix is None:
            prefix = ["setpriv", "--pdeathsig", "KILL"]
            found = shutil.which(prefix[0]) is not None
            # Before util-linux 2.33 it cannot do that.
            self._prefix = prefix if found and self._run_command([*prefix, "true"])[0] == 0 else []
        return self._prefix


def _attributes(descriptor: int) -> list[str]:
    try:
        return os.listxattr(descriptor)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return []
        raise


def remove(run_command: RunCommand, path: Path) -> None:
    """Remove whatever is there, however deep. Raises PetalError where something is left.

    Trees that others have filled may be deeper than Python's own way to remove them can go.
    """
    Host(run_command).run(["rm", "--recursive", "--force", "--one-file-system", "--", str(path)], f"removing {path}")


def closed_to_others(path: Path) -> Path | None:
    """The first directory on the way to a path that only some may pass; None where everybody can."""
    for part in reversed((path, *path.parents)):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            if not part.stat().st_mode & stat.S_IXOTH:
                return part
    return None
