"""The process that holds a cluster: wires, hosts, and the stand-in for NFS.

It is the first process of its namespaces, so when it dies, however it dies, the kernel ends and unmounts everything of
the cluster.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from ec2lab.data.linux import child_of

from minicluster import mounting
from minicluster.settings import GATEWAY, HEAD, USER, Settings, address, role, slurm_conf

FILES = Path(__file__).parent / "files"


class Holder:
    """The hosts of one cluster."""

    def __init__(self, settings: Settings) -> None:
        """Lay the bridge; no host runs yet."""
        self._settings = settings
        self._first: dict[str, int] = {}
        batch = ["link set lo up", "link add hub type bridge", f"address add {GATEWAY}/24 dev hub", "link set hub up"]
        _ip(batch)

    def boot(self, name: str) -> None:
        """Start one host and return when its sshd answers. Raises RuntimeError."""
        directory = self._settings.path / "hosts" / name
        for part in ("upper", "work", "merged", "lab"):
            (directory / part).mkdir(parents=True)
        self._personalise(name, directory / "upper")
        # Outside of the host, where it cannot be stopped from inside.
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(directory / "lab/nfs"))
        server.listen()
        threading.Thread(target=self._serve, args=(name, server), daemon=True).start()
        settings = self._settings
        places = (*settings.shared, *(settings.of_head if name == HEAD else ()))
        argv = [
            "unshare",
            "--mount",
            "--net",
            "--pid",
            "--uts",
            "--ipc",
            "--fork",
            "--kill-child",
            "--propagation=private",
        ]
        with (directory / "console").open("ab") as console:
            process = subprocess.Popen(
                [*argv, "/bin/bash", FILES / "boot.sh", settings.root, directory, name, *places],
                stdin=subprocess.PIPE,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        self._first[name] = child_of(process)
        wire = f"w-{name}"
        _ip([f"link add {wire} type veth peer name eth0 netns {process.pid}", f"link set {wire} master hub up"])
        inside = ["link set lo up", f"address add {address(name)}/24 dev eth0", "link set eth0 up"]
        _ip([*inside, f"route add default via {GATEWAY}"], process.pid)
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.close()
        end = time.monotonic() + 60
        while time.monotonic() < end and process.poll() is None:
            if _answers(address(name)):
                return
            time.sleep(0.05)
        raise RuntimeError(f"{name} did not start: {(directory / 'console').read_text(errors='replace')[-2000:]}")

    def _personalise(self, name: str, upper: Path) -> None:
        own, path = upper / "usr/lib/petal-lab", self._settings.path
        own.mkdir(parents=True)
        shutil.copyfile(FILES / "init", own / "init")
        shutil.copyfile(path / "ssh/id_ed25519.pub", own / "authorized_keys")
        shutil.copyfile(path / "munge.key", own / "munge.key")
        (own / "munge.key").chmod(0o600)
        hosts = "".join(f"{address(other)} {other}\n" for other in self._settings.known())
        files = {
            "usr/lib/petal-lab/settings": f"ROLE={role(name)} USER_NAME={USER}\n",
            "etc/hostname": f"{name}\n",
            "etc/hosts": f"127.0.0.1 localhost\n{hosts}",
            # Nobody answers names here, and an empty file is what makes programs notice at once.
            "etc/resolv.conf": "",
            "etc/slurm/slurm.conf": slurm_conf(self._settings),
            "etc/slurm/cgroup.conf": "CgroupPlugin=cgroup/v1\n",
            "etc/ssh/sshd_config.d/lab.conf": "UseDNS no\nPasswordAuthentication no\nPermitRootLogin no\n",
            "etc/ssh/ssh_host_ed25519_key": (path / "ssh/host").read_text(),
            "etc/ssh/ssh_host_ed25519_key.pub": (path / "ssh/host.pub").read_text(),
        }
        for file, text in files.items():
            (upper / file).parent.mkdir(parents=True, exist_ok=True)
            (upper / file).write_text(text)
        if not mounting.kernel_has_nfs():
            helper = upper / "usr/sbin/mount.nfs"
            helper.parent.mkdir(parents=True, exist_ok=True)
            helper.write_text("#!/usr/bin/python3\n" + (FILES / "mount_nfs.py").read_text())
            helper.chmod(0o755)
        (own / "init").chmod(0o755)

    def _serve(self, name: str, server: socket.socket) -> None:
        """Answer the mount.nfs of one host, one request a connection."""
        while True:
            line, _peer = server.accept()
            with line, line.makefile("rw") as stream:
                request = json.loads(stream.readline())
                server_name, _colon, source = request["source"].partition(":")
                try:
                    if server_name not in self._first:
                        raise OSError(f"{server_name}: no such server")
                    mounting.check_export(self._first[server_name], source, address(name))
                    mounting.mount_from(self._first[server_name], source, self._first[name], request["target"])
                    stream.write("ok\n")
                except OSError as error:
                    stream.write(f"{request['source']}: {error}\n")


def _answers(host: str) -> bool:
    try:
        socket.create_connection((host, 22), 1).close()
    except OSError:
        return False
    return True


def _ip(lines: list[str], process: int | None = None) -> None:
    enter = ["nsenter", f"--target={process}", "--net"] if process else []
    subprocess.run([*enter, "ip", "-batch", "-"], input="\n".join(lines) + "\n", text=True, check=True)


def main() -> int:
    """Start the hosts of the beginning, say "ready", then one more for each name that comes on a line of the control
    socket."""
    settings = Settings.from_json(sys.argv[1])
    control = socket.socket(socket.AF_UNIX)
    control.bind(str(settings.path / "control"))
    control.listen()
    try:
        holder = Holder(settings)
        assert settings.names()[0] == HEAD
        for name in settings.names():
            holder.boot(name)
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        print(error, file=sys.stderr)
        return 1
    os.write(1, b"ready\n")
    while True:
        line, _peer = control.accept()
        with line, line.makefile("rw") as stream:
            try:
                holder.boot(stream.readline().strip())
                stream.write("ok\n")
            except (RuntimeError, OSError, subprocess.SubprocessError) as error:
                stream.write(f"{error}\n")


if __name__ == "__main__":
    sys.exit(main())
