# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may be a user of a cluster: nobody whom the system knows already, and nobody who would be root by the back door.

The node hook adds the users as root on every node, and refuses the same once more (petal-node-setup.j2).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ansible_collections.petal.hpc.plugins.module_utils._seed.drafts import Draft, Finding, Rule
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import ERROR

#: Ids below are the system's own (UID_MIN and GID_MIN of login.defs(5), on every system that seeds can name).
FIRST_ID = 1000
#: Accounts that the base packages of the systems make, beside those that no seed may name anywhere (schema.py).
_RPM = "adm chrony dbus ftp games halt lp mail operator polkitd rpc rpcuser shutdown sshd sssd sync systemd-coredump"
_DEB = "_apt _chrony backup games irc landscape list lp mail man messagebus news polkitd pollinate proxy sshd sync"
_BOTH = "ec2-instance-connect ssm-user systemd-network systemd-oom systemd-resolve systemd-timesync tcpdump tss"
SYSTEM_USERS: Mapping[str, frozenset[str]] = {
    "rpm": frozenset(f"{_RPM} {_BOTH}".split()),
    "deb": frozenset(f"{_DEB} {_BOTH} syslog uucp uuidd www-data".split()),
}
#: Groups whose members are root, or as good as root, where sudo, a container engine or the disks know them. A user's
#: own group is named after the user.
_POWERS = "adm admin disk docker google-sudoers incus incus-admin kmem libvirt lxd mem shadow staff sudo sudoers wheel"
PRIVILEGED_GROUPS = frozenset(_POWERS.split())


def uids_once(seed: Draft) -> Iterator[Finding]:
    """A uid is one person's."""
    seen: set[int] = set()
    for path, user in seed.entries("users"):
        uid = user.get("uid")
        if uid in seen:
            yield Finding((*path, "uid"), "another user has this uid", uid)
        seen |= {uid} if uid else set()


def ids_are_not_the_systems(seed: Draft) -> Iterator[Finding]:
    """The group with the gid 27 is sudo on Debian, the user with the uid 34 owns its backups."""
    for path, user in seed.entries("users"):
        for key in ("uid", "gid"):
            if (user.get(key) or FIRST_ID) < FIRST_ID:
                message = f"ids below {FIRST_ID} belong to the system's own accounts and groups"
                yield Finding((*path, key), message, user[key], "best 5000 or more")


def names_are_not_the_systems(seed: Draft) -> Iterator[Finding]:
    """The hook would give what belongs to such an account to somebody else."""
    systems = SYSTEM_USERS["deb" if seed.os.startswith(("debian", "ubuntu")) else "rpm"]
    for path, user in seed.entries("users"):
        if user.get("name") in systems:
            message = "this user is there on every node: the system's own"
            yield Finding((*path, "name"), message, user["name"], "another name")


def groups_have_no_power(seed: Draft) -> Iterator[Finding]:
    """Where the node has no such group yet, the user's own would be it, and sudoers(5) may know it."""
    for path, user in seed.entries("users"):
        if user.get("name") in PRIVILEGED_GROUPS:
            message = "a group of this name is as good as root on many systems"
            yield Finding((*path, "name"), message, user["name"], "another name")


RULES: tuple[tuple[str, Rule], ...] = (
    (ERROR, uids_once),
    (ERROR, ids_are_not_the_systems),
    (ERROR, names_are_not_the_systems),
    (ERROR, groups_have_no_power),
)
