# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the host offers: commands, files that survive a crash, locks, mounts, loop devices, processes."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import grp
import hashlib
import json
import os
import platform
import pwd
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.parse import (
    FREE_SPACE,
    Loop,
    Mount,
    Process,
    ProcessStat,
    failure,
    human,
    parse_losetup,
    parse_mountinfo,
    parse_stat,
)

Taken = TypeVar("Taken")

PROC = Path("/proc")
JSON_LIMIT = 4 * 1024**2
LOCK_PATIENCE = 1800.0
#: Seconds between two looks at a lock that another process has.
POLL = 0.1
#: What is in a store: its volumes and snapshots, and its locks, where nobody else looks.
VOLUMES, SNAPSHOTS, LOCKS = "volumes", "snapshots", "locks"
# No room, or none for this user (write(2)).
FULL = (errno.ENOSPC, errno.EDQUOT)
# How the names of things begin that are not finished, or on their way out.
UNFINISHED = ".tmp-"
PACKAGES = {
    "mkfs.ext4": "e2fsprogs",
    "e2fsck": "e2fsprogs",
    "resize2fs": "e2fsprogs",
    "tune2fs": "e2fsprogs",
    "e2label": "e2fsprogs",
    "debugfs": "e2fsprogs",
    "tar": "tar",
    "zstd": "zstd",
    "du": "coreutils",
    "ssh-keygen": "openssh-client (Debian) or openssh (Fedora)",
    "git": "git",
}


class RunCommand(Protocol):
    """``AnsibleModule.run_command``, or a stand-in of a test: (status, output, error output)."""

    def __call__(self, args: list[str], **options: Any) -> tuple[int, str, str]: ...


def store_directory(store: str) -> Path:
    """The directory of the own store of the local provider.

    Raises PetalError for a relative one (relative to what?), and for one into which others could put something: what is
    in the own store is mounted and run.
    """
    if not Path(store).is_absolute():
        raise PetalError(f"store {store!r} is not allowed: expected an absolute path, on the host that keeps it")
    # Where the store's own directory is sticky, as that of a fresh tmpfs, what counts is who made what is in it.
    flaw = written_by_others(*(Path(store, part) for part in ("", VOLUMES, SNAPSHOTS, LOCKS)))
    if flaw:
        raise PetalError(
            f"store {store} is not trusted: {flaw}. Whoever can write there decides what runs here. Take another "
            "directory, or close this one (chmod go-w, chown). A store that is shared belongs into snapshot_sources."
        )
    return Path(store)


def written_by_others(*paths: Path) -> str:
    """Who else can put something in the place of directories, as a clause; empty where nobody can.

    Ours are root, this process' user, and whoever became root with sudo(8). What is missing is not looked at.
    """
    sudo = os.environ.get("SUDO_UID", "") if os.geteuid() == 0 else ""
    ours = {0, os.geteuid(), *([int(sudo)] if sudo.isdigit() else [])}
    wholes = [whole for path in paths for whole in (path, Path(os.path.realpath(path)))]
    # Each once, however many of them are above one another.
    for part in dict.fromkeys(part for whole in wholes for part in (whole, *whole.parents)):
        try:
            found = part.lstat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        if found.st_uid not in ours:
            return f"{part} belongs to {_named(found.st_uid)}"
        # In a sticky directory nobody can replace what is another's.
        if stat.S_ISLNK(found.st_mode) or found.st_mode & stat.S_ISVTX:
            continue
        if found.st_mode & stat.S_IWOTH:
            return f"everybody can write {part}"
        if found.st_mode & stat.S_IWGRP and not _alone(found.st_uid, found.st_gid):
            return f"the group with the gid {found.st_gid} can write {part}"
    return ""


