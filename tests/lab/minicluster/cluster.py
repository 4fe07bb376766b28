"""Start and stop a mini cluster, and reach its hosts: what tests and the command line use."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ec2lab.data.linux import start_time

from minicluster.settings import HEAD, PACKAGES, USER, Settings, address, role

PACKAGES_HERE = Path(__file__).parents[1]
MAKER = PACKAGES_HERE / "chroot_root.sh"


class ClusterError(RuntimeError):
    """The cluster did not start, or a host did not do what it was told; the message says why."""


def reason_not_to() -> str:
    """Why this machine carries no mini cluster, or an empty string."""
    if os.geteuid() != 0:
        return "a mini cluster is made of namespaces, overlays and loop devices, which need root"
    if not Path("/dev/loop-control").exists():
        return "this kernel has no loop devices"
    if not any(line.split()[-1] == "overlay" for line in Path("/proc/filesystems").read_text().splitlines()):
        return "this kernel has no overlay file system"
    missing = [name for name in ("unshare", "nsenter", "ip", "ssh", "ssh-keygen") if shutil.which(name) is None]
    return f"programs are missing: {', '.join(missing)}" if missing else ""


@dataclass
class Cluster:
    """A running cluster. ``pid`` is the process whose end is the cluster's end."""

    settings: Settings
    pid: int

    @property
    def inventory(self) -> Path:
        """For ansible-playbook -i."""
        return self.settings.path / "inventory.yml"

    @property
    def hosts(self) -> list[str]:
        """The hosts that run."""
        return sorted(path.name for path in (self.settings.path / "hosts").iterdir())

    def run(self, host: str, command: str, *, timeout: float = 120, check: bool = True) -> str:
        """Run a shell command as root on a host, through its sshd; returns what it printed. Raises ClusterError."""
        ssh = ["ssh", "-F", str(self.settings.path / "ssh/config"), host, "sudo", "bash", "-c", shlex.quote(command)]
        done = subprocess.run(
            ssh, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
        )
        if check and done.returncode != 0:
            raise ClusterError(f"{host}: {command}: status {done.returncode}: {(done.stderr + done.stdout)[-2000:]}")
        return done.stdout

    def put(self, host: str, directory: Path, into: str) -> None:
        """Copy what is in a directory into one of a host, as root's. Raises CalledProcessError."""
        ssh = ["ssh", "-F", str(self.settings.path / "ssh/config"), host]
        unpack = f"mkdir -p {into} && tar --extract --no-same-owner --directory {into}"
        packed = subprocess.run(["tar", "--create", "--directory", directory, "."], capture_output=True, check=True)
        subprocess.run([*ssh, "sudo", "bash", "-c", shlex.quote(unpack)], input=packed.stdout, check=True)

    def popen(self, host: str, argv: Sequence[str]) -> subprocess.Popen[str]:
        """Start a command as root on a host, through its sshd; its output comes as one stream."""
        ssh = ["ssh", "-F", str(self.settings.path / "ssh/config"), host, "sudo", shlex.join(argv)]
        return subprocess.Popen(
            ssh, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def add(self, name: str) -> None:
        """Boot one more host and put it into the inventory. Raises ClusterError."""
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(self.settings.path / "control"))
            line.sendall(f"{name}\n".encode())
            answer = line.makefile().read().strip()
        if answer != "ok":
            raise ClusterError(answer or "the cluster does not answer")
        self.write_inventory()

    def wait_for_slurm(self, nodes: int, seconds: float = 60) -> None:
        """Until so many compute hosts are idle. Raises ClusterError with what sinfo says."""
        end = time.monotonic() + seconds
        while True:
            shown = self.run(HEAD, "sinfo --noheader --Node --format='%N %t'", check=False)
            if sum(line.endswith(" idle") for line in shown.splitlines()) >= nodes:
                return
            if time.monotonic() > end:
                raise ClusterError(f"Slurm has no {nodes} idle nodes after {seconds} s:\n{shown}")
            time.sleep(0.2)

    def write_inventory(self) -> None:
        """Groups head, compute and login; every host through its own sshd, as a user who may become root."""
        config = str(self.settings.path / "ssh/config")
        groups: dict[str, dict[str, dict[str, dict[str, str]]]] = {
            name: {"hosts": {}} for name in ("head", "compute", "login")
        }
        for host in self.hosts:
            groups[role(host)]["hosts"][host] = {}
        common = {
            "ansible_ssh_common_args": f"-F {config}",
            "ansible_control_path_dir": str(self.settings.path / "cp"),
            "ansible_python_interpreter": "/usr/bin/python3",
        }
        # Not for localhost, which is where the seed is read.
        cluster = {"children": groups, "vars": common}
        # JSON is YAML.
        self.inventory.write_text(json.dumps({"all": {"children": {"mini": cluster}}}, indent=2) + "\n")

    def stop(self) -> None:
        """End it with all that it mounted, and remove its directory."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)
        _wait_until_free(self.settings.path)
        shutil.rmtree(self.settings.path, ignore_errors=True)


def start(
    directory: Path, compute: int = 2, login: int = 0, shared: Sequence[Path] = (), of_head: Sequence[Path] = ()
) -> Cluster:
    """Start a cluster in a directory of its own, after removing what a crashed one left there. Raises ClusterError.

    :param shared: directories of this machine for all hosts, which they can write. of_head: the same for the head.
    """
    directory = directory.resolve()
    if reason_not_to():
        raise ClusterError(reason_not_to())
    previous = recall(directory)
    if previous is not None:
        previous.stop()
    elif directory.exists() and any(directory.iterdir()):
        if not (directory / "settings.json").exists():
            raise ClusterError(f"{directory} is not empty and no cluster's: name another directory")
        shutil.rmtree(directory)
    (directory / "ssh").mkdir(parents=True)
    (directory / "hosts").mkdir()
    places = (tuple(str(path.resolve()) for path in paths) for paths in (shared, of_head))
    settings = Settings(str(directory), _root(), compute, login, *places)
    (directory / "settings.json").write_text(settings.to_json())
    for name in ("id_ed25519", "host"):
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(directory / "ssh" / name)]
        subprocess.run(argv, check=True)
    (directory / "munge.key").write_bytes(secrets.token_bytes(128))
    sandbox = ["unshare", "--net", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc"]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [*sandbox, "--propagation=private", sys.executable, "-B", "-m", "minicluster.holder", settings.to_json()],
            env={**os.environ, "PYTHONPATH": str(PACKAGES_HERE)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    cluster = Cluster(settings, process.pid)
    (directory / "pid").write_text(f"{process.pid} {start_time(process.pid)}")
    assert process.stdout is not None
    with process.stdout:
        if process.stdout.readline() != b"ready\n":
            problem = (directory / "log").read_text(errors="replace")[-2000:]
            cluster.stop()
            raise ClusterError(f"the cluster did not start: {problem}")
    _write_ssh_config(cluster)
    cluster.write_inventory()
    cluster.wait_for_slurm(compute)
    return cluster


def recall(directory: Path) -> Cluster | None:
    """The cluster that lives in a directory."""
    try:
        pid, _space, started = (directory / "pid").read_text().partition(" ")
        settings = Settings.from_json((directory / "settings.json").read_text())
    except (FileNotFoundError, ValueError):
        return None
    return Cluster(settings, int(pid)) if started and start_time(int(pid)) == started else None


def _root() -> str:
    environment = {**os.environ, "PETAL_ROOT_PACKAGES": ",".join(sorted(PACKAGES))}
    done = subprocess.run([MAKER, "root"], env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise ClusterError(f"{MAKER.name} could not make a root for the hosts; see above")
    return done.stdout.strip()


def _write_ssh_config(cluster: Cluster) -> None:
    """The hosts' network is the cluster's own: ssh goes in through a process in it and then speaks TCP."""
    path = cluster.settings.path
    inner = Path(f"/proc/{cluster.pid}/task/{cluster.pid}/children").read_text().split()[0]
    relay = "exec 3<>/dev/tcp/%h/22; cat <&3 & cat >&3; kill $! 2>/dev/null"
    hosts = "".join(f"Host {name}\n    HostName {address(name)}\n" for name in cluster.settings.known())
    known = (path / "ssh/host.pub").read_text().strip()
    (path / "ssh/known_hosts").write_text(f"{','.join(map(address, cluster.settings.known()))} {known}\n")
    (path / "ssh/config").write_text(
        f"{hosts}Host *\n    User admin\n    IdentityFile {path}/ssh/id_ed25519\n    IdentitiesOnly yes\n"
        f"    UserKnownHostsFile {path}/ssh/known_hosts\n    StrictHostKeyChecking yes\n    LogLevel ERROR\n"
        f"    ProxyCommand nsenter --target={inner} --net bash -c '{relay}'\n"
    )


def _wait_until_free(path: Path, seconds: float = 10) -> None:
    """The kernel unmounts after the last process; loop devices on the hosts' files go with the mounts."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        shown = subprocess.run(
            ["losetup", "--list", "--noheadings", "--output=BACK-FILE"], capture_output=True, text=True, check=True
        )
        if str(path) not in shown.stdout:
            return
        time.sleep(0.1)


__all__ = ["HEAD", "USER", "Cluster", "ClusterError", "reason_not_to", "recall", "start"]
