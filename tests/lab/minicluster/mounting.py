"""Stand-in for NFS between two hosts of this machine: what the server's exportfs wrote down decides, the kernel moves a
copy of the mount. Real are exports, options, fstab, mount and umount; not real is the wire."""

from __future__ import annotations

import ctypes
import ipaddress
import os
import struct
import subprocess
import sys
from pathlib import Path

CLONE_NEWNS = 0x20000
OPEN_TREE, MOVE_MOUNT, MOUNT_SETATTR = 428, 429, 442
AT_FDCWD = -100
OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC = 1, os.O_CLOEXEC
MOVE_MOUNT_F_EMPTY_PATH = 4
AT_EMPTY_PATH = 0x1000
# struct mount_attr: what to set, what to clear, propagation, user namespace.
READ_ONLY_NO_DEVICES = struct.pack("=QQQQ", 1 | 4, 0, 0, 0)

_libc = ctypes.CDLL(None, use_errno=True)


def kernel_has_nfs() -> bool:
    """Whether hosts can mount real NFS here; a module that could be loaded does not count."""
    names = {line.split()[-1] for line in Path("/proc/filesystems").read_text().splitlines()}
    return {"nfs4", "nfsd"} <= names


def check_export(server: int, source: str, client: str) -> None:
    """Raise PermissionError unless the host whose first process is ``server`` exports ``source``, read-only, to the
    client: the lab needs no other exports, and serves none."""
    table = Path(f"/proc/{server}/root/var/lib/nfs/etab")
    for line in table.read_text().splitlines() if table.exists() else []:
        path, _tab, rest = line.partition("\t")
        who, _bracket, options = rest.rstrip(")").partition("(")
        if path == source and _matches(who, client) and "ro" in options.split(","):
            return
    raise PermissionError(f"access denied by server while mounting (no read-only export of it to {client})")


def _matches(who: str, client: str) -> bool:
    if who == "*":
        return True
    try:
        return ipaddress.ip_address(client) in ipaddress.ip_network(who, strict=False)
    except ValueError:
        return False


def mount_from(server: int, source: str, client: int, target: str) -> None:
    """Mount a directory of one mount namespace in another, read-only. Raises OSError.

    Namespaces belong to a process, so one of its own does it.
    """
    argv = [sys.executable, "-B", __file__, str(server), source, str(client), target]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(done.stderr.strip().rpartition("\n")[2])


def main() -> None:
    """The process of its own: SERVER SOURCE CLIENT TARGET."""
    server, source, client, target = sys.argv[1:]
    # In another mount namespace /proc is another, too.
    there, here = (os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC) for pid in (server, client))
    _enter(there)
    tree = _call("open_tree", OPEN_TREE, AT_FDCWD, source.encode(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)
    attributes = READ_ONLY_NO_DEVICES
    _call("mount_setattr", MOUNT_SETATTR, tree, b"", AT_EMPTY_PATH, attributes, len(attributes))
    _enter(here)
    _call("move_mount", MOVE_MOUNT, tree, b"", AT_FDCWD, target.encode(), MOVE_MOUNT_F_EMPTY_PATH)


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), f"setns: {os.strerror(ctypes.get_errno())}")


def _call(name: str, number: int, *arguments: int | bytes) -> int:
    result = int(_libc.syscall(number, *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
    return result


if __name__ == "__main__":
    main()