def _named(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"the uid {uid}"


def _alone(uid: int, gid: int) -> bool:
    """Whether a group is a user's own, as most systems give to each (USERGROUPS_ENAB of login.defs(5))."""
    try:
        group = grp.getgrgid(gid)
        return group.gr_name == pwd.getpwuid(uid).pw_name and not group.gr_mem
    except KeyError:
        return False


@contextlib.contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turn an ``OSError`` inside into one PetalError that says what was being done.

    :param doing: as in "creating the volume x in /store".
    """
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            where = f" with {error.filename}" if error.filename else ""
            raise PetalError(f"{doing}: the disk{where} is full. {FREE_SPACE}") from error
        where = f"{error.filename}: " if error.filename else ""
        raise PetalError(f"{doing}: {where}{error.strerror or error}") from error


def private(descriptor: int, path: Path) -> None:
    """See that a file which decides something for us is a plain one, is nobody else's, and that only we can open it.

    flock(2) needs no more than permission to read: where others may, anybody can hold a lock for ever.

    :param descriptor: of the file, opened without following a link. Raises PetalError.
    """
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        raise PetalError(f"{path} is neither a file nor a directory. Remove it, and run again.")
    # Whoever owns the directory can replace what is in it anyway.
    if found.st_uid not in (os.geteuid(), 0, path.parent.stat().st_uid):
        raise PetalError(
            f"{path} belongs to somebody else (uid {found.st_uid}), and is not trusted. Remove it, and run again."
        )
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077 and os.geteuid() in (0, found.st_uid):
        os.fchmod(descriptor, mode & 0o700)


def try_lock(descriptor: int) -> bool:
    """Take an exclusive flock(2) if it is free."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def hold(descriptor: int, path: Path, doing: str, patience: float = LOCK_PATIENCE) -> None:
    """Take an exclusive flock(2), or wait for it. Raises PetalError when it does not come free in time.

    :param patience: seconds.
    """
    _until(lambda: try_lock(descriptor) or None, path, doing, patience, lambda: "another process")


def _until(
    take: Callable[[], Taken | None], path: Path, doing: str, patience: float, whose: Callable[[], str]
) -> Taken:
    """What ``take`` gives of a lock, asked until it is not None. Raises PetalError when that is not in time.

    :param whose: who has it, as the subject of a clause.
    """
    deadline = time.monotonic() + patience
    while (taken := take()) is None:
        if time.monotonic() >= deadline:
            raise PetalError(
                f"{doing}: {whose()} has held {path} for {int(patience)} s. "
                "Wait for it to end, or end it, and run again."
            )
        time.sleep(POLL)
    return taken


def as_user(name: str) -> list[str]:
    """The words before a command that has to run as another user, as root can let it; none for root."""
    return [] if name in ("", "root") else ["runuser", "-u", name, "--"]


def sha256_of(stream: BinaryIO) -> str:
    """SHA-256 of what is left to read, in hex."""
    total = hashlib.sha256()
    while block := stream.read(1 << 20):
        total.update(block)
    return total.hexdigest()


class Host:
    """The host that a module runs on.

    :param run_command: ``AnsibleModule.run_command``.
    """

    def __init__(self, run_command: RunCommand) -> None:
        self._run_command = run_command
        self._locks: list[int] = []

    # Commands

    def call(
        self, argv: Sequence[str], cwd: str | None = None, data: bytes | None = None, keep: Sequence[int] = ()
    ) -> tuple[int, str, str]:
        """Run a command, in the directory ``cwd`` and with ``data`` to read; give its status, output and error output.

        :param keep: descriptors that it gets, too.

        It inherits the locks that are held, so that a lock outlives a killed module for as long as its helpers still
        write. Raises PetalError when the command is not installed.
        """
        path = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
        try:
            return self._run_command(
                list(argv),
                pass_fds=(*self._locks, *keep),
                cwd=cwd,
                data=data,
                binary_data=True,
                environ_update={"PATH": path.lstrip(":"), "LC_ALL": "C", "LANGUAGE": "C"},
                handle_exceptions=False,
            )
        except FileNotFoundError as error:
            package = PACKAGES.get(argv[0], "util-linux")
            raise PetalError(
                f"the command {argv[0]} is missing on {platform.node()}. Install the package {package}."
            ) from error

    def run(self, argv: Sequence[str], doing: str, accept: Sequence[int] = (0,)) -> str:
        """Run a command that has to succeed and give its output.

        :param doing: what it is for, as in "mounting the volume x"; begins the message of the PetalError.
        """
        status, output, problem = self.call(argv)
        if status not in accept:
            raise PetalError(failure(doing, argv[0], status, problem.strip() or output.strip()))
        return output

    def need_root(self, doing: str) -> None:
        """Raise PetalError unless this is root."""
        if os.geteuid() != 0:
            raise PetalError(f"{doing} needs root. Run the task with become: true.")

    # Files

    def make_directory(self, path: Path, mode: int = 0o755) -> None:
        """Create a directory and its parents, these readable by all, whatever the umask is."""
        if path.is_dir():
            return
        self.make_directory(path.parent)
        with contextlib.suppress(FileExistsError):
            path.mkdir(0o700)
            path.chmod(mode)

    def make_private(self, path: Path) -> None:
        """Create a directory that is only for us; one that is there is closed to others. Raises PetalError."""
        self.make_directory(path, 0o700)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            private(descriptor, path)
        finally:
            os.close(descriptor)

    def close(self, path: Path) -> None:
        """Let nobody else read a file that an earlier release left open to all; fine when it is not there."""
        with contextlib.suppress(FileNotFoundError):
            found = path.lstat()
            if stat.S_ISREG(found.st_mode) and found.st_mode & 0o077:
                path.chmod(0o600)

    def write(self, path: Path, text: str, mode: int = 0o644, in_place: bool = False) -> None:
        """Replace a file in one step; after a crash it has the old text or the new, never half.

        Writers of one file hold one lock, so that they can share the name of the draft.

        :param in_place: on a full disk write over the file that is there, which needs no room; for what lets a
            clean-up begin. Its blocks are kept however short the text is.
        """
        draft = path.with_name(f"{UNFINISHED}{path.name}")
        try:
            # Not through a link that somebody has put there.
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(draft, flags, mode), "w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fchmod(stream.fileno(), mode)
                os.fsync(stream.fileno())
            draft.replace(path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            if not (in_place and error.errno in FULL and path.is_file()):
                raise
            self._overwrite(path, text.encode("utf-8"))
        self.sync_directory(path.parent)

    def _overwrite(self, path: Path, data: bytes) -> None:
        with os.fdopen(os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC), "r+b") as stream:
            # Blanks behind JSON mean nothing.
            stream.write(data.ljust(os.fstat(stream.fileno()).st_size))
            stream.flush()
            os.fsync(stream.fileno())

    def write_json(self, path: Path, value: Any, mode: int = 0o644, in_place: bool = False) -> None:
        self.write(path, json.dumps(value, indent=2, sort_keys=True) + "\n", mode, in_place)

    def read_json(self, path: Path) -> Any:
        """Read a small JSON file; PetalError when it is too large or not JSON."""
        with path.open("rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise PetalError(f"{path} is not a file")
            data = stream.read(JSON_LIMIT + 1)
        if len(data) > JSON_LIMIT:
            raise PetalError(f"{path} is larger than {human(JSON_LIMIT)}")
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as error:
            raise PetalError(f"{path} is not JSON ({error})") from error

    def sync_directory(self, path: Path) -> None:
        """Make renames in a directory last."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def remove(self, path: Path) -> None:
        """Remove a file or a tree; fine when it is not there."""
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
            if path.exists():
                raise PetalError(f"{path} cannot be removed. Look for mounts below it and remove it by hand.")
        else:
            path.unlink(missing_ok=True)

    @staticmethod
    def free_bytes(path: Path) -> int:
        """Bytes that may still be written to the file system of a path, which need not exist yet."""
        while not path.exists():
            path = path.parent
        usage = os.statvfs(path)
        return usage.f_bavail * usage.f_frsize

    # Locks

    @contextlib.contextmanager
    def lock(self, path: Path, doing: str, patience: float = LOCK_PATIENCE) -> Iterator[None]:
        """Hold an exclusive flock(2) on a file. Whoever holds it may remove the file.

        :param doing: what waits, for the message of the PetalError when the lock does not come free.
        :param patience: seconds to wait.
        """
        if path.parent.name == LOCKS:
            self.make_private(path.parent)
        else:
            self.make_directory(path.parent)
        descriptor = _until(
            lambda: self._open_locked(path),
            path,
            doing,
            patience,
            lambda: f"another process ({self._lock_holder(path)})",
        )
        try:
            self._sign(descriptor)
            self._locks.append(descriptor)
            try:
                yield
            finally:
                self._locks.remove(descriptor)
        finally:
            os.close(descriptor)

    def _open_locked(self, path: Path) -> int | None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            descriptor = os.open(path, flags, 0o600)
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
                raise
            raise PetalError(f"the lock {path} is a link, or no file. Remove it, and run again.") from error
        mine = False
        try:
            private(descriptor, path)
            # The one who held it may have removed the file, and the next one have made another.
            mine = try_lock(descriptor) and path.exists() and path.stat().st_ino == os.fstat(descriptor).st_ino
        finally:
            if not mine:
                os.close(descriptor)
        return descriptor if mine else None

    def _sign(self, descriptor: int) -> None:
        """Say who holds a lock. It counts without it: a full disk keeps nobody from cleaning up."""
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            if error.errno not in FULL:
                raise

    def _lock_holder(self, path: Path) -> str:
        with contextlib.suppress(OSError, ValueError):
            return str(self.process(int(path.read_text(encoding="ascii"))))
        return "unknown"

    @contextlib.contextmanager
    def claim(self, directory: Path) -> Iterator[bool]:
        """Hold the flock of a directory that somebody fills; yields False when another does.

        A directory whose flock is free has no living writer.
        """
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            mine = try_lock(descriptor)
            if mine:
                self._locks.append(descriptor)
            try:
                yield mine
            finally:
                if mine:
                    self._locks.remove(descriptor)
        finally:
            os.close(descriptor)

    # Mounts and loop devices

    def mounts(self, pid: str = "self") -> list[Mount]:
        """Mounts in the namespace of a process."""
        return parse_mountinfo((PROC / pid / "mountinfo").read_text(encoding="utf-8", errors="surrogateescape"))

    def loops(self) -> list[Loop]:
        """All loop devices in use."""
        columns = "NAME,BACK-INO,BACK-MAJ:MIN,BACK-FILE,AUTOCLEAR"
        return parse_losetup(self.run(["losetup", "--list", "--json", "--output", columns], "listing the loop devices"))

    def loops_of(self, file: Path) -> list[Loop]:
        """Loop devices on a file, also on one of that path that was deleted meanwhile."""
        try:
            status = file.stat()
            identity = (status.st_ino, f"{os.major(status.st_dev)}:{os.minor(status.st_dev)}")
        except FileNotFoundError:
            identity = (0, "")
        path = str(file.resolve())
        return [loop for loop in self.loops() if (loop.inode, loop.file_device) == identity or loop.path == path]

    def device_number(self, node: str) -> str:
        """``major:minor`` of a device node."""
        number = Path(node).stat().st_rdev
        return f"{os.major(number)}:{os.minor(number)}"

    # Processes

    def pids(self) -> list[int]:
        return sorted(int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())

    def process_stat(self, pid: int) -> ProcessStat | None:
        """State of a process; None when there is none of that number."""
        try:
            return parse_stat((PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace"))
        except OSError:
            return None

    def process(self, pid: int) -> Process:
        """A process with its command line, shortened."""
        try:
            words = (PROC / str(pid) / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:
            words = []
        status = self.process_stat(pid)
        command = " ".join(words).strip() or (status.command if status else "ended")
        return Process(pid, command if len(command) <= 80 else command[:77] + "...")

    def ancestry(self) -> set[int]:
        """This process and those that started it."""
        family, pid = set(), os.getpid()
        while pid > 0 and pid not in family:
            family.add(pid)
            status = self.process_stat(pid)
            pid = status.parent if status else 0
        return family

    def mount_namespace(self, pid: int | str) -> int | None:
        """Number of the mount namespace of a process; None when it ended or may not be looked at."""
        try:
            return (PROC / str(pid) / "ns" / "mnt").stat().st_ino
        except OSError:
            return None

    def users_of(self, devices: Iterable[str]) -> list[Process]:
        """Processes that keep a mounted device busy, in any mount namespace.

        :param devices: ``major:minor`` of each. Open files, working and root directories, programs and mapped files
            count (proc(5)).
        """
        wanted = set(devices)
        return [self.process(pid) for pid in self.pids() if self._uses(pid, wanted)]

    def _uses(self, pid: int, devices: set[str]) -> bool:
        base = PROC / str(pid)
        links = [base / "cwd", base / "root", base / "exe"]
        try:
            links += list((base / "fd").iterdir())
            for link in links:
                with contextlib.suppress(OSError):
                    number = link.stat().st_dev
                    if f"{os.major(number)}:{os.minor(number)}" in devices:
                        return True
            for line in (base / "maps").read_text(encoding="utf-8", errors="replace").splitlines():
                major, _colon, minor = line.split(" ", 5)[3].partition(":")
                if major != "00" and f"{int(major, 16)}:{int(minor, 16)}" in devices:
                    return True
        except (OSError, ValueError, IndexError):
            pass
        return False

    def living_in(self, namespaces: Iterable[int], devices: Iterable[str]) -> list[int]:
        """Processes in one of these mount namespaces, or in a foreign one that has one of these devices mounted."""
        inside, wanted, known = set(namespaces), set(devices), {self.mount_namespace("self"): False}
        found = []
        for pid in self.pids():
            number = self.mount_namespace(pid)
            if number is None:
                continue
            if number not in known:
                known[number] = number in inside or bool(self._sees(pid, wanted))
            if known[number]:
                found.append(pid)
        return found

    def unmount_copies(self, devices: Iterable[str]) -> None:
        """Unmount devices in the namespaces of others, who got a copy of a mount when they made theirs.

        A copy keeps the device busy though it is gone from here. One that somebody uses stays, as everywhere.
        """
        wanted, seen = set(devices), {self.mount_namespace("self")}
        for pid in self.pids():
            number = self.mount_namespace(pid)
            if number is None or number in seen:
                continue
            seen.add(number)
            for target in self._sees(pid, wanted):
                self.call(["umount", "--namespace", str(PROC / str(pid) / "ns" / "mnt"), "--", target])

    def _sees(self, pid: int, devices: set[str]) -> list[str]:
        """Where a process has the devices mounted, the topmost first."""
        try:
            return [mount.target for mount in reversed(self.mounts(str(pid))) if mount.device in devices]
        except OSError:
            return []

    def environment_has(self, pid: int, variable: str) -> bool:
        """Whether a process was started with ``NAME=value`` in its environment."""
        try:
            return variable.encode() in (PROC / str(pid) / "environ").read_bytes().split(b"\0")
        except OSError:
            return False

    # Identity

    def identity(self) -> dict[str, str]:
        """host, boot_id and pid_namespace of this process."""
        return {
            "host": platform.node(),
            "boot_id": (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip(),
            "pid_namespace": str((PROC / "self/ns/pid").stat().st_ino),
        }

    def interpreter(self) -> str:
        """The Python that runs this."""
        return sys.executable or "/usr/bin/python3"
