"""The few system calls that Python 3.11 has no function for: loop devices and namespaces."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

CLONE_NEWNET = 0x40000000
LOOP_CLR_FD = 0x4C01
LOOP_SET_CAPACITY = 0x4C07
LOOP_CONFIGURE = 0x4C0A
LOOP_CTL_GET_FREE = 0x4C82
LO_FLAGS_AUTOCLEAR = 4
BLKFLSBUF = 0x1261

_libc = ctypes.CDLL(None, use_errno=True)


class LoopDevice:
    """A file as a block device. The kernel frees it when the last user closes it, so a killed lab leaves none."""

    def __init__(self, backing: int) -> None:
        """Take the next free device for an open file descriptor. Raises OSError."""
        while True:
            with Path("/dev/loop-control").open("rb") as control:
                number = fcntl.ioctl(control, LOOP_CTL_GET_FREE)
            self.path = Path(f"/dev/loop{number}")
            self._fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
            # struct loop_config: fd, block size, then struct loop_info64, of which only the flags matter here.
            info = struct.pack(
                "=QQQQQIIII64s64s32sQQ", 0, 0, 0, 0, 0, 0, 0, 0, LO_FLAGS_AUTOCLEAR, b"petal-ec2-lab", b"", b"", 0, 0
            )
            try:
                fcntl.ioctl(self._fd, LOOP_CONFIGURE, struct.pack("=II", backing, 0) + info + bytes(64))
                break
            except OSError as error:
                os.close(self._fd)
                if error.errno != errno.EBUSY:  # somebody else was faster: take the next one
                    raise
        self.number = number
        self.device = self.path.stat().st_rdev

    def in_use(self) -> bool:
        """Whether it is mounted, or held exclusively, in whatever namespace."""
        try:
            os.close(os.open(self.path, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
        except OSError as error:
            return error.errno == errno.EBUSY
        return False

    def grown(self) -> None:
        """Tell the kernel that the file behind it has another size now."""
        fcntl.ioctl(self._fd, LOOP_SET_CAPACITY)

    def flush(self) -> None:
        """Bring what was written to the device into the file behind it."""
        os.fsync(self._fd)

    def close(self) -> None:
        """Give the device up; one that is still mounted goes with its last mount."""
        if self._fd < 0:
            return
        with contextlib.suppress(OSError):
            os.fsync(self._fd)
            fcntl.ioctl(self._fd, BLKFLSBUF)
        with contextlib.suppress(OSError):
            fcntl.ioctl(self._fd, LOOP_CLR_FD)
        os.close(self._fd)
        self._fd = -1


def set_network_namespace(path: str) -> None:
    """Move the calling thread into the network namespace at a path below /proc. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(fd, CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
    finally:
        os.close(fd)


@contextlib.contextmanager
def network_of(pid: int) -> Iterator[None]:
    """The calling thread, and what it starts, in the network namespace of a process."""
    own = f"/proc/self/task/{threading.get_native_id()}/ns/net"
    home = os.open(own, os.O_RDONLY | os.O_CLOEXEC)
    try:
        set_network_namespace(f"/proc/{pid}/ns/net")
        try:
            yield
        finally:
            set_network_namespace(f"/proc/self/fd/{home}")
    finally:
        os.close(home)


def listen_in(pid: int, address: tuple[str, int]) -> socket.socket:
    """A listening TCP socket in the network namespace of a process; it stays there whoever uses it. Raises OSError."""
    with network_of(pid):
        listener = socket.socket()
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(16)
        except OSError:
            listener.close()
            raise
    return listener


def child_of(process: subprocess.Popen[bytes]) -> int:
    """The first process in the namespaces that unshare made. Raises RuntimeError if it does not come."""
    path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    end = time.monotonic() + 10
    while time.monotonic() < end and process.poll() is None:
        children = path.read_text().split()
        if children:
            return int(children[0])
        time.sleep(0.005)
    raise RuntimeError(f"unshare ended with status {process.poll()} before a host could start")


def start_time(pid: int) -> str:
    """When a process started, in ticks after the boot; empty where it has ended."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if words[0] in "ZX" else words[19]
    except (FileNotFoundError, ProcessLookupError):
        return ""
