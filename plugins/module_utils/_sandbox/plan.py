# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a command runs that may do what strangers wrote: as a user who owns nothing, where little can be written. No I/O.

The command is a child in a process namespace whose first process is a shell of root's. When the command ends, so does
that shell, and with it everything else that was started in there, however far it has gone into the background. The
mount namespace shows the host as it is, but what the command may change is what is bound for it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

#: The status with which the shell ends where it cannot make the place: none of uv's, pip's or Python's.
NO_PLACE = 125
#: Where everybody can write on most systems. What is there can be read.
OPEN_TO_ALL = ("/tmp", "/var/tmp", "/run/lock", "/var/lock", "/var/crash")  # noqa: S108

# Its arguments are the uid, the gid, and the directory to start in; pairs of what is bound where, then --; what is not
# written to, then --; and the command. What is bound comes first: it lies above what becomes read-only around it.
SCRIPT = """\
umask 022
uid=$1 gid=$2 start=$3
shift 3
while [ "$1" != -- ]; do mount --bind "$1" "$2" || exit 125; shift 2; done
shift
while [ "$1" != -- ]; do
  if [ -d "$1" ]; then mount --rbind "$1" "$1" && mount -o remount,bind,ro "$1" || exit 125; fi
  shift
done
shift
if [ -d /dev/shm ]; then mount -t tmpfs -o mode=1777,nosuid,nodev petal /dev/shm || exit 125; fi
cd "$start" || exit 125
exec </dev/null
setpriv --reuid "$uid" --regid "$gid" --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs -- "$@"
exit $?
"""


@dataclass(frozen=True)
class Account:
    """A user of the system by whom commands are run."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True)
class Place:
    """Where a command runs.

    start: the directory that it starts in. writable: what it may change, as directory and where it finds it (often the
    same). kept: trees that it may only read, those open to all beside. network: whether it has any.
    """

    start: str
    writable: Mapping[str, str] = field(default_factory=dict)
    kept: tuple[str, ...] = ()
    network: bool = False


def argv(account: Account, place: Place, command: Sequence[str]) -> list[str]:
    """The command that runs a command in a place."""
    alone = ["unshare", "--mount", "--pid", "--ipc", *([] if place.network else ["--net"])]
    # A slave lets go of what the host unmounts. Without a session of its own it could type into the caller's terminal.
    alone += ["--fork", "--kill-child", "--mount-proc", "--propagation", "slave", "--", "setsid", "sh", "-c", SCRIPT]
    bound = [path for pair in place.writable.items() for path in pair]
    kept = [*place.kept, *OPEN_TO_ALL]
    return [*alone, "petal", str(account.uid), str(account.gid), place.start, *bound, "--", *kept, "--", *command]


def why_no_place(status: int, problem: str) -> str:
    """Why a command could not be started in its place; empty where it was.

    :param problem: what was written to standard error.
    """
    lines = problem.strip().splitlines()
    if status == NO_PLACE or (status != 0 and lines and lines[0].startswith("unshare:")):
        return lines[0] if lines else "no message"
    return ""


def mode(found: int) -> int:
    """The permissions of what is handed over: all read, root alone writes. ``found`` is a mode without its type."""
    return 0o755 if found & 0o111 else 0o644


def leads_out(target: str, tree: str, allowed: Sequence[str]) -> bool:
    """Whether a link goes to somewhere else than it may.

    :param target: where it leads in the end. tree: what it is in. allowed: other files and trees where it may lead.
    """
    return not any(target == path or target.startswith(posixpath.join(path, "")) for path in (tree, *allowed))
