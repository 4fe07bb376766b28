"""One running instance: a first process in namespaces of its own, its root, its wire, its metadata service."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path

from ec2lab.data.linux import LoopDevice, child_of, listen_in
from ec2lab.data.metadata import Metadata, serve
from ec2lab.data.network import Interface, Network
from ec2lab.settings import INDEX_URL, METADATA_ADDRESS, SERVICE_ADDRESS, SESSION_PORT

FILES = Path(__file__).parent / "files"
POWER = ("shutdown", "poweroff", "halt", "reboot")
DISK_GROUP = 6


@dataclass(frozen=True)
class Spec:
    """What an instance is started from.

    ``os_release`` replaces the root's own where it is not empty; ``shares`` are directories of the machine;
    ``agent``: whether the SSM Agent is there.
    """

    instance_id: str
    hostname: str
    user: str
    os_release: str
    interface: Interface
    metadata: Metadata
    shares: tuple[str, ...] = ()
    agent: bool = True


class Host:
    """The processes of an instance, from boot to stop. Its disk outlives them in ``directory``."""

    def __init__(self, directory: Path, root: Path, network: Network, spec: Spec) -> None:
        """Nothing runs yet."""
        self.spec = spec
        self._directory = directory
        self._root = root
        self._network = network
        self._process: subprocess.Popen[bytes] | None = None
        self._first = 0
        self._metadata: ThreadingHTTPServer | None = None

    @property
    def console(self) -> str:
        """What it printed since its first boot."""
        path = self._directory / "console"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def running(self) -> bool:
        """Whether its first process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def namespace(self) -> int:
        """A process in its network namespace. Raises RuntimeError if it is not running."""
        if self._process is None:
            raise RuntimeError(f"{self.spec.instance_id} is not running")
        return self._process.pid

    def boot(self, rules: str, ended: Callable[[], None]) -> None:
        """Start it behind packet filter rules; ``ended`` is called when it ends by itself.

        Raises RuntimeError and OSError.
        """
        for name in ("upper", "work", "merged"):
            (self._directory / name).mkdir(parents=True, exist_ok=True)
        self._personalise(self._directory / "upper")
        with (self._directory / "console").open("ab") as console:
            process = subprocess.Popen(
                [
                    "unshare",
                    "--mount",
                    "--net",
                    "--pid",
                    "--uts",
                    "--ipc",
                    "--fork",
                    "--kill-child",
                    "--propagation",
                    "private",
                    "/bin/bash",
                    FILES / "boot.sh",
                    self._root,
                    self._directory,
                    self.spec.hostname,
                    *self.spec.shares,
                ],
                stdin=subprocess.PIPE,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        self._process = process
        try:
            self._first = child_of(process)
            self._network.connect(self.spec.interface, process.pid)
            self._network.filter(process.pid, rules)
            self._metadata = serve(listen_in(process.pid, (METADATA_ADDRESS, 80)), self.spec.metadata)
            assert process.stdin is not None
            process.stdin.write(b"go\n")
            process.stdin.close()
        except BaseException:
            self.kill()
            raise
        threading.Thread(target=self._watch, args=(process, ended), daemon=True).start()

    def ready(self, seconds: float = 20) -> bool:
        """Wait until its root is in place, so that devices can be put into it."""
        end = time.monotonic() + seconds
        while self.running and time.monotonic() < end:
            if Path(f"/proc/{self._first}/root/usr/lib/petal-lab/init").exists() and Path(
                f"/proc/{self._first}/comm"
            ).read_text().startswith("tini"):
                return True
            time.sleep(0.02)
        return False

    def filter(self, rules: str) -> None:
        """Replace its packet filter rules."""
        self._network.filter(self.namespace, rules)

    def add_disk(self, loop: LoopDevice, volume_id: str) -> str:
        """Make a device appear as the next free NVMe disk, with udev's link; returns its path in the instance."""
        dev = self._dev
        taken = {path.name for path in dev.glob("nvme*n1")}
        name = next(name for name in (f"nvme{n}n1" for n in range(1, 64)) if name not in taken)
        # Tools that start from /sys look for the name that the kernel has for it.
        for node in (dev / name, dev / loop.path.name):
            os.mknod(node, 0o660 | 0o060000, loop.device)
            os.chown(node, 0, DISK_GROUP)
        link = dev / "disk/by-id" / f"nvme-Amazon_Elastic_Block_Store_{volume_id.replace('-', '')}"
        for suffix in ("", "_1"):
            Path(f"{link}{suffix}").symlink_to(f"../../{name}")
        return f"/dev/{name}"

    def remove_disk(self, path: str, loop: LoopDevice) -> None:
        """Make a device disappear again, as far as the instance still lives."""
        with contextlib.suppress(OSError):
            dev, name = self._dev, Path(path).name
            for link in (dev / "disk/by-id").iterdir():
                if link.readlink().name == name:
                    link.unlink()
            for node in (dev / name, dev / loop.path.name):
                node.unlink(missing_ok=True)

    def kill(self) -> None:
        """End everything in it at once and wait until it is gone, mounts and all."""
        process, self._process = self._process, None
        if self._metadata is not None:
            self._metadata.shutdown()
            self._metadata.server_close()
            self._metadata = None
        if process is not None:
            process.kill()
            process.wait()
            # unshare is gone, its child only told to go.
            while self._first and Path(f"/proc/{self._first}").exists():
                time.sleep(0.01)
        self._first = 0

    def wipe(self) -> None:
        """Forget its disk; the console stays."""
        for name in ("upper", "work", "merged"):
            shutil.rmtree(self._directory / name, ignore_errors=True)

    @property
    def _dev(self) -> Path:
        return Path(f"/proc/{self._first}/root/dev")

    def _watch(self, process: subprocess.Popen[bytes], ended: Callable[[], None]) -> None:
        process.wait()
        if self._process is process:
            ended()

    def _personalise(self, upper: Path) -> None:
        """Lay what makes this instance out of its image's root over it; only at its first boot."""
        own = upper / "usr/lib/petal-lab"
        born = own / "instance-id"
        if born.exists() and born.read_text() == self.spec.instance_id:
            return
        own.mkdir(parents=True, exist_ok=True)
        for name in ("init", "first_boot.py", "agent.py"):
            shutil.copyfile(FILES / name, own / name)
        (own / "init").chmod(0o755)
        settings = {"user": self.spec.user, "agent": self.spec.agent, "sessions": [SERVICE_ADDRESS, SESSION_PORT]}
        (own / "settings.json").write_text(json.dumps(settings))
        files = {
            "etc/hostname": f"{self.spec.hostname}\n",
            "etc/hosts": f"127.0.0.1 localhost\n{self.spec.interface.private} {self.spec.hostname}\n",
            # Nobody answers names here, and an empty file is what makes programs notice at once.
            "etc/resolv.conf": "",
            "etc/pip.conf": f"[global]\nindex-url = {INDEX_URL}\ntrusted-host = {SERVICE_ADDRESS}\n",
            "etc/uv/uv.toml": f'allow-insecure-host = ["{SERVICE_ADDRESS}"]\n'
            f'[[index]]\nurl = "{INDEX_URL}"\ndefault = true\n',
            "etc/ssh/sshd_config.d/lab.conf": "UseDNS no\nPasswordAuthentication no\nPermitRootLogin no\n",
            **(
                {"etc/os-release": self.spec.os_release, "usr/lib/os-release": self.spec.os_release}
                if self.spec.os_release
                else {}
            ),
        }
        # As systemd: one that an image brings along stays, and is made where it is empty.
        machine = upper / "etc/machine-id"
        if not machine.exists() or machine.read_text().strip() in ("", "uninitialized"):
            files["etc/machine-id"] = f"{self.spec.instance_id.removeprefix('i-'):0<32}\n"
        for name, text in files.items():
            (upper / name).parent.mkdir(parents=True, exist_ok=True)
            (upper / name).unlink(missing_ok=True)
            (upper / name).write_text(text)
        sbin = upper / "usr/local/sbin"
        sbin.mkdir(parents=True, exist_ok=True)
        for name in POWER:
            shutil.copyfile(FILES / "power", sbin / name)
            (sbin / name).chmod(0o755)
        born.write_text(self.spec.instance_id)
